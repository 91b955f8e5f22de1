//! Limits in the simulation: what tasks ask for, and that nobody ever has more than there is.

use super::bed::Store;
use super::rig::all_tasks;
use crate::{Admission, Asks, Leased, PlaceAsk, StartAsk};
use reelmill_graph::{Concurrency, Graph, Node, OnLimit, RateLimit, ScopeKind, Template};
use reelmill_lifecycle::Dice;
use reelmill_lifecycle::rate::Rate;
use reelmill_model::{LimitKind, RunId, TaskRef, TaskState, Token};
use serde_json::json;
use std::collections::HashMap;

fn key(name: &str) -> Template {
    Template::Literal(json!(name))
}

fn rule(dice: &mut Dice, name: &str) -> Concurrency {
    let on_limit = if dice.up_to(1) == 0 { OnLimit::Queue } else { OnLimit::RoundRobin };
    Concurrency { key: key(name), limit: 1 + u32::try_from(dice.up_to(1)).unwrap_or(0), on_limit }
}

/// Puts a stage under limits, sometimes.
pub fn limit_stage(dice: &mut Dice, node: &mut Node) {
    if dice.up_to(99) < 30 {
        node.settings.concurrency = Some(rule(dice, "gpu"));
    }
    if dice.up_to(99) < 15 {
        node.settings.rate_limit = Some(RateLimit { key: key("tts"), limit: 4, per_ms: 2_000, burst: 2 });
    }
}

/// Puts the runs under a limit, sometimes.
pub fn limit_runs(dice: &mut Dice, graph: &mut Graph) {
    if dice.up_to(99) < 30 {
        graph.concurrency = Some(Concurrency { limit: 1, ..rule(dice, "acme") });
    }
}

/// What attempts were granted.
#[derive(Debug, Default)]
pub struct Watch {
    granted: HashMap<TaskRef, Token>,
    starts_ms: Vec<u64>,
}

impl Watch {
    /// A worker asks for a task that it has leased; true when it may go on with it.
    pub async fn ask(&mut self, store: &dyn Store, graph: &Graph, leased: &Leased, now_ms: u64) -> bool {
        let asks = asks(graph, leased);
        if asks.places.is_empty() && asks.start.is_none() {
            return true;
        }
        let starts = asks.start.is_some();
        match store.admit(leased.task, leased.token, asks).await.expect("it is asked") {
            Admission::Granted => {
                self.granted.insert(leased.task, leased.token);
                if starts {
                    self.start(now_ms);
                }
                true
            }
            Admission::Parked(_) | Admission::Lost => false,
            Admission::Full(parked) => panic!("nobody asked to be refused: {parked:?}"),
        }
    }

    /// Invariant: starts never come closer than the rate says: two at once, then one each half second, of which half may
    /// be passed over.
    fn start(&mut self, now_ms: u64) {
        self.starts_ms.push(now_ms);
        let latest = self.starts_ms.iter().max().copied().unwrap_or(0);
        for (at, from) in self.starts_ms.iter().enumerate() {
            let within = self.starts_ms[at..].iter().filter(|start| *start >= from).count() as u64;
            let most = 2 + (latest.saturating_sub(*from) + 250) / 500;
            assert!(within <= most, "{within} starts in {} ms", latest - from);
        }
    }

    /// Invariant: never more tasks, or runs, are at work than there are places.
    pub async fn check(
        &self,
        store: &dyn Store,
        graph: &Graph,
        runs: &[RunId],
        tokens: &HashMap<TaskRef, Token>,
    ) {
        for limit in store.limits(None).await.expect("limits are read") {
            let most = if limit.limit == LimitKind::Runs { 1 } else { 2 };
            assert!(limit.holders.len() <= most, "{limit:?}");
        }
        let (mut at_work, mut runs_at_work) = (0, 0);
        for run in runs {
            let mut started = 0;
            for task in all_tasks(store, *run).await {
                let name = TaskRef { run: *run, task: task.task };
                let granted = self.granted.get(&name).is_some_and(|token| tokens.get(&name) == Some(token));
                if task.state == TaskState::Leased && granted {
                    let node = graph.node(task.node);
                    at_work += u32::from(node.settings.concurrency.is_some());
                    started += u32::from(graph.part_of(node) == ScopeKind::Main);
                }
            }
            runs_at_work += u32::from(graph.concurrency.is_some() && started > 0);
        }
        assert!(at_work <= 2, "{at_work} tasks are at work");
        assert!(runs_at_work <= 1, "{runs_at_work} runs are at work");
    }

    /// Invariant: when all runs have ended, nobody has a place and nobody waits.
    pub async fn nobody_is_left(store: &dyn Store) {
        for limit in store.limits(None).await.expect("limits are read") {
            assert!(limit.holders.is_empty() && limit.waiting == 0, "{limit:?}");
        }
    }
}

fn place(kind: LimitKind, key: &str, rule: &Concurrency, leased: &Leased) -> PlaceAsk {
    let (key, owner) = (key.to_owned(), leased.task.run.to_string());
    PlaceAsk { kind, key, limit: rule.limit, on_limit: rule.on_limit, owner }
}

fn asks(graph: &Graph, leased: &Leased) -> Asks {
    let node = graph.node(leased.node);
    let mut asks = Asks::default();
    if let Some(rule) = graph.concurrency.as_ref().filter(|_| graph.part_of(node) == ScopeKind::Main) {
        asks.places.push(place(LimitKind::Runs, "acme", rule, leased));
    }
    if let Some(rule) = &node.settings.concurrency {
        asks.places.push(place(LimitKind::Tasks, "gpu", rule, leased));
    }
    if let Some(RateLimit { limit, per_ms, burst, .. }) = &node.settings.rate_limit {
        let rate = Rate::new(*limit, *per_ms, *burst);
        asks.start = Some(StartAsk { key: "tts".into(), rate, limit: (*limit, *per_ms) });
    }
    asks
}
