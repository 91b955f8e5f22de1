//! Both as one store.

use crate::young::is_young;
use async_trait::async_trait;
use futures_util::future::BoxFuture;
use reelmill_graph::Graph;
use reelmill_lifecycle::{Edits, PauseRefused, RetryScope};
use reelmill_model::limits::PAGE_ROWS_MAX;
use reelmill_model::{
    Decision, Digest, Event, InstanceNo, LimitKind, NodeNo, PipelineName, Revision, RevisionHead, RunId,
    RunState, TaskNo, TaskRef, TaskState, Token, WorkerId,
};
use reelmill_ports::{
    Admission, Archive, Asks, Beat, CacheEntry, CacheStats, Clock, EventLog, EventQuery, Fleet,
    HeartbeatReply, InLine, InstanceView, LaneView, LimitView, Limits, LogLine, Marks, NewRun, Only,
    PipelineFilter, Registered, Registry, ResultCache, RunFilter, RunStore, RunView, StepReply, StepRequest,
    Store, StoreError, TaskFilter, TaskQueue, TaskView, WorkerCard,
};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// A store and its archive.
pub struct Archived<H> {
    hot: Arc<H>,
    cold: Arc<dyn Archive>,
    clock: Arc<dyn Clock>,
}

impl<H: Store> Archived<H> {
    /// Both as one.
    #[must_use]
    pub fn new(hot: Arc<H>, cold: Arc<dyn Archive>, clock: Arc<dyn Clock>) -> Self {
        Self { hot, cold, clock }
    }

    /// Whether a run was moved into the archive. Of a young one the store knows when the archive is away.
    async fn is_kept(&self, id: RunId) -> Result<bool, StoreError> {
        match self.cold.run(id).await {
            Err(StoreError::ArchiveAway { .. }) if is_young(id, self.clock.now_ms()) => {
                self.hot.was_moved(id).await
            }
            found => Ok(found?.is_some()),
        }
    }

    /// The archive, if the run is there and no longer in the store.
    async fn moved(&self, run: RunId) -> Result<bool, StoreError> {
        Ok(self.hot.run(run).await?.is_none() && self.cold.run(run).await?.is_some())
    }

    /// Where a run is read.
    async fn home(&self, run: RunId) -> Result<&dyn RunStore, StoreError> {
        Ok(if self.moved(run).await? { &*self.cold } else { &*self.hot })
    }
}

#[async_trait]
impl<H: Store> TaskQueue for Archived<H> {
    async fn submit(&self, run: NewRun) -> Result<bool, StoreError> {
        // The id of a run that ended long ago is not free again.
        if self.is_kept(run.id).await? {
            return Ok(false);
        }
        self.hot.submit(run).await
    }

    async fn step(&self, request: StepRequest) -> Result<StepReply, StoreError> {
        self.hot.step(request).await
    }

    async fn heartbeat(
        &self,
        worker: &WorkerId,
        beats: &[Beat],
        lease: Duration,
    ) -> Result<HeartbeatReply, StoreError> {
        self.hot.heartbeat(worker, beats, lease).await
    }

    async fn wait(&self, lanes: &[String], only: &Only, at_most: Duration) {
        self.hot.wait(lanes, only, at_most).await;
    }

    async fn step_when_ready(
        &self,
        request: StepRequest,
        at_most: Duration,
        withdrawn: BoxFuture<'static, ()>,
    ) -> Result<Option<StepReply>, StoreError> {
        self.hot.step_when_ready(request, at_most, withdrawn).await
    }

    async fn expire_leases(&self, limit: usize) -> Result<usize, StoreError> {
        self.hot.expire_leases(limit).await
    }

    async fn promote_delayed(&self, limit: usize) -> Result<(usize, Option<Duration>), StoreError> {
        self.hot.promote_delayed(limit).await
    }

    async fn release_worker(&self, worker: &WorkerId) -> Result<usize, StoreError> {
        self.hot.release_worker(worker).await
    }

    async fn cancel(&self, run: RunId, reason: &str) -> Result<RunState, StoreError> {
        match self.hot.cancel(run, reason).await {
            Err(StoreError::NoSuchRun(id)) => {
                // An archived run has ended, and cancelling one that has ended says how.
                self.cold.run(id).await?.map(|view| view.state).ok_or(StoreError::NoSuchRun(id))
            }
            done => done,
        }
    }

    async fn pause(&self, run: RunId, reason: Option<&str>) -> Result<bool, StoreError> {
        match self.hot.pause(run, reason).await {
            Err(StoreError::NoSuchRun(id)) if self.cold.run(id).await?.is_some() => {
                Err(StoreError::Refused(PauseRefused::Ended.to_string()))
            }
            done => done,
        }
    }

    async fn approve(&self, task: TaskRef, decision: Decision) -> Result<TaskState, StoreError> {
        self.hot.approve(task, decision).await
    }

    async fn retry_with(&self, run: RunId, scope: RetryScope, set: Edits) -> Result<usize, StoreError> {
        match self.hot.retry_with(run, scope, set).await {
            Err(StoreError::NoSuchRun(id)) if self.cold.run(id).await?.is_some() => {
                Err(StoreError::Refused(format!("run {id} was archived; submit its pipeline again")))
            }
            done => done,
        }
    }
}

#[async_trait]
impl<H: Store> RunStore for Archived<H> {
    async fn put_graph(&self, digest: Digest, graph: Arc<Graph>) -> Result<(), StoreError> {
        self.hot.put_graph(digest, graph).await
    }

    async fn graph(&self, digest: Digest) -> Result<Arc<Graph>, StoreError> {
        match self.hot.graph(digest).await {
            Err(StoreError::NoSuchGraph(_)) => self.cold.graph(digest).await,
            found => found,
        }
    }

    async fn run(&self, id: RunId) -> Result<Option<RunView>, StoreError> {
        match self.hot.run(id).await? {
            Some(run) => Ok(Some(run)),
            None => self.cold.run(id).await,
        }
    }

    async fn submitted(&self, id: RunId) -> Result<Option<Arc<NewRun>>, StoreError> {
        match self.hot.submitted(id).await? {
            Some(new) => Ok(Some(new)),
            None => self.cold.submitted(id).await,
        }
    }

    async fn runs(&self, filter: RunFilter) -> Result<Vec<RunView>, StoreError> {
        let limit = if filter.limit == 0 { PAGE_ROWS_MAX } else { filter.limit.min(PAGE_ROWS_MAX) };
        let mut runs = self.hot.runs(filter.clone()).await?;
        // No run at work is in the archive.
        if !filter.states.is_empty() && !filter.states.iter().any(|state| state.is_terminal()) {
            return Ok(runs);
        }
        let live: BTreeSet<RunId> = runs.iter().map(|run| run.new.id).collect();
        let kept = self.cold.runs(filter).await?;
        runs.extend(kept.into_iter().filter(|run| !live.contains(&run.new.id)));
        runs.sort_by_key(|run| std::cmp::Reverse(run.new.id));
        runs.truncate(limit);
        Ok(runs)
    }

    async fn live_runs(&self, filter: RunFilter) -> Result<Vec<RunView>, StoreError> {
        self.hot.runs(filter).await
    }

    async fn tasks(&self, run: RunId, filter: TaskFilter) -> Result<Vec<TaskView>, StoreError> {
        self.home(run).await?.tasks(run, filter).await
    }

    async fn instance_tasks(
        &self,
        run: RunId,
        instance: InstanceNo,
        nodes: &[NodeNo],
    ) -> Result<Vec<Option<TaskView>>, StoreError> {
        match self.hot.instance_tasks(run, instance, nodes).await {
            Err(StoreError::NoSuchRun(_)) => self.cold.instance_tasks(run, instance, nodes).await,
            found => found,
        }
    }

    async fn items(&self, task: TaskRef, nodes: &[NodeNo]) -> Result<Vec<InstanceView>, StoreError> {
        match self.hot.items(task, nodes).await {
            Err(StoreError::NoSuchRun(_)) => self.cold.items(task, nodes).await,
            found => found,
        }
    }

    async fn delete_run(&self, id: RunId) -> Result<bool, StoreError> {
        let hot = self.hot.delete_run(id).await?;
        Ok(self.cold.delete_run(id).await? || hot)
    }
}

#[async_trait]
impl<H: Store> EventLog for Archived<H> {
    async fn log(&self, task: TaskRef, attempt: u32, lines: Vec<LogLine>) -> Result<(), StoreError> {
        self.hot.log(task, attempt, lines).await
    }

    async fn progress(&self, task: TaskRef, attempt: u32, progress: Value) -> Result<(), StoreError> {
        self.hot.progress(task, attempt, progress).await
    }

    async fn latest_progress(&self, run: RunId) -> Result<Vec<(TaskNo, Value)>, StoreError> {
        self.hot.latest_progress(run).await
    }

    async fn events(&self, query: EventQuery) -> Result<Vec<Event>, StoreError> {
        match query.run {
            Some(run) if self.moved(run).await? => self.cold.events(query).await,
            _ => self.hot.events(query).await,
        }
    }

    async fn wait_event(&self, after: u64, at_most: Duration) -> u64 {
        self.hot.wait_event(after, at_most).await
    }
}

#[async_trait]
impl<H: Store> ResultCache for Archived<H> {
    async fn lookup(&self, key: Digest) -> Result<Option<CacheEntry>, StoreError> {
        self.hot.lookup(key).await
    }

    async fn remember(&self, entry: CacheEntry) -> Result<(), StoreError> {
        self.hot.remember(entry).await
    }

    async fn forget(&self, key: Digest) -> Result<(), StoreError> {
        self.hot.forget(key).await
    }

    async fn nearest(
        &self,
        stage: &str,
        parts: &BTreeMap<String, String>,
    ) -> Result<Option<CacheEntry>, StoreError> {
        self.hot.nearest(stage, parts).await
    }

    async fn evict(&self, budget_bytes: u64) -> Result<Vec<Digest>, StoreError> {
        // Asked first: when it is away, nothing was dropped yet.
        let kept: BTreeSet<Digest> = self.cold.kept_artifacts().await?.into_iter().collect();
        let freed = self.hot.evict(budget_bytes).await?;
        Ok(freed.into_iter().filter(|digest| !kept.contains(digest)).collect())
    }

    async fn named_artifacts(&self) -> Result<Vec<Digest>, StoreError> {
        let mut named: BTreeSet<Digest> = self.hot.named_artifacts().await?.into_iter().collect();
        named.extend(self.cold.kept_artifacts().await?);
        Ok(named.into_iter().collect())
    }

    async fn stats(&self) -> Result<CacheStats, StoreError> {
        self.hot.stats().await
    }
}

#[async_trait]
impl<H: Store> Limits for Archived<H> {
    async fn admit(&self, task: TaskRef, token: Token, asks: Asks) -> Result<Admission, StoreError> {
        self.hot.admit(task, token, asks).await
    }

    async fn mend_limits(&self, limit: usize) -> Result<usize, StoreError> {
        self.hot.mend_limits(limit).await
    }

    async fn limits(&self, only: Option<(LimitKind, &str)>) -> Result<Vec<LimitView>, StoreError> {
        self.hot.limits(only).await
    }
}

#[async_trait]
impl<H: Store> Fleet for Archived<H> {
    async fn announce(&self, card: WorkerCard) -> Result<(), StoreError> {
        self.hot.announce(card).await
    }

    async fn retire(&self, worker: &WorkerId) -> Result<(), StoreError> {
        self.hot.retire(worker).await
    }

    async fn claim(
        &self,
        key: &str,
        run: RunId,
        kept_ms: u64,
        instead_of: Option<RunId>,
    ) -> Result<RunId, StoreError> {
        self.hot.claim(key, run, kept_ms, instead_of).await
    }

    async fn claimed(&self, key: &str) -> Result<Option<RunId>, StoreError> {
        self.hot.claimed(key).await
    }

    async fn note_moved(&self, run: RunId, kept_ms: u64) -> Result<(), StoreError> {
        self.hot.note_moved(run, kept_ms).await
    }

    async fn was_moved(&self, run: RunId) -> Result<bool, StoreError> {
        self.hot.was_moved(run).await
    }

    async fn workers(&self) -> Result<Vec<WorkerCard>, StoreError> {
        self.hot.workers().await
    }

    async fn lanes(&self) -> Result<Vec<LaneView>, StoreError> {
        self.hot.lanes().await
    }

    async fn in_line(&self, task: TaskRef) -> Result<Option<InLine>, StoreError> {
        self.hot.in_line(task).await
    }

    async fn pause_lane(&self, lane: &str, paused: bool) -> Result<(), StoreError> {
        self.hot.pause_lane(lane, paused).await
    }
}

#[async_trait]
impl<H: Store> Registry for Archived<H> {
    async fn put_pipeline(&self, new: Revision, expected: Option<u32>) -> Result<Registered, StoreError> {
        self.hot.put_pipeline(new, expected).await
    }

    async fn pipeline(
        &self,
        id: &PipelineName,
        revision: Option<u32>,
    ) -> Result<Option<Revision>, StoreError> {
        self.hot.pipeline(id, revision).await
    }

    async fn pipelines(&self, filter: PipelineFilter) -> Result<Vec<RevisionHead>, StoreError> {
        self.hot.pipelines(filter).await
    }

    async fn revisions(&self, id: &PipelineName) -> Result<Vec<RevisionHead>, StoreError> {
        self.hot.revisions(id).await
    }

    async fn remove_pipeline(&self, id: &PipelineName) -> Result<bool, StoreError> {
        self.hot.remove_pipeline(id).await
    }

    async fn registry_version(&self) -> Result<u64, StoreError> {
        self.hot.registry_version().await
    }
}

#[async_trait]
impl<H: Store> Marks for Archived<H> {
    async fn mark(&self, key: &str) -> Result<Option<String>, StoreError> {
        self.hot.mark(key).await
    }

    async fn set_mark(&self, key: &str, before: Option<&str>, after: &str) -> Result<bool, StoreError> {
        self.hot.set_mark(key, before, after).await
    }

    async fn drop_mark(&self, key: &str) -> Result<(), StoreError> {
        self.hot.drop_mark(key).await
    }
}
