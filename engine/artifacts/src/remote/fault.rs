//! What an answer of S3, or none, means to people. The codes are those of its reference, "Error responses".

use crate::error::ArtifactError;
use object_store::Error;
use object_store::client::{HttpError, HttpErrorKind};

/// Codes of answers that are about the credentials and come with another status than 401 and 403.
const ABOUT_CREDENTIALS: [&str; 3] = ["ExpiredToken", "InvalidToken", "TokenRefreshRequired"];

/// Whom a fault is about.
#[derive(Clone, Debug)]
pub struct Address {
    /// The address of the store.
    pub remote: String,
    /// Where its server is.
    pub endpoint: String,
    /// Whether there are keys in the configuration; else they are asked of the machine that this is.
    pub has_keys: bool,
}

impl Address {
    /// The error of a request.
    pub fn fault(&self, doing: &str, source: Error) -> ArtifactError {
        let (remote, endpoint) = (self.remote.clone(), self.endpoint.clone());
        if says(&source, "NoSuchBucket") {
            ArtifactError::NoBucket { remote, endpoint }
        } else if is_refusal(&source) {
            ArtifactError::Refused { remote, source }
        } else if !self.has_keys && asks_the_machine(&source) {
            ArtifactError::NoCredentials { remote, source }
        } else if silent(&source) {
            ArtifactError::Unreachable { remote, endpoint, source }
        } else {
            ArtifactError::Remote { doing: doing.to_owned(), remote, source }
        }
    }
}

/// Whether it is about who asks. The client says so for some requests only; its text has the status always.
fn is_refusal(error: &Error) -> bool {
    let text = error.to_string();
    matches!(error, Error::PermissionDenied { .. } | Error::Unauthenticated { .. })
        || ["status code: 401", "status code: 403"].iter().any(|status| text.contains(status))
        || ABOUT_CREDENTIALS.iter().any(|code| says(error, code))
}

/// Whether the answer has a code in it.
fn says(error: &Error, code: &str) -> bool {
    error.to_string().contains(&format!("<Code>{code}</Code>"))
}

/// Whether it is about the service that gives machines of AWS their keys: the last place where they are looked for.
fn asks_the_machine(error: &Error) -> bool {
    let text = error.to_string();
    ["/latest/api/token", "/latest/meta-data/"].iter().any(|path| text.contains(path))
}

/// Whether an upload is not there, or not as it is noted here: it cannot go on, and never will.
pub fn is_stale(error: &Error) -> bool {
    // Some servers refuse what they do not know.
    matches!(error, Error::NotFound { .. } | Error::PermissionDenied { .. })
        || ["NoSuchUpload", "InvalidPart", "InvalidPartOrder", "EntityTooSmall"]
            .iter()
            .any(|code| says(error, code))
}

/// Whether there was no answer at all.
fn silent(error: &Error) -> bool {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(cause) = source {
        if let Some(http) = cause.downcast_ref::<HttpError>() {
            return !matches!(http.kind(), HttpErrorKind::Decode);
        }
        source = cause.source();
    }
    false
}
