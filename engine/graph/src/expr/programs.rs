//! The expressions of a graph, each parsed once, evaluated as often as there are tasks.

use super::context::{Bindings, Context};
use super::error::{EvalError, reword};
use super::guard::{BUDGET, Budget, depth, guarded};
use super::parse::{ExprError, Parsed, environment, parse};
use super::stack::on_deep_stack;
use super::value::{to_json, to_text};
use crate::graph::{BodyKind, Expr, Graph, Node, NodeKind, Settings, Template, TextPart};
use cel::common::ast::IdedExpr;
use indexmap::IndexMap;
use reelmill_model::artifact::SECRET_KEY;
use reelmill_model::limits::EVALUATION_STEPS_MAX;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::sync::Arc;

/// Every expression of one graph, ready to be evaluated. Threads share it.
#[derive(Debug)]
pub struct Programs {
    by_source: HashMap<String, Program>,
}

#[derive(Debug)]
struct Program {
    parsed: Parsed,
    guarded: IdedExpr,
    deep: bool,
}

/// Nesting that the stack of any thread has room for.
const SHALLOW: usize = 40;

impl Program {
    fn new(source: &str) -> Result<Self, ExprError> {
        let parsed = parse(source)?;
        let guarded = guarded(parsed.ast());
        let deep = depth(&guarded) > SHALLOW;
        Ok(Self { parsed, guarded, deep })
    }

    fn run(&self, expr: &Expr, bindings: &Bindings<'_>) -> Result<Value, EvalError> {
        let budget = Budget::new(EVALUATION_STEPS_MAX);
        let mut context = cel::Context::with_env(Arc::clone(environment()));
        context.set_variable_resolver(bindings);
        context.add_variable_as_val(BUDGET, Box::new(budget.clone()));
        let value = cel::Value::resolve_val(&self.guarded, &context);
        if budget.is_spent() {
            return Err(EvalError::over_budget(expr));
        }
        let value = value.map_err(|error| EvalError::new(expr, reword(&self.parsed, &error)))?;
        to_json(value.as_ref()).map_err(|message| EvalError::new(expr, message))
    }
}

impl Programs {
    /// Parses every expression of a graph.
    ///
    /// # Errors
    /// The first that cannot be; the compiler of graphs lets none through.
    pub fn compile(graph: &Graph) -> Result<Self, EvalError> {
        let mut all = Vec::new();
        graph
            .vars
            .values()
            .chain(graph.outputs.values())
            .chain(graph.unique.as_ref().map(|unique| &unique.key))
            .chain(graph.concurrency.as_ref().map(|concurrency| &concurrency.key))
            .for_each(|template| expressions(template, &mut all));
        graph.nodes.iter().for_each(|node| node_expressions(node, &mut all));
        Self::of(all)
    }

    /// Parses expressions that belong together.
    ///
    /// # Errors
    /// The first that cannot be.
    pub fn of<'e>(all: impl IntoIterator<Item = &'e Expr>) -> Result<Self, EvalError> {
        let mut by_source = HashMap::new();
        for expr in all {
            if !by_source.contains_key(&expr.source) {
                let program =
                    Program::new(&expr.source).map_err(|error| EvalError::new(expr, error.message))?;
                by_source.insert(expr.source.clone(), program);
            }
        }
        Ok(Self { by_source })
    }

    /// The value of an expression.
    ///
    /// # Errors
    /// Something is missing, of the wrong type, too large or too much work.
    pub fn evaluate(&self, expr: &Expr, bindings: &Bindings<'_>) -> Result<Value, EvalError> {
        let program = self
            .by_source
            .get(&expr.source)
            .ok_or_else(|| EvalError::new(expr, "it is no expression of this pipeline"))?;
        if program.deep {
            let run = || program.run(expr, bindings);
            return on_deep_stack(run)
                .map_err(|error| EvalError::new(expr, format!("no memory for it: {error}")))?;
        }
        program.run(expr, bindings)
    }

    /// The value of a template: literals as they are, expressions evaluated, a secret as a handle.
    ///
    /// # Errors
    /// As [`evaluate`](Self::evaluate), and for a null that would become a part of a text.
    pub fn render(&self, template: &Template, bindings: &Bindings<'_>) -> Result<Value, EvalError> {
        match template {
            Template::Literal(value) => Ok(value.clone()),
            Template::Expr(expr) => self.evaluate(expr, bindings),
            Template::Text(parts) => self.text(parts, bindings).map(Value::String),
            Template::List(items) => items
                .iter()
                .map(|item| self.render(item, bindings))
                .collect::<Result<_, _>>()
                .map(Value::Array),
            Template::Map(members) => self.render_all(members, bindings),
            Template::Secret(name) => Ok(json!({ SECRET_KEY: name })),
        }
    }

    /// The object that templates make, by name: a `with`, or `outputs`.
    ///
    /// # Errors
    /// As [`render`](Self::render).
    pub fn render_all(
        &self,
        templates: &IndexMap<String, Template>,
        bindings: &Bindings<'_>,
    ) -> Result<Value, EvalError> {
        let member =
            |(name, template): (&String, &Template)| Ok((name.clone(), self.render(template, bindings)?));
        templates.iter().map(member).collect::<Result<Map<_, _>, _>>().map(Value::Object)
    }

    /// Evaluates the pipeline's `vars` in order, each with those before it, and puts them into the context.
    ///
    /// # Errors
    /// As [`render`](Self::render).
    pub fn set_vars(
        &self,
        vars: &IndexMap<String, Template>,
        context: &mut Context,
    ) -> Result<(), EvalError> {
        let mut known = Map::new();
        for (name, template) in vars {
            context.vars = Some(Arc::new(Value::Object(known.clone())));
            let value = self.render(template, &Bindings::new(context))?;
            known.insert(name.clone(), value);
        }
        context.vars = Some(Arc::new(Value::Object(known)));
        Ok(())
    }

    /// The value of a condition.
    ///
    /// # Errors
    /// As [`evaluate`](Self::evaluate), and when the value is no bool.
    pub fn condition(&self, expr: &Expr, bindings: &Bindings<'_>) -> Result<bool, EvalError> {
        match self.evaluate(expr, bindings)? {
            Value::Bool(holds) => Ok(holds),
            other => {
                Err(EvalError::new(expr, format!("a condition is true or false, this is {}", kind(&other))))
            }
        }
    }

    fn text(&self, parts: &[TextPart], bindings: &Bindings<'_>) -> Result<String, EvalError> {
        let mut whole = String::new();
        for part in parts {
            match part {
                TextPart::Text(text) => whole.push_str(text),
                TextPart::Expr(expr) => {
                    let value = self.evaluate(expr, bindings)?;
                    whole.push_str(&to_text(&value).map_err(|message| EvalError::new(expr, message))?);
                }
            }
        }
        Ok(whole)
    }
}

/// What a JSON value is, in words.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a bool",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

fn node_expressions<'g>(node: &'g Node, all: &mut Vec<&'g Expr>) {
    all.extend(&node.condition);
    let Settings { concurrency, rate_limit, .. } = &node.settings;
    let keys = [concurrency.as_ref().map(|c| &c.key), rate_limit.as_ref().map(|rate| &rate.key)];
    keys.into_iter().flatten().for_each(|key| expressions(key, all));
    match &node.kind {
        NodeKind::Work { with, .. } => with.values().for_each(|template| expressions(template, all)),
        NodeKind::Approval(approval) => {
            approval.message.iter().for_each(|message| expressions(message, all));
        }
        NodeKind::Body { of, outputs, .. } => {
            match of {
                BodyKind::ForEach { items, key } => {
                    all.push(items);
                    all.extend(key);
                }
                BodyKind::Pipeline(call) => {
                    let values = call.with.values().chain(call.vars.values());
                    values.for_each(|template| expressions(template, all));
                }
                BodyKind::Group | BodyKind::Matrix { .. } => {}
            }
            outputs.iter().flat_map(IndexMap::values).for_each(|template| expressions(template, all));
        }
    }
}

fn expressions<'t>(template: &'t Template, all: &mut Vec<&'t Expr>) {
    match template {
        Template::Literal(_) | Template::Secret(_) => {}
        Template::Expr(expr) => all.push(expr),
        Template::Text(parts) => all.extend(parts.iter().filter_map(|part| match part {
            TextPart::Expr(expr) => Some(expr),
            TextPart::Text(_) => None,
        })),
        Template::List(items) => items.iter().for_each(|item| expressions(item, all)),
        Template::Map(members) => members.values().for_each(|member| expressions(member, all)),
    }
}

/// Threads share programs; this does not compile if the CEL crate takes that away.
const fn shared<T: Send + Sync>() {}
const _: () = shared::<Programs>();

#[cfg(test)]
mod tests;
