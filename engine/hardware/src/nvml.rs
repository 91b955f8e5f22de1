//! NVIDIA's management library, loaded when it is there. A thin wrapper over six of its functions
//! (<https://docs.nvidia.com/deploy/nvml-api/>); it reads, and never sets anything.
#![expect(unsafe_code, reason = "the driver's C library is loaded and called here, and nowhere else")]

use crate::gpu::{Gpu, GpuDriver};
use libloading::{Library, Symbol};
use std::ffi::{CStr, c_char, c_int, c_uint, c_void};

/// What every function of the library answers when it did what was asked.
const SUCCESS: c_int = 0;
/// Bytes of a device's name at most, the closing zero included (`NVML_DEVICE_NAME_V2_BUFFER_SIZE`).
const NAME_BYTES: c_uint = 96;
/// GPUs asked for at most; the largest machines have 16.
const GPUS_MAX: c_uint = 64;

type Device = *mut c_void;

/// `nvmlMemory_t`, in bytes.
#[repr(C)]
#[derive(Default)]
struct Memory {
    total: u64,
    free: u64,
    used: u64,
}

/// The GPUs that NVIDIA's driver knows; empty without driver or GPU.
pub(crate) fn gpus() -> Vec<Gpu> {
    // SAFETY: loading runs the initialisers of a library that the system's linker finds by its standard name.
    let Ok(library) = (unsafe { Library::new("libnvidia-ml.so.1") }) else { return Vec::new() };
    list(&library).unwrap_or_default()
}

fn list(library: &Library) -> Option<Vec<Gpu>> {
    // SAFETY: the signatures are those of the library's documented C interface, version 2 of each function.
    let (init, shutdown, count) = unsafe {
        let init: Symbol<unsafe extern "C" fn() -> c_int> = library.get(b"nvmlInit_v2").ok()?;
        let shutdown: Symbol<unsafe extern "C" fn() -> c_int> = library.get(b"nvmlShutdown").ok()?;
        let count: Symbol<unsafe extern "C" fn(*mut c_uint) -> c_int> =
            library.get(b"nvmlDeviceGetCount_v2").ok()?;
        (init, shutdown, count)
    };
    // SAFETY: it takes no arguments and may be called at any time.
    if unsafe { init() } != SUCCESS {
        return None;
    }
    let mut devices: c_uint = 0;
    // SAFETY: the library is initialised and `devices` is a place for one number.
    let counted = unsafe { count(&raw mut devices) } == SUCCESS;
    let found =
        counted.then(|| (0..devices.min(GPUS_MAX)).filter_map(|index| device(library, index)).collect());
    // SAFETY: it pairs with the successful `init` above; no handle is used afterwards.
    unsafe { shutdown() };
    found
}

fn device(library: &Library, index: c_uint) -> Option<Gpu> {
    let mut handle: Device = std::ptr::null_mut();
    let mut name = [0_u8; NAME_BYTES as usize];
    let mut memory = Memory::default();
    // SAFETY: the library is initialised while `list` calls this; the signatures are the documented ones; every
    // pointer is to a local of the size the function is told or defines.
    let (named, measured) = unsafe {
        let by_index: Symbol<unsafe extern "C" fn(c_uint, *mut Device) -> c_int> =
            library.get(b"nvmlDeviceGetHandleByIndex_v2").ok()?;
        let name_of: Symbol<unsafe extern "C" fn(Device, *mut c_char, c_uint) -> c_int> =
            library.get(b"nvmlDeviceGetName").ok()?;
        let memory_of: Symbol<unsafe extern "C" fn(Device, *mut Memory) -> c_int> =
            library.get(b"nvmlDeviceGetMemoryInfo").ok()?;
        if by_index(index, &raw mut handle) != SUCCESS {
            return None;
        }
        (
            name_of(handle, name.as_mut_ptr().cast(), NAME_BYTES) == SUCCESS,
            memory_of(handle, &raw mut memory) == SUCCESS,
        )
    };
    let name = CStr::from_bytes_until_nul(&name).ok().filter(|_| named);
    Some(Gpu {
        driver: GpuDriver::Nvml,
        name: name.map_or_else(|| format!("GPU {index}"), |name| name.to_string_lossy().into_owned()),
        memory_total_bytes: measured.then_some(memory.total),
        memory_free_bytes: measured.then_some(memory.free),
        node: None,
    })
}
