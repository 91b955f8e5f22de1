//! Fleets over the kinds of Redis there are: behind TLS with a user of few rights, behind sentinels that fail over; and
//! what the doctor says of servers.

use reelmill_test_redis::{Certificates, RedisCluster, RedisSentinel};
use reelmill_tests::engine::{pipeline, signal, wait_until};
use reelmill_tests::fleet::{has_no_runs, open_for_the_next, worker};
use reelmill_tests::{Ended, Place, RedisServer};
use serde_json::{Value, json};

/// What the readme tells to allow a user.
fn rules() -> String {
    let readme =
        std::fs::read_to_string(reelmill_tests::repository().join("README.md")).expect("there is one");
    let line = readme.lines().find_map(|line| line.split_once("ACL SETUSER mill on '>SECRET' "));
    line.expect("the readme has the line").1.trim().to_owned()
}

/// Makes the user of the readme.
fn allow(server: &RedisServer) {
    let rules = rules();
    let words: Vec<&str> =
        ["ACL", "SETUSER", "mill", "on", ">SECRET"].into_iter().chain(rules.split(' ')).collect();
    assert_eq!(server.ask(&words), "OK");
}

/// A stage that waits at a gate, and one that needs it.
fn gated() -> String {
    pipeline(
        "stages:
  held: { uses: probe.gate@1, with: { gate: gate } }
  after: { uses: probe.echo@1, with: { at: \"${{ stages.held.outputs.to }}\" } }
",
    )
}

fn submit(place: &Place) -> String {
    place.write("p.yaml", &gated());
    let ended = place.ask(&["submit", "p.yaml", "-o", "json"]).expect(0).json();
    ended["run"].as_str().expect("a run").to_owned()
}

/// Null while no master answers.
fn status(place: &Place, run: &str) -> Value {
    let ended = place.ask(&["status", run, "-o", "json"]);
    if ended.code == Some(75) { Value::Null } else { ended.expect(0).json() }
}

#[test]
fn a_user_with_the_rights_of_the_readme_is_enough_behind_tls() {
    let server = RedisServer::with_tls(Certificates::make());
    allow(&server);
    let place = Place::of_redis(&server.url_of("mill", "SECRET"));
    place.write("p.yaml", &pipeline("stages: { one: { uses: probe.echo@1, with: { n: 7 } } }\n"));
    let worker = worker(&place, &["--inbox", ".", "--keep", "0s"]);
    let run = place.ask(&["submit", "p.yaml", "--key", "k", "--wait", "-o", "json"]).expect(0).json();
    let run = run["run"].as_str().expect("a run").to_owned();
    let _ = place.ask(&["queues", "--pause", "other"]).expect(0);
    let _ = place.ask(&["queues", "--resume", "other"]).expect(0);
    assert!(place.ask(&["workers"]).expect(0).stdout.contains("slots"));
    let _ = place.ask(&["logs", &run]).expect(0);
    let _ = place.ask(&["why", &run]).expect(0);
    assert_ne!(
        server.ask(&["XADD", "rm:inbox", "*", "envelope", r#"{"version":1,"id":"a","pipeline":"p"}"#]),
        ""
    );
    wait_until("both runs to be archived", || {
        has_no_runs(&server) && server.ask(&["XLEN", "rm:inbox"]) == "0"
    });
    signal("TERM", &[worker.id()]);
    let ended = worker.end().expect(0);
    assert!(ended.stderr.contains("inbox: 1 submitted, 0 bad"), "{ended:?}");
    let refused = server.ask(&["INFO", "errorstats"]);
    assert!(!refused.contains("NOPERM"), "something was refused: {refused}");
}

#[test]
fn workers_go_on_when_a_sentinel_fails_over() {
    let mut servers = RedisSentinel::start();
    let place = Place::of_redis(&servers.url());
    let _worker = worker(&place, &[]);
    let mut gate = place.gate("gate");
    let first = submit(&place);
    gate.wait();
    open_for_the_next(&place, "gate");
    // The old master becomes a replica. What it was told before it knew is lost: an attempt may run again.
    servers.fail_over();
    gate.open();
    wait_until("the first run to end", || status(&place, &first)["state"] == "succeeded");

    std::fs::remove_file(place.path("gate")).expect("it can be removed");
    let mut gate = place.gate("gate");
    let second = submit(&place);
    gate.wait();
    open_for_the_next(&place, "gate");
    servers.wait_for_replica();
    servers.kill_master();
    gate.open();
    wait_until("the second run to end", || status(&place, &second)["state"] == "succeeded");
    for run in [first, second] {
        // A question that falls into the change of masters is refused, and asked again.
        wait_until("both stages to be settled once", || {
            let status = status(&place, &run);
            (&status["stages"][0]["settled"], &status["stages"][1]["settled"]) == (&json!(1), &json!(1))
        });
        let attempts = status(&place, &run)["stages"][0]["attempts"].clone();
        println!("{attempts} attempts at the stage that ran during a failover");
    }
    assert_eq!(servers.master().ask(&["ZCOUNT", "rm:{0}:leases", "-inf", "(inf"]), "0");
}

/// The checks of the doctor by name, with how each came out.
fn checks(ended: &Ended) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let document = ended.json();
    let checks = document["checks"].as_array().expect("a list of checks");
    let shared = ["redis", "artifacts"];
    let ours = checks.iter().filter(|check| shared.iter().any(|name| text(&check["name"]).starts_with(name)));
    ours.map(|check| (text(&check["name"]), text(&check["status"]))).collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, status)| ((*name).to_owned(), (*status).to_owned())).collect()
}

#[test]
fn the_doctor_says_what_a_fleet_should_change() {
    let good = RedisServer::start();
    let place = Place::of_redis(&good.url());
    std::fs::create_dir(place.path("shared")).expect("a folder can be made");
    let shared = format!("file://{}", place.path("shared").display());
    let ended = place.reelmill(&["doctor", "--artifacts", &shared, "-o", "json"]);
    assert_eq!(checks(&ended), pairs(&[("redis", "ok"), ("artifacts", "ok")]), "{ended:?}");
    assert_eq!(reelmill_tests::engine::files(&place.path("shared/objects")), [], "the probe is gone");
    let missing = place.reelmill(&["doctor", "--artifacts", "file:///nowhere", "-o", "json"]);
    assert_eq!(checks(&missing)[1], ("artifacts".into(), "missing".into()), "{missing:?}");

    let bad = RedisServer::start_with(&[
        "--appendonly",
        "no",
        "--maxmemory",
        "1mb",
        "--maxmemory-policy",
        "allkeys-lru",
    ]);
    let ended = Place::of_redis(&bad.url()).reelmill(&["doctor", "-o", "json"]);
    let expected =
        [("redis", "ok"), ("redis durability", "warn"), ("redis eviction", "warn"), ("redis memory", "warn")];
    assert_eq!(checks(&ended)[..4], pairs(&expected), "{ended:?}");

    let user = ["ACL", "SETUSER", "mill", "on", ">pw", "~rm:*", "+@all", "-eval", "-evalsha"];
    assert_eq!(good.ask(&user), "OK");
    let ended = Place::of_redis(&good.url_of("mill", "pw")).reelmill(&["doctor", "-o", "json"]);
    assert_eq!(checks(&ended)[1], ("redis rights".into(), "missing".into()), "{ended:?}");
    assert!(ended.stdout.contains("+evalsha"), "the remedy names what to allow: {ended:?}");
}

#[test]
fn the_doctor_knows_clusters_and_sentinels() {
    let cluster = RedisCluster::start();
    let sentinel = RedisSentinel::start();
    for (url, how) in [(cluster.url(), "Redis Cluster 7"), (sentinel.url(), "Redis behind sentinels 7")] {
        let ended = Place::of_redis(&url).reelmill(&["doctor", "-o", "json"]);
        let document = ended.json();
        let checks = document["checks"].as_array().expect("a list of checks");
        let redis = checks.iter().find(|check| check["name"] == "redis").expect("it is looked at");
        assert!(redis["found"].as_str().is_some_and(|found| found.contains(how)), "{url}: {redis}");
    }
}
