//! The examples of deployment name what there is: flags and variables of `reelmill worker`, paths and figures of a real
//! worker over a real Redis. And what an autoscaler looks at is true.

use reelmill_tests::engine::{Working, pipeline, wait_until};
use reelmill_tests::{Place, PostgresServer, RedisServer, get, repository};
use serde_json::Value;

fn example(name: &str) -> Value {
    let path = repository().join("workers/deploy").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_yaml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn texts(list: &Value) -> Vec<&str> {
    list.as_array().expect("a list").iter().map(|text| text.as_str().expect("a text")).collect()
}

/// What the comment at the head of the example puts into the secret of a variable.
fn secret_of(container: &Value, variable: &str) -> String {
    let variables = container["env"].as_array().expect("variables");
    let found = variables.iter().find(|one| one["name"] == variable);
    let from = &found.unwrap_or_else(|| panic!("no {variable}"))["valueFrom"]["secretKeyRef"];
    let (name, key) = (from["name"].as_str().expect("a secret"), from["key"].as_str().expect("a key"));
    let path = repository().join("workers/deploy/worker.yaml");
    let text = std::fs::read_to_string(path).expect("the example is there");
    let made = format!("create secret generic {name} --from-literal={key}=");
    let line = text.lines().find_map(|line| line.split_once(&made)).expect("the head makes the secret");
    line.1.to_owned()
}

/// What follows a flag.
fn value_of<'a>(arguments: &[&'a str], flag: &str) -> &'a str {
    let at = arguments.iter().position(|argument| *argument == flag);
    arguments[at.unwrap_or_else(|| panic!("{flag} is not given")) + 1]
}

/// A worker of a fleet that serves `/metrics`, and where.
fn worker(place: &Place) -> (Working<'_>, String) {
    let command = place.engine(&["worker", "--slots", "2", "--listen", "127.0.0.1:0"]);
    let mut worker = Working::start(place, command);
    worker.wait_for("working for the fleet");
    let line = worker.wait_for("metrics on");
    let address = line.split("//").nth(1).and_then(|rest| rest.split('/').next()).expect("an address");
    let address = address.to_owned();
    (worker, address)
}

/// The value of a figure of the lane of a queue whose tasks need the plugin for tests.
fn figure(text: &str, name: &str, queue: &str) -> Option<f64> {
    let begin = format!("{name}{{lane=\"{queue};plugin=probe@");
    let line = text.lines().find(|line| line.starts_with(&begin))?;
    line.rsplit(' ').next()?.parse().ok()
}

#[test]
fn the_examples_name_flags_variables_paths_and_figures_that_exist() {
    let server = RedisServer::start();
    let place = Place::of_fleet(&server);
    let help = place.ask(&["worker", "--help"]).expect(0).stdout;
    let deployment = example("worker.yaml");
    let pod = &deployment["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    let arguments = texts(&container["args"]);
    assert_eq!(arguments.first(), Some(&"worker"));
    for flag in arguments.iter().filter(|argument| argument.starts_with("--")) {
        assert!(
            help.split(|c: char| c.is_whitespace() || c == ']').any(|word| word == *flag),
            "no {flag}: {help}"
        );
    }
    for variable in container["env"].as_array().expect("variables") {
        let name = variable["name"].as_str().expect("a name");
        assert!(help.contains(&format!("[env: {name}")), "no {name} in {help}");
    }
    // What a worker is given is taken: the values of flags, and an archive that does not go with its pod.
    for (flag, example) in [("--keep", "1h"), ("--archive-keep", "365d")] {
        assert_eq!(value_of(&arguments, flag), example);
    }
    let archive = PostgresServer::start();
    let kept = Place::of_fleet(&server).with_archive(&archive);
    assert_eq!(
        secret_of(container, "REELMILL_ARCHIVE").split_once("://").map(|(scheme, _)| scheme),
        archive.url().split_once("://").map(|(scheme, _)| scheme),
        "the secret that the example makes is an address of PostgreSQL"
    );
    let keeping = kept.engine(&["worker", "--keep", "1h", "--archive-keep", "365d"]);
    let mut keeping = Working::start(&kept, keeping);
    keeping.wait_for("working for the fleet");
    wait_until("the archive to be looked at", || {
        !archive.ask("SELECT to_regclass('reelmill.run')").is_empty()
    });
    drop(keeping);
    let drain = value_of(&arguments, "--drain").trim_end_matches('s').parse::<u64>().expect("seconds");
    let grace = pod["terminationGracePeriodSeconds"].as_u64().expect("a time");
    assert!(grace >= drain + 30, "it is killed before it has drained");
    let port = &container["ports"][0];
    assert!(value_of(&arguments, "--listen").ends_with(&format!(":{}", port["containerPort"])));
    let (_worker, address) = worker(&place);
    for probe in ["readinessProbe", "livenessProbe"] {
        let asked = &container[probe]["httpGet"];
        assert_eq!(asked["port"], port["name"], "{probe}");
        assert_eq!(get(&address, asked["path"].as_str().expect("a path")), "ok\n");
    }

    let scaled = example("autoscale.yaml");
    assert_eq!(scaled["spec"]["scaleTargetRef"]["name"], deployment["metadata"]["name"]);
    let trigger = &scaled["spec"]["triggers"][0];
    let query = trigger["metadata"]["query"].as_str().expect("a query");
    let asked: Vec<_> = query
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| word.starts_with("reelmill_"))
        .collect();
    assert!(!asked.is_empty(), "{query}");
    let queue = value_of(&arguments, "--queue");
    wait_until("the worker to be seen", || {
        let figures = get(&address, "/metrics");
        asked.iter().all(|name| figures.contains(&format!("\n{name}{{lane=\"{queue}\"}} 0\n")))
    });
}

#[test]
fn a_backlog_is_seen_and_a_store_that_is_away_is_no_empty_one() {
    let mut server = RedisServer::start();
    let place = Place::of_fleet(&server);
    let (_worker, address) = worker(&place);
    place.write("p.yaml", &pipeline("stages: { one: { uses: probe.echo@1, with: { n: 1 } } }\n"));
    let _ = place.ask(&["submit", "p.yaml", "--wait"]).expect(0);
    wait_until("the worker to say how long a task took", || {
        let workers = place.ask(&["workers", "-o", "json"]).expect(0).json();
        let paces = workers["workers"][0]["paces"].as_array().cloned().unwrap_or_default();
        paces
            .iter()
            .any(|pace| pace["lane"].as_str().is_some_and(|lane| lane.starts_with("default;plugin=probe@")))
    });
    let text = pipeline("stages: { one: { uses: probe.echo@1, queue: encode, with: { n: 1 } } }\n");
    place.write("p.yaml", &text);
    for _ in 0..3 {
        let _ = place.ask(&["submit", "p.yaml"]).expect(0);
    }
    let queues = place.ask(&["queues", "-o", "json"]).expect(0).json();
    let lane = &queues["lanes"][0];
    assert_eq!((&lane["ready"], &lane["slots"], &lane["backlog_ms"]), (&3.into(), &0.into(), &30_000.into()));
    assert!(place.ask(&["queues"]).expect(0).stdout.contains("30 s"));
    wait_until("the backlog to be shown", || {
        let text = get(&address, "/metrics");
        let seen = |name: &str| figure(&text, name, "encode");
        let oldest = seen("reelmill_lane_oldest_seconds");
        seen("reelmill_lane_ready") == Some(3.0)
            && seen("reelmill_lane_slots") == Some(0.0)
            && seen("reelmill_lane_backlog_seconds") == Some(30.0)
            && oldest.is_some_and(|age| age > 0.0)
            && text.contains("reelmill_workers{state=\"working\"} 1\n")
            && text.contains("reelmill_store_up 1\n")
    });
    server.kill();
    wait_until("the store to be missed", || {
        let text = get(&address, "/metrics");
        text.contains("reelmill_store_up 0\n")
            && text.contains("\nreelmill_attempts_total{")
            && !text.contains("\nreelmill_lane_")
            && !text.contains("\nreelmill_workers{")
    });
}
