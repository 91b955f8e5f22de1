//! The stages against a server on loopback that answers as the services document it.

mod failing;
mod finding;
mod meaning;

use crate::media_for_tests::bmp;
use reelmill_http::testing::{Reply, Seen, Server};
use reelmill_sdk::prelude::*;
use reelmill_sdk::testing::Bench;
use std::sync::OnceLock;
use tempfile::TempDir;

pub const KEY: &str = "px-very-secret-0123456789";

/// A server that knows its own address: files it names lie on itself.
pub fn serve(answer: impl Fn(&Seen, &str) -> Reply + Send + Sync + 'static) -> Server {
    let own: &'static OnceLock<String> = Box::leak(Box::new(OnceLock::new()));
    let server = Server::answering(move |seen| answer(seen, own.get().map_or("", String::as_str)));
    own.set(server.base()).unwrap();
    server
}

/// A page of Pexels with pictures of these numbers, whose files are `/file/N`.
pub fn photos(base: &str, numbers: &[u32]) -> Reply {
    let photos: Vec<Value> = numbers
        .iter()
        .map(|number| {
            json!({
                "id": number, "width": 640, "height": 480, "url": format!("https://www.pexels.com/photo/wave-{number}/"),
                "photographer": format!("P{number}"), "photographer_url": "https://www.pexels.com/@p", "alt": "",
                "src": { "original": format!("{base}/file/{number}") }
            })
        })
        .collect();
    Reply::json(200, json!({ "page": 1, "photos": photos }))
}

/// A picture whose content is its number's.
pub fn file(seen: &Seen) -> Reply {
    let number: u8 = seen.path().rsplit('/').next().unwrap().parse().unwrap();
    Reply::file("image/bmp", &format!("\"{number}\""), bmp(64, 48, number))
}

/// A stage run once, with what it said.
pub struct Run {
    pub result: Result<Value, StageError>,
    pub logs: String,
    pub scratch: TempDir,
}

pub fn run<S: Stage>(with: Value) -> Run {
    let scratch = tempfile::tempdir().unwrap();
    let bench = Bench::new(scratch.path());
    let result = bench.run::<S>(with);
    let logs: Vec<String> = bench.logs().into_iter().map(|(_, text)| text).collect();
    Run { result, logs: logs.join("\n"), scratch }
}

/// `with` for pictures of a service.
pub fn pictures(provider: &str, base: &str) -> Value {
    json!({
        "query": "wave", "kinds": "pictures", "min_side": 32,
        "sources": [{ "provider": provider, "keys": [KEY], "base_url": base, "timeout_seconds": 20 }]
    })
}

pub fn names(items: &Value) -> Vec<&str> {
    items.as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect()
}
