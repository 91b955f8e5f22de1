//! The values an expression can read, and their form during evaluation.
//!
//! A [`Context`] is what the caller has; [`Bindings`] convert of it what an expression asks for, once, however
//! many expressions are evaluated: a fan-out of 10,000 items that nobody reads costs nothing.

use super::names::ROOTS;
use super::value::{from_json, key};
use cel::common::types::CelMap;
use cel::common::value::{CowVal, Val};
use cel::context::VariableResolver;
use indexmap::IndexMap;
use reelmill_model::{Item, TaskState};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

/// The values an expression can read. What is `None` does not exist at this place.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// The run's inputs, an object.
    pub inputs: Option<Arc<Value>>,
    /// The pipeline's variables, an object.
    pub vars: Option<Arc<Value>>,
    /// About the run: `id labels name namespace pipeline seed started_at`, and `tasks` where a stage reads them.
    pub run: Option<Arc<Value>>,
    /// The stages read, by name, each as [`stage_value`] or [`fan_out_value`] makes it.
    pub stages: IndexMap<String, Arc<Value>>,
    /// The item of the innermost `for_each`.
    pub item: Option<Arc<Value>>,
    /// The place of the innermost item or combination, from 0.
    pub index: Option<u32>,
    /// The combination of the innermost `matrix`, an object.
    pub matrix: Option<Arc<Value>>,
    /// What started the run.
    pub trigger: Option<Arc<Value>>,
    /// About the attempt: `number`, from 1.
    pub attempt: Option<Arc<Value>>,
    /// The stage itself, where it has ended: its `outputs`.
    pub own: Option<Arc<Value>>,
    /// In `on_failure`: `stage class code message` of what failed.
    pub failure: Option<Arc<Value>>,
}

impl Context {
    fn root(&self, name: &str) -> Option<&Value> {
        let value = match name {
            "inputs" => &self.inputs,
            "vars" => &self.vars,
            "run" => &self.run,
            "item" => &self.item,
            "matrix" => &self.matrix,
            "trigger" => &self.trigger,
            "attempt" => &self.attempt,
            "self" => &self.own,
            "failure" => &self.failure,
            _ => return None,
        };
        value.as_deref()
    }
}

/// A stage as expressions see it: `{state, outputs}`. Outputs exist only of a stage that succeeded.
#[must_use]
pub fn stage_value(state: TaskState, outputs: Option<Value>) -> Value {
    let mut value = json!({ "state": state.word() });
    if let Some(outputs) = outputs {
        value["outputs"] = outputs;
    }
    value
}

/// A fan-out as expressions see it: `{state, outputs: […], by_key: {…}}`, in item order. An item that did not
/// succeed stands in neither.
#[must_use]
pub fn fan_out_value(state: TaskState, items: Vec<(String, Value)>) -> Value {
    let by_key: Map<String, Value> = items.iter().cloned().collect();
    let outputs: Vec<Value> = items.into_iter().map(|(_, value)| value).collect();
    json!({ "state": state.word(), "outputs": outputs, "by_key": by_key })
}

/// The values of a context in the form in which they are evaluated, for as many expressions as read the same values.
pub struct Bindings<'c> {
    context: &'c Context,
    roots: [OnceLock<Box<dyn Val + 'c>>; ROOTS.len()],
    stages: HashMap<&'c str, OnceLock<Box<dyn Val + 'c>>>,
    all_stages: OnceLock<Box<dyn Val + 'c>>,
    index: Option<Value>,
}

impl<'c> Bindings<'c> {
    /// Nothing is converted yet.
    pub fn new(context: &'c Context) -> Self {
        Self {
            context,
            roots: [const { OnceLock::new() }; ROOTS.len()],
            stages: context.stages.keys().map(|name| (name.as_str(), OnceLock::new())).collect(),
            all_stages: OnceLock::new(),
            index: context.index.map(Value::from),
        }
    }
}

impl VariableResolver for Bindings<'_> {
    /// The evaluator asks for the longest name first, so `stages.scene` is found without the other stages.
    fn resolve<'b>(&'b self, name: &str) -> Option<CowVal<'b, 'b>> {
        if let Some(stage) = name.strip_prefix("stages.") {
            let value = self.context.stages.get(stage)?;
            let cell = self.stages.get(stage)?;
            return Some(CowVal::Borrowed(cell.get_or_init(|| from_json(value)).as_ref()));
        }
        if name == "stages" {
            return Some(CowVal::Borrowed(self.all_stages.get_or_init(|| all_stages(self.context)).as_ref()));
        }
        let cell = &self.roots[ROOTS.iter().position(|root| *root == name)?];
        if name == "index" {
            return self.index.as_ref().map(|value| CowVal::Owned(from_json(value)));
        }
        let value = self.context.root(name)?;
        Some(CowVal::Borrowed(cell.get_or_init(|| from_json(value)).as_ref()))
    }
}

fn all_stages(context: &Context) -> Box<dyn Val + '_> {
    let stages: HashMap<_, _> =
        context.stages.iter().map(|(name, value)| (key(name), from_json(value))).collect();
    Box::new(CelMap::from(stages))
}

/// The context within an item: what the fan-out's own context has, and the item.
#[must_use]
pub fn within_item(outer: &Context, item: &Item, index: u32, is_matrix: bool) -> Context {
    let mut inner = Context { index: Some(index), ..outer.clone() };
    let value = Some(Arc::new(item.value.clone()));
    if is_matrix {
        inner.matrix = value;
    } else {
        inner.item = value;
    }
    inner
}
