//! What operators and functions make of the types they are given.

use super::super::references::text;
use super::super::types::Type;
use super::{Found, Infer, optional};
use cel::common::ast::{CallExpr, IdedExpr, operators as op};

impl<'a> Infer<'a> {
    pub(super) fn function(&self, node: &'a IdedExpr, call: &'a CallExpr, args: &[Type]) -> Found {
        match (call.func_name.as_str(), args) {
            (op::CONDITIONAL, [condition, then, otherwise]) => {
                self.bool(&call.args[0], condition)?;
                Ok(then.clone().join(otherwise.clone()))
            }
            (op::LOGICAL_AND | op::LOGICAL_OR, [left, right]) => {
                self.bool(&call.args[0], left)?;
                self.bool(&call.args[1], right)?;
                Ok(Type::Bool)
            }
            (op::LOGICAL_NOT, [value]) => self.bool(&call.args[0], value).map(|()| Type::Bool),
            (op::NEGATE, [value]) => self.number(&call.args[0], value).map(|()| value.clone()),
            (op::ADD | op::SUBSTRACT | op::MULTIPLY | op::DIVIDE | op::MODULO, [left, right]) => {
                self.arithmetic(node, &call.func_name, left, right)
            }
            (op::LESS | op::LESS_EQUALS | op::GREATER | op::GREATER_EQUALS, [left, right]) => {
                self.ordered(node, left, right)
            }
            (op::EQUALS | op::NOT_EQUALS | op::NOT_STRICTLY_FALSE, _)
            | (op::IN, [_, Type::List(_) | Type::Object(_) | Type::Any]) => Ok(Type::Bool),
            (op::IN, [_, other]) => {
                let message = format!("`in` looks into a list or a map, this is {}", other.describe());
                Err(self.problem(&call.args[1], message))
            }
            (op::INDEX, [of, _]) => self.element(node, call, of.clone()),
            (op::OPT_INDEX | op::OPT_SELECT, [of, _]) => self.element(node, call, of.clone()).map(optional),
            ("of" | "ofNonZeroValue", [value]) => Ok(optional(value.clone())),
            ("none", _) => Ok(optional(Type::Any)),
            ("size" | "int", _) => Ok(Type::Int),
            ("double", _) => Ok(Type::Double),
            ("bool" | "matches", _) => Ok(Type::Bool),
            ("string" | "quote", _) => Ok(Type::String),
            ("bytes", _) => Ok(Type::Bytes),
            ("duration", _) => Ok(Type::Duration),
            ("timestamp", _) => Ok(Type::Timestamp),
            _ => Ok(Type::Any),
        }
    }

    pub(super) fn method(
        &self,
        node: &'a IdedExpr,
        call: &'a CallExpr,
        target: Type,
        args: &[Type],
    ) -> Found {
        let name = call.func_name.as_str();
        let fits = match name {
            "orValue" | "value" | "hasValue" | "or" => matches!(target, Type::Any | Type::Optional(_)),
            "join" => matches!(target, Type::Any | Type::List(_)),
            "contains" | "startsWith" | "endsWith" | "matches" | "charAt" | "indexOf" | "lastIndexOf"
            | "lowerAscii" | "upperAscii" | "trim" | "replace" | "split" | "substring" | "format"
            | "reverse" => {
                matches!(target, Type::Any | Type::String)
            }
            "size" => {
                matches!(target, Type::Any | Type::String | Type::List(_) | Type::Object(_) | Type::Bytes)
            }
            _ => true,
        };
        if !fits {
            let receiver = call.target.as_deref().unwrap_or(node);
            let mut message = format!("`{name}` does not work on {}", target.describe());
            if matches!(target, Type::Optional(_)) {
                message.push_str("; first say what stands in for it with `.orValue(…)`");
            }
            return Err(self.problem(receiver, message));
        }
        Ok(match (name, target) {
            ("orValue", Type::Optional(inner)) => {
                args.first().map_or(Type::Any, |other| inner.join(other.clone()))
            }
            ("value", Type::Optional(inner)) => *inner,
            ("or", target @ Type::Optional(_)) => target,
            (
                "join" | "charAt" | "lowerAscii" | "upperAscii" | "trim" | "replace" | "substring" | "format"
                | "reverse",
                _,
            ) => Type::String,
            ("split", _) => Type::list(Type::String),
            ("contains" | "startsWith" | "endsWith" | "matches" | "hasValue", _) => Type::Bool,
            ("size" | "indexOf" | "lastIndexOf", _) => Type::Int,
            (get, _) if get.starts_with("get") => Type::Int,
            _ => Type::Any,
        })
    }

    fn element(&self, node: &'a IdedExpr, call: &'a CallExpr, of: Type) -> Found {
        match of {
            Type::List(element) => Ok(*element),
            Type::Optional(inner) => self.element(node, call, *inner).map(optional),
            Type::Any => Ok(Type::Any),
            object @ Type::Object(_) => match text(&call.args[1]) {
                Some(name) => self.member(node, object, name),
                None => Ok(Type::Any),
            },
            other => Err(self.problem(node, format!("{} has no elements and no members", other.describe()))),
        }
    }

    pub(super) fn bool(&self, node: &IdedExpr, kind: &Type) -> Result<(), super::TypeProblem> {
        match kind {
            Type::Bool | Type::Any => Ok(()),
            other => Err(self.problem(node, format!("a bool is needed here, this is {}", other.describe()))),
        }
    }

    fn number(&self, node: &IdedExpr, kind: &Type) -> Result<(), super::TypeProblem> {
        if kind.is_number() || matches!(kind, Type::Any) {
            return Ok(());
        }
        Err(self.problem(node, format!("a number is needed here, this is {}", kind.describe())))
    }

    fn arithmetic(&self, node: &IdedExpr, name: &str, left: &Type, right: &Type) -> Found {
        let clash = |help: &str| {
            let sign = name.trim_matches('_');
            let message =
                format!("`{sign}` does not work on {} and {}{help}", left.describe(), right.describe());
            Err(super::TypeProblem { message, offset: self.parsed.offset_of(node.id) })
        };
        let adds = name == op::ADD;
        match (left, right) {
            (Type::Any | Type::Timestamp | Type::Duration, _)
            | (_, Type::Any | Type::Timestamp | Type::Duration) => {
                // Of a sum with a text nothing but a text can come.
                let is_text = adds && (left == &Type::String || right == &Type::String);
                Ok(if is_text { Type::String } else { Type::Any })
            }
            (Type::Int, Type::Int) => Ok(Type::Int),
            (Type::Double, Type::Double) if name != op::MODULO => Ok(Type::Double),
            (Type::Int, Type::Double) | (Type::Double, Type::Int) => {
                clash("; make both alike with `double(…)` or `int(…)`")
            }
            (left, right) if left.is_number() && right.is_number() => Ok(Type::Number),
            (Type::String, Type::String) if adds => Ok(Type::String),
            (Type::Bytes, Type::Bytes) if adds => Ok(Type::Bytes),
            (Type::List(left), Type::List(right)) if adds => Ok(Type::list(appended(left, right))),
            (Type::String, other) | (other, Type::String)
                if adds && (other.is_number() || other == &Type::Bool) =>
            {
                clash("; write the other with `string(…)`, or use `${{ }}` within a text")
            }
            (Type::Optional(_), _) | (_, Type::Optional(_)) => {
                clash("; first say what stands in for it with `.orValue(…)`")
            }
            _ => clash(""),
        }
    }

    fn ordered(&self, node: &IdedExpr, left: &Type, right: &Type) -> Found {
        let known = |kind: &Type| {
            matches!(kind, Type::String | Type::Bool | Type::Null | Type::Object(_)) || kind.is_number()
        };
        let alike = left == right || (left.is_number() && right.is_number());
        if known(left) && known(right) && !alike {
            let message = format!("{} and {} cannot be compared", left.describe(), right.describe());
            return Err(super::TypeProblem { message, offset: self.parsed.offset_of(node.id) });
        }
        Ok(Type::Bool)
    }
}

/// The element type of two lists in one; an empty list literal says nothing of its elements.
fn appended(left: &Type, right: &Type) -> Type {
    if left == &Type::Any { right.clone() } else { left.clone().join(right.clone()) }
}
