//! One transaction of a store: loads rows on demand, decides, and hands back what changed.
//!
//! Several requests may share a transaction; each sees what those before it did. Ready tasks come from two
//! places: what the store knew before the transaction, read in order through [`Source::ready`], and what became
//! ready within it. Both are merged, so nothing has to be written before it can be leased.

use crate::approval::DecisionRefused;
use crate::edits::Edits;
use crate::lease::{self, BeatOutcome, Leased, Only};
use crate::pause::{self, PauseRefused};
use crate::policy::Dice;
use crate::retry::{self, RetryRefused, RetryScope};
use crate::rows::{Damage, InstanceRow, RunRow, TaskRow};
use crate::settle::{self, Rejected};
use crate::work::{Changes, RunSet, Work};
use crate::{approval, cancel, start};
use reelmill_graph::{Graph, Node};
use reelmill_model::{
    Decision, IdMap, InstanceNo, Outcome, RunId, RunState, TaskNo, TaskRef, TaskState, Token, Usage, WorkerId,
};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

/// The place of a ready task in its lane: higher priority first, then the older run, then the earlier task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReadyKey {
    /// 0 is leased first; see [`rank`].
    pub rank: u8,
    /// The run.
    pub seq: u64,
    /// The task.
    pub task: TaskNo,
}

/// Priority of a run, and of a stage, that asks for none.
pub const PRIORITY: u8 = 5;

/// The rank of a node's tasks in a run of that priority: small for a high one. The run's comes first, so that an urgent
/// run is not held up by the stages of others; between runs of one priority the stage's own decides. Both are 0 to 9.
#[must_use]
pub fn rank(node: &Node, run_priority: u8) -> u8 {
    u8::MAX - 10 * run_priority.min(9) - node.settings.priority.min(9)
}

/// Where a transaction's rows come from. Reads see the state before the transaction.
pub trait Source {
    /// What can go wrong when reading.
    type Error: From<Damage>;

    /// The place in the order of submission of a run.
    fn find_run(&mut self, id: RunId) -> Result<Option<u64>, Self::Error>;
    /// A run and its graph.
    fn run(&mut self, seq: u64) -> Result<Option<(RunRow, Arc<Graph>)>, Self::Error>;
    /// A task.
    fn task(&mut self, seq: u64, no: TaskNo) -> Result<Option<TaskRow>, Self::Error>;
    /// An instance.
    fn instance(&mut self, seq: u64, no: InstanceNo) -> Result<Option<InstanceRow>, Self::Error>;
    /// Up to `limit` ready tasks of a lane, in order, after a key.
    fn ready(
        &mut self,
        lane: &str,
        only: &Only,
        after: Option<ReadyKey>,
        limit: usize,
    ) -> Result<Vec<ReadyKey>, Self::Error>;
    /// Up to `limit` leased tasks whose lease is over at `now_ms`, longest over first.
    fn expired(&mut self, now_ms: u64, limit: usize) -> Result<Vec<(u64, TaskNo)>, Self::Error>;
    /// Up to `limit` delayed and ready tasks whose `until_ms` has come at `now_ms`, earliest first.
    fn due(&mut self, now_ms: u64, limit: usize) -> Result<Vec<(u64, TaskNo)>, Self::Error>;
    /// The tasks a worker holds.
    fn held_by(&mut self, worker: &WorkerId) -> Result<Vec<(u64, TaskNo)>, Self::Error>;
}

/// The ready tasks of a lane that the source knows, as far as a transaction has looked.
#[derive(Debug, Default)]
struct Line {
    /// Read and not yet offered.
    read: VecDeque<ReadyKey>,
    /// The last key read.
    last: Option<ReadyKey>,
    /// Whether the source has no more.
    dry: bool,
}

/// What a worker asks for, in the form of [`Transaction::lease`].
#[derive(Clone, Copy, Debug)]
pub struct Wish<'r> {
    /// Lanes it serves.
    pub lanes: &'r [String],
    /// Whose tasks.
    pub only: &'r Only,
    /// How many at most.
    pub want: usize,
    /// How long it owns them.
    pub lease_ms: u64,
}

/// A transaction over a source.
#[derive(Debug)]
pub struct Transaction<S> {
    source: S,
    dice: Dice,
    now_ms: u64,
    runs: BTreeMap<u64, RunSet>,
    ids: IdMap<RunId, u64>,
    /// What the source knows, by lane and by whose tasks are wanted.
    lines: HashMap<Only, HashMap<String, Line>>,
    /// What became ready in this transaction, by lane.
    fresh: HashMap<String, BTreeSet<ReadyKey>>,
}

impl<S: Source> Transaction<S> {
    /// A transaction that happens at `now_ms`.
    pub fn new(source: S, now_ms: u64, dice: Dice) -> Self {
        Self {
            source,
            dice,
            now_ms,
            runs: BTreeMap::new(),
            ids: IdMap::default(),
            lines: HashMap::new(),
            fresh: HashMap::new(),
        }
    }

    /// The moment at which everything in it happens.
    pub fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// Where its rows come from.
    pub fn source(&mut self) -> &mut S {
        &mut self.source
    }

    /// Hands out what has changed so far and forgets it; the source must show it from now on.
    pub fn take_changes(&mut self) -> Vec<Changes> {
        self.lines.clear();
        self.fresh.clear();
        std::mem::take(&mut self.runs).into_values().map(RunSet::into_changes).collect()
    }

    /// Forgets the place of a run that the store has deleted. Its changes must have been taken before.
    pub fn forget(&mut self, id: RunId) {
        self.ids.remove(&id);
    }

    /// Starts a run.
    pub fn submit(&mut self, run: RunRow, graph: Arc<Graph>) -> Result<(), S::Error> {
        let (seq, id) = (run.seq, run.id);
        self.runs.insert(seq, RunSet::fresh(run, graph));
        self.ids.insert(id, seq);
        self.with(seq, start::run)
    }

    /// Whether a run is known, within the transaction or before it.
    pub fn knows(&mut self, id: RunId) -> Result<bool, S::Error> {
        Ok(self.seq(id)?.is_some())
    }

    /// Settles an attempt as a worker reports it.
    pub fn settle(
        &mut self,
        task: TaskRef,
        token: Token,
        outcome: Outcome,
        usage: &Usage,
    ) -> Result<Result<TaskState, Rejected>, S::Error> {
        match self.seq(task.run)? {
            Some(seq) => self.with(seq, |work| settle::attempt(work, task.task, token, outcome, usage)),
            None => Ok(Err(Rejected::NoSuchTask)),
        }
    }

    /// Leases tasks, best first.
    pub fn lease(&mut self, worker: &WorkerId, wish: Wish<'_>) -> Result<Vec<Leased>, S::Error> {
        let mut leased = Vec::new();
        while leased.len() < wish.want {
            let Some(key) = self.next_ready(wish, wish.want - leased.len())? else { break };
            leased.extend(self.with(key.seq, |work| lease::take(work, key.task, worker, wish.lease_ms))?);
        }
        Ok(leased)
    }

    /// Extends a lease.
    pub fn beat(&mut self, task: TaskRef, token: Token, lease_ms: u64) -> Result<BeatOutcome, S::Error> {
        match self.seq(task.run)? {
            Some(seq) => self.with(seq, |work| lease::beat(work, task.task, token, lease_ms)),
            None => Ok(BeatOutcome::Lost),
        }
    }

    /// What the worker of a task that was leased elsewhere than in a transaction is told; none when it is not
    /// leased.
    pub fn describe(&mut self, task: TaskRef) -> Result<Option<Leased>, S::Error> {
        match self.seq(task.run)? {
            Some(seq) => self.with(seq, |work| lease::describe(work, task.task)),
            None => Ok(None),
        }
    }

    /// Settles up to `limit` leases that ran out; says how many.
    pub fn expire(&mut self, limit: usize) -> Result<usize, S::Error> {
        let now_ms = self.now_ms;
        let mut lost = 0;
        for (seq, no) in self.source.expired(now_ms, limit)? {
            let over = |task: &TaskRow| task.until_ms.is_some_and(|until| until <= now_ms);
            lost += usize::from(self.lose(seq, no, over)?);
        }
        Ok(lost)
    }

    /// Settles every lease of a dead worker as run out; says how many.
    pub fn release_worker(&mut self, worker: &WorkerId) -> Result<usize, S::Error> {
        let mut lost = 0;
        for (seq, no) in self.source.held_by(worker)? {
            lost += usize::from(self.lose(seq, no, |task| task.worker.as_ref() == Some(worker))?);
        }
        Ok(lost)
    }

    /// Settles a lease as run out if it is one for which that holds; false when it is not.
    pub fn lose_lease(&mut self, task: TaskRef, really: impl Fn(&TaskRow) -> bool) -> Result<bool, S::Error> {
        match self.seq(task.run)? {
            Some(seq) => self.lose(seq, task.task, really),
            None => Ok(false),
        }
    }

    fn lose(&mut self, seq: u64, no: TaskNo, really: impl Fn(&TaskRow) -> bool) -> Result<bool, S::Error> {
        self.with(seq, |work| {
            // An earlier request of this transaction may have settled or extended it.
            if work.find_task(no)?.is_none_or(|task| task.state != TaskState::Leased || !really(task)) {
                return Ok(false);
            }
            settle::expire(work, no).map(|()| true)
        })
    }

    /// Readies up to `limit` delayed tasks whose time has come, decides approvals whose time is over, and fails ready
    /// ones that waited too long for a
    /// worker; says how many were readied.
    pub fn promote(&mut self, limit: usize) -> Result<usize, S::Error> {
        let mut readied = 0;
        for (seq, no) in self.source.due(self.now_ms, limit)? {
            readied += usize::from(self.with(seq, |work| promote(work, no))?);
        }
        Ok(readied)
    }

    /// Does that with one task, if it is due; true when it was readied.
    pub fn promote_task(&mut self, task: TaskRef) -> Result<bool, S::Error> {
        match self.seq(task.run)? {
            Some(seq) => self.with(seq, |work| promote(work, task.task)),
            None => Ok(false),
        }
    }

    /// Asks for a run to be cancelled; none when there is no such run.
    pub fn cancel(&mut self, run: RunId, reason: &str) -> Result<Option<RunState>, S::Error> {
        match self.seq(run)? {
            Some(seq) => self.with(seq, |work| cancel::run(work, reason)).map(Some),
            None => Ok(None),
        }
    }

    /// Pauses a run for that reason, or without one lets it go on; says whether that changed anything, none when there
    /// is no such run.
    pub fn pause(
        &mut self,
        run: RunId,
        reason: Option<&str>,
    ) -> Result<Option<Result<bool, PauseRefused>>, S::Error> {
        let Some(seq) = self.seq(run)? else { return Ok(None) };
        self.with(seq, |work| match reason {
            Some(reason) => pause::pause(work, reason),
            None => pause::resume(work),
        })
        .map(Some)
    }

    /// Ends an approval that waits, as a person says; none when there is no such run.
    pub fn approve(
        &mut self,
        task: TaskRef,
        decision: &Decision,
    ) -> Result<Option<Result<TaskState, DecisionRefused>>, S::Error> {
        match self.seq(task.run)? {
            Some(seq) => self.with(seq, |work| approval::decide(work, task.task, decision)).map(Some),
            None => Ok(None),
        }
    }

    /// Sends an ended run around again; none when there is no such run.
    pub fn retry(
        &mut self,
        run: RunId,
        scope: &RetryScope,
        set: &Edits,
    ) -> Result<Option<Result<usize, RetryRefused>>, S::Error> {
        match self.seq(run)? {
            Some(seq) => self.with(seq, |work| retry::run(work, scope, set)).map(Some),
            None => Ok(None),
        }
    }

    /// Whose limits are to be looked at since the last call; none is a run as a whole.
    pub(crate) fn take_moved(&mut self) -> BTreeSet<(u64, RunId, Option<TaskNo>)> {
        let of_run = |(seq, set): (&u64, &mut RunSet)| {
            let (seq, id) = (*seq, set.run().id);
            set.take_moved().into_iter().map(move |no| (seq, id, no)).collect::<Vec<_>>()
        };
        self.runs.iter_mut().flat_map(of_run).collect()
    }

    pub(crate) fn seq(&mut self, id: RunId) -> Result<Option<u64>, S::Error> {
        if let Some(seq) = self.ids.get(&id) {
            return Ok(Some(*seq));
        }
        let found = self.source.find_run(id)?;
        if let Some(seq) = found {
            self.ids.insert(id, seq);
        }
        Ok(found)
    }

    /// Lets a decision work on a run, and puts what it readied into line.
    pub(crate) fn with<T>(
        &mut self,
        seq: u64,
        decide: impl FnOnce(&mut Work<'_, S>) -> Result<T, S::Error>,
    ) -> Result<T, S::Error> {
        let set = match self.runs.entry(seq) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(entry) => {
                let found = self.source.run(seq)?;
                let (run, graph) = found.ok_or_else(|| Damage(format!("run number {seq} is missing")))?;
                entry.insert(RunSet::loaded(run, graph))
            }
        };
        let mut work = Work { source: &mut self.source, set, dice: &mut self.dice, now_ms: self.now_ms };
        let decided = decide(&mut work)?;
        for (task, node) in set.take_readied() {
            let node = set.graph().node(node);
            let rank = rank(node, set.run().priority);
            self.fresh.entry(node.lane()).or_default().insert(ReadyKey { rank, seq, task });
        }
        Ok(decided)
    }

    /// Takes the best ready task out of line. It may have stopped being ready meanwhile.
    fn next_ready(&mut self, wish: Wish<'_>, want: usize) -> Result<Option<ReadyKey>, S::Error> {
        if !self.lines.contains_key(wish.only) {
            self.lines.insert(wish.only.clone(), HashMap::new());
        }
        let Some(lines) = self.lines.get_mut(wish.only) else { return Ok(None) };
        let mut best: Option<(ReadyKey, &str)> = None;
        for lane in wish.lanes {
            if !lines.contains_key(lane) {
                lines.insert(lane.clone(), Line::default());
            }
            let Some(line) = lines.get_mut(lane) else { continue };
            if line.read.is_empty() && !line.dry {
                let read = self.source.ready(lane, wish.only, line.last, want)?;
                line.dry = read.len() < want;
                line.last = read.last().copied().or(line.last);
                line.read = read.into();
            }
            let runs = &self.runs;
            let fresh = self.fresh.get(lane).into_iter().flatten();
            let mut fresh =
                fresh.filter(|key| runs.get(&key.seq).is_some_and(|set| wish.only.includes(set.run())));
            let head = line.read.front().into_iter().chain(fresh.next()).min();
            if let Some(key) = head.filter(|key| best.is_none_or(|(other, _)| **key < other)) {
                best = Some((*key, lane));
            }
        }
        let Some((key, lane)) = best else { return Ok(None) };
        if let Some(line) = lines.get_mut(lane).filter(|line| line.read.front() == Some(&key)) {
            line.read.pop_front();
        }
        if let Some(fresh) = self.fresh.get_mut(lane) {
            fresh.remove(&key);
        }
        Ok(Some(key))
    }

    /// The state of a run within the transaction, for a caller that has just changed it.
    pub fn run(&self, seq: u64) -> Option<&RunRow> {
        self.runs.get(&seq).map(RunSet::run)
    }
}

fn promote<S: Source>(work: &mut Work<'_, S>, no: TaskNo) -> Result<bool, S::Error> {
    let now_ms = work.now_ms;
    let Some(task) = work.find_task(no)? else { return Ok(false) };
    let (state, due) = (task.state, task.until_ms.is_some_and(|until| until <= now_ms));
    let asks = approval::waits(work, no)?;
    match state {
        TaskState::Delayed if due && asks => approval::timed_out(work, no).map(|()| false),
        TaskState::Delayed if due => {
            // What a parked task waited for stands there.
            work.task_mut(no)?.outputs = Value::Null;
            work.ready(no).map(|()| true)
        }
        TaskState::Ready if due => settle::queue_timeout(work, no).map(|()| false),
        _ => Ok(false),
    }
}
