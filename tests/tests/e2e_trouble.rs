//! A fleet in trouble: its Redis is full, slow, forgets its scripts, is away for long; a worker is paused or killed; a
//! machine is gone.
//!
//! `CHAOS_OUTAGE_S` makes the time longer for which Redis is away: `make chaos`.

use reelmill_test_redis::Proxy;
use reelmill_tests::engine::{pipeline, signal, wait_until};
use reelmill_tests::fleet::{end_of, nothing_is_held, open_for_the_next, status, submit, worker};
use reelmill_tests::{Place, RedisServer};
use serde_json::Value;
use std::time::{Duration, Instant};

/// The lease of a worker, in milliseconds.
const LEASE_MS: u64 = 10_000;
/// What a machine that is busy with other things may add.
const BUSY_MS: u64 = 10_000;

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
    assert_eq!(server.ask(&["ZCOUNT", "rm:{0}:leases", "-inf", "(inf"]), "0");
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

/// Milliseconds since the epoch by the clock of the store.
fn now_ms(server: &RedisServer) -> u64 {
    let time = server.ask(&["TIME"]);
    let (seconds, micros) = time.split_once('\n').expect("two numbers");
    let number = |text: &str| text.parse::<u64>().expect("a number");
    number(seconds) * 1_000 + number(micros) / 1_000
}

#[test]
fn the_tasks_of_a_machine_that_is_gone_run_elsewhere() {
    let server = RedisServer::start();
    let place = Place::of_fleet(&server);
    let names = ["g0", "g1", "g2"];
    let mut gates = names.map(|name| place.gate(name));
    let gone = worker(&place, &["--slots", "4"]);
    let run = submit(
        &place,
        &pipeline(
            "stages:
  each:
    for_each: { in: \"['g0', 'g1', 'g2']\", key: item }
    stages: { held: { uses: probe.gate@1, with: { gate: \"${{ item }}\" } } }
",
        ),
        &[],
    );
    for gate in &mut gates {
        gate.wait();
    }
    // Whoever stands still is not seen to be dead: to others it is as if its machine were gone.
    let machine = place.processes();
    for name in names {
        open_for_the_next(&place, name);
    }
    signal("STOP", &machine);
    let since_ms = now_ms(&server);
    let elsewhere = worker(&place, &["--slots", "4"]);
    let ended = end_of(&place, &run);
    assert_eq!(ended["counts"], serde_json::json!({ "succeeded": 4 }), "{ended:#}");
    let events = place.events();
    for key in names {
        let path = format!("each[{key}].held");
        let of_task: Vec<&Value> = events.0.iter().filter(|event| event["path"] == path.as_str()).collect();
        let kinds: Vec<&str> = of_task.iter().filter_map(|event| event["kind"].as_str()).collect();
        assert_eq!(kinds, ["task.lease_expired", "task.settled"], "{of_task:#?}");
        assert_eq!(of_task[1]["attempt"], 2, "{of_task:#?}");
        let after_ms = of_task[0]["at_ms"].as_u64().expect("a time").saturating_sub(since_ms);
        println!("{path} was given to another machine after {after_ms} ms");
        assert!(after_ms <= 2 * LEASE_MS + BUSY_MS, "{path} was given away after {after_ms} ms only");
    }
    signal("KILL", &machine);
    let _ = gone.end();
    wait_until("the machine to be forgotten", || {
        let seen = place.ask(&["workers", "-o", "json"]).expect(0).json();
        seen["workers"].as_array().map(Vec::len) == Some(1)
    });
    signal("TERM", &[elsewhere.id()]);
    let _ = elsewhere.end().expect(0);
    nothing_is_held(&server);
}

#[test]
fn a_redis_that_is_away_for_longer_than_leases_costs_no_attempt() {
    let seconds = std::env::var("CHAOS_OUTAGE_S").ok().and_then(|text| text.parse().ok()).unwrap_or(15);
    let mut server = RedisServer::start();
    let place = Place::of_fleet(&server);
    let workers = [worker(&place, &["--slots", "1"]), worker(&place, &["--slots", "1"])];
    let held = |gate: &str| {
        let text = format!(
            "stages:
  held: {{ uses: probe.gate@1, with: {{ gate: {gate} }} }}
  after: {{ uses: probe.echo@1, with: {{ at: \"${{{{ stages.held.outputs.to }}}}\" }} }}
"
        );
        let arrives = place.gate(gate);
        (submit(&place, &pipeline(&text), &[]), arrives)
    };
    let (ends_meanwhile, mut first) = held("first");
    let (ends_afterwards, mut second) = held("second");
    first.wait();
    second.wait();
    let text = pipeline("stages: { one: { uses: probe.echo@1, with: { n: 1 } } }\n");
    let waits = submit(&place, &text, &[]);
    server.kill();
    first.open();
    // It is away for so long; nobody waits for anything.
    std::thread::sleep(Duration::from_secs(seconds));
    let refused = place.ask(&["submit", "p.yaml"]);
    assert!(refused.code == Some(75) && refused.stderr.contains("does not answer"), "{refused:?}");
    server.start_again();
    assert_eq!(attempts(&place, &ends_meanwhile), 1, "its end was kept, and told afterwards");
    second.open();
    assert_eq!(attempts(&place, &ends_afterwards), 1, "it was still held afterwards");
    assert_eq!(end_of(&place, &waits)["stages"][0]["attempts"], 1, "it was not begun before");
    let mut said = String::new();
    for worker in workers {
        signal("TERM", &[worker.id()]);
        said += &worker.end().expect(0).stderr;
    }
    assert!(said.contains("trying again in 5s"), "pauses grow up to their limit: {said}");
    nothing_is_held(&server);
}
