//! The kernels as they are shipped.

/// What the driver compiles for the GPU it has; made from [`SOURCE`] and checked in.
pub const PTX: &str = include_str!("../kernels/frames.ptx");

/// Where it comes from, in this crate's folder.
pub const SOURCE: &str = "kernels/frames.cu";

/// Arguments that make the one from the other with clang 14 of Debian 12, without a CUDA toolkit:
/// `clang COMPILE… kernels/frames.cu -o kernels/frames.ptx`.
pub const COMPILE: [&str; 12] = [
    "-x",
    "cuda",
    "--cuda-device-only",
    "--cuda-gpu-arch=sm_70",
    "-nocudainc",
    "-nocudalib",
    "-Xclang",
    "-target-feature",
    "-Xclang",
    "+ptx60",
    "-ffp-contract=off",
    "-O3",
];
