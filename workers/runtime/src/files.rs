//! Files on their way in and out of an attempt: artifact references get a path before the plugin sees them, and
//! files that the plugin put out become artifacts before the task is settled.

use reelmill_artifacts::{LocalArtifacts, PutMode};
use reelmill_model::artifact::{ARTIFACT_KEY, FILE_KEY};
use reelmill_model::{ArtifactRef, Digest, Failure, FailureClass};
use serde_json::{Map, Value};
use std::collections::HashSet;
use std::path::{Component, Path, PathBuf};

/// What an attempt is given to read.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Inputs {
    /// Artifacts named in `with`.
    pub artifacts: HashSet<Digest>,
    /// Paths named by properties with `"x-path": "read"`, absolute.
    pub read_paths: Vec<PathBuf>,
}

/// Adds a `path` to every artifact reference in `with` and makes its paths absolute.
///
/// Fails with `dependency` when an artifact is not in the store any more.
pub fn resolve_inputs(
    with: &mut Value,
    schema: &Value,
    base_dir: &Path,
    artifacts: &LocalArtifacts,
) -> Result<Inputs, Failure> {
    let mut inputs = Inputs::default();
    resolve_artifacts(with, artifacts, &mut inputs.artifacts)?;
    resolve_paths(with, schema, schema, base_dir, &mut inputs.read_paths);
    Ok(inputs)
}

fn resolve_artifacts(
    value: &mut Value,
    artifacts: &LocalArtifacts,
    found: &mut HashSet<Digest>,
) -> Result<(), Failure> {
    match value {
        Value::Array(items) => {
            items.iter_mut().try_for_each(|item| resolve_artifacts(item, artifacts, found))
        }
        Value::Object(map) => {
            let Some(reference) = map.get(ARTIFACT_KEY) else {
                return map.values_mut().try_for_each(|item| resolve_artifacts(item, artifacts, found));
            };
            let digest: Digest = serde_json::from_value(reference.clone())
                .map_err(|error| Failure::new(FailureClass::InvalidInput, error.to_string()))?;
            let path = artifacts.path(&digest).ok_or_else(|| missing_artifact(&digest, map))?;
            map.insert("path".to_owned(), Value::from(path.to_string_lossy()));
            found.insert(digest);
            Ok(())
        }
        _ => Ok(()),
    }
}

fn missing_artifact(digest: &Digest, map: &Map<String, Value>) -> Failure {
    let name = map.get("name").and_then(Value::as_str).unwrap_or("an artifact");
    let message = format!(
        "{name} ({digest}) is no longer in the artifact store; `reelmill retry` from the stage that made it"
    );
    Failure::new(FailureClass::Dependency, message).with_code("artifact_missing")
}

/// Walks `with` beside its schema; a string under `"x-path"` is a path beside the pipeline file.
fn resolve_paths(value: &mut Value, schema: &Value, root: &Value, base_dir: &Path, found: &mut Vec<PathBuf>) {
    let schema = follow(schema, root);
    if schema.get("x-path").is_some()
        && let Value::String(text) = value
    {
        let path = base_dir.join(&*text);
        *text = path.to_string_lossy().into_owned();
        found.push(path);
        return;
    }
    for choice in ["anyOf", "oneOf", "allOf"] {
        for schema in schema.get(choice).and_then(Value::as_array).into_iter().flatten() {
            resolve_paths(value, schema, root, base_dir, found);
        }
    }
    match value {
        Value::Array(items) => {
            if let Some(schema) = schema.get("items") {
                for item in items {
                    resolve_paths(item, schema, root, base_dir, found);
                }
            }
        }
        Value::Object(map) => {
            for (name, item) in map {
                if let Some(schema) = schema.get("properties").and_then(|all| all.get(name)) {
                    resolve_paths(item, schema, root, base_dir, found);
                }
            }
        }
        _ => {}
    }
}

fn follow<'a>(schema: &'a Value, root: &'a Value) -> &'a Value {
    schema
        .get("$ref")
        .and_then(Value::as_str)
        .and_then(|reference| reference.strip_prefix('#'))
        .and_then(|pointer| root.pointer(pointer))
        .unwrap_or(schema)
}

/// Stores the files in `outputs` and puts references in their place. A reference that the plugin echoes must be
/// one that it was given.
///
/// Fails with `protocol` when the plugin names a file that is not its own, and with `resource` when the store
/// is full.
pub fn store_outputs(
    outputs: &mut Value,
    scratch: &Path,
    given: &HashSet<Digest>,
    artifacts: &LocalArtifacts,
) -> Result<Vec<ArtifactRef>, Failure> {
    let mut stored = Vec::new();
    store_value(outputs, scratch, given, artifacts, &mut stored)?;
    Ok(stored)
}

fn store_value(
    value: &mut Value,
    scratch: &Path,
    given: &HashSet<Digest>,
    artifacts: &LocalArtifacts,
    stored: &mut Vec<ArtifactRef>,
) -> Result<(), Failure> {
    match value {
        Value::Array(items) => {
            items.iter_mut().try_for_each(|item| store_value(item, scratch, given, artifacts, stored))
        }
        Value::Object(map) if map.contains_key(FILE_KEY) => {
            let artifact = store_file(map, scratch, artifacts)?;
            *value = serde_json::to_value(&artifact).unwrap_or(Value::Null);
            stored.push(artifact);
            Ok(())
        }
        Value::Object(map) if map.contains_key(ARTIFACT_KEY) => {
            map.shift_remove("path");
            let artifact: ArtifactRef =
                serde_json::from_value(Value::Object(map.clone())).map_err(|error| {
                    protocol(format!("an artifact reference in the outputs is malformed: {error}"))
                })?;
            if !given.contains(&artifact.digest) {
                return Err(protocol(format!(
                    "the outputs name {}, which the stage was not given",
                    artifact.digest
                )));
            }
            stored.push(artifact);
            Ok(())
        }
        Value::Object(map) => {
            map.values_mut().try_for_each(|item| store_value(item, scratch, given, artifacts, stored))
        }
        _ => Ok(()),
    }
}

fn store_file(
    map: &Map<String, Value>,
    scratch: &Path,
    artifacts: &LocalArtifacts,
) -> Result<ArtifactRef, Failure> {
    let text = |key: &str| map.get(key).and_then(Value::as_str);
    let relative = text(FILE_KEY).ok_or_else(|| protocol(format!("`{FILE_KEY}` is not a string")))?;
    let path = inside(scratch, relative)?;
    let file_name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let name = text("name").unwrap_or(&file_name);
    let media_type = text("media_type").unwrap_or("application/octet-stream");
    artifacts.put_file(&path, name, media_type, PutMode::Move).map_err(|error| {
        Failure::new(FailureClass::Resource, format!("{name} could not be stored: {error}"))
            .with_code("artifact_store")
    })
}

/// The file a plugin names, made sure to be a regular file in its scratch folder.
fn inside(scratch: &Path, relative: &str) -> Result<PathBuf, Failure> {
    let path = Path::new(relative);
    let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
    if !plain || path.as_os_str().is_empty() {
        return Err(protocol(format!("`{relative}` is not a path inside the scratch folder")));
    }
    let full = scratch.join(path);
    let kind = full.symlink_metadata().map_err(|error| {
        protocol(format!("the stage put out `{relative}`, which it did not write: {error}"))
    })?;
    let real = full.canonicalize().unwrap_or_default();
    let root = scratch.canonicalize().unwrap_or_default();
    if !kind.is_file() || !real.starts_with(root) {
        return Err(protocol(format!(
            "the stage put out `{relative}`, which is not a regular file of its own"
        )));
    }
    Ok(full)
}

fn protocol(message: String) -> Failure {
    Failure::new(FailureClass::Protocol, message).with_code("outputs")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn store() -> (tempfile::TempDir, LocalArtifacts, PathBuf) {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let artifacts = LocalArtifacts::open(dir.path().join("artifacts")).expect("a store");
        let scratch = dir.path().join("scratch");
        std::fs::create_dir(&scratch).expect("a scratch folder");
        (dir, artifacts, scratch)
    }

    #[test]
    fn a_file_becomes_an_artifact_and_gets_its_path_back() {
        let (_dir, artifacts, scratch) = store();
        std::fs::write(scratch.join("a.txt"), "hello").expect("written");
        let mut outputs = json!({"list": [{"$file": "a.txt", "media_type": "text/plain"}]});
        let stored = store_outputs(&mut outputs, &scratch, &HashSet::new(), &artifacts).expect("stored");
        assert_eq!(outputs["list"][0]["size"], 5);
        let inputs = resolve_inputs(&mut outputs, &json!({}), Path::new("/"), &artifacts).expect("resolved");
        assert_eq!(inputs.artifacts, HashSet::from([stored[0].digest]));
        let path = outputs["list"][0]["path"].as_str().expect("a path");
        assert_eq!(std::fs::read_to_string(path).expect("readable"), "hello");
    }

    #[test]
    fn a_file_outside_the_scratch_folder_is_refused() {
        let (dir, artifacts, scratch) = store();
        std::fs::write(dir.path().join("secret"), "x").expect("written");
        std::os::unix::fs::symlink(dir.path().join("secret"), scratch.join("link")).expect("linked");
        for name in ["../secret", "/etc/passwd", "link", "", "not_there"] {
            let mut outputs = json!({ "f": {"$file": name} });
            let failure = store_outputs(&mut outputs, &scratch, &HashSet::new(), &artifacts)
                .expect_err("it must be refused");
            assert_eq!(failure.class, FailureClass::Protocol, "{name}");
        }
    }

    #[test]
    fn an_echoed_reference_must_have_been_given() {
        let (_dir, artifacts, scratch) = store();
        let digest = Digest([7; 32]);
        let reference =
            json!({"$artifact": digest, "name": "a", "size": 1, "media_type": "text/plain", "path": "/x"});
        let mut outputs = json!({ "a": reference });
        assert!(store_outputs(&mut outputs, &scratch, &HashSet::new(), &artifacts).is_err());
        store_outputs(&mut outputs, &scratch, &HashSet::from([digest]), &artifacts).expect("it was given");
        assert_eq!(outputs["a"].get("path"), None);
    }

    #[test]
    fn paths_are_resolved_where_the_schema_says_so() {
        let (_dir, artifacts, _scratch) = store();
        let schema = json!({
            "properties": {"folder": {"$ref": "#/$defs/Folder"}, "title": {"type": "string"},
                           "more": {"type": "array", "items": {"$ref": "#/$defs/Folder"}}},
            "$defs": {"Folder": {"type": "string", "x-path": "read"}},
        });
        let mut with = json!({"folder": "media", "title": "media", "more": ["/abs"]});
        let inputs = resolve_inputs(&mut with, &schema, Path::new("/home/me"), &artifacts).expect("resolved");
        assert_eq!(with, json!({"folder": "/home/me/media", "title": "media", "more": ["/abs"]}));
        assert_eq!(inputs.read_paths, vec![PathBuf::from("/home/me/media"), PathBuf::from("/abs")]);
    }
}
