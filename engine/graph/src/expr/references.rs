//! What an expression reads: from this the edges of a graph are drawn.
//!
//! Every name is checked on the way, so that nothing is read or called that the language does not have.

use super::names::{GLOBAL_FUNCTIONS, MEMBER_FUNCTIONS, QUALIFIED_FUNCTIONS, ROOTS, TYPES};
use super::parse::{ExprError, offset_of};
use super::scan::{Kind, Token};
use cel::common::ast::{
    CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue, SourceInfo, operators,
};
use reelmill_spec::suggest::nearest;

/// One reading of a value: `stages.scene.outputs` is three steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The root (one of [`ROOTS`](super::ROOTS)) and the members that are named in the expression; never empty.
    pub path: Vec<Step>,
}

/// One name of a reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The name.
    pub name: String,
    /// Where it stands, in bytes from the start of the expression.
    pub offset: usize,
    /// Whether it may be missing: `.?name`, `[?'name']`, or the last name in `has(…)`.
    pub optional: bool,
}

impl Reference {
    /// The first name.
    pub fn root(&self) -> &str {
        &self.path[0].name
    }

    /// The names without their places.
    pub fn names(&self) -> Vec<&str> {
        self.path.iter().map(|step| step.name.as_str()).collect()
    }

    /// Where it begins, in bytes from the start of the expression.
    pub fn offset(&self) -> usize {
        self.path[0].offset
    }
}

/// Collects the references of an expression and checks its names.
pub(super) fn collect(
    ast: &IdedExpr,
    places: &SourceInfo,
    tokens: &[Token<'_>],
) -> Result<Vec<Reference>, ExprError> {
    let mut walk = Walk { places, tokens, bound: Vec::new(), found: Vec::new() };
    walk.visit(ast)?;
    walk.found.sort_by_key(Reference::offset);
    Ok(walk.found)
}

struct Walk<'a> {
    places: &'a SourceInfo,
    tokens: &'a [Token<'a>],
    /// Variables of the comprehensions around the place.
    bound: Vec<&'a str>,
    found: Vec<Reference>,
}

impl<'a> Walk<'a> {
    fn visit(&mut self, node: &'a IdedExpr) -> Result<(), ExprError> {
        if let Some(path) = self.path(node) {
            return self.reference(path);
        }
        match &node.expr {
            Expr::Unspecified | Expr::Literal(_) => Ok(()),
            Expr::Ident(name) => self.identifier(node.id, name),
            Expr::Select(select) => self.visit(&select.operand),
            Expr::List(list) => list.elements.iter().try_for_each(|element| self.visit(element)),
            Expr::Map(map) => map.entries.iter().try_for_each(|entry| match &entry.expr {
                EntryExpr::MapEntry(entry) => self.visit(&entry.key).and_then(|()| self.visit(&entry.value)),
                EntryExpr::StructField(field) => self.visit(&field.value),
            }),
            Expr::Call(call) => self.call(node.id, call),
            Expr::Comprehension(comprehension) => self.comprehension(node.id, comprehension),
            Expr::Struct(structure) => Err(ExprError::new(
                offset_of(self.places, node.id),
                format!("`{}` is no type that can be made", structure.type_name),
            )
            .help("a map is written `{'key': value}`")),
        }
    }

    /// The static path a node spells, when its root is read from outside the expression.
    fn path(&self, node: &'a IdedExpr) -> Option<Vec<Step>> {
        let member = |operand: &'a IdedExpr, name: &str, id: u64, optional: bool| {
            let mut path = self.path(operand)?;
            path.push(Step { name: name.to_owned(), offset: self.name_after(id, name), optional });
            Some(path)
        };
        match &node.expr {
            Expr::Ident(name) if ROOTS.contains(&name.as_str()) && !self.bound.contains(&name.as_str()) => {
                let offset = offset_of(self.places, node.id);
                Some(vec![Step { name: name.clone(), offset, optional: false }])
            }
            Expr::Select(select) => member(&select.operand, &select.field, node.id, select.test),
            Expr::Call(CallExpr { func_name, target: None, args }) => {
                match (func_name.as_str(), args.as_slice()) {
                    (operators::OPT_SELECT, [operand, key]) => member(operand, text(key)?, node.id, true),
                    (operators::INDEX, [operand, key]) => member(operand, text(key)?, key.id, false),
                    (operators::OPT_INDEX, [operand, key]) => member(operand, text(key)?, key.id, true),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// Where the name stands that follows a sign: after the dot of `a . b`, or the literal itself.
    fn name_after(&self, id: u64, name: &str) -> usize {
        let sign = offset_of(self.places, id);
        let named = |token: &&Token<'_>| {
            token.offset >= sign
                && (token.kind == Kind::Text || (token.kind == Kind::Word && token.text == name))
        };
        self.tokens.iter().find(named).map_or(sign, |token| token.offset)
    }

    fn reference(&mut self, path: Vec<Step>) -> Result<(), ExprError> {
        if path[0].name == "stages" && path.len() == 1 {
            return Err(ExprError::new(path[0].offset, "`stages` is read by name, one stage at a time")
                .help("write `stages.name`; what is not named cannot be waited for"));
        }
        self.found.push(Reference { path });
        Ok(())
    }

    fn identifier(&self, id: u64, name: &str) -> Result<(), ExprError> {
        let offset = offset_of(self.places, id);
        if self.bound.contains(&name) || TYPES.contains(&name) {
            return Ok(());
        }
        if name.starts_with('.') {
            return Err(ExprError::new(offset, "a name does not begin with a dot"));
        }
        if let Some((joined, left)) = self.hyphenated(offset) {
            return Err(ExprError::new(
                offset - (joined.len() - name.len()),
                format!("`{joined}` is read as `{left}` minus `{name}`"),
            )
            .help("names have letters, digits and `_`; to subtract, put spaces around `-`"));
        }
        let help = match nearest(name, ROOTS.into_iter().chain(self.bound.iter().copied())) {
            Some(word) => format!("did you mean `{word}`?"),
            None => format!("an expression reads {}; text goes into quotes", ROOTS.join(", ")),
        };
        Err(ExprError::new(offset, format!("`{name}` is not known here")).help(help))
    }

    /// Whether the word at an offset is glued by a hyphen to the word before it: `my-clip`, and `my`.
    fn hyphenated(&self, offset: usize) -> Option<(String, &'a str)> {
        let at = self.tokens.iter().position(|token| token.offset == offset)?;
        let [left, sign, right] = self.tokens.get(at.checked_sub(2)?..=at)? else { return None };
        let glued = sign.text == "-"
            && left.kind == Kind::Word
            && left.offset + left.text.len() == sign.offset
            && sign.offset + 1 == right.offset;
        glued.then(|| (format!("{}-{}", left.text, right.text), left.text))
    }

    fn call(&mut self, id: u64, call: &'a CallExpr) -> Result<(), ExprError> {
        let name = call.func_name.as_str();
        let offset = offset_of(self.places, id);
        if matches!(name, operators::INDEX | operators::OPT_INDEX)
            && matches!(call.args.first(), Some(IdedExpr { expr: Expr::Ident(root), .. }) if root == "stages" && !self.bound.contains(&"stages"))
        {
            return Err(ExprError::new(offset, "a stage is named in the expression, not computed")
                .help("write `stages.name`; what is not named cannot be waited for"));
        }
        let is_operator = name.starts_with(['_', '!', '-', '@']);
        match &call.target {
            None if is_operator || GLOBAL_FUNCTIONS.contains(&name) => {}
            None => return Err(unknown_function(name, offset, &GLOBAL_FUNCTIONS)),
            Some(target) => {
                if let Expr::Ident(prefix) = &target.expr
                    && QUALIFIED_FUNCTIONS.contains(&(prefix.as_str(), name))
                {
                    return call.args.iter().try_for_each(|argument| self.visit(argument));
                }
                if !MEMBER_FUNCTIONS.contains(&name) {
                    return Err(unknown_function(name, offset, &MEMBER_FUNCTIONS));
                }
                self.visit(target)?;
            }
        }
        call.args.iter().try_for_each(|argument| self.visit(argument))
    }

    fn comprehension(&mut self, id: u64, comprehension: &'a ComprehensionExpr) -> Result<(), ExprError> {
        self.visit(&comprehension.iter_range)?;
        self.visit(&comprehension.accu_init)?;
        let names = [comprehension.iter_var.as_str(), comprehension.accu_var.as_str()];
        if let Some(name) = names.into_iter().find(|name| ROOTS.contains(name)) {
            return Err(ExprError::new(
                offset_of(self.places, id),
                format!("`{name}` already has a meaning"),
            )
            .help("give the element another name"));
        }
        self.bound.extend(names);
        self.visit(&comprehension.loop_cond)?;
        self.visit(&comprehension.loop_step)?;
        self.visit(&comprehension.result)?;
        self.bound.truncate(self.bound.len() - names.len());
        Ok(())
    }
}

/// The text of a text literal.
pub(super) fn text(node: &IdedExpr) -> Option<&str> {
    match &node.expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner()),
        _ => None,
    }
}

fn unknown_function(name: &str, offset: usize, known: &[&str]) -> ExprError {
    let help = match name {
        "now" | "today" | "date" => {
            Some("results must not depend on the clock; use `timestamp(run.started_at)`".to_owned())
        }
        "random" | "rand" | "uuid" => {
            Some("results must not depend on chance; use `run.seed` or `run.id`".to_owned())
        }
        "len" | "length" | "count" => Some("write `size(x)`".to_owned()),
        "lower" | "toLowerCase" => Some("write `x.lowerAscii()`".to_owned()),
        "upper" | "toUpperCase" => Some("did you mean `upperAscii`?".to_owned()),
        "str" => Some("write `string(x)`".to_owned()),
        "float" | "number" => Some("write `double(x)`".to_owned()),
        _ => nearest(name, known.iter().copied()).map(|word| format!("did you mean `{word}`?")),
    };
    let error = ExprError::new(offset, format!("there is no function `{name}`"));
    match help {
        Some(help) => error.help(help),
        None if MEMBER_FUNCTIONS.contains(&name) => error.help(format!("call it on a value: `x.{name}(…)`")),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use crate::expr::parse;

    /// The references of an expression: names joined by dots, `?` before an optional one, `@` and the offset.
    fn read(source: &str) -> Vec<String> {
        let parsed = parse(source).unwrap_or_else(|error| panic!("{source}: {error:?}"));
        let show = |reference: &super::Reference| {
            let steps = reference
                .path
                .iter()
                .map(|s| format!("{}{}@{}", if s.optional { "?" } else { "" }, s.name, s.offset));
            steps.collect::<Vec<_>>().join(".")
        };
        parsed.references().iter().map(show).collect()
    }

    #[test]
    fn paths_are_read_as_far_as_they_are_static() {
        let table: [(&str, &[&str]); 14] = [
            ("1 + 2", &[]),
            ("stages.scene.outputs.map(s, s.video)", &["stages@0.scene@7.outputs@13"]),
            ("inputs.?music.orValue(null)", &["inputs@0.?music@8"]),
            ("inputs[?'music'].orValue(null)", &["inputs@0.?music@8"]),
            ("has(inputs.music)", &["inputs@4.?music@11"]),
            ("stages['a'].outputs", &["stages@0.a@7.outputs@12"]),
            ("'é' + inputs . a", &["inputs@7.a@16"]),
            ("stages.a.outputs[inputs.i].x", &["stages@0.a@7.outputs@9", "inputs@17.i@24"]),
            ("inputs.l.filter(x, x > vars.y)", &["inputs@0.l@7", "vars@23.y@28"]),
            ("inputs.l.map(x, x.map(y, y + index))", &["inputs@0.l@7", "index@29"]),
            ("stages.a.state == 'failed'", &["stages@0.a@7.state@9"]),
            ("optional.of(inputs.a).optMap(v, v + run.seed)", &["inputs@12.a@19", "run@36.seed@40"]),
            ("{'k': item.v}[inputs.k]", &["item@6.v@11", "inputs@14.k@21"]),
            ("inputs.?a.?b.c.orValue(1)", &["inputs@0.?a@8.?b@11.c@13"]),
        ];
        for (source, expected) in table {
            assert_eq!(read(source), expected, "{source}");
        }
    }
}
