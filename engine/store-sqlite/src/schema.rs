//! The file: its tables, its version, and how a connection is set up.

use crate::error::Trouble;
use reelmill_ports::StoreError;
use rusqlite::{Connection, TransactionBehavior};
use std::path::Path;
use std::time::Duration;

/// How long a writer waits for another process to finish its transaction.
const BUSY: Duration = Duration::from_secs(10);

/// Each step takes a file from the version of its place to the next one.
const STEPS: &[&str] = &[V1, V2, V3, V4, V5, V6, V7];

/// What a retry by hand has set of the `with` of stages.
const V7: &str = "
ALTER TABLE run ADD COLUMN edits TEXT;
";

/// Who stands how at which limit, what is kept of rates, and until when a key belongs to a run.
const V6: &str = "
CREATE TABLE place (
    key TEXT NOT NULL, run BLOB NOT NULL, task INTEGER NOT NULL, standing INTEGER NOT NULL,
    token INTEGER NOT NULL, until INTEGER NOT NULL, since_ms INTEGER NOT NULL, most INTEGER NOT NULL,
    owner TEXT NOT NULL, turn INTEGER NOT NULL, no INTEGER NOT NULL, PRIMARY KEY (key, run, task)
) WITHOUT ROWID;
CREATE INDEX place_line ON place (key, standing, turn, no, run, task);
CREATE INDEX place_owner ON place (key, owner, turn);
CREATE INDEX place_no ON place (key, no);
CREATE INDEX place_task ON place (run, task);
CREATE INDEX place_kept ON place (until) WHERE standing = 1;
CREATE TABLE rate (
    key TEXT PRIMARY KEY, made_us INTEGER NOT NULL, promised_us INTEGER NOT NULL, late_us INTEGER NOT NULL,
    starts INTEGER NOT NULL, per_ms INTEGER NOT NULL
) WITHOUT ROWID;
DROP TABLE claim;
CREATE TABLE claim (key TEXT PRIMARY KEY, run BLOB NOT NULL, until_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX claim_until ON claim (until_ms);
";

/// Priority of runs, and those that are paused. Ranks have been of the stage alone.
const V5: &str = "
ALTER TABLE run ADD COLUMN priority INTEGER NOT NULL DEFAULT 5;
ALTER TABLE run ADD COLUMN paused INTEGER NOT NULL DEFAULT 0;
UPDATE task SET rank = rank - 50;
";

/// Registered pipelines by revision, how often any changed, and what services remember.
const V4: &str = "
CREATE TABLE pipeline (
    namespace TEXT NOT NULL, name TEXT NOT NULL, revision INTEGER NOT NULL, graph BLOB NOT NULL,
    head TEXT NOT NULL, text TEXT NOT NULL, UNIQUE (namespace, name, revision)
);
CREATE INDEX pipeline_graph ON pipeline (graph);
CREATE TABLE registry (one INTEGER PRIMARY KEY CHECK (one = 1), version INTEGER NOT NULL);
INSERT INTO registry VALUES (1, 0);
CREATE TABLE mark (key TEXT PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID;
";

/// What undoes a run's stages, and attempts that failed for want of something.
const V3: &str = "
ALTER TABLE run ADD COLUMN undo TEXT;
ALTER TABLE task ADD COLUMN escalated INTEGER NOT NULL DEFAULT 0;
";

/// Ids: a task is `run << 32 | number`, and so is an instance; `run` is the place in the order of submission.
/// So a run's rows lie together, items of a fan-out lie together, and neither needs an index.
const V1: &str = "
CREATE TABLE counters (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    next_run INTEGER NOT NULL, next_cursor INTEGER NOT NULL, first_cursor INTEGER NOT NULL,
    next_use INTEGER NOT NULL, hits INTEGER NOT NULL, misses INTEGER NOT NULL, cpu_saved_ms INTEGER NOT NULL
);
INSERT INTO counters VALUES (1, 1, 1, 1, 1, 0, 0, 0);

CREATE TABLE graph (digest BLOB PRIMARY KEY, json TEXT NOT NULL, put_ms INTEGER NOT NULL);

CREATE TABLE run (
    seq INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, graph BLOB NOT NULL, name TEXT NOT NULL, batch TEXT,
    state INTEGER NOT NULL, phase INTEGER NOT NULL, on_failure INTEGER, finally INTEGER,
    failed INTEGER NOT NULL, cleanup_failed INTEGER NOT NULL, cancel_reason TEXT, failure TEXT,
    started_ms INTEGER, ended_ms INTEGER, counts BLOB NOT NULL,
    next_task INTEGER NOT NULL, next_instance INTEGER NOT NULL
);
CREATE INDEX run_batch ON run (batch, id) WHERE batch IS NOT NULL;
-- What was submitted; apart, because it may be large and never changes.
CREATE TABLE run_new (seq INTEGER PRIMARY KEY, json TEXT NOT NULL);

CREATE TABLE instance (
    id INTEGER PRIMARY KEY, scope INTEGER NOT NULL, outer_no INTEGER, owner INTEGER, place INTEGER NOT NULL,
    state INTEGER NOT NULL, open INTEGER NOT NULL, first_task INTEGER, failed_by INTEGER,
    cancelled INTEGER NOT NULL, key TEXT NOT NULL, value TEXT
);

CREATE TABLE task (
    id INTEGER PRIMARY KEY, node INTEGER NOT NULL, instance INTEGER NOT NULL, lane TEXT NOT NULL,
    rank INTEGER NOT NULL, state INTEGER NOT NULL, waiting INTEGER NOT NULL, attempts INTEGER NOT NULL,
    spent INTEGER NOT NULL, settled INTEGER NOT NULL, token INTEGER NOT NULL, cancel INTEGER NOT NULL,
    cached INTEGER NOT NULL, until_ms INTEGER, ready_ms INTEGER, leased_ms INTEGER, ended_ms INTEGER,
    cpu_ms INTEGER NOT NULL, rss_peak INTEGER NOT NULL, execute_ms INTEGER NOT NULL,
    store_ms INTEGER NOT NULL, worker TEXT, fan TEXT, failure TEXT, skipped TEXT, outputs TEXT
);
CREATE INDEX task_ready ON task (lane, rank) WHERE state = 1;
CREATE INDEX task_until ON task (state, until_ms) WHERE until_ms IS NOT NULL;

CREATE TABLE event (
    cursor INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, kind INTEGER NOT NULL, run INTEGER NOT NULL,
    task INTEGER, attempt INTEGER, data TEXT
);
CREATE TABLE log (
    cursor INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, task INTEGER NOT NULL, attempt INTEGER NOT NULL,
    severity INTEGER NOT NULL, text TEXT NOT NULL
);
CREATE INDEX log_task ON log (task);
-- How many lines of an attempt were kept, how many were not, and the line that says so.
CREATE TABLE log_head (
    task INTEGER NOT NULL, attempt INTEGER NOT NULL, kept INTEGER NOT NULL, dropped INTEGER NOT NULL,
    marker INTEGER, PRIMARY KEY (task, attempt)
) WITHOUT ROWID;
CREATE TABLE progress (
    task INTEGER PRIMARY KEY, cursor INTEGER NOT NULL, at_ms INTEGER NOT NULL, attempt INTEGER NOT NULL,
    data TEXT NOT NULL
);

CREATE TABLE cache (
    key BLOB PRIMARY KEY, stage TEXT NOT NULL, parts TEXT NOT NULL, outputs TEXT NOT NULL,
    artifacts TEXT NOT NULL, cpu_ms INTEGER NOT NULL, run BLOB NOT NULL, task INTEGER NOT NULL,
    used INTEGER NOT NULL
);
CREATE INDEX cache_stage ON cache (stage, used);
CREATE INDEX cache_used ON cache (used);
-- Which artifacts a cache entry names.
CREATE TABLE cache_artifact (
    digest BLOB NOT NULL, key BLOB NOT NULL, bytes INTEGER NOT NULL, PRIMARY KEY (digest, key)
) WITHOUT ROWID;
CREATE INDEX cache_artifact_key ON cache_artifact (key);
-- Which artifacts the inputs and outputs of a run name.
CREATE TABLE run_artifact (
    run INTEGER NOT NULL, digest BLOB NOT NULL, PRIMARY KEY (run, digest)
) WITHOUT ROWID;
CREATE INDEX run_artifact_digest ON run_artifact (digest);
";

/// Workers by their latest word, lanes that are paused, and runs by idempotency key.
const V2: &str = "
CREATE TABLE worker (name TEXT PRIMARY KEY, seen_ms INTEGER NOT NULL, card TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE paused (lane TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE claim (key TEXT PRIMARY KEY, run BLOB NOT NULL, at_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX claim_at ON claim (at_ms);
";

/// Opens the file, makes it if need be, and brings it to this version.
pub fn open(path: &Path) -> Result<Connection, StoreError> {
    let opened = connect(path).and_then(|mut conn| migrate(&mut conn).map(|version| (conn, version)));
    let (conn, version) = opened.map_err(|trouble| trouble.into_store_error(path))?;
    if version > STEPS.len() {
        return Err(StoreError::Corrupt(format!(
            "{} was written by a newer version of reelmill (layout {version}, this one knows {}); \
             use that version, or another file",
            path.display(),
            STEPS.len()
        )));
    }
    Ok(conn)
}

/// A connection that only reads.
pub fn open_reader(path: &Path) -> Result<Connection, Trouble> {
    let conn = connect(path)?;
    conn.pragma_update(None, "query_only", true)?;
    Ok(conn)
}

fn connect(path: &Path) -> Result<Connection, Trouble> {
    let conn = Connection::open(path)?;
    conn.busy_timeout(BUSY)?;
    conn.pragma_update(None, "journal_mode", "wal")?;
    // Every commit is on the disk before its caller hears of it, so that a power cut loses nothing that was
    // settled. Group commit pays for it: one wait for the disk serves all requests that have gathered.
    conn.pragma_update(None, "synchronous", "full")?;
    conn.pragma_update(None, "temp_store", "memory")?;
    conn.pragma_update(None, "cache_size", -32_768)?;
    conn.pragma_update(None, "wal_autocheckpoint", 4_000)?;
    conn.pragma_update(None, "journal_size_limit", 64 << 20)?;
    conn.set_prepared_statement_cache_capacity(128);
    Ok(conn)
}

/// Brings the file to the newest version known here; says the version it has afterwards.
fn migrate(conn: &mut Connection) -> Result<usize, Trouble> {
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version: u32 = tx.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let version = version as usize;
    for step in STEPS.iter().skip(version) {
        tx.execute_batch(step)?;
    }
    let now = version.max(STEPS.len());
    if now != version {
        tx.pragma_update(None, "user_version", u32::try_from(now).unwrap_or(u32::MAX))?;
    }
    tx.commit()?;
    Ok(now)
}
