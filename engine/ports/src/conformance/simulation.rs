//! The seeded simulation: random graphs, workers that crash, lag and lie, a clock that jumps, people who cancel
//! and retry. After every step the invariants are checked; a seed replays everything.

use super::audit::audit;
use super::bed::{Bed, Store};
use super::rig::{all_tasks, lanes, new_run};
use super::watch::{Watch, limit_runs, limit_stage};
use crate::{
    Beat, Edits, LeaseRequest, Leased, NewRun, Only, Rejected, RetryScope, Settle, StepRequest, StoreError,
    TaskView,
};
use reelmill_graph::sketch::Sketch;
use reelmill_graph::{
    Backoff, DepKind, Escalate, Graph, ItemFailure, Jitter, MinSuccess, NodeKind, OnTimeout, Retry,
    ScopeKind, Trigger,
};
use reelmill_lifecycle::{Admit, Dice, admit};
use reelmill_model::{
    Decision, Digest, Failure, FailureClass, Item, NodeNo, Outcome, RunId, ScopeNo, SkipReason, TaskNo,
    TaskRef, TaskState, Token, Usage, WorkerId,
};
use serde_json::json;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

const LEASE: Duration = Duration::from_secs(10);
/// Rounds after which a run that has not ended never will.
const PATIENCE: usize = 3_000;

fn chance(dice: &mut Dice, percent: u64) -> bool {
    dice.up_to(99) < percent
}

fn pick(dice: &mut Dice, count: usize) -> usize {
    usize::try_from(dice.up_to(count.max(1) as u64 - 1)).unwrap_or(0)
}

/// A random graph: bodies within bodies, all kinds of edges, policies and triggers.
fn draw(dice: &mut Dice) -> Graph {
    let mut sketch = Sketch::default();
    fill(dice, &mut sketch, Graph::MAIN, 0);
    for kind in [ScopeKind::OnFailure, ScopeKind::Finally] {
        if chance(dice, 30) {
            let part = sketch.part(kind);
            fill(dice, &mut sketch, part, 2);
        }
    }
    let mut graph = sketch.build();
    limit_runs(dice, &mut graph);
    graph
}

fn fill(dice: &mut Dice, sketch: &mut Sketch, scope: ScopeNo, depth: u32) {
    let mut earlier: Vec<NodeNo> = Vec::new();
    for index in 0..=dice.up_to(if depth == 0 { 4 } else { 2 }) {
        let name = format!("n{index}");
        let node = match dice.up_to(9) {
            0 | 1 if depth < 2 => {
                let (node, body) = sketch.for_each(scope, &name);
                fill(dice, sketch, body, depth + 1);
                node
            }
            2 if depth < 2 => {
                let (node, body) = sketch.group(scope, &name);
                fill(dice, sketch, body, depth + 1);
                node
            }
            3 if depth < 2 => pipeline(dice, sketch, scope, &name, depth),
            4 => approval(dice, sketch, scope, &name),
            _ => work(dice, sketch, scope, &name),
        };
        for upstream in &earlier {
            if chance(dice, 40) {
                let kind = if chance(dice, 50) { DepKind::Data } else { DepKind::Order };
                sketch.after(node, *upstream, kind);
            }
        }
        set(dice, sketch, node);
        earlier.push(node);
    }
}

/// Another pipeline, sometimes with an `on_failure` and a `finally`, which wait for all of its stages.
fn pipeline(dice: &mut Dice, sketch: &mut Sketch, scope: ScopeNo, name: &str, depth: u32) -> NodeNo {
    let (node, body) = sketch.pipeline(scope, name);
    fill(dice, sketch, body, depth + 1);
    for trigger in [Trigger::FailureInScope, Trigger::Always] {
        if chance(dice, 50) {
            let beside = sketch.nodes_of(body);
            let handler = sketch.work(body, "handler");
            for stage in beside {
                sketch.after(handler, stage, DepKind::Order);
            }
            sketch.at(handler).trigger = trigger;
        }
    }
    node
}

/// A stage, which sometimes can be undone.
fn work(dice: &mut Dice, sketch: &mut Sketch, scope: ScopeNo, name: &str) -> NodeNo {
    let node = sketch.work(scope, name);
    if chance(dice, 25) {
        sketch.compensate(node);
    }
    node
}

fn approval(dice: &mut Dice, sketch: &mut Sketch, scope: ScopeNo, name: &str) -> NodeNo {
    let timeout_ms = chance(dice, 50).then(|| 1_000 * (1 + dice.up_to(30)));
    let node = sketch.approval(scope, name, timeout_ms);
    if let NodeKind::Approval(approval) = &mut sketch.at(node).kind
        && chance(dice, 50)
    {
        approval.on_timeout = OnTimeout::Approve;
    }
    node
}

fn set(dice: &mut Dice, sketch: &mut Sketch, node: NodeNo) {
    if let Some(fan_out) = sketch.fan_out(node) {
        fan_out.max_parallel = chance(dice, 50).then(|| 1 + u32::try_from(dice.up_to(2)).unwrap_or(0));
        if chance(dice, 50) {
            fan_out.on_item_failure = ItemFailure::Continue;
            fan_out.min_success = match dice.up_to(2) {
                0 => MinSuccess::Count(1),
                1 => MinSuccess::Ratio(0.5),
                _ => MinSuccess::Ratio(1.0),
            };
        }
    }
    let node = sketch.at(node);
    if let NodeKind::Work { plugin, .. } = &mut node.kind {
        plugin.external = chance(dice, 20);
        plugin.idempotent = chance(dice, 50);
    }
    match (dice.up_to(9), node.deps.first()) {
        (0, Some(dep)) => node.trigger = Trigger::FailureOf(dep.node),
        (1, _) => node.trigger = Trigger::Always,
        _ => {}
    }
    if matches!(node.kind, NodeKind::Work { .. }) {
        limit_stage(dice, node);
    }
    node.settings.requires.gpus = u32::from(chance(dice, 10));
    node.settings.allow_failure = chance(dice, 15);
    node.settings.priority = if chance(dice, 20) { 8 } else { 5 };
    node.settings.timeout.queue_ms = chance(dice, 10).then_some(60_000);
    node.settings.retry = Retry {
        max_attempts: 1 + u32::try_from(dice.up_to(2)).unwrap_or(0),
        backoff: Backoff::Exponential,
        initial_ms: dice.up_to(3) * 500,
        max_ms: 10_000,
        jitter: Jitter::Full,
        on: Vec::new(),
        escalate: Escalate { memory: chance(dice, 50).then_some(2), ..Escalate::default() },
    };
}

/// What the simulation remembers of a task, to see that nothing settled changes.
#[derive(Clone, Debug, PartialEq)]
struct Memory {
    settled: u32,
    ended: Option<(TaskState, serde_json::Value)>,
}

/// The world: a store, workers with what they hold, and what zombies still hold in their hands.
struct World<'b> {
    bed: &'b dyn Bed,
    /// Handles of as many processes: what one of them remembers, another may have changed.
    stores: [Arc<dyn Store>; 3],
    /// The one in use.
    store: Arc<dyn Store>,
    dice: Dice,
    graph: Arc<Graph>,
    runs: Vec<RunId>,
    workers: Vec<(u64, Vec<Leased>)>,
    born: u64,
    zombies: Vec<Leased>,
    settled: Vec<Settle>,
    tokens: HashMap<TaskRef, Token>,
    memory: HashMap<TaskRef, Memory>,
    watch: Watch,
}

/// Plays one seed for so many steps, then lets the workers go on until every run has ended.
///
/// # Panics
/// When an invariant does not hold; the seed is in the message.
pub async fn simulate(bed: &dyn Bed, seed: u64, steps: usize) {
    let mut dice = Dice::new(seed);
    let graph = Arc::new(draw(&mut dice));
    let store = bed.open();
    store.put_graph(Digest([7; 32]), Arc::clone(&graph)).await.expect("the graph is put");
    let mut world = World {
        bed,
        stores: [Arc::clone(&store), bed.open(), bed.open()],
        store,
        dice,
        graph,
        runs: Vec::new(),
        workers: Vec::new(),
        born: 0,
        zombies: Vec::new(),
        settled: Vec::new(),
        tokens: HashMap::new(),
        memory: HashMap::new(),
        watch: Watch::default(),
    };
    for no in 1..=1 + u128::from(world.dice.up_to(1)) {
        let priority = u8::try_from(world.dice.up_to(9)).unwrap_or(0);
        let new = NewRun { priority, ..new_run(no, Digest([7; 32]), None) };
        world.runs.push(new.id);
        world.store.submit(new).await.expect("it is submitted");
    }
    for _ in 0..3 {
        world.hire();
    }
    for _ in 0..steps {
        world.step().await;
        world.check().await;
    }
    world.finish().await;
}

impl World<'_> {
    fn hire(&mut self) {
        self.born += 1;
        self.workers.push((self.born, Vec::new()));
    }

    fn shift(&self, by: Duration) {
        self.bed.clock().shift(i64::try_from(by.as_millis()).unwrap_or(0));
    }

    async fn step(&mut self) {
        let at = pick(&mut self.dice, self.stores.len());
        self.store = Arc::clone(&self.stores[at]);
        match self.dice.up_to(99) {
            0..57 => self.work().await,
            57..60 => self.pause().await,
            60..68 => self.shift(Duration::from_secs(2)),
            68..72 => self.beat().await,
            72..76 => {
                self.store.expire_leases(20).await.expect("leases are looked through");
            }
            76..80 => {
                self.store.promote_delayed(20).await.expect("delayed tasks are looked through");
                self.store.mend_limits(20).await.expect("limits are looked through");
            }
            80..84 => self.crash().await,
            84..90 => self.haunt().await,
            90..94 => self.repeat().await,
            94 => self.shift(LEASE * 2),
            95 => self.bed.clock().shift(-15_000),
            96 => self.stores[at] = self.bed.open(),
            97 => self.cancel().await,
            98 => self.decide(50).await,
            _ => self.retry().await,
        }
    }

    /// A worker settles some of what it holds, and leases more.
    async fn work(&mut self) {
        let at = pick(&mut self.dice, self.workers.len());
        let (id, mut held) = std::mem::take(&mut self.workers[at]);
        let mut settles = Vec::new();
        held.retain(|leased| {
            // A slow worker keeps what it has for another time.
            if chance(&mut self.dice, 30) {
                return true;
            }
            let outcome = self.outcome(leased);
            settles.push(Settle { task: leased.task, token: leased.token, outcome, usage: Usage::default() });
            false
        });
        let want = pick(&mut self.dice, 4);
        for leased in self.call(id, settles, want).await {
            let now_ms = crate::Clock::now_ms(self.bed.clock());
            if self.watch.ask(&*self.store, &self.graph, &leased, now_ms).await {
                held.push(leased);
            }
        }
        self.workers[at] = (id, held);
    }

    async fn call(&mut self, worker: u64, settles: Vec<Settle>, want: usize) -> Vec<Leased> {
        self.settled.extend(settles.iter().cloned());
        let lease = LeaseRequest { lanes: lanes(), want, lease: LEASE, only: Only::Any };
        let worker = WorkerId(format!("w{worker}"));
        let request = StepRequest { worker, settles, leases: vec![lease] };
        let reply = self.store.step(request).await.expect("the step is made");
        for (task, rejected) in reply.rejected() {
            assert_ne!(rejected, Rejected::BadOutcome, "{task}");
        }
        for leased in &reply.leased {
            let run = self.store.run(leased.task.run).await.expect("it is read");
            assert!(run.is_some_and(|run| !run.paused), "{} was leased in a paused run", leased.task);
            // Invariant: one live token a task, and tokens only grow.
            let before = self.tokens.insert(leased.task, leased.token);
            assert!(before.is_none_or(|before| before < leased.token), "{}: token {before:?}", leased.task);
            assert!(leased.deps.iter().all(|state| state.is_terminal()), "leased before its inputs ended");
        }
        reply.leased
    }

    fn outcome(&mut self, leased: &Leased) -> Outcome {
        let graph = Arc::clone(&self.graph);
        let node = graph.node(leased.node);
        if let Admit::Skip(reason) = admit(&graph, node, &leased.deps) {
            return Outcome::Skipped(reason);
        }
        let dice = &mut self.dice;
        match dice.up_to(99) {
            0..12 => {
                let class = FailureClass::ALL[pick(dice, FailureClass::ALL.len())];
                return Outcome::Failed(Failure::new(class, "simulated"));
            }
            12..17 => return Outcome::Released,
            17..20 => return Outcome::Skipped(SkipReason::Condition { expression: "false".into() }),
            20 => return Outcome::Cancelled,
            _ => {}
        }
        let item = |key: String| Item { value: json!(key), key };
        match &node.kind {
            NodeKind::Work { .. } => {
                Outcome::Succeeded { outputs: json!({ "roll": dice.roll() }), cached: false }
            }
            NodeKind::Approval(_) => Outcome::Await { message: None },
            NodeKind::Body { of, .. } if of.is_one() => Outcome::Expand { items: vec![item(String::new())] },
            NodeKind::Body { .. } => {
                Outcome::Expand { items: (0..dice.up_to(4)).map(|n| item(format!("i{n}"))).collect() }
            }
        }
    }

    async fn beat(&mut self) {
        let at = pick(&mut self.dice, self.workers.len());
        let (id, held) = &self.workers[at];
        let (id, held) = (*id, held.clone());
        let beats: Vec<Beat> = held.iter().map(|l| Beat { task: l.task, token: l.token }).collect();
        let worker = WorkerId(format!("w{id}"));
        let reply = self.store.heartbeat(&worker, &beats, LEASE).await.expect("it beats");
        let (lost, rest): (Vec<_>, Vec<_>) = held.into_iter().partition(|l| reply.lost.contains(&l.task));
        self.zombies.extend(lost);
        let (stop, keep): (Vec<_>, Vec<_>) =
            rest.into_iter().partition(|leased| reply.cancelled.contains(&leased.task));
        self.workers[at].1 = keep;
        let settle = |l: Leased| Settle {
            task: l.task,
            token: l.token,
            outcome: Outcome::Cancelled,
            usage: Usage::default(),
        };
        let settles = stop.into_iter().map(settle).collect();
        self.call(id, settles, 0).await;
    }

    /// A worker dies; what it held may still be settled late by what is left of it.
    async fn crash(&mut self) {
        let at = pick(&mut self.dice, self.workers.len());
        let (id, held) = self.workers.swap_remove(at);
        self.zombies.extend(held);
        if chance(&mut self.dice, 50) {
            self.store.release_worker(&WorkerId(format!("w{id}"))).await.expect("it gives back");
        }
        self.hire();
    }

    /// A zombie settles: it must not count once someone else has had the task.
    async fn haunt(&mut self) {
        if self.zombies.is_empty() {
            return;
        }
        let at = pick(&mut self.dice, self.zombies.len());
        let zombie = self.zombies.swap_remove(at);
        let outcome = self.outcome(&zombie);
        let settle = Settle { task: zombie.task, token: zombie.token, outcome, usage: Usage::default() };
        self.settled.push(settle.clone());
        let reply = self.only_settle(settle).await;
        if self.tokens.get(&zombie.task).is_some_and(|latest| *latest > zombie.token) {
            assert!(reply.is_err(), "{}: a zombie settled what someone else has had", zombie.task);
        }
    }

    /// A settle that was answered is delivered again: it must be refused.
    async fn repeat(&mut self) {
        if self.settled.is_empty() {
            return;
        }
        let at = pick(&mut self.dice, self.settled.len());
        let reply = self.only_settle(self.settled[at].clone()).await;
        assert!(reply.is_err(), "a settle counted twice: {:?}", self.settled[at]);
    }

    async fn only_settle(&self, settle: Settle) -> Result<TaskState, Rejected> {
        let request =
            StepRequest { worker: WorkerId("ghost".into()), settles: vec![settle], leases: Vec::new() };
        self.store.step(request).await.expect("the step is made").settled[0].result
    }

    async fn cancel(&mut self) {
        let run = self.runs[pick(&mut self.dice, self.runs.len())];
        self.store.cancel(run, "simulated").await.expect("it is asked");
    }

    /// Someone pauses a run, or lets one go on.
    async fn pause(&mut self) {
        let run = self.runs[pick(&mut self.dice, self.runs.len())];
        let reason = chance(&mut self.dice, 40).then_some("simulated");
        let before = self.store.run(run).await.expect("it is read").expect("it is there");
        match self.store.pause(run, reason).await {
            Ok(changed) => assert_eq!(changed, before.paused != reason.is_some()),
            Err(StoreError::Refused(_)) => assert!(before.state.is_terminal()),
            Err(error) => panic!("the pause went wrong: {error}"),
        }
    }

    /// People decide some of the approvals that wait.
    async fn decide(&mut self, percent: u64) {
        for run in self.runs.clone() {
            for no in all_tasks(&*self.store, run).await.into_iter().map(|task| task.task) {
                // The answer to another one may have ended this one: it is read anew.
                let tasks = all_tasks(&*self.store, run).await;
                let Some(task) = tasks.into_iter().find(|task| task.task == no) else { continue };
                let asks = matches!(self.graph.node(task.node).kind, NodeKind::Approval(_));
                if !asks || !chance(&mut self.dice, percent) {
                    continue;
                }
                let decision = Decision {
                    approved: chance(&mut self.dice, 60),
                    by: "sim".into(),
                    reason: String::new(),
                };
                let decided = self.store.approve(TaskRef { run, task: task.task }, decision).await;
                let waits = task.state == TaskState::Delayed;
                assert_eq!(decided.is_ok(), waits, "{} was {}: {decided:?}", task.path, task.state);
            }
        }
    }

    async fn retry(&mut self) {
        let run = self.runs[pick(&mut self.dice, self.runs.len())];
        let nodes = &self.graph.scope(Graph::MAIN).nodes;
        let node = nodes[pick(&mut self.dice, nodes.len())];
        let scope = match self.dice.up_to(5) {
            0 => RetryScope::All,
            1 => RetryScope::From(vec![node]),
            2 => RetryScope::FailedOf(vec![node]),
            _ => RetryScope::Failed,
        };
        let works = matches!(self.graph.node(node).kind, NodeKind::Work { .. });
        let value = serde_json::Map::from_iter([("roll".to_owned(), json!(self.dice.roll()))]);
        let set = if works { Edits::from([(node, value)]) } else { Edits::new() };
        match self.store.retry_with(run, scope, set).await {
            Ok(_) | Err(StoreError::Refused(_)) => {}
            Err(error) => panic!("the retry went wrong: {error}"),
        }
    }

    async fn check(&mut self) {
        self.watch.check(&*self.store, &self.graph, &self.runs, &self.tokens).await;
        for run in self.runs.clone() {
            audit(&*self.store, run).await;
            for task in all_tasks(&*self.store, run).await {
                self.recall(run, &task);
            }
        }
    }

    /// Invariant: a settled task changes only when a retry by hand makes it settle anew.
    fn recall(&mut self, run: RunId, task: &TaskView) {
        let ended = task.state.is_terminal().then(|| (task.state, task.outputs.clone()));
        let now = Memory { settled: task.settled, ended };
        let name = TaskRef { run, task: TaskNo(task.task.0) };
        if let Some(before) = self.memory.insert(name, now.clone()) {
            assert!(now.settled >= before.settled, "{}: {before:?} became {now:?}", task.path);
            let same = now.settled == before.settled && before.ended.is_some() && now.ended.is_some();
            assert!(!same || now == before, "{}: {before:?} became {now:?}", task.path);
        }
    }

    /// Invariant: every run ends once workers go on.
    async fn finish(&mut self) {
        for run in &self.runs {
            // Only an ended run has nothing to resume.
            let _ = self.store.pause(*run, None).await;
        }
        for _ in 0..PATIENCE {
            let mut open = false;
            for run in &self.runs {
                open |=
                    self.store.run(*run).await.expect("it is read").is_some_and(|r| !r.state.is_terminal());
            }
            if !open {
                self.shift(Duration::from_mins(10));
                self.store.mend_limits(100).await.expect("limits are looked through");
                Watch::nobody_is_left(&*self.store).await;
                return self.check().await;
            }
            self.shift(Duration::from_secs(3));
            self.store.expire_leases(100).await.expect("leases are looked through");
            self.store.promote_delayed(100).await.expect("delayed tasks are looked through");
            self.store.mend_limits(100).await.expect("limits are looked through");
            self.decide(100).await;
            for _ in 0..self.workers.len() {
                self.work().await;
            }
            self.beat().await;
        }
        panic!("a run never ended");
    }
}

fn env(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|number| number.parse().ok())
}

/// Plays many seeds, each on a bed of its own; `SEED=n` plays only that one, `SEEDS=n` so many.
///
/// # Panics
/// When a seed fails; it is named, so that `SEED=` replays it.
pub fn play<B: Bed>(seeds: u64, steps: usize, bed: impl Fn() -> B) {
    let range = env("SEED").map_or(0..env("SEEDS").unwrap_or(seeds), |seed| seed..seed + 1);
    for seed in range {
        let bed = bed();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime for the simulation");
        let played = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            runtime.block_on(simulate(&bed, seed, steps));
        }));
        assert!(played.is_ok(), "seed {seed} failed; SEED={seed} plays it again");
    }
}
