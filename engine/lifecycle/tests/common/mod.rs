//! A source over maps, as small as can be, and a run that is put into one state after another.

use reelmill_graph::Graph;
use reelmill_lifecycle::{
    Change, Damage, Dice, InstanceRow, Leased, Only, ReadyKey, RunRow, Source, TaskRow, Transaction, Wish,
    rank,
};
use reelmill_model::{
    Digest, InstanceNo, Outcome, RunId, TaskNo, TaskRef, TaskState, Token, Usage, WorkerId,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The rows of one run.
#[derive(Clone)]
pub struct Rows {
    pub graph: Arc<Graph>,
    pub run: Option<RunRow>,
    pub tasks: BTreeMap<TaskNo, TaskRow>,
    pub instances: BTreeMap<InstanceNo, InstanceRow>,
    pub now_ms: u64,
}

impl Source for &Rows {
    type Error = Damage;

    fn find_run(&mut self, _id: RunId) -> Result<Option<u64>, Damage> {
        Ok(self.run.as_ref().map(|run| run.seq))
    }

    fn run(&mut self, _seq: u64) -> Result<Option<(RunRow, Arc<Graph>)>, Damage> {
        Ok(self.run.clone().map(|run| (run, Arc::clone(&self.graph))))
    }

    fn task(&mut self, _seq: u64, no: TaskNo) -> Result<Option<TaskRow>, Damage> {
        Ok(self.tasks.get(&no).cloned())
    }

    fn instance(&mut self, _seq: u64, no: InstanceNo) -> Result<Option<InstanceRow>, Damage> {
        Ok(self.instances.get(&no).cloned())
    }

    fn ready(
        &mut self,
        _lane: &str,
        _only: &Only,
        after: Option<ReadyKey>,
        limit: usize,
    ) -> Result<Vec<ReadyKey>, Damage> {
        let ready = self.tasks.values().filter(|task| task.state == TaskState::Ready);
        let key =
            |task: &TaskRow| ReadyKey { rank: rank(self.graph.node(task.node), 5), seq: 1, task: task.no };
        let mut keys: Vec<ReadyKey> = ready.map(key).filter(|key| Some(*key) > after).collect();
        keys.sort_unstable();
        keys.truncate(limit);
        Ok(keys)
    }

    fn expired(&mut self, now_ms: u64, _limit: usize) -> Result<Vec<(u64, TaskNo)>, Damage> {
        let over = |task: &&TaskRow| {
            task.state == TaskState::Leased && task.until_ms.is_some_and(|until| until <= now_ms)
        };
        Ok(self.tasks.values().filter(over).map(|task| (1, task.no)).collect())
    }

    fn due(&mut self, now_ms: u64, _limit: usize) -> Result<Vec<(u64, TaskNo)>, Damage> {
        let due = |task: &&TaskRow| {
            task.state != TaskState::Leased && task.until_ms.is_some_and(|until| until <= now_ms)
        };
        Ok(self.tasks.values().filter(due).map(|task| (1, task.no)).collect())
    }

    fn held_by(&mut self, worker: &WorkerId) -> Result<Vec<(u64, TaskNo)>, Damage> {
        let held = |task: &&TaskRow| task.state == TaskState::Leased && task.worker.as_ref() == Some(worker);
        Ok(self.tasks.values().filter(held).map(|task| (1, task.no)).collect())
    }
}

/// The id of the one run.
pub fn id() -> RunId {
    RunId::from_parts(1, 1)
}

impl Rows {
    /// A run of a graph that has just been submitted.
    pub fn submitted(graph: Graph) -> Self {
        let graph = Arc::new(graph);
        let mut rows = Self {
            graph: Arc::clone(&graph),
            run: None,
            tasks: BTreeMap::new(),
            instances: BTreeMap::new(),
            now_ms: 1_000,
        };
        rows.transact(|tx| tx.submit(RunRow::new(1, id(), Digest([0; 32]), None), graph))
            .expect("the run starts");
        rows
    }

    /// Decides, and applies what was decided.
    pub fn transact<T>(
        &mut self,
        decide: impl FnOnce(&mut Transaction<&Self>) -> Result<T, Damage>,
    ) -> Result<T, Damage> {
        let before = self.clone();
        let mut tx = Transaction::new(&before, self.now_ms, Dice::new(1));
        let decided = decide(&mut tx)?;
        for changes in tx.take_changes() {
            self.run = Some(changes.run.1);
            for (change, row) in changes.instances {
                if change == Change::Delete {
                    self.instances.remove(&row.no);
                } else {
                    self.instances.insert(row.no, row);
                }
            }
            for (change, row) in changes.tasks {
                if change == Change::Delete {
                    self.tasks.remove(&row.no);
                } else {
                    self.tasks.insert(row.no, row);
                }
            }
        }
        Ok(decided)
    }

    /// Leases what is ready.
    pub fn lease(&mut self) -> Vec<Leased> {
        let (lanes, only) = (["any".to_owned()], Only::Any);
        let wish = Wish { lanes: &lanes, only: &only, want: 100, lease_ms: 100 };
        self.transact(|tx| tx.lease(&WorkerId("w".into()), wish)).expect("tasks are leased")
    }

    /// Settles a task under a token.
    pub fn settle(
        &mut self,
        task: TaskNo,
        token: Token,
        outcome: Outcome,
    ) -> Result<TaskState, reelmill_lifecycle::Rejected> {
        let task = TaskRef { run: id(), task };
        self.transact(|tx| tx.settle(task, token, outcome, &Usage::default())).expect("it is decided")
    }
}
