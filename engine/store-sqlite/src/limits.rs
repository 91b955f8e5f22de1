//! Limits: the rows of those who have places, wait or were promised a start, within the transaction of everything else.

use crate::codec::{int, run_bytes, run_id, uint};
use crate::error::Trouble;
use crate::store::SqliteStore;
use async_trait::async_trait;
use reelmill_lifecycle::Damage;
use reelmill_lifecycle::limits::{Book, RateRow, Row, Standing};
use reelmill_model::{LimitKind, TaskNo, TaskRef, Token};
use reelmill_ports::limits::views;
use reelmill_ports::{Admission, Asks, LimitView, Limits, StoreError};
use rusqlite::{Connection, OptionalExtension, Params, params};

const COLUMNS: &str = "key, run, task, standing, token, until, since_ms, most, owner, turn, no";

/// The rows, as a transaction works on them.
pub struct Places<'c> {
    /// Its connection.
    pub conn: &'c Connection,
}

fn code(standing: Standing) -> i64 {
    (0..).zip(Standing::ALL).find(|(_, other)| *other == standing).map_or(0, |(code, _)| code)
}

fn read(row: &rusqlite::Row<'_>) -> Result<Row, Trouble> {
    let at = |column| row.get::<_, i64>(column).map(uint);
    let standing =
        usize::try_from(row.get::<_, i64>(3)?).ok().and_then(|code| Standing::ALL.get(code).copied());
    Ok(Row {
        key: row.get(0)?,
        who: TaskRef {
            run: run_id(row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?)?,
            task: TaskNo(row.get(2)?),
        },
        standing: standing.ok_or_else(|| Damage("a place is held oddly".into()))?,
        token: Token(at(4)?),
        until: at(5)?,
        since_ms: at(6)?,
        limit: row.get(7)?,
        owner: row.get(8)?,
        line: (at(9)?, at(10)?),
    })
}

fn read_rate(row: &rusqlite::Row<'_>, from: usize) -> rusqlite::Result<RateRow> {
    let at = |column: usize| row.get::<_, i64>(from + column).map(uint);
    let (made_us, promised_us, late_us) = (at(0)?, at(1)?, at(2)?);
    Ok(RateRow { made_us, promised_us, late_us, limit: row.get(from + 3)?, per_ms: at(4)? })
}

impl Places<'_> {
    fn rows(&self, rest: &str, args: impl Params) -> Result<Vec<Row>, Trouble> {
        let mut query = self.conn.prepare_cached(&format!("SELECT {COLUMNS} FROM place {rest}"))?;
        let mut found = query.query(args)?;
        let mut rows = Vec::new();
        while let Some(row) = found.next()? {
            rows.push(read(row)?);
        }
        Ok(rows)
    }

    fn one(&self, rest: &str, args: impl Params) -> Result<Option<Row>, Trouble> {
        Ok(self.rows(rest, args)?.into_iter().next())
    }
}

impl Book for Places<'_> {
    type Error = Trouble;

    fn get(&mut self, key: &str, who: TaskRef) -> Result<Option<Row>, Trouble> {
        self.one("WHERE key = ?1 AND run = ?2 AND task = ?3", params![key, run_bytes(who.run), who.task.0])
    }

    fn put(&mut self, row: Row) -> Result<(), Trouble> {
        let mut put = self.conn.prepare_cached(&format!(
            "INSERT OR REPLACE INTO place ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)"
        ))?;
        put.execute(params![
            row.key,
            run_bytes(row.who.run),
            row.who.task.0,
            code(row.standing),
            int(row.token.0),
            int(row.until),
            int(row.since_ms),
            row.limit,
            row.owner,
            int(row.line.0),
            int(row.line.1),
        ])?;
        Ok(())
    }

    fn remove(&mut self, key: &str, who: TaskRef) -> Result<(), Trouble> {
        let mut remove =
            self.conn.prepare_cached("DELETE FROM place WHERE key = ?1 AND run = ?2 AND task = ?3")?;
        remove.execute(params![key, run_bytes(who.run), who.task.0])?;
        Ok(())
    }

    fn taken(&mut self, key: &str) -> Result<u32, Trouble> {
        let mut query =
            self.conn.prepare_cached("SELECT count(*) FROM place WHERE key = ?1 AND standing IN (0, 1)")?;
        Ok(query.query_row(params![key], |row| row.get(0))?)
    }

    fn first(&mut self, key: &str) -> Result<Option<Row>, Trouble> {
        self.one("WHERE key = ?1 AND standing = 2 ORDER BY turn, no, run, task LIMIT 1", params![key])
    }

    fn oldest(&mut self, key: &str) -> Result<Option<Row>, Trouble> {
        self.one("WHERE key = ?1 AND standing IN (0, 1) ORDER BY since_ms, run, task LIMIT 1", params![key])
    }

    fn turns(&mut self, key: &str, owner: &str) -> Result<(u64, Option<u64>, u64), Trouble> {
        let number = |sql: &str, args: &[&dyn rusqlite::ToSql]| -> Result<Option<u64>, Trouble> {
            let mut query = self.conn.prepare_cached(sql)?;
            Ok(query.query_row(args, |row| row.get::<_, Option<i64>>(0))?.map(uint))
        };
        let current =
            number("SELECT max(turn) FROM place WHERE key = ?1 AND standing IN (0, 1)", params![key])?;
        let own = number("SELECT max(turn) FROM place WHERE key = ?1 AND owner = ?2", params![key, owner])?;
        let last = number("SELECT max(no) FROM place WHERE key = ?1", params![key])?;
        Ok((current.unwrap_or(0), own, last.unwrap_or(0)))
    }

    fn comrade(&mut self, key: &str, who: TaskRef) -> Result<Option<Row>, Trouble> {
        self.one("WHERE key = ?1 AND run = ?2 AND standing = 2 LIMIT 1", params![key, run_bytes(who.run)])
    }

    fn of(&mut self, who: TaskRef) -> Result<Vec<Row>, Trouble> {
        self.rows("WHERE run = ?1 AND task = ?2 ORDER BY key", params![run_bytes(who.run), who.task.0])
    }

    fn overdue(&mut self, now_ms: u64, limit: usize) -> Result<Vec<Row>, Trouble> {
        self.rows("WHERE standing = 1 AND until <= ?1 LIMIT ?2", params![int(now_ms), int(limit as u64)])
    }

    fn rate(&mut self, key: &str) -> Result<Option<RateRow>, Trouble> {
        let mut query = self.conn.prepare_cached(
            "SELECT made_us, promised_us, late_us, starts, per_ms FROM rate WHERE key = ?1",
        )?;
        Ok(query.query_row(params![key], |row| read_rate(row, 0)).optional()?)
    }

    fn put_rate(&mut self, key: &str, rate: RateRow) -> Result<(), Trouble> {
        let mut put = self.conn.prepare_cached(
            "INSERT OR REPLACE INTO rate (key, made_us, promised_us, late_us, starts, per_ms) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?;
        put.execute(params![
            key,
            int(rate.made_us),
            int(rate.promised_us),
            int(rate.late_us),
            rate.limit,
            int(rate.per_ms)
        ])?;
        Ok(())
    }
}

/// Everything there is to see of limits, or of one.
fn seen(conn: &Connection, only: Option<&str>, now_ms: u64) -> Result<Vec<LimitView>, Trouble> {
    let rows = Places { conn }.rows("WHERE ?1 IS NULL OR key = ?1", params![only])?;
    let mut query = conn.prepare_cached(
        "SELECT key, made_us, promised_us, late_us, starts, per_ms FROM rate WHERE ?1 IS NULL OR key = ?1",
    )?;
    let rates = query.query_map(params![only], |row| Ok((row.get::<_, String>(0)?, read_rate(row, 1)?)))?;
    let rates: Vec<(String, RateRow)> = rates.collect::<Result<_, _>>()?;
    Ok(views(rows, rates, now_ms))
}

#[async_trait]
impl Limits for SqliteStore {
    async fn admit(&self, task: TaskRef, token: Token, asks: Asks) -> Result<Admission, StoreError> {
        self.writer
            .write(move |unit| Ok(Ok(unit.tx.admit(&mut Places { conn: unit.conn }, task, token, &asks)?)))
            .await
    }

    async fn mend_limits(&self, limit: usize) -> Result<usize, StoreError> {
        self.writer
            .write(move |unit| {
                let now_us = int(unit.tx.now_ms().saturating_mul(1_000));
                unit.conn
                    .prepare_cached("DELETE FROM rate WHERE promised_us < ?1")?
                    .execute(params![now_us])?;
                Ok(Ok(unit.tx.serve_overdue(&mut Places { conn: unit.conn }, limit)?))
            })
            .await
    }

    async fn limits(&self, only: Option<(LimitKind, &str)>) -> Result<Vec<LimitView>, StoreError> {
        let now_ms = self.writer.now_ms();
        let only = only.map(|(kind, key)| format!("{kind}:{key}"));
        self.readers.long(move |conn| seen(conn, only.as_deref(), now_ms)).await
    }
}
