//! The result cache: entries by key, their uses in order, and the artifacts they name.

use crate::codec::{int, run_bytes, run_id, uint};
use crate::error::Trouble;
use crate::store::SqliteStore;
use crate::unit::Unit;
use async_trait::async_trait;
use reelmill_model::{Digest, TaskNo, TaskRef};
use reelmill_ports::{CacheEntry, CacheStats, ResultCache, StoreError};
use rusqlite::{Connection, Row, params};
use std::collections::BTreeMap;

/// Entries of a stage that are compared with a miss: the latest used.
const COMPARED_MAX: i64 = 200;

const ENTRY: &str = "SELECT key, stage, parts, outputs, artifacts, cpu_ms, run, task FROM cache ";

fn entry(row: &Row<'_>) -> Result<CacheEntry, Trouble> {
    let text = |at| -> Result<String, Trouble> { Ok(row.get(at)?) };
    let blob = |at| row.get_ref(at)?.as_blob().map_err(rusqlite::Error::from);
    Ok(CacheEntry {
        key: crate::codec::digest(blob(0)?)?,
        stage: text(1)?,
        parts: serde_json::from_str(&text(2)?)?,
        outputs: serde_json::from_str(&text(3)?)?,
        artifacts: serde_json::from_str(&text(4)?)?,
        cpu_ms: uint(row.get(5)?),
        made_by: TaskRef { run: run_id(blob(6)?)?, task: TaskNo(row.get(7)?) },
    })
}

fn find(conn: &Connection, key: Digest) -> Result<Option<CacheEntry>, Trouble> {
    let mut query = conn.prepare_cached(&format!("{ENTRY} WHERE key = ?1"))?;
    let mut found = query.query(params![key.0])?;
    found.next()?.map(entry).transpose()
}

fn lookup(unit: &mut Unit<'_>, key: Digest) -> Result<Option<CacheEntry>, Trouble> {
    let found = find(unit.conn, key)?;
    if let Some(entry) = &found {
        unit.counters.hits += 1;
        unit.counters.cpu_saved_ms = unit.counters.cpu_saved_ms.saturating_add(entry.cpu_ms);
        let mut update = unit.conn.prepare_cached("UPDATE cache SET used = ?2 WHERE key = ?1")?;
        update.execute(params![key.0, int(unit.counters.next_use)])?;
        unit.counters.next_use += 1;
    } else {
        unit.counters.misses += 1;
    }
    Ok(found)
}

fn forget(conn: &Connection, key: &[u8]) -> Result<(), Trouble> {
    conn.prepare_cached("DELETE FROM cache WHERE key = ?1")?.execute(params![key])?;
    conn.prepare_cached("DELETE FROM cache_artifact WHERE key = ?1")?.execute(params![key])?;
    Ok(())
}

fn remember(unit: &mut Unit<'_>, entry: &CacheEntry) -> Result<(), Trouble> {
    let conn = unit.conn;
    forget(conn, &entry.key.0)?;
    let mut insert = conn.prepare_cached(
        "INSERT INTO cache (key, stage, parts, outputs, artifacts, cpu_ms, run, task, used) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?;
    insert.execute(params![
        entry.key.0,
        entry.stage,
        serde_json::to_string(&entry.parts)?,
        serde_json::to_string(&entry.outputs)?,
        serde_json::to_string(&entry.artifacts)?,
        int(entry.cpu_ms),
        run_bytes(entry.made_by.run),
        entry.made_by.task.0,
        int(unit.counters.next_use)
    ])?;
    unit.counters.next_use += 1;
    for (digest, bytes) in &entry.artifacts {
        conn.prepare_cached(
            "INSERT OR REPLACE INTO cache_artifact (digest, key, bytes) VALUES (?1, ?2, ?3)",
        )?
        .execute(params![digest.0, entry.key.0, int(*bytes)])?;
    }
    Ok(())
}

/// The latest used entries of a stage, the one with most equal parts first.
fn nearest(
    conn: &Connection,
    stage: &str,
    parts: &BTreeMap<String, String>,
) -> Result<Option<CacheEntry>, Trouble> {
    let sql = format!("{ENTRY} WHERE stage = ?1 ORDER BY used DESC LIMIT {COMPARED_MAX}");
    let mut query = conn.prepare_cached(&sql)?;
    let mut found = query.query(params![stage])?;
    let mut best: Option<(usize, CacheEntry)> = None;
    while let Some(row) = found.next()? {
        let entry = entry(row)?;
        let shared = parts.iter().filter(|(name, value)| entry.parts.get(*name) == Some(value)).count();
        if best.as_ref().is_none_or(|(most, _)| shared > *most) {
            best = Some((shared, entry));
        }
    }
    Ok(best.map(|(_, entry)| entry))
}

/// Bytes of the artifacts that entries name, each counted once.
fn named_bytes(conn: &Connection) -> Result<u64, Trouble> {
    let mut sum = conn.prepare_cached(
        "SELECT coalesce(sum(bytes), 0) FROM (SELECT max(bytes) AS bytes FROM cache_artifact GROUP BY digest)",
    )?;
    Ok(uint(sum.query_row([], |row| row.get(0))?))
}

fn evict(unit: &mut Unit<'_>, budget_bytes: u64) -> Result<Vec<Digest>, Trouble> {
    unit.flush()?;
    let conn = unit.conn;
    let mut bytes = named_bytes(conn)?;
    let mut freed = Vec::new();
    let mut oldest = conn.prepare_cached("SELECT key FROM cache ORDER BY used LIMIT 1")?;
    let mut only_here = conn.prepare_cached(
        "SELECT digest, bytes FROM cache_artifact AS mine WHERE key = ?1 AND NOT EXISTS \
         (SELECT 1 FROM cache_artifact AS other WHERE other.digest = mine.digest AND other.key <> ?1)",
    )?;
    let mut in_a_run = conn.prepare_cached("SELECT 1 FROM run_artifact WHERE digest = ?1 LIMIT 1")?;
    while bytes > budget_bytes {
        let mut found = oldest.query([])?;
        let Some(row) = found.next()? else { break };
        let key: Vec<u8> = row.get(0)?;
        drop(found);
        let mut named = only_here.query(params![key])?;
        while let Some(row) = named.next()? {
            let digest = crate::codec::digest(row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?)?;
            bytes = bytes.saturating_sub(uint(row.get(1)?));
            if !in_a_run.exists(params![digest.0])? {
                freed.push(digest);
            }
        }
        drop(named);
        forget(conn, &key)?;
    }
    Ok(freed)
}

fn stats(conn: &Connection) -> Result<CacheStats, Trouble> {
    let counters = crate::unit::Counters::load(conn)?;
    let mut query = conn.prepare_cached("SELECT count(*) FROM cache")?;
    Ok(CacheStats {
        entries: uint(query.query_row([], |row| row.get(0))?),
        bytes: named_bytes(conn)?,
        hits: counters.hits,
        misses: counters.misses,
        cpu_saved_ms: counters.cpu_saved_ms,
    })
}

fn named(conn: &Connection) -> Result<Vec<Digest>, Trouble> {
    let mut query = conn.prepare_cached(
        "SELECT digest FROM cache_artifact UNION SELECT digest FROM run_artifact ORDER BY digest",
    )?;
    let mut found = query.query([])?;
    let mut digests = Vec::new();
    while let Some(row) = found.next()? {
        let bytes = row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?;
        digests.push(crate::codec::digest(bytes)?);
    }
    Ok(digests)
}

#[async_trait]
impl ResultCache for SqliteStore {
    async fn lookup(&self, key: Digest) -> Result<Option<CacheEntry>, StoreError> {
        self.writer.write(move |unit| lookup(unit, key).map(Ok)).await
    }

    async fn remember(&self, entry: CacheEntry) -> Result<(), StoreError> {
        self.writer.write(move |unit| remember(unit, &entry).map(Ok)).await
    }

    async fn forget(&self, key: Digest) -> Result<(), StoreError> {
        self.writer.write(move |unit| forget(unit.conn, &key.0).map(Ok)).await
    }

    async fn nearest(
        &self,
        stage: &str,
        parts: &BTreeMap<String, String>,
    ) -> Result<Option<CacheEntry>, StoreError> {
        let (stage, parts) = (stage.to_owned(), parts.clone());
        self.readers.long(move |conn| nearest(conn, &stage, &parts)).await
    }

    async fn evict(&self, budget_bytes: u64) -> Result<Vec<Digest>, StoreError> {
        self.writer.write(move |unit| evict(unit, budget_bytes).map(Ok)).await
    }

    async fn stats(&self) -> Result<CacheStats, StoreError> {
        self.readers.long(stats).await
    }

    async fn named_artifacts(&self) -> Result<Vec<Digest>, StoreError> {
        self.readers.long(named).await
    }
}
