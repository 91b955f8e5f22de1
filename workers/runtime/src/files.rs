//! Files on their way in and out of an attempt: artifact references get a path before the plugin sees them, and
//! files that the plugin put out become artifacts before the task is settled.

// The transfers below are futures in a list, not the work of a closure in a stream: the compiler can only tell of the
// former that it may go from thread to thread.
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use reelmill_artifacts::{ArtifactError, Artifacts, Pin, PutMode};
use reelmill_model::artifact::{ARTIFACT_KEY, FILE_KEY};
use reelmill_model::{ArtifactRef, Digest, Failure, FailureClass};
use serde_json::{Map, Value};
use std::collections::{HashMap, HashSet};
use std::path::{Component, Path, PathBuf};

/// Artifacts of one attempt that are on their way at once.
const TRANSFERS_AT_ONCE: usize = 4;

/// What an attempt is given to read.
#[derive(Debug, Default)]
pub struct Inputs {
    /// Artifacts named in `with`, pinned to this machine as long as this lives.
    pub artifacts: HashMap<Digest, Pin>,
    /// Paths named by properties with `"x-path": "read"`, absolute.
    pub read_paths: Vec<PathBuf>,
    /// Folders named by properties with `"x-path": "write"`, absolute. They are there.
    pub write_paths: Vec<PathBuf>,
}

impl Inputs {
    /// The artifacts that the attempt was given.
    pub fn given(&self) -> HashSet<Digest> {
        self.artifacts.keys().copied().collect()
    }
}

/// Adds a `path` to every artifact reference in `with` and makes its paths absolute. What is not on this machine is
/// downloaded.
///
/// Fails with `dependency` when an artifact is not in the store any more, or the store does not answer.
pub async fn resolve_inputs(
    with: &mut Value,
    schema: &Value,
    base_dir: &Path,
    artifacts: &Artifacts,
) -> Result<Inputs, Failure> {
    let mut named = HashMap::new();
    named_artifacts(with, &mut named)?;
    let fetched: Vec<_> = named.into_iter().map(|(digest, name)| fetch(digest, name, artifacts)).collect();
    let pins = stream::iter(fetched).buffer_unordered(TRANSFERS_AT_ONCE).try_collect().await?;
    add_paths(with, &pins);
    let mut paths = Vec::new();
    resolve_paths(with, schema, schema, base_dir, &mut paths);
    let (write, read): (Vec<_>, Vec<_>) = paths.into_iter().partition(|(kind, _)| kind == "write");
    let only = |paths: Vec<(String, PathBuf)>| paths.into_iter().map(|(_, path)| path).collect();
    let inputs = Inputs { artifacts: pins, read_paths: only(read), write_paths: only(write) };
    for folder in &inputs.write_paths {
        tokio::fs::create_dir_all(folder).await.map_err(|error| no_folder(folder, &error))?;
    }
    Ok(inputs)
}

fn no_folder(folder: &Path, error: &std::io::Error) -> Failure {
    let message = format!(
        "the folder {} that `with` names could not be made: {error}; name one that this worker may write to",
        folder.display()
    );
    Failure::new(FailureClass::InvalidConfig, message).with_code("no_folder")
}

/// The artifacts that a value names, with a name for people each.
fn named_artifacts(value: &Value, found: &mut HashMap<Digest, String>) -> Result<(), Failure> {
    match value {
        Value::Array(items) => items.iter().try_for_each(|item| named_artifacts(item, found)),
        Value::Object(map) => {
            let Some(reference) = map.get(ARTIFACT_KEY) else {
                return map.values().try_for_each(|item| named_artifacts(item, found));
            };
            let name = map.get("name").and_then(Value::as_str).unwrap_or("an artifact");
            found.insert(digest_of(reference)?, name.to_owned());
            Ok(())
        }
        _ => Ok(()),
    }
}

fn digest_of(reference: &Value) -> Result<Digest, Failure> {
    serde_json::from_value(reference.clone())
        .map_err(|error| Failure::new(FailureClass::InvalidInput, error.to_string()))
}

fn add_paths(value: &mut Value, pins: &HashMap<Digest, Pin>) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| add_paths(item, pins)),
        Value::Object(map) => {
            let pin = map.get(ARTIFACT_KEY).map(|reference| digest_of(reference).ok());
            match pin.map(|digest| digest.and_then(|digest| pins.get(&digest))) {
                Some(Some(pin)) => {
                    map.insert("path".to_owned(), Value::from(pin.path().to_string_lossy()));
                }
                Some(None) => {}
                None => map.values_mut().for_each(|item| add_paths(item, pins)),
            }
        }
        _ => {}
    }
}

async fn fetch(digest: Digest, name: String, artifacts: &Artifacts) -> Result<(Digest, Pin), Failure> {
    let fetched = artifacts.fetch(&digest).await;
    fetched.map(|pin| (digest, pin)).map_err(|error| not_fetched(&digest, &name, &error))
}

fn not_fetched(digest: &Digest, name: &str, error: &ArtifactError) -> Failure {
    if let ArtifactError::Missing(_) = error {
        let message = format!(
            "{name} ({digest}) is no longer in the artifact store; `reelmill retry` from the stage that made it"
        );
        return Failure::new(FailureClass::Dependency, message).with_code("artifact_missing");
    }
    Failure::new(class_of(error), format!("{name} could not be fetched: {error}")).with_code("artifact_fetch")
}

/// Of the shared store, or of this machine.
const fn class_of(error: &ArtifactError) -> FailureClass {
    if error.is_remote() { FailureClass::Dependency } else { FailureClass::Resource }
}

/// Whether everybody who may need these artifacts finds them.
pub async fn all_there(named: &[(Digest, u64)], artifacts: &Artifacts) -> Result<bool, ArtifactError> {
    let asked: Vec<_> = named.iter().map(|(digest, _)| artifacts.ensure(digest)).collect();
    let answers: Vec<bool> = stream::iter(asked).buffer_unordered(TRANSFERS_AT_ONCE).try_collect().await?;
    Ok(answers.into_iter().all(|is_there| is_there))
}

/// Walks `with` beside its schema; a string under `"x-path"` is a path beside the pipeline file, to be read or written.
fn resolve_paths(
    value: &mut Value,
    schema: &Value,
    root: &Value,
    base_dir: &Path,
    found: &mut Vec<(String, PathBuf)>,
) {
    let schema = follow(schema, root);
    if let Some(kind) = schema.get("x-path")
        && let Value::String(text) = value
    {
        let path = base_dir.join(&*text);
        *text = path.to_string_lossy().into_owned();
        found.push((kind.as_str().unwrap_or_default().to_owned(), path));
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

/// Stores the files in `outputs` and puts references in their place; they are durable when this returns. A reference
/// that the plugin echoes must be one that it was given.
///
/// Fails with `protocol` when the plugin names a file that is not its own, with `resource` when the disk is full, and
/// with `dependency` when the shared store does not take it.
pub async fn store_outputs(
    outputs: &mut Value,
    scratch: &Path,
    given: &HashSet<Digest>,
    artifacts: &Artifacts,
) -> Result<(), Failure> {
    let mut files = Vec::new();
    find_files(outputs, given, &mut files)?;
    let stored: Vec<_> = files.into_iter().map(|value| store_file(value, scratch, artifacts)).collect();
    stream::iter(stored).buffer_unordered(TRANSFERS_AT_ONCE).try_collect().await
}

/// The places in the outputs where a file stands.
fn find_files<'a>(
    value: &'a mut Value,
    given: &HashSet<Digest>,
    found: &mut Vec<&'a mut Value>,
) -> Result<(), Failure> {
    match value {
        Value::Object(map) if map.contains_key(FILE_KEY) => {
            found.push(value);
            Ok(())
        }
        Value::Object(map) if map.contains_key(ARTIFACT_KEY) => check_echo(map, given),
        Value::Object(map) => map.values_mut().try_for_each(|item| find_files(item, given, found)),
        Value::Array(items) => items.iter_mut().try_for_each(|item| find_files(item, given, found)),
        _ => Ok(()),
    }
}

fn check_echo(map: &mut Map<String, Value>, given: &HashSet<Digest>) -> Result<(), Failure> {
    map.shift_remove("path");
    let artifact: ArtifactRef = serde_json::from_value(Value::Object(map.clone()))
        .map_err(|error| protocol(format!("an artifact reference in the outputs is malformed: {error}")))?;
    if given.contains(&artifact.digest) {
        return Ok(());
    }
    Err(protocol(format!("the outputs name {}, which the stage was not given", artifact.digest)))
}

async fn store_file(value: &mut Value, scratch: &Path, artifacts: &Artifacts) -> Result<(), Failure> {
    let text = |key: &str| value.get(key).and_then(Value::as_str);
    let relative = text(FILE_KEY).ok_or_else(|| protocol(format!("`{FILE_KEY}` is not a string")))?;
    let path = inside(scratch, relative)?;
    let file_name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let name = text("name").unwrap_or(&file_name);
    let media_type = text("media_type").unwrap_or("application/octet-stream");
    let stored = artifacts.put_file(&path, name, media_type, PutMode::Move).await;
    let artifact = stored.map_err(|error| {
        Failure::new(class_of(&error), format!("{name} could not be stored: {error}"))
            .with_code("artifact_store")
    })?;
    *value = serde_json::to_value(&artifact).unwrap_or(Value::Null);
    Ok(())
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

    fn store() -> (tempfile::TempDir, Artifacts, PathBuf) {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let artifacts = Artifacts::local(dir.path().join("artifacts")).expect("a store");
        let scratch = dir.path().join("scratch");
        std::fs::create_dir(&scratch).expect("a scratch folder");
        (dir, artifacts, scratch)
    }

    #[tokio::test]
    async fn a_file_becomes_an_artifact_and_gets_its_path_back() {
        let (_dir, artifacts, scratch) = store();
        std::fs::write(scratch.join("a.txt"), "hello").expect("written");
        let mut outputs = json!({"list": [{"$file": "a.txt", "media_type": "text/plain"}]});
        store_outputs(&mut outputs, &scratch, &HashSet::new(), &artifacts).await.expect("stored");
        assert_eq!(outputs["list"][0]["size"], 5);
        let inputs =
            resolve_inputs(&mut outputs, &json!({}), Path::new("/"), &artifacts).await.expect("resolved");
        assert_eq!(inputs.given(), HashSet::from([Digest(*blake3::hash(b"hello").as_bytes())]));
        let path = outputs["list"][0]["path"].as_str().expect("a path");
        assert_eq!(std::fs::read_to_string(path).expect("readable"), "hello");
    }

    #[tokio::test]
    async fn a_file_outside_the_scratch_folder_is_refused() {
        let (dir, artifacts, scratch) = store();
        std::fs::write(dir.path().join("secret"), "x").expect("written");
        std::os::unix::fs::symlink(dir.path().join("secret"), scratch.join("link")).expect("linked");
        for name in ["../secret", "/etc/passwd", "link", "", "not_there"] {
            let mut outputs = json!({ "f": {"$file": name} });
            let failure = store_outputs(&mut outputs, &scratch, &HashSet::new(), &artifacts)
                .await
                .expect_err("it must be refused");
            assert_eq!(failure.class, FailureClass::Protocol, "{name}");
        }
    }

    #[tokio::test]
    async fn an_echoed_reference_must_have_been_given() {
        let (_dir, artifacts, scratch) = store();
        let digest = Digest([7; 32]);
        let reference =
            json!({"$artifact": digest, "name": "a", "size": 1, "media_type": "text/plain", "path": "/x"});
        let mut outputs = json!({ "a": reference });
        assert!(store_outputs(&mut outputs, &scratch, &HashSet::new(), &artifacts).await.is_err());
        store_outputs(&mut outputs, &scratch, &HashSet::from([digest]), &artifacts)
            .await
            .expect("it was given");
        assert_eq!(outputs["a"].get("path"), None);
    }

    #[tokio::test]
    async fn paths_are_resolved_where_the_schema_says_so() {
        let (_dir, artifacts, _scratch) = store();
        let schema = json!({
            "properties": {"folder": {"$ref": "#/$defs/Folder"}, "title": {"type": "string"},
                           "more": {"type": "array", "items": {"$ref": "#/$defs/Folder"}}},
            "$defs": {"Folder": {"type": "string", "x-path": "read"}},
        });
        let mut with = json!({"folder": "media", "title": "media", "more": ["/abs"]});
        let inputs =
            resolve_inputs(&mut with, &schema, Path::new("/home/me"), &artifacts).await.expect("resolved");
        assert_eq!(with, json!({"folder": "/home/me/media", "title": "media", "more": ["/abs"]}));
        assert_eq!(inputs.read_paths, vec![PathBuf::from("/home/me/media"), PathBuf::from("/abs")]);
        assert_eq!(inputs.write_paths, Vec::<PathBuf>::new());
    }

    #[tokio::test]
    async fn a_folder_to_write_to_is_made_and_is_not_one_to_read() {
        let (dir, artifacts, _scratch) = store();
        let schema = json!({ "properties": { "state": { "type": "string", "x-path": "write" } } });
        let mut with = json!({ "state": "kept/here" });
        let inputs = resolve_inputs(&mut with, &schema, dir.path(), &artifacts).await.expect("resolved");
        assert_eq!(inputs.write_paths, [dir.path().join("kept/here")]);
        assert!(inputs.read_paths.is_empty() && inputs.write_paths[0].is_dir());

        std::fs::write(dir.path().join("file"), "").expect("written");
        let mut with = json!({ "state": "file/under" });
        let failure =
            resolve_inputs(&mut with, &schema, dir.path(), &artifacts).await.expect_err("no folder");
        assert_eq!((failure.class, failure.code.as_str()), (FailureClass::InvalidConfig, "no_folder"));
    }
}
