//! What a request works on: an open transaction with its decisions, its counters and its connection.

use crate::apply;
use crate::codec::{Code, int, json, uint};
use crate::error::Trouble;
use crate::limits::Places;
use crate::source::{Graphs, Rows};
use reelmill_lifecycle::{Change, Dice, NewEvent, RunRow, Transaction};
use reelmill_model::RunId;
use reelmill_model::limits::{EVENT_AGE_MS_MAX, EVENTS_KEPT_MAX};
use reelmill_ports::NewRun;
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::HashMap;

/// Numbers that only grow, shared by all processes through the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counters {
    /// The place of the next run.
    pub next_run: u64,
    /// The cursor of the next event.
    pub next_cursor: u64,
    /// Events before this cursor were dropped.
    pub first_cursor: u64,
    /// The next use of a cache entry.
    pub next_use: u64,
    /// Cache look-ups that found an entry.
    pub hits: u64,
    /// Cache look-ups that found none.
    pub misses: u64,
    /// CPU time saved by hits.
    pub cpu_saved_ms: u64,
}

impl Counters {
    /// The counters as they stand in the file.
    pub fn load(conn: &Connection) -> Result<Self, Trouble> {
        let mut query = conn.prepare_cached(
            "SELECT next_run, next_cursor, first_cursor, next_use, hits, misses, cpu_saved_ms FROM counters",
        )?;
        Ok(query.query_row([], |row| {
            let at = |column| row.get::<_, i64>(column).map(uint);
            Ok(Self {
                next_run: at(0)?,
                next_cursor: at(1)?,
                first_cursor: at(2)?,
                next_use: at(3)?,
                hits: at(4)?,
                misses: at(5)?,
                cpu_saved_ms: at(6)?,
            })
        })?)
    }

    fn save(&self, conn: &Connection) -> Result<(), Trouble> {
        let mut update = conn.prepare_cached(
            "UPDATE counters SET next_run = ?1, next_cursor = ?2, first_cursor = ?3, next_use = ?4, hits = ?5, \
             misses = ?6, cpu_saved_ms = ?7",
        )?;
        update.execute(params![
            int(self.next_run),
            int(self.next_cursor),
            int(self.first_cursor),
            int(self.next_use),
            int(self.hits),
            int(self.misses),
            int(self.cpu_saved_ms)
        ])?;
        Ok(())
    }

    /// The next cursor of the event log.
    pub fn cursor(&mut self) -> u64 {
        self.next_cursor += 1;
        self.next_cursor - 1
    }
}

/// An open transaction.
pub struct Unit<'c> {
    /// Its decisions and the rows they work on.
    pub tx: Transaction<Rows<'c>>,
    /// Its connection; whoever reads tasks from it calls [`Unit::flush`] before.
    pub conn: &'c Connection,
    /// Its counters, written back at the end.
    pub counters: Counters,
    loaded: Counters,
    fresh: HashMap<u64, NewRun>,
    readied: bool,
}

impl<'c> Unit<'c> {
    /// Begins on a connection that has just begun a transaction.
    pub fn begin(conn: &'c Connection, graphs: &'c Graphs, now_ms: u64, dice: Dice) -> Result<Self, Trouble> {
        let counters = Counters::load(conn)?;
        let tx = Transaction::new(Rows { conn, graphs }, now_ms, dice);
        Ok(Self { tx, conn, counters, loaded: counters, fresh: HashMap::new(), readied: false })
    }

    /// Keeps what was submitted with a new run, until its row is written.
    pub fn note_new(&mut self, seq: u64, new: NewRun) {
        self.fresh.insert(seq, new);
    }

    /// Forgets a run that was deleted.
    pub fn forget(&mut self, id: RunId) {
        self.tx.forget(id);
    }

    /// Writes what was decided so far, so that statements see it.
    pub fn flush(&mut self) -> Result<(), Trouble> {
        self.tx.settle_limits(&mut Places { conn: self.conn })?;
        for changes in self.tx.take_changes() {
            let run = &changes.run.1;
            if changes.run.0 == Change::Insert
                && let Some(new) = self.fresh.remove(&run.seq)
            {
                insert_new(self.conn, run, &new)?;
            }
            self.readied |= apply::apply(self.conn, &changes)?;
            for event in &changes.events {
                let cursor = self.counters.cursor();
                append(self.conn, cursor, self.tx.now_ms(), run.seq, event)?;
            }
        }
        Ok(())
    }

    /// Writes everything that is left. Says whether tasks became ready, and the cursor of the next event.
    pub fn finish(mut self) -> Result<(bool, u64), Trouble> {
        self.flush()?;
        self.drop_old_events()?;
        if self.counters != self.loaded {
            self.counters.save(self.conn)?;
        }
        Ok((self.readied, self.counters.next_cursor))
    }

    /// Drops events and log lines that are too old, some at a time.
    pub fn drop_aged_events(&mut self) -> Result<(), Trouble> {
        let since = int(self.tx.now_ms().saturating_sub(EVENT_AGE_MS_MAX));
        for table in ["event", "log"] {
            let oldest = format!("SELECT at_ms FROM {table} ORDER BY cursor LIMIT 1");
            let oldest =
                self.conn.prepare_cached(&oldest)?.query_row([], |row| row.get::<_, i64>(0)).optional()?;
            if oldest.is_some_and(|at_ms| at_ms < since) {
                let drop = format!(
                    "DELETE FROM {table} WHERE at_ms < ?1 \
                     AND cursor IN (SELECT cursor FROM {table} ORDER BY cursor LIMIT 1000)"
                );
                self.conn.prepare_cached(&drop)?.execute(params![since])?;
            }
        }
        Ok(())
    }

    /// Drops events and log lines beyond the number that is kept, some at a time.
    fn drop_old_events(&mut self) -> Result<(), Trouble> {
        /// Deleting one by one would touch the first page in every transaction.
        const SLACK: u64 = 4_096;
        let kept_from = self.counters.next_cursor.saturating_sub(EVENTS_KEPT_MAX);
        if kept_from < self.counters.first_cursor + SLACK {
            return Ok(());
        }
        let before = kept_from.min(self.counters.first_cursor + 4 * SLACK);
        for sql in ["DELETE FROM event WHERE cursor < ?1", "DELETE FROM log WHERE cursor < ?1"] {
            self.conn.prepare_cached(sql)?.execute(params![int(before)])?;
        }
        self.counters.first_cursor = before;
        Ok(())
    }
}

/// Writes a run and what was submitted for the first time.
pub fn insert_new(conn: &Connection, run: &RunRow, new: &NewRun) -> Result<(), Trouble> {
    apply::insert_run(conn, run, &new.name)?;
    apply::update_run(conn, run)?;
    apply::name_artifacts(conn, run.seq, &new.inputs)?;
    conn.prepare_cached("INSERT INTO run_new (seq, json) VALUES (?1, ?2)")?
        .execute(params![int(run.seq), serde_json::to_string(new)?])?;
    Ok(())
}

fn append(conn: &Connection, cursor: u64, at_ms: u64, seq: u64, event: &NewEvent) -> Result<(), Trouble> {
    let mut insert = conn.prepare_cached(
        "INSERT INTO event (cursor, at_ms, kind, run, task, attempt, data) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    insert.execute(params![
        int(cursor),
        int(at_ms),
        event.kind.code(),
        int(seq),
        event.task.map(|task| task.0),
        event.attempt,
        json(&event.data)?
    ])?;
    Ok(())
}
