//! Calls of webhooks whose signature was right, over a store: one run each, whatever the run before does.

use reelmill_artifacts::Artifacts;
use reelmill_context::Runs;
use reelmill_control::registry::About;
use reelmill_control::schedule::{Call, CallError, Called, Calls, StoreLauncher, SystemTimer};
use reelmill_control::{Control, PipelineRef, prepare};
use reelmill_graph::compile::{Catalog, NoFiles};
use reelmill_model::limits::{SCHEDULED_TRIGGERS_MAX, TRIGGERS_MAX, WEBHOOK_CLOCK_MS_MAX};
use reelmill_model::{Digest, PipelineName, Revision, RevisionHead, RevisionText, RunId, RunState};
use reelmill_ports::{Clock as _, RunStore};
use reelmill_store_memory::MemoryStore;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use tempfile::TempDir;

/// A store with one registered pipeline, whose runs wait for a person.
struct World {
    calls: Calls,
    control: Control,
    id: PipelineName,
    now_ms: u64,
    _folder: TempDir,
}

impl World {
    async fn new(overlap: &str, more: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let store = Arc::new(MemoryStore::new(Arc::new(SystemTimer), 1));
        let control = Control {
            queue: store.clone(),
            store: store.clone(),
            events: store.clone(),
            limits: store.clone(),
            fleet: store.clone(),
            cache: store.clone(),
            registry: store.clone(),
            marks: store.clone(),
            artifacts: Arc::new(Artifacts::local(folder.path().join("artifacts")).expect("artifacts")),
            runs: Runs::new(store as Arc<dyn RunStore>),
        };
        let text = format!(
            "version: 1\nname: orders\nsecrets: [key]\ninputs: {{ no: {{ type: int }} }}\n{more}\
             stages: {{ ask: {{ approval: {{}} }} }}\n\
             triggers: {{ hook: {{ type: webhook, secret: key, overlap: {overlap}, inputs: \"${{{{ trigger.body }}}}\" }} }}\n"
        );
        let catalog = Catalog::new(Vec::new());
        let pipeline =
            prepare(&text, &catalog, &NoFiles).unwrap_or_else(|invalid| panic!("{:#?}", invalid.0));
        let id = PipelineName { namespace: "default".to_owned(), name: "orders".to_owned() };
        let about = About { id: id.clone(), labels: BTreeMap::new(), by: String::new(), at_ms: 1 };
        let text = RevisionText { main: text, folder: "/".to_owned(), ..RevisionText::default() };
        control.put_pipeline(&pipeline, text, about, None).await.expect("it is put");
        let launcher = Arc::new(StoreLauncher { control: control.clone(), catalog });
        let calls = Calls { launcher, control: control.clone() };
        Self { calls, control, id, now_ms: SystemTimer.now_ms(), _folder: folder }
    }

    async fn take(&self, fingerprint: &str, no: u64, later_ms: u64) -> Result<Called, CallError> {
        let trigger = self.control.trigger(&self.id, "hook").await.expect("there is one");
        let about = json!({ "name": "hook", "type": "webhook", "body": { "no": no }, "headers": {} });
        let at_ms = self.now_ms + later_ms;
        let call = Call { id: self.id.clone(), fingerprint: fingerprint.to_owned(), at_ms, about };
        self.calls.take(call, &trigger).await
    }

    /// Takes a call that starts a run.
    async fn start(&self, fingerprint: &str) -> RunId {
        match self.take(fingerprint, 1, 0).await.expect("it is taken") {
            Called::Started(run) => run,
            other => panic!("a run is started: {other:?}"),
        }
    }

    async fn again(&self, fingerprint: &str, later_ms: u64) -> Called {
        self.take(fingerprint, 1, later_ms).await.expect("it is taken")
    }

    async fn state(&self, run: RunId) -> RunState {
        self.control.store.run(run).await.expect("memory").expect("it is there").state
    }
}

#[tokio::test]
async fn what_a_call_does_while_the_run_before_goes_on() {
    let skip = World::new("skip", "").await;
    let first = skip.start("a").await;
    assert_eq!(skip.again("b", 0).await, Called::Busy { again: false });
    assert_eq!(skip.again("a", 0).await, Called::Known(first));
    skip.control.cancel(first, "enough").await.expect("it is cancelled");
    assert_ne!(skip.start("b").await, first);

    let queue = World::new("queue", "").await;
    let first = queue.start("a").await;
    assert_eq!(queue.again("b", 0).await, Called::Busy { again: true });
    queue.control.cancel(first, "enough").await.expect("it is cancelled");
    assert!(
        matches!(queue.again("b", 2 * WEBHOOK_CLOCK_MS_MAX).await, Called::Started(_)),
        "it came in time"
    );

    let allow = World::new("allow", "").await;
    let (first, second) = (allow.start("a").await, allow.start("b").await);
    for run in [first, second] {
        assert_eq!(allow.state(run).await, RunState::Running);
    }
}

#[tokio::test]
async fn a_call_that_is_sent_again_cancels_nothing() {
    let world = World::new("cancel_previous", "").await;
    let first = world.start("a").await;
    let second = world.start("b").await;
    assert_eq!(world.state(first).await, RunState::Cancelled);
    for later_ms in [0, 10 * WEBHOOK_CLOCK_MS_MAX] {
        assert_eq!(world.again("a", later_ms).await, Called::Known(first));
    }
    assert_eq!(world.again("b", 0).await, Called::Known(second));
    assert_eq!(world.state(second).await, RunState::Running);
}

#[tokio::test]
async fn a_call_whose_run_is_gone_starts_none_later() {
    let world = World::new("allow", "").await;
    let run = world.start("a").await;
    world.control.cancel(run, "enough").await.expect("it is cancelled");
    assert!(world.control.store.delete_run(run).await.expect("memory"));
    assert_eq!(world.again("a", WEBHOOK_CLOCK_MS_MAX + 1).await, Called::Stale(run));
    // Soon after, it is a sender that did not get through.
    assert_eq!(world.again("a", WEBHOOK_CLOCK_MS_MAX).await, Called::Started(run));
}

#[tokio::test]
async fn what_cannot_be_started_is_told_and_a_pause_too() {
    let world = World::new("allow", "").await;
    let trigger = world.control.trigger(&world.id, "hook").await.expect("there is one");
    let about = json!({ "name": "hook", "type": "webhook", "body": [1], "headers": {} });
    let call = Call { id: world.id.clone(), fingerprint: "a".to_owned(), at_ms: world.now_ms, about };
    let refused = world.calls.take(call, &trigger).await.expect_err("a list is no map of inputs");
    assert!(matches!(refused, CallError::Launch(error) if !error.retry));
    world.control.pause_trigger(&world.id, "hook", true, 5).await.expect("it is paused");
    assert_eq!(world.again("a", 0).await, Called::Paused);
    world.control.pause_trigger(&world.id, "hook", false, 5).await.expect("it goes on");
    let run = world.start("a").await;
    let labels = world.control.store.run(run).await.expect("memory").expect("it is there").new.labels;
    assert_eq!((labels["pipeline"].as_str(), labels["trigger"].as_str()), ("orders@1", "hook"));
    assert!(world.control.remove_pipeline(&world.id).await.expect("it is removed"));
    let gone = world.control.registered("default", &PipelineRef::newest(&world.id)).await;
    assert!(gone.is_err_and(|error| error.to_string().contains("none is registered")));
}

#[tokio::test]
async fn a_call_for_what_is_the_same_is_told_the_run_there_is() {
    let world = World::new("allow", "unique: { key: \"${{ inputs.no }}\", on_conflict: existing }\n").await;
    let first = world.start("a").await;
    assert_eq!(world.again("b", 0).await, Called::Known(first));
    assert!(matches!(world.take("c", 2, 0).await.expect("it is taken"), Called::Started(_)));
}

/// As many triggers as a scheduler looks after, in pipelines of 32, and some more.
#[tokio::test]
async fn triggers_that_do_not_fire_because_there_are_too_many_are_shown_as_such() {
    let world = World::new("allow", "").await;
    let triggers: Vec<String> =
        (0..TRIGGERS_MAX).map(|no| format!("  t{no}: {{ type: schedule, cron: \"0 3 * * *\" }}\n")).collect();
    let main = format!(
        "version: 1\nname: p\nstages: {{ a: {{ approval: {{}} }} }}\ntriggers:\n{}",
        triggers.concat()
    );
    let whole = SCHEDULED_TRIGGERS_MAX / TRIGGERS_MAX + 1;
    for no in 0..whole {
        let head = RevisionHead {
            id: PipelineName { namespace: "acme".to_owned(), name: format!("p{no:04}") },
            revision: 0,
            graph: Digest([1; 32]),
            labels: BTreeMap::new(),
            triggers: (0..TRIGGERS_MAX).map(|no| format!("t{no}")).collect(),
            by: String::new(),
            at_ms: 1,
        };
        let text = RevisionText { main: main.clone(), folder: "/".to_owned(), ..RevisionText::default() };
        world.control.registry.put_pipeline(Revision { head, text }, None).await.expect("it is put");
    }
    let beyond = async |namespace: Option<&str>| {
        let found = world.control.triggers(namespace, world.now_ms).await.expect("they are listed");
        found.iter().filter(|one| one.beyond_limit).map(|one| one.pipeline.clone()).collect::<Vec<_>>()
    };
    let last = format!("p{:04}", whole - 1);
    let too_many = whole * TRIGGERS_MAX - SCHEDULED_TRIGGERS_MAX;
    assert_eq!(beyond(Some("acme")).await, vec![last; too_many]);
    assert_eq!(beyond(None).await.len(), too_many);
    // The webhook of `default` comes behind them all, and is called however many there are.
    assert!(beyond(Some("default")).await.is_empty());
}
