//! What this machine has: processors, memory, disk, GPUs, the shared libraries that stages load, and how many
//! attempts may run at once on it.
//!
//! This crate only looks. It never changes a setting, never starts a program, and a figure that cannot be had is
//! `None`, not a guess.

mod cgroup;
mod choose;
mod drm;
mod encoders;
mod figures;
mod gpu;
mod libraries;
mod machine;
mod nvml;
mod sampler;
mod slots;

pub use choose::{GpuTask, Held, SESSIONS_MAX, best_gpu_for, memory_within_reach};
pub use encoders::{Candidate, candidates, is_hardware_encoder};
pub use figures::{Figures, Load};
pub use gpu::{Gpu, GpuDriver, GpuWatch, Reading, Vendor, gpus};
pub use libraries::{Encoder, LIBAV_ENCODERS, Libav, is_loadable, libav};
pub use machine::{Disk, Machine, disk_of};
pub use sampler::{Look, Sampler};
pub use slots::{SLOT_MEMORY_BYTES, slots};
