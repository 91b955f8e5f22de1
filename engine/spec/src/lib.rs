//! The pipeline language: text -> [`Spec`], and every problem of the file with its place and a remedy.
//!
//! The walk: `yaml` reads the text into a tree in which everything knows its place; `check` compares the tree
//! with the table in `grammar`; `lower` makes a typed spec of it and reports what takes more than one key to
//! see; `render` shows diagnostics to people. `schema` turns the same table into JSON Schema for editors.
//!
//! Pure: no file, no clock, no environment. Nothing here knows which plugins exist or evaluates an expression.

mod check;
pub mod code;
pub mod cron;
pub mod diagnostic;
pub mod files;
mod grammar;
pub mod inputs;
mod lower;
pub mod render;
pub mod schema;
pub mod settings;
pub mod span;
pub mod spec;
pub mod suggest;
pub mod template;
pub mod trigger;
pub mod units;
pub mod values;
pub mod yaml;

pub use code::Code;
pub use diagnostic::{Diagnostic, Problems, Severity};
pub use files::{FileText, Files, NoFiles};
pub use inputs::{InputDef, InputProblem, InputType, parse_flag, resolve};
pub use lower::parse;
pub use render::render;
pub use schema::schema;
pub use span::{Span, Spanned};
pub use spec::Spec;
