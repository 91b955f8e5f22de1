//! Reading runs, tasks, items and graphs.

use crate::deed::{Deed, Done, Removal};
use crate::error::Trouble;
use crate::index::{self, Order};
use crate::keys::Keys;
use crate::reading::{self, Reading};
use crate::store::RedisStore;
use async_trait::async_trait;
use reelmill_graph::Graph;
use reelmill_model::limits::PAGE_ROWS_MAX;
use reelmill_model::{Digest, InstanceNo, NodeNo, RunId, TaskNo, TaskRef};
use reelmill_ports::{InstanceView, NewRun, RunFilter, RunStore, RunView, StoreError, TaskFilter, TaskView};
use std::sync::Arc;

/// Runs looked at, at once, for a listing.
const LOOKED_AT: usize = 200;

/// Rows a caller gets: none asked for means a page.
pub fn page(limit: usize) -> usize {
    if limit == 0 { PAGE_ROWS_MAX } else { limit.min(PAGE_ROWS_MAX) }
}

fn no_such_run(run: RunId) -> Trouble {
    Trouble::Refused(StoreError::NoSuchRun(run))
}

impl RedisStore {
    /// The graph of a digest, or the error that there is none.
    pub(crate) async fn graph_of(&self, digest: Digest) -> Result<Arc<Graph>, StoreError> {
        if let Some(graph) = self.graphs.known(digest) {
            return Ok(graph);
        }
        let graphs = Arc::clone(&self.graphs);
        let found = self.readers.read(move |wire| graphs.get(wire, digest)).await?;
        found.ok_or(StoreError::NoSuchGraph(digest))
    }

    /// A listing of one partition: looks at runs, newest first, until there are enough.
    async fn list(&self, keys: Keys, filter: RunFilter) -> Result<Vec<RunView>, StoreError> {
        let graphs = Arc::clone(&self.graphs);
        self.readers
            .read(move |wire| {
                let (mut found, mut before) = (Vec::new(), filter.before);
                loop {
                    let batch = filter.batch.as_deref();
                    let ids = index::list(wire, &keys, batch, Order::NewestFirst, before, LOOKED_AT)?;
                    let Some(last) = ids.last() else { return Ok(found) };
                    before = Some(*last);
                    let wanted = |run: &RunView| {
                        (filter.states.is_empty() || filter.states.contains(&run.state))
                            && filter.name.as_ref().is_none_or(|name| run.new.name == *name)
                    };
                    found.extend(reading::runs(wire, &keys, &graphs, &ids)?.into_iter().filter(wanted));
                    if found.len() >= page(filter.limit) {
                        return Ok(found);
                    }
                }
            })
            .await
    }

    /// Lets a closure read one run.
    async fn read_run<T: Send + 'static>(
        &self,
        run: RunId,
        read: impl Fn(&mut Reading<'_>) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (keys, graphs) = (self.keys[self.place(run)].clone(), Arc::clone(&self.graphs));
        self.readers
            .read(move |wire| {
                let mut reading = Reading::of(wire, &keys, &graphs, run)?.ok_or_else(|| no_such_run(run))?;
                read(&mut reading)
            })
            .await
    }
}

fn tasks(reading: &mut Reading<'_>, filter: &TaskFilter) -> Result<Vec<TaskView>, Trouble> {
    let mut found = Vec::new();
    let mut next = filter.after.map_or(0, |after| after.0.saturating_add(1));
    let limit = page(filter.limit);
    while found.len() < limit && next < reading.next_task {
        let until = next.saturating_add(u32::try_from(LOOKED_AT).unwrap_or(u32::MAX)).min(reading.next_task);
        let numbers: Vec<TaskNo> = (next..until).map(TaskNo).collect();
        next = until;
        for row in reading.tasks(&numbers)? {
            let wanted = (filter.states.is_empty() || filter.states.contains(&row.state))
                && (filter.nodes.is_empty() || filter.nodes.contains(&row.node));
            if wanted && found.len() < limit {
                found.push(reading.view(row)?);
            }
        }
    }
    Ok(found)
}

/// The tasks of nodes in one instance, in the order of the nodes.
fn tasks_in(
    reading: &mut Reading<'_>,
    instance: InstanceNo,
    nodes: &[NodeNo],
) -> Result<Vec<Option<TaskView>>, Trouble> {
    let Some(row) = reading.instances(&[instance])?.pop() else { return Ok(vec![None; nodes.len()]) };
    let graph = Arc::clone(&reading.graph);
    let task_of = |node: &NodeNo| {
        if node.index() < graph.nodes.len() { row.task_of(&graph, *node) } else { None }
    };
    let numbers: Vec<Option<TaskNo>> = nodes.iter().map(task_of).collect();
    let known: Vec<TaskNo> = numbers.iter().flatten().copied().collect();
    let rows = reading.tasks(&known)?;
    let mut found = Vec::with_capacity(nodes.len());
    for no in numbers {
        let row = rows.iter().find(|row| Some(row.no) == no).cloned();
        found.push(row.map(|row| reading.view(row)).transpose()?);
    }
    Ok(found)
}

fn items(reading: &mut Reading<'_>, task: TaskNo, nodes: &[NodeNo]) -> Result<Vec<InstanceView>, Trouble> {
    let fan = reading.tasks(&[task])?.pop().and_then(|row| row.fan);
    let Some(fan) = fan else { return Ok(Vec::new()) };
    let numbers: Vec<InstanceNo> =
        (fan.first.0..fan.first.0.saturating_add(fan.items)).map(InstanceNo).collect();
    let mut items = Vec::with_capacity(numbers.len());
    for row in reading.instances(&numbers)? {
        let instance = row.no;
        let mut item = InstanceView::of(row);
        if !nodes.is_empty() {
            item.tasks = tasks_in(reading, instance, nodes)?.into_iter().flatten().collect();
        }
        items.push(item);
    }
    Ok(items)
}

#[async_trait]
impl RunStore for RedisStore {
    async fn put_graph(&self, digest: Digest, graph: Arc<Graph>) -> Result<(), StoreError> {
        let graphs = Arc::clone(&self.graphs);
        self.readers.read(move |wire| graphs.put(wire, digest, &graph)).await
    }

    async fn graph(&self, digest: Digest) -> Result<Arc<Graph>, StoreError> {
        self.graph_of(digest).await
    }

    async fn run(&self, id: RunId) -> Result<Option<RunView>, StoreError> {
        let (keys, graphs) = (self.keys[self.place(id)].clone(), Arc::clone(&self.graphs));
        self.readers.read(move |wire| Ok(reading::runs(wire, &keys, &graphs, &[id])?.pop())).await
    }

    async fn submitted(&self, id: RunId) -> Result<Option<Arc<NewRun>>, StoreError> {
        if let Some(new) = self.leased.of(id) {
            return Ok(Some(new));
        }
        Ok(self.run(id).await?.map(|run| Arc::new(run.new)))
    }

    async fn runs(&self, filter: RunFilter) -> Result<Vec<RunView>, StoreError> {
        let mut found = Vec::new();
        for keys in &self.keys {
            found.extend(self.list(keys.clone(), filter.clone()).await?);
        }
        found.sort_by_key(|run| std::cmp::Reverse(run.new.id));
        found.truncate(page(filter.limit));
        Ok(found)
    }

    async fn tasks(&self, run: RunId, filter: TaskFilter) -> Result<Vec<TaskView>, StoreError> {
        self.read_run(run, move |reading| tasks(reading, &filter)).await
    }

    async fn instance_tasks(
        &self,
        run: RunId,
        instance: InstanceNo,
        nodes: &[NodeNo],
    ) -> Result<Vec<Option<TaskView>>, StoreError> {
        let nodes = nodes.to_vec();
        self.read_run(run, move |reading| tasks_in(reading, instance, &nodes)).await
    }

    async fn items(&self, task: TaskRef, nodes: &[NodeNo]) -> Result<Vec<InstanceView>, StoreError> {
        let nodes = nodes.to_vec();
        self.read_run(task.run, move |reading| items(reading, task.task, &nodes)).await
    }

    async fn delete_run(&self, id: RunId) -> Result<bool, StoreError> {
        Ok(self.desk(id).deed(Deed::Remove(id, Removal::Deleted)).await? == Done::Did(true))
    }
}
