//! The triggers of registered pipelines: when they fire next, what came of the last time, and pausing them.

use crate::schedule::triggers_of;
use crate::{Control, ControlError, PipelineRef};
use reelmill_graph::compile::Trigger;
use reelmill_model::limits::SCHEDULED_TRIGGERS_MAX;
use reelmill_model::{PipelineName, Revision};
use reelmill_ports::StoreError;
use reelmill_spec::suggest;
use reelmill_spec::trigger::{Overlap, When};
use reelmill_triggers::{Mark, Source, Told};
use serde::Serialize;

/// How often pausing is tried again because a scheduler was faster.
const TRIES_MAX: u32 = 20;

/// A trigger and how it stands.
#[derive(Clone, Debug, Serialize)]
pub struct TriggerStatus {
    /// The tenant.
    pub namespace: String,
    /// The pipeline's name.
    pub pipeline: String,
    /// The trigger's name.
    pub trigger: String,
    /// `schedule`, `webhook` or `file`.
    pub r#type: &'static str,
    /// What it waits for: a pattern and its time zone, a folder, a path.
    pub when: String,
    /// What happens when the run before has not ended.
    pub overlap: Overlap,
    /// When it fires next, in milliseconds since the epoch; none unless it is a schedule that is not paused.
    pub next_ms: Option<u64>,
    /// The same, as the clocks of its time zone show it.
    pub next: Option<String>,
    /// Whether it is paused.
    pub paused: bool,
    /// Firings that wait for the run before.
    pub waiting: usize,
    /// Whether it does not fire because there are more triggers than a scheduler looks after.
    pub beyond_limit: bool,
    /// What came of its last firing.
    pub last: Option<Told>,
}

impl Control {
    /// The triggers of the newest revisions of registered pipelines, by namespace, pipeline and place in it.
    pub async fn triggers(
        &self,
        namespace: Option<&str>,
        now_ms: u64,
    ) -> Result<Vec<TriggerStatus>, ControlError> {
        let (mut found, mut before) = (Vec::new(), 0);
        // In the order of schedulers, and those of other tenants counted, as schedulers do.
        for head in self.all_pipelines(None).await? {
            let first = before;
            before += head.triggers.len();
            if head.triggers.is_empty() || namespace.is_some_and(|namespace| head.id.namespace != namespace) {
                continue;
            }
            let revision = self.registry.pipeline(&head.id, Some(head.revision)).await?;
            let Some(Revision { text, .. }) = revision else { continue };
            for (place, trigger) in triggers_of(&text.main).into_iter().enumerate() {
                let key = Source::of(&head.id, &trigger.name).key();
                let mark = Mark::parse(self.marks.mark(&key).await?.as_deref()).unwrap_or_default();
                let called = matches!(trigger.when, When::Webhook { .. });
                let beyond_limit = !called && first + place >= SCHEDULED_TRIGGERS_MAX;
                found.push(TriggerStatus { beyond_limit, ..status(&head.id, &trigger, &mark, now_ms) });
            }
        }
        Ok(found)
    }

    /// A trigger of the newest revision of a registered pipeline.
    pub async fn trigger(&self, id: &PipelineName, name: &str) -> Result<Trigger, ControlError> {
        let revision = self.registered(&id.namespace, &PipelineRef::newest(id)).await?;
        let triggers = triggers_of(&revision.text.main);
        if let Some(at) = triggers.iter().position(|trigger| trigger.name == name) {
            return Ok(triggers[at].clone());
        }
        let known = triggers.iter().map(|trigger| trigger.name.as_str());
        let help = suggest::or_list(name, known, "it has none").unwrap_or_default();
        Err(ControlError::NoSuchTrigger { pipeline: id.name.clone(), trigger: name.to_owned(), help })
    }

    /// Keeps a trigger from firing, or lets it fire again from now on. Times and calls that came meanwhile are gone; files
    /// that are still there are not.
    pub async fn pause_trigger(
        &self,
        id: &PipelineName,
        name: &str,
        paused: bool,
        now_ms: u64,
    ) -> Result<(), ControlError> {
        self.trigger(id, name).await?;
        let key = Source::of(id, name).key();
        for _ in 0..TRIES_MAX {
            let before = self.marks.mark(&key).await?;
            let mut mark = Mark::parse(before.as_deref()).unwrap_or_default();
            if mark.paused || before.is_none() {
                mark.looked_ms = now_ms;
            }
            mark.paused = paused;
            if self.marks.set_mark(&key, before.as_deref(), &mark.text()).await? {
                return Ok(());
            }
        }
        let message = format!("trigger `{name}` changes faster than it can be paused");
        Err(StoreError::Unavailable { message, source: None }.into())
    }
}

fn status(id: &PipelineName, trigger: &Trigger, mark: &Mark, now_ms: u64) -> TriggerStatus {
    let PipelineName { namespace, name: pipeline } = id.clone();
    let (when, cron) = match &trigger.when {
        When::Schedule { cron, .. } => (format!("{} {}", cron.pattern(), cron.zone()), Some(cron)),
        When::Webhook { .. } => (format!("POST /hooks/{pipeline}/{}", trigger.name), None),
        When::File { folder, pattern, .. } => {
            (format!("{}/{}", folder.trim_end_matches('/'), pattern.as_deref().unwrap_or("*")), None)
        }
    };
    let cron = cron.filter(|_| !mark.paused);
    let next_ms = cron.and_then(|cron| cron.next_after(now_ms));
    TriggerStatus {
        namespace,
        pipeline,
        trigger: trigger.name.clone(),
        r#type: trigger.when.word(),
        when,
        overlap: trigger.overlap,
        next_ms,
        next: cron.zip(next_ms).map(|(cron, ms)| cron.local(ms)),
        paused: mark.paused,
        waiting: mark.queued.len(),
        beyond_limit: false,
        last: mark.told.clone(),
    }
}
