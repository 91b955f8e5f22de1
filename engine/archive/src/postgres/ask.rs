//! Every question that is sent to PostgreSQL. Each is one statement, and may be sent twice.

use super::link::Link;
use super::record::{Row, clean};
use reelmill_model::{Digest, RunId, RunState};
use reelmill_ports::{Old, RunFilter, StoreError};
use tokio_postgres::types::{ToSql, Type};

/// What a caller says who holds nothing of a run.
pub const NOT_HELD: i32 = 0;

/// A run that is kept.
pub struct Found {
    /// How often it was kept.
    pub kept: i32,
    /// Its packed record and its graph, unless the caller holds them.
    pub whole: Option<(Vec<u8>, String)>,
}

/// The bytes of a run id: they sort as the ids do.
pub fn bytes(id: RunId) -> Vec<u8> {
    id.0.0.to_be_bytes().to_vec()
}

/// Keeps a run, in place of what was kept of it before.
pub async fn keep(link: &Link, row: &Row) -> Result<(), StoreError> {
    let sql = "INSERT INTO reelmill.run (id, namespace, name, batch, state, labels, created_ms, ended_ms, graph, \
         artifacts, view, record) VALUES ($1, $2, $3, $4, $5, $6::text::jsonb, $7, $8, $9, $10, $11, $12) \
         ON CONFLICT (id) DO UPDATE SET namespace = $2, name = $3, batch = $4, state = $5, \
         labels = $6::text::jsonb, created_ms = $7, ended_ms = $8, graph = $9, artifacts = $10, view = $11, \
         record = $12, kept = run.kept + 1";
    let values: &[(&(dyn ToSql + Sync), Type)] = &[
        (&row.id, Type::BYTEA),
        (&row.namespace, Type::TEXT),
        (&row.name, Type::TEXT),
        (&row.batch, Type::TEXT),
        (&row.state, Type::TEXT),
        (&row.labels, Type::TEXT),
        (&row.created_ms, Type::INT8),
        (&row.ended_ms, Type::INT8),
        (&row.graph, Type::BYTEA),
        (&row.artifacts, Type::BYTEA_ARRAY),
        (&row.view, Type::TEXT),
        (&row.record, Type::BYTEA),
    ];
    link.ask(sql, values).await.map(drop)
}

/// All of a run, but for a caller who holds it as it was kept that many times.
pub async fn whole(link: &Link, id: RunId, held: i32) -> Result<Option<Found>, StoreError> {
    let sql = "SELECT kept, CASE WHEN kept <> $2 THEN record END, CASE WHEN kept <> $2 THEN json END \
         FROM reelmill.run JOIN reelmill.graph ON graph = digest WHERE id = $1";
    let rows = link.ask(sql, &[(&bytes(id), Type::BYTEA), (&held, Type::INT4)]).await?;
    let found = rows.first().map(|row| {
        let (record, graph): (Option<Vec<u8>>, Option<String>) = (row.get(1), row.get(2));
        Found { kept: row.get(0), whole: record.zip(graph) }
    });
    Ok(found)
}

/// What listings show of a run.
pub async fn view(link: &Link, id: RunId) -> Result<Option<String>, StoreError> {
    let sql = "SELECT view FROM reelmill.run WHERE id = $1";
    let rows = link.ask(sql, &[(&bytes(id), Type::BYTEA)]).await?;
    Ok(rows.first().map(|row| row.get(0)))
}

/// The same of many, newest first. Only what is asked for is compared, so that each listing has its index.
pub async fn views(link: &Link, filter: &RunFilter, limit: usize) -> Result<Vec<String>, StoreError> {
    let before = filter.before.map(bytes);
    let (name, batch) = (filter.name.as_deref().map(clean), filter.batch.as_deref().map(clean));
    let states: Vec<&str> = filter.states.iter().map(|state: &RunState| state.word()).collect();
    let states = (!states.is_empty()).then_some(states);
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let asked: [(&str, Option<&(dyn ToSql + Sync)>, Type); 4] = [
        ("id <", before.as_ref().map(|value| value as _), Type::BYTEA),
        ("name =", name.as_ref().map(|value| value as _), Type::TEXT),
        ("batch =", batch.as_ref().map(|value| value as _), Type::TEXT),
        ("state = ANY", states.as_ref().map(|value| value as _), Type::TEXT_ARRAY),
    ];
    let (mut tests, mut values) = (vec!["true".to_owned()], Vec::new());
    for (test, value, kind) in asked {
        if let Some(value) = value {
            values.push((value, kind));
            tests.push(format!("{test} (${})", values.len()));
        }
    }
    values.push((&limit, Type::INT8));
    let (tests, limit) = (tests.join(" AND "), values.len());
    let sql = format!("SELECT view FROM reelmill.run WHERE {tests} ORDER BY id DESC LIMIT ${limit}");
    Ok(link.ask(&sql, &values).await?.iter().map(|row| row.get(0)).collect())
}

/// The artifacts that runs name, each once.
pub async fn artifacts(link: &Link) -> Result<Vec<Vec<u8>>, StoreError> {
    let rows = link.ask("SELECT DISTINCT unnest(artifacts) FROM reelmill.run", &[]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Deletes a run; says whether there was one.
pub async fn delete(link: &Link, id: RunId) -> Result<bool, StoreError> {
    let sql = "DELETE FROM reelmill.run WHERE id = $1 RETURNING true";
    Ok(!link.ask(sql, &[(&bytes(id), Type::BYTEA)]).await?.is_empty())
}

/// Deletes up to `limit` runs, oldest first, that others do not delete at the moment; says how many. A run has ended after
/// it was made, so that the order of the ids bounds what is looked at.
pub async fn delete_old(link: &Link, which: Old, limit: usize) -> Result<usize, StoreError> {
    let (last, ended_before) = match which {
        Old::EndedBefore(ms) => (RunId::from_parts(ms, 0), i64::try_from(ms).unwrap_or(i64::MAX)),
        Old::UpTo(last) => (last, i64::MAX),
    };
    let sql = "DELETE FROM reelmill.run WHERE id = ANY (ARRAY(SELECT id FROM reelmill.run \
         WHERE id <= $1 AND ended_ms < $2 ORDER BY id LIMIT $3 FOR UPDATE SKIP LOCKED)) RETURNING true";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let values: &[(&(dyn ToSql + Sync), Type)] =
        &[(&bytes(last), Type::BYTEA), (&ended_before, Type::INT8), (&limit, Type::INT8)];
    Ok(link.ask(sql, values).await?.len())
}

/// The run behind so many newer ones.
pub async fn beyond(link: &Link, newest: u64) -> Result<Option<Vec<u8>>, StoreError> {
    let sql = "SELECT id FROM reelmill.run ORDER BY id DESC OFFSET $1 LIMIT 1";
    let newest = i64::try_from(newest).unwrap_or(i64::MAX);
    let rows = link.ask(sql, &[(&newest, Type::INT8)]).await?;
    Ok(rows.first().map(|row| row.get(0)))
}

/// Keeps a graph.
pub async fn put_graph(link: &Link, digest: Digest, json: &str) -> Result<(), StoreError> {
    let sql = "INSERT INTO reelmill.graph (digest, json) VALUES ($1, $2) ON CONFLICT (digest) DO NOTHING";
    link.ask(sql, &[(&&digest.0[..], Type::BYTEA), (&json, Type::TEXT)]).await.map(drop)
}

/// A graph.
pub async fn graph(link: &Link, digest: Digest) -> Result<Option<String>, StoreError> {
    let sql = "SELECT json FROM reelmill.graph WHERE digest = $1";
    let rows = link.ask(sql, &[(&&digest.0[..], Type::BYTEA)]).await?;
    Ok(rows.first().map(|row| row.get(0)))
}

/// Deletes the graphs of which no run is left. Should a run of one be about to be kept, that is refused, and succeeds when
/// it is tried again with its graph.
pub async fn drop_graphs(link: &Link) -> Result<(), StoreError> {
    let sql = "DELETE FROM reelmill.graph WHERE NOT EXISTS \
         (SELECT FROM reelmill.run WHERE run.graph = graph.digest)";
    link.ask(sql, &[]).await.map(drop)
}
