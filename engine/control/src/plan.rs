//! Plan: what a run would do, before it does anything. Walks the graph as a run would, with the outputs that the
//! result cache knows; where it knows none, what depends on them is unknown.

use crate::prepare::Pipeline;
use crate::{Control, ControlError};
use reelmill_context::cache_parts;
use reelmill_graph::expr::{Bindings, Context, Programs, fan_out_value, stage_value};
use reelmill_graph::{BodyKind, CacheMode, Graph, Node, NodeKind, PluginLock, canonical};
use reelmill_model::manifest::Located;
use reelmill_model::{NodeNo, RunState, ScopeNo, StageManifest, TaskState};
use reelmill_ports::{RunFilter, TaskFilter};
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

/// Items of one fan-out that are looked at; a wider one is planned from these.
const ITEMS_PLANNED_MAX: usize = 200;
/// Earlier runs that durations are taken from.
const HISTORY_RUNS_MAX: usize = 5;

/// What a run would do.
#[derive(Debug, Serialize)]
pub struct Plan {
    /// The pipeline's name.
    pub name: String,
    /// Its stages, in order.
    pub stages: Vec<PlannedStage>,
}

/// One stage of a plan.
#[derive(Debug, Default, Serialize)]
pub struct PlannedStage {
    /// Its path.
    pub path: String,
    /// `plugin.stage`, and the version it is locked to; of a registered pipeline its name and revision; none for a group or
    /// fan-out.
    pub uses: Option<String>,
    /// Tasks that are known to come; none when that depends on outputs that are not known yet.
    pub tasks: Option<usize>,
    /// Tasks at the very most.
    pub tasks_max: usize,
    /// Tasks whose outputs are in the cache.
    pub cached: usize,
    /// Why the others are not, each reason with the number of tasks.
    pub not_cached: BTreeMap<String, usize>,
    /// What one task took in earlier runs, in milliseconds: the median.
    pub expected_ms: Option<u64>,
}

type Boxed<'a, T> = Pin<Box<dyn Future<Output = Result<T, ControlError>> + Send + 'a>>;
/// What is known of the stages around the one that is looked at.
type Known = HashMap<NodeNo, Arc<Value>>;

impl Control {
    /// What a run with these inputs would do. `inputs` are checked and complete.
    pub async fn plan(
        &self,
        pipeline: &Pipeline,
        inputs: Value,
        base_dir: &Path,
        plugins: &[Located],
    ) -> Result<Plan, ControlError> {
        let programs = Programs::compile(&pipeline.graph).map_err(reelmill_context::ContextError::from)?;
        let mut context = Context { inputs: Some(Arc::new(inputs)), ..Context::default() };
        // A variable that names the run has no value yet; whatever reads it is then unknown.
        let _ = programs.set_vars(&pipeline.graph.vars, &mut context);
        let mut walk = Walk {
            control: self,
            graph: &pipeline.graph,
            programs,
            plugins,
            base_dir: base_dir.to_owned(),
            stages: BTreeMap::new(),
        };
        let mut known = Known::new();
        walk.scope(Graph::MAIN, &context, &mut known).await?;
        let expected = self.expected(&pipeline.graph).await?;
        let planned = pipeline.graph.nodes.iter().filter(|node| pipeline.graph.undoes(node).is_none());
        let stages = planned.map(|node| {
            let mut stage = walk.stages.remove(&node.no).unwrap_or_default();
            stage.path.clone_from(&node.path);
            stage.uses = uses_of(node);
            stage.tasks_max = most_tasks(&pipeline.graph, node);
            stage.expected_ms = expected.get(&node.path).copied();
            stage
        });
        Ok(Plan { name: pipeline.graph.name.clone(), stages: stages.collect() })
    }

    /// What one task of each stage took, in the median of the last runs of a pipeline of this name.
    async fn expected(&self, graph: &Graph) -> Result<BTreeMap<String, u64>, ControlError> {
        let filter = RunFilter {
            states: vec![RunState::Succeeded],
            name: Some(graph.name.clone()),
            limit: HISTORY_RUNS_MAX,
            ..RunFilter::default()
        };
        let mut took: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for run in self.store.runs(filter).await? {
            let graph = self.runs.graphs().get(run.new.graph).await?;
            for task in self.all_tasks(run.new.id, TaskFilter::default()).await? {
                if task.usage.execute_ms > 0 {
                    took.entry(graph.graph.node(task.node).path.clone())
                        .or_default()
                        .push(task.usage.execute_ms);
                }
            }
        }
        let median = |mut all: Vec<u64>| {
            all.sort_unstable();
            all[all.len() / 2]
        };
        Ok(took.into_iter().map(|(path, all)| (path, median(all))).collect())
    }
}

/// What a stage does, in the version that is locked in the graph.
fn uses_of(node: &Node) -> Option<String> {
    match &node.kind {
        NodeKind::Work { plugin, .. } => {
            Some(format!("{}.{} {}", plugin.plugin, plugin.stage, plugin.version))
        }
        NodeKind::Body { of: BodyKind::Pipeline(call), .. } => {
            call.registered.as_ref().map(|name| format!("pipeline {name}"))
        }
        NodeKind::Body { .. } | NodeKind::Approval(_) => None,
    }
}

/// Tasks of a node at the very most: the product of the widths around it.
fn most_tasks(graph: &Graph, node: &Node) -> usize {
    let mut most = 1_usize;
    let mut owner = graph.scope(node.scope).owner;
    while let Some(around) = owner {
        let around = graph.node(around);
        if let NodeKind::Body { of, fan_out, .. } = &around.kind {
            most = most.saturating_mul(match of {
                BodyKind::Group | BodyKind::Pipeline(_) => 1,
                BodyKind::Matrix { rows } => rows.len(),
                BodyKind::ForEach { .. } => fan_out.max_items as usize,
            });
        }
        owner = graph.scope(around.scope).owner;
    }
    most
}

struct Walk<'a> {
    control: &'a Control,
    graph: &'a Graph,
    programs: Programs,
    plugins: &'a [Located],
    base_dir: PathBuf,
    stages: BTreeMap<NodeNo, PlannedStage>,
}

/// What is to be said of one task.
enum Task {
    Cached(Value),
    NotCached(String),
}

impl Walk<'_> {
    /// Walks one copy of a body; what it learns of its stages goes into `known`.
    fn scope<'s>(&'s mut self, scope: ScopeNo, around: &'s Context, known: &'s mut Known) -> Boxed<'s, ()> {
        Box::pin(async move {
            let graph = self.graph;
            for no in &graph.scope(scope).nodes {
                let node = graph.node(*no);
                let task = self.node(node, around, known).await?;
                let stage = self.stages.entry(*no).or_default();
                stage.tasks = Some(stage.tasks.unwrap_or(0) + 1);
                match task {
                    Task::Cached(value) => {
                        stage.cached += usize::from(matches!(node.kind, NodeKind::Work { .. }));
                        known.insert(*no, Arc::new(value));
                    }
                    Task::NotCached(why) => {
                        *stage.not_cached.entry(why).or_default() += 1;
                        known.remove(no);
                    }
                }
            }
            Ok(())
        })
    }

    async fn node(&mut self, node: &Node, around: &Context, known: &Known) -> Result<Task, ControlError> {
        let mut context = around.clone();
        for (name, read) in &node.reads {
            let Some(value) = known.get(&read.node) else {
                return Ok(Task::NotCached(format!(
                    "`{}` has to run first",
                    self.graph.node(read.node).path
                )));
            };
            context.stages.insert(name.clone(), Arc::clone(value));
        }
        if let Some(condition) = &node.condition {
            match self.programs.condition(condition, &Bindings::new(&context)) {
                Ok(true) => {}
                Ok(false) => return Ok(Task::NotCached("its `if` is false: it is skipped".to_owned())),
                Err(error) => return Ok(Task::NotCached(error.to_string())),
            }
        }
        match &node.kind {
            NodeKind::Work { plugin, with } => {
                let with = match self.programs.render_all(with, &Bindings::new(&context)) {
                    Ok(with) => with,
                    Err(error) => return Ok(Task::NotCached(error.to_string())),
                };
                self.work(node, plugin, &with).await
            }
            NodeKind::Approval(_) => Ok(Task::NotCached("someone has to approve it".to_owned())),
            NodeKind::Body { of, .. } => self.body(node, of, &context, known).await,
        }
    }

    async fn work(&self, node: &Node, lock: &PluginLock, with: &Value) -> Result<Task, ControlError> {
        if lock.external || node.settings.cache != CacheMode::Auto {
            return Ok(Task::NotCached("it always runs".to_owned()));
        }
        let Some(stage) = self.manifest(lock) else {
            return Ok(Task::NotCached("its plugin is not installed".to_owned()));
        };
        let Some(parts) = cache_parts(lock, stage, with, &self.base_dir.join(self.graph.folder_of(node)))
        else {
            return Ok(Task::NotCached("it uses a secret or a very large folder".to_owned()));
        };
        let name = format!("{}.{}", lock.plugin, lock.stage);
        let key = canonical::cache_key(&parts);
        Ok(match self.control.cache.nearest(&name, &parts).await? {
            Some(entry) if entry.key == key => {
                Task::Cached(stage_value(TaskState::Succeeded, Some(entry.outputs)))
            }
            Some(entry) => Task::NotCached(canonical::differences(&parts, &entry.parts)),
            None => Task::NotCached("it has never run".to_owned()),
        })
    }

    fn manifest(&self, lock: &PluginLock) -> Option<&StageManifest> {
        let plugin = self.plugins.iter().find(|plugin| plugin.digest == lock.digest)?;
        plugin.manifest.stages.iter().find(|stage| stage.id == lock.stage)
    }

    /// Walks the items of a body, as far as they are known.
    async fn body(
        &mut self,
        node: &Node,
        of: &BodyKind,
        context: &Context,
        known: &Known,
    ) -> Result<Task, ControlError> {
        let NodeKind::Body { scope, fan_out, outputs, output_reads, .. } = &node.kind else {
            return Ok(Task::NotCached(String::new()));
        };
        let items = match self.programs.expand(of, fan_out, context) {
            Ok(items) => items,
            Err(error) => return Ok(Task::NotCached(error.to_string())),
        };
        let mut values = Vec::with_capacity(items.len());
        for (index, item) in (0_u32..).zip(items.iter().take(ITEMS_PLANNED_MAX)) {
            let Ok(inner) = self.programs.within(of, index, item, context) else { continue };
            let mut around = known.clone();
            self.scope(*scope, &inner, &mut around).await?;
            let mut reads = output_reads.clone();
            if outputs.is_none() {
                reads.extend(self.graph.scope(*scope).nodes.first().map(|only| (String::new(), *only)));
            }
            let stages = reads.iter().map(|(name, no)| Some((name.clone(), around.get(no)?.clone())));
            let Some(stages) = stages.collect::<Option<indexmap::IndexMap<_, _>>>() else { continue };
            let value = match outputs {
                None => stages[""]["outputs"].clone(),
                Some(outputs) => {
                    let inner = Context { stages, ..inner };
                    match self.programs.render_all(outputs, &Bindings::new(&inner)) {
                        Ok(value) => value,
                        Err(_) => continue,
                    }
                }
            };
            values.push((item.key.clone(), value));
        }
        if values.len() < items.len() {
            return Ok(Task::NotCached("some of its items have to run".to_owned()));
        }
        Ok(Task::Cached(match of {
            BodyKind::Group | BodyKind::Pipeline(_) => {
                stage_value(TaskState::Succeeded, values.pop().map(|(_, value)| value))
            }
            BodyKind::ForEach { .. } | BodyKind::Matrix { .. } => fan_out_value(TaskState::Succeeded, values),
        }))
    }
}
