//! One look at every trigger when it is due.

use super::figures::Figures;
use super::folder;
use super::ports::{Launch, Launched, Launcher, Timer};
use reelmill_graph::compile::Trigger;
use reelmill_model::limits::SCHEDULED_TRIGGERS_MAX;
use reelmill_ports::{Marks, StoreError};
use reelmill_spec::trigger::{Overlap, When};
use reelmill_triggers::{Arrivals, Came, Firing, Mark, Source, Told, about, decide, due, run_id};
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// The longest pause between two looks, in milliseconds: clocks are set, and runs end that others wait for.
const PAUSE_MS_MAX: u64 = 1_000;

/// The triggers of one registered pipeline.
#[derive(Clone, Debug)]
pub struct Registered {
    /// The tenant.
    pub namespace: String,
    /// The pipeline's name.
    pub pipeline: String,
    /// Its triggers.
    pub triggers: Arc<Vec<Trigger>>,
}

/// What one look did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Fired {
    /// Runs that were started.
    pub started: u64,
    /// Runs that another scheduler had started.
    pub known: u64,
    /// Firings that came to nothing, by policy or because their inputs are no inputs.
    pub skipped: u64,
}

/// Looks after triggers.
pub struct Scheduler {
    launcher: Arc<dyn Launcher>,
    marks: Arc<dyn Marks>,
    timer: Arc<dyn Timer>,
    pipelines: watch::Receiver<Vec<Registered>>,
    // What was seen of watched folders, by the key of the trigger.
    folders: HashMap<String, Arrivals>,
    // Until when there is nothing to do for a schedule, by its key: most of the time there is not.
    idle_until: HashMap<String, u64>,
    // Folders that cannot be listed: told once, not at every look.
    lost: HashSet<String>,
    // Triggers that are too many: told when their number changes.
    beyond: usize,
    figures: Figures,
}

impl Scheduler {
    /// A scheduler for the pipelines that `pipelines` holds now and later.
    #[must_use]
    pub fn new(
        launcher: Arc<dyn Launcher>,
        marks: Arc<dyn Marks>,
        timer: Arc<dyn Timer>,
        pipelines: watch::Receiver<Vec<Registered>>,
        figures: Figures,
    ) -> Self {
        Self {
            launcher,
            marks,
            timer,
            pipelines,
            folders: HashMap::new(),
            idle_until: HashMap::new(),
            lost: HashSet::new(),
            beyond: 0,
            figures,
        }
    }

    /// Works until `end`.
    pub async fn run(mut self, end: CancellationToken) {
        while !end.is_cancelled() {
            self.look().await;
            let now_ms = self.timer.now_ms();
            let due = self.idle_until.values().copied().filter(|due| *due > now_ms).min();
            let next_ms = due.unwrap_or(u64::MAX).min(now_ms + PAUSE_MS_MAX);
            let timer = Arc::clone(&self.timer);
            tokio::select! {
                () = end.cancelled() => {}
                () = timer.sleep_until(next_ms) => {}
                // A sender that is gone changes nothing more: the time goes on.
                Ok(()) = self.pipelines.changed() => {}
            }
        }
    }

    /// Looks at every trigger once. What fails is told and looked at again next time: nothing was noted yet.
    pub async fn look(&mut self) -> Fired {
        if self.pipelines.has_changed().unwrap_or(false) {
            self.idle_until.clear();
        }
        let pipelines = self.pipelines.borrow_and_update().clone();
        let mut all: Vec<(Source, Trigger)> = pipelines
            .iter()
            .flat_map(|registered| {
                registered.triggers.iter().map(|trigger| (source(registered, trigger), trigger.clone()))
            })
            .collect();
        let beyond = all.len().saturating_sub(SCHEDULED_TRIGGERS_MAX);
        all.truncate(SCHEDULED_TRIGGERS_MAX);
        self.figures.triggers(all.len(), beyond);
        if beyond != self.beyond && beyond > 0 {
            tracing::error!(
                beyond,
                "there are more than {SCHEDULED_TRIGGERS_MAX} triggers, and those beyond do not fire: `reelmill triggers` says which"
            );
        }
        self.beyond = beyond;
        let mut fired = Fired::default();
        for (source, trigger) in &all {
            if let Err(error) = self.look_at(source, trigger, &mut fired).await {
                tracing::warn!(trigger = source.key(), %error, "a trigger could not be looked at");
            }
        }
        let known: HashSet<String> = all.iter().map(|(source, _)| source.key()).collect();
        self.folders.retain(|key, _| known.contains(key));
        self.idle_until.retain(|key, _| known.contains(key));
        self.lost.retain(|key| known.contains(key));
        fired
    }

    async fn look_at(
        &mut self,
        source: &Source,
        trigger: &Trigger,
        fired: &mut Fired,
    ) -> Result<(), StoreError> {
        if matches!(trigger.when, When::Webhook { .. }) {
            return Ok(());
        }
        let key = source.key();
        let now_ms = self.timer.now_ms();
        if self.idle_until.get(&key).is_some_and(|until| now_ms < *until) {
            return Ok(());
        }
        let before = self.marks.mark(&key).await?;
        let known = Mark::parse(before.as_deref());
        // A schedule fires from when it is first seen, never for the time before.
        let mut mark = known.unwrap_or_else(|| Mark { looked_ms: now_ms, ..Mark::default() });
        if mark.paused {
            // Whoever resumes it sets the time from which it fires again, and that is not before now.
            self.rest(key, trigger, now_ms);
            return Ok(());
        }
        let seen = self.folders.get(&key).cloned();
        let new = self.firings(&key, trigger, &mark, now_ms).await;
        if !new.is_empty() {
            mark.looked_ms = now_ms;
        }
        if let Some(arrivals) = self.folders.get(&key) {
            mark.fired = arrivals.fired();
        }
        if let Err(error) = self.act(source, trigger, &mut mark, new, fired).await {
            // What arrived in the folder arrives again, and fires again as the same runs.
            self.folders.remove(&key);
            self.folders.extend(seen.map(|seen| (key, seen)));
            return Err(error);
        }
        // Where another scheduler was faster, it did the same, as the same runs, and what it noted holds.
        self.note(&key, before.as_deref(), &mark).await?;
        if mark.queued.is_empty() {
            self.rest(key, trigger, now_ms);
        }
        Ok(())
    }

    /// A schedule is looked at again when its next time has come.
    fn rest(&mut self, key: String, trigger: &Trigger, now_ms: u64) {
        if let When::Schedule { cron, .. } = &trigger.when {
            self.idle_until.insert(key, cron.next_after(now_ms).unwrap_or(u64::MAX));
        }
    }

    /// What a trigger has to say since it was last looked at.
    async fn firings(&mut self, key: &str, trigger: &Trigger, mark: &Mark, now_ms: u64) -> Vec<Firing> {
        match &trigger.when {
            When::Schedule { cron, catchup } => due(cron, mark.looked_ms, now_ms, *catchup),
            When::Webhook { .. } => Vec::new(),
            When::File { folder, pattern, settle_ms } => {
                let path = PathBuf::from(folder);
                let listed = tokio::task::spawn_blocking(move || folder::list(&path)).await;
                let listing = match listed.map_err(std::io::Error::other).flatten() {
                    Ok(listing) => listing,
                    // Not empty but unknown: what has fired must not be forgotten because of it.
                    Err(error) => {
                        if self.lost.insert(key.to_owned()) {
                            tracing::warn!(trigger = key, folder, %error, "a watched folder cannot be listed");
                        }
                        return Vec::new();
                    }
                };
                self.lost.remove(key);
                let arrivals = self.folders.entry(key.to_owned()).or_default();
                arrivals.note(&mark.fired);
                let complete = arrivals.look(listing, pattern.as_deref(), *settle_ms, now_ms);
                complete
                    .into_iter()
                    .map(|file| Firing { at_ms: file.modified_ms, file: Some(file) })
                    .collect()
            }
        }
    }

    /// Does what the policy says, and changes the mark accordingly.
    async fn act(
        &self,
        source: &Source,
        trigger: &Trigger,
        mark: &mut Mark,
        new: Vec<Firing>,
        fired: &mut Fired,
    ) -> Result<(), StoreError> {
        let queued = std::mem::take(&mut mark.queued);
        let matters = trigger.overlap != Overlap::Allow && !(queued.is_empty() && new.is_empty());
        let last = if matters { mark.last } else { None };
        let last_runs = match last {
            Some(run) => self.launcher.is_running(run).await?,
            None => false,
        };
        let decision = decide(trigger.overlap, queued, new, last_runs);
        if decision.cancel_last
            && let Some(run) = last
        {
            let reason = format!("trigger `{}` fired again", source.trigger);
            self.launcher.cancel(run, &reason).await?;
        }
        for firing in &decision.skipped {
            tracing::info!(trigger = source.key(), at_ms = firing.at_ms, "a firing was skipped");
            mark.tell(Told::without_run(firing.at_ms, Came::Skipped, None));
        }
        fired.skipped += decision.skipped.len() as u64;
        self.figures.fired("skipped", decision.skipped.len() as u64);
        for firing in decision.start {
            mark.tell(self.start(source, trigger, &firing, fired).await?);
        }
        if let Some(last) = decision.queued.last() {
            mark.tell(Told::without_run(last.at_ms, Came::Waits, None));
        }
        mark.queued = decision.queued;
        Ok(())
    }

    /// Starts the run of a firing; says what came of it.
    async fn start(
        &self,
        source: &Source,
        trigger: &Trigger,
        firing: &Firing,
        fired: &mut Fired,
    ) -> Result<Told, StoreError> {
        let run = run_id(source, firing);
        let launched = match trigger.inputs(about(&trigger.name, &trigger.when, firing)) {
            Ok(inputs) => {
                let Source { namespace, pipeline, trigger } = source.clone();
                self.launcher
                    .launch(Launch { run, namespace, pipeline, trigger, at_ms: firing.at_ms, inputs })
                    .await
            }
            Err(error) => Err(super::LaunchError { retry: false, message: error.to_string() }),
        };
        match launched {
            Ok(Launched { run, new }) => {
                fired.started += u64::from(new);
                fired.known += u64::from(!new);
                self.figures.fired(if new { "started" } else { "known" }, 1);
                if new && matches!(trigger.when, When::Schedule { .. }) {
                    self.figures.late(self.timer.now_ms().saturating_sub(firing.at_ms));
                }
                Ok(Told::started(firing.at_ms, run))
            }
            Err(error) if error.retry => {
                Err(StoreError::Unavailable { message: error.message, source: None })
            }
            Err(error) => {
                tracing::error!(trigger = source.key(), %run, %error, "a trigger started no run");
                fired.skipped += 1;
                self.figures.fired("failed", 1);
                Ok(Told::without_run(firing.at_ms, Came::Failed, Some(error.message)))
            }
        }
    }

    async fn note(&self, key: &str, before: Option<&str>, mark: &Mark) -> Result<(), StoreError> {
        let after = mark.text();
        if before != Some(after.as_str()) && !self.marks.set_mark(key, before, &after).await? {
            tracing::debug!(trigger = key, "another scheduler looked at the trigger at the same time");
        }
        Ok(())
    }
}

fn source(registered: &Registered, trigger: &Trigger) -> Source {
    Source {
        namespace: registered.namespace.clone(),
        pipeline: registered.pipeline.clone(),
        trigger: trigger.name.clone(),
    }
}
