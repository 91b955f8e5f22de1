//! A fleet in trouble: its Redis is full, slow, forgets its scripts; a worker is paused or killed.

use reelmill_test_redis::Proxy;
use reelmill_tests::engine::{pipeline, signal, wait_until};
use reelmill_tests::fleet::{open_for_the_next, status, worker};
use reelmill_tests::{Place, RedisServer};
use std::time::{Duration, Instant};

/// Submits a stage that waits at a gate, and one that needs it.
fn submit_gated(place: &Place) -> String {
    let text = pipeline(
        "stages:
  held: { uses: probe.gate@1, with: { gate: gate } }
  after: { uses: probe.echo@1, with: { at: \"${{ stages.held.outputs.to }}\" } }
",
    );
    place.write("p.yaml", &text);
    let ended = place.ask(&["submit", "p.yaml", "-o", "json"]).expect(0).json();
    ended["run"].as_str().expect("a run").to_owned()
}

/// Waits for the end of a run; says how often the stage at the gate was tried.
fn attempts(place: &Place, run: &str) -> u64 {
    wait_until("the run to end", || status(place, run)["state"] == "succeeded");
    let stages = &status(place, run)["stages"];
    assert_eq!(
        (stages[0]["settled"].as_u64(), stages[1]["settled"].as_u64()),
        (Some(1), Some(1)),
        "{stages}"
    );
    stages[0]["attempts"].as_u64().expect("a number")
}

#[test]
fn a_full_server_loses_nothing_and_says_what_to_do() {
    let server = RedisServer::start();
    let place = Place::of_fleet(&server);
    let mut gate = place.gate("gate");
    let mut worker = worker(&place, &[]);
    let run = submit_gated(&place);
    gate.wait();
    assert_eq!(server.ask(&["CONFIG", "SET", "maxmemory", "1"]), "OK");
    gate.open();
    let told = worker.wait_for("is full");
    assert!(told.contains("raise `maxmemory`"), "{told}");
    let refused = place.ask(&["submit", "p.yaml"]);
    assert!(refused.code == Some(75) && refused.stderr.contains("is full"), "{refused:?}");
    let listed = place.ask(&["status", "-o", "json"]).expect(0).json();
    assert_eq!(listed["runs"][0]["state"], "running", "what only reads goes on: {listed}");
    assert_eq!(server.ask(&["CONFIG", "SET", "maxmemory", "0"]), "OK");
    assert!(attempts(&place, &run) <= 2);
}

#[test]
fn a_server_that_forgets_its_scripts_is_taught_again() {
    let server = RedisServer::start();
    let place = Place::of_fleet(&server);
    let mut gate = place.gate("gate");
    let _worker = worker(&place, &[]);
    let run = submit_gated(&place);
    gate.wait();
    assert_eq!(server.ask(&["SCRIPT", "FLUSH"]), "OK");
    gate.open();
    assert_eq!(attempts(&place, &run), 1);
}

#[test]
fn a_slow_line_that_breaks_costs_no_attempt() {
    let server = RedisServer::start();
    let line = Proxy::to(&server.place());
    let place = Place::of_redis(&line.url());
    let mut gate = place.gate("gate");
    let _worker = worker(&place, &[]);
    let run = submit_gated(&place);
    gate.wait();
    line.delay(Duration::from_millis(200));
    line.cut();
    gate.open();
    assert_eq!(attempts(&place, &run), 1);
}

#[test]
fn a_worker_that_was_paused_for_too_long_cannot_settle_and_stops_what_it_runs() {
    let server = RedisServer::start();
    let place = Place::of_fleet(&server);
    let mut gate = place.gate("gate");
    let mut paused = worker(&place, &[]);
    let run = submit_gated(&place);
    gate.wait();
    let before = place.processes().len();
    open_for_the_next(&place, "gate");
    signal("STOP", &[paused.id()]);
    let other = worker(&place, &[]);
    assert_eq!(attempts(&place, &run), 2, "another worker did it when the lease was over");
    signal("TERM", &[other.id()]);
    let _ = other.end().expect(0);
    signal("CONT", &[paused.id()]);
    paused.wait_for("ended too late to count");
    wait_until("its process for the stage to be gone", || place.processes().len() < before);
    assert_eq!(attempts(&place, &run), 2, "nothing was settled twice");
    signal("TERM", &[paused.id()]);
    let _ = paused.end().expect(0);
    assert_eq!(server.ask(&["ZCARD", "rm:{0}:leases"]), "0");
}

#[test]
fn a_killed_workers_task_goes_on_with_its_neighbour() {
    let server = RedisServer::start();
    let place = Place::of_fleet(&server);
    let mut gate = place.gate("gate");
    let killed = worker(&place, &[]);
    let run = submit_gated(&place);
    gate.wait();
    std::fs::remove_file(place.path("gate")).expect("the pipe can be removed");
    let mut again = place.gate("gate");
    let _neighbour = worker(&place, &[]);
    let since = Instant::now();
    signal("KILL", &[killed.id()]);
    again.wait();
    println!("the task of a killed worker ran again after {} ms", since.elapsed().as_millis());
    again.open();
    assert_eq!(attempts(&place, &run), 2);
    let _ = killed.end();
}
