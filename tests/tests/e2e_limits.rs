//! Limits that runs share, on the real binaries: two workers on one Redis, one worker over its own file.

use reelmill_tests::engine::{Gate, PATIENCE, pipeline, signal, wait_until};
use reelmill_tests::fleet::{open_for_the_next, worker};
use reelmill_tests::{Place, RedisServer};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Instant;

fn submit(place: &Place, text: &str, more: &[&str]) -> Value {
    place.write("p.yaml", text);
    place.ask(&[&["submit", "p.yaml", "-o", "json"], more].concat()).expect(0).json()
}

fn run_of(answer: &Value) -> String {
    answer["run"].as_str().expect("a run").to_owned()
}

fn state(place: &Place, run: &str) -> String {
    let status = place.ask(&["status", run, "-o", "json"]).expect(0).json();
    status["state"].as_str().expect("a state").to_owned()
}

fn wait_for_end(place: &Place, run: &str) {
    let begun = Instant::now();
    while state(place, run) == "running" {
        assert!(begun.elapsed() < PATIENCE, "it never ended");
    }
    assert_eq!(state(place, run), "succeeded");
}

fn why(place: &Place, arguments: &[&str]) -> String {
    place.ask(&[&["why"], arguments].concat()).expect(0).stdout
}

/// The limits in use: key, how many have a place, how many wait.
fn limits(place: &Place) -> Vec<(String, usize, u64)> {
    let seen = place.ask(&["limits", "-o", "json"]).expect(0).json();
    let all = seen["limits"].as_array().expect("a list").iter();
    let key = |limit: &Value| limit["key"].as_str().expect("a key").to_owned();
    let holders = |limit: &Value| limit["holders"].as_array().map_or(0, Vec::len);
    all.map(|limit| (key(limit), holders(limit), limit["waiting"].as_u64().unwrap_or(0))).collect()
}

/// A gate for each of so many tasks of one stage.
fn gated(items: u32, limit: &str) -> String {
    pipeline(&format!(
        "stages:
  list: {{ uses: probe.count@1, with: {{ to: {items} }} }}
  each:
    for_each: {{ in: stages.list.outputs.items }}
    uses: probe.gate@1
    with: {{ gate: \"gate${{{{ item }}}}\" }}
    {limit}
"
    ))
}

/// The gates at which somebody stands.
fn standing(gates: &mut [Gate]) -> BTreeSet<usize> {
    gates.iter_mut().enumerate().filter_map(|(at, gate)| gate.has_arrived().then_some(at)).collect()
}

#[test]
fn a_fleet_works_on_no_more_tasks_at_once_than_a_key_allows() {
    let server = RedisServer::start();
    let place = Place::of_fleet(&server);
    let mut left: Vec<Gate> = (0..8).map(|no| place.gate(&format!("gate{no}"))).collect();
    let _workers = [worker(&place, &["--slots", "4"]), worker(&place, &["--slots", "4"])];
    let text = gated(8, "concurrency: { key: \"${{ 'g' + 'pu' }}\", limit: 2 }");
    let run = run_of(&submit(&place, &text, &[]));
    // When all others wait in line, nobody else can be on the way to a gate.
    while !left.is_empty() {
        let at_work = left.len().min(2);
        let waiting = (left.len() - at_work) as u64;
        wait_until("the places to be taken and the rest to wait", || {
            let arrived = standing(&mut left).len();
            assert!(arrived <= 2, "{arrived} tasks are at work");
            arrived == at_work && limits(&place) == [("gpu".to_owned(), at_work, waiting)]
        });
        let next = *standing(&mut left).first().expect("somebody stands there");
        left.remove(next).open();
    }
    wait_for_end(&place, &run);
    assert_eq!(limits(&place), []);
}

#[test]
fn the_place_of_a_killed_worker_is_free_again() {
    let server = RedisServer::start();
    let place = Place::of_fleet(&server);
    let mut gate = place.gate("gate");
    let text = |gate: &str| {
        pipeline(&format!(
            "stages: {{ held: {{ uses: probe.gate@1, with: {{ gate: {gate} }}, concurrency: {{ key: one, limit: 1 }} }} }}\n"
        ))
    };
    let first = worker(&place, &["--slots", "4"]);
    let holder = run_of(&submit(&place, &text("gate"), &[]));
    gate.wait();
    place.write("open", "");
    let waiter = run_of(&submit(&place, &text("open"), &[]));
    wait_until("the second to wait", || limits(&place) == [("one".to_owned(), 1, 1)]);
    let said = why(&place, &[&waiter, "held"]);
    assert!(said.contains("`concurrency` of `one` lets 1 tasks work at once, and 1 do"), "{said}");
    assert!(said.contains(&format!("held by `held` of run {holder}")), "{said}");
    assert!(said.contains("number 1 of 1 in line"), "{said}");
    assert!(why(&place, &[&waiter]).contains("1 task waits for a limit"));
    // The killed one's task finds an open gate when it is done again.
    open_for_the_next(&place, "gate");
    signal("KILL", &[first.id()]);
    let _ = first.end();
    let _second = worker(&place, &["--slots", "4"]);
    wait_for_end(&place, &waiter);
    wait_for_end(&place, &holder);
    wait_until("the places to be given back", || limits(&place).is_empty());
}

#[test]
fn starts_of_a_fleet_are_as_far_apart_as_the_rate_says() {
    const BURST: u64 = 2;
    const INTERVAL_MS: u64 = 200;
    let server = RedisServer::start();
    let place = Place::of_fleet(&server);
    let _workers = [worker(&place, &["--slots", "4"]), worker(&place, &["--slots", "4"])];
    let text = pipeline(
        "stages:
  list: { uses: probe.count@1, with: { to: 8 } }
  each:
    for_each: { in: stages.list.outputs.items }
    uses: probe.echo@1
    with: { n: \"${{ item }}\" }
    cache: never
    rate_limit: { key: tts, limit: 5, per: 1s, burst: 2 }
",
    );
    let run = run_of(&submit(&place, &text, &["--wait"]));
    assert_eq!(state(&place, &run), "succeeded");
    let events = place.events();
    let began = events.of("run.submitted")[0]["at_ms"].as_u64().expect("a time");
    let ends: Vec<u64> = events
        .of("task.settled")
        .into_iter()
        .filter(|event| event["path"].as_str().is_some_and(|path| path.starts_with("each[")))
        .map(|event| event["at_ms"].as_u64().expect("a time"))
        .collect();
    assert_eq!(ends.len(), 8);
    for (count, end) in (1..).zip(ends) {
        // Whatever has ended had started, and nothing started before the run.
        let earliest = began + INTERVAL_MS * u64::saturating_sub(count, BURST);
        assert!(end + 2 >= earliest, "{count} tasks had started {} ms after the run", end - began);
    }
}

/// A run that stands at a gate, of a pipeline whose runs share one place.
fn one_at_a_time(on_limit: &str, gate: &str) -> String {
    pipeline(&format!(
        "concurrency: {{ key: \"${{{{ run.namespace }}}}\", limit: 1, on_limit: {on_limit} }}
stages:
  first: {{ uses: probe.gate@1, with: {{ gate: {gate} }} }}
  beside: {{ uses: probe.echo@1, with: {{ n: 1 }} }}
finally:
  after: {{ uses: probe.echo@1, with: {{ n: 2 }} }}
"
    ))
}

#[test]
fn runs_of_one_key_wait_for_each_other() {
    let server = RedisServer::start();
    let place = Place::of_fleet(&server);
    let (mut gate, mut later) = (place.gate("gate"), place.gate("later"));
    let _worker = worker(&place, &["--slots", "4"]);
    let first = run_of(&submit(&place, &one_at_a_time("queue", "gate"), &["--namespace", "acme"]));
    gate.wait();
    let second = run_of(&submit(&place, &one_at_a_time("queue", "later"), &["--namespace", "acme"]));
    wait_until("the second run to wait", || limits(&place) == [("acme".to_owned(), 1, 2)]);
    let said = why(&place, &[&second]);
    assert!(said.contains("its run waits for a place") && said.contains(&format!("run {first}")), "{said}");
    place.write("open", "");
    let other = run_of(&submit(&place, &one_at_a_time("queue", "open"), &["--namespace", "other"]));
    wait_for_end(&place, &other);
    assert!(!later.has_arrived());
    let rejected = run_of(&submit(&place, &one_at_a_time("reject", "open"), &["--namespace", "acme"]));
    wait_until("the third run to fail", || state(&place, &rejected) == "failed");
    assert!(why(&place, &[&rejected]).contains("all places of `acme` are taken"));
    gate.open();
    later.open();
    wait_for_end(&place, &first);
    wait_for_end(&place, &second);
    wait_until("the places to be given back", || limits(&place).is_empty());
}

/// A pipeline of which one run a key is wanted.
fn unique(on_conflict: &str) -> String {
    pipeline(&format!(
        "inputs: {{ topic: {{ type: string }} }}
unique: {{ key: \"${{{{ inputs.topic }}}}\", window: 24h, on_conflict: {on_conflict} }}
stages: {{ one: {{ uses: probe.echo@1, with: {{ n: 1 }} }} }}
"
    ))
}

#[test]
fn runs_that_are_the_same_are_submitted_once() {
    let server = RedisServer::start();
    for place in [Place::of_fleet(&server), Place::new()] {
        let submit = |text: &str, topic: &str| submit(&place, text, &["--input", &format!("topic={topic}")]);
        let first = submit(&unique("existing"), "salt");
        let again = submit(&unique("existing"), "salt");
        assert_eq!((&first["existing"], &again["existing"]), (&Value::Bool(false), &Value::Bool(true)));
        assert_eq!(again["run"], first["run"]);
        assert_ne!(submit(&unique("existing"), "sea")["run"], first["run"], "another key is another run");
        let refused = place.ask(&["submit", "p.yaml", "--input", "topic=salt"]);
        assert_eq!(refused.expect(0).stdout.trim(), run_of(&first));
        place.write("p.yaml", &unique("reject"));
        let refused = place.ask(&["submit", "p.yaml", "--input", "topic=salt"]).expect(1);
        assert!(refused.stderr.contains(&run_of(&first)) && refused.stderr.contains("`salt`"), "{refused:?}");
        let instead = submit(&unique("replace"), "salt");
        assert_ne!(instead["run"], first["run"]);
        assert_eq!(state(&place, &run_of(&first)), "cancelled");
        let _ = place.ask(&["cancel", &run_of(&instead)]).expect(0);
        let fresh = submit(&unique("reject"), "salt");
        assert_ne!(fresh["run"], instead["run"], "what was cancelled may be tried again");
    }
}

#[test]
fn one_machine_keeps_limits_too() {
    let place = Place::new();
    let mut left: Vec<Gate> = (0..3).map(|no| place.gate(&format!("gate{no}"))).collect();
    let text =
        gated(3, "concurrency: { key: one, limit: 1 }\n    rate_limit: { key: often, limit: 50, per: 1s }");
    let working = place.start(&text, &["--slots", "4"]);
    while !left.is_empty() {
        let waiting = left.len() as u64 - 1;
        wait_until("one to be at work and the rest to wait", || {
            let arrived = standing(&mut left).len();
            assert!(arrived <= 1, "{arrived} tasks are at work");
            arrived == 1 && limits(&place).contains(&("one".to_owned(), 1, waiting))
        });
        let next = *standing(&mut left).first().expect("somebody stands there");
        left.remove(next).open();
    }
    let _ = working.end().expect(0);
    let parked = place.events().of("task.parked").len();
    assert!(parked >= 2, "{parked} tasks had to wait");
    assert!(limits(&place).iter().all(|(_, holders, waiting)| *holders == 0 && *waiting == 0));
}
