//! One attempt, from lease to outcome: admit, evaluate, look in the cache, run, store. What happens next is not
//! decided here: that is `lifecycle`, when the outcome is settled.

use crate::backend::Job;
use crate::files::{self, Inputs};
use crate::gpus::{GpuLease, GpuMemory, Gpus};
use crate::held::Stop;
use crate::lanes::Lanes;
use crate::learning::Learning;
use crate::limits as limited;
use crate::metrics::Metrics;
use crate::needs;
use crate::paces::{self, Paces};
use crate::patience::patiently;
use crate::recall::{self, Recall};
use crate::report::Reporter;
use crate::scratch::Scratch;
use crate::secrets::{Redactor, Secrets};
use crate::slots::Slots;
use reelmill_artifacts::Artifacts;
use reelmill_context::{
    CACHE_LINE, ContextError, RunFacts, Runs, artifacts_in, cache_parts, is_lasting, task_context,
};
use reelmill_graph::expr::{self, Bindings, Context};
use reelmill_graph::{CacheMode, Escalate, Node, NodeKind, PluginLock, Template, canonical};
use reelmill_host::{Attempt, AttemptEnd, CallInfo, Host, Plugin};
use reelmill_lifecycle::slots::{Share, beside_others};
use reelmill_lifecycle::{Admit, admit};
use reelmill_model::{
    Failure, FailureClass, Needs, Outcome, Severity, SkipReason, StageManifest, Usage, limits,
};
use reelmill_ports::{Asks, CacheEntry, EventLog, Fleet, Leased, Limits, LogLine, ResultCache, WorkerCard};
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What attempts work with.
pub struct Executor {
    /// Runs, items and outputs.
    pub runs: Runs,
    /// Where it is asked whether more may start.
    pub limits: Arc<dyn Limits>,
    /// Where logs and progress go.
    pub events: Arc<dyn EventLog>,
    /// Results of earlier attempts; none switches the cache off.
    pub cache: Option<Arc<dyn ResultCache>>,
    /// Files.
    pub artifacts: Arc<Artifacts>,
    /// Runs plugins.
    pub host: Arc<Host>,
    /// Plugins by the digest that graphs are locked to.
    pub plugins: Plugins,
    /// Secrets.
    pub secrets: Secrets,
    /// What may run at once.
    pub slots: Slots,
    /// The GPUs.
    pub gpus: Gpus,
    /// Where other workers are seen.
    pub fleet: Arc<dyn Fleet>,
    /// Lanes it serves beside those of its queues, and those that rest.
    pub lanes: Lanes,
    /// How long its tasks take.
    pub paces: Paces,
    /// What its stages use.
    pub learning: Learning,
    /// What is remembered from one run to the next.
    pub recall: Recall,
    /// Where attempts have their folders.
    pub scratch: Scratch,
    /// Figures.
    pub metrics: Metrics,
}

/// The plugins of this worker, by digest.
#[derive(Clone, Debug, Default)]
pub struct Plugins(HashMap<reelmill_model::Digest, Arc<Plugin>>);

impl Plugins {
    /// These plugins.
    #[must_use]
    pub fn new(plugins: impl IntoIterator<Item = Arc<Plugin>>) -> Self {
        Self(plugins.into_iter().map(|plugin| (plugin.located.digest, plugin)).collect())
    }

    /// The plugin and stage that a node is locked to.
    fn locked(&self, lock: &PluginLock) -> Result<(&Arc<Plugin>, &StageManifest), Failure> {
        let missing = || {
            let message = format!(
                "this worker has no plugin `{}` with digest {}: the run was compiled with another build of it; \
                 install that build, or submit the pipeline anew",
                lock.plugin, lock.digest
            );
            Failure::new(FailureClass::InvalidConfig, message).with_code("plugin_missing")
        };
        let plugin = self.0.get(&lock.digest).ok_or_else(missing)?;
        let stage = plugin.located.manifest.stages.iter().find(|stage| stage.id == lock.stage);
        Ok((plugin, stage.ok_or_else(missing)?))
    }
}

/// How an attempt ended early: everything that is not a plain failure.
pub(crate) enum Early {
    Outcome(Outcome),
    Failed(Failure),
}

impl From<Failure> for Early {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<ContextError> for Early {
    fn from(error: ContextError) -> Self {
        let (class, code) = match error {
            ContextError::Expression(error) => return Self::Failed(error.into()),
            ContextError::Store(_) => (FailureClass::Dependency, "store"),
            ContextError::Graph { .. } => (FailureClass::InvalidConfig, "graph"),
        };
        Self::Failed(Failure::new(class, error.to_string()).with_code(code))
    }
}

impl From<expr::EvalError> for Early {
    fn from(error: expr::EvalError) -> Self {
        Self::Failed(error.into())
    }
}

impl Executor {
    /// Runs one attempt. Never fails: every way to end is an outcome.
    pub async fn attempt(&self, job: Job) -> (Outcome, Usage) {
        self.metrics.attempt_started();
        let started = Instant::now();
        let mut usage = Usage::default();
        let mut lane = None;
        let end = self.run(&job, &mut usage, &mut lane).await;
        let outcome = match end {
            Ok(outcome) | Err(Early::Outcome(outcome)) => outcome,
            Err(Early::Failed(failure)) => Outcome::Failed(failure),
        };
        // Whatever it says of itself, an attempt that was told to stop ended because of that.
        let outcome = match (job.stop.reason(), outcome) {
            (
                _,
                done @ (Outcome::Succeeded { .. }
                | Outcome::Expand { .. }
                | Outcome::Await { .. }
                | Outcome::Parked
                | Outcome::Skipped(_)),
            ) => done,
            (Some(Stop::Cancelled), _) => Outcome::Cancelled,
            (Some(Stop::Drained | Stop::Lost), _) => Outcome::Released,
            (None, outcome) => outcome,
        };
        let took = started.elapsed();
        self.metrics.attempt_ended(&outcome, &usage, took);
        if let Some(lane) = lane.filter(|_| paces::tells(&outcome)) {
            self.paces.note(&lane, took);
        }
        (outcome, usage)
    }

    async fn run(&self, job: &Job, usage: &mut Usage, lane: &mut Option<String>) -> Result<Outcome, Early> {
        let leased = &job.leased;
        let facts = patiently(&job.stop, || Box::pin(self.runs.get(leased.task.run))).await?;
        let node = facts.compiled.graph.node(leased.node);
        *lane = Some(node.lane());
        if let Admit::Skip(reason) = admit(&facts.compiled.graph, node, &leased.deps) {
            return Ok(Outcome::Skipped(reason));
        }
        self.enter_run(job, &facts, node).await?;
        let context = if node.is_plain() {
            Context::default()
        } else {
            patiently(&job.stop, || Box::pin(task_context(self.runs.store(), &facts, leased))).await?
        };
        let bindings = Bindings::new(&context);
        if let Some(condition) = &node.condition
            && !facts.compiled.programs.condition(condition, &bindings)?
        {
            return Ok(Outcome::Skipped(SkipReason::Condition { expression: condition.source.clone() }));
        }
        match &node.kind {
            NodeKind::Approval(approval) => {
                let message = approval.message.as_ref();
                let text = message.map(|text| facts.compiled.programs.render(text, &bindings)).transpose()?;
                Ok(Outcome::Await { message: text.map(|text| question(&text)) })
            }
            NodeKind::Body { of, fan_out, .. } => {
                let items = facts.compiled.programs.expand(of, fan_out, &context)?;
                Ok(Outcome::Expand { items })
            }
            NodeKind::Work { plugin, with } => {
                let with = render(&facts, with, &bindings, &leased.edit)?;
                let asks = limited::stage_asks(&facts, node, leased, &bindings)?;
                drop(bindings);
                let work = Work { job, facts: &facts, node, lock: plugin };
                self.work(&work, with, asks, usage).await
            }
        }
    }

    async fn work(
        &self,
        work: &Work<'_>,
        with: Value,
        asks: Asks,
        usage: &mut Usage,
    ) -> Result<Outcome, Early> {
        let (plugin, stage) = match self.plugins.locked(work.lock) {
            Ok(found) => found,
            Err(missing) => return Err(Box::pin(self.misplaced(work, missing)).await),
        };
        let entry = self.cache_entry(work, stage, &with);
        if let Some(entry) = &entry
            && let Some(outputs) = Box::pin(self.cached(work, entry)).await
        {
            return Ok(Outcome::Succeeded { outputs, cached: true });
        }
        // An earlier result takes no place and no start.
        self.ask(work.job, asks).await?;
        let mut outputs = if plugin.runs_inline(stage) {
            self.run_inline(plugin, work, &with)?
        } else {
            // Kept apart, so that the many tasks that end before this stay small.
            Box::pin(self.run_in_runner(plugin, stage, work, with, usage)).await?
        };
        check_size(&outputs)?;
        if let Some(mut entry) = entry.filter(|_| is_lasting(stage, &outputs)) {
            entry.outputs = outputs.take();
            outputs = Box::pin(self.remember(entry, usage)).await;
        }
        Ok(Outcome::Succeeded { outputs, cached: false })
    }

    /// The end of an attempt whose plugin is missing here. A lane without a plugin's name is for what came with the engine;
    /// while workers of several versions are at it, that is not the same for all of them. A worker that has it gets the
    /// task, and this one leaves the lane alone for a while; when there is none, the task fails.
    async fn misplaced(&self, work: &Work<'_>, missing: Failure) -> Early {
        let build = work.lock.build();
        let has_it = |card: &WorkerCard| !card.draining && card.machine.plugins.contains(&build);
        match self.fleet.workers().await {
            Ok(workers) if !workers.iter().any(has_it) => Early::Failed(missing),
            _ => {
                let lane = work.node.lane();
                tracing::warn!(task = %work.leased().task, %build, %lane, "another worker has the plugin and gets the task");
                self.lanes.rest(&lane);
                Early::Outcome(Outcome::Released)
            }
        }
    }

    /// A first-party stage whose work is smaller than the boundary: no process, no files, no secrets.
    fn run_inline(&self, plugin: &Plugin, work: &Work<'_>, with: &Value) -> Result<Value, Failure> {
        self.host.run_inline(plugin, &work.lock.stage, with, &work.call())
    }

    async fn run_in_runner(
        &self,
        plugin: &Arc<Plugin>,
        stage: &StageManifest,
        work: &Work<'_>,
        mut with: Value,
        usage: &mut Usage,
    ) -> Result<Value, Early> {
        let stop = work.job.stop.token().clone();
        let (needs, share) = self.needs(work, stage);
        let occupied = tokio::select! {
            occupied = self.slots.occupy(share) => occupied,
            () = stop.cancelled() => return Err(Early::Outcome(Outcome::Released)),
        };
        let gpus = tokio::select! {
            gpus = self.gpus_for(work, stage) => gpus,
            () = stop.cancelled() => return Err(Early::Outcome(Outcome::Released)),
        };
        recall::advised(&mut with, &stage.input, &self.recall).await;
        let base_dir = work.folder();
        let inputs = files::resolve_inputs(&mut with, &stage.input, &base_dir, &self.artifacts).await?;
        let redactor = self.secrets.resolve(&mut with)?;
        let scratch = self.scratch.attempt(work.leased()).map_err(|error| {
            let message = format!("no scratch folder could be made: {error}");
            Failure::new(FailureClass::Resource, message).with_code("scratch")
        })?;
        let reporter = Reporter::start(
            Arc::clone(&self.events),
            work.leased().task,
            work.leased().attempt,
            redactor.clone(),
        );
        let timeout = work.node.settings.timeout;
        let attempt = Attempt {
            plugin: Arc::clone(plugin),
            stage: stage.id.clone(),
            with,
            call: CallInfo { gpus: gpus.numbers(), encoders: gpus.encoders(), ..work.call() },
            scratch: scratch.path().to_owned(),
            read_paths: inputs.read_paths.clone(),
            write_paths: inputs.write_paths.clone(),
            run_timeout: timeout
                .run_ms
                .map(|ms| Duration::from_millis(ms.saturating_mul(work.timeout_times()))),
            idle_timeout: timeout.idle_ms.map(Duration::from_millis),
            memory_bytes: Some(self.host.memory_of(&needs)),
            cancel: stop,
            events: reporter.events(),
        };
        let crowd = self.learning.crowd();
        let end = self.host.run(attempt).await;
        reporter.finish().await;
        drop((gpus, occupied));
        self.learning.note(&work.stage_name(), &end.usage, crowd);
        *usage = end.usage;
        let outputs = self.store(end, scratch.path(), &inputs, &redactor, usage).await?;
        self.recall.note_attempt(&work.stage_name(), usage);
        recall::outcomes(&outputs, &stage.output, &self.recall);
        Ok(outputs)
    }

    /// The GPUs that an attempt may use: those that its pipeline asks for, or a session where its stage can use one.
    async fn gpus_for(&self, work: &Work<'_>, stage: &StageManifest) -> GpuLease {
        let asked = &work.node.settings.requires;
        match (asked.gpus, stage.needs.gpu) {
            (0, false) => GpuLease::default(),
            (0, true) => self.gpus.session(),
            (count, _) => self.gpus.alone(count, work.gpu_memory()).await,
        }
    }

    /// What an attempt needs, and what of the worker it takes.
    fn needs(&self, work: &Work<'_>, stage: &StageManifest) -> (Needs, Share) {
        let (settings, escalated) = (&work.node.settings, work.leased().escalated);
        let said_mib = |needs: &Needs| self.host.memory_of(needs) >> 20;
        let worker_mib = self.slots.capacity().memory_mib;
        let needs = needs::grown(settings, escalated, &stage.needs, said_mib, worker_mib);
        let ask = needs::ask(settings, escalated, &needs);
        let reckoned = self.learning.reckon(&work.stage_name(), ask);
        (needs, beside_others(self.slots.room(), reckoned, ask.floor))
    }

    /// Makes artifacts of the files a stage put out; they are durable before the task is settled.
    async fn store(
        &self,
        end: AttemptEnd,
        scratch: &Path,
        inputs: &Inputs,
        redactor: &Redactor,
        usage: &mut Usage,
    ) -> Result<Value, Failure> {
        let mut outputs = end.result.map_err(|failure| redactor.failure(failure))?;
        outputs = redactor.value(outputs);
        let started = Instant::now();
        files::store_outputs(&mut outputs, scratch, &inputs.given(), &self.artifacts).await?;
        usage.store_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(outputs)
    }

    /// The entry this attempt would leave in the cache; none when its result may not be cached.
    fn cache_entry(&self, work: &Work<'_>, stage: &StageManifest, with: &Value) -> Option<CacheEntry> {
        self.cache.as_ref()?;
        if work.node.settings.cache == CacheMode::Never || stage.inline {
            return None;
        }
        let parts = cache_parts(work.lock, stage, with, &work.folder())?;
        Some(CacheEntry {
            key: canonical::cache_key(&parts),
            parts,
            stage: work.stage_name(),
            outputs: Value::Null,
            artifacts: Vec::new(),
            cpu_ms: 0,
            made_by: work.leased().task,
        })
    }

    /// A usable result of an earlier attempt. Whatever goes wrong here is a miss.
    async fn cached(&self, work: &Work<'_>, entry: &CacheEntry) -> Option<Value> {
        let cache = self.cache.as_ref()?;
        if work.node.settings.cache == CacheMode::Refresh {
            return None;
        }
        let found = cache.lookup(entry.key).await.ok().flatten();
        let found = match found {
            Some(found) => match files::all_there(&found.artifacts, &self.artifacts).await {
                Ok(true) => Some(found),
                Ok(false) => {
                    // An artifact was collected: the entry is of no use any more.
                    let _ = cache.forget(entry.key).await;
                    None
                }
                Err(error) => {
                    tracing::warn!(%error, "a result of the cache could not be used");
                    None
                }
            },
            None => None,
        };
        self.metrics.cache_lookup(found.is_some());
        if found.is_none() {
            self.explain_miss(work, entry).await;
        }
        found.map(|found| found.outputs)
    }

    /// Leaves a line in the task's log that says why no earlier result was used; `why` reads it.
    async fn explain_miss(&self, work: &Work<'_>, entry: &CacheEntry) {
        let Some(cache) = &self.cache else { return };
        let because = match cache.nearest(&entry.stage, &entry.parts).await {
            Ok(Some(nearest)) => format!(
                "no earlier result fits; of the nearest, made in run {}: {}",
                nearest.made_by.run,
                canonical::differences(&entry.parts, &nearest.parts)
            ),
            Ok(None) => "there is no earlier result of this stage".to_owned(),
            Err(_) => return,
        };
        let text = format!("{CACHE_LINE}{because}");
        let line = LogLine { at_ms: crate::report::now_ms(), severity: Severity::Info, text };
        let leased = work.leased();
        if let Err(error) = self.events.log(leased.task, leased.attempt, vec![line]).await {
            tracing::debug!(%error, "a log line was lost");
        }
    }

    /// Leaves the result in the cache; a cache that cannot be written is no reason to fail.
    async fn remember(&self, mut entry: CacheEntry, usage: &Usage) -> Value {
        let outputs = entry.outputs.clone();
        entry.artifacts = artifacts_in(&outputs);
        entry.cpu_ms = usage.cpu_ms;
        if let Some(cache) = &self.cache
            && let Err(error) = cache.remember(entry).await
        {
            tracing::warn!(%error, "a result could not be remembered");
        }
        outputs
    }
}

/// What is known of an attempt when its stage is about to run.
struct Work<'a> {
    job: &'a Job,
    facts: &'a RunFacts,
    node: &'a Node,
    lock: &'a PluginLock,
}

impl Work<'_> {
    fn leased(&self) -> &Leased {
        &self.job.leased
    }

    /// As a pipeline names it, without its version.
    fn stage_name(&self) -> String {
        format!("{}.{}", self.lock.plugin, self.lock.stage)
    }

    /// By what its time limit is multiplied after attempts that failed for want of something.
    fn timeout_times(&self) -> u64 {
        Escalate::times(self.node.settings.retry.escalate.timeout, self.leased().escalated)
    }

    /// What it needs of each GPU, and more after attempts that failed for want of something.
    fn gpu_memory(&self) -> GpuMemory {
        let settings = &self.node.settings;
        let times = Escalate::times(settings.retry.escalate.vram, self.leased().escalated);
        let asked_bytes = settings.requires.vram_bytes;
        GpuMemory { asked_bytes, wanted_bytes: asked_bytes.saturating_mul(times) }
    }

    /// Where paths in its `with` are resolved: beside the file in which the stage stands.
    fn folder(&self) -> PathBuf {
        Path::new(&self.facts.new.base_dir).join(self.facts.compiled.graph.folder_of(self.node))
    }

    fn call(&self) -> CallInfo {
        let leased = self.leased();
        CallInfo {
            // The host puts the attempt's folder here; an inline stage has none.
            scratch: PathBuf::new(),
            run: leased.task.run.to_string(),
            task: crate::scratch::task_name(self.node, leased),
            attempt: leased.attempt,
            // The same for every attempt of the task, so that a repeat can be recognised.
            idempotency_token: format!("{}-{}", leased.task.run, leased.task.task),
            seed: self.facts.new.seed ^ (u64::from(leased.task.task.0) << 32),
            ..CallInfo::default()
        }
    }
}

/// What a person is told: a text, cut to its limit.
fn question(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    text[..text.floor_char_boundary(limits::DECISION_BYTES_MAX)].to_owned()
}

/// What a stage is given: what its pipeline says, and over that what a retry by hand has set.
fn render(
    facts: &RunFacts,
    with: &indexmap::IndexMap<String, Template>,
    bindings: &Bindings<'_>,
    edit: &Map<String, Value>,
) -> Result<Value, Early> {
    let mut values = facts.compiled.programs.render_all(with, bindings)?;
    if let Value::Object(values) = &mut values {
        values.extend(edit.clone());
    }
    let bytes = values.to_string().len();
    if bytes > limits::PAYLOAD_BYTES_MAX {
        let message = format!(
            "`with` is {bytes} bytes of JSON, over the limit of {}; pass large data as a file",
            limits::PAYLOAD_BYTES_MAX
        );
        return Err(Failure::new(FailureClass::InvalidInput, message).with_code("payload").into());
    }
    Ok(values)
}

fn check_size(outputs: &Value) -> Result<(), Failure> {
    let bytes = outputs.to_string().len();
    if bytes <= limits::PAYLOAD_BYTES_MAX {
        return Ok(());
    }
    let message = format!(
        "the outputs are {bytes} bytes of JSON, over the limit of {}; the stage must put large data into a file",
        limits::PAYLOAD_BYTES_MAX
    );
    Err(Failure::new(FailureClass::Protocol, message).with_code("payload"))
}
