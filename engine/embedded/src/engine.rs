//! A state with plugins and a worker.

use crate::hooks::Hooks;
use crate::state::{FleetStores, State};
use crate::{OpenError, capacity, identity, scratch};
use prometheus::Registry;
use reelmill_archive::Retention;
use reelmill_context::Runs;
use reelmill_control::schedule::{Calls, Scheduler, StoreLauncher, SystemTimer, follow};
use reelmill_graph::compile::Catalog;
use reelmill_graph::{Node, placement};
use reelmill_host::{Host, HostConfig, Plugin, discover};
use reelmill_model::{Requirements, RunState, WorkerCapacity, limits};
use reelmill_ports::{Only, ResultCache, RunFilter, RunStore, StoreError};
use reelmill_runtime::{
    Capacity, Executor, Lanes, Metrics, Paces, Plugins, Secrets, Slots, Worker, WorkerConfig, bury,
};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How the engine is put together.
#[derive(Clone, Debug)]
pub struct Options {
    /// Folders with plugins, best first.
    pub plugin_dirs: Vec<PathBuf>,
    /// The `reelmill-runner` program.
    pub runner: PathBuf,
    /// Slots; as many as the machine has room for when none.
    pub slots: Option<u32>,
    /// Whether results of earlier attempts are used.
    pub use_cache: bool,
    /// Whether the folders of attempts are left for debugging.
    pub keep_scratch: bool,
    /// Labels of this machine, for stages that ask for them.
    pub labels: BTreeMap<String, String>,
    /// Hardware encoders of this machine.
    pub encoders: Vec<String>,
    /// Folder with one file a secret; `secrets` in the home folder when none.
    pub secrets_dir: Option<PathBuf>,
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
        let machine = capacity::of_this_machine(&state.home, options.labels, options.encoders, builds);
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
            slots: Slots::new(slots(options.slots, &machine)),
            fleet: store.clone(),
            lanes: Lanes::default(),
            paces: Paces::default(),
            scratch,
            metrics: Metrics::register(&registry)?,
        };
        let problems = problems.iter().map(ToString::to_string).collect();
        Ok(Self { state, plugins, problems, registry, machine, host, executor: Arc::new(executor) })
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

    /// Starts the worker on these queues. Leases of workers of this machine that have died are given back first.
    pub async fn start_worker(&self, only: Only, queues: Vec<String>) -> Result<Worker, OpenError> {
        let store = &self.state.store;
        bury(&**store, &**store, identity::is_dead, &self.state.home.join("scratch")).await?;
        let config = WorkerConfig {
            worker: identity::worker_id(),
            machine: self.machine.clone(),
            lanes: self.lanes(&queues, &only).await?,
            queues,
            only,
            lease: WorkerConfig::LEASE,
            is_dead: identity::is_dead,
        };
        Worker::start(store.clone(), self.executor.clone(), config)
            .map_err(|source| OpenError::Io { what: "start the worker".to_owned(), source })
    }

    /// Moves runs of a fleet that ended so long ago into its archive, until `end`. At home nothing has to
    /// be moved.
    pub fn start_archiving(&self, keep: Duration, end: CancellationToken) {
        if let Some(FleetStores { hot, cold }) = self.state.fleet.clone() {
            tokio::spawn(reelmill_archive::run(hot, cold, Retention { keep }, end));
        }
    }

    /// Starts the runs of triggers of registered pipelines when they are due, until `end`; gives the way in for calls.
    pub fn start_triggers(&self, end: CancellationToken) -> Hooks {
        let control = &self.state.control;
        let (tell, pipelines) = watch::channel(Vec::new());
        tokio::spawn(follow(control.clone(), tell, end.clone()));
        let launcher = StoreLauncher { control: control.clone(), catalog: self.catalog() };
        let launcher = Arc::new(launcher);
        let scheduler =
            Scheduler::new(launcher.clone(), control.marks.clone(), Arc::new(SystemTimer), pipelines.clone());
        tokio::spawn(scheduler.run(end));
        let calls = Calls { launcher, control: control.clone() };
        Hooks::new(pipelines, calls, self.executor.secrets.clone())
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

/// The machine's room, unless the number of slots is given.
fn slots(given: Option<u32>, machine: &WorkerCapacity) -> Capacity {
    let slots = reelmill_hardware::slots(machine.cpus as usize, machine.memory_bytes);
    let memory_mib = machine.memory_bytes >> 20;
    Capacity {
        slots: given.unwrap_or_else(|| u32::try_from(slots).unwrap_or(u32::MAX)),
        memory_mib: u32::try_from(memory_mib).unwrap_or(u32::MAX),
        gpus: machine.gpus,
    }
}
