//! A fleet while things go wrong at random: workers are killed and stopped, connections are cut, the server dies and
//! comes back from its file. Every run ends, every task is settled once, and nothing is left over.
//!
//! `CHAOS_RUNS`, `CHAOS_BLOWS` and `CHAOS_SEED` make it longer or replay it: `make chaos`.

use reelmill_tests::engine::{Working, files, pipeline, signal, wait_until};
use reelmill_tests::{Place, RedisServer};
use serde_json::Value;
use std::time::Duration;

/// Workers at any time.
const WORKERS: usize = 4;
/// Time between two blows: long enough for work to go on in between.
const LULL: Duration = Duration::from_millis(250);

fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// A graph of twelve stages: a fan-out of three in the middle, stages of the worker itself around it.
fn graph() -> String {
    let chain = |no: u32, before: &str| {
        format!("  s{no}: {{ uses: faulty.noop@1, needs: [{before}], with: {{ n: {no} }} }}\n")
    };
    let before: Vec<String> = (2..=5).map(|no| chain(no, &format!("s{}", no - 1))).collect();
    let after: Vec<String> = (7..=9).map(|no| chain(no, &format!("s{}", no - 1))).collect();
    pipeline(
        &[
            "inputs: { row: { type: int } }
stages:
  s1: { uses: faulty.noop@1, with: { items: [1, 2, 3] } }
",
            &before.concat(),
            "  each:
    needs: [s5]
    for_each: { in: stages.s1.outputs.items, key: \"'i' + string(item)\" }
    stages:
      a: { uses: faulty.noop@1, with: { n: \"${{ item }}\" } }
      b:
        uses: faulty.noop@1
        with: { n: \"${{ stages.a.outputs.n }}\" }
        concurrency: { key: b, limit: 8 }
",
            &chain(6, "each"),
            &after.concat(),
        ]
        .concat(),
    )
}

/// Dice that a seed throws again.
struct Dice(u64);

impl Dice {
    fn up_to(&mut self, count: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % count
    }

    fn pick(&mut self, count: usize) -> usize {
        usize::try_from(self.up_to(count as u64)).unwrap_or(0)
    }
}

fn hire(place: &Place) -> Working<'_> {
    let mut worker = Working::start(place, place.engine(&["worker", "--slots", "2"]));
    worker.wait_for("working for the fleet");
    worker
}

/// What was done to the fleet.
#[derive(Debug, Default)]
struct Blows {
    killed: u32,
    stopped: u32,
    restarts: u32,
    cuts: u32,
}

fn strike<'a>(
    dice: &mut Dice,
    server: &mut RedisServer,
    place: &'a Place,
    workers: &mut Vec<Working<'a>>,
    blows: &mut Blows,
) {
    let at = dice.pick(workers.len());
    match dice.up_to(10) {
        0..4 => {
            signal("KILL", &[workers[at].id()]);
            let _ = workers.swap_remove(at).end();
            workers.push(hire(place));
            blows.killed += 1;
        }
        4..6 => {
            signal("STOP", &[workers[at].id()]);
            std::thread::park_timeout(LULL * 2);
            signal("CONT", &[workers[at].id()]);
            blows.stopped += 1;
        }
        6..8 => {
            let _ = server.ask(&["CLIENT", "KILL", "TYPE", "normal"]);
            blows.cuts += 1;
        }
        _ => {
            server.kill();
            server.start_again();
            blows.restarts += 1;
        }
    }
}

#[test]
fn every_run_ends_once_whatever_happens() {
    let (runs, blows_wanted) = (setting("CHAOS_RUNS", 400), setting("CHAOS_BLOWS", 16));
    let seed = setting("CHAOS_SEED", 20_26);
    let mut dice = Dice(seed);
    let mut server = RedisServer::start();
    let place = Place::of_fleet(&server).with_faulty();
    place.write("p.yaml", &graph());
    let rows: Vec<String> = (0..runs).map(|row| row.to_string()).collect();
    place.write("rows.csv", &format!("row\n{}\n", rows.join("\n")));
    let mut workers: Vec<Working<'_>> = (0..WORKERS).map(|_| hire(&place)).collect();
    let batch = place.ask(&["submit", "p.yaml", "--each", "rows.csv"]).expect(0);
    let mut blows = Blows::default();
    for _ in 0..blows_wanted {
        strike(&mut dice, &mut server, &place, &mut workers, &mut blows);
        std::thread::park_timeout(LULL);
    }
    println!("seed {seed}: {blows:?} while {runs} runs were done by {WORKERS} workers");

    let ended =
        place.ask(&["submit", "p.yaml", "--each", "rows.csv", "--wait", "-o", "json"]).expect(0).json();
    assert_eq!(ended["succeeded"].as_u64(), Some(runs), "batch {}", batch.stdout);
    let mut settled = 0;
    for run in ended["runs"].as_array().expect("a list of runs") {
        let id = run["run"].as_str().expect("an id");
        let status = place.ask(&["status", id, "-o", "json"]).expect(0).json();
        for stage in status["stages"].as_array().expect("stages") {
            assert_eq!(stage["settled"], count_of(stage), "run {id}: {stage}");
            settled += stage["settled"].as_u64().unwrap_or(0);
        }
    }
    println!("{settled} tasks settled, each once");
    wait_until("all places to be given back", || {
        place.ask(&["limits", "-o", "json"]).expect(0).json()["limits"] == Value::Array(Vec::new())
    });
    for worker in workers {
        signal("TERM", &[worker.id()]);
        let _ = worker.end().expect(0);
    }
    for (index, name) in [("leases", "leases"), ("due", "delayed tasks")] {
        assert_eq!(server.ask(&["ZCARD", &format!("rm:{{0}}:{index}")]), "0", "{name} are left over");
    }
    for left in ["rm:{0}:f:*", "rm:{0}:q:*", "rm:{0}:stale"] {
        assert_eq!(server.ask(&["KEYS", left]), "", "ready tasks are left over");
    }
    wait_until("the processes of workers to be gone", || place.processes().is_empty());
    assert_eq!(files(&place.path("home/scratch")), [], "scratch is left over");
}

/// How many tasks of a stage there are: each must have settled once.
fn count_of(stage: &Value) -> Value {
    let states = stage["counts"].as_object().expect("counts of states");
    Value::from(states.values().filter_map(Value::as_u64).sum::<u64>())
}
