//! Finds the type of an expression, and what in it can never work, before anything runs.
//!
//! Conservative: a problem is said only of what fails with every value that the types allow.

mod operators;

use super::parse::Parsed;
use super::references::text;
use super::types::Type;
use cel::common::ast::operators::CONDITIONAL;
use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue, SelectExpr};
use indexmap::IndexMap;

/// The types of what an expression can read at its place.
#[derive(Clone, Debug, Default)]
pub struct TypeEnv {
    roots: IndexMap<String, Type>,
    absent: IndexMap<String, String>,
}

impl TypeEnv {
    /// Nothing is known: every root has any type.
    pub fn new() -> Self {
        Self::default()
    }

    /// A root has this type here.
    #[must_use]
    pub fn with(mut self, root: &str, kind: Type) -> Self {
        self.absent.shift_remove(root);
        self.roots.insert(root.to_owned(), kind);
        self
    }

    /// A root does not exist here; `why` says where it does: `only inside a for_each`.
    #[must_use]
    pub fn without(mut self, root: &str, why: &str) -> Self {
        self.roots.shift_remove(root);
        self.absent.insert(root.to_owned(), why.to_owned());
        self
    }
}

/// What can never work in an expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TypeProblem {
    /// What, and the remedy.
    pub message: String,
    /// Where, in bytes from the start of the expression.
    pub offset: usize,
}

/// The type of an expression, as far as it is known.
///
/// # Errors
/// Something in it can never work.
pub fn static_type(parsed: &Parsed, env: &TypeEnv) -> Result<Type, TypeProblem> {
    Infer { parsed, env, scope: Vec::new() }.visit(parsed.ast())
}

struct Infer<'a> {
    parsed: &'a Parsed,
    env: &'a TypeEnv,
    /// Variables of the loops around the place, innermost last.
    scope: Vec<(&'a str, Type)>,
}

type Found = Result<Type, TypeProblem>;

impl<'a> Infer<'a> {
    fn visit(&mut self, node: &'a IdedExpr) -> Found {
        match &node.expr {
            Expr::Literal(literal) => Ok(literal_type(literal)),
            Expr::Ident(name) => self.identifier(node, name),
            Expr::Select(select) => self.select(node, select),
            Expr::List(list) => self.list(&list.elements, &list.optional_indices),
            Expr::Map(map) => {
                let mut members = Vec::new();
                let mut named = true;
                for entry in &map.entries {
                    let EntryExpr::MapEntry(entry) = &entry.expr else { continue };
                    let kind = self.visit(&entry.value)?;
                    self.visit(&entry.key)?;
                    match text(&entry.key) {
                        Some(name) if !entry.optional => members.push((name.to_owned(), kind)),
                        _ => named = false,
                    }
                }
                Ok(if named { Type::object("member", members) } else { Type::open_object() })
            }
            Expr::Call(call) => self.call(node, call),
            Expr::Comprehension(comprehension) => self.comprehension(comprehension),
            Expr::Struct(_) | Expr::Unspecified => Ok(Type::Any),
        }
    }

    fn identifier(&self, node: &IdedExpr, name: &str) -> Found {
        if let Some((_, kind)) = self.scope.iter().rev().find(|(bound, _)| *bound == name) {
            return Ok(kind.clone());
        }
        if let Some(why) = self.env.absent.get(name) {
            return Err(self.problem(node, format!("`{name}` does not exist here: {why}")));
        }
        Ok(self.env.roots.get(name).cloned().unwrap_or_default())
    }

    fn select(&mut self, node: &'a IdedExpr, select: &'a SelectExpr) -> Found {
        let operand = self.visit(&select.operand)?;
        let member = self.member(node, operand, &select.field)?;
        Ok(if select.test { Type::Bool } else { member })
    }

    /// The type of a member; what a missing value has is missing too.
    fn member(&self, node: &IdedExpr, operand: Type, name: &str) -> Found {
        match operand {
            Type::Any => Ok(Type::Any),
            Type::Object(object) => object
                .member(name)
                .map_err(|message| TypeProblem { message, offset: self.name_offset(node, name) }),
            Type::Optional(inner) => self.member(node, *inner, name).map(optional),
            Type::List(_) => {
                let message =
                    format!("a list has no member `{name}`; take one element, or `.map(x, x.{name})`");
                Err(TypeProblem { message, offset: self.name_offset(node, name) })
            }
            other => {
                let message = format!("{} has no member `{name}`", other.describe());
                Err(TypeProblem { message, offset: self.name_offset(node, name) })
            }
        }
    }

    fn list(&mut self, elements: &'a [IdedExpr], optional: &[usize]) -> Found {
        let mut all = Vec::new();
        for (at, element) in elements.iter().enumerate() {
            let kind = self.visit(element)?;
            all.push(match kind {
                Type::Optional(inner) if optional.contains(&at) => *inner,
                other => other,
            });
        }
        Ok(Type::list(all.into_iter().reduce(Type::join).unwrap_or_default()))
    }

    fn call(&mut self, node: &'a IdedExpr, call: &'a CallExpr) -> Found {
        let target = match &call.target {
            Some(target) if matches!(&target.expr, Expr::Ident(name) if name == "optional" || name == "strings") => {
                None
            }
            Some(target) => Some(self.visit(target)?),
            None => None,
        };
        let args = call.args.iter().map(|argument| self.visit(argument)).collect::<Result<Vec<_>, _>>()?;
        match target {
            Some(target) => self.method(node, call, target, &args),
            None => self.function(node, call, &args),
        }
    }

    /// A loop, or a name for a value (`optMap`), which is a loop over nothing.
    fn comprehension(&mut self, loops: &'a ComprehensionExpr) -> Found {
        let element = match self.visit(&loops.iter_range)? {
            Type::List(element) => *element,
            Type::Object(_) => Type::String,
            Type::Any | Type::Optional(_) => Type::Any,
            other => {
                let message = format!("a list or a map is needed here, this is {}", other.describe());
                return Err(self.problem(&loops.iter_range, message));
            }
        };
        let start = self.visit(&loops.accu_init)?;
        let bound = self.scope.len();
        self.scope.push((&loops.iter_var, element));
        self.scope.push((&loops.accu_var, start));
        self.visit(&loops.loop_cond)?;
        let end = self.step(&loops.loop_step, matches!(self.scope[bound + 1].1, Type::List(_)))?;
        // A list that is built gets the type of what is appended.
        if matches!(end, Type::List(_)) {
            self.scope[bound + 1].1 = end;
        }
        let result = self.visit(&loops.result);
        self.scope.truncate(bound);
        result
    }

    /// One turn of a loop. Of `condition ? list + [x] : list`, as `filter` makes it, the sum alone says the type.
    fn step(&mut self, step: &'a IdedExpr, builds_list: bool) -> Found {
        match &step.expr {
            Expr::Call(CallExpr { func_name, args, .. }) if builds_list && func_name == CONDITIONAL => {
                let condition = self.visit(&args[0])?;
                self.bool(&args[0], &condition)?;
                self.visit(&args[1])
            }
            _ => self.visit(step),
        }
    }

    fn problem(&self, node: &IdedExpr, message: String) -> TypeProblem {
        TypeProblem { message, offset: self.start(node) }
    }

    /// Where a node begins: the leftmost place of anything in it.
    fn start(&self, node: &IdedExpr) -> usize {
        let own = self.parsed.offset_of(node.id);
        let inner = match &node.expr {
            Expr::Select(select) => Some(self.start(&select.operand)),
            Expr::Call(call) => call.target.as_deref().or(call.args.first()).map(|first| self.start(first)),
            Expr::Comprehension(loops) => Some(self.start(&loops.iter_range)),
            _ => None,
        };
        inner.map_or(own, |inner| inner.min(own))
    }

    /// Where a name stands that follows a dot or a bracket.
    fn name_offset(&self, node: &IdedExpr, name: &str) -> usize {
        let sign = self.parsed.offset_of(node.id);
        self.parsed.source()[sign..].find(name).map_or(sign, |after| sign + after)
    }
}

fn optional(kind: Type) -> Type {
    match kind {
        already @ Type::Optional(_) => already,
        other => Type::Optional(Box::new(other)),
    }
}

fn literal_type(literal: &LiteralValue) -> Type {
    match literal {
        LiteralValue::Boolean(_) => Type::Bool,
        LiteralValue::Bytes(_) => Type::Bytes,
        LiteralValue::Double(_) => Type::Double,
        LiteralValue::Int(_) => Type::Int,
        LiteralValue::Null => Type::Null,
        LiteralValue::String(_) => Type::String,
        LiteralValue::UInt(_) => Type::Any,
    }
}

#[cfg(test)]
mod tests;
