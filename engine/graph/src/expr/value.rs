//! JSON ↔ CEL.
//!
//! Whole numbers stay whole and others stay others, both ways; texts are borrowed, not copied. A map comes out
//! with its keys sorted, so that a result depends on nothing but the values that went in.

use cel::common::types::{
    CelBool, CelBytes, CelDouble, CelDuration, CelInt, CelList, CelMap, CelMapKey, CelNull, CelOptional,
    CelString, CelTimestamp, CelType, CelUInt,
};
use cel::common::value::Val;
use serde_json::{Number, Value};
use std::collections::HashMap;

/// A JSON value as CEL sees it.
pub(super) fn from_json(value: &Value) -> Box<dyn Val + '_> {
    match value {
        Value::Null => Box::new(CelNull),
        Value::Bool(yes) => Box::new(CelBool::from(*yes)),
        Value::Number(number) => from_number(number),
        Value::String(text) => Box::new(CelString::from(text.as_str())),
        Value::Array(items) => Box::new(CelList::from(items.iter().map(from_json).collect::<Vec<_>>())),
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| (key(name), from_json(value)));
            Box::new(CelMap::from(members.collect::<HashMap<_, _>>()))
        }
    }
}

fn from_number(number: &Number) -> Box<dyn Val> {
    if let Some(whole) = number.as_i64() {
        Box::new(CelInt::from(whole))
    } else if let Some(large) = number.as_u64() {
        Box::new(CelUInt::from(large))
    } else {
        Box::new(CelDouble::from(number.as_f64().unwrap_or(f64::NAN)))
    }
}

/// A text as a key of a CEL map.
pub(super) fn key(name: &str) -> CelMapKey<'_> {
    CelMapKey::String(CelString::from(name))
}

/// A CEL value as JSON, or why it has no place there.
pub(super) fn to_json(value: &dyn Val) -> Result<Value, String> {
    if let Some(text) = value.downcast_ref::<CelString>() {
        return Ok(Value::String(text.inner().to_owned()));
    }
    if let Some(list) = value.downcast_ref::<CelList>() {
        return list.iter().map(|item| to_json(item.as_ref())).collect::<Result<_, _>>().map(Value::Array);
    }
    if let Some(map) = value.downcast_ref::<CelMap>() {
        return map_to_json(map);
    }
    if let Some(optional) = value.downcast_ref::<CelOptional>() {
        return match optional.inner() {
            Some(value) => to_json(value),
            None => Err("there is no value; say what stands in for it with `.orValue(…)`".to_owned()),
        };
    }
    scalar_to_json(value)
}

fn scalar_to_json(value: &dyn Val) -> Result<Value, String> {
    if let Some(yes) = value.downcast_ref::<CelBool>() {
        Ok(Value::Bool(*yes.inner()))
    } else if let Some(whole) = value.downcast_ref::<CelInt>() {
        Ok((*whole.inner()).into())
    } else if let Some(whole) = value.downcast_ref::<CelUInt>() {
        Ok((*whole.inner()).into())
    } else if let Some(double) = value.downcast_ref::<CelDouble>() {
        let number = Number::from_f64(*double.inner());
        number.map(Value::Number).ok_or_else(|| format!("`{}` is not a finite number", double.inner()))
    } else if value.downcast_ref::<CelNull>().is_some() {
        Ok(Value::Null)
    } else if let Some(moment) = value.downcast_ref::<CelTimestamp>() {
        Ok(Value::String(moment.inner().to_rfc3339()))
    } else if let Some(span) = value.downcast_ref::<CelDuration>() {
        Ok(seconds(span.inner().num_seconds(), span.inner().subsec_nanos()))
    } else if let Some(named) = value.downcast_ref::<CelType>() {
        Ok(Value::String(named.name().to_owned()))
    } else if value.downcast_ref::<CelBytes>().is_some() {
        Err("bytes cannot be passed on; make a text of them with `string(…)`".to_owned())
    } else {
        Err(format!("a value of type `{}` cannot be passed on", value.get_type().name()))
    }
}

/// A duration as everywhere else in a pipeline: a number of seconds.
fn seconds(whole: i64, nanos: i32) -> Value {
    if nanos == 0 { whole.into() } else { (whole as f64 + f64::from(nanos) / 1e9).into() }
}

fn map_to_json(map: &CelMap<'_>) -> Result<Value, String> {
    let named = |key: &CelMapKey<'_>| match key {
        CelMapKey::String(text) => text.inner().to_owned(),
        CelMapKey::Int(whole) => whole.inner().to_string(),
        CelMapKey::UInt(whole) => whole.inner().to_string(),
        CelMapKey::Bool(yes) => yes.inner().to_string(),
    };
    let mut members: Vec<_> = map.inner().iter().map(|(key, value)| (named(key), value)).collect();
    members.sort_by(|(a, _), (b, _)| a.cmp(b));
    members
        .into_iter()
        .map(|(name, value)| Ok((name, to_json(value.as_ref())?)))
        .collect::<Result<_, _>>()
        .map(Value::Object)
}

/// A value as a part of a text: texts as they are, numbers and bools plainly, lists and maps as JSON.
pub(super) fn to_text(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(plain(number)),
        Value::Null => Err("the value is null and cannot be a part of a text".to_owned()),
        other => Ok(other.to_string()),
    }
}

/// A number as people write it: 2.0 is "2".
fn plain(number: &Number) -> String {
    /// Doubles below this hold every whole number exactly.
    const EXACT_BELOW: f64 = 9_007_199_254_740_992.0;
    match number.as_f64() {
        Some(double) if number.is_f64() && double.fract() == 0.0 && double.abs() < EXACT_BELOW => {
            format!("{double:.0}")
        }
        _ => number.to_string(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::{from_json, to_json, to_text};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    /// Any JSON value.
    pub(crate) fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            (-1e300..1e300).prop_map(Value::from),
            "\\PC{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 48, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::hash_map("[a-z\\$é]{0,4}", inner, 0..6)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn json_goes_through_cel_unchanged(value in any_json()) {
            prop_assert_eq!(to_json(from_json(&value).as_ref()).unwrap(), value);
        }
    }

    #[test]
    fn a_map_comes_out_sorted() {
        let value = json!({"b": 1, "a": {"z": 1, "y": 2}});
        let out = to_json(from_json(&value).as_ref()).unwrap();
        assert_eq!(out.to_string(), r#"{"a":{"y":2,"z":1},"b":1}"#);
    }

    #[test]
    fn values_in_texts_read_plainly() {
        let table = [
            (json!("é"), "é"),
            (json!(3), "3"),
            (json!(2.0), "2"),
            (json!(-2.0), "-2"),
            (json!(2.5), "2.5"),
            (json!(1e300), "1e+300"),
            (json!(true), "true"),
            (json!([1, "a"]), r#"[1,"a"]"#),
            (json!({"a": null}), r#"{"a":null}"#),
        ];
        for (value, text) in table {
            assert_eq!(to_text(&value).as_deref(), Ok(text));
        }
        assert!(to_text(&Value::Null).is_err());
    }
}
