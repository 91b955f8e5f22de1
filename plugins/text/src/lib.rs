//! What the plugins know about text in common: where sentences end, what a word's stem is, which words carry no
//! subject, and how long a text takes to say. Pure: it never reads a file and never allocates more than its
//! input asks for. Rules are small tables, so that a language costs a row, not a library.

mod detect;
mod language;
mod sentence;
mod stem;
mod syllable;
mod time;
mod word;

pub use language::Language;
pub use sentence::{paragraphs, sentences, squeeze};
pub use stem::{is_stop, stem};
pub use syllable::syllables;
pub use time::{Unit, speech_rate, spoken_seconds};
pub use word::{Word, fold, is_cjk, push_spaced, unaccented, words};
