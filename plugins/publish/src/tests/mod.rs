//! The stages against servers on loopback that do as the platforms' documentation says.

mod accounts;
mod instagram;
mod stores;
mod tiktok;
mod youtube;

use reelmill_http::testing::{Reply, Seen, Server};
use reelmill_sdk::prelude::*;
use reelmill_sdk::testing::{Bench, artifact};
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};
use tempfile::TempDir;

pub const TOKEN: &str = "ya29-very-secret-0123456789";

/// A server that knows its own address: places to upload to lie on itself.
pub fn serve(answer: impl Fn(&Seen, &str) -> Reply + Send + Sync + 'static) -> Server {
    let own: Arc<OnceLock<String>> = Arc::default();
    let known = Arc::clone(&own);
    let server = Server::answering(move |seen| answer(seen, known.get().map_or("", String::as_str)));
    own.set(server.base()).unwrap();
    server
}

/// What a server remembers between requests.
pub fn shared<T>(value: T) -> Arc<Mutex<T>> {
    Arc::new(Mutex::new(value))
}

/// A place with a video and a folder for state.
pub struct Place {
    pub folder: TempDir,
}

impl Place {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub fn state(&self) -> std::path::PathBuf {
        let state = self.folder.path().join("state");
        std::fs::create_dir_all(&state).unwrap();
        state
    }

    /// A file of these bytes, as a stage is given it.
    pub fn file(&self, name: &str, media_type: &str, bytes: &[u8]) -> Value {
        let path = self.folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        serde_json::to_value(artifact(&path, media_type)).unwrap()
    }

    /// One attempt of the task of this name; what it logged.
    pub fn attempt<S: Stage>(&self, task: &str, with: Value) -> (Result<Value, StageError>, String) {
        let bench =
            Bench::new(self.folder.path()).with_call(|call| task.clone_into(&mut call.idempotency_token));
        let result = bench.run::<S>(with);
        let logs: Vec<String> = bench.logs().into_iter().map(|(_, text)| text).collect();
        (result, logs.join("\n"))
    }

    pub fn run<S: Stage>(&self, with: Value) -> Result<Value, StageError> {
        self.attempt::<S>("run-1", with).0
    }
}

/// Bytes that differ from place to place, so that parts out of order are seen.
pub fn bytes(count: usize) -> Vec<u8> {
    (0..count).map(|place| u8::try_from(place * 7 % 251).unwrap()).collect()
}

/// First and last byte and length of `Content-Range: bytes 0-9/20`; nothing for `bytes */20`.
pub fn range(seen: &Seen) -> Option<(usize, usize, usize)> {
    let text = seen.header("content-range")?.strip_prefix("bytes ")?;
    let (part, whole) = text.split_once('/')?;
    let (first, last) = part.split_once('-')?;
    Some((first.parse().ok()?, last.parse().ok()?, whole.parse().ok()?))
}

/// Everything that lies in a folder, as one text.
pub fn content(folder: &Path) -> String {
    let mut all = String::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        all.push_str(&String::from_utf8_lossy(&std::fs::read(entry.path()).unwrap()));
    }
    all
}
