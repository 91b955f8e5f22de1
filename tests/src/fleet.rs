//! A fleet as its users handle it: workers, submissions, and what becomes of a run.

use crate::engine::{Working, wait_until};
use crate::{Place, RedisServer};
use serde_json::Value;

/// A worker that says it is ready, with more arguments.
#[must_use]
pub fn worker<'a>(place: &'a Place, more: &[&str]) -> Working<'a> {
    let mut worker = Working::start(place, place.engine(&[&["worker"], more].concat()));
    worker.wait_for("working for the fleet");
    worker
}

/// Submits a pipeline; says the run's id.
#[must_use]
pub fn submit(place: &Place, text: &str, more: &[&str]) -> String {
    place.write("p.yaml", text);
    let ended = place.ask(&[&["submit", "p.yaml", "-o", "json"], more].concat()).expect(0).json();
    ended["run"].as_str().expect("a run").to_owned()
}

/// The status of a run.
#[must_use]
pub fn status(place: &Place, run: &str) -> Value {
    place.ask(&["status", run, "-o", "json"]).expect(0).json()
}

/// Waits for a run's end; gives its status.
#[must_use]
pub fn end_of(place: &Place, run: &str) -> Value {
    let mut last = Value::Null;
    wait_until("the run to end", || {
        last = status(place, run);
        last["state"] != "running"
    });
    last
}

/// Whoever stands at a gate stays there; whoever comes next finds an open one, a file that ends at once.
pub fn open_for_the_next(place: &Place, gate: &str) {
    std::fs::remove_file(place.path(gate)).expect("the pipe can be removed");
    place.write(gate, "");
}

/// Whether no run is left in a Redis; before the first came that is so too.
#[must_use]
pub fn has_no_runs(server: &RedisServer) -> bool {
    server.ask(&["EXISTS", "rm:{0}:runs", "rm:{0}:fresh"]) == "0"
}

/// No lease, no task that waits for its time, no ready one, and nobody at a limit is left in a Redis.
pub fn nothing_is_held(server: &RedisServer) {
    for (index, what) in [("leases", "leases"), ("due", "delayed tasks")] {
        let count = ["ZCOUNT", &format!("rm:{{0}}:{index}"), "-inf", "(inf"];
        assert_eq!(server.ask(&count), "0", "{what} are left over");
    }
    for left in ["rm:{0}:f:*", "rm:{0}:q:*", "rm:{0}:stale"] {
        assert_eq!(server.ask(&["KEYS", left]), "", "ready tasks are left over");
    }
    for left in ["seat", "wait", "line", "turn"] {
        assert_eq!(server.ask(&["KEYS", &format!("rm:{{0}}:{left}:*")]), "", "limits are left over");
    }
}
