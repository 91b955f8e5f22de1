//! What a database is asked with, and what it answers.

use crate::error::MemoryError;
use async_trait::async_trait;

/// A value of a statement.
#[derive(Clone, Debug, PartialEq)]
pub enum Arg {
    Text(String),
    /// A text in which `*` and `?` stand for others.
    Pattern(String),
    Int(i64),
    Real(Option<f64>),
}

impl Arg {
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A count or a moment; those that no database can hold are as far away as can be.
    pub fn int(number: impl TryInto<i64>) -> Self {
        Self::Int(number.try_into().unwrap_or(i64::MAX))
    }
}

/// A value of a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    Null,
    Text(String),
    Int(i64),
    Real(f64),
}

/// A row.
#[derive(Debug)]
pub struct Cells(pub Vec<Cell>);

impl Cells {
    pub fn text(&self, at: usize) -> Result<String, MemoryError> {
        match self.0.get(at) {
            Some(Cell::Text(text)) => Ok(text.clone()),
            other => {
                Err(MemoryError::Corrupt(format!("a text was expected in column {at}, found {other:?}")))
            }
        }
    }

    pub fn number(&self, at: usize) -> Result<u64, MemoryError> {
        self.maybe_number(at)?
            .ok_or_else(|| MemoryError::Corrupt(format!("a number was expected in column {at}, found none")))
    }

    pub fn maybe_number(&self, at: usize) -> Result<Option<u64>, MemoryError> {
        match self.0.get(at) {
            Some(Cell::Int(number)) => Ok(Some(u64::try_from(*number).unwrap_or(0))),
            Some(Cell::Null) => Ok(None),
            other => {
                Err(MemoryError::Corrupt(format!("a number was expected in column {at}, found {other:?}")))
            }
        }
    }

    /// A number with a fraction; none where there is none.
    pub fn real(&self, at: usize) -> Option<f64> {
        match self.0.get(at) {
            Some(Cell::Real(number)) => Some(*number),
            Some(Cell::Int(number)) => Some(*number as f64),
            _ => None,
        }
    }
}

/// Asks a database. A statement has `$1` for its first value and the tables in `reelmill_memory`.
#[async_trait]
pub trait Database: Send + Sync {
    async fn ask(&self, sql: String, args: Vec<Arg>) -> Result<Vec<Cells>, MemoryError>;
}
