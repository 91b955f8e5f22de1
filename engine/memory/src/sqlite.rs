//! The memory in a file: `SQLite` in WAL mode. Several processes may open the same one.

use crate::database::{Arg, Cell, Cells, Database};
use crate::error::MemoryError;
use crate::statements;
use async_trait::async_trait;
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, ErrorCode, ToSql, TransactionBehavior};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long is waited for another process to finish its transaction.
const BUSY: Duration = Duration::from_secs(5);
/// Each step takes a file from the version of its place to the next one.
const STEPS: &[&str] = &[statements::tables!("INTEGER PRIMARY KEY AUTOINCREMENT", "TEXT")];

/// A file, open. Statements take microseconds; they run where threads may block.
pub struct Sqlite {
    file: PathBuf,
    conn: Arc<Mutex<Connection>>,
}

impl Sqlite {
    pub fn open(file: &Path) -> Result<Self, MemoryError> {
        let conn = connect(file).map_err(|trouble| trouble.named(file))?;
        Ok(Self { file: file.to_owned(), conn: Arc::new(Mutex::new(conn)) })
    }
}

#[async_trait]
impl Database for Sqlite {
    async fn ask(&self, sql: String, args: Vec<Arg>) -> Result<Vec<Cells>, MemoryError> {
        let conn = Arc::clone(&self.conn);
        let asked = tokio::task::spawn_blocking(move || {
            let conn = conn.lock().unwrap_or_else(PoisonError::into_inner);
            answer(&conn, &translate(&sql), &args)
        });
        match asked.await {
            Ok(answer) => answer.map_err(|error| Trouble::Sqlite(error).named(&self.file)),
            Err(error) => Err(MemoryError::Away {
                message: "it stopped before its answer".into(),
                source: Some(error.into()),
            }),
        }
    }
}

/// A statement as this database wants it.
fn translate(sql: &str) -> String {
    sql.replace("reelmill_memory.", "").replace(statements::LIKE, "GLOB").replace('$', "?")
}

fn answer(conn: &Connection, sql: &str, args: &[Arg]) -> rusqlite::Result<Vec<Cells>> {
    let mut statement = conn.prepare_cached(sql)?;
    let columns = statement.column_count();
    let rows = statement.query_map(rusqlite::params_from_iter(args), |row| {
        (0..columns).map(|at| row.get_ref(at).map(cell)).collect::<Result<_, _>>().map(Cells)
    })?;
    rows.collect()
}

fn cell(value: ValueRef<'_>) -> Cell {
    match value {
        ValueRef::Integer(number) => Cell::Int(number),
        ValueRef::Real(number) => Cell::Real(number),
        ValueRef::Text(text) => Cell::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Null | ValueRef::Blob(_) => Cell::Null,
    }
}

impl ToSql for Arg {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Text(text) => text.as_str().into(),
            // In a class of its own, a bracket is itself.
            Self::Pattern(pattern) => pattern.replace('[', "[[]").into(),
            Self::Int(number) => (*number).into(),
            Self::Real(number) => ToSqlOutput::Owned(number.map_or(Value::Null, Value::Real)),
        })
    }
}

/// Why a file could not be used.
enum Trouble {
    Sqlite(rusqlite::Error),
    Newer(usize),
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl Trouble {
    fn named(self, file: &Path) -> MemoryError {
        let file = file.display();
        match self {
            Self::Newer(found) => MemoryError::Corrupt(format!(
                "the memory in {file} has version {found}, and this program knows {}; use a newer one",
                STEPS.len()
            )),
            Self::Sqlite(error) => match error.sqlite_error_code() {
                Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => MemoryError::Corrupt(format!(
                    "{file} is no memory that can be read ({error}); move it away, and a new one is made"
                )),
                _ => MemoryError::Away { message: format!("{file}: {error}"), source: Some(error.into()) },
            },
        }
    }
}

fn connect(file: &Path) -> Result<Connection, Trouble> {
    let mut conn = Connection::open(file)?;
    conn.busy_timeout(BUSY)?;
    conn.pragma_update(None, "journal_mode", "WAL")?;
    // What was learned in the last moments before the power went is not worth waiting for the disk each time.
    conn.pragma_update(None, "synchronous", "NORMAL")?;
    if version(&conn)? != STEPS.len() {
        let transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let found = version(&transaction)?;
        if found > STEPS.len() {
            return Err(Trouble::Newer(found));
        }
        for step in &STEPS[found..] {
            transaction.execute_batch(&translate(step))?;
        }
        transaction.pragma_update(None, "user_version", i64::try_from(STEPS.len()).unwrap_or(i64::MAX))?;
        transaction.commit()?;
    }
    Ok(conn)
}

fn version(conn: &Connection) -> rusqlite::Result<usize> {
    let found: i64 = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
    Ok(usize::try_from(found).unwrap_or(usize::MAX))
}
