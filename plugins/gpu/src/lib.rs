//! Figures of pictures, and scaling: how alike two are, what moves, how much detail there is.
//!
//! One trait, [`FrameOps`], and two ways to do it: [`Cpu`], on all cores, which is the reference, and [`Cuda`], on an
//! NVIDIA GPU. Both give the same numbers (see [`SSIM_TOLERANCE`]), so whoever calls them need not know which one it
//! has. The GPU's kernels are in the binary as PTX; the driver is looked for when it is asked for, and nothing of
//! CUDA is needed to build or to start.
//!
//! This crate knows nothing of files, codecs or stages: pictures come in as 8-bit luma, and figures go out.

mod cpu;
mod cuda;
mod error;
mod frames;
mod ops;
mod ptx;

pub use cpu::Cpu;
pub use cuda::{Cuda, OnGpu};
pub use error::{Error, Result};
pub use frames::{Buffer, Frames};
pub use ops::{
    Detail, Difference, FrameOps, Histogram, Layer, Likeness, Motion, SSIM_TOLERANCE, STEEP, Scaling, psnr_of,
};
pub use ptx::{COMPILE, PTX, SOURCE};
