//! Registered pipelines, and marks.

use crate::codec::{int, uint};
use crate::error::Trouble;
use crate::store::SqliteStore;
use crate::unit::Unit;
use async_trait::async_trait;
use reelmill_lifecycle::registry::{Put, put};
use reelmill_model::limits::PAGE_ROWS_MAX;
use reelmill_model::{PipelineName, Revision, RevisionHead};
use reelmill_ports::{Marks, PipelineFilter, Registered, Registry, StoreError};
use rusqlite::{Connection, OptionalExtension as _, params};

/// A revision; the newest unless one is named.
fn revision(conn: &Connection, id: &PipelineName, no: Option<u32>) -> Result<Option<Revision>, Trouble> {
    let mut query = conn.prepare_cached(
        "SELECT head, text FROM pipeline WHERE namespace = ?1 AND name = ?2 AND (?3 IS NULL OR revision = ?3) \
         ORDER BY revision DESC LIMIT 1",
    )?;
    let row = |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?));
    let found = query.query_row(params![id.namespace, id.name, no], row).optional()?;
    let Some((head, text)) = found else { return Ok(None) };
    Ok(Some(Revision { head: serde_json::from_str(&head)?, text: serde_json::from_str(&text)? }))
}

fn put_pipeline(
    unit: &mut Unit<'_>,
    new: Revision,
    expected: Option<u32>,
) -> Result<Result<Registered, StoreError>, Trouble> {
    let conn = unit.conn;
    let newest = revision(conn, &new.head.id, None)?;
    let count: i64 = conn
        .prepare_cached("SELECT count(*) FROM (SELECT DISTINCT namespace, name FROM pipeline)")?
        .query_row([], |row| row.get(0))?;
    let decided = put(newest.as_ref(), new, expected, usize::try_from(count).unwrap_or(usize::MAX));
    let (written, dropped, new) = match decided {
        Err(refused) => return Ok(Err(refused.into())),
        Ok(Put::Same(same)) => return Ok(Ok(Registered { head: same.head, new: false })),
        Ok(Put::Renewed(same)) => (same, 0, false),
        Ok(Put::New(new, dropped)) => (new, dropped, true),
    };
    let Revision { head, text } = written;
    conn.prepare_cached("DELETE FROM pipeline WHERE namespace = ?1 AND name = ?2 AND revision <= ?3")?
        .execute(params![head.id.namespace, head.id.name, dropped])?;
    let mut upsert = conn.prepare_cached(
        "INSERT INTO pipeline (namespace, name, revision, graph, head, text) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
         ON CONFLICT (namespace, name, revision) DO UPDATE SET graph = ?4, head = ?5",
    )?;
    upsert.execute(params![
        head.id.namespace,
        head.id.name,
        head.revision,
        head.graph.0,
        serde_json::to_string(&head)?,
        serde_json::to_string(&text)?
    ])?;
    changed(conn)?;
    Ok(Ok(Registered { head, new }))
}

fn changed(conn: &Connection) -> Result<(), Trouble> {
    conn.prepare_cached("UPDATE registry SET version = version + 1")?.execute([])?;
    Ok(())
}

fn remove(unit: &mut Unit<'_>, id: &PipelineName) -> Result<bool, Trouble> {
    let mut delete = unit.conn.prepare_cached("DELETE FROM pipeline WHERE namespace = ?1 AND name = ?2")?;
    let removed = delete.execute(params![id.namespace, id.name])? > 0;
    if removed {
        changed(unit.conn)?;
    }
    Ok(removed)
}

fn pipelines(conn: &Connection, filter: &PipelineFilter) -> Result<Vec<RevisionHead>, Trouble> {
    let limit = if filter.limit == 0 { PAGE_ROWS_MAX } else { filter.limit.min(PAGE_ROWS_MAX) };
    let (after_namespace, after_name) =
        filter.after.as_ref().map_or(("", ""), |id| (id.namespace.as_str(), id.name.as_str()));
    // A bare column beside max() is that of the row with the maximum: sqlite.org/lang_select.html#bareagg.
    let mut query = conn.prepare_cached(
        "SELECT head, max(revision) FROM pipeline WHERE (namespace, name) > (?1, ?2) \
         AND (?3 IS NULL OR namespace = ?3) GROUP BY namespace, name ORDER BY namespace, name LIMIT ?4",
    )?;
    heads(query.query(params![after_namespace, after_name, filter.namespace, int(limit as u64)])?)
}

fn revisions(conn: &Connection, id: &PipelineName) -> Result<Vec<RevisionHead>, Trouble> {
    let mut query = conn.prepare_cached(
        "SELECT head FROM pipeline WHERE namespace = ?1 AND name = ?2 ORDER BY revision DESC",
    )?;
    heads(query.query(params![id.namespace, id.name])?)
}

fn heads(mut rows: rusqlite::Rows<'_>) -> Result<Vec<RevisionHead>, Trouble> {
    let mut heads = Vec::new();
    while let Some(row) = rows.next()? {
        heads.push(serde_json::from_str(&row.get::<_, String>(0)?)?);
    }
    Ok(heads)
}

fn mark(conn: &Connection, key: &str) -> Result<Option<String>, Trouble> {
    let mut query = conn.prepare_cached("SELECT text FROM mark WHERE key = ?1")?;
    Ok(query.query_row(params![key], |row| row.get(0)).optional()?)
}

#[async_trait]
impl Registry for SqliteStore {
    async fn put_pipeline(&self, new: Revision, expected: Option<u32>) -> Result<Registered, StoreError> {
        self.writer.write(move |unit| put_pipeline(unit, new, expected)).await
    }

    async fn pipeline(&self, id: &PipelineName, no: Option<u32>) -> Result<Option<Revision>, StoreError> {
        let id = id.clone();
        self.readers.long(move |conn| revision(conn, &id, no)).await
    }

    async fn pipelines(&self, filter: PipelineFilter) -> Result<Vec<RevisionHead>, StoreError> {
        self.readers.long(move |conn| pipelines(conn, &filter)).await
    }

    async fn revisions(&self, id: &PipelineName) -> Result<Vec<RevisionHead>, StoreError> {
        let id = id.clone();
        self.readers.long(move |conn| revisions(conn, &id)).await
    }

    async fn remove_pipeline(&self, id: &PipelineName) -> Result<bool, StoreError> {
        let id = id.clone();
        self.writer.write(move |unit| remove(unit, &id).map(Ok)).await
    }

    async fn registry_version(&self) -> Result<u64, StoreError> {
        let read = |conn: &Connection| {
            let mut query = conn.prepare_cached("SELECT version FROM registry")?;
            Ok(query.query_row([], |row| row.get(0).map(uint))?)
        };
        self.readers.long(read).await
    }
}

#[async_trait]
impl Marks for SqliteStore {
    async fn mark(&self, key: &str) -> Result<Option<String>, StoreError> {
        let key = key.to_owned();
        self.readers.long(move |conn| mark(conn, &key)).await
    }

    async fn set_mark(&self, key: &str, before: Option<&str>, after: &str) -> Result<bool, StoreError> {
        let (key, before, after) = (key.to_owned(), before.map(str::to_owned), after.to_owned());
        let set = move |unit: &mut Unit<'_>| {
            if mark(unit.conn, &key)? != before {
                return Ok(Ok(false));
            }
            let sql =
                "INSERT INTO mark (key, text) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET text = ?2";
            unit.conn.prepare_cached(sql)?.execute(params![key, after])?;
            Ok(Ok(true))
        };
        self.writer.write(set).await
    }

    async fn drop_mark(&self, key: &str) -> Result<(), StoreError> {
        let key = key.to_owned();
        let drop = move |unit: &mut Unit<'_>| {
            unit.conn.prepare_cached("DELETE FROM mark WHERE key = ?1")?.execute(params![key])?;
            Ok(Ok(()))
        };
        self.writer.write(drop).await
    }
}
