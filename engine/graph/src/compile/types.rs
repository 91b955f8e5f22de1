//! Expressions that cannot have the type that is needed, as far as types are known before a run: from the
//! definitions of inputs, the schemas of plugins and the values of a matrix.

use super::layout::Role;
use super::reads::{Place, step_span};
use super::session::Session;
use crate::expr::{Parsed, Type, TypeEnv, static_type};
use reelmill_spec::inputs::InputDef;
use reelmill_spec::spec::FanOut;
use reelmill_spec::template::{Expr, Template, TemplateKind, Templates};
use reelmill_spec::values::schema_at;
use reelmill_spec::yaml::Node;
use reelmill_spec::{Code, InputType, Span};
use std::rc::Rc;

/// An expression whose references are sound, and what it is for.
#[derive(Clone, Debug)]
pub struct Typed<'s> {
    /// The expression.
    pub expr: &'s Expr,
    /// Parsed.
    pub parsed: Rc<Parsed>,
    /// Where it stands.
    pub place: Place,
    /// What it is for.
    pub purpose: Purpose,
}

/// What the value of an expression is for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// An `if`.
    Condition,
    /// A `for_each.in`.
    Items,
    /// A `for_each.key`.
    Key,
    /// The key of a limit.
    LimitKey,
    /// The value at a JSON pointer of a `with`.
    With(String),
    /// Any value will do.
    Any,
}

/// The types found so far; a site whose type is being found has any type.
#[derive(Debug, Default)]
pub struct Types {
    outputs: Vec<Option<Type>>,
    items: Vec<Option<Type>>,
    // By file.
    inputs: Vec<Option<Type>>,
    vars: Vec<Option<Type>>,
}

impl<'s> Session<'s> {
    /// Reports every expression that cannot have the type it needs.
    pub fn check_types(&mut self) {
        let sites = self.layout.sites.len();
        let units = self.units.len();
        self.types = Types {
            outputs: vec![None; sites],
            items: vec![None; sites],
            inputs: vec![None; units],
            vars: vec![None; units],
        };
        for typed in std::mem::take(&mut self.typed) {
            self.enter(self.unit_of(typed.place));
            let env = self.env(&typed.parsed, typed.place);
            match static_type(&typed.parsed, &env) {
                Ok(found) => self.judge(&typed, &found),
                Err(problem) => {
                    let (message, help) = problem.message.split_once("; ").unwrap_or((&problem.message, ""));
                    let code = if reads_output_at(&typed.parsed, problem.offset) {
                        Code::UnknownOutput
                    } else {
                        Code::ExpressionType
                    };
                    let span = span_at(&typed, problem.offset);
                    let diagnostic = reelmill_spec::Diagnostic::error(code, span, message);
                    self.problems.push(diagnostic.maybe_help((!help.is_empty()).then(|| help.to_owned())));
                }
            }
        }
    }

    fn judge(&mut self, typed: &Typed<'_>, found: &Type) {
        let (what, good, help) = match &typed.purpose {
            Purpose::Any => return,
            Purpose::Condition => {
                ("`if` must be a bool", found.could_be(&Type::Bool), "compare it with something: `x == 'a'`")
            }
            Purpose::Items => (
                "`for_each.in` must be a list",
                found.could_be(&Type::list(Type::Any)),
                "read a list, or write one: `[a, b]`",
            ),
            Purpose::Key => {
                let good = found.could_be(&Type::String) || found.could_be(&Type::Int);
                ("`for_each.key` must be a text or a whole number", good, "use a member that names the item")
            }
            Purpose::LimitKey => {
                let good = found.could_be(&Type::String) || found.could_be(&Type::Int);
                ("a key must be a text or a whole number", good, "make it a text: write text around `${{ }}`")
            }
            Purpose::With(pointer) => return self.judge_with(typed.place, pointer, found, typed.expr.span),
        };
        if !good {
            self.error(
                Code::ExpressionType,
                typed.expr.span,
                format!("{what}, this is {}", found.describe()),
                help,
            );
        }
    }

    /// Reports a value of `with` that its property can never take.
    pub(super) fn judge_with(&mut self, place: Place, pointer: &str, found: &Type, span: Span) {
        let wanted = match place {
            Place::With(site) => {
                let Some(plugin) = self.plugins[site] else { return };
                schema_at(&plugin.stage.input, pointer).map(Type::from_schema).unwrap_or_default()
            }
            Place::Inputs(site) => self.wanted_input(site, pointer),
            _ => return,
        };
        // A schema that takes null beside something else is described by the something else.
        if *found == Type::Null || found.could_be(&wanted) {
            return;
        }
        let name = pointer.trim_start_matches('/').replace('/', ".");
        let message = format!("`{name}` must be {}, this is {}", wanted.describe(), found.describe());
        let help = match wanted {
            Type::String => "make it a text: `string(x)`, or write text around `${{ }}`",
            Type::Int | Type::Number | Type::Double => {
                "convert it: `int(x)` or `double(x)`; an expression within text is text"
            }
            _ => "read a value of that type",
        };
        self.error(Code::ExpressionType, span, message, help);
    }

    /// The types of what an expression reads.
    fn env(&mut self, parsed: &Parsed, place: Place) -> TypeEnv {
        let mut env = TypeEnv::new();
        for reference in parsed.references() {
            let kind = match reference.root() {
                "inputs" => self.inputs_type(self.unit_of(place)),
                "vars" => self.vars_type(place),
                "run" => texts(
                    "member of run",
                    &["id", "name", "namespace", "pipeline", "started_at"],
                    &RUN_OTHERS,
                ),
                "failure" => texts("member of failure", &["stage", "class", "code", "message"], &[]),
                "self" => self.own_type(place),
                "index" => Type::Int,
                "item" => self.item_type(place),
                "matrix" => self.matrix_type(place),
                "stages" => self.stages_type(parsed, place),
                _ => Type::Any,
            };
            env = env.with(reference.root(), kind);
        }
        env
    }

    /// The type that another pipeline's input must have.
    fn wanted_input(&self, site: usize, pointer: &str) -> Type {
        let Role::Pipeline(area, _) = self.layout.sites[site].role else { return Type::Any };
        let name = pointer.trim_start_matches('/');
        // What is within a list or a map is checked when the value is there.
        match self.units[self.layout.areas[area].unit].spec.inputs.get(name) {
            Some(def) if matches!(def.r#type, InputType::Duration | InputType::Bytes) => Type::Any,
            Some(def) => input_type(def),
            None => Type::Any,
        }
    }

    /// What a stage that is undone has put out.
    fn own_type(&mut self, place: Place) -> Type {
        let undone = match place {
            Place::With(site) => self.layout.undoes(site),
            _ => None,
        };
        let Some(site) = undone else { return Type::Any };
        let outputs = self.outputs_type(site);
        Type::object("member of self", [("outputs".to_owned(), outputs)])
    }

    fn inputs_type(&mut self, unit: usize) -> Type {
        let spec = &self.units[unit].spec;
        // An input whose definition is wrong is there all the same, of whatever type.
        let written = || spec.tree.get("inputs").map(Node::entries).unwrap_or_default().iter();
        let inputs = || {
            written()
                .map(|entry| (entry.key.clone(), spec.inputs.get(&entry.key).map_or(Type::Any, input_type)))
        };
        self.types.inputs[unit]
            .get_or_insert_with(|| Type::object("input of this pipeline", inputs()))
            .clone()
    }

    fn vars_type(&mut self, place: Place) -> Type {
        if matches!(place, Place::Vars(..)) {
            return Type::Any;
        }
        let unit = self.unit_of(place);
        if self.types.vars[unit].is_none() {
            let spec = &self.units[unit].spec;
            let vars = spec.vars.iter().enumerate();
            let types: Vec<(String, Type)> = vars
                .map(|(index, (name, var))| {
                    (name.clone(), self.template_type(&var.value, Place::Vars(unit, index)))
                })
                .collect();
            self.types.vars[unit] = Some(Type::object("variable of this pipeline", types));
        }
        self.types.vars[unit].clone().unwrap_or_default()
    }

    /// The item of the innermost `for_each`.
    fn item_type(&mut self, place: Place) -> Type {
        if let Place::Key(site) = place {
            return self.element_type(site);
        }
        let mut area = self.area_of(place);
        let owner_of = |area: &super::layout::Area| area.owner.filter(|_| !area.sealed);
        while let Some(owner) = area.and_then(|area| owner_of(&self.layout.areas[area])) {
            if matches!(self.layout.sites[owner].stage.fan_out, Some(FanOut::ForEach(_))) {
                return self.element_type(owner);
            }
            area = Some(self.layout.sites[owner].area);
        }
        Type::Any
    }

    fn element_type(&mut self, site: usize) -> Type {
        if let Some(known) = &self.types.items[site] {
            return known.clone();
        }
        self.types.items[site] = Some(Type::Any);
        let Some(FanOut::ForEach(each)) = &self.layout.sites[site].stage.fan_out else { return Type::Any };
        let found = match self.expr_type(&each.items, Place::Site(site)) {
            Type::List(element) => element.named("member of the item"),
            _ => Type::Any,
        };
        self.types.items[site] = Some(found.clone());
        found
    }

    fn matrix_type(&self, place: Place) -> Type {
        let around = self.fan_outs(place);
        let Some(matrix) =
            around.into_iter().find_map(|f| if let FanOut::Matrix(m) = f { Some(m) } else { None })
        else {
            return Type::Any;
        };
        let mut members: indexmap::IndexMap<String, Type> = indexmap::IndexMap::new();
        let written =
            matrix.dimensions.iter().flat_map(|(name, values)| values.iter().map(move |value| (name, value)));
        for (name, value) in written.chain(matrix.include.iter().flatten()) {
            let kind = Type::of(value);
            let joined = members.get(name).map_or(kind.clone(), |known| known.clone().join(kind));
            members.insert(name.clone(), joined);
        }
        Type::object("value of the matrix", members)
    }

    fn area_of(&self, place: Place) -> Option<usize> {
        match place {
            Place::Site(site) | Place::Key(site) | Place::With(site) | Place::Inputs(site) => {
                Some(self.layout.sites[site].area)
            }
            Place::Outputs(area) => Some(area),
            Place::Vars(..) | Place::Run => None,
        }
    }

    fn stages_type(&mut self, parsed: &Parsed, place: Place) -> Type {
        let mut stages = Vec::new();
        for reference in parsed.references().iter().filter(|reference| reference.root() == "stages") {
            let Some(name) = reference.path.get(1).map(|step| &step.name) else { continue };
            let site = match place {
                Place::Site(site) | Place::Key(site) | Place::With(site) | Place::Inputs(site) => {
                    self.reads[site].get(name).map(|t| t.site)
                }
                Place::Outputs(area) => self.output_reads[area].get(name).copied(),
                Place::Vars(..) | Place::Run => None,
            };
            let kind = site.map(|site| self.stage_type(site)).unwrap_or_default();
            stages.push((name.clone(), kind));
        }
        Type::object("stage", stages)
    }

    /// A stage as expressions see it.
    fn stage_type(&mut self, site: usize) -> Type {
        let outputs = self.outputs_type(site);
        let state = ("state".to_owned(), Type::String);
        if self.layout.sites[site].stage.fan_out.is_none() {
            return Type::object("member of a stage", [("outputs".to_owned(), outputs), state]);
        }
        let list = ("outputs".to_owned(), Type::list(outputs));
        Type::object("member of a stage", [list, ("by_key".to_owned(), Type::open_object()), state])
    }

    /// What a stage, or each item of a fan-out, puts out.
    fn outputs_type(&mut self, site: usize) -> Type {
        if let Some(known) = &self.types.outputs[site] {
            return known.clone();
        }
        self.types.outputs[site] = Some(Type::Any);
        let stage = self.layout.sites[site].stage;
        let found = match self.layout.sites[site].role {
            Role::Work(uses, _) => self.plugins[site].map_or(Type::Any, |plugin| {
                Type::from_schema(&plugin.stage.output).named(format!("output of {}", uses.value))
            }),
            Role::Body(area) if self.layout.areas[area].single => {
                let inner = self.layout.areas[area].sites.first().copied();
                inner.map(|inner| self.outputs_type(inner)).unwrap_or_default()
            }
            Role::Body(area) => {
                self.rendered_type(&stage.outputs, area, format!("output of `{}`", stage.name.value))
            }
            Role::Pipeline(area, _) => {
                let spec = &self.units[self.layout.areas[area].unit].spec;
                self.rendered_type(&spec.outputs, area, format!("output of pipeline `{}`", spec.name))
            }
            Role::Approval(_) => Type::object("member of a person's answer", answer()),
            Role::Unknown => Type::Any,
        };
        self.types.outputs[site] = Some(found.clone());
        found
    }

    fn rendered_type(&mut self, outputs: &'s Templates, area: usize, what: String) -> Type {
        let types: Vec<(String, Type)> = outputs
            .iter()
            .map(|(name, output)| (name.clone(), self.template_type(&output.value, Place::Outputs(area))))
            .collect();
        Type::object(what, types)
    }

    fn template_type(&mut self, template: &'s Template, place: Place) -> Type {
        match &template.kind {
            TemplateKind::Literal(value) => Type::of(value),
            TemplateKind::Expr(expr) => self.expr_type(expr, place),
            TemplateKind::Text(_) => Type::String,
            TemplateKind::List(items) => {
                let types = items.iter().map(|item| self.template_type(item, place));
                Type::list(types.reduce(Type::join).unwrap_or_default())
            }
            TemplateKind::Map(map) => {
                let members: Vec<(String, Type)> = map
                    .iter()
                    .map(|(name, member)| (name.clone(), self.template_type(&member.value, place)))
                    .collect();
                Type::object("member", members)
            }
        }
    }

    /// The type of an expression; what is wrong with it is said where it is checked itself.
    fn expr_type(&mut self, expr: &'s Expr, place: Place) -> Type {
        let Some(parsed) = self.parsed(expr) else { return Type::Any };
        let env = self.env(&parsed, place);
        static_type(&parsed, &env).unwrap_or_default()
    }
}

/// The place in the file of an offset in an expression: the whole name where one begins there.
fn span_at(typed: &Typed<'_>, offset: usize) -> Span {
    let references = typed.parsed.references().iter();
    let mut steps =
        references.flat_map(|reference| (0..reference.path.len()).map(move |step| (reference, step)));
    let named = steps.find(|(reference, step)| reference.path[*step].offset == offset);
    named.map_or_else(
        || typed.expr.part(offset..offset + 1),
        |(reference, step)| step_span(typed.expr, reference, step),
    )
}

/// Whether the mistake is in what comes after `stages.x.outputs`.
fn reads_output_at(parsed: &Parsed, offset: usize) -> bool {
    let outputs = parsed.references().iter().filter(|reference| reference.root() == "stages");
    outputs.flat_map(|reference| reference.path.iter().skip(3)).any(|step| step.offset == offset)
}

/// What an approval puts out.
fn answer() -> [(String, Type); 3] {
    [("approved", Type::Bool), ("by", Type::String), ("reason", Type::String)]
        .map(|(name, kind)| (name.to_owned(), kind))
}

/// Members of `run` that are no texts; what they are is the engine's business.
const RUN_OTHERS: [&str; 3] = ["labels", "seed", "tasks"];

fn texts(what: &str, names: &[&str], others: &[&str]) -> Type {
    let texts = names.iter().map(|name| ((*name).to_owned(), Type::String));
    Type::object(what, texts.chain(others.iter().map(|name| ((*name).to_owned(), Type::Any))))
}

fn input_type(def: &InputDef) -> Type {
    match def.r#type {
        InputType::Duration => Type::Number,
        InputType::Bytes => Type::Int,
        InputType::File => Type::open_object(),
        // Within lists and maps, durations and sizes are numbers too, which the schema does not say.
        InputType::Array => Type::list(Type::Any),
        InputType::Object => Type::from_schema(&def.schema).named("property of the input"),
        _ => Type::from_schema(&def.schema),
    }
}
