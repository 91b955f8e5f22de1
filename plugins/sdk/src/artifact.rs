//! Files that come into a stage and files that it puts out.
//!
//! In schemas they carry `"x-artifact": true`; a field that takes only some kinds says so with
//! `#[schemars(extend("x-media-types" = ["video/*"]))]`.

use crate::StageError;
use reelmill_model::ArtifactRef;
use reelmill_model::artifact::FILE_KEY;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use std::borrow::Cow;
use std::path::{Path, PathBuf};

/// A stored file that a stage reads. Putting one out again (an edit list that names its sources) passes on the
/// reference.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Artifact {
    /// Its address, name, size and media type.
    #[serde(flatten)]
    pub reference: ArtifactRef,
    path: PathBuf,
}

impl Artifact {
    /// A file with its reference; the worker makes these, and tests do.
    #[must_use]
    pub fn new(reference: ArtifactRef, path: impl Into<PathBuf>) -> Self {
        Self { reference, path: path.into() }
    }

    /// Where it can be read while the attempt runs. Read-only.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it is, for example `video/mp4`.
    #[must_use]
    pub fn media_type(&self) -> &str {
        &self.reference.media_type
    }

    /// A file name for people.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.reference.name
    }
}

impl JsonSchema for Artifact {
    fn schema_name() -> Cow<'static, str> {
        "Artifact".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "description": "A stored file: an output of a stage, or an input of type file",
            "x-artifact": true,
            "properties": {
                "$artifact": { "type": "string" },
                "path": { "type": "string" },
                "name": { "type": "string" },
                "size": { "type": "integer", "minimum": 0 },
                "media_type": { "type": "string" }
            },
            "required": ["$artifact"]
        })
    }
}

/// A file that a stage puts out. The worker stores it after the attempt and writes its reference in its place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OutputFile {
    path: PathBuf,
    media_type: Cow<'static, str>,
    name: Option<String>,
}

impl OutputFile {
    /// A file below [`Cx::scratch`](crate::Cx::scratch), absolute or relative to it. The name for people is the
    /// file's name.
    ///
    /// # Errors
    /// `internal` when the file is not there: a stage that names a file it did not write has a bug.
    pub fn new(
        cx: &crate::Cx<'_>,
        path: impl AsRef<Path>,
        media_type: impl Into<Cow<'static, str>>,
    ) -> Result<Self, StageError> {
        let path = path.as_ref();
        let relative = path.strip_prefix(cx.scratch()).unwrap_or(path);
        if !cx.scratch().join(relative).is_file() {
            return Err(StageError::internal(format!(
                "the output file {} was not written",
                relative.display()
            )));
        }
        Ok(Self { path: relative.to_owned(), media_type: media_type.into(), name: None })
    }

    /// Gives it another name for people.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Where it lies, relative to scratch.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Serialize for OutputFile {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry(FILE_KEY, &self.path)?;
        map.serialize_entry("media_type", &self.media_type)?;
        if let Some(name) = &self.name {
            map.serialize_entry("name", name)?;
        }
        map.end()
    }
}

impl JsonSchema for OutputFile {
    fn schema_name() -> Cow<'static, str> {
        "OutputFile".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "description": "A file the stage puts out",
            "x-artifact": true,
            "properties": { "media_type": { "type": "string" }, "name": { "type": "string" } }
        })
    }
}

/// A path on the worker's disk in `with`. The engine makes it absolute (beside the pipeline file) and the
/// sandbox lets the stage read it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InputPath(pub PathBuf);

impl InputPath {
    /// The path.
    #[must_use]
    pub fn as_path(&self) -> &Path {
        &self.0
    }
}

impl AsRef<Path> for InputPath {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

/// A folder on the worker's disk in `with` that outlives the attempt: what a stage has to remember, or where it puts
/// things down. The engine makes it absolute (beside the pipeline file) and makes it if it is missing; the sandbox lets
/// the stage write there. Attempts of several processes may have it at the same time.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WritePath(pub PathBuf);

impl WritePath {
    /// The folder.
    #[must_use]
    pub fn as_path(&self) -> &Path {
        &self.0
    }
}

impl AsRef<Path> for WritePath {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl JsonSchema for WritePath {
    fn schema_name() -> Cow<'static, str> {
        "WritePath".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": 1, "x-path": "write" })
    }
}

impl JsonSchema for InputPath {
    fn schema_name() -> Cow<'static, str> {
        "InputPath".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": 1, "x-path": "read" })
    }
}
