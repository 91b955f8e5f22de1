//! What submitters and operators do with runs of a fleet, on the real binaries and a real Redis: urgent runs, pauses.

use reelmill_tests::engine::{pipeline, wait_until};
use reelmill_tests::fleet::{end_of, status, submit, worker};
use reelmill_tests::{Place, RedisServer};
use serde_json::Value;

#[test]
fn an_urgent_run_goes_first_and_other_tenants_keep_their_share() {
    let server = RedisServer::start();
    let place = Place::of_fleet(&server);
    let text = pipeline(
        "stages: { one: { uses: probe.moment@1, cache: never, with: { name: x } } }
outputs: { at: \"${{ stages.one.outputs.at }}\" }
",
    );
    let urgent = ["--namespace", "acme", "--priority", "9"];
    let runs = [
        ("acme", submit(&place, &text, &["--namespace", "acme"])),
        ("acme, urgent", submit(&place, &text, &urgent)),
        ("acme, urgent too", submit(&place, &text, &urgent)),
        ("other, not urgent", submit(&place, &text, &["--namespace", "other", "--priority", "0"])),
    ];
    assert_eq!(status(&place, &runs[1].1)["priority"], 9);
    let _worker = worker(&place, &["--slots", "1"]);
    let mut ends: Vec<(u64, &str)> = runs
        .iter()
        .map(|(name, run)| (end_of(&place, run)["outputs"]["at"].as_u64().expect("a moment"), *name))
        .collect();
    ends.sort_unstable();
    let order: Vec<&str> = ends.into_iter().map(|(_, name)| name).collect();
    let of_acme: Vec<&&str> = order.iter().filter(|name| name.starts_with("acme")).collect();
    assert_eq!(of_acme, [&"acme, urgent", &"acme, urgent too", &"acme"]);
    assert_ne!(order[3], "other, not urgent", "urgency is no way around the share of others: {order:?}");
    let refused = place.ask(&["submit", "p.yaml", "--priority", "10"]);
    assert!(refused.code == Some(2) && refused.stderr.contains("0..=9"), "{refused:?}");
}

#[test]
fn a_paused_run_goes_on_when_it_is_resumed() {
    let server = RedisServer::start();
    let place = Place::of_fleet(&server);
    let mut gate = place.gate("gate");
    let text = pipeline(
        "stages:
  held: { uses: probe.gate@1, with: { gate: gate } }
  after: { uses: probe.echo@1, with: { at: \"${{ stages.held.outputs.to }}\" } }
",
    );
    let _worker = worker(&place, &[]);
    let run = submit(&place, &text, &[]);
    gate.wait();
    let told = place.ask(&["pause", &run, "--reason", "a look at it"]).expect(0).stdout;
    assert_eq!(told, format!("run {run} is paused; `reelmill resume {run}` lets it go on\n"));
    assert_eq!(place.ask(&["pause", &run]).expect(0).stdout, format!("run {run} was paused already\n"));
    gate.open();
    wait_until("the first stage to end", || status(&place, &run)["counts"]["succeeded"] == 1);
    let paused = status(&place, &run);
    assert_eq!((&paused["state"], &paused["paused"]), (&Value::from("running"), &Value::from(true)));
    assert_eq!(paused["counts"]["pending"], 1, "nothing of it is ready: {paused:#}");
    assert!(place.ask(&["status"]).expect(0).stdout.contains("running (paused)"));
    let why = place.ask(&["why", &run, "after"]).expect(0).stdout;
    assert!(why.contains("its run is paused") && why.contains(&format!("reelmill resume {run}")), "{why}");
    assert_eq!(place.ask(&["resume", &run]).expect(0).stdout, format!("run {run} goes on\n"));
    assert_eq!(end_of(&place, &run)["state"], "succeeded");
    let refused = place.ask(&["pause", &run]).expect(1).stderr;
    assert!(refused.contains("the run has ended"), "{refused}");
    assert!(place.ask(&["watch", &run]).stdout.contains("is paused: a look at it"));
}

#[test]
fn a_paused_run_is_cancelled_and_its_finally_runs() {
    let server = RedisServer::start();
    let place = Place::of_fleet(&server);
    let text = pipeline(
        "stages: { one: { uses: probe.echo@1, with: { n: 1 } } }
finally: { tidy: { uses: probe.say@1, with: { text: tidied } } }
",
    );
    let run = submit(&place, &text, &[]);
    let _ = place.ask(&["pause", "last"]).expect(0);
    let _worker = worker(&place, &[]);
    let _ = place.ask(&["cancel", &run]).expect(0);
    let ended = end_of(&place, &run);
    assert_eq!(ended["state"], "cancelled");
    assert_eq!(ended["counts"]["succeeded"], 1, "{ended:#}");
}
