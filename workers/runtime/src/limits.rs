//! Asking whether a task may start: what its pipeline limits, over all runs. The keys are expressions, so they are
//! evaluated here; who gets what, the store decides.

use crate::backend::Job;
use crate::execute::{Early, Executor};
use crate::patience::patiently;
use reelmill_context::{RunFacts, limit_key};
use reelmill_graph::expr::Bindings;
use reelmill_graph::{Concurrency, Node, RateLimit, ScopeKind};
use reelmill_lifecycle::rate::Rate;
use reelmill_model::{Failure, FailureClass, LimitKind, Outcome, Parked};
use reelmill_ports::{Admission, Asks, Leased, PlaceAsk, StartAsk};

impl Executor {
    /// Asks for the place of the run, before the first of its tasks does anything. What cleans up after it needs none.
    pub(crate) async fn enter_run(&self, job: &Job, facts: &RunFacts, node: &Node) -> Result<(), Early> {
        let graph = &facts.compiled.graph;
        let Some(rule) = graph.concurrency.as_ref().filter(|_| graph.part_of(node) == ScopeKind::Main) else {
            return Ok(());
        };
        let context = facts.context()?;
        let place = place(facts, rule, LimitKind::Runs, &facts.new.namespace, &Bindings::new(&context))?;
        self.ask(job, Asks { places: vec![place], start: None }).await
    }

    /// Asks for everything that a task needs before it may start. A task that has to wait is out of this worker's hands.
    pub(crate) async fn ask(&self, job: &Job, asks: Asks) -> Result<(), Early> {
        if asks.is_empty() {
            return Ok(());
        }
        let leased = &job.leased;
        let ask = || {
            let asks = asks.clone();
            Box::pin(async move { Ok(self.limits.admit(leased.task, leased.token, asks).await?) }) as _
        };
        match patiently(&job.stop, ask).await? {
            Admission::Granted => Ok(()),
            Admission::Parked(_) | Admission::Lost => Err(Early::Outcome(Outcome::Parked)),
            Admission::Full(Parked { key, .. }) => {
                let message = format!("all places of `{key}` are taken, and `on_limit` is `reject`");
                Err(Failure::new(FailureClass::Permanent, message).with_code("concurrency").into())
            }
        }
    }
}

/// What a stage's task needs before it may start.
pub(crate) fn stage_asks(
    facts: &RunFacts,
    node: &Node,
    leased: &Leased,
    bindings: &Bindings<'_>,
) -> Result<Asks, Early> {
    let mut asks = Asks::default();
    if let Some(rule) = &node.settings.concurrency {
        let owner = leased.task.run.to_string();
        asks.places.push(place(facts, rule, LimitKind::Tasks, &owner, bindings)?);
    }
    if let Some(RateLimit { key: written, limit, per_ms, burst }) = &node.settings.rate_limit {
        let rate = Rate::new(*limit, *per_ms, *burst);
        asks.start =
            Some(StartAsk { key: limit_key(facts, written, bindings)?, rate, limit: (*limit, *per_ms) });
    }
    Ok(asks)
}

fn place(
    facts: &RunFacts,
    rule: &Concurrency,
    kind: LimitKind,
    owner: &str,
    bindings: &Bindings<'_>,
) -> Result<PlaceAsk, Early> {
    let key = limit_key(facts, &rule.key, bindings)?;
    Ok(PlaceAsk { kind, key, limit: rule.limit, on_limit: rule.on_limit, owner: owner.to_owned() })
}
