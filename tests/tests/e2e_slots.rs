//! Slots that follow what stages use, on the real binaries: stages that wait get more of them than there are cores, stages
//! that want memory get as many as fit, and what was learned outlives the worker.

use reelmill_tests::engine::{Gate, Working, pipeline, signal, wait_until};
use reelmill_tests::fleet::{end_of, submit, worker};
use reelmill_tests::{Place, RedisServer, get};
use serde_json::Value;

/// The only worker as it is seen.
fn card(place: &Place) -> Value {
    place.ask(&["workers", "-o", "json"]).expect(0).json()["workers"][0].clone()
}

fn slots(place: &Place) -> u64 {
    card(place)["slots"].as_u64().expect("a number")
}

/// Waits until the worker was heard twice from now on.
fn let_pass(place: &Place) {
    let mut last = card(place)["seen_ms"].clone();
    for _ in 0..2 {
        wait_until("the worker to be heard", || card(place)["seen_ms"] != last);
        last = card(place)["seen_ms"].clone();
    }
}

/// Submits so many stages of a kind, each at a gate of its own.
fn submit_gated(place: &Place, stage: &str, with: &str, count: usize) -> (String, Vec<Gate>) {
    let gates = (0..count).map(|no| place.gate(&format!("{stage}{count}-{no}"))).collect();
    let one = |no| format!("  s{no}: {{ uses: {stage}@1, with: {{ gate: {stage}{count}-{no}{with} }} }}\n");
    let text = pipeline(&format!("stages:\n{}", (0..count).map(one).collect::<String>()));
    (submit(place, &text, &[]), gates)
}

/// How many stand at gates.
fn standing(gates: &mut [Gate]) -> usize {
    gates.iter_mut().map(Gate::has_arrived).filter(|arrived| *arrived).count()
}

/// Lets go on whoever stands at a gate.
fn let_go(gates: &mut Vec<Gate>) {
    gates.retain_mut(|gate| {
        let arrived = gate.has_arrived();
        if arrived {
            gate.open();
        }
        !arrived
    });
}

/// Shows the worker attempts of a stage that wait for long beside the CPU they use.
fn teach(place: &Place, stage: &str, with: &str) {
    let (run, mut gates) = submit_gated(place, stage, with, 3);
    while !gates.is_empty() {
        wait_until("a stage to come", || standing(&mut gates) > 0);
        let_pass(place);
        let_go(&mut gates);
    }
    assert_eq!(end_of(place, &run)["state"], "succeeded");
}

#[test]
fn stages_that_wait_get_more_slots_than_there_are_cores() {
    let server = RedisServer::start();
    let place = Place::of_fleet(&server);
    let start = || {
        let mut command = place.engine(&["worker", "--slots", "auto", "--listen", "127.0.0.1:0"]);
        command.env("REELMILL_LOG", "info");
        Working::start(&place, command)
    };
    let mut first = start();
    let said = first.wait_for("working for the fleet");
    assert!(said.contains("to begin with") && said.contains("0 stages known from before"), "{said}");
    let address = first.wait_for("metrics on");
    let address = address.split("http://").nth(1).and_then(|rest| rest.split('/').next()).expect("one");
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let many = cores + 4;
    teach(&place, "probe.gate", "");
    first.wait_for("slots have changed");
    wait_until("more slots than cores", || slots(&place) >= many as u64);
    let (run, mut gates) = submit_gated(&place, "probe.gate", "", many);
    wait_until("all of them to stand at their gates at once", || standing(&mut gates) == many);
    let seen = card(&place);
    let most = seen["adaptive"]["slots_max"].as_u64().expect("a number");
    assert!(seen["slots"].as_u64().is_some_and(|slots| (many as u64..=most).contains(&slots)), "{seen}");
    assert_eq!(seen["learned"][0]["stage"], "probe.gate");
    assert!(seen["learned"][0]["cpu_milli"].as_u64().is_some_and(|milli| milli < 1_000), "{seen}");
    let said = place.ask(&["workers"]).expect(0).stdout;
    assert!(said.contains(&format!("of {most} (auto)")) && said.contains("probe.gate"), "{said}");
    let figures = get(address, "/metrics");
    for name in ["reelmill_slots ", "reelmill_slots_max ", "reelmill_stage_cores{stage=\"probe.gate\"} "] {
        let value = figures.lines().find_map(|line| line.strip_prefix(name)?.parse::<f64>().ok());
        assert!(value.is_some_and(|value| value > 0.0), "{name} in {figures}");
    }
    let_go(&mut gates);
    assert_eq!(end_of(&place, &run)["state"], "succeeded");
    signal("TERM", &[first.id()]);
    let _ = first.end().expect(0);
    let said = start().wait_for("working for the fleet");
    assert!(said.contains("1 stage known from before"), "{said}");
}

#[test]
fn stages_that_want_memory_get_as_many_slots_as_fit() {
    let server = RedisServer::start();
    let place = Place::of_fleet(&server);
    let _worker = worker(&place, &["--slots", "auto", "--memory", "350M"]);
    // Some 112 MiB each, and a quarter more is reckoned with: two of them fit, and one of 256 MiB as long as nothing is known.
    // By the CPU time of their start, more would do, also on a machine that has much else to do.
    teach(&place, "probe.hold", ", mib: 100");
    wait_until("two slots", || slots(&place) == 2);
    let because = card(&place)["adaptive"]["because"].clone();
    assert!(because.as_str().is_some_and(|text| text.contains("of 333 MiB of memory each")), "{because}");
    let (run, mut gates) = submit_gated(&place, "probe.hold", ", mib: 100", 7);
    wait_until("two to stand at their gates", || standing(&mut gates) == 2);
    while !gates.is_empty() {
        let_pass(&place);
        let count = standing(&mut gates);
        assert!(count <= 2 && slots(&place) <= 2, "{count} stand there");
        let_go(&mut gates);
    }
    assert_eq!(end_of(&place, &run)["state"], "succeeded");
}

#[test]
fn wrong_numbers_of_slots_are_refused_with_what_can_be_said() {
    let place = Place::new();
    for wrong in ["0", "257", "many", ""] {
        let ended = place.ask(&["worker", "--slots", wrong]).expect(2);
        assert!(ended.stderr.contains("write a number from 1 to 256, or `auto`"), "{ended:?}");
    }
}
