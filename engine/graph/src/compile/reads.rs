//! Every expression of the pipeline: parsed, what it reads resolved, edges drawn from it.

use super::layout::Role;
use super::names::{find, find_in};
use super::session::Session;
use super::types::{Purpose, Typed};
use crate::expr::{Reference, Type};
use crate::graph::DepKind;
use reelmill_spec::spec::FanOut;
use reelmill_spec::suggest;
use reelmill_spec::template::{Expr, Template, TemplateKind, Templates};
use reelmill_spec::yaml::Node;
use reelmill_spec::{Code, Diagnostic, Span, Spanned};

/// Where an expression stands; this says what it may read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// An `if` or `for_each.in`.
    Site(usize),
    /// A `for_each.key`.
    Key(usize),
    /// A `with`.
    With(usize),
    /// `outputs` of the owner of an area, or of the pipeline for area 0.
    Outputs(usize),
    /// `with` of a stage that runs another pipeline.
    Inputs(usize),
    /// `vars` of a file, with the number of those before it.
    Vars(usize, usize),
    /// `unique.key` or `concurrency.key` of the pipeline.
    Run,
}

impl Place {
    fn site(self) -> Option<usize> {
        match self {
            Self::Site(site) | Self::Key(site) | Self::With(site) | Self::Inputs(site) => Some(site),
            Self::Outputs(_) | Self::Vars(..) | Self::Run => None,
        }
    }
}

/// What `run` has.
const RUN: [&str; 8] = ["id", "labels", "name", "namespace", "pipeline", "seed", "started_at", "tasks"];
/// What `failure` has.
const FAILURE: [&str; 4] = ["stage", "class", "code", "message"];

impl<'s> Session<'s> {
    /// Looks through all expressions.
    pub fn read_all(&mut self) {
        let units = self.units;
        for (number, unit) in units.iter().enumerate() {
            self.enter(number);
            for (index, var) in unit.spec.vars.values().enumerate() {
                self.template(&var.value, Place::Vars(number, index), "");
            }
        }
        for site in 0..self.layout.sites.len() {
            self.enter(self.layout.sites[site].unit);
            self.read_site(site);
        }
        self.enter(0);
        self.templates(&units[0].spec.outputs, Place::Outputs(0), "");
        let spec = &units[0].spec;
        let keys =
            [spec.unique.as_ref().map(|unique| &unique.key), spec.concurrency.as_ref().map(|c| &c.key)];
        keys.into_iter().flatten().for_each(|key| self.limit_key(key, Place::Run));
    }

    /// The key of a limit. It stands in listings, so it reads no secret.
    fn limit_key(&mut self, key: &'s Template, place: Place) {
        self.in_key = true;
        match &key.kind {
            TemplateKind::Expr(expr) => self.expression(expr, place, Purpose::LimitKey),
            _ => self.template(key, place, ""),
        }
        self.in_key = false;
    }

    /// The file that a place is in.
    pub(super) fn unit_of(&self, place: Place) -> usize {
        match place {
            Place::Outputs(area) => self.layout.areas[area].unit,
            Place::Vars(unit, _) => unit,
            Place::Run => 0,
            Place::Site(site) | Place::Key(site) | Place::With(site) | Place::Inputs(site) => {
                self.layout.sites[site].unit
            }
        }
    }

    fn read_site(&mut self, site: usize) {
        let stage = self.layout.sites[site].stage;
        if let Role::Work(_, with) = self.layout.sites[site].role {
            self.templates(&with.value, Place::With(site), "");
            if self.layout.undoes(site).is_none() {
                let keys =
                    [stage.concurrency.as_ref().map(|c| &c.key), stage.rate_limit.as_ref().map(|r| &r.key)];
                keys.into_iter().flatten().for_each(|key| self.limit_key(key, Place::Site(site)));
            }
        }
        if let Role::Approval(approval) = self.layout.sites[site].role
            && let Some(message) = &approval.message
        {
            self.template(message, Place::Site(site), "");
        }
        if let Role::Pipeline(area, with) = self.layout.sites[site].role {
            self.read_call(site, area, with);
        }
        if self.layout.is_single(site) {
            return;
        }
        if let Some(condition) = &stage.condition {
            self.expression(condition, Place::Site(site), Purpose::Condition);
        }
        if let Some(FanOut::ForEach(each)) = &stage.fan_out {
            self.expression(&each.items, Place::Site(site), Purpose::Items);
            if let Some(key) = &each.key {
                self.expression(key, Place::Key(site), Purpose::Key);
            }
        }
        if let Role::Body(area) = self.layout.sites[site].role {
            self.templates(&stage.outputs, Place::Outputs(area), "");
        }
        self.needs(site);
        for watched in self.layout.watched(site) {
            self.edge(site, watched, DepKind::Order, stage.name.span);
        }
    }

    /// What a stage gives to another pipeline, and what it gets from there.
    fn read_call(&mut self, site: usize, area: usize, with: &'s Spanned<Templates>) {
        self.check_inputs(site, area, with);
        self.templates(&with.value, Place::Inputs(site), "");
        let called = self.layout.areas[area].unit;
        self.enter(called);
        self.templates(&self.units[called].spec.outputs, Place::Outputs(area), "");
        self.enter(self.layout.sites[site].unit);
    }

    fn needs(&mut self, site: usize) {
        for need in &self.layout.sites[site].stage.needs {
            match find(&self.layout, site, &need.value, need.span) {
                Ok(target) if target.levels_up == 0 => {
                    self.edge(site, target.site, DepKind::Order, need.span);
                }
                Ok(_) => {
                    let message =
                        format!("`needs` names stages of its own group; `{}` is outside", need.value);
                    self.error(Code::NotVisible, need.span, message, "put `needs` on the group instead");
                }
                Err(diagnostic) => self.problems.push(*diagnostic),
            }
        }
    }

    fn templates(&mut self, templates: &'s Templates, place: Place, pointer: &str) {
        for (name, template) in templates {
            let name = name.replace('~', "~0").replace('/', "~1");
            self.template(&template.value, place, &format!("{pointer}/{name}"));
        }
    }

    fn template(&mut self, template: &'s Template, place: Place, pointer: &str) {
        match &template.kind {
            TemplateKind::Literal(_) => {}
            TemplateKind::Expr(expr) if expr.secret().is_some() && matches!(place, Place::With(_)) => {
                self.secret(expr, place);
            }
            TemplateKind::Expr(expr) => self.expression(expr, place, Purpose::With(pointer.to_owned())),
            TemplateKind::Text(_) => {
                self.judge_with(place, pointer, &Type::String, template.span);
                for expr in template.expressions() {
                    self.expression(expr, place, Purpose::Any);
                }
            }
            TemplateKind::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.template(item, place, &format!("{pointer}/{index}"));
                }
            }
            TemplateKind::Map(map) => self.templates(map, place, pointer),
        }
    }

    fn secret(&mut self, expr: &Expr, place: Place) {
        let name = expr.secret().unwrap_or_default();
        let secrets = &self.units[self.unit_of(place)].spec.secrets;
        if !secrets.iter().any(|secret| secret.value == name) {
            let known = secrets.iter().map(|secret| secret.value.as_str());
            let near = suggest::nearest(name, known).map(|near| format!("did you mean `{near}`?"));
            let help = near.unwrap_or_else(|| format!("add `{name}` to the pipeline's `secrets`"));
            self.error(Code::UnknownSecret, expr.span, format!("secret `{name}` is not declared"), help);
        }
    }

    fn expression(&mut self, expr: &'s Expr, place: Place, purpose: Purpose) {
        // Enough is wrong already; the rest would only be counted.
        if self.problems.is_full() {
            return;
        }
        let Some(parsed) = self.parse(expr) else { return };
        let before = self.problems.errors();
        for reference in parsed.references() {
            self.reference(expr, reference, place);
        }
        // An expression that reads what is not there has no type worth speaking of.
        if self.problems.errors() == before {
            self.maybe_missing(expr, parsed.references(), place);
            self.typed.push(Typed { expr, parsed, place, purpose });
        }
    }

    /// Warns of inputs that a run may leave out, where the expression never asks whether they are there.
    fn maybe_missing(&mut self, expr: &Expr, references: &[Reference], place: Place) {
        let spec = &self.units[self.unit_of(place)].spec;
        for reference in references.iter().filter(|reference| reference.root() == "inputs") {
            let Some(step) = reference.path.get(1) else { continue };
            let def = spec.inputs.get(&step.name);
            if def.is_none_or(|def| def.required || def.default.is_some()) {
                continue;
            }
            let asks = |other: &Reference| {
                other.root() == "inputs"
                    && other.path.get(1).is_some_and(|s| s.optional && s.name == step.name)
            };
            if !references.iter().any(asks) {
                let name = &step.name;
                let message = format!("input `{name}` is not required and may be missing here");
                let help = format!("write `inputs.?{name}.orValue(null)`, or give the input a default");
                let span = step_span(expr, reference, 1);
                self.problems.push(Diagnostic::warning(Code::MaybeMissing, span, message).help(help));
            }
        }
    }

    fn reference(&mut self, expr: &Expr, reference: &Reference, place: Place) {
        let span = step_span(expr, reference, 0);
        let spec = &self.units[self.unit_of(place)].spec;
        match reference.root() {
            "inputs" => {
                // As written: an input whose definition is wrong has been complained about and is there.
                let written = spec.tree.get("inputs").map(Node::entries).unwrap_or_default();
                let known = |name: &str| written.iter().any(|entry| entry.key == name);
                let names = written.iter().map(|entry| entry.key.as_str());
                self.member(expr, reference, Code::UnknownInput, "the pipeline has no input", known, names);
            }
            "vars" => {
                let vars = &spec.vars;
                let before = if let Place::Vars(_, before) = place { before } else { vars.len() };
                let known = |name: &str| vars.get_index_of(name).is_some_and(|index| index < before);
                let what = if before < vars.len() {
                    "no variable before this one is"
                } else {
                    "there is no variable"
                };
                let names = vars.keys().take(before).map(String::as_str);
                self.member(expr, reference, Code::UnknownInput, what, known, names);
            }
            "run" => self.word(expr, reference, "`run` has no", &RUN),
            "stages" => self.stage(expr, reference, place),
            "secrets" if matches!(place, Place::Inputs(_)) => {
                let help = "list it in `secrets` of both pipelines; the stage that needs it names it itself";
                self.error(Code::SecretMisuse, span, "a secret cannot be an input", help);
            }
            "secrets" if self.in_key => {
                let help = "name the account or the service in words: keys are shown to people";
                self.error(Code::SecretMisuse, span, "a secret cannot be a part of a key", help);
            }
            "secrets" => {
                let help = "give it to a stage as a whole value of `with`: `key: ${{ secrets.name }}`";
                self.error(Code::SecretMisuse, span, "a secret can only be a whole value of `with`", help);
            }
            "trigger" => {
                self.error(
                    Code::NotAvailable,
                    span,
                    "`trigger` is part of the language but not available yet",
                    "use an input",
                );
            }
            "self" if place.site().is_some_and(|site| self.layout.undoes(site).is_some()) => {
                self.word(expr, reference, "`self` has no", &["outputs"]);
            }
            "self" => self.error(
                Code::UnknownContext,
                span,
                "`self` exists in `compensate` only",
                "read a stage by its name",
            ),
            "attempt" if !matches!(place, Place::With(_)) => {
                self.error(Code::UnknownContext, span, "`attempt` exists in `with` only", "remove it");
            }
            "attempt" => self.word(expr, reference, "`attempt` has no", &["number"]),
            "item" | "index" | "matrix" | "failure" => self.local(expr, reference, place),
            _ => {}
        }
    }

    /// Names that exist at some places only.
    fn local(&mut self, expr: &Expr, reference: &Reference, place: Place) {
        let span = step_span(expr, reference, 0);
        let root = reference.root();
        if root == "failure" {
            let area_owner = |area: usize| self.layout.areas[area].owner;
            let site = place
                .site()
                .or_else(|| if let Place::Outputs(area) = place { area_owner(area) } else { None });
            if site.is_some_and(|site| self.layout.sees_failure(site)) {
                self.word(expr, reference, "`failure` has no", &FAILURE);
            } else {
                self.error(
                    Code::UnknownContext,
                    span,
                    "`failure` exists in `on_failure` only",
                    "move the stage there",
                );
            }
            return;
        }
        let around = self.fan_outs(place);
        let of_matrix = around
            .iter()
            .find_map(|fan_out| if let FanOut::Matrix(matrix) = fan_out { Some(matrix) } else { None });
        match (root, of_matrix) {
            ("matrix", Some(matrix)) => {
                let extra = matrix.include.iter().flat_map(|row| row.keys().map(String::as_str));
                let mut names: Vec<&str> =
                    matrix.dimensions.keys().map(String::as_str).chain(extra).collect();
                names.dedup();
                self.word(expr, reference, "the matrix has no", &names);
            }
            ("matrix", None) => {
                self.error(
                    Code::UnknownContext,
                    span,
                    "`matrix` exists within a stage with `matrix` only",
                    "add a `matrix`",
                );
            }
            _ if matches!(place, Place::Key(_)) || around.iter().any(|f| matches!(f, FanOut::ForEach(_))) => {
            }
            _ => {
                let message = format!("`{root}` exists within a stage with `for_each` only");
                self.error(
                    Code::UnknownContext,
                    span,
                    message,
                    "add a `for_each`; its own `in` and `if` come before its items",
                );
            }
        }
    }

    /// The fan-outs whose items an expression sees, innermost first.
    pub(super) fn fan_outs(&self, place: Place) -> Vec<&'s FanOut> {
        let area = match place {
            Place::Site(site) | Place::Key(site) | Place::With(site) | Place::Inputs(site) => {
                self.layout.sites[site].area
            }
            Place::Outputs(area) => area,
            Place::Vars(..) | Place::Run => return Vec::new(),
        };
        self.layout.fan_outs(area).collect()
    }

    /// Reports a member that a context with few members does not have.
    fn word(&mut self, expr: &Expr, reference: &Reference, what: &str, names: &[&str]) {
        let known = |name: &str| names.contains(&name);
        self.member(expr, reference, Code::UnknownContext, what, known, names.iter().copied());
    }

    /// Reports a member that is not known, with the nearest of those that are.
    fn member<'n>(
        &mut self,
        expr: &Expr,
        reference: &Reference,
        code: Code,
        what: &str,
        known: impl Fn(&str) -> bool,
        names: impl Iterator<Item = &'n str> + Clone,
    ) {
        let Some(step) = reference.path.get(1) else { return };
        if !known(&step.name) {
            let help = suggest::or_list(&step.name, names, "there are none");
            let span = step_span(expr, reference, 1);
            let message = format!("{what} `{}`", step.name);
            self.problems.push(Diagnostic::error(code, span, message).maybe_help(help));
        }
    }

    fn stage(&mut self, expr: &Expr, reference: &Reference, place: Place) {
        let Some(name) = reference.path.get(1).map(|step| step.name.clone()) else { return };
        let span = step_span(expr, reference, 1);
        let found = match place {
            Place::Run => {
                let help = "use `inputs`, `vars` and `run`";
                let message = "this key cannot read stages: it is known before any has run";
                self.error(Code::NotVisible, span, message, help);
                return;
            }
            Place::Vars(..) => {
                let help = "read the stage where the variable is used";
                self.error(
                    Code::NotVisible,
                    span,
                    "variables cannot read stages: they are known before any has run",
                    help,
                );
                return;
            }
            Place::Outputs(area) => find_in(&self.layout, area, &name, span).inspect(|site| {
                self.output_reads[area].insert(name, *site);
            }),
            Place::Site(site) | Place::Key(site) | Place::With(site) | Place::Inputs(site) => {
                find(&self.layout, site, &name, span).map(|target| {
                    self.reads[site].insert(name, target);
                    if let Some(waiter) = target.waiter {
                        let kind = if self.layout.is_handler(waiter) {
                            DepKind::Order
                        } else {
                            edge_kind(reference)
                        };
                        self.edge(waiter, target.site, kind, span);
                    }
                    target.site
                })
            }
        };
        match found {
            Ok(site) => self.stage_member(expr, reference, site),
            Err(diagnostic) => self.problems.push(*diagnostic),
        }
    }

    fn stage_member(&mut self, expr: &Expr, reference: &Reference, site: usize) {
        let stage = self.layout.sites[site].stage;
        let names: &[&str] =
            if stage.fan_out.is_some() { &["outputs", "by_key", "state"] } else { &["outputs", "state"] };
        let Some(step) = reference.path.get(2) else { return };
        if !names.contains(&step.name.as_str()) {
            let name = &stage.name.value;
            let near = suggest::nearest(&step.name, names.iter().copied());
            let help = match near {
                Some(near) => format!("did you mean `stages.{name}.{near}`?"),
                None => format!("what a stage puts out is in `stages.{name}.outputs`"),
            };
            let message = format!("a stage has no `{}`", step.name);
            self.error(Code::UnknownOutput, step_span(expr, reference, 2), message, help);
        }
    }
}

/// Reading only `state`, or outputs that may be missing, does not need the stage to have run.
fn edge_kind(reference: &Reference) -> DepKind {
    match reference.path.get(2) {
        Some(step) if step.name == "state" || step.optional => DepKind::Order,
        _ => DepKind::Data,
    }
}

/// The place of one name of a reference in the file.
pub(super) fn step_span(expr: &Expr, reference: &Reference, step: usize) -> Span {
    let step = &reference.path[step];
    let quoted = !expr.source.get(step.offset..).is_some_and(|rest| rest.starts_with(&step.name));
    expr.part(step.offset..step.offset + step.name.len() + if quoted { 2 } else { 0 })
}
