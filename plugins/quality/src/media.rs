//! What stages here are given, and how they are watched.

use reelmill_media::{Control, Error, ErrorKind, Progress as Step};
use reelmill_sdk::prelude::*;
use std::path::Path;

/// A media file: an artifact, or a path on the worker's disk.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "an artifact of a video file, or a path")]
pub enum Media {
    /// A stored file.
    Stored(Artifact),
    /// A path.
    Path(InputPath),
}

impl Media {
    /// Where it lies.
    pub fn path(&self) -> &Path {
        match self {
            Self::Stored(artifact) => artifact.path(),
            Self::Path(path) => path.as_path(),
        }
    }
}

/// The attempt as the rooms beside see it.
pub struct Watch<'a, 'b>(pub &'a Cx<'b>);

impl Control for Watch<'_, '_> {
    fn cancelled(&self) -> bool {
        self.0.cancelled()
    }

    fn progress(&self, step: &Step) {
        self.0.progress(&Progress {
            done: step.done as f64,
            total: Some(step.total as f64),
            unit: step.unit.to_owned(),
            phase: step.phase.to_owned(),
            message: String::new(),
        });
    }
}

/// What an error of media is for a stage.
#[expect(clippy::needless_pass_by_value, reason = "handed to `map_err`")]
pub fn failure(error: Error) -> StageError {
    let text = error.to_string();
    match error.kind() {
        ErrorKind::Input => StageError::invalid_input(text).code("bad_media"),
        ErrorKind::Resource => StageError::resource(text),
        ErrorKind::Setup => StageError::invalid_config(text),
        ErrorKind::Internal => StageError::internal(text),
        ErrorKind::Cancelled => StageError::cancelled(),
    }
}
