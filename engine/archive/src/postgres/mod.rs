//! The archive in PostgreSQL: one for all machines of a fleet.
//!
//! A run is one row: what listings ask for stands in columns, and the whole of it in one value. To look into a run, its
//! record is kept in a store in memory, which answers like any other. So questions about what is in a run are answered in
//! one place, and the database is asked few and simple ones.

mod ask;
mod link;
mod opened;
mod record;
mod schema;

use ask::Found;
use async_trait::async_trait;
use link::Link;
use opened::Opened;
use reelmill_graph::Graph;
use reelmill_model::limits::PAGE_ROWS_MAX;
use reelmill_model::{Digest, Event, InstanceNo, NodeNo, RunId, TaskNo, TaskRef};
use reelmill_ports::{
    Archive, EventLog, EventQuery, InstanceView, LogLine, Old, RunFilter, RunRecord, RunStore, RunView,
    StoreError, TaskFilter, TaskView,
};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// The archive.
#[derive(Debug)]
pub struct PostgresArchive {
    link: Link,
    opened: Opened,
}

impl PostgresArchive {
    /// At an address such as `postgres://user:password@host:5432/database`. Nothing is connected yet; the tables are made
    /// when they are first needed.
    pub fn new(url: &str) -> Result<Self, StoreError> {
        Ok(Self { link: Link::parse(url)?, opened: Opened::default() })
    }

    /// A store in memory that holds this run.
    async fn open(&self, id: RunId) -> Result<Arc<dyn Archive>, StoreError> {
        let held = self.opened.find(id);
        let known = held.as_ref().map_or(ask::NOT_HELD, |(kept, _)| *kept);
        let Found { kept, whole } =
            ask::whole(&self.link, id, known).await?.ok_or(StoreError::NoSuchRun(id))?;
        match (whole, held) {
            (Some((packed, graph)), _) => {
                self.opened.keep(kept, record::unpack(&packed)?, record::parse(&graph)?).await
            }
            (None, Some((_, store))) => Ok(store),
            (None, None) => Err(StoreError::Corrupt(format!("the archive has no record of run {id}"))),
        }
    }
}

#[async_trait]
impl Archive for PostgresArchive {
    async fn keep(&self, record: RunRecord) -> Result<(), StoreError> {
        ask::keep(&self.link, &record::Row::of(&record)?).await
    }

    async fn kept_artifacts(&self) -> Result<Vec<Digest>, StoreError> {
        ask::artifacts(&self.link).await?.iter().map(|bytes| record::digest(bytes)).collect()
    }

    async fn delete_old(&self, which: Old, limit: usize) -> Result<usize, StoreError> {
        let deleted = ask::delete_old(&self.link, which, limit).await?;
        if deleted > 0 {
            ask::drop_graphs(&self.link).await?;
        }
        Ok(deleted)
    }

    fn may_be_away(&self) -> bool {
        true
    }

    async fn beyond(&self, newest: u64) -> Result<Option<RunId>, StoreError> {
        let last = ask::beyond(&self.link, newest).await?;
        last.map(|bytes| record::run_id(&bytes)).transpose()
    }
}

#[async_trait]
impl RunStore for PostgresArchive {
    async fn put_graph(&self, digest: Digest, graph: Arc<Graph>) -> Result<(), StoreError> {
        ask::put_graph(&self.link, digest, &record::json(&*graph)?).await
    }

    async fn graph(&self, digest: Digest) -> Result<Arc<Graph>, StoreError> {
        let json = ask::graph(&self.link, digest).await?;
        record::parse(&json.ok_or(StoreError::NoSuchGraph(digest))?).map(Arc::new)
    }

    async fn run(&self, id: RunId) -> Result<Option<RunView>, StoreError> {
        let view = ask::view(&self.link, id).await?;
        view.map(|json| record::parse(&json)).transpose()
    }

    async fn runs(&self, filter: RunFilter) -> Result<Vec<RunView>, StoreError> {
        let limit = if filter.limit == 0 { PAGE_ROWS_MAX } else { filter.limit.min(PAGE_ROWS_MAX) };
        let views = ask::views(&self.link, &filter, limit).await?;
        views.iter().map(|json| record::parse(json)).collect()
    }

    async fn tasks(&self, run: RunId, filter: TaskFilter) -> Result<Vec<TaskView>, StoreError> {
        self.open(run).await?.tasks(run, filter).await
    }

    async fn instance_tasks(
        &self,
        run: RunId,
        instance: InstanceNo,
        nodes: &[NodeNo],
    ) -> Result<Vec<Option<TaskView>>, StoreError> {
        self.open(run).await?.instance_tasks(run, instance, nodes).await
    }

    async fn items(&self, task: TaskRef, nodes: &[NodeNo]) -> Result<Vec<InstanceView>, StoreError> {
        self.open(task.run).await?.items(task, nodes).await
    }

    async fn delete_run(&self, id: RunId) -> Result<bool, StoreError> {
        let deleted = ask::delete(&self.link, id).await?;
        if deleted {
            ask::drop_graphs(&self.link).await?;
        }
        Ok(deleted)
    }
}

/// What an archive is asked to do that only a store at work can.
fn at_rest() -> StoreError {
    StoreError::Refused("runs of an archive have ended: nothing is added to them".to_owned())
}

#[async_trait]
impl EventLog for PostgresArchive {
    async fn log(&self, _: TaskRef, _: u32, _: Vec<LogLine>) -> Result<(), StoreError> {
        Err(at_rest())
    }

    async fn progress(&self, _: TaskRef, _: u32, _: Value) -> Result<(), StoreError> {
        Err(at_rest())
    }

    async fn latest_progress(&self, _: RunId) -> Result<Vec<(TaskNo, Value)>, StoreError> {
        Ok(Vec::new())
    }

    /// Of one run: the lines of its stages. The events of many runs together are those of the store at work.
    async fn events(&self, query: EventQuery) -> Result<Vec<Event>, StoreError> {
        let Some(run) = query.run else { return Ok(Vec::new()) };
        match self.open(run).await {
            Ok(store) => store.events(query).await,
            Err(StoreError::NoSuchRun(_)) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    async fn wait_event(&self, after: u64, at_most: Duration) -> u64 {
        tokio::time::sleep(at_most).await;
        after
    }
}
