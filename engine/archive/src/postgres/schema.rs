//! The tables of the archive.

use reelmill_postgres::Tables;

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

/// The tables.
pub static TABLES: Tables = Tables {
    schema: "reelmill",
    migrations: MIGRATIONS,
    // It says nothing; it must only be the same for all.
    lock: 0x7265_656c_6d69_6c6c,
    whose: "the archive",
    named_by: "--archive (REELMILL_ARCHIVE)",
};
