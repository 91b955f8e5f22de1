//! From a node with a body to its items: evaluated, named, counted.

use super::context::{Bindings, Context, within_item};
use super::error::EvalError;
use super::programs::{Programs, kind};
use crate::graph::{BodyKind, Call, Expr, FanOut};
use reelmill_model::Item;
use reelmill_model::limits::{FAN_OUT_MAX, ITEM_KEY_BYTES_MAX, PAYLOAD_BYTES_MAX};
use reelmill_spec::inputs::resolve_inner;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;

impl Programs {
    /// The items of a body: one with an empty key for a group or another pipeline, the rows of a matrix, or what `for_each` gives.
    ///
    /// # Errors
    /// `for_each.in` is no list or has too many items, or a key is no key or not unique.
    pub fn expand(
        &self,
        body: &BodyKind,
        fan_out: &FanOut,
        context: &Context,
    ) -> Result<Vec<Item>, EvalError> {
        match body {
            BodyKind::Group => Ok(vec![Item { key: String::new(), value: Value::Null }]),
            BodyKind::Pipeline(call) => {
                Ok(vec![Item { key: String::new(), value: self.given(call, context)? }])
            }
            BodyKind::Matrix { rows } => Ok(rows.clone()),
            BodyKind::ForEach { items, key } => {
                let values = self.values(items, fan_out, context)?;
                let items = values.into_iter().map(|value| Item { key: String::new(), value }).collect();
                self.name(items, key.as_ref(), context)
            }
        }
    }

    /// What another pipeline is given: its inputs, checked, with defaults filled in.
    fn given(&self, call: &Call, context: &Context) -> Result<Value, EvalError> {
        let wrong = |message: String| {
            let source = format!("with of pipeline {}", call.name);
            EvalError::new(&Expr { source, line: call.line }, message)
        };
        let Value::Object(given) = self.render_all(&call.with, &Bindings::new(context))? else {
            return Err(wrong("it is no map".to_owned()));
        };
        let resolved = resolve_inner(&call.inputs, given).map_err(|problems| {
            wrong(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
        })?;
        let bytes = resolved.to_string().len();
        if bytes > PAYLOAD_BYTES_MAX {
            let message =
                format!("the inputs are {bytes} bytes of JSON, over the limit of {PAYLOAD_BYTES_MAX}");
            return Err(wrong(message));
        }
        Ok(resolved)
    }

    /// The context within one item of a body, from the one around the body.
    ///
    /// # Errors
    /// A variable of another pipeline has no value.
    pub fn within(
        &self,
        of: &BodyKind,
        index: u32,
        item: &Item,
        outer: &Context,
    ) -> Result<Context, EvalError> {
        Ok(match of {
            BodyKind::Group => outer.clone(),
            BodyKind::ForEach { .. } => within_item(outer, item, index, false),
            BodyKind::Matrix { .. } => within_item(outer, item, index, true),
            BodyKind::Pipeline(call) => {
                let mut inner = Context {
                    inputs: Some(Arc::new(item.value.clone())),
                    run: outer.run.clone(),
                    trigger: outer.trigger.clone(),
                    attempt: outer.attempt.clone(),
                    ..Context::default()
                };
                self.set_vars(&call.vars, &mut inner)?;
                inner
            }
        })
    }

    fn values(&self, items: &Expr, fan_out: &FanOut, context: &Context) -> Result<Vec<Value>, EvalError> {
        let values = match self.evaluate(items, &Bindings::new(context))? {
            Value::Array(values) => values,
            other => {
                return Err(EvalError::new(
                    items,
                    format!("`for_each.in` is a list, this is {}", kind(&other)),
                ));
            }
        };
        let most = usize::try_from(fan_out.max_items).unwrap_or(usize::MAX).min(FAN_OUT_MAX);
        if values.len() > most {
            let message = format!("it gives {} items, `max_items` allows {most}", values.len());
            return Err(EvalError::new(items, message));
        }
        Ok(values)
    }

    /// Gives every item its key and finds two with the same.
    fn name(
        &self,
        mut items: Vec<Item>,
        key: Option<&Expr>,
        context: &Context,
    ) -> Result<Vec<Item>, EvalError> {
        let Some(key) = key else {
            items.iter_mut().enumerate().for_each(|(index, item)| item.key = index.to_string());
            return Ok(items);
        };
        let mut first: HashMap<String, usize> = HashMap::with_capacity(items.len());
        let mut inner = context.clone();
        for (index, item) in items.iter_mut().enumerate() {
            inner.item = Some(Arc::new(item.value.clone()));
            inner.index = u32::try_from(index).ok();
            item.key = self.key(key, &Bindings::new(&inner)).map_err(|mut error| {
                error.message = format!("item {index}: {}", error.message);
                error
            })?;
            if let Some(other) = first.insert(item.key.clone(), index) {
                let message = format!("items {other} and {index} have the same key `{}`", item.key);
                return Err(EvalError::new(key, message));
            }
        }
        Ok(items)
    }

    /// The key of an item: a text or a whole number that can stand in the path of a task.
    ///
    /// # Errors
    /// It is something else, empty, too long, or has `/`, `[`, `]` or control characters.
    pub fn key(&self, expr: &Expr, bindings: &Bindings<'_>) -> Result<String, EvalError> {
        let key = match self.evaluate(expr, bindings)? {
            Value::String(text) => text,
            Value::Number(number) if !number.is_f64() => number.to_string(),
            other => {
                let message = format!("a key is a text or a whole number, this is {}", kind(&other));
                return Err(EvalError::new(expr, message));
            }
        };
        if key.is_empty() {
            return Err(EvalError::new(expr, "the key is empty"));
        }
        if key.len() > ITEM_KEY_BYTES_MAX {
            let message =
                format!("the key has {} bytes, at most {ITEM_KEY_BYTES_MAX} are allowed", key.len());
            return Err(EvalError::new(expr, message));
        }
        if let Some(bad) = key.chars().find(|c| c.is_control() || matches!(c, '/' | '[' | ']')) {
            let message = format!("the key `{}` has `{}` in it", key.escape_debug(), bad.escape_debug());
            return Err(EvalError::new(expr, message));
        }
        Ok(key)
    }
}

#[cfg(test)]
mod tests {
    use super::{BodyKind, Context, Expr, FanOut, Item, Programs};
    use crate::graph::{ItemFailure, MinSuccess};
    use serde_json::{Value, json};
    use std::sync::Arc;

    fn expand(list: &Value, key: Option<&str>, max_items: u32) -> Result<Vec<Item>, String> {
        let expr = |source: &str| Expr { source: source.to_owned(), line: 1 };
        let (items, key) = (expr("inputs.list"), key.map(expr));
        let programs = Programs::of([&items].into_iter().chain(&key)).unwrap();
        let context = Context { inputs: Some(Arc::new(json!({ "list": list }))), ..Context::default() };
        let fan_out = FanOut {
            max_parallel: None,
            max_items,
            on_item_failure: ItemFailure::FailFast,
            min_success: MinSuccess::Ratio(1.0),
        };
        programs.expand(&BodyKind::ForEach { items, key }, &fan_out, &context).map_err(|error| error.message)
    }

    fn keys(items: Result<Vec<Item>, String>) -> Result<Vec<String>, String> {
        items.map(|items| items.into_iter().map(|item| item.key).collect())
    }

    #[test]
    fn items_are_named_by_key_or_place() {
        let list = json!([{"id": "a"}, {"id": "ø"}, {"id": 3}]);
        assert_eq!(keys(expand(&list, None, 10)), Ok(vec!["0".into(), "1".into(), "2".into()]));
        assert_eq!(keys(expand(&list, Some("item.id"), 10)), Ok(vec!["a".into(), "ø".into(), "3".into()]));
        assert_eq!(
            keys(expand(&list, Some("string(index) + '-' + string(item.id)"), 10)),
            Ok(vec!["0-a".into(), "1-ø".into(), "2-3".into()])
        );
        assert_eq!(keys(expand(&json!([]), Some("item.id"), 10)), Ok(vec![]));
    }

    #[test]
    fn what_cannot_be_expanded_is_refused() {
        let table = [
            (json!({"a": 1}), None, "`for_each.in` is a list, this is a map"),
            (json!([1, 2, 3]), None, "it gives 3 items, `max_items` allows 2"),
            (json!(["a", "a"]), Some("item"), "items 0 and 1 have the same key `a`"),
            (json!(["a", ""]), Some("item"), "item 1: the key is empty"),
            (json!(["a/b"]), Some("item"), "item 0: the key `a/b` has `/` in it"),
            (json!(["a[0]"]), Some("item"), "has `[` in it"),
            (json!(["a\n"]), Some("item"), "the key `a\\n` has `\\n` in it"),
            (json!(["x".repeat(201)]), Some("item"), "the key has 201 bytes, at most 200"),
            (json!([1.5]), Some("item"), "a key is a text or a whole number, this is a number"),
            (json!([null]), Some("item"), "this is null"),
            (json!([{"a": 1}]), Some("item.id"), "`item.id` is missing"),
        ];
        for (list, key, message) in table {
            let said = expand(&list, key, 2).unwrap_err();
            assert!(said.contains(message), "{message}: {said}");
        }
    }
}
