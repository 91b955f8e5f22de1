//! The context of one leased task, and of a run's outputs.

use crate::ContextError;
use crate::facts::{RunFacts, Runs};
use crate::failure;
use crate::stages::Stages;
use indexmap::IndexMap;
use reelmill_graph::expr::{Bindings, Context};
use reelmill_graph::{Graph, Node, NodeKind};
use reelmill_model::{InstanceNo, Item, NodeNo, RunId};
use reelmill_ports::{Leased, RunStore, TaskFilter};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The main body's instance, in every run.
const MAIN: InstanceNo = InstanceNo(0);

/// Everything the expressions of a leased task may name.
pub async fn task_context(
    store: &Arc<dyn RunStore>,
    facts: &RunFacts,
    leased: &Leased,
) -> Result<Context, ContextError> {
    let node = facts.compiled.graph.node(leased.node);
    let mut context = facts.context()?;
    context.attempt = Some(Arc::new(json!({ "number": leased.attempt })));
    let levels = levels(context, facts, node, leased)?;
    let mut context = levels[0].clone();
    if !node.reads.is_empty() {
        context.stages = read_stages(store, facts, node, leased, &levels).await?;
    }
    context.own = undone(store, facts, node, leased).await?.map(Arc::new);
    context.failure = failure::of(store, facts, leased).await?.map(Arc::new);
    if facts.compiled.run_tasks_readers.contains(&node.no) {
        let tasks = task_summaries(store, facts).await?;
        if let Some(Value::Object(run)) = context.run.as_mut().map(Arc::make_mut) {
            run.insert("tasks".to_owned(), tasks);
        }
    }
    Ok(context)
}

/// What is seen at each level around a task, its own first and the outermost last. Items are bound from the
/// outside in, so that the innermost `item` is the one that is seen.
fn levels(
    outermost: Context,
    facts: &RunFacts,
    node: &Node,
    leased: &Leased,
) -> Result<Vec<Context>, ContextError> {
    let mut levels = vec![outermost];
    let graph = &facts.compiled.graph;
    let owners: Vec<NodeNo> = std::iter::successors(graph.scope(node.scope).owner, |owner| {
        graph.scope(graph.node(*owner).scope).owner
    })
    .collect();
    for (owner, level) in owners.iter().zip(&leased.items).rev() {
        if let NodeKind::Body { of, .. } = &graph.node(*owner).kind {
            let item = Item { key: level.key.clone(), value: level.value.clone() };
            let outer = &levels[levels.len() - 1];
            let inner = facts.compiled.programs.within(of, level.index, &item, outer)?;
            levels.push(inner);
        } else {
            // What undoes a stage sees what the stage saw.
            levels.push(levels[levels.len() - 1].clone());
        }
    }
    levels.reverse();
    Ok(levels)
}

async fn read_stages(
    store: &Arc<dyn RunStore>,
    facts: &RunFacts,
    node: &Node,
    leased: &Leased,
    levels: &[Context],
) -> Result<IndexMap<String, Arc<Value>>, ContextError> {
    let mut by_level: BTreeMap<u32, Vec<(&str, NodeNo)>> = BTreeMap::new();
    for (name, read) in &node.reads {
        by_level.entry(read.levels_up).or_default().push((name, read.node));
    }
    let reader = Stages::new(store, facts);
    let mut stages = IndexMap::new();
    for (level, names) in by_level {
        let instance = leased.chain.get(level as usize).copied().unwrap_or(MAIN);
        let context = &levels[(level as usize).min(levels.len() - 1)];
        stages.extend(reader.read(instance, context, &names).await?);
    }
    Ok(stages)
}

/// `self`: what a stage that is undone has put out.
async fn undone(
    store: &Arc<dyn RunStore>,
    facts: &RunFacts,
    node: &Node,
    leased: &Leased,
) -> Result<Option<Value>, ContextError> {
    let Some(undone) = facts.compiled.graph.undoes(node) else { return Ok(None) };
    let instance = leased.chain.get(1).copied().unwrap_or(MAIN);
    let task = store.instance_tasks(leased.task.run, instance, &[undone]).await?.pop().flatten();
    Ok(Some(json!({ "outputs": task.map(|task| task.outputs) })))
}

/// `run.tasks`: every task of the run so far, for stages that report on it.
async fn task_summaries(store: &Arc<dyn RunStore>, facts: &RunFacts) -> Result<Value, ContextError> {
    let mut summaries = Vec::new();
    let mut filter = TaskFilter { limit: reelmill_model::limits::PAGE_ROWS_MAX, ..TaskFilter::default() };
    loop {
        let page = store.tasks(facts.new.id, filter.clone()).await?;
        let Some(last) = page.last() else { break };
        filter.after = Some(last.task);
        summaries.extend(page.iter().map(|task| {
            let node = facts.compiled.graph.node(task.node);
            let wall_ms =
                task.ended_ms.zip(task.leased_ms).map_or(0, |(end, start)| end.saturating_sub(start));
            let uses = match &node.kind {
                NodeKind::Work { plugin, .. } => format!("{}.{}", plugin.plugin, plugin.stage),
                NodeKind::Body { .. } | NodeKind::Approval(_) => String::new(),
            };
            json!({
                "path": task.path,
                "stage": node.path,
                "uses": uses,
                "state": task.state,
                "attempts": task.attempts,
                "cached": task.cached,
                "wall_ms": wall_ms,
                "cpu_ms": task.usage.cpu_ms,
                "rss_peak_bytes": task.usage.rss_peak_bytes,
            })
        }));
    }
    Ok(Value::Array(summaries))
}

/// The instance that a node of `on_failure` or `finally` stands in; none when that part did not run.
async fn instance_of(
    store: &Arc<dyn RunStore>,
    run: RunId,
    node: NodeNo,
) -> Result<Option<InstanceNo>, ContextError> {
    let filter = TaskFilter { nodes: vec![node], limit: 1, ..TaskFilter::default() };
    Ok(store.tasks(run, filter).await?.first().map(|task| task.instance))
}

/// The run's `outputs`, evaluated from the stages outside of bodies; null where a stage that one reads has put
/// out nothing.
pub async fn pipeline_outputs(runs: &Runs, run: RunId) -> Result<Value, ContextError> {
    let facts = runs.get(run).await?;
    let graph = &facts.compiled.graph;
    let reader = Stages::new(runs.store(), &facts);
    let mut context = facts.context()?;
    let mut stages = IndexMap::new();
    for (name, node) in &graph.output_reads {
        let instance = match graph.node(*node).scope {
            Graph::MAIN => Some(MAIN),
            _ => instance_of(runs.store(), run, *node).await?,
        };
        let Some(instance) = instance else { continue };
        stages.extend(reader.read(instance, &context, &[(name, *node)]).await?);
    }
    context.stages = stages;
    let bindings = Bindings::new(&context);
    let mut outputs = Map::new();
    for (name, template) in &graph.outputs {
        let value = facts.compiled.programs.render(template, &bindings).unwrap_or(Value::Null);
        outputs.insert(name.clone(), value);
    }
    Ok(Value::Object(outputs))
}
