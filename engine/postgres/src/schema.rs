//! Tables that are made, and brought to the newest version, by whoever needs them first.

use tokio_postgres::{Client, Error};

/// The tables of one user of a database.
#[derive(Debug)]
pub struct Tables {
    /// The schema in which they stand. It has a table `version` with a column `number`; the first migration makes both.
    pub schema: &'static str,
    /// Statements that lead from each version to the next; the first makes everything.
    pub migrations: &'static [&'static str],
    /// Of those that prepare the tables at once, all but one wait for this advisory lock.
    pub lock: i64,
    /// Whose they are, as a sentence begins: `the archive`.
    pub whose: &'static str,
    /// What names the database.
    pub named_by: &'static str,
}

impl Tables {
    /// The version that this program knows.
    pub(crate) const fn version(&self) -> usize {
        self.migrations.len()
    }
}

/// Why the tables cannot be used.
pub enum Unready {
    /// The database did not answer, or said no.
    Error(Error),
    /// A newer program has been here.
    Newer(usize),
}

impl From<Error> for Unready {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// Makes the tables ready. Whoever may not make any can use those that are there.
pub async fn prepare(client: &mut Client, tables: &Tables) -> Result<(), Unready> {
    let (schema, newest) = (tables.schema, tables.version());
    if version(client, schema).await? == newest {
        return Ok(());
    }
    // Given up when it is dropped before its end.
    let transaction = client.transaction().await?;
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&tables.lock]).await?;
    let found = version(transaction.client(), schema).await?;
    if found > newest {
        return Err(Unready::Newer(found));
    }
    for (number, migration) in tables.migrations.iter().enumerate().skip(found) {
        transaction.batch_execute(migration).await?;
        let number = i32::try_from(number + 1).unwrap_or(i32::MAX);
        let sql = format!("INSERT INTO {schema}.version (number) VALUES ($1)");
        transaction.execute(&sql, &[&number]).await?;
    }
    transaction.commit().await?;
    Ok(())
}

/// The version that is there; 0 when nothing is.
async fn version(client: &Client, schema: &str) -> Result<usize, Error> {
    // Asked of the catalogue: `to_regclass` may answer from before the lock was had.
    let sql = "SELECT FROM pg_catalog.pg_tables WHERE schemaname = $1 AND tablename = 'version'";
    if client.query_opt(sql, &[&schema]).await?.is_none() {
        return Ok(0);
    }
    let sql = format!("SELECT coalesce(max(number), 0) FROM {schema}.version");
    let row = client.query_one(&sql, &[]).await?;
    Ok(usize::try_from(row.get::<_, i32>(0)).unwrap_or(0))
}
