//! Reading runs, tasks, items and graphs.

use crate::codec::{Code, int, pack, run_bytes, small, uint};
use crate::error::Trouble;
use crate::rows::{self, select_instance, select_run, select_task};
use crate::source::Graphs;
use crate::store::SqliteStore;
use crate::unit::Unit;
use async_trait::async_trait;
use reelmill_graph::Graph;
use reelmill_lifecycle::{Damage, InstanceRow, Place, RunRow, TaskRow, task_path};
use reelmill_model::limits::PAGE_ROWS_MAX;
use reelmill_model::{Digest, InstanceNo, NodeNo, RunId, RunState, ScopeNo, TaskRef};
use reelmill_ports::{InstanceView, NewRun, RunFilter, RunStore, RunView, StoreError, TaskFilter, TaskView};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::HashMap;
use std::sync::Arc;

/// A graph nobody uses is kept for a day, because a run of it may be about to be submitted.
const GRAPH_GRACE_MS: u64 = 24 * 3_600_000;

/// Rows a caller gets: none asked for means a page.
pub fn page(limit: usize) -> i64 {
    int(if limit == 0 { PAGE_ROWS_MAX } else { limit.min(PAGE_ROWS_MAX) } as u64)
}

/// The place in the order of submission of a run.
pub fn seq_of(conn: &Connection, id: RunId) -> Result<Option<u64>, Trouble> {
    let mut query = conn.prepare_cached("SELECT seq FROM run WHERE id = ?1")?;
    Ok(query.query_row(params![run_bytes(id)], |row| row.get::<_, i64>(0)).optional()?.map(uint))
}

fn run_view(conn: &Connection, row: RunRow) -> Result<RunView, Trouble> {
    let mut query = conn.prepare_cached("SELECT json FROM run_new WHERE seq = ?1")?;
    let json: String = query.query_row(params![int(row.seq)], |row| row.get(0))?;
    Ok(RunView::of(row, serde_json::from_str::<NewRun>(&json)?))
}

fn run(conn: &Connection, id: RunId) -> Result<Option<RunView>, Trouble> {
    let mut query = conn.prepare_cached(select_run!("FROM run WHERE id = ?1"))?;
    let mut found = query.query(params![run_bytes(id)])?;
    match found.next()? {
        Some(row) => run_view(conn, rows::run(row)?).map(Some),
        None => Ok(None),
    }
}

fn list(conn: &Connection, filter: &RunFilter) -> Result<Vec<RunView>, Trouble> {
    let before = filter.before.map_or([u8::MAX; 16], run_bytes);
    let states = if filter.states.is_empty() { RunState::ALL } else { &filter.states[..] };
    let states: Vec<i64> = states.iter().map(|state| state.code()).collect();
    let mut query = conn.prepare_cached(select_run!(
        "FROM run WHERE id < ?1 AND (?2 IS NULL OR name = ?2) AND (?3 IS NULL OR batch = ?3) \
         AND state IN (?4, ?5, ?6, ?7) ORDER BY id DESC LIMIT ?8"
    ))?;
    let state = |at: usize| states.get(at).copied().unwrap_or(-1);
    let mut found = query.query(params![
        before,
        filter.name,
        filter.batch,
        state(0),
        state(1),
        state(2),
        state(3),
        page(filter.limit)
    ])?;
    let mut runs = Vec::new();
    while let Some(row) = found.next()? {
        runs.push(run_view(conn, rows::run(row)?)?);
    }
    Ok(runs)
}

/// What readers of one run's tasks need: its graph, and the places of its instances as far as they were seen.
struct Views<'c> {
    conn: &'c Connection,
    seq: u64,
    graph: Arc<Graph>,
    places: HashMap<InstanceNo, Place>,
}

impl<'c> Views<'c> {
    fn of(conn: &'c Connection, graphs: &Graphs, run: RunId) -> Result<Option<Self>, Trouble> {
        let mut query = conn.prepare_cached("SELECT seq, graph FROM run WHERE id = ?1")?;
        let found = query
            .query_row(params![run_bytes(run)], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?)))
            .optional()?;
        let Some((seq, digest)) = found else { return Ok(None) };
        let digest = crate::codec::digest(&digest)?;
        let graph = graphs.get(conn, digest)?;
        let graph = graph.ok_or_else(|| Damage(format!("run {run} has lost its graph {digest}")))?;
        Ok(Some(Self { conn, seq: uint(seq), graph, places: HashMap::new() }))
    }

    fn view(&mut self, row: TaskRow) -> Result<TaskView, Trouble> {
        let (conn, seq, places) = (self.conn, self.seq, &mut self.places);
        let node = self.graph.node(row.node);
        let path = task_path(&self.graph, node, row.instance, &mut |no| {
            if let Some(place) = places.get(&no) {
                return Ok::<_, Trouble>(place.clone());
            }
            let place = place(conn, seq, no)?;
            places.insert(no, place.clone());
            Ok(place)
        })?;
        Ok(TaskView::of(row, path))
    }

    fn task(&mut self, no: u32) -> Result<Option<TaskRow>, Trouble> {
        let mut query = self.conn.prepare_cached(select_task!("FROM task WHERE id = ?1"))?;
        let mut found = query.query(params![pack(self.seq, no)])?;
        found.next()?.map(rows::task).transpose()
    }

    fn instance(&mut self, no: InstanceNo) -> Result<Option<InstanceRow>, Trouble> {
        let mut query = self.conn.prepare_cached(select_instance!("FROM instance WHERE id = ?1"))?;
        let mut found = query.query(params![pack(self.seq, no.0)])?;
        found.next()?.map(rows::instance).transpose()
    }
}

fn place(conn: &Connection, seq: u64, no: InstanceNo) -> Result<Place, Trouble> {
    let mut query = conn.prepare_cached("SELECT scope, outer_no, key FROM instance WHERE id = ?1")?;
    Ok(query.query_row(params![pack(seq, no.0)], |row| {
        let outer = row.get::<_, Option<i64>>(1)?.map(|no| InstanceNo(small(no)));
        Ok(Place { scope: ScopeNo(row.get(0)?), outer, key: row.get(2)? })
    })?)
}

fn tasks(
    conn: &Connection,
    graphs: &Graphs,
    run: RunId,
    filter: &TaskFilter,
) -> Result<Option<Vec<TaskView>>, Trouble> {
    let Some(mut views) = Views::of(conn, graphs, run)? else { return Ok(None) };
    let after = filter.after.map_or(pack(views.seq, 0) - 1, |task| pack(views.seq, task.0));
    let states: Vec<i64> = filter.states.iter().map(|state| state.code()).collect();
    let nodes: Vec<u32> = filter.nodes.iter().map(|node| node.0).collect();
    let mut query = conn.prepare_cached(select_task!(
        "FROM task WHERE id > ?1 AND id < ?2 \
         AND (?3 = '[]' OR state IN (SELECT value FROM json_each(?3))) \
         AND (?4 = '[]' OR node IN (SELECT value FROM json_each(?4))) ORDER BY id LIMIT ?5"
    ))?;
    let mut found = query.query(params![
        after,
        pack(views.seq + 1, 0),
        serde_json::to_string(&states)?,
        serde_json::to_string(&nodes)?,
        page(filter.limit)
    ])?;
    let mut tasks = Vec::new();
    while let Some(row) = found.next()? {
        tasks.push(views.view(rows::task(row)?)?);
    }
    Ok(Some(tasks))
}

fn instance_tasks(
    conn: &Connection,
    graphs: &Graphs,
    run: RunId,
    instance: InstanceNo,
    nodes: &[NodeNo],
) -> Result<Option<Vec<Option<TaskView>>>, Trouble> {
    let Some(mut views) = Views::of(conn, graphs, run)? else { return Ok(None) };
    let Some(row) = views.instance(instance)? else { return Ok(Some(vec![None; nodes.len()])) };
    let mut tasks = Vec::with_capacity(nodes.len());
    for node in nodes {
        let no = (node.index() < views.graph.nodes.len()).then(|| row.task_of(&views.graph, *node)).flatten();
        let task = no.map(|no| views.task(no.0)).transpose()?.flatten();
        tasks.push(task.map(|task| views.view(task)).transpose()?);
    }
    Ok(Some(tasks))
}

/// Items and their tasks: one query for the items, and one for each node asked for.
fn items(
    conn: &Connection,
    graphs: &Graphs,
    task: TaskRef,
    nodes: &[NodeNo],
) -> Result<Option<Vec<InstanceView>>, Trouble> {
    let Some(mut views) = Views::of(conn, graphs, task.run)? else { return Ok(None) };
    let fan = views.task(task.task.0)?.and_then(|row| row.fan);
    let Some(fan) = fan else { return Ok(Some(Vec::new())) };
    let first = pack(views.seq, fan.first.0);
    let end = first + i64::from(fan.items);
    let mut query =
        conn.prepare_cached(select_instance!("FROM instance WHERE id >= ?1 AND id < ?2 ORDER BY id"))?;
    let mut found = query.query(params![first, end])?;
    let mut items = Vec::with_capacity(fan.items as usize);
    let mut scope = None;
    while let Some(row) = found.next()? {
        let row = rows::instance(row)?;
        scope = Some(row.scope);
        let place = Place { scope: row.scope, outer: row.outer, key: row.key.clone() };
        views.places.insert(row.no, place);
        items.push(InstanceView::of(row));
    }
    for node in nodes {
        let known = views.graph.nodes.get(node.index()).filter(|known| Some(known.scope) == scope);
        let Some(offset) = known.map(|known| known.offset) else { continue };
        let mut query = conn.prepare_cached(select_task!(
            "FROM instance AS item CROSS JOIN task ON task.id = ?1 + item.first_task + ?2 \
             WHERE item.id >= ?3 AND item.id < ?4 ORDER BY item.id"
        ))?;
        let mut found = query.query(params![pack(views.seq, 0), offset, first, end])?;
        while let Some(row) = found.next()? {
            let row = rows::task(row)?;
            let at = (row.instance.0 - fan.first.0) as usize;
            let view = views.view(row)?;
            if let Some(item) = items.get_mut(at) {
                item.tasks.push(view);
            }
        }
    }
    Ok(Some(items))
}

/// Deletes an ended run and everything that belongs to it; false when there is none or it has not ended.
pub fn delete(unit: &mut Unit<'_>, id: RunId) -> Result<bool, Trouble> {
    unit.flush()?;
    let conn = unit.conn;
    let mut query = conn.prepare_cached("SELECT seq, state, graph FROM run WHERE id = ?1")?;
    let found = query
        .query_row(params![run_bytes(id)], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, Vec<u8>>(2)?))
        })
        .optional()?;
    let Some((seq, state, graph)) = found else { return Ok(false) };
    if !RunState::from_code(state)?.is_terminal() {
        return Ok(false);
    }
    let (from, to) = (pack(uint(seq), 0), pack(uint(seq) + 1, 0));
    for sql in [
        "DELETE FROM task WHERE id >= ?1 AND id < ?2",
        "DELETE FROM instance WHERE id >= ?1 AND id < ?2",
        "DELETE FROM log WHERE task >= ?1 AND task < ?2",
        "DELETE FROM log_head WHERE task >= ?1 AND task < ?2",
        "DELETE FROM progress WHERE task >= ?1 AND task < ?2",
    ] {
        conn.prepare_cached(sql)?.execute(params![from, to])?;
    }
    for sql in [
        "DELETE FROM event WHERE run = ?1",
        "DELETE FROM run_artifact WHERE run = ?1",
        "DELETE FROM run_new WHERE seq = ?1",
        "DELETE FROM run WHERE seq = ?1",
    ] {
        conn.prepare_cached(sql)?.execute(params![seq])?;
    }
    let unused_since = unit.tx.now_ms().saturating_sub(GRAPH_GRACE_MS);
    conn.prepare_cached(
        "DELETE FROM graph WHERE digest = ?1 AND put_ms < ?2 AND NOT EXISTS (SELECT 1 FROM run WHERE graph = ?1) \
         AND NOT EXISTS (SELECT 1 FROM pipeline WHERE graph = ?1)",
    )?
    .execute(params![graph, int(unused_since)])?;
    unit.forget(id);
    Ok(true)
}

#[async_trait]
impl RunStore for SqliteStore {
    async fn put_graph(&self, digest: Digest, graph: Arc<Graph>) -> Result<(), StoreError> {
        let graphs = Arc::clone(&self.graphs);
        let put = move |unit: &mut Unit<'_>| {
            let mut insert = unit.conn.prepare_cached(
                "INSERT INTO graph (digest, json, put_ms) VALUES (?1, ?2, ?3) \
                 ON CONFLICT (digest) DO UPDATE SET put_ms = excluded.put_ms",
            )?;
            insert.execute(params![digest.0, serde_json::to_string(&*graph)?, int(unit.tx.now_ms())])?;
            Ok(Ok(graph))
        };
        let graph = self.writer.write(put).await?;
        graphs.keep(digest, &graph);
        Ok(())
    }

    async fn graph(&self, digest: Digest) -> Result<Arc<Graph>, StoreError> {
        let found = self.readers.brief(|conn| self.graphs.get(conn, digest))?;
        found.ok_or(StoreError::NoSuchGraph(digest))
    }

    async fn run(&self, id: RunId) -> Result<Option<RunView>, StoreError> {
        self.readers.brief(|conn| run(conn, id))
    }

    async fn runs(&self, filter: RunFilter) -> Result<Vec<RunView>, StoreError> {
        self.readers.long(move |conn| list(conn, &filter)).await
    }

    async fn tasks(&self, run: RunId, filter: TaskFilter) -> Result<Vec<TaskView>, StoreError> {
        let graphs = Arc::clone(&self.graphs);
        let found = self.readers.long(move |conn| tasks(conn, &graphs, run, &filter)).await?;
        found.ok_or(StoreError::NoSuchRun(run))
    }

    async fn instance_tasks(
        &self,
        run: RunId,
        instance: InstanceNo,
        nodes: &[NodeNo],
    ) -> Result<Vec<Option<TaskView>>, StoreError> {
        let found = self.readers.brief(|conn| instance_tasks(conn, &self.graphs, run, instance, nodes))?;
        found.ok_or(StoreError::NoSuchRun(run))
    }

    async fn items(&self, task: TaskRef, nodes: &[NodeNo]) -> Result<Vec<InstanceView>, StoreError> {
        let (graphs, nodes) = (Arc::clone(&self.graphs), nodes.to_vec());
        let found = self.readers.long(move |conn| items(conn, &graphs, task, &nodes)).await?;
        found.ok_or(StoreError::NoSuchRun(task.run))
    }

    async fn delete_run(&self, id: RunId) -> Result<bool, StoreError> {
        self.writer.write(move |unit| delete(unit, id).map(Ok)).await
    }
}
