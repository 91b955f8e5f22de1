//! `stages.x`: the state and the outputs of a stage, as expressions see them.
//!
//! The outputs of a body are nowhere stored: they are evaluated from the outputs of its tasks when someone reads
//! them, one query for all items of a fan-out, so that a fan-out is never one document in the store.

use crate::ContextError;
use crate::facts::RunFacts;
use indexmap::IndexMap;
use reelmill_graph::expr::{Bindings, Context, fan_out_value, stage_value};
use reelmill_graph::{BodyKind, Node, NodeKind, Template};
use reelmill_model::{InstanceNo, InstanceState, Item, NodeNo, RunId, TaskRef, TaskState};
use reelmill_ports::{RunStore, TaskView};
use serde_json::Value;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

type Boxed<'a, T> = Pin<Box<dyn Future<Output = Result<T, ContextError>> + Send + 'a>>;

/// Reads the stages of one run.
pub struct Stages<'a> {
    store: &'a Arc<dyn RunStore>,
    facts: &'a RunFacts,
    run: RunId,
}

impl<'a> Stages<'a> {
    /// A reader of one run.
    #[must_use]
    pub fn new(store: &'a Arc<dyn RunStore>, facts: &'a RunFacts) -> Self {
        Self { store, facts, run: facts.new.id }
    }

    /// `stages`, with these names read from these nodes of one instance, within which expressions see `context`.
    pub async fn read(
        &self,
        instance: InstanceNo,
        context: &Context,
        names: &[(&str, NodeNo)],
    ) -> Result<IndexMap<String, Arc<Value>>, ContextError> {
        let nodes: Vec<NodeNo> = names.iter().map(|(_, node)| *node).collect();
        let tasks = self.store.instance_tasks(self.run, instance, &nodes).await?;
        let mut stages = IndexMap::new();
        for ((name, node), task) in names.iter().zip(tasks) {
            stages.insert((*name).to_owned(), Arc::new(self.stage(*node, task, context).await?));
        }
        Ok(stages)
    }

    /// The value of one stage.
    fn stage<'s>(&'s self, node: NodeNo, task: Option<TaskView>, context: &'s Context) -> Boxed<'s, Value> {
        Box::pin(async move {
            let Some(task) = task else { return Ok(stage_value(TaskState::Pending, None)) };
            let node = self.facts.compiled.graph.node(node);
            match &node.kind {
                NodeKind::Body { .. } if task.state == TaskState::Succeeded => {
                    self.body(node, &task, context).await
                }
                NodeKind::Work { .. } | NodeKind::Approval(_) if task.state == TaskState::Succeeded => {
                    Ok(stage_value(task.state, Some(task.outputs)))
                }
                NodeKind::Work { .. } | NodeKind::Approval(_) | NodeKind::Body { .. } => {
                    Ok(stage_value(task.state, None))
                }
            }
        })
    }

    /// The value of a group or fan-out that has succeeded: its items' outputs, in item order.
    async fn body(&self, node: &Node, task: &TaskView, around: &Context) -> Result<Value, ContextError> {
        let NodeKind::Body { scope, of, outputs, output_reads, .. } = &node.kind else {
            return Ok(stage_value(task.state, None));
        };
        let reads: Vec<(String, NodeNo)> = match outputs {
            Some(_) => output_reads.iter().map(|(name, node)| (name.clone(), *node)).collect(),
            // The body is the single `uses` of a stage with `for_each` or `matrix`.
            None => self
                .facts
                .compiled
                .graph
                .scope(*scope)
                .nodes
                .first()
                .map(|node| (String::new(), *node))
                .into_iter()
                .collect(),
        };
        let nodes: Vec<NodeNo> = reads.iter().map(|(_, node)| *node).collect();
        let items = self.store.items(TaskRef { run: self.run, task: task.task }, &nodes).await?;
        let mut values = Vec::with_capacity(items.len());
        for item in items {
            if item.state != InstanceState::Succeeded {
                continue;
            }
            let key = item.key.clone();
            let named = Item { key: item.key.clone(), value: item.value.clone() };
            let context = self.facts.compiled.programs.within(of, item.index, &named, around)?;
            values.push((key, self.item(context, outputs.as_ref(), &reads, item.tasks).await?));
        }
        Ok(match of {
            BodyKind::Group | BodyKind::Pipeline(_) => {
                stage_value(task.state, values.pop().map(|(_, outputs)| outputs))
            }
            BodyKind::ForEach { .. } | BodyKind::Matrix { .. } => fan_out_value(task.state, values),
        })
    }

    /// What one item puts out.
    async fn item(
        &self,
        mut context: Context,
        outputs: Option<&IndexMap<String, Template>>,
        reads: &[(String, NodeNo)],
        tasks: Vec<TaskView>,
    ) -> Result<Value, ContextError> {
        let mut stages = IndexMap::new();
        for ((name, node), task) in reads.iter().zip(tasks) {
            stages.insert(name.clone(), self.stage(*node, Some(task), &context).await?);
        }
        let Some(outputs) = outputs else {
            let stage = stages.swap_remove("");
            return Ok(stage.map_or(Value::Null, |mut stage| stage["outputs"].take()));
        };
        context.stages = stages.into_iter().map(|(name, stage)| (name, Arc::new(stage))).collect();
        Ok(self.facts.compiled.programs.render_all(outputs, &Bindings::new(&context))?)
    }
}
