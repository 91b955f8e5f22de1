//! For plugin authors: [`scaffold`] writes a new plugin that builds and passes [`check`] as it is; `check` runs a
//! plugin through what a pipeline may do to it, each case in a process of its own.

mod check;
mod generate;
mod report;
mod scaffold;

pub use check::check;
pub use report::{Case, Report, Verdict};
pub use scaffold::{Language, scaffold};
