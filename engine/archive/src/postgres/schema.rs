//! The tables. They are made, and brought to the newest version, by whoever needs them first.

use tokio_postgres::{Client, Error};

/// Statements that lead from each version to the next; the first makes everything.
const MIGRATIONS: &[&str] = &["
CREATE SCHEMA IF NOT EXISTS reelmill;
CREATE TABLE reelmill.version (number INT NOT NULL);
CREATE TABLE reelmill.graph (digest BYTEA PRIMARY KEY, json TEXT NOT NULL);

-- One row a run. `id` sorts by creation. `view` is what listings show, `record` the packed whole; `kept` counts how often
-- it was kept, so that a reader knows whether what it has is the newest.
CREATE TABLE reelmill.run (
    id BYTEA PRIMARY KEY, namespace TEXT NOT NULL, name TEXT NOT NULL, batch TEXT, state TEXT NOT NULL,
    labels JSONB NOT NULL, created_ms BIGINT NOT NULL, ended_ms BIGINT NOT NULL,
    graph BYTEA NOT NULL REFERENCES reelmill.graph, artifacts BYTEA[] NOT NULL, kept INT NOT NULL DEFAULT 1,
    view TEXT NOT NULL, record BYTEA NOT NULL
);
CREATE INDEX run_batch ON reelmill.run (batch, id) WHERE batch IS NOT NULL;
CREATE INDEX run_name ON reelmill.run (name, id);
CREATE INDEX run_state ON reelmill.run (state, id);
CREATE INDEX run_namespace ON reelmill.run (namespace, id);
CREATE INDEX run_graph ON reelmill.run (graph);
"];

/// The version this program knows.
pub const VERSION: usize = MIGRATIONS.len();

/// Of those that prepare the tables at once, all but one wait. The number says nothing; it must only be the same for all.
const LOCK: i64 = 0x7265_656c_6d69_6c6c;

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
pub async fn prepare(client: &mut Client) -> Result<(), Unready> {
    if version(client).await? == VERSION {
        return Ok(());
    }
    // Given up when it is dropped before its end.
    let transaction = client.transaction().await?;
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await?;
    let found = version(transaction.client()).await?;
    if found > VERSION {
        return Err(Unready::Newer(found));
    }
    for (number, migration) in MIGRATIONS.iter().enumerate().skip(found) {
        transaction.batch_execute(migration).await?;
        let number = i32::try_from(number + 1).unwrap_or(i32::MAX);
        transaction.execute("INSERT INTO reelmill.version (number) VALUES ($1)", &[&number]).await?;
    }
    transaction.commit().await?;
    Ok(())
}

/// The version that is there; 0 when nothing is.
async fn version(client: &Client) -> Result<usize, Error> {
    // Asked of the catalogue: `to_regclass` may answer from before the lock was had.
    let sql = "SELECT FROM pg_catalog.pg_tables WHERE schemaname = 'reelmill' AND tablename = 'version'";
    if client.query_opt(sql, &[]).await?.is_none() {
        return Ok(0);
    }
    let row = client.query_one("SELECT coalesce(max(number), 0) FROM reelmill.version", &[]).await?;
    Ok(usize::try_from(row.get::<_, i32>(0)).unwrap_or(0))
}
