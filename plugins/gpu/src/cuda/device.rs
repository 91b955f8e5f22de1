//! The driver, one GPU, its two streams and its memory.
//!
//! Invariant: whatever was enqueued is done when a call of this crate returns ([`Device::settled`]), so that no memory
//! is freed, reused or changed while the GPU still works on it. cudarc's own tracking is switched off for that.
#![expect(unsafe_code, reason = "asking for the driver, raw memory, and launches")]

use crate::error::{Error, Result};
use crate::frames::Buffer;
use crate::ptx::PTX;
use cudarc::driver::{
    CudaContext, CudaFunction, CudaModule, CudaSlice, CudaStream, DevicePtr, LaunchArgs, LaunchConfig,
    result, sys,
};
use cudarc::nvrtc::Ptx;
use std::sync::{Arc, Mutex, PoisonError};

/// Pieces of memory that are kept for the next batch.
const KEPT_MAX: usize = 8;

/// A GPU with the kernels on it.
#[derive(Debug)]
pub struct Device {
    pub name: String,
    context: Arc<CudaContext>,
    /// Copies to the GPU.
    pub copies: Arc<CudaStream>,
    /// Kernels, and copies from the GPU.
    pub work: Arc<CudaStream>,
    pub kernels: Kernels,
    kept: Mutex<Vec<CudaSlice<u8>>>,
    /// Held while something is enqueued: the two streams are one worker.
    pub busy: Mutex<()>,
}

/// The functions of `kernels/frames.cu`.
#[derive(Debug)]
pub struct Kernels {
    pub likeness: CudaFunction,
    pub difference: CudaFunction,
    pub motion: CudaFunction,
    pub histogram: CudaFunction,
    pub detail: CudaFunction,
    pub area: CudaFunction,
    pub bilinear: CudaFunction,
    pub blend: CudaFunction,
}

impl Kernels {
    fn load(module: &Arc<CudaModule>) -> Result<Self> {
        let load = |name: &str| module.load_function(name).map_err(Error::gpu("find a kernel"));
        Ok(Self {
            likeness: load("likeness")?,
            difference: load("difference")?,
            motion: load("motion")?,
            histogram: load("histogram")?,
            detail: load("detail")?,
            area: load("scale_box")?,
            bilinear: load("scale_bilinear")?,
            blend: load("blend")?,
        })
    }
}

impl Device {
    pub fn open(number: usize) -> Result<Self> {
        // cudarc panics when it is used without the driver, so it is asked first.
        // SAFETY: the driver's library is loaded and unloaded, nothing of it is called.
        if !unsafe { sys::is_culib_present() } {
            return Err(Error::NoGpu("the driver's library libcuda.so.1 is not there".into()));
        }
        let context = CudaContext::new(number).map_err(|e| Error::NoGpu(e.to_string()))?;
        // SAFETY: see the invariant above: every call waits for its work before it returns.
        unsafe { context.disable_event_tracking() };
        let stream = || context.new_stream().map_err(Error::gpu("make a stream"));
        let (copies, work) = (stream()?, stream()?);
        let module = context.load_module(Ptx::from_src(PTX)).map_err(Error::gpu("load the kernels"))?;
        let kernels = Kernels::load(&module)?;
        let name = context.name().map_err(Error::gpu("tell its name"))?;
        let (kept, busy) = (Mutex::default(), Mutex::default());
        Ok(Self { name, context, copies, work, kernels, kept, busy })
    }

    pub fn memory(&self) -> Result<(usize, usize)> {
        let (free, total) = self.context.mem_get_info().map_err(Error::gpu("tell its memory"))?;
        Ok((total, free))
    }

    /// Memory of this machine that the GPU reads and writes by itself.
    pub fn pinned(&self, bytes: usize) -> Result<Buffer> {
        let fail = Error::gpu("get pinned memory");
        // SAFETY: the memory is filled with zeros before anybody sees it.
        let mut memory = unsafe { self.context.alloc_pinned_with_flags::<u8>(bytes, 0) }.map_err(&fail)?;
        memory.as_mut_slice().map_err(&fail)?.fill(0);
        Ok(Buffer::pinned(memory))
    }

    /// Memory on the GPU, with whatever is in it.
    pub fn take(self: &Arc<Self>, bytes: usize) -> Result<Memory> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let fit = (0..kept.len()).filter(|i| kept[*i].len() >= bytes).min_by_key(|i| kept[*i].len());
        // Not one that is far too large: it will be wanted for what it is.
        let fit = fit.filter(|i| kept[*i].len() <= bytes.saturating_mul(4).max(1 << 20));
        if let Some(index) = fit {
            return Ok(Memory { slice: Some(kept.swap_remove(index)), device: self.clone() });
        }
        drop(kept);
        // SAFETY: pixels and sums are plain numbers; whoever takes memory fills it before reading.
        let slice = unsafe { self.work.alloc::<u8>(bytes.max(1)) }.map_err(Error::gpu("get memory"))?;
        // The other stream may not use it before it is there.
        self.work.synchronize().map_err(Error::gpu("get memory"))?;
        Ok(Memory { slice: Some(slice), device: self.clone() })
    }

    /// Memory with zeros, as far as the kernels are concerned: they come after on the same stream.
    pub fn zeros(self: &Arc<Self>, bytes: usize) -> Result<Memory> {
        let mut memory = self.take(bytes)?;
        let cleared = self.work.memset_zeros(memory.slice_mut()).map_err(Error::gpu("clear memory"));
        if cleared.is_err() {
            self.settled(cleared)?;
        }
        Ok(memory)
    }

    /// Enqueues a copy to the GPU; the bytes may not change before [`Self::settled`].
    pub fn copy_to(&self, memory: &Memory, offset: usize, bytes: &[u8]) -> Result<()> {
        assert!(offset + bytes.len() <= memory.slice().len(), "a copy would go past its memory");
        let fail = Error::gpu("copy to its memory");
        self.context.bind_to_thread().map_err(&fail)?;
        let (start, _) = memory.slice().device_ptr(&self.copies);
        // SAFETY: the range lies in the memory, which lives until `settled`, as do the bytes: their owner is borrowed
        // by the call that waits there.
        unsafe { result::memcpy_htod_async(start + offset as u64, bytes, self.copies.cu_stream()) }
            .map_err(fail)
    }

    /// Enqueues a copy from the GPU, of as many bytes as there is room for, after all work before.
    pub fn copy_from(&self, memory: &Memory, into: &mut [u8]) -> Result<()> {
        let view = memory.slice().slice(0..into.len());
        self.work.memcpy_dtoh(&view, into).map_err(Error::gpu("copy from its memory"))
    }

    /// Lets the kernels that follow wait for the copies so far.
    pub fn work_after_copies(&self) -> Result<()> {
        let fail = Error::gpu("wait for a copy");
        let copied = self.copies.record_event(None).map_err(&fail)?;
        self.work.wait(&copied).map_err(fail)
    }

    /// Waits for both streams, whether what was enqueued went well or not.
    pub fn settled<T>(&self, result: Result<T>) -> Result<T> {
        let copied = self.copies.synchronize().map_err(Error::gpu("copy"));
        let worked = self.work.synchronize().map_err(Error::gpu("finish its work"));
        result.and_then(|value| copied.and(worked).map(|()| value))
    }

    /// Starts a kernel in blocks of 32 x 8 threads.
    ///
    /// The arguments have to be those of the kernel in `frames.cu`, and its memory as large as it says there.
    pub fn launch(args: &mut LaunchArgs<'_>, grid: (u32, u32, u32)) -> Result<()> {
        let config = LaunchConfig { grid_dim: grid, block_dim: (32, 8, 1), shared_mem_bytes: 0 };
        // SAFETY: `ops.rs` is the only caller; each kernel is called in one place, beside its memory's sizes.
        unsafe { args.launch(config) }.map_err(Error::gpu("start a kernel"))?;
        Ok(())
    }
}

/// A piece of the GPU's memory; it is kept for the next one when it is dropped.
#[derive(Debug)]
pub struct Memory {
    /// Invariant: there until it is dropped.
    slice: Option<CudaSlice<u8>>,
    device: Arc<Device>,
}

impl Memory {
    pub fn slice(&self) -> &CudaSlice<u8> {
        self.slice.as_ref().expect("memory is there until it is dropped")
    }

    pub fn slice_mut(&mut self) -> &mut CudaSlice<u8> {
        self.slice.as_mut().expect("memory is there until it is dropped")
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        let mut kept = self.device.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slice) = self.slice.take()
            && kept.len() < KEPT_MAX
        {
            kept.push(slice);
        }
    }
}
