//! Triggers: their expressions checked and made ready. They see `trigger` and nothing else: there is no run yet.

use super::emit;
use crate::expr::{self, Bindings, Context, EvalError, Programs, Reference};
use crate::graph::{Expr, Template};
use indexmap::IndexMap;
use reelmill_spec::template::Expr as Written;
use reelmill_spec::trigger::{Overlap, Trigger as WrittenTrigger, TriggerInputs, When};
use reelmill_spec::{Code, Diagnostic, Problems, Spec, suggest};
use serde_json::{Map, Value};
use std::sync::Arc;

/// What starts runs of a pipeline by itself.
#[derive(Clone, Debug)]
pub struct Trigger {
    /// Its name.
    pub name: String,
    /// What it waits for.
    pub when: When,
    /// What happens when the run before has not ended.
    pub overlap: Overlap,
    inputs: Inputs,
    programs: Arc<Programs>,
}

#[derive(Clone, Debug)]
enum Inputs {
    Each(IndexMap<String, Template>),
    Whole(Expr),
}

impl Trigger {
    /// The inputs of a run, as they would be given to it by hand. `about` is what expressions read as `trigger`.
    ///
    /// # Errors
    /// An expression has no value, or the whole of them is no map.
    pub fn inputs(&self, about: Value) -> Result<Map<String, Value>, EvalError> {
        let context = Context { trigger: Some(Arc::new(about)), ..Context::default() };
        let bindings = Bindings::new(&context);
        match &self.inputs {
            Inputs::Each(inputs) => match self.programs.render_all(inputs, &bindings)? {
                Value::Object(map) => Ok(map),
                _ => Ok(Map::new()),
            },
            Inputs::Whole(expr) => match self.programs.evaluate(expr, &bindings)? {
                Value::Object(map) => Ok(map),
                _ => Err(EvalError::new(expr, "the inputs of a run are a map, and this is none")),
            },
        }
    }
}

/// The triggers of a spec that nothing is wrong with, and what is wrong with the others.
pub fn compile(spec: &Spec) -> (Vec<Trigger>, Vec<Diagnostic>) {
    let mut problems = Problems::default();
    let triggers = spec.triggers.values().filter_map(|written| one(written, &mut problems)).collect();
    (triggers, problems.finish(Some(&spec.tree)))
}

fn one(written: &WrittenTrigger, problems: &mut Problems) -> Option<Trigger> {
    let expressions: Vec<&Written> = match &written.inputs {
        TriggerInputs::Each(inputs) => {
            inputs.values().flat_map(|template| template.value.expressions()).collect()
        }
        TriggerInputs::Whole(expr) => vec![expr],
    };
    let before = problems.errors();
    for expr in &expressions {
        check(expr, &written.when, problems);
    }
    let ready: Vec<Expr> = expressions.into_iter().map(emit::expr).collect();
    let programs = (problems.errors() == before).then(|| Programs::of(&ready).ok()).flatten()?;
    let inputs = match &written.inputs {
        TriggerInputs::Each(inputs) => Inputs::Each(emit::templates(inputs, false)),
        TriggerInputs::Whole(expr) => Inputs::Whole(emit::expr(expr)),
    };
    Some(Trigger {
        name: written.name.value.clone(),
        when: written.when.clone(),
        overlap: written.overlap,
        inputs,
        programs: Arc::new(programs),
    })
}

fn check(expr: &Written, when: &When, problems: &mut Problems) {
    let references = match expr::parse(&expr.source) {
        Ok(parsed) => parsed.references().to_vec(),
        Err(error) => {
            let span = expr.part(error.offset..error.offset + 1);
            problems.push(Diagnostic::error(Code::BadExpression, span, error.message).maybe_help(error.help));
            return;
        }
    };
    for reference in &references {
        if let Some((name, message, help)) = unknown(reference, when) {
            let span = expr.part(name.offset..name.offset + name.name.len());
            problems.push(Diagnostic::error(Code::UnknownContext, span, message).maybe_help(help));
        }
    }
}

/// What is wrong with what an expression reads: the step, a message, a remedy.
fn unknown<'r>(reference: &'r Reference, when: &When) -> Option<(&'r expr::Step, String, Option<String>)> {
    let root = &reference.path[0];
    if root.name != "trigger" {
        let message = format!("`{}` has no value here: a trigger fires before there is a run", root.name);
        return Some((root, message, Some("read `trigger`".to_owned())));
    }
    let member = reference.path.get(1)?;
    let known = when.members();
    if member.optional || known.contains(&member.name.as_str()) {
        return None;
    }
    let message = format!("`trigger` of a {} has no `{}`", when.word(), member.name);
    Some((member, message, suggest::or_list(&member.name, known.iter().copied(), "")))
}
