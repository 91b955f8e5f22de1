//! What the benchmarks share: where the build is, medians, and what a child process cost, runs for a fleet.

pub mod fleet;
pub mod process;

use std::path::PathBuf;

/// The folder with the programs and plugins of this build: a bench runs from `deps` below it.
#[must_use]
pub fn build_folder() -> PathBuf {
    let exe = std::env::current_exe().unwrap_or_default();
    let folder = exe.parent().map(PathBuf::from).unwrap_or_default();
    if folder.ends_with("deps") { folder.parent().map(PathBuf::from).unwrap_or_default() } else { folder }
}

/// The median of some figures; zero of none.
#[must_use]
pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(0.0)
}
