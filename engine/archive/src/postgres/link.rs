//! The connection, with its errors as those of a store.

use super::schema::TABLES;
use reelmill_ports::StoreError;
use reelmill_postgres::LinkError;
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

/// A connection to come.
#[derive(Debug)]
pub struct Link(reelmill_postgres::Link);

impl Link {
    /// Reads an address.
    pub fn parse(url: &str) -> Result<Self, StoreError> {
        reelmill_postgres::Link::parse(url, &TABLES).map(Self).map_err(store_error)
    }

    /// Asks something.
    pub async fn ask(
        &self,
        sql: &str,
        values: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Vec<Row>, StoreError> {
        self.0.ask(sql, values).await.map_err(store_error)
    }
}

fn store_error(error: LinkError) -> StoreError {
    match error {
        LinkError::Refused(message) => StoreError::Refused(message),
        LinkError::Newer(message) => StoreError::Corrupt(message),
        LinkError::Away { message, source } => {
            StoreError::ArchiveAway { message, source: source.map(Into::into) }
        }
    }
}
