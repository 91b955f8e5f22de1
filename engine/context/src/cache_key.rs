//! What a cached result depends on beside its `with`: the folders a stage reads.

use reelmill_graph::PluginLock;
use reelmill_graph::canonical;
use reelmill_model::artifact::{ARTIFACT_KEY, SECRET_KEY};
use reelmill_model::{Digest, StageManifest};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// Says in a schema of `with` what its secrets are for.
const SECRETS_MARK: &str = "x-secrets";
/// Says in a schema of outputs which of them makes a result one for now only.
const PROVISIONAL_MARK: &str = "x-provisional";
/// Files of a folder that are looked at; a larger folder is not cached on.
const LISTING_FILES_MAX: usize = 10_000;

/// The parts of a cache key; none when a result may not be cached: the stage has effects, or reads a folder too
/// large to list.
#[must_use]
pub fn parts(
    lock: &PluginLock,
    stage: &StageManifest,
    with: &Value,
    base_dir: &Path,
) -> Option<BTreeMap<String, String>> {
    let mut parts = canonical::cache_parts(lock, &stage.tools, with)?;
    if contains_secret(with) && stage.input.get(SECRETS_MARK) != Some(&Value::from("credentials")) {
        // The result may depend on whose key it was; the value itself must not become part of a key. Where secrets only
        // open doors, their names in `with` are as good as every other value.
        return None;
    }
    let properties = stage.input.get("properties").and_then(Value::as_object);
    for (name, schema) in properties.into_iter().flatten() {
        if let (true, Some(Value::String(path))) = (may_be_path(schema, &stage.input), with.get(name)) {
            parts.insert(format!("files of {name}"), listing(&base_dir.join(path))?);
        }
    }
    Some(parts)
}

/// Whether a result may be used again: not when the output that the stage's schema names as provisional holds something.
#[must_use]
pub fn is_lasting(stage: &StageManifest, outputs: &Value) -> bool {
    let mark = stage.output.get(PROVISIONAL_MARK).and_then(Value::as_str);
    match mark.and_then(|name| outputs.get(name)) {
        None | Some(Value::Null | Value::Bool(false)) => true,
        Some(Value::Array(items)) => items.is_empty(),
        Some(_) => false,
    }
}

/// Whether a value under this schema may be a path that is read: itself, by reference, or as one of several choices.
/// What a stage keeps in a folder that it writes to changes no result.
fn may_be_path(schema: &Value, root: &Value) -> bool {
    let is_read = |schema: &Value| schema.get("x-path").is_some_and(|kind| kind != "write");
    let target = |schema: &Value| {
        let pointer = schema.get("$ref")?.as_str()?.strip_prefix('#')?;
        root.pointer(pointer)
    };
    let choices = schema.get("anyOf").and_then(Value::as_array);
    is_read(schema)
        || target(schema).is_some_and(is_read)
        || choices.is_some_and(|all| all.iter().any(|one| may_be_path(one, root)))
}

fn contains_secret(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(contains_secret),
        Value::Object(map) => map.contains_key(SECRET_KEY) || map.values().any(contains_secret),
        _ => false,
    }
}

/// A hash over names, lengths and times of the files below a path. A path that cannot be read has one too: the
/// stage will say what is wrong with it.
fn listing(path: &Path) -> Option<String> {
    let mut lines = Vec::new();
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
            Err(_) if folder == path => vec![path.to_owned()],
            Err(_) => Vec::new(),
        };
        for entry in entries {
            if lines.len() >= LISTING_FILES_MAX {
                return None;
            }
            let Ok(facts) = entry.metadata() else { continue };
            if facts.is_dir() {
                folders.push(entry);
                continue;
            }
            let changed = facts.modified().ok().and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
            let changed = changed.map_or(0, |at| at.as_nanos());
            let mut line = String::new();
            let _ = write!(line, "{} {} {changed}", entry.display(), facts.len());
            lines.push(line);
        }
    }
    lines.sort_unstable();
    Some(canonical::short_hash(lines.join("\n").as_bytes()))
}

/// The artifacts that a stage's outputs name, each once.
#[must_use]
pub fn artifacts_in(outputs: &Value) -> Vec<(Digest, u64)> {
    let mut found = BTreeMap::new();
    collect(outputs, &mut found);
    found.into_iter().collect()
}

fn collect(value: &Value, found: &mut BTreeMap<Digest, u64>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        Value::Object(map) => {
            let digest = map.get(ARTIFACT_KEY).and_then(Value::as_str).and_then(|text| text.parse().ok());
            if let Some(digest) = digest {
                found.insert(digest, map.get("size").and_then(Value::as_u64).unwrap_or(0));
            }
            map.values().for_each(|item| collect(item, found));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_changed_folder_changes_its_listing() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let before = listing(folder.path());
        std::fs::write(folder.path().join("a.png"), "x").expect("written");
        let after = listing(folder.path());
        assert_ne!(before, after);
        assert_eq!(after, listing(folder.path()));
    }

    #[test]
    fn a_path_is_known_in_every_form_a_schema_gives_it() {
        let root = json!({ "$defs": { "Folder": { "x-path": "read" }, "Name": { "type": "string" } } });
        for (schema, expected) in [
            (json!({ "x-path": "read" }), true),
            (json!({ "$ref": "#/$defs/Folder" }), true),
            (json!({ "type": "string", "x-path": "write" }), false),
            (
                json!({ "anyOf": [{ "anyOf": [{ "type": "object" }, { "x-path": "read" }] }, { "type": "null" }] }),
                true,
            ),
            (json!({ "anyOf": [{ "$ref": "#/$defs/Name" }, { "type": "null" }] }), false),
        ] {
            assert_eq!(may_be_path(&schema, &root), expected, "{schema}");
        }
    }

    #[test]
    fn artifacts_are_found_at_any_depth_and_once() {
        let digest = Digest([1; 32]);
        let reference = json!({"$artifact": digest, "size": 7});
        let outputs = json!({"a": [reference, {"b": reference}]});
        assert_eq!(artifacts_in(&outputs), vec![(digest, 7)]);
    }

    fn stage(input: &Value, output: &Value) -> StageManifest {
        let manifest =
            json!({ "id": "a", "version": "1.0.0", "summary": "", "input": input, "output": output });
        serde_json::from_value(manifest).expect("a manifest")
    }

    #[test]
    fn secrets_that_only_open_doors_do_not_keep_a_result_from_being_cached() {
        let lock = PluginLock {
            plugin: "p".into(),
            stage: "a".into(),
            version: "1.0.0".into(),
            digest: Digest([2; 32]),
            external: false,
            idempotent: false,
            inline: false,
        };
        let with = json!({ "voices": [{ "key": { "$secret": "one" } }] });
        let keyed = |mark: Value| parts(&lock, &stage(&mark, &json!({})), &with, Path::new("/"));
        assert!(keyed(json!({})).is_none() && keyed(json!({ "x-secrets": "content" })).is_none());
        let parts = keyed(json!({ "x-secrets": "credentials" })).expect("it may be cached");
        assert!(parts["with.voices"].contains("one"), "{parts:?}");
    }

    #[test]
    fn a_result_for_now_is_not_kept() {
        let marked = stage(&json!({}), &json!({ "x-provisional": "fallbacks" }));
        for (outputs, lasting) in [
            (json!({}), true),
            (json!({ "fallbacks": [] }), true),
            (json!({ "fallbacks": null }), true),
            (json!({ "fallbacks": false }), true),
            (json!({ "fallbacks": [{ "voice": "a" }] }), false),
            (json!({ "fallbacks": true }), false),
        ] {
            assert_eq!(is_lasting(&marked, &outputs), lasting, "{outputs}");
            assert!(is_lasting(&stage(&json!({}), &json!({})), &outputs));
        }
    }

    #[test]
    fn secrets_are_found_at_any_depth() {
        assert!(contains_secret(&json!({"a": [{"$secret": "k"}]})));
        assert!(!contains_secret(&json!({"a": ["$secret"]})));
    }
}
