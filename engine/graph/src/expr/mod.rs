//! Expressions: CEL, parsed, looked through for what they read, typed where that is known, and evaluated.
//!
//! The walk: [`parse`] refuses with a sentence for people what the language does not have; [`Parsed::references`]
//! says what is read, from which edges are drawn. Nothing here reads a clock, a file or a random number, and
//! the same expression over the same values gives the same result everywhere: maps are walked in a fixed order.

mod context;
mod error;
mod guard;
mod infer;
mod items;
mod names;
mod parse;
mod programs;
#[cfg(test)]
mod properties;
mod references;
mod scan;
mod stack;
mod types;
mod value;

pub use context::{Bindings, Context, fan_out_value, stage_value, within_item};
pub use error::EvalError;
pub use infer::{TypeEnv, TypeProblem, static_type};
pub use names::ROOTS;
pub use parse::{ExprError, Parsed, parse};
pub use programs::Programs;
pub use references::{Reference, Step};
pub use types::{Object, Type};
