//! Workers of one fleet with different plugins: a task goes to a worker that has its plugin, in the very build that its
//! run was compiled with.

use reelmill_tests::engine::{Working, pipeline, wait_until};
use reelmill_tests::fleet::submit;
use reelmill_tests::{Place, RedisServer, binaries, get, repository};
use serde_json::Value;
use std::process::Command;

/// A copy of the test plugin under another name, in a folder of its own.
fn with_own_plugin(place: &Place) {
    let source = repository().join("tests/plugins/probe");
    for name in ["plugin.json", "main.py"] {
        let text = std::fs::read_to_string(source.join(name)).expect("it can be read");
        place.write(&format!("own/mine/{name}"), &text.replace("\"probe\"", "\"mine\""));
    }
}

fn working(place: &Place, command: Command) -> Working<'_> {
    let mut worker = Working::start(place, command);
    worker.wait_for("working for the fleet");
    worker
}

/// The workers of the fleet.
fn seen(place: &Place) -> Vec<Value> {
    let workers = place.ask(&["workers", "-o", "json"]).expect(0).json();
    workers["workers"].as_array().cloned().unwrap_or_default()
}

#[test]
fn tasks_go_where_their_plugin_is() {
    let server = RedisServer::start();
    let place = Place::of_fleet(&server);
    with_own_plugin(&place);
    let worker = |more: &[&str]| {
        let command = place.engine(&[&["worker", "--metrics-addr", "127.0.0.1:0"], more].concat());
        let mut worker = Working::start(&place, command);
        worker.wait_for("working for the fleet");
        let line = worker.wait_for("metrics on");
        let address = line.split("//").nth(1).and_then(|rest| rest.split('/').next()).expect("an address");
        (worker, address.to_owned())
    };
    let (_plain, plain_address) = worker(&["--slots", "4"]);
    let (_able, able_address) = worker(&["--slots", "1", "--plugin-dir", "own"]);
    wait_until("both workers to be seen", || seen(&place).len() == 2);
    place.write(
        "p.yaml",
        &pipeline(
            "stages:
  list: { uses: probe.count@1, with: { to: 12 } }
  each:
    for_each: { in: stages.list.outputs.items }
    uses: mine.echo@1
    with: { n: \"${{ item }}\" }
outputs: { all: \"${{ stages.each.outputs.map(e, e.n) }}\" }
",
        ),
    );
    let flags = ["submit", "p.yaml", "--plugin-dir", "own", "--wait", "-o", "json"];
    let ended = place.ask(&flags).expect(0).json();
    assert_eq!(ended["outputs"]["all"].as_array().map(Vec::len), Some(12));
    assert!(
        !get(&plain_address, "/metrics").contains("outcome=\"released\""),
        "it had to give something back"
    );
    let figures = get(&able_address, "/metrics");
    let done =
        figures.lines().find_map(|line| line.strip_prefix("reelmill_attempts_total{outcome=\"succeeded\"} "));
    assert!(done.is_some_and(|count| count.parse().is_ok_and(|count: u32| count >= 12)), "{done:?}");
}

#[test]
fn what_no_worker_has_is_refused_early_and_waits_where_one_may_come() {
    let server = RedisServer::start();
    let place = Place::of_fleet(&server);
    with_own_plugin(&place);
    let text = pipeline("stages: { one: { uses: mine.echo@1, with: { n: 1 } } }\n");
    let waiting = submit(&place, &text, &["--plugin-dir", "own"]);
    let plain = working(&place, place.engine(&["worker", "--slots", "1"]));
    wait_until("it to be seen", || seen(&place).len() == 1);
    let refused = place.ask(&["submit", "p.yaml", "--plugin-dir", "own"]).expect(1);
    for part in ["no worker can ever run `one`", "plugin mine@", "there is none"] {
        assert!(refused.stderr.contains(part), "{part} is not in {refused:?}");
    }
    let why = place.ask(&["why", &waiting, "one"]).expect(0).stdout;
    assert!(why.contains("plugin mine@"), "{why}");
    let _able = working(&place, place.engine(&["worker", "--plugin-dir", "own"]));
    wait_until("the run to end", || {
        place.ask(&["status", &waiting, "-o", "json"]).expect(0).json()["state"] == "succeeded"
    });
    drop(plain);
}

/// A copy of the programs with another build of the script plugin: a worker of another version.
fn other_version(place: &Place) -> std::path::PathBuf {
    let folder = place.path("other");
    std::fs::create_dir_all(&folder).expect("a folder can be made");
    for name in ["reelmill", "reelmill-runner", "libreelmill_plugin_script.so"] {
        std::fs::copy(binaries().join(name), folder.join(name)).expect("a program can be copied");
    }
    let library = folder.join("libreelmill_plugin_script.so");
    let mut bytes = std::fs::read(&library).expect("it can be read");
    // What stands behind the end of a library is not loaded, and makes another file of it.
    bytes.extend_from_slice(b"another build");
    std::fs::write(&library, bytes).expect("it can be written");
    folder
}

#[test]
fn a_worker_of_another_version_gives_back_what_is_not_of_its_build() {
    let server = RedisServer::start();
    let place = Place::of_fleet(&server);
    let folder = other_version(&place);
    let mut gate = place.gate("gate");
    let busy = working(&place, place.engine(&["worker", "--slots", "1"]));
    let held =
        submit(&place, &pipeline("stages: { held: { uses: probe.gate@1, with: { gate: gate } } }\n"), &[]);
    gate.wait();
    let ours = place.engine(&["worker", "--slots", "4"]);
    let mut command = Command::new(folder.join("reelmill"));
    command.args(ours.get_args()).current_dir(place.path("")).env_clear();
    command.envs(ours.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let mut other = working(&place, command);
    let run = submit(
        &place,
        &pipeline("stages: { one: { uses: script.write@1, with: { topic: Tides, scenes: 1 } } }\n"),
        &[],
    );
    other.wait_for("another worker has the plugin");
    gate.open();
    for run in [&held, &run] {
        wait_until("the run to end", || {
            place.ask(&["status", run, "-o", "json"]).expect(0).json()["state"] != "running"
        });
    }
    let ended = place.ask(&["status", &run, "-o", "json"]).expect(0).json();
    assert_eq!(
        (&ended["state"], &ended["stages"][0]["attempts"]),
        (&"succeeded".into(), &1.into()),
        "{ended:#}"
    );
    drop(busy);
}
