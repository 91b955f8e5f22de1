//! Reading runs, tasks, items and graphs.

use crate::state::{Run, State, lost};
use crate::store::MemoryStore;
use async_trait::async_trait;
use reelmill_graph::Graph;
use reelmill_lifecycle::{Place, TaskRow, task_path};
use reelmill_model::limits::PAGE_ROWS_MAX;
use reelmill_model::{Digest, InstanceNo, NodeNo, RunId, TaskRef};
use reelmill_ports::{InstanceView, RunFilter, RunStore, RunView, StoreError, TaskFilter, TaskView};
use std::sync::Arc;

fn page(limit: usize) -> usize {
    if limit == 0 { PAGE_ROWS_MAX } else { limit.min(PAGE_ROWS_MAX) }
}

fn known(state: &State, id: RunId) -> Result<&Run, StoreError> {
    state.run(id).ok_or(StoreError::NoSuchRun(id))
}

fn view(run: &Run, row: &TaskRow) -> Result<TaskView, StoreError> {
    let path = task_path(&run.graph, run.graph.node(row.node), row.instance, &mut |no| {
        let instance = run.instances.get(&no).ok_or_else(|| lost("an instance"))?;
        Ok::<_, StoreError>(Place { scope: instance.scope, outer: instance.outer, key: instance.key.clone() })
    })?;
    Ok(TaskView::of(row.clone(), path))
}

/// The task of a node in an instance, where both exist.
fn task_in(run: &Run, instance: InstanceNo, node: NodeNo) -> Result<Option<TaskView>, StoreError> {
    let known = run.instances.get(&instance).filter(|_| node.index() < run.graph.nodes.len());
    let task = known.and_then(|row| row.task_of(&run.graph, node)).and_then(|no| run.tasks.get(&no));
    task.map(|row| view(run, row)).transpose()
}

#[async_trait]
impl RunStore for MemoryStore {
    async fn put_graph(&self, digest: Digest, graph: Arc<Graph>) -> Result<(), StoreError> {
        self.state().graphs.entry(digest).or_insert(graph);
        Ok(())
    }

    async fn graph(&self, digest: Digest) -> Result<Arc<Graph>, StoreError> {
        self.state().graphs.get(&digest).cloned().ok_or(StoreError::NoSuchGraph(digest))
    }

    async fn run(&self, id: RunId) -> Result<Option<RunView>, StoreError> {
        Ok(self.state().run(id).map(|run| RunView::of(run.row.clone(), run.new.clone())))
    }

    async fn runs(&self, filter: RunFilter) -> Result<Vec<RunView>, StoreError> {
        let state = self.state();
        let wanted = |run: &&Run| {
            (filter.states.is_empty() || filter.states.contains(&run.row.state))
                && filter.name.as_ref().is_none_or(|name| run.new.name == *name)
                && filter.batch.as_ref().is_none_or(|batch| run.row.batch.as_ref() == Some(batch))
                && filter.before.is_none_or(|before| run.row.id < before)
        };
        let mut runs: Vec<&Run> = state.runs.values().filter(wanted).collect();
        runs.sort_by_key(|run| std::cmp::Reverse(run.row.id));
        runs.truncate(page(filter.limit));
        Ok(runs.into_iter().map(|run| RunView::of(run.row.clone(), run.new.clone())).collect())
    }

    async fn tasks(&self, run: RunId, filter: TaskFilter) -> Result<Vec<TaskView>, StoreError> {
        let state = self.state();
        let run = known(&state, run)?;
        let wanted = |task: &&TaskRow| {
            (filter.states.is_empty() || filter.states.contains(&task.state))
                && (filter.nodes.is_empty() || filter.nodes.contains(&task.node))
                && Some(task.no) > filter.after
        };
        run.tasks.values().filter(wanted).take(page(filter.limit)).map(|row| view(run, row)).collect()
    }

    async fn instance_tasks(
        &self,
        run: RunId,
        instance: InstanceNo,
        nodes: &[NodeNo],
    ) -> Result<Vec<Option<TaskView>>, StoreError> {
        let state = self.state();
        let run = known(&state, run)?;
        nodes.iter().map(|node| task_in(run, instance, *node)).collect()
    }

    async fn items(&self, task: TaskRef, nodes: &[NodeNo]) -> Result<Vec<InstanceView>, StoreError> {
        let state = self.state();
        let run = known(&state, task.run)?;
        let Some(fan) = run.tasks.get(&task.task).and_then(|row| row.fan) else { return Ok(Vec::new()) };
        let mut items = Vec::new();
        for no in (fan.first.0..fan.first.0 + fan.items).map(InstanceNo) {
            let row = run.instances.get(&no).ok_or_else(|| lost("an item"))?;
            let mut item = InstanceView::of(row.clone());
            for node in nodes {
                item.tasks.extend(task_in(run, no, *node)?);
            }
            items.push(item);
        }
        Ok(items)
    }

    async fn delete_run(&self, id: RunId) -> Result<bool, StoreError> {
        let mut state = self.state();
        let Some(seq) = state.run(id).filter(|run| run.row.state.is_terminal()).map(|run| run.row.seq) else {
            return Ok(false);
        };
        state.runs.remove(&seq);
        state.ids.remove(&id);
        state.events.retain(|event| event.run != id);
        state.heads.retain(|(task, _), _| task.run != id);
        state.progress.retain(|task, _| task.run != id);
        Ok(true)
    }
}
