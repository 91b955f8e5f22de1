//! Canonical forms and the hashes over them: the address of a graph, and the key of a cached result.

use crate::graph::{Graph, PluginLock};
use reelmill_model::Digest;
use reelmill_model::artifact::ARTIFACT_KEY;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Values up to so many bytes stand in a key's parts themselves, so that people can read what changed.
const SHOWN_BYTES_MAX: usize = 80;
/// Differences named in one explanation.
const DIFFERENCES_MAX: usize = 4;

/// JSON with sorted keys and no spaces: equal values have equal bytes.
#[must_use]
pub fn canonical_json(value: &Value) -> String {
    let mut text = String::new();
    write(value, &mut text);
    text
}

fn write(value: &Value, text: &mut String) {
    match value {
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write(item, text);
            }
            text.push(']');
        }
        Value::Object(map) => {
            let sorted: BTreeMap<&String, &Value> = map.iter().collect();
            text.push('{');
            for (index, (key, item)) in sorted.into_iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                text.push_str(&Value::from(key.as_str()).to_string());
                text.push(':');
                write(item, text);
            }
            text.push('}');
        }
        scalar => text.push_str(&scalar.to_string()),
    }
}

/// The address of a graph.
#[must_use]
pub fn graph_digest(graph: &Graph) -> Digest {
    // A graph holds nothing that JSON cannot say: its maps have text for keys.
    let value = serde_json::to_value(graph).unwrap_or(Value::Null);
    Digest(*blake3::hash(canonical_json(&value).as_bytes()).as_bytes())
}

/// The first 16 hexadecimal digits of a hash: enough to see that two values differ.
#[must_use]
pub fn short_hash(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex()[..16].to_owned()
}

/// The parts of the key under which a result is cached, by name; none for a stage with effects.
///
/// They are the plugin's digest, stage and version, the tools its results depend on, and each property of `with`:
/// as it is when short, else as a short hash. Of an artifact only the content counts, not its name.
#[must_use]
pub fn cache_parts(lock: &PluginLock, tools: &[String], with: &Value) -> Option<BTreeMap<String, String>> {
    if lock.external {
        return None;
    }
    let mut parts = BTreeMap::from([
        ("plugin".to_owned(), lock.digest.hex()[..16].to_owned()),
        ("stage".to_owned(), format!("{}.{}", lock.plugin, lock.stage)),
        ("version".to_owned(), lock.version.clone()),
    ]);
    if !tools.is_empty() {
        parts.insert("tools".to_owned(), tools.join(", "));
    }
    for (name, value) in with.as_object().into_iter().flatten() {
        let text = canonical_json(&content_only(value));
        let shown = if text.len() <= SHOWN_BYTES_MAX { text } else { short_hash(text.as_bytes()) };
        parts.insert(format!("with.{name}"), shown);
    }
    Some(parts)
}

/// The value with every artifact reference cut down to its address.
fn content_only(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(content_only).collect(),
        Value::Object(map) => match map.get(ARTIFACT_KEY) {
            Some(digest) => Value::Object([(ARTIFACT_KEY.to_owned(), digest.clone())].into_iter().collect()),
            None => map.iter().map(|(key, item)| (key.clone(), content_only(item))).collect(),
        },
        scalar => scalar.clone(),
    }
}

/// The key over all parts.
#[must_use]
pub fn cache_key(parts: &BTreeMap<String, String>) -> Digest {
    let mut hasher = blake3::Hasher::new();
    for (name, value) in parts {
        // Lengths keep "ab" + "c" apart from "a" + "bc".
        for text in [name, value] {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        }
    }
    Digest(*hasher.finalize().as_bytes())
}

/// What differs between the parts of a key and those of the nearest entry, in a sentence: why a look-up missed.
#[must_use]
pub fn differences(parts: &BTreeMap<String, String>, nearest: &BTreeMap<String, String>) -> String {
    let names: BTreeSet<&String> = parts.keys().chain(nearest.keys()).collect();
    let differing: Vec<&String> =
        names.into_iter().filter(|name| parts.get(*name) != nearest.get(*name)).collect();
    let said: Vec<String> = differing
        .iter()
        .take(DIFFERENCES_MAX)
        .map(|name| match (parts.get(*name), nearest.get(*name)) {
            (Some(new), Some(old)) => format!("`{name}` is {new}, it was {old}"),
            (Some(new), None) => format!("`{name}` is new: {new}"),
            (None, _) => format!("`{name}` is gone"),
        })
        .collect();
    let more = match differing.len().saturating_sub(DIFFERENCES_MAX) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    format!("{}{more}", said.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn lock(external: bool) -> PluginLock {
        PluginLock {
            plugin: "tts".into(),
            stage: "speak".into(),
            version: "1.2.0".into(),
            digest: Digest([7; 32]),
            external,
            idempotent: false,
            inline: false,
        }
    }

    fn key(with: &Value) -> Digest {
        cache_key(&cache_parts(&lock(false), &[], with).expect("it may be cached"))
    }

    #[test]
    fn the_order_of_keys_is_of_no_matter() {
        assert_eq!(
            canonical_json(&json!({"b": [1, {"d": 1, "c": "x"}], "a": null})),
            r#"{"a":null,"b":[1,{"c":"x","d":1}]}"#
        );
        assert_eq!(key(&json!({"a": 1, "b": 2})), key(&json!({"b": 2, "a": 1})));
    }

    #[test]
    fn of_an_artifact_only_its_content_counts() {
        let artifact = |digest: u8, name: &str| json!({"a": [{"$artifact": Digest([digest; 32]), "name": name, "path": name}]});
        assert_eq!(key(&artifact(1, "x")), key(&artifact(1, "y")));
        assert_ne!(key(&artifact(1, "x")), key(&artifact(2, "x")));
    }

    #[test]
    fn every_part_changes_the_key() {
        let with = json!({"text": "hello"});
        let base = cache_parts(&lock(false), &["x264 164".to_owned()], &with).expect("parts");
        for name in base.keys() {
            let mut other = base.clone();
            other.insert(name.clone(), "changed".to_owned());
            assert_ne!(cache_key(&base), cache_key(&other), "{name}");
        }
        let moved = |a: &str, b: &str| {
            cache_key(&BTreeMap::from([("x".to_owned(), a.to_owned()), ("y".to_owned(), b.to_owned())]))
        };
        assert_ne!(moved("ab", "c"), moved("a", "bc"));
    }

    #[test]
    fn a_stage_with_effects_has_no_key() {
        assert_eq!(cache_parts(&lock(true), &[], &json!({})), None);
    }

    #[test]
    fn a_miss_is_explained_by_what_differs() {
        let parts = |text: &str, speed: Option<u32>| {
            cache_parts(&lock(false), &[], &json!({"text": text, "speed": speed})).expect("parts")
        };
        assert_eq!(differences(&parts("b", None), &parts("a", None)), r#"`with.text` is "b", it was "a""#);
        assert_eq!(differences(&parts("a", Some(2)), &parts("a", None)), "`with.speed` is 2, it was null");
    }

    #[test]
    fn long_values_are_hashed() {
        let parts = cache_parts(&lock(false), &[], &json!({"text": "x".repeat(1_000)})).expect("parts");
        assert_eq!(parts["with.text"].len(), 16);
    }
}
