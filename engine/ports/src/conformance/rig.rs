//! A run on a store, and a worker's hands: what the cases are written with.

use super::audit::audit;
use super::bed::{Bed, Store};
use crate::{
    LeaseRequest, Leased, NewRun, Only, Rejected, RunView, Settle, Settled, StepRequest, TaskFilter, TaskView,
};
use reelmill_graph::placement::lane;
use reelmill_graph::{Graph, light_lane};
use reelmill_lifecycle::PRIORITY;
use reelmill_model::{
    Digest, Failure, FailureClass, Item, Outcome, Requirements, RunId, SkipReason, TaskState, Usage, WorkerId,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How long the leases of the cases last.
pub const LEASE: Duration = Duration::from_secs(30);

/// A run on a store.
pub struct Rig<'b> {
    /// Where it came from.
    pub bed: &'b dyn Bed,
    /// The store.
    pub store: Arc<dyn Store>,
    /// Its graph.
    pub graph: Arc<Graph>,
    /// The run.
    pub run: RunId,
}

/// A run of a graph, as it is submitted.
#[must_use]
pub fn new_run(no: u128, graph: Digest, batch: Option<&str>) -> NewRun {
    NewRun {
        id: RunId::from_parts(1_700_000_000_000, no),
        graph,
        name: "sketch".into(),
        inputs: json!({}),
        labels: BTreeMap::new(),
        namespace: "default".into(),
        base_dir: "/".into(),
        seed: 7,
        created_ms: 1_700_000_000_000,
        batch: batch.map(|batch| (batch.to_owned(), 0)),
        priority: PRIORITY,
    }
}

/// Items with these keys.
#[must_use]
pub fn items(keys: &[&str]) -> Outcome {
    Outcome::Expand { items: keys.iter().map(|key| Item { key: (*key).into(), value: json!(key) }).collect() }
}

/// A success that puts out a value.
#[must_use]
pub fn done(value: Value) -> Outcome {
    Outcome::Succeeded { outputs: value, cached: false }
}

/// A failure of a class.
#[must_use]
pub fn broken(class: FailureClass) -> Outcome {
    Outcome::Failed(Failure::new(class, "it broke"))
}

/// All lanes the cases use.
#[must_use]
pub fn lanes() -> Vec<String> {
    let needy = Requirements { gpus: 1, ..Requirements::default() };
    vec!["default".into(), light_lane("default"), lane("default", &needy)]
}

impl<'b> Rig<'b> {
    /// Submits a run of a graph.
    pub async fn new(bed: &'b dyn Bed, graph: Graph) -> Self {
        Self::with_digest(bed, graph, Digest([1; 32])).await
    }

    /// Submits a run of a graph that the store is to know by this digest.
    pub async fn with_digest(bed: &'b dyn Bed, graph: Graph, digest: Digest) -> Self {
        Self::numbered(bed, graph, digest, 1).await
    }

    /// Submits a run of this number of a graph.
    pub async fn numbered(bed: &'b dyn Bed, graph: Graph, digest: Digest, no: u128) -> Self {
        let new = new_run(no, digest, None);
        let rig = Self { bed, store: bed.open(), graph: Arc::new(graph), run: new.id };
        rig.store.put_graph(digest, Arc::clone(&rig.graph)).await.expect("the graph is put");
        assert!(rig.store.submit(new).await.expect("the run is submitted"));
        rig
    }

    /// Leases up to `want` tasks for a worker.
    pub async fn lease_as(&self, worker: &str, want: usize) -> Vec<Leased> {
        let request = LeaseRequest { lanes: lanes(), want, lease: LEASE, only: Only::Any };
        let request =
            StepRequest { worker: WorkerId(worker.into()), settles: Vec::new(), leases: vec![request] };
        let leased = self.store.step(request).await.expect("the step is made").leased;
        audit(&*self.store, self.run).await;
        leased
    }

    /// Leases everything there is.
    pub async fn lease(&self) -> Vec<Leased> {
        self.lease_as("w1", 100).await
    }

    /// Leases the one task there is, of this name.
    pub async fn lease_one(&self, name: &str) -> Leased {
        let mut leased = self.lease().await;
        assert_eq!(self.names(&leased), [name]);
        leased.remove(0)
    }

    /// Names of the nodes of leased tasks, with the key of the innermost item.
    #[must_use]
    pub fn names(&self, leased: &[Leased]) -> Vec<String> {
        let name = |leased: &Leased| {
            let name = &self.graph.node(leased.node).name;
            leased.items.first().map_or_else(|| name.clone(), |item| format!("{name}@{}", item.key))
        };
        leased.iter().map(name).collect()
    }

    /// Settles an attempt.
    pub async fn settle(&self, leased: &Leased, outcome: Outcome) -> Result<TaskState, Rejected> {
        let settle = Settle { task: leased.task, token: leased.token, outcome, usage: Usage::default() };
        let request =
            StepRequest { worker: WorkerId("w1".into()), settles: vec![settle], leases: Vec::new() };
        let reply = self.store.step(request).await.expect("the step is made");
        audit(&*self.store, self.run).await;
        let [Settled { result, .. }] = &reply.settled[..] else { panic!("one settle, one answer") };
        *result
    }

    /// Settles an attempt as succeeded.
    pub async fn succeed(&self, leased: &Leased) {
        let settled = self.settle(leased, done(json!({}))).await;
        assert_eq!(settled, Ok(TaskState::Succeeded));
    }

    /// Leases and succeeds until nothing is ready.
    pub async fn work_off(&self) {
        loop {
            let leased = self.lease().await;
            if leased.is_empty() {
                return;
            }
            for task in &leased {
                self.succeed(task).await;
            }
        }
    }

    /// Skips what is ready until nothing is.
    pub async fn work_off_skipping(&self) {
        loop {
            let leased = self.lease().await;
            if leased.is_empty() {
                return;
            }
            for task in &leased {
                let reason = SkipReason::Condition { expression: "false".into() };
                self.settle(task, Outcome::Skipped(reason)).await.expect("it is held");
            }
        }
    }

    /// The digest of its graph.
    pub async fn digest(&self) -> Digest {
        self.view().await.new.graph
    }

    /// The run.
    pub async fn view(&self) -> RunView {
        self.store.run(self.run).await.expect("the run is read").expect("the run is there")
    }

    /// All tasks of the run.
    pub async fn tasks(&self) -> Vec<TaskView> {
        all_tasks(&*self.store, self.run).await
    }

    /// The task of a path.
    pub async fn task(&self, path: &str) -> TaskView {
        let tasks = self.tasks().await;
        let paths: Vec<&str> = tasks.iter().map(|task| task.path.as_str()).collect();
        let found = tasks.iter().find(|task| task.path == path);
        found.unwrap_or_else(|| panic!("there is no task {path} among {paths:?}")).clone()
    }

    /// Moves the clock.
    pub fn pass(&self, time: Duration) {
        self.bed.clock().shift(i64::try_from(time.as_millis()).expect("a short time"));
    }
}

/// All tasks of a run, page by page.
pub async fn all_tasks(store: &dyn Store, run: RunId) -> Vec<TaskView> {
    let mut tasks: Vec<TaskView> = Vec::new();
    loop {
        let filter = TaskFilter { after: tasks.last().map(|task| task.task), ..TaskFilter::default() };
        let page = store.tasks(run, filter).await.expect("tasks are read");
        if page.is_empty() {
            return tasks;
        }
        tasks.extend(page);
    }
}
