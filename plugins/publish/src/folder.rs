//! `publish.folder`: files into a folder that somebody else watches, or a network share. Each is there whole or not at
//! all.

use reelmill_sdk::prelude::*;
use std::io::Read as _;
use std::path::{Component, Path};

/// Files of one stage at the most.
const FILES_MAX: usize = 200;

/// What happens when a file of that name is there already.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Existing {
    /// It is replaced; the same content is left alone.
    #[default]
    Replace,
    /// The stage fails, unless it has the same content.
    Fail,
}

/// `with` of `publish.folder`.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FolderInput {
    /// The files.
    #[schemars(length(min = 1, max = 200))]
    pub files: Vec<Artifact>,
    /// Where they go.
    pub folder: WritePath,
    /// Their names there, in the same order, `news/2027-01-31.mp4`; their own when left out.
    #[serde(default)]
    pub names: Vec<String>,
    /// Something to write beside them, as `NAME.json` of the first file: title, credits, addresses.
    #[serde(default)]
    pub metadata: Option<Value>,
    /// What happens when a file of that name is there already.
    #[serde(default)]
    pub existing: Existing,
}

/// What `publish.folder` puts out.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct FolderOutput {
    /// Where the files are, in the same order.
    pub paths: Vec<String>,
    /// Where the metadata is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<String>,
    /// Bytes that were written; 0 when all was there.
    pub bytes: u64,
}

/// The stage `publish.folder`.
pub struct Folder;

impl Stage for Folder {
    const ID: &'static str = "folder";
    const VERSION: &'static str = "1.0.0";
    const SUMMARY: &'static str = "Puts files into a folder, each whole or not at all";
    type Input = FolderInput;
    type Output = FolderOutput;

    fn traits() -> StageTraits {
        StageTraits {
            effects: Effects::External,
            idempotent: true,
            examples: vec![Example {
                note: "A video with what is to be said of it".into(),
                with: json!({
                    "files": [{ "$artifact": "0".repeat(64), "name": "video.mp4", "media_type": "video/mp4" }],
                    "folder": "./out", "names": ["tides.mp4"], "metadata": { "title": "How tides work" }
                }),
            }],
            ..StageTraits::default()
        }
    }

    fn open() -> Result<Self, StageError> {
        Ok(Self)
    }

    fn run(&mut self, input: FolderInput, cx: &Cx<'_>) -> Result<FolderOutput, StageError> {
        let names = names(&input)?;
        let folder = input.folder.as_path();
        let mut output = FolderOutput { paths: Vec::new(), metadata: None, bytes: 0 };
        for (file, name) in input.files.iter().zip(&names) {
            cx.check()?;
            cx.progress(&Progress {
                done: output.paths.len() as f64,
                total: Some(names.len() as f64),
                unit: "files".into(),
                phase: "copying".into(),
                ..Progress::default()
            });
            let place = folder.join(name);
            if put(file.path(), &place, input.existing, cx)? {
                output.bytes += file.reference.size;
            }
            output.paths.push(place.to_string_lossy().into_owned());
        }
        if let Some(metadata) = &input.metadata {
            let text = serde_json::to_vec_pretty(metadata)
                .map_err(|error| StageError::internal(error.to_string()))?;
            let own = cx.output("metadata.json");
            std::fs::write(&own, text).context("write the metadata")?;
            let place = folder.join(format!("{}.json", names[0]));
            put(&own, &place, input.existing, cx)?;
            output.metadata = Some(place.to_string_lossy().into_owned());
        }
        Ok(output)
    }
}

/// The names in the folder: none twice, none that leads out of it.
fn names(input: &FolderInput) -> Result<Vec<String>, StageError> {
    let count = input.files.len();
    if count == 0 || count > FILES_MAX {
        return Err(StageError::invalid_input(format!(
            "`files` has {count}, but must have 1 to {FILES_MAX}"
        )));
    }
    if !input.names.is_empty() && input.names.len() != count {
        return Err(StageError::invalid_input(format!(
            "`names` has {} for {count} files; give one for each, or none",
            input.names.len()
        )));
    }
    let own = || input.files.iter().map(|file| file.name().to_owned()).collect();
    let names: Vec<String> = if input.names.is_empty() { own() } else { input.names.clone() };
    for (place, name) in names.iter().enumerate() {
        let is_inside =
            !name.is_empty() && Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
        if !is_inside {
            return Err(StageError::invalid_input(format!(
                "`{name}` is no name of a file within the folder"
            )));
        }
        if names[..place].contains(name) {
            return Err(StageError::invalid_input(format!(
                "two files are to be `{name}`: give other `names`"
            )));
        }
    }
    Ok(names)
}

/// Copies a file under another name, syncs it, and gives it its own; whether anything was written.
fn put(from: &Path, to: &Path, existing: Existing, cx: &Cx<'_>) -> Result<bool, StageError> {
    let doing = || format!("write {}", to.display());
    if to.is_file() {
        if is_same(from, to).context(doing())? {
            return Ok(false);
        }
        if existing == Existing::Fail {
            return Err(StageError::permanent(format!(
                "{} is there already, with another content; give another name or `existing: replace`",
                to.display()
            ))
            .code("exists"));
        }
    }
    let folder = to.parent().ok_or_else(|| StageError::internal("a file without a folder"))?;
    std::fs::create_dir_all(folder).context(doing())?;
    let name = to.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let token = &blake3::hash(cx.idempotency_token().as_bytes()).to_hex()[..8];
    let part = folder.join(format!(".{name}.{token}.part"));
    let written = (|| {
        std::fs::copy(from, &part)?;
        std::fs::File::open(&part)?.sync_all()?;
        std::fs::rename(&part, to)?;
        std::fs::File::open(folder)?.sync_all()
    })();
    if written.is_err() {
        let _ = std::fs::remove_file(&part);
    }
    written.context(doing()).map(|()| true)
}

fn is_same(one: &Path, other: &Path) -> std::io::Result<bool> {
    if one.metadata()?.len() != other.metadata()?.len() {
        return Ok(false);
    }
    let (mut one, mut other) = (std::fs::File::open(one)?, std::fs::File::open(other)?);
    let (mut left, mut right) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        let count = one.read(&mut left)?;
        if count == 0 {
            return Ok(true);
        }
        other.read_exact(&mut right[..count])?;
        if left[..count] != right[..count] {
            return Ok(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reelmill_sdk::FailureClass;
    use reelmill_sdk::testing::{Bench, artifact};

    fn run(with: Value) -> Result<Value, StageError> {
        let scratch = tempfile::tempdir().unwrap();
        Bench::new(scratch.path()).run::<Folder>(with)
    }

    fn file(folder: &Path, name: &str, content: &str) -> Value {
        let path = folder.join(name);
        std::fs::write(&path, content).unwrap();
        serde_json::to_value(artifact(&path, "text/plain")).unwrap()
    }

    #[test]
    fn files_are_there_whole_and_a_repetition_changes_nothing() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let with = json!({
            "files": [file(from.path(), "a.mp4", "one"), file(from.path(), "b.txt", "two")],
            "folder": to.path(), "names": ["news/a.mp4", "b.txt"], "metadata": { "title": "T" }
        });
        let output = run(with.clone()).unwrap();
        assert_eq!((&output["bytes"], output["paths"].as_array().unwrap().len()), (&json!(6), 2));
        assert_eq!(std::fs::read_to_string(to.path().join("news/a.mp4")).unwrap(), "one");
        let said = std::fs::read_to_string(to.path().join("news/a.mp4.json")).unwrap();
        assert!(said.contains("\"title\": \"T\""), "{said}");
        assert_eq!(
            std::fs::read_dir(to.path().join("news")).unwrap().count(),
            2,
            "nothing else is left there"
        );
        assert_eq!(run(with).unwrap()["bytes"], 0);
    }

    #[test]
    fn another_content_is_replaced_or_an_error() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let with = |content: &str, existing: &str| json!({ "files": [file(from.path(), "a", content)], "folder": to.path(), "existing": existing });
        run(with("one", "fail")).unwrap();
        run(with("one", "fail")).unwrap();
        let error = run(with("two", "fail")).unwrap_err();
        assert_eq!((error.class(), error.failure().code.as_str()), (FailureClass::Permanent, "exists"));
        run(with("two", "replace")).unwrap();
        assert_eq!(std::fs::read_to_string(to.path().join("a")).unwrap(), "two");
    }

    #[test]
    fn no_name_leads_out_of_the_folder() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for name in ["../a", "/etc/a", "a/../../b", "", "."] {
            let with =
                json!({ "files": [file(from.path(), "a", "x")], "folder": to.path(), "names": [name] });
            assert_eq!(run(with).unwrap_err().class(), FailureClass::InvalidInput, "{name}");
        }
        let twice = file(from.path(), "a", "x");
        let error = run(json!({ "files": [twice, twice], "folder": to.path() })).unwrap_err();
        assert!(error.failure().message.contains("two files"), "{error}");
    }
}
