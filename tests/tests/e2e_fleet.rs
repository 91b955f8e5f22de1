//! A fleet on the real binaries and a real Redis: several workers, one of them killed or told to stop, a server that
//! dies and comes back, keys that make one run of several submissions, and an archive.

use reelmill_tests::engine::{Working, files, pipeline, signal, wait_until};
use reelmill_tests::fleet::{
    end_of, has_no_runs, nothing_is_held, open_for_the_next, status, submit, worker,
};
use reelmill_tests::{Place, PostgresServer, RedisServer, get};
use serde_json::Value;

/// Three stages for each of some items, and one that waits for all.
fn fan(items: u32) -> String {
    pipeline(&format!(
        "stages:
  list: {{ uses: probe.count@1, with: {{ to: {items} }} }}
  each:
    for_each: {{ in: stages.list.outputs.items, key: \"'i' + string(item)\" }}
    stages:
      a: {{ uses: probe.echo@1, with: {{ n: \"${{{{ item }}}}\" }} }}
      b: {{ uses: probe.echo@1, with: {{ n: \"${{{{ stages.a.outputs.n }}}}\" }} }}
    outputs: {{ n: \"${{{{ stages.b.outputs.n }}}}\" }}
  all: {{ uses: probe.echo@1, with: {{ all: \"${{{{ stages.each.outputs.map(e, e.n) }}}}\" }} }}
outputs: {{ all: \"${{{{ stages.all.outputs.all }}}}\" }}
"
    ))
}

#[test]
fn a_run_that_is_submitted_is_done_by_the_workers_there_are() {
    let server = RedisServer::start();
    let place = Place::of_fleet(&server);
    let workers = [worker(&place, &["--slots", "4"]), worker(&place, &["--slots", "4"])];
    place.write("p.yaml", &fan(12));
    let ended = place.ask(&["submit", "p.yaml", "--wait", "-o", "json"]).expect(0).json();
    let all: Vec<u64> = (0..12).collect();
    assert_eq!(ended["outputs"]["all"], serde_json::json!(all));
    let seen = place.ask(&["workers", "-o", "json"]).expect(0).json();
    assert_eq!(seen["workers"].as_array().map(Vec::len), Some(2), "{seen}");
    for worker in workers {
        signal("TERM", &[worker.id()]);
        let ended = worker.end().expect(0);
        assert!(ended.stderr.contains("drained"), "{ended:?}");
    }
    let seen = place.ask(&["workers", "-o", "json"]).expect(0).json();
    assert_eq!(seen["workers"], serde_json::json!([]), "workers that have ended are taken off the list");
    nothing_is_held(&server);
}

#[test]
fn what_a_killed_worker_held_goes_on_with_its_neighbour() {
    let server = RedisServer::start();
    let place = Place::of_fleet(&server);
    let mut gate = place.gate("gate");
    let text = pipeline(
        "stages:
  before: { uses: probe.echo@1, with: { n: 1 } }
  held: { uses: probe.gate@1, with: { gate: gate, value: \"${{ stages.before.outputs.n }}\" } }
",
    );
    let first = worker(&place, &["--slots", "4"]);
    let run = submit(&place, &text, &[]);
    gate.wait();
    open_for_the_next(&place, "gate");
    let neighbour = worker(&place, &["--slots", "4"]);
    signal("KILL", &[first.id()]);
    let _ = first.end();
    let ended = end_of(&place, &run);
    assert_eq!(ended["state"], "succeeded", "{ended:#}");
    assert_eq!(ended["stages"][0]["settled"], 1, "finished work is not done again");
    assert_eq!(ended["stages"][1]["attempts"], 2, "{ended:#}");
    signal("TERM", &[neighbour.id()]);
    let _ = neighbour.end().expect(0);
    nothing_is_held(&server);
    wait_until("scratch to be gone", || files(&place.path("home/scratch")).is_empty());
}

#[test]
fn a_worker_that_is_told_to_stop_gives_back_what_it_cannot_end() {
    let server = RedisServer::start();
    let place = Place::of_fleet(&server);
    let mut gate = place.gate("gate");
    let first = worker(&place, &["--slots", "4", "--drain", "1ms"]);
    let run =
        submit(&place, &pipeline("stages: { held: { uses: probe.gate@1, with: { gate: gate } } }\n"), &[]);
    gate.wait();
    open_for_the_next(&place, "gate");
    signal("TERM", &[first.id()]);
    let _ = first.end().expect(0);
    assert_eq!(status(&place, &run)["stages"][0]["attempts"], 0, "a task given back counts no attempt");
    let _second = worker(&place, &["--slots", "4"]);
    assert_eq!(end_of(&place, &run)["state"], "succeeded");
}

#[test]
fn a_redis_that_is_killed_and_comes_back_loses_nothing() {
    let mut server = RedisServer::start();
    let place = Place::of_fleet(&server);
    let mut gate = place.gate("gate");
    let text = pipeline(
        "stages:
  held: { uses: probe.gate@1, with: { gate: gate } }
  after: { uses: probe.echo@1, with: { at: \"${{ stages.held.outputs.to }}\" } }
",
    );
    let _worker = worker(&place, &["--slots", "4"]);
    let run = submit(&place, &text, &[]);
    gate.wait();
    server.kill();
    let lost = place.ask(&["status", &run]);
    assert_eq!(lost.code, Some(75), "{lost:?}");
    assert!(lost.stderr.contains("does not answer"), "{lost:?}");
    gate.open();
    server.start_again();
    let ended = end_of(&place, &run);
    assert_eq!(ended["state"], "succeeded", "{ended:#}");
    assert_eq!(ended["stages"][0]["attempts"], 1, "the end that could not be told was kept and told later");
}

#[test]
fn one_key_is_one_run() {
    let server = RedisServer::start();
    let place = Place::of_fleet(&server);
    let text = pipeline("stages: { one: { uses: probe.echo@1, with: { n: 1 } } }\n");
    let first = submit(&place, &text, &["--key", "order 7", "--namespace", "acme"]);
    let again = submit(&place, &text, &["--key", "order 7", "--namespace", "acme"]);
    let other = submit(&place, &text, &["--key", "order 7"]);
    assert_eq!(first, again);
    assert_ne!(first, other, "another tenant has keys of its own");
}

#[test]
fn a_paused_queue_rests_until_it_is_resumed() {
    let server = RedisServer::start();
    let place = Place::of_fleet(&server);
    let _ = place.ask(&["queues", "--pause", "default"]).expect(0);
    let run = submit(&place, &pipeline("stages: { one: { uses: probe.echo@1, with: { n: 1 } } }\n"), &[]);
    let _worker = worker(&place, &["--slots", "4"]);
    let queues = place.ask(&["queues", "-o", "json"]).expect(0).json();
    let lanes = queues["lanes"].as_array().expect("lanes");
    let of_plugin = |lane: &&Value| lane["lane"].as_str().is_some_and(|lane| lane.contains(";plugin=probe@"));
    let lane = lanes.iter().find(of_plugin).expect("the lane of its plugin");
    assert_eq!(
        (&lane["ready"], &lane["paused"]),
        (&1.into(), &true.into()),
        "it rests with its queue: {lane}"
    );
    assert_eq!(status(&place, &run)["state"], "running");
    let _ = place.ask(&["queues", "--resume", "default"]).expect(0);
    assert_eq!(end_of(&place, &run)["state"], "succeeded");
}

#[test]
fn ended_runs_leave_redis_and_are_read_as_before() {
    let server = RedisServer::start();
    let place = Place::of_fleet(&server);
    let _worker = worker(&place, &["--slots", "4", "--keep", "0s"]);
    let text = pipeline("stages: { one: { uses: probe.say@1, with: { text: \"a word\" } } }\n");
    let run = submit(&place, &text, &["--key", "k"]);
    wait_until("the run to leave Redis", || {
        server.ask(&["EXISTS", "rm:{0}:counts"]) == "1" && has_no_runs(&server)
    });
    let kept = status(&place, &run);
    assert_eq!((kept["state"].as_str(), &kept["stages"][0]["settled"]), (Some("succeeded"), &Value::from(1)));
    assert!(place.ask(&["logs", &run]).expect(0).stdout.contains("a word"));
    assert!(place.ask(&["status"]).expect(0).stdout.contains(&run));
    let _ = place.ask(&["why", &run]).expect(0);
    assert_eq!(submit(&place, &text, &["--key", "k"]), run, "its key is still taken");
    let refused = place.ask(&["retry", &run]);
    assert!(refused.code == Some(1) && refused.stderr.contains("archived"), "{refused:?}");
}

#[test]
fn an_archive_in_postgresql_is_read_from_every_machine() {
    let (server, archive) = (RedisServer::start(), PostgresServer::start());
    let place = Place::of_fleet(&server).with_archive(&archive);
    let _worker = worker(&place, &["--slots", "4", "--keep", "0s"]);
    let good = submit(&place, &fan(3), &[]);
    let text = "stages: { one: { uses: probe.say@1, with: { text: \"a word\" } }, two: { needs: [one], uses: probe.fail@1, with: { class: permanent, message: no such tide } } }\n";
    let bad = submit(&place, &pipeline(text), &[]);
    wait_until("the runs to be kept", || {
        !archive.ask("SELECT to_regclass('reelmill.run')").is_empty()
            && archive.ask("SELECT state FROM reelmill.run ORDER BY id") == "succeeded\nfailed"
    });
    wait_until("the runs to leave Redis", || has_no_runs(&server));
    let elsewhere = Place::of_fleet(&server).with_archive(&archive);
    let read = status(&elsewhere, &good);
    assert_eq!(
        (&read["state"], &read["outputs"]["all"]),
        (&"succeeded".into(), &serde_json::json!([0, 1, 2]))
    );
    assert!(elsewhere.ask(&["logs", &bad]).expect(0).stdout.contains("a word"));
    let why = elsewhere.ask(&["why", &bad]).stdout;
    assert!(why.contains("two") && why.contains("no such tide"), "{why}");
    let listed = elsewhere.ask(&["status"]).expect(0).stdout;
    assert!(listed.contains(&good) && listed.contains(&bad), "{listed}");
    let refused = elsewhere.ask(&["retry", &bad]);
    assert!(refused.code == Some(1) && refused.stderr.contains("archived"), "{refused:?}");
}

#[test]
fn a_fleet_works_on_while_its_archive_is_away_and_says_what_cannot_be_read() {
    let (server, mut archive) = (RedisServer::start(), PostgresServer::start());
    let place = Place::of_fleet(&server).with_archive(&archive);
    let mover = worker(&place, &["--slots", "4", "--keep", "0s"]);
    let kept = submit(&place, &fan(3), &[]);
    let _ = end_of(&place, &kept);
    wait_until("the run to leave Redis", || has_no_runs(&server));
    signal("TERM", &[mover.id()]);
    let _ = mover.end().expect(0);
    archive.stop();
    let mut worker = Working::start(&place, place.engine(&["worker", "--listen", "127.0.0.1:0"]));
    let line = worker.wait_for("metrics on");
    let address = line.split("//").nth(1).and_then(|rest| rest.split('/').next()).expect("an address");
    let run = submit(&place, &fan(3), &["--key", "while-away"]);
    assert_eq!(end_of(&place, &run)["state"], "succeeded");
    assert_eq!(submit(&place, &fan(3), &["--key", "while-away"]), run, "its key is known");
    let listed = place.ask(&["status"]).expect(0);
    assert!(listed.stdout.contains(&run) && !listed.stdout.contains(&kept), "{listed:?}");
    assert!(listed.stderr.contains("the archive does not answer"), "{listed:?}");
    let document = place.ask(&["status", "-o", "json"]).expect(0).json();
    assert!(document["archive_away"].as_str().is_some_and(|away| away.contains("127.0.0.1")), "{document}");
    assert!(place.ask(&["status", "last"]).expect(0).stdout.contains(&run));
    let unread = place.ask(&["status", &kept]).expect(75).stderr;
    assert!(unread.contains("PostgreSQL at 127.0.0.1") && unread.contains("--archive"), "{unread}");
    let figures = get(address, "/metrics");
    assert!(figures.contains("reelmill_store_up 1\n") && figures.contains("\nreelmill_archive_stuck 0\n"));
    archive.start_again();
    let listed = place.ask(&["status"]).expect(0).stdout;
    assert!(listed.contains(&run) && listed.contains(&kept), "{listed}");
}

#[test]
fn envelopes_of_other_systems_become_runs_once_and_bad_ones_are_laid_aside() {
    let server = RedisServer::start();
    let place = Place::of_fleet(&server);
    place.write(
        "flows/hello.yaml",
        &pipeline(
            "inputs: { n: { type: int } }
stages: { one: { uses: probe.echo@1, with: { n: \"${{ inputs.n }}\" } } }
outputs: { n: \"${{ stages.one.outputs.n }}\" }
",
        ),
    );
    let worker = worker(&place, &["--slots", "4", "--inbox", "flows"]);
    let put = |envelope: &str| server.ask(&["XADD", "rm:inbox", "*", "envelope", envelope]);
    let order =
        r#"{"version":1,"id":"order-7","pipeline":"hello","inputs":{"n":7},"namespace":"acme","priority":8}"#;
    for envelope in [
        order,
        r#"{"version":1,"id":"a","pipeline":"hello","inputs":{"n":"seven"}}"#,
        r#"{"version":1,"id":"b","pipeline":"missing"}"#,
        "no JSON",
        order,
    ] {
        assert!(!put(envelope).is_empty());
    }
    wait_until("the inbox to be empty", || {
        server.ask(&["XLEN", "rm:inbox"]) == "0" && server.ask(&["XLEN", "rm:inbox:dead"]) == "3"
    });
    wait_until("the run to end", || place.status()["state"] == "succeeded");
    let ended = place.status();
    assert_eq!((&ended["outputs"], &ended["priority"]), (&serde_json::json!({ "n": 7 }), &Value::from(8)));
    let runs = place.ask(&["status", "-o", "json"]).expect(0).json();
    assert_eq!(runs["runs"].as_array().map(Vec::len), Some(1), "{runs:#}");
    let dead = server.ask(&["XRANGE", "rm:inbox:dead", "-", "+"]);
    assert!(dead.contains("/inputs/n") && dead.contains("missing"), "{dead}");
    signal("TERM", &[worker.id()]);
    let ended = worker.end().expect(0);
    assert!(ended.stderr.contains("inbox: 1 submitted, 3 bad"), "{ended:?}");
}
