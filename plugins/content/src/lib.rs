//! What a video shows, and what follows for its encoder.
//!
//! `analyse` looks at a video once, small and grey, and `classify` (pure) makes a class of the figures; `cuts` (pure)
//! finds where scenes begin. `tuning` (pure) says what a class wants of an encoder, `search` (pure) which CRF reaches a
//! goal, and `probe` tries that on `samples`. `compare` says how alike two files are. `testing` makes labelled clips.
//!
//! Nothing here knows of stages or timelines; a caller brings files or frames.

mod analyse;
mod classify;
mod compare;
mod cuts;
mod figures;
mod file;
mod probe;
mod samples;
mod search;
pub mod testing;
mod text;
mod tuning;

pub use analyse::{Analysis, Scene, analyse};
pub use classify::{Class, classify, overall};
pub use compare::{Compared, compare};
pub use cuts::cuts;
pub use figures::{Figures, Series, summary};
pub use file::sample_file;
pub use probe::{FLAT_PSNR, Found, GOOD_ENOUGH, Wanted, find, tuned_encoder};
pub use samples::{Length, Samples, Shown, sample};
pub use search::{Goal, Next, Range, Score, Tried, next};
pub use tuning::{Filter, filters, parameters};
