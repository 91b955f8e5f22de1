//! `uses` and `with`: the plugin's stage is looked up, and what `with` says literally is checked against its
//! schema. What is not literal is checked by the worker, before the attempt.

use super::layout::Role;
use super::session::Session;
use reelmill_model::limits::DIAGNOSTICS_MAX;
use reelmill_spec::template::{Template, TemplateKind, Templates};
use reelmill_spec::values::ValueProblem;
use reelmill_spec::{Code, Diagnostic, Span, Spanned};
use serde_json::Value;

impl Session<'_> {
    /// Looks up every plugin's stage and checks every `with`.
    pub fn check_plugins(&mut self) {
        for site in 0..self.layout.sites.len() {
            let Role::Work(uses, with) = self.layout.sites[site].role else { continue };
            self.enter(self.layout.sites[site].unit);
            let catalog = self.catalog;
            match catalog.find(uses) {
                Ok(found) => {
                    self.plugins[site] = Some(found);
                    if let Some(checker) = found.checker {
                        let value = outline(&with.value);
                        let problems = checker.check(&value);
                        let named = uses.value.to_string();
                        for problem in problems.iter().take(DIAGNOSTICS_MAX) {
                            self.with_problem(problem, with, &named);
                        }
                    }
                }
                Err(diagnostic) => self.problems.push(*diagnostic),
            }
        }
    }

    fn with_problem(&mut self, problem: &ValueProblem, with: &Spanned<Templates>, uses: &str) {
        let here = locate(with, &problem.pointer);
        if here.computed || (here.contains_computed && is_about_values(&problem.keyword)) {
            return;
        }
        let span = match &problem.property {
            Some(property) if problem.keyword != "required" => {
                here.members.and_then(|map| map.get(property)).map_or(here.span, |member| member.span)
            }
            _ => here.span,
        };
        let name = if problem.pointer.is_empty() {
            format!("`with` of `{uses}`")
        } else {
            format!("`{}`", problem.pointer.trim_start_matches('/').replace('/', "."))
        };
        let message = format!("{name} {}", problem.message);
        self.problems.push(Diagnostic::error(Code::BadWith, span, message).maybe_help(problem.help.clone()));
    }
}

/// Keywords that speak of the values inside a map or list, which are not all known.
fn is_about_values(keyword: &str) -> bool {
    !matches!(
        keyword,
        "required"
            | "additionalProperties"
            | "unevaluatedProperties"
            | "propertyNames"
            | "type"
            | "minItems"
            | "maxItems"
            | "minProperties"
            | "maxProperties"
            | "falseSchema"
    )
}

/// The value as far as it is written out; what is computed stands as null.
fn outline(with: &Templates) -> Value {
    fn one(template: &Template) -> Value {
        match &template.kind {
            TemplateKind::Literal(value) => value.clone(),
            TemplateKind::List(items) => Value::Array(items.iter().map(one).collect()),
            TemplateKind::Map(map) => outline(map),
            TemplateKind::Expr(_) | TemplateKind::Text(_) => Value::Null,
        }
    }
    Value::Object(with.iter().map(|(name, member)| (name.clone(), one(&member.value))).collect())
}

/// A place within `with`.
struct Here<'t> {
    span: Span,
    members: Option<&'t Templates>,
    /// The value there, or one around it, is computed.
    computed: bool,
    /// A value inside of it is.
    contains_computed: bool,
}

fn locate<'t>(with: &'t Spanned<Templates>, pointer: &str) -> Here<'t> {
    let inside = |map: &Templates| map.values().any(|member| !member.value.expressions().is_empty());
    let mut here = Here {
        span: with.span,
        members: Some(&with.value),
        computed: false,
        contains_computed: inside(&with.value),
    };
    let mut at: Option<&'t Template> = None;
    for step in pointer.split('/').skip(1) {
        let step = step.replace("~1", "/").replace("~0", "~");
        let next = match at.map(|template| &template.kind) {
            None => with.value.get(&step).map(|member| &member.value),
            Some(TemplateKind::Map(map)) => map.get(&step).map(|member| &member.value),
            Some(TemplateKind::List(items)) => step.parse::<usize>().ok().and_then(|index| items.get(index)),
            Some(_) => None,
        };
        let Some(next) = next else { return here };
        here = Here {
            span: next.span,
            members: if let TemplateKind::Map(map) = &next.kind { Some(map) } else { None },
            computed: matches!(next.kind, TemplateKind::Expr(_) | TemplateKind::Text(_)),
            contains_computed: !next.expressions().is_empty(),
        };
        if here.computed {
            return here;
        }
        at = Some(next);
    }
    here
}
