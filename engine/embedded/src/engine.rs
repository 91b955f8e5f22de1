//! A state with plugins and a worker.

use crate::encoders::{ENCODERS_FILE, Prober};
use crate::hooks::Hooks;
use crate::state::{FleetStores, State};
use crate::{OpenError, capacity, gpus, identity, memory, scratch};
use prometheus::Registry;
use reelmill_archive::{Figures, Keeper, Kept, Mover};
use reelmill_context::Runs;
use reelmill_control::schedule::{self, Calls, Scheduler, StoreLauncher, SystemTimer, follow};
use reelmill_graph::compile::Catalog;
use reelmill_graph::{Node, placement};
use reelmill_hardware::candidates;
use reelmill_host::{Host, HostConfig, Plugin, discover};
use reelmill_memory::MemoryError;
use reelmill_model::{Requirements, RunState, WorkerCapacity, limits};
use reelmill_ports::{Adaptive, Only, ResultCache, RunFilter, RunStore, StoreError};
use reelmill_runtime::{
    ATTEMPTS, Adapt, Capacity, Executor, Gpus, Lanes, Learning, Metrics, Paces, Plugins, Recall, Secrets,
    Slots, Worker, WorkerConfig, bury,
};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

/// How the engine is put together.
#[derive(Clone, Debug)]
pub struct Options {
    /// Folders with plugins, best first.
    pub plugin_dirs: Vec<PathBuf>,
    /// The `reelmill-runner` program.
    pub runner: PathBuf,
    /// Slots.
    pub slots: SlotsChoice,
    /// Memory that attempts may use together, in bytes; all there is when none.
    pub memory_bytes: Option<u64>,
    /// Whether results of earlier attempts are used.
    pub use_cache: bool,
    /// Whether the folders of attempts are left for debugging.
    pub keep_scratch: bool,
    /// Labels of this machine, for stages that ask for them.
    pub labels: BTreeMap<String, String>,
    /// Encoders that this machine is said to have; those of hardware are tried.
    pub encoders: Vec<String>,
    /// The PostgreSQL where outcomes are remembered for all machines; `memory.db` in the home folder when none.
    pub memory: Option<String>,
    /// Folder with one file a secret; `secrets` in the home folder when none.
    pub secrets_dir: Option<PathBuf>,
}

/// How many attempts run at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SlotsChoice {
    /// As many as the machine has room for, by its cores and its memory.
    #[default]
    Machine,
    /// So many.
    Count(u32),
    /// As many as there is room for at the moment, by what stages were seen to use.
    Auto,
}

/// The engine.
pub struct Engine {
    /// Its state.
    pub state: State,
    /// The plugins that were found.
    pub plugins: Vec<Arc<Plugin>>,
    /// What was found and could not be used, in sentences.
    pub problems: Vec<String>,
    /// Figures of this process.
    pub registry: Registry,
    /// What this machine has.
    pub machine: WorkerCapacity,
    host: Arc<Host>,
    executor: Arc<Executor>,
    adapt: Option<Adapt>,
    /// Ends the looks at GPUs.
    #[expect(dead_code, reason = "it is dropped with the engine")]
    looks: DropGuard,
}

impl Engine {
    /// Puts the engine together; no task is taken yet. Must be called within a tokio runtime.
    pub async fn open(state: State, options: Options) -> Result<Self, OpenError> {
        let io = |what: &str| {
            let what = what.to_owned();
            move |source| OpenError::Io { what, source }
        };
        let scratch = scratch::open(&state.home.join("scratch"), options.keep_scratch)
            .map_err(io("make the scratch folder"))?;
        let (plugins, problems) =
            discover(&options.plugin_dirs, &state.home.join("plugins"), &options.runner).await;
        let plugins: Vec<Arc<Plugin>> = plugins.into_iter().map(Arc::new).collect();
        let builds = plugins.iter().map(|plugin| plugin.build()).collect();
        let gpus = reelmill_hardware::gpus();
        let probed = Prober {
            runner: &options.runner,
            plugins: &plugins,
            scratch: &scratch.root().join("probes"),
            file: &state.home.join(ENCODERS_FILE),
        };
        let probed = probed.probe(candidates(&gpus, &options.encoders)).await;
        let broken = capacity::broken_promises(&options.encoders, &probed);
        let encoders = capacity::encoders(&options.encoders, &probed);
        let mut machine = capacity::of_this_machine(&state.home, &gpus, options.labels, encoders, builds);
        let (slots, adapt) = slots(options.slots, options.memory_bytes, &machine);
        machine.memory_bytes = given(options.memory_bytes, &machine);
        let learning = match &adapt {
            Some(_) => Learning::open(&state.home.join("learned.json")),
            None => Learning::default(),
        };
        let host = HostConfig::new(
            options.runner,
            scratch.root().to_owned(),
            state.control.artifacts.root().to_owned(),
        );
        let host = Arc::new(Host::new(host));
        let registry = Registry::new();
        let store = &state.store;
        let executor = Executor {
            runs: Runs::new(store.clone() as Arc<dyn RunStore>),
            limits: store.clone(),
            events: store.clone(),
            cache: options.use_cache.then(|| store.clone() as Arc<dyn ResultCache>),
            artifacts: state.control.artifacts.clone(),
            host: host.clone(),
            plugins: Plugins::new(plugins.iter().cloned()),
            secrets: Secrets {
                folder: Some(options.secrets_dir.unwrap_or_else(|| state.home.join("secrets"))),
            },
            slots,
            gpus: Gpus::new(gpus, probed),
            fleet: store.clone(),
            lanes: Lanes::default(),
            paces: Paces::default(),
            learning,
            recall: recall(&state.home, options.memory.as_deref())?,
            scratch,
            metrics: Metrics::register(&registry)?,
        };
        let problems = problems.iter().map(ToString::to_string).chain(broken).collect();
        let looks = CancellationToken::new();
        gpus::watch(executor.gpus.clone(), &registry, looks.clone())?;
        let (executor, looks) = (Arc::new(executor), looks.drop_guard());
        Ok(Self { state, plugins, problems, registry, machine, host, executor, adapt, looks })
    }

    /// What pipelines are compiled against.
    #[must_use]
    pub fn catalog(&self) -> Catalog {
        Catalog::new(self.plugins.iter().map(|plugin| plugin.located.clone()).collect())
    }

    /// What may run at once.
    #[must_use]
    pub fn capacity(&self) -> Capacity {
        self.executor.slots.capacity()
    }

    /// What the slots follow, and of how many stages it is known what they use; none when their number was given.
    #[must_use]
    pub fn adaptive(&self) -> Option<(Adaptive, usize)> {
        Some((self.adapt.as_ref()?.now(), self.executor.learning.stages()))
    }

    /// Starts the worker on these queues. Leases of workers of this machine that have died are given back first.
    pub async fn start_worker(&self, only: Only, queues: Vec<String>) -> Result<Worker, OpenError> {
        let store = &self.state.store;
        bury(&**store, &**store, identity::is_dead, &self.state.home.join("scratch")).await?;
        self.recall_stages().await;
        let config = WorkerConfig {
            worker: identity::worker_id(),
            machine: self.machine.clone(),
            lanes: self.lanes(&queues, &only).await?,
            queues,
            adapt: self.adapt.clone(),
            only,
            lease: WorkerConfig::LEASE,
            is_dead: identity::is_dead,
        };
        Worker::start(store.clone(), self.executor.clone(), config)
            .map_err(|source| OpenError::Io { what: "start the worker".to_owned(), source })
    }

    /// What is remembered of stages on this machine is where slots that follow their use begin.
    async fn recall_stages(&self) {
        let (learning, recall) = (&self.executor.learning, &self.executor.recall);
        if !learning.is_used() {
            return;
        }
        for attempts in recall.advice(ATTEMPTS).await.arms.iter().filter(|arm| arm.here) {
            if let Some(expected) = recall.expected(&attempts.context).await {
                learning.take_over(&attempts.context, &expected);
            }
        }
    }

    /// Moves runs of a fleet that ended so long ago into its archive, and deletes there what is not kept, until `end`. At
    /// home nothing has to be moved.
    pub fn start_archiving(
        &self,
        keep: Duration,
        kept: Kept,
        end: CancellationToken,
    ) -> Result<(), OpenError> {
        let Some(FleetStores { hot, cold }) = self.state.fleet.clone() else { return Ok(()) };
        let figures = Figures::register(&self.registry)?;
        let clock = Arc::new(SystemTimer);
        if kept != Kept::default() {
            let keeper = Keeper::new(cold.clone(), kept, clock.clone(), figures.clone());
            tokio::spawn(keeper.run(end.clone()));
        }
        tokio::spawn(Mover::new(hot, cold, keep, clock, figures).run(end));
        Ok(())
    }

    /// Starts the runs of triggers of registered pipelines when they are due, until `end`; gives the way in for calls.
    pub fn start_triggers(&self, end: CancellationToken) -> Result<Hooks, OpenError> {
        let figures = schedule::Figures::register(&self.registry)?;
        let control = &self.state.control;
        let (tell, pipelines) = watch::channel(Vec::new());
        tokio::spawn(follow(control.clone(), tell, end.clone()));
        let launcher = StoreLauncher { control: control.clone(), catalog: self.catalog() };
        let launcher = Arc::new(launcher);
        let scheduler = Scheduler::new(
            launcher.clone(),
            control.marks.clone(),
            Arc::new(SystemTimer),
            pipelines.clone(),
            figures,
        );
        tokio::spawn(scheduler.run(end));
        let calls = Calls { launcher, control: control.clone() };
        Ok(Hooks::new(pipelines, calls, self.executor.secrets.clone()))
    }

    /// Ends the plugins' processes.
    pub async fn close(self) {
        self.host.shutdown().await;
        scratch::close(self.executor.scratch.root());
    }

    /// Lanes of tasks with needs, of the run or batch it works for, that this machine serves. A worker of all runs knows
    /// those of its own plugins and finds out the others while it works.
    async fn lanes(&self, queues: &[String], only: &Only) -> Result<Vec<String>, StoreError> {
        if *only == Only::Any {
            return Ok(self.plugin_lanes(queues));
        }
        let store = &self.state.store;
        let mut graphs = BTreeSet::new();
        let mut filter = RunFilter {
            states: vec![RunState::Running],
            batch: if let Only::Batch(batch) = only { Some(batch.clone()) } else { None },
            limit: limits::PAGE_ROWS_MAX,
            ..RunFilter::default()
        };
        loop {
            let runs = store.runs(filter.clone()).await?;
            let Some(last) = runs.last() else { break };
            filter.before = Some(last.new.id);
            let wanted = runs.iter().filter(|run| !matches!(only, Only::Run(id) if run.new.id != *id));
            graphs.extend(wanted.map(|run| run.new.graph));
        }
        let mut lanes = BTreeSet::new();
        for digest in graphs {
            let graph = store.graph(digest).await?;
            let needy = graph.nodes.iter().filter(|node| !node.settings.requires.is_empty());
            lanes.extend(needy.filter(|node| self.serves(queues, node)).map(Node::lane));
        }
        Ok(lanes.into_iter().collect())
    }

    /// The lanes of plugins that did not come with the engine.
    fn plugin_lanes(&self, queues: &[String]) -> Vec<String> {
        let guests = self.plugins.iter().filter(|plugin| !plugin.located.shipped);
        let needs =
            guests.map(|plugin| Requirements { plugin: Some(plugin.build()), ..Requirements::default() });
        needs.flat_map(|needs| queues.iter().map(move |queue| placement::lane(queue, &needs))).collect()
    }

    /// Whether this machine serves a node's lane. At home nobody else could have a plugin that is missing here: its tasks
    /// are taken, and fail with a word about it, instead of waiting for ever.
    fn serves(&self, queues: &[String], node: &Node) -> bool {
        let mut needs = node.settings.requires.clone();
        if self.state.fleet.is_none() {
            needs.plugin = None;
        }
        queues.contains(&node.settings.queue) && placement::fits(&needs, &self.machine).is_ok()
    }
}

/// What is remembered from one run to the next. An address that is none is told; a file that cannot be used is not worth
/// more than a warning, because nothing of a run depends on it.
fn recall(home: &Path, url: Option<&str>) -> Result<Recall, MemoryError> {
    match memory::open(home, url) {
        Ok(memory) => Ok(Recall::new(memory, identity::host(), identity::worker_id().0)),
        Err(error @ MemoryError::Refused(_)) => Err(error),
        Err(error) => {
            tracing::warn!(%error, "nothing is remembered from one run to the next");
            Ok(Recall::default())
        }
    }
}

/// Memory that attempts may use, in bytes: what somebody gives them, but never more than there is.
fn given(memory_bytes: Option<u64>, machine: &WorkerCapacity) -> u64 {
    memory_bytes.unwrap_or(u64::MAX).min(machine.memory_bytes)
}

/// The machine's room, unless the number of slots is given; and what it follows, if it is to follow something.
fn slots(choice: SlotsChoice, memory_bytes: Option<u64>, machine: &WorkerCapacity) -> (Slots, Option<Adapt>) {
    let mib = |bytes: u64| u32::try_from(bytes >> 20).unwrap_or(u32::MAX);
    let given = given(memory_bytes, machine);
    let by_machine = reelmill_hardware::slots(machine.cpus as usize, given);
    let by_machine = u32::try_from(by_machine).unwrap_or(u32::MAX);
    let count = if let SlotsChoice::Count(count) = choice { count } else { by_machine };
    let capacity = Capacity { slots: count, memory_mib: mib(given), gpus: machine.gpus };
    let slots = Slots::new(capacity);
    let adapt = (choice == SlotsChoice::Auto).then(|| {
        let adapt = Adapt::new(by_machine, mib(machine.memory_bytes), memory_bytes.map(mib));
        adapt.apply(&slots);
        adapt
    });
    (slots, adapt)
}
