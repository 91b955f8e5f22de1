//! The memory in PostgreSQL: one for all machines.

use crate::database::{Arg, Cell, Cells, Database};
use crate::error::MemoryError;
use crate::statements;
use async_trait::async_trait;
use reelmill_postgres::{Link, LinkError, Tables};
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

static TABLES: Tables = Tables {
    schema: "reelmill_memory",
    migrations: &[concat!(
        "CREATE SCHEMA IF NOT EXISTS reelmill_memory; CREATE TABLE reelmill_memory.version (number INT NOT NULL);",
        statements::tables!("BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY", "TEXT COLLATE \"C\""),
    )],
    // It says nothing; it must only be the same for all.
    lock: 0x6d65_6d6f_7279_726d,
    whose: "the memory",
    named_by: "--memory-store (REELMILL_MEMORY)",
};

/// A database at an address.
pub struct Postgres(Link);

impl Postgres {
    pub fn new(url: &str) -> Result<Self, MemoryError> {
        Link::parse(url, &TABLES).map(Self).map_err(memory_error)
    }
}

#[async_trait]
impl Database for Postgres {
    async fn ask(&self, sql: String, args: Vec<Arg>) -> Result<Vec<Cells>, MemoryError> {
        let values: Vec<Bound> = args.into_iter().map(bound).collect();
        let values: Vec<_> = values.iter().map(Bound::typed).collect();
        let rows = self.0.ask(&sql, &values).await.map_err(memory_error)?;
        rows.iter().map(cells).collect()
    }
}

/// A value as the client of the database wants it.
enum Bound {
    Text(String),
    Int(i64),
    Real(Option<f64>),
}

impl Bound {
    fn typed(&self) -> (&(dyn ToSql + Sync), Type) {
        match self {
            Self::Text(text) => (text, Type::TEXT),
            Self::Int(number) => (number, Type::INT8),
            Self::Real(number) => (number, Type::FLOAT8),
        }
    }
}

fn bound(arg: Arg) -> Bound {
    match arg {
        Arg::Text(text) => Bound::Text(text),
        Arg::Pattern(pattern) => Bound::Text(like(&pattern)),
        Arg::Int(number) => Bound::Int(number),
        Arg::Real(number) => Bound::Real(number),
    }
}

/// A pattern in the words of `LIKE`.
fn like(pattern: &str) -> String {
    let mut like = String::with_capacity(pattern.len());
    for character in pattern.chars() {
        match character {
            '*' => like.push('%'),
            '?' => like.push('_'),
            '%' | '_' | '\\' => like.extend(['\\', character]),
            other => like.push(other),
        }
    }
    like
}

fn cells(row: &Row) -> Result<Cells, MemoryError> {
    let cell = |at: usize| {
        let cell = match *row.columns()[at].type_() {
            Type::INT8 => row.try_get::<_, Option<i64>>(at)?.map(Cell::Int),
            Type::INT4 => row.try_get::<_, Option<i32>>(at)?.map(|number| Cell::Int(number.into())),
            Type::FLOAT8 => row.try_get::<_, Option<f64>>(at)?.map(Cell::Real),
            _ => row.try_get::<_, Option<String>>(at)?.map(Cell::Text),
        };
        Ok(cell.unwrap_or(Cell::Null))
    };
    let all: Result<_, tokio_postgres::Error> = (0..row.len()).map(cell).collect();
    all.map(Cells).map_err(|error| MemoryError::Corrupt(error.to_string()))
}

fn memory_error(error: LinkError) -> MemoryError {
    match error {
        LinkError::Refused(message) => MemoryError::Refused(message),
        LinkError::Newer(message) => MemoryError::Corrupt(message),
        LinkError::Away { message, source } => MemoryError::Away { message, source: source.map(Into::into) },
    }
}
