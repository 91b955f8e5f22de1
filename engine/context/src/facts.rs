//! The unchanging facts of a run: what `inputs`, `vars` and `run` are in its expressions.

use crate::ContextError;
use crate::compiled::{Compiled, Graphs};
use reelmill_graph::expr::Context;
use reelmill_model::{IdMap, RunId};
use reelmill_ports::{NewRun, RunStore, StoreError};
use serde_json::json;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

/// Runs kept at once.
const RUNS_MAX: usize = 1_024;

/// A run's graph and the names that are the same for all of its tasks.
#[derive(Debug)]
pub struct RunFacts {
    /// What was submitted.
    pub new: Arc<NewRun>,
    /// Its graph.
    pub compiled: Arc<Compiled>,
    /// A context with `inputs`, `vars` and `run`, once somebody has asked for it.
    context: OnceLock<Context>,
}

impl RunFacts {
    /// The facts of a run that is submitted, or is about to be.
    #[must_use]
    pub fn new(new: Arc<NewRun>, compiled: Arc<Compiled>) -> Self {
        Self { new, compiled, context: OnceLock::new() }
    }

    /// A context with `inputs`, `vars` and `run`.
    ///
    /// # Errors
    /// A variable has no value.
    pub fn context(&self) -> Result<Context, ContextError> {
        if let Some(known) = self.context.get() {
            return Ok(known.clone());
        }
        let (new, compiled) = (&self.new, &self.compiled);
        let started = UNIX_EPOCH + Duration::from_millis(new.created_ms);
        let run = json!({
            "id": new.id.to_string(),
            "name": new.name,
            "namespace": new.namespace,
            "labels": new.labels,
            "pipeline": compiled.graph.name,
            "seed": new.seed,
            "started_at": humantime::format_rfc3339_millis(started).to_string(),
        });
        let mut context = Context {
            inputs: Some(Arc::new(new.inputs.clone())),
            run: Some(Arc::new(run)),
            ..Context::default()
        };
        compiled.programs.set_vars(&compiled.graph.vars, &mut context)?;
        Ok(self.context.get_or_init(|| context).clone())
    }
}

/// The runs in use. A clone is another handle on the same.
#[derive(Clone)]
pub struct Runs(Arc<Inner>);

struct Inner {
    store: Arc<dyn RunStore>,
    graphs: Graphs,
    known: Mutex<IdMap<RunId, Arc<RunFacts>>>,
}

impl Runs {
    /// No run is loaded yet.
    #[must_use]
    pub fn new(store: Arc<dyn RunStore>) -> Self {
        let graphs = Graphs::new(Arc::clone(&store));
        Self(Arc::new(Inner { store, graphs, known: Mutex::new(IdMap::default()) }))
    }

    /// The store that is read.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn RunStore> {
        &self.0.store
    }

    /// The graphs in use.
    #[must_use]
    pub fn graphs(&self) -> &Graphs {
        &self.0.graphs
    }

    /// The facts of a run, loaded when they are asked for first.
    pub async fn get(&self, id: RunId) -> Result<Arc<RunFacts>, ContextError> {
        if let Some(known) = self.lock().get(&id) {
            return Ok(Arc::clone(known));
        }
        let new = self.0.store.submitted(id).await?.ok_or(StoreError::NoSuchRun(id))?;
        let compiled = self.0.graphs.get(new.graph).await?;
        let facts = Arc::new(RunFacts::new(new, compiled));
        let mut known = self.lock();
        if known.len() >= RUNS_MAX {
            known.clear();
        }
        known.insert(id, Arc::clone(&facts));
        Ok(facts)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, IdMap<RunId, Arc<RunFacts>>> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
