//! NVIDIA's management library, loaded when it is there. A thin wrapper over a dozen of its functions
//! (<https://docs.nvidia.com/deploy/nvml-api/>); it reads, and never sets anything.
#![expect(unsafe_code, reason = "the driver's C library is loaded and called here, and nowhere else")]

use crate::gpu::{Gpu, GpuDriver, Reading, Vendor};
use libloading::{Library, Symbol};
use std::ffi::{CStr, c_char, c_int, c_uint, c_void};

/// What every function of the library answers when it did what was asked.
const SUCCESS: c_int = 0;
/// Bytes of a text at most, the closing zero included (`NVML_DEVICE_NAME_V2_BUFFER_SIZE`; others are shorter).
const TEXT_BYTES: c_uint = 96;
/// GPUs asked for at most; the largest machines have 16.
const GPUS_MAX: c_uint = 64;
/// `NVML_TEMPERATURE_GPU`.
const TEMPERATURE_GPU: c_uint = 0;

type Device = *mut c_void;

/// `nvmlMemory_t`, in bytes.
#[repr(C)]
#[derive(Default)]
struct Memory {
    total: u64,
    free: u64,
    used: u64,
}

/// `nvmlUtilization_t`, in percent.
#[repr(C)]
#[derive(Default)]
struct Utilisation {
    gpu: c_uint,
    memory: c_uint,
}

/// The library, ready to be asked. It stays loaded until this goes.
#[derive(Debug)]
pub(crate) struct Nvml(Library);

impl Nvml {
    /// Loads and readies it; none without NVIDIA's driver.
    pub(crate) fn open() -> Option<Self> {
        // SAFETY: loading runs the initialisers of a library that the system's linker finds by its standard name. `init` has
        // the documented signature, takes no arguments and may be called at any time.
        unsafe {
            let library = Library::new("libnvidia-ml.so.1").ok()?;
            let ready = {
                let init: Symbol<unsafe extern "C" fn() -> c_int> = library.get(b"nvmlInit_v2").ok()?;
                init() == SUCCESS
            };
            ready.then(|| Self(library))
        }
    }

    /// All GPUs as they are now.
    pub(crate) fn gpus(&self) -> Vec<Gpu> {
        let mut count: c_uint = 0;
        // SAFETY: the documented signature, and a place for one number.
        let counted = unsafe {
            self.call::<unsafe extern "C" fn(*mut c_uint) -> c_int>(b"nvmlDeviceGetCount_v2", |get| {
                get(&raw mut count)
            })
        };
        let count = if counted { count.min(GPUS_MAX) } else { 0 };
        (0..count).filter_map(|index| self.gpu(index)).collect()
    }

    fn gpu(&self, index: c_uint) -> Option<Gpu> {
        let mut handle: Device = std::ptr::null_mut();
        // SAFETY: the documented signature, and a place for one handle.
        let found = unsafe {
            self.call::<unsafe extern "C" fn(c_uint, *mut Device) -> c_int>(
                b"nvmlDeviceGetHandleByIndex_v2",
                |get| get(index, &raw mut handle),
            )
        };
        if !found {
            return None;
        }
        let memory = self.memory(handle);
        let compute = self.two::<c_int>(b"nvmlDeviceGetCudaComputeCapability", handle);
        let generation = compute.map_or("", |(major, minor)| generation(major, minor));
        Some(Gpu {
            driver: GpuDriver::Nvml,
            vendor: Vendor::Nvidia,
            index,
            id: self.text(b"nvmlDeviceGetUUID", handle).unwrap_or_else(|| format!("nvidia-{index}")),
            name: self.text(b"nvmlDeviceGetName", handle).unwrap_or_else(|| format!("GPU {index}")),
            driver_version: self.driver_version(),
            generation: generation.to_owned(),
            compute: compute.map(|(major, minor)| format!("{major}.{minor}")),
            memory_total_bytes: memory.as_ref().map(|memory| memory.total),
            memory_free_bytes: memory.as_ref().map(|memory| memory.free),
            reading: self.reading(handle),
            node: None,
        })
    }

    fn reading(&self, handle: Device) -> Reading {
        let mut used = Utilisation::default();
        // SAFETY: the documented signature, a handle of this library, and a place for the structure.
        let measured = unsafe {
            self.call::<unsafe extern "C" fn(Device, *mut Utilisation) -> c_int>(
                b"nvmlDeviceGetUtilizationRates",
                |get| get(handle, &raw mut used),
            )
        };
        let mut degrees: c_uint = 0;
        // SAFETY: the same, with a place for one number.
        let felt = unsafe {
            self.call::<unsafe extern "C" fn(Device, c_uint, *mut c_uint) -> c_int>(
                b"nvmlDeviceGetTemperature",
                |get| get(handle, TEMPERATURE_GPU, &raw mut degrees),
            )
        };
        Reading {
            busy_percent: measured.then_some(used.gpu),
            encoder_percent: self.two::<c_uint>(b"nvmlDeviceGetEncoderUtilization", handle).map(|two| two.0),
            decoder_percent: self.two::<c_uint>(b"nvmlDeviceGetDecoderUtilization", handle).map(|two| two.0),
            encoder_sessions: self.sessions(handle),
            temperature_celsius: felt.then_some(degrees),
        }
    }

    /// Encode sessions that are open on the GPU, of whoever.
    fn sessions(&self, handle: Device) -> Option<u32> {
        let (mut sessions, mut fps, mut latency): (c_uint, c_uint, c_uint) = (0, 0, 0);
        // SAFETY: the documented signature, a handle of this library, and places for three numbers.
        let counted = unsafe {
            self.call::<unsafe extern "C" fn(Device, *mut c_uint, *mut c_uint, *mut c_uint) -> c_int>(
                b"nvmlDeviceGetEncoderStats",
                |get| get(handle, &raw mut sessions, &raw mut fps, &raw mut latency),
            )
        };
        counted.then_some(sessions)
    }

    fn memory(&self, handle: Device) -> Option<Memory> {
        let mut memory = Memory::default();
        // SAFETY: the documented signature, a handle of this library, and a place for the structure.
        let measured = unsafe {
            self.call::<unsafe extern "C" fn(Device, *mut Memory) -> c_int>(
                b"nvmlDeviceGetMemoryInfo",
                |get| get(handle, &raw mut memory),
            )
        };
        measured.then_some(memory)
    }

    /// Two numbers of a GPU, of a function that writes just these.
    fn two<T: Copy + Default>(&self, name: &[u8], handle: Device) -> Option<(T, T)> {
        let (mut first, mut second) = (T::default(), T::default());
        // SAFETY: callers name functions that take a handle and two pointers to numbers of 32 bits, signed or not.
        let asked = unsafe {
            self.call::<unsafe extern "C" fn(Device, *mut T, *mut T) -> c_int>(name, |get| {
                get(handle, &raw mut first, &raw mut second)
            })
        };
        asked.then_some((first, second))
    }

    fn text(&self, name: &[u8], handle: Device) -> Option<String> {
        let mut text = [0_u8; TEXT_BYTES as usize];
        // SAFETY: callers name functions of this signature; the buffer is as long as they are told.
        let said = unsafe {
            self.call::<unsafe extern "C" fn(Device, *mut c_char, c_uint) -> c_int>(name, |get| {
                get(handle, text.as_mut_ptr().cast(), TEXT_BYTES)
            })
        };
        said.then(|| text_of(&text))?
    }

    fn driver_version(&self) -> Option<String> {
        let mut text = [0_u8; TEXT_BYTES as usize];
        // SAFETY: the documented signature; the buffer is as long as the function is told.
        let said = unsafe {
            self.call::<unsafe extern "C" fn(*mut c_char, c_uint) -> c_int>(
                b"nvmlSystemGetDriverVersion",
                |get| get(text.as_mut_ptr().cast(), TEXT_BYTES),
            )
        };
        said.then(|| text_of(&text))?
    }

    /// Calls a function if the driver has it; whether it did what was asked.
    ///
    /// # Safety
    /// `F` is the documented signature of the function.
    unsafe fn call<F>(&self, name: &[u8], call: impl FnOnce(&F) -> c_int) -> bool {
        // SAFETY: the caller's word.
        let function: Result<Symbol<'_, F>, _> = unsafe { self.0.get(name) };
        function.is_ok_and(|function| call(&function) == SUCCESS)
    }
}

impl Drop for Nvml {
    fn drop(&mut self) {
        // SAFETY: it pairs with the successful `init` of `open`; no handle is used afterwards.
        unsafe { self.call::<unsafe extern "C" fn() -> c_int>(b"nvmlShutdown", |shutdown| shutdown()) };
    }
}

fn text_of(bytes: &[u8]) -> Option<String> {
    Some(CStr::from_bytes_until_nul(bytes).ok()?.to_string_lossy().into_owned())
}

/// The word of a generation, by its compute capability. GA100 and Hopper have words of their own: they have no encoder.
fn generation(major: c_int, minor: c_int) -> &'static str {
    match (major, minor) {
        (7, 5) => "turing",
        (8, 0) => "ga100",
        (8, 9) => "ada",
        (8, _) => "ampere",
        (9, _) => "hopper",
        (12, _) => "blackwell",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::generation;

    #[test]
    fn generations_are_told_by_their_compute_capability() {
        let words = [(7, 5), (8, 0), (8, 6), (8, 9), (9, 0), (12, 0), (6, 1)].map(|(a, b)| generation(a, b));
        assert_eq!(words, ["turing", "ga100", "ampere", "ada", "hopper", "blackwell", ""]);
    }
}
