//! Problems (RFC 9457): why a request was not done, with a code for programs and, where it is about a text or a value,
//! the same places and remedies that the command line shows.

use crate::answer::{Answer, whole};
use hyper::StatusCode;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use reelmill_artifacts::ArtifactError;
use reelmill_control::ControlError;
use reelmill_ports::StoreError;
use reelmill_spec::{Diagnostic, InputProblem};
use serde_json::{Value, json};

/// Why a request was not done.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    errors: Vec<Value>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Problem {
    /// A problem with its code, told in a sentence.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), errors: Vec::new(), headers: Vec::new() }
    }

    /// A request that cannot be meant.
    pub fn bad(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// What was asked for is not there.
    pub fn missing(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, detail)
    }

    /// Something is too large.
    pub fn too_large(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail)
    }

    /// One value of the body is wrong.
    pub fn value(pointer: &str, message: impl Into<String>) -> Self {
        let message = message.into();
        let error = json!({ "pointer": pointer, "message": message });
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", message).with_errors(vec![error])
    }

    /// A pipeline that cannot be run.
    pub fn diagnostics(diagnostics: &[Diagnostic]) -> Self {
        let detail = match diagnostics {
            [one] => format!("the pipeline cannot be run: {}", one.message),
            many => format!("the pipeline cannot be run: {} problems", many.len()),
        };
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_pipeline", detail)
            .with_errors(diagnostics.iter().map(Diagnostic::to_json).collect())
    }

    /// Inputs that do not fit.
    pub fn inputs(problems: &[InputProblem]) -> Self {
        let error = |problem: &InputProblem| {
            // The remedies are written for the command line's flags.
            let help = problem.help.as_ref().map(|help| help.replace("--input ", ""));
            json!({
                "pointer": format!("/inputs/{}", problem.input),
                "message": format!("`{}` {}", problem.input, problem.message),
                "help": help,
            })
        };
        let detail = "the inputs do not fit the pipeline";
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_inputs", detail)
            .with_errors(problems.iter().map(error).collect())
    }

    /// The same with everything that is wrong.
    pub fn with_errors(self, errors: Vec<Value>) -> Self {
        Self { errors, ..self }
    }

    /// The same with a header.
    pub fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The same, to be asked again after so many seconds.
    pub fn later(self, seconds: u16) -> Self {
        self.with(RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// How it is told.
    pub fn answer(self) -> Answer {
        let mut document = json!({
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or_default(),
            "status": self.status.as_u16(),
            "code": self.code,
            "detail": self.detail,
        });
        if !self.errors.is_empty() {
            document["errors"] = self.errors.into();
        }
        let mut answer = Answer::new(whole(format!("{document}\n")));
        *answer.status_mut() = self.status;
        let headers = answer.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.extend(self.headers);
        answer
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let detail = error.to_string();
        match error {
            StoreError::NoSuchRun(_) => Self::missing("no_such_run", detail),
            StoreError::Refused(_) => Self::new(StatusCode::CONFLICT, "refused", detail),
            StoreError::Outdated(_) => Self::new(StatusCode::PRECONDITION_FAILED, "outdated", detail),
            StoreError::Unavailable { .. } => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "store_away", detail).later(5)
            }
            StoreError::ArchiveAway { .. } => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "archive_away", detail).later(5)
            }
            StoreError::NoSuchGraph(_) | StoreError::Corrupt(_) => internal(&detail),
        }
    }
}

impl From<ArtifactError> for Problem {
    fn from(error: ArtifactError) -> Self {
        let detail = error.to_string();
        match error {
            ArtifactError::Missing(_) => Self::missing("no_such_artifact", detail),
            ArtifactError::DiskFull { .. } => {
                Self::new(StatusCode::INSUFFICIENT_STORAGE, "disk_full", detail).later(60)
            }
            ArtifactError::Unreachable { .. } => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "artifacts_away", detail).later(5)
            }
            _ => internal(&detail),
        }
    }
}

impl From<ControlError> for Problem {
    fn from(error: ControlError) -> Self {
        let detail = error.to_string();
        match error {
            ControlError::Store(error) => error.into(),
            ControlError::Artifacts(error) => error.into(),
            ControlError::Inputs(problems) => Self::inputs(&problems),
            ControlError::NoWorker(_) => Self::new(StatusCode::CONFLICT, "no_worker", detail),
            ControlError::NotUnique { .. } => Self::new(StatusCode::CONFLICT, "not_unique", detail),
            ControlError::NoSuchStage { .. } => Self::missing("no_such_stage", detail),
            ControlError::NoSuchPipeline { .. } => Self::missing("no_such_pipeline", detail),
            ControlError::NoSuchTrigger { .. } => Self::missing("no_such_trigger", detail),
            ControlError::NoArtifact(_) => Self::missing("no_such_artifact", detail),
            ControlError::Invalid { .. } | ControlError::Key(_) | ControlError::Rows(_) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_pipeline", detail)
            }
            ControlError::Context(_) | ControlError::Io { .. } | ControlError::TableChanged(_) => {
                internal(&detail)
            }
        }
    }
}

/// Something of ours is broken. What it is stands in the log.
pub fn internal(detail: &str) -> Problem {
    tracing::error!(detail, "a request failed");
    let detail = "something is wrong with this server; its log says what";
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
}
