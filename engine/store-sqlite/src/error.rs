//! What can go wrong inside, and what the caller is told.

use reelmill_lifecycle::Damage;
use reelmill_ports::StoreError;
use rusqlite::ErrorCode;
use std::path::Path;

/// Something went wrong within a transaction; it is rolled back.
#[derive(Debug)]
pub enum Trouble {
    /// `SQLite` said so.
    Sql(rusqlite::Error),
    /// A row cannot be understood.
    Damage(String),
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<Damage> for Trouble {
    fn from(damage: Damage) -> Self {
        Self::Damage(damage.0)
    }
}

impl From<serde_json::Error> for Trouble {
    fn from(error: serde_json::Error) -> Self {
        Self::Damage(format!("a column does not hold the JSON it should: {error}"))
    }
}

impl Trouble {
    /// The error for the caller, with the remedy.
    pub fn into_store_error(self, file: &Path) -> StoreError {
        let file = file.display();
        let error = match self {
            Self::Damage(what) => return StoreError::Corrupt(format!("{file}: {what}")),
            Self::Sql(error) => error,
        };
        let message = match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                return StoreError::Corrupt(format!(
                    "{file}: {error}; move the file away and start with a new one"
                ));
            }
            Some(ErrorCode::DiskFull) => {
                format!("the disk of {file} is full; free some space and go on, nothing was lost")
            }
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
                format!("{file} cannot be written; check the permissions of the file and its folder")
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                format!("{file} is locked by another program for too long; find it with `lsof` and stop it")
            }
            Some(ErrorCode::CannotOpen) => {
                format!("{file} cannot be opened; check that its folder exists and may be written")
            }
            _ => format!("{file}: {error}"),
        };
        StoreError::Unavailable { message, source: Some(Box::new(error)) }
    }
}
