//! `reelmill serve` as programs use it.

use crate::Place;
use crate::engine::{Working, wait_until};
use crate::http::{Answer, ask};
use serde_json::Value;

/// A server that listens.
pub struct Serving<'a> {
    /// The process.
    pub process: Working<'a>,
    /// Where it listens.
    pub address: String,
}

/// Starts one on a port of its own, with the pipelines that lie in `pipelines` of the place.
#[must_use]
pub fn serve<'a>(place: &'a Place, more: &[&str]) -> Serving<'a> {
    std::fs::create_dir_all(place.path("pipelines")).expect("a folder can be made");
    let arguments = [&["serve", "--addr", "127.0.0.1:0"], more].concat();
    let mut process = Working::start(place, place.engine(&arguments));
    let line = process.wait_for("serving http://");
    let address = line.split("http://").nth(1).and_then(|rest| rest.split(": ").next());
    let address = address.unwrap_or_else(|| panic!("no address: {line}")).to_owned();
    Serving { process, address }
}

impl Serving<'_> {
    /// Asks for something.
    #[must_use]
    pub fn get(&self, path: &str) -> Answer {
        ask(&self.address, &format!("GET {path}"), &[], "")
    }

    /// Sends JSON.
    #[must_use]
    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.post_with(path, &[], body)
    }

    /// Sends JSON with more headers.
    #[must_use]
    pub fn post_with(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        let headers = [&[("content-type", "application/json")], headers].concat();
        ask(&self.address, &format!("POST {path}"), &headers, body.to_string())
    }

    /// Starts a run; says its id.
    #[must_use]
    pub fn start(&self, body: &Value) -> String {
        let answer = self.post("/api/v1/runs", body).expect(201).json();
        answer["run"].as_str().expect("a run").to_owned()
    }

    /// A run as it is now.
    #[must_use]
    pub fn run(&self, run: &str) -> Value {
        self.get(&format!("/api/v1/runs/{run}")).expect(200).json()
    }

    /// A run when it has ended.
    #[must_use]
    pub fn end_of(&self, run: &str) -> Value {
        let mut last = Value::Null;
        wait_until("the run to end", || {
            last = self.run(run);
            last["state"] != "running"
        });
        last
    }
}
