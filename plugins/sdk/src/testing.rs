//! Runs a stage within a unit test: no process, no sandbox, no C ABI, but the same parsing and the same JSON.
//!
//! ```
//! # use reelmill_sdk::prelude::*;
//! # #[derive(Deserialize, JsonSchema)] struct Input { text: String }
//! # #[derive(Serialize, JsonSchema)] struct Output { text: String }
//! # struct Shout;
//! # impl Stage for Shout {
//! #     const ID: &'static str = "shout"; const VERSION: &'static str = "1.0.0"; const SUMMARY: &'static str = "";
//! #     type Input = Input; type Output = Output;
//! #     fn open() -> Result<Self, StageError> { Ok(Self) }
//! #     fn run(&mut self, i: Input, _: &Cx<'_>) -> Result<Output, StageError> { Ok(Output { text: i.text.to_uppercase() }) }
//! # }
//! let scratch = std::env::temp_dir();
//! let output = reelmill_sdk::testing::run::<Shout>(json!({ "text": "hey" }), &scratch).unwrap();
//! assert_eq!(output, json!({ "text": "HEY" }));
//! ```

use crate::cx::Sink;
use crate::export::bad_with;
use crate::{Artifact, CallInfo, Cx, Progress, Severity, Stage, StageError};
use reelmill_model::{ArtifactRef, Digest};
use serde_json::Value;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// Opens a stage and runs it once.
pub fn run<S: Stage>(with: Value, scratch: &Path) -> Result<Value, StageError> {
    Bench::new(scratch).run::<S>(with)
}

/// A place to run stages that remembers what they said.
pub struct Bench {
    call: CallInfo,
    cancelled: AtomicBool,
    /// Cancels at the n-th question, so that a test need not race the stage.
    cancel_after: Option<u32>,
    asked: AtomicU32,
    logs: Mutex<Vec<(Severity, String)>>,
    progress: Mutex<Vec<Progress>>,
}

impl Bench {
    /// A bench whose attempts write to a folder.
    #[must_use]
    pub fn new(scratch: &Path) -> Self {
        let call = CallInfo {
            scratch: scratch.to_owned(),
            run: "01J00000000000000000000000".into(),
            task: "test".into(),
            attempt: 1,
            idempotency_token: "test-token".into(),
            seed: 7,
            ..CallInfo::default()
        };
        Self {
            call,
            cancelled: AtomicBool::new(false),
            cancel_after: None,
            asked: AtomicU32::new(0),
            logs: Mutex::default(),
            progress: Mutex::default(),
        }
    }

    /// Changes what the stage is told about its attempt.
    #[must_use]
    pub fn with_call(mut self, change: impl FnOnce(&mut CallInfo)) -> Self {
        change(&mut self.call);
        self
    }

    /// Cancels the attempt when the stage asks for the n-th time (from 1) whether it should stop.
    #[must_use]
    pub fn cancel_at_question(mut self, n: u32) -> Self {
        self.cancel_after = Some(n);
        self
    }

    /// Cancels the attempt from now on.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Opens a stage and runs it once.
    pub fn run<S: Stage>(&self, with: Value) -> Result<Value, StageError> {
        self.run_on(&mut S::open()?, with)
    }

    /// Runs an opened stage.
    pub fn run_on<S: Stage>(&self, stage: &mut S, with: Value) -> Result<Value, StageError> {
        let input = serde_json::from_value(with).map_err(|error| bad_with(&error))?;
        let output = stage.run(input, &Cx::new(&self.call, self))?;
        serde_json::to_value(output)
            .map_err(|error| StageError::internal(format!("the outputs are no JSON: {error}")))
    }

    /// A context of this bench, for functions below `run`.
    #[must_use]
    pub fn cx(&self) -> Cx<'_> {
        Cx::new(&self.call, self)
    }

    /// The lines logged so far.
    #[must_use]
    pub fn logs(&self) -> Vec<(Severity, String)> {
        self.logs.lock().map(|logs| logs.clone()).unwrap_or_default()
    }

    /// The progress sent so far.
    #[must_use]
    pub fn progress(&self) -> Vec<Progress> {
        self.progress.lock().map(|list| list.clone()).unwrap_or_default()
    }
}

impl Sink for Bench {
    fn cancelled(&self) -> bool {
        let asked = self.asked.fetch_add(1, Ordering::Relaxed) + 1;
        self.cancelled.load(Ordering::Relaxed) || self.cancel_after.is_some_and(|n| asked >= n)
    }

    fn progress(&self, progress: &Progress) {
        if let Ok(mut list) = self.progress.lock() {
            list.push(progress.clone());
        }
    }

    fn log(&self, severity: Severity, text: &str) {
        if let Ok(mut logs) = self.logs.lock() {
            logs.push((severity, text.to_owned()));
        }
    }
}

/// An artifact of a file, as the worker would hand it in; the digest is a stand-in.
#[must_use]
pub fn artifact(path: &Path, media_type: &str) -> Artifact {
    let reference = ArtifactRef {
        digest: Digest([7; 32]),
        name: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        size: path.metadata().map_or(0, |meta| meta.len()),
        media_type: media_type.to_owned(),
    };
    Artifact::new(reference, path)
}
