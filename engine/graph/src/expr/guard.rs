//! A budget for evaluation, and one order for every map.
//!
//! CEL ends always, but its crate neither counts nor bounds what an expression costs: nested loops over two
//! lists of 10,000 would take minutes and all memory. So the parsed tree is rewritten: whatever copies, loops or
//! makes text passes a function that first pays from the budget of this evaluation. The same functions make a
//! loop over a map walk its keys in order; the crate walks them in the order of a randomly seeded hash.

use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue, operators};
use cel::common::types::{CelInt, CelList, CelMap, CelOptional, CelString, DYN_TYPE, Type};
use cel::common::value::{CowVal, StaticVal, Val};
use cel::{DeclarationError, Env, ExecutionError};
use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The variable that holds the budget; no expression can spell it.
pub(super) const BUDGET: &str = "@budget";
/// Steps a regular expression costs before it is matched: it is compiled each time.
const REGEX_STEPS: i64 = 500;
/// Bytes of text that cost as much as one value.
const TEXT_BYTES_PER_STEP: u64 = 16;

/// What an evaluation may still spend.
#[derive(Clone, Debug)]
pub(super) struct Budget(Arc<AtomicU64>);

static BUDGET_TYPE: Type = Type::new_unspecified_type("budget");

impl Budget {
    pub fn new(steps: u64) -> Self {
        Self(Arc::new(AtomicU64::new(steps)))
    }

    /// Whether an evaluation asked for more than there was.
    pub fn is_spent(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }

    fn spend(&self, steps: u64) -> Result<(), ExecutionError> {
        let left = self.0.load(Ordering::Relaxed).saturating_sub(steps);
        self.0.store(left, Ordering::Relaxed);
        if left == 0 { Err(ExecutionError::function_error("budget", "spent")) } else { Ok(()) }
    }
}

impl Val for Budget {
    fn get_type(&self) -> &Type {
        &BUDGET_TYPE
    }
    fn cel_type() -> &'static Type {
        &BUDGET_TYPE
    }
    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
        Box::new(self.clone())
    }
    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl StaticVal for Budget {}

/// Adds the functions that rewritten expressions call.
pub(super) fn declare(env: &mut Env) -> Result<(), DeclarationError> {
    let any = |count| (0..count).map(|_| DYN_TYPE).collect();
    env.add_overload("@walk", "@walk", any(2), walk)?;
    env.add_overload("@pay", "@pay", any(3), pay)?;
    env.add_overload("@addend", "@addend", any(2), addend)?;
    env.add_overload("@join", "@join", any(2), join)?;
    env.add_overload("@join", "@join_with", any(3), join)?;
    env.add_overload("@replace", "@replace", any(4), replace)?;
    env.add_overload("@replace", "@replace_some", any(5), replace)
}

/// The expression with every costly part paid for.
pub(super) fn guarded(node: &IdedExpr) -> IdedExpr {
    let expr = match &node.expr {
        Expr::Call(call) => return guarded_call(node.id, call),
        Expr::Comprehension(comprehension) => Expr::Comprehension(Box::new(guarded_loop(comprehension))),
        Expr::List(list) => {
            let mut list = list.clone();
            list.elements.iter_mut().for_each(|element| *element = paid(guarded(element), 0));
            Expr::List(list)
        }
        Expr::Map(map) => {
            let mut map = map.clone();
            for entry in &mut map.entries {
                if let EntryExpr::MapEntry(entry) = &mut entry.expr {
                    entry.key = guarded(&entry.key);
                    entry.value = paid(guarded(&entry.value), 0);
                }
            }
            Expr::Map(map)
        }
        Expr::Select(select) => {
            let mut select = select.clone();
            // A path keeps its shape: its beginning is looked up as one name.
            if !is_path(&select.operand) {
                *select.operand = guarded(&select.operand);
            }
            Expr::Select(select)
        }
        other => other.clone(),
    };
    IdedExpr { id: node.id, expr }
}

/// How deep an expression nests: the longest way down its tree.
pub(super) fn depth(node: &IdedExpr) -> usize {
    let below = match &node.expr {
        Expr::Call(call) => call.target.iter().map(AsRef::as_ref).chain(&call.args).map(depth).max(),
        Expr::Comprehension(c) => {
            [&c.iter_range, &c.accu_init, &c.loop_cond, &c.loop_step, &c.result].into_iter().map(depth).max()
        }
        Expr::List(list) => list.elements.iter().map(depth).max(),
        Expr::Map(map) => map
            .entries
            .iter()
            .map(|entry| match &entry.expr {
                EntryExpr::MapEntry(entry) => depth(&entry.key).max(depth(&entry.value)),
                EntryExpr::StructField(field) => depth(&field.value),
            })
            .max(),
        Expr::Select(select) => Some(depth(&select.operand)),
        _ => None,
    };
    1 + below.unwrap_or(0)
}

fn is_path(node: &IdedExpr) -> bool {
    match &node.expr {
        Expr::Ident(_) => true,
        Expr::Select(select) => is_path(&select.operand),
        _ => false,
    }
}

fn guarded_call(id: u64, call: &CallExpr) -> IdedExpr {
    let args: Vec<IdedExpr> = call.args.iter().map(guarded).collect();
    let name = call.func_name.as_str();
    let rebuilt = |target: Option<Box<IdedExpr>>, args| IdedExpr {
        id,
        expr: Expr::Call(CallExpr { func_name: name.to_owned(), target, args }),
    };
    let Some(target) = &call.target else {
        return match name {
            operators::ADD if is_accumulator(&args[0]) => rebuilt(None, args),
            operators::EQUALS | operators::NOT_EQUALS | operators::IN => {
                rebuilt(None, args.into_iter().map(|side| paid(side, 0)).collect())
            }
            operators::ADD => {
                let mut sides = args.into_iter();
                let left = sides.next();
                paid(
                    rebuilt(
                        None,
                        left.into_iter().chain(sides.map(|right| internal("@addend", vec![right]))).collect(),
                    ),
                    0,
                )
            }
            operators::OPT_SELECT | operators::OPT_INDEX | "string" => paid(rebuilt(None, args), 0),
            "matches" => rebuilt(None, args.into_iter().map(|side| paid(side, REGEX_STEPS)).collect()),
            _ => rebuilt(None, args),
        };
    };
    if matches!(&target.expr, Expr::Ident(prefix) if prefix == "optional" || prefix == "strings") {
        return paid(rebuilt(call.target.clone(), args), 0);
    }
    let target = guarded(target);
    match name {
        "join" | "replace" => {
            let mut all = vec![target];
            all.extend(args);
            internal(if name == "join" { "@join" } else { "@replace" }, all)
        }
        "matches" => rebuilt(Some(Box::new(paid(target, REGEX_STEPS))), args),
        // Every character becomes a value.
        "split" => paid(rebuilt(Some(Box::new(paid(target, -1))), args), 0),
        _ => paid(rebuilt(Some(Box::new(paid(target, 0))), args), 0),
    }
}

fn is_accumulator(node: &IdedExpr) -> bool {
    matches!(&node.expr, Expr::Ident(name) if name == "@result")
}

fn guarded_loop(comprehension: &ComprehensionExpr) -> ComprehensionExpr {
    ComprehensionExpr {
        iter_range: internal("@walk", vec![guarded(&comprehension.iter_range)]),
        accu_init: guarded(&comprehension.accu_init),
        // `all` and `exists` go on after an error, but not once their condition has one.
        loop_cond: paid(guarded(&comprehension.loop_cond), 0),
        loop_step: guarded(&comprehension.loop_step),
        result: guarded(&comprehension.result),
        ..comprehension.clone()
    }
}

/// A call of one of our functions; the budget is its last argument.
fn internal(name: &str, mut args: Vec<IdedExpr>) -> IdedExpr {
    args.push(IdedExpr { id: 0, expr: Expr::Ident(BUDGET.to_owned()) });
    IdedExpr { id: 0, expr: Expr::Call(CallExpr { func_name: name.to_owned(), target: None, args }) }
}

/// The value of a node, paid for: its weight, and more when `extra` says so (-1: every byte of a text counts).
fn paid(node: IdedExpr, extra: i64) -> IdedExpr {
    if matches!(node.expr, Expr::Literal(_)) && extra == 0 {
        return node;
    }
    let extra = IdedExpr { id: 0, expr: Expr::Literal(LiteralValue::Int(CelInt::from(extra))) };
    internal("@pay", vec![node, extra])
}

type Arguments<'b, 'v> = Vec<CowVal<'b, 'v>>;
type Outcome<'b, 'v> = Result<CowVal<'b, 'v>, ExecutionError>;

/// Takes the budget off the end of the arguments.
fn take_budget(args: &mut Arguments<'_, '_>) -> Result<Budget, ExecutionError> {
    let last = args.pop().ok_or_else(ExecutionError::missing_argument_or_target)?;
    last.downcast_ref::<Budget>().cloned().ok_or_else(ExecutionError::missing_argument_or_target)
}

fn walk<'b, 'v>(mut args: Arguments<'b, 'v>) -> Outcome<'b, 'v> {
    let budget = take_budget(&mut args)?;
    let range = args.swap_remove(0);
    budget.spend(weight(range.as_ref()))?;
    let Some(map) = range.downcast_ref::<CelMap>() else { return Ok(range) };
    let mut keys: Vec<_> = map.inner().keys().cloned().collect();
    keys.sort();
    let keys = keys.into_iter().map(|key| key.into_static().inner().clone_as_boxed()).collect::<Vec<_>>();
    Ok(CowVal::owned(CelList::from(keys)))
}

/// The right side of a sum. The crate would add the keys of a map to a list, in the order of their hashes.
fn addend<'b, 'v>(mut args: Arguments<'b, 'v>) -> Outcome<'b, 'v> {
    take_budget(&mut args)?;
    let value = args.swap_remove(0);
    match value.downcast_ref::<CelMap>() {
        Some(_) => Err(ExecutionError::function_error("+", "a map cannot be added")),
        None => Ok(value),
    }
}

fn pay<'b, 'v>(mut args: Arguments<'b, 'v>) -> Outcome<'b, 'v> {
    let budget = take_budget(&mut args)?;
    let extra = args[1].downcast_ref::<CelInt>().map_or(0, |extra| *extra.inner());
    let value = args.swap_remove(0);
    let steps = match (u64::try_from(extra), value.downcast_ref::<CelString>()) {
        (Ok(extra), _) => weight(value.as_ref()) + extra,
        (Err(_), Some(text)) => text.inner().len() as u64,
        (Err(_), None) => weight(value.as_ref()),
    };
    budget.spend(steps)?;
    Ok(value)
}

/// How many values a copy makes.
fn weight(value: &dyn Val) -> u64 {
    if let Some(text) = value.downcast_ref::<CelString>() {
        1 + text.inner().len() as u64 / TEXT_BYTES_PER_STEP
    } else if let Some(list) = value.downcast_ref::<CelList>() {
        list.iter().map(|item| weight(item.as_ref())).sum::<u64>() + 1
    } else if let Some(map) = value.downcast_ref::<CelMap>() {
        map.inner().values().map(|item| weight(item.as_ref()) + 1).sum::<u64>() + 1
    } else if let Some(optional) = value.downcast_ref::<CelOptional>() {
        1 + optional.inner().map_or(0, weight)
    } else {
        1
    }
}

fn text<'a>(function: &str, value: &'a CowVal<'_, '_>) -> Result<&'a str, ExecutionError> {
    value
        .downcast_ref::<CelString>()
        .map(CelString::inner)
        .ok_or_else(|| ExecutionError::no_such_overload(function, vec![value.get_type().name().to_owned()]))
}

fn join<'b, 'v>(mut args: Arguments<'b, 'v>) -> Outcome<'b, 'v> {
    let budget = take_budget(&mut args)?;
    let overload = || ExecutionError::no_such_overload("join", vec![args[0].get_type().name().to_owned()]);
    let list = args[0].downcast_ref::<CelList>().ok_or_else(overload)?;
    let separator = args.get(1).map_or(Ok(""), |separator| text("join", separator))?;
    let mut parts = Vec::with_capacity(list.len());
    for item in list.iter() {
        let no_text = || {
            ExecutionError::function_error("join", "not all of the list is text; first `.map(x, string(x))`")
        };
        let part = item.downcast_ref::<CelString>().ok_or_else(no_text)?;
        parts.push(part.inner());
    }
    let bytes = parts.iter().map(|part| part.len() + separator.len()).sum::<usize>() as u64;
    budget.spend(parts.len() as u64 + bytes / TEXT_BYTES_PER_STEP)?;
    Ok(CowVal::owned(CelString::from(parts.join(separator))))
}

fn replace<'b, 'v>(mut args: Arguments<'b, 'v>) -> Outcome<'b, 'v> {
    let budget = take_budget(&mut args)?;
    let (whole, from, to) =
        (text("replace", &args[0])?, text("replace", &args[1])?, text("replace", &args[2])?);
    let limit = match args.get(3) {
        Some(limit) => {
            let limit = limit.downcast_ref::<CelInt>().ok_or_else(|| {
                ExecutionError::no_such_overload("replace", vec![limit.get_type().name().to_owned()])
            })?;
            usize::try_from(*limit.inner()).unwrap_or(usize::MAX)
        }
        None => usize::MAX,
    };
    let count = whole.matches(from).take(limit).count() as u64;
    let bytes = whole.len() as u64 + count.saturating_mul(to.len() as u64);
    budget.spend(1 + bytes / TEXT_BYTES_PER_STEP)?;
    Ok(CowVal::owned(CelString::from(whole.replacen(from, to, limit))))
}
