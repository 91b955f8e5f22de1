//! What starts runs by itself, on the real binaries: schedules in a fleet, files that arrive, calls over HTTP.

use reelmill_tests::engine::{Working, pipeline, signal, wait_until};
use reelmill_tests::{Place, RedisServer, post};
use reelmill_triggers::sign;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

fn put(place: &Place, text: &str) {
    place.write("p.yaml", text);
    let _ = place.ask(&["pipelines", "put", "p.yaml"]).expect(0);
}

/// A pipeline that puts out what its trigger gave it.
fn telling(trigger: &str) -> String {
    pipeline(&format!(
        "inputs: {{ told: {{ type: string }} }}
secrets: [hook_key]
stages: {{ one: {{ uses: probe.echo@1, with: {{ told: \"${{{{ inputs.told }}}}\" }} }} }}
outputs: {{ told: \"${{{{ stages.one.outputs.told }}}}\" }}
triggers:
{trigger}"
    ))
}

fn runs(place: &Place) -> Vec<Value> {
    let listed = place.ask(&["status", "--limit", "200", "-o", "json"]).expect(0).json();
    listed["runs"].as_array().expect("a list").clone()
}

fn triggers(place: &Place) -> Vec<Value> {
    let listed = place.ask(&["triggers", "-o", "json"]).expect(0).json();
    listed["triggers"].as_array().expect("a list").clone()
}

fn status(place: &Place, run: &Value) -> Value {
    place.ask(&["status", run.as_str().expect("a run"), "-o", "json"]).expect(0).json()
}

fn end_of(place: &Place, run: &Value) -> Value {
    wait_until("the run to end", || status(place, run)["state"] != "running");
    status(place, run)
}

fn stop(worker: Working<'_>) {
    signal("TERM", &[worker.id()]);
    let _ = worker.end().expect(0);
}

/// Every first of a month since 2001 was missed, of which the last hundred are made up for. Two workers find them due at
/// once, and know nothing of each other.
#[test]
fn a_firing_of_a_fleet_is_one_run() {
    let server = RedisServer::start();
    let place = Place::of_fleet(&server);
    put(
        &place,
        &telling(
            "  monthly: { type: schedule, cron: \"0 0 1 * *\", timezone: Europe/Oslo, catchup: all, overlap: allow,
             inputs: { told: \"${{ trigger.scheduled_at }}\" } }\n",
        ),
    );
    let before = r#"{"looked_ms":1000000000000}"#;
    let _ = server.ask(&["HSET", "rm:marks", "default/test/monthly", before]);
    let start = || Working::start(&place, place.engine(&["worker", "--slots", "2"]));
    let workers = [start(), start()];
    wait_until("the firings to be noted", || {
        server.ask(&["HGET", "rm:marks", "default/test/monthly"]) != before
    });
    // The other one was told to stop in the middle of its look, or has made it; a third looks at it all again.
    for worker in workers {
        stop(worker);
    }
    let third = start();
    wait_until("all runs to end", || runs(&place).iter().all(|run| run["state"] == "succeeded"));
    let runs = runs(&place);
    assert_eq!(runs.len(), 100);
    let ids: Vec<&Value> = runs.iter().map(|run| &run["run"]).collect();
    let told = |run: &&Value| status(&place, run)["inputs"]["told"].as_str().expect("a text").to_owned();
    let first_and_last = [ids[99], ids[0]].map(|run| told(&run));
    assert!(first_and_last.iter().all(|at| at.contains("-01T00:00:00+0")), "{first_and_last:?}");
    // The time of a firing is in the id of its run.
    let times: BTreeSet<&str> = ids.iter().map(|id| &id.as_str().expect("an id")[..10]).collect();
    assert_eq!(times.len(), 100, "no month came twice");
    let trigger = &triggers(&place)[0];
    assert_eq!((&trigger["type"], &trigger["last"]["came"]), (&json!("schedule"), &json!("started")));
    assert_eq!(&trigger["last"]["run"], ids[0]);
    assert!(trigger["next"].as_str().expect("a time").contains("-01T00:00:00+0"), "{trigger:#}");
    stop(third);
}

#[test]
fn a_file_that_arrives_starts_a_run_and_only_one() {
    let server = RedisServer::start();
    let place = Place::of_fleet(&server);
    std::fs::create_dir(place.path("in")).expect("a folder can be made");
    let folder = place.path("in").display().to_string();
    put(
        &place,
        &telling(&format!(
            "  drop: {{ type: file, folder: \"{folder}\", pattern: \"*.csv\", settle: 1ms, overlap: allow,
             inputs: {{ told: \"${{{{ trigger.file }}}} ${{{{ trigger.size }}}}\" }} }}\n"
        )),
    );
    let start = || Working::start(&place, place.engine(&["worker", "--slots", "2"]));
    let workers = [start(), start()];
    place.write("in/notes.txt", "not this one");
    place.write("in/a.csv", "1,2,3");
    wait_until("a run", || !runs(&place).is_empty());
    assert_eq!(end_of(&place, &runs(&place)[0]["run"])["outputs"]["told"], "a.csv 5");
    // The next file comes after the first in every look: when it has fired, the first was looked at again.
    place.write("in/b.csv", "1");
    wait_until("the second run", || {
        runs(&place).iter().any(|run| end_of(&place, &run["run"])["outputs"]["told"] == "b.csv 1")
    });
    assert_eq!(runs(&place).len(), 2);
    for worker in workers {
        stop(worker);
    }
}

/// A worker that takes calls, and where.
fn taking_calls(place: &Place) -> (Working<'_>, String) {
    let mut command = place.engine(&["worker", "--listen", "127.0.0.1:0"]);
    command.env("REELMILL_SECRET_HOOK_KEY", "a key");
    let mut worker = Working::start(place, command);
    let line = worker.wait_for("webhooks on /hooks/PIPELINE/TRIGGER");
    let address = line.split("http://").nth(1).and_then(|rest| rest.split('/').next()).expect("an address");
    (worker, address.to_owned())
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970").as_secs()
}

/// A call that is signed with a time.
fn call(address: &str, path: &str, time: u64, body: &str) -> (u16, Value) {
    let time = time.to_string();
    let signature = sign(b"a key", Some(&time), body.as_bytes());
    let headers = [
        ("x-reelmill-timestamp", time.as_str()),
        ("x-reelmill-signature", signature.as_str()),
        ("x-event", "order"),
    ];
    answer(post(address, path, &headers, body))
}

fn answer((status, body): (u16, String)) -> (u16, Value) {
    let json =
        serde_json::from_str(&body).unwrap_or_else(|error| panic!("{status}: no JSON ({error}): {body}"));
    (status, json)
}

#[test]
fn a_call_starts_a_run_if_it_is_signed_and_new() {
    let place = Place::new();
    put(
        &place,
        &telling(
            "  order: { type: webhook, secret: hook_key, overlap: allow,
             inputs: { told: \"${{ trigger.headers['x-event'] }} ${{ trigger.body.no }}\" } }\n",
        ),
    );
    let (worker, address) = taking_calls(&place);
    let path = "/hooks/test/order";
    // What is registered is known within a second.
    wait_until("the webhook to be known", || post(&address, path, &[], "{}").0 != 404);

    let (code, started) = call(&address, path, now_s(), r#"{"no": 7}"#);
    assert_eq!((code, &started["new"]), (202, &json!(true)), "{started}");
    assert_eq!(end_of(&place, &started["run"])["outputs"]["told"], "order 7");
    let trigger = &triggers(&place)[0];
    assert_eq!((&trigger["last"]["came"], &trigger["last"]["run"]), (&json!("started"), &started["run"]));

    // The same call again, as by a sender that heard no answer, or by somebody who recorded it.
    let now = now_s();
    let first = call(&address, path, now, r#"{"no": 8}"#);
    let again = call(&address, path, now, r#"{"no": 8}"#);
    assert_eq!((first.0, again.0), (202, 200));
    assert_eq!((&again.1["run"], &again.1["new"]), (&first.1["run"], &json!(false)));
    // A sender that signs the body alone.
    let signature = sign(b"a key", None, br#"{"no": 9}"#);
    let hub = || {
        answer(post(
            &address,
            path,
            &[("x-hub-signature-256", &signature), ("x-event", "order")],
            r#"{"no": 9}"#,
        ))
    };
    assert_eq!((hub().0, hub().0), (202, 200));
    assert_eq!(runs(&place).len(), 3);

    let refused = |code: u16, (found, problem): (u16, Value), part: &str| {
        assert_eq!((found, &problem["status"]), (code, &json!(code)), "{problem}");
        assert!(problem["detail"].as_str().expect("a sentence").contains(part), "{problem}");
    };
    let signed_for = |key: &[u8], body: &str| sign(key, None, body.as_bytes());
    let with = |signature: &str, body: &str| {
        answer(post(&address, path, &[("x-hub-signature-256", signature)], body))
    };
    refused(401, answer(post(&address, path, &[], "{}")), "is not signed");
    refused(401, with(&signed_for(b"another", "{}"), "{}"), "does not fit");
    refused(401, with("sha256=0", "{}"), "64 hexadecimal digits");
    refused(401, call(&address, path, now_s() - 301, r#"{"no": 1}"#), "5 minutes");
    refused(400, with(&signed_for(b"a key", "{no}"), "{no}"), "not JSON");
    refused(404, call(&address, "/hooks/test/other", now_s(), "{}"), "no such webhook");
    refused(404, call(&address, "/hooks/other/order", now_s(), "{}"), "no such webhook");
    refused(404, call(&address, "/hooks/test/order?namespace=acme", now_s(), "{}"), "no such webhook");
    refused(413, answer(post(&address, path, &[("content-length", "1048577")], "")), "1048576 bytes");
    refused(422, call(&address, path, now_s(), r#"{"number": 1}"#), "no");
    assert_eq!(runs(&place).len(), 3, "none of them started a run");
    stop(worker);
}

#[test]
fn a_call_while_the_run_before_goes_on_is_told_so_and_a_pause_ends_with_a_resume() {
    let place = Place::new();
    let mut gate = place.gate("gate");
    put(
        &place,
        &pipeline(
            "inputs: { n: { type: int } }
secrets: [hook_key]
stages: { held: { uses: probe.gate@1, with: { gate: gate, value: \"${{ inputs.n }}\" } } }
triggers:
  one: { type: webhook, secret: hook_key, inputs: \"${{ trigger.body }}\" }
",
        ),
    );
    let (worker, address) = taking_calls(&place);
    let path = "/hooks/test/one";
    wait_until("the webhook to be known", || post(&address, path, &[], "{}").0 != 404);
    let (code, first) = call(&address, path, now_s(), r#"{"n": 1}"#);
    assert_eq!(code, 202, "{first}");
    gate.wait();
    let (code, problem) = call(&address, path, now_s(), r#"{"n": 2}"#);
    assert_eq!(code, 409, "{problem}");
    assert!(problem["detail"].as_str().expect("a sentence").contains("has not ended"), "{problem}");
    gate.open();
    assert_eq!(end_of(&place, &first["run"])["state"], "succeeded");

    let paused = place.ask(&["triggers", "--pause", "test/one"]).expect(0).stdout;
    assert!(paused.contains("paused"), "{paused}");
    let (code, problem) = call(&address, path, now_s(), r#"{"n": 3}"#);
    assert!(code == 409 && problem["detail"] == "the trigger is paused", "{problem}");
    let unknown = place.ask(&["triggers", "--pause", "test/two"]).expect(2);
    assert!(unknown.stderr.contains("known: `one`"), "{unknown:?}");
    let _ = place.ask(&["triggers", "--resume", "test/one"]).expect(0);
    let mut gate = place.gate_again("gate");
    let (code, second) = call(&address, path, now_s(), r#"{"n": 3}"#);
    assert_eq!(code, 202, "{second}");
    gate.open();
    assert_eq!(end_of(&place, &second["run"])["state"], "succeeded");
    stop(worker);
}
