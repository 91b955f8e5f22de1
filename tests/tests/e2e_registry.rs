//! Registered pipelines on the real binaries: put, listed, compared, submitted by name, removed; at home and in a fleet.

use reelmill_tests::engine::{Working, pipeline, signal, wait_until};
use reelmill_tests::{Place, RedisServer};
use serde_json::{Value, json};

fn hello(word: &str) -> String {
    pipeline(&format!(
        "inputs: {{ n: {{ type: int, default: 1 }} }}
stages: {{ one: {{ uses: probe.echo@1, with: {{ said: \"{word} ${{{{ inputs.n }}}}\" }} }} }}
outputs: {{ said: \"${{{{ stages.one.outputs.said }}}}\" }}
"
    ))
}

/// Puts a pipeline; says its revision and whether that is new.
fn put(place: &Place, text: &str, more: &[&str]) -> (u64, bool) {
    place.write("p.yaml", text);
    let done = place.ask(&[&["pipelines", "put", "p.yaml", "-o", "json"], more].concat()).expect(0).json();
    let revision = done["pipeline"]["revision"].as_u64().expect("a number");
    (revision, done["new"].as_bool().expect("yes or no"))
}

fn put_list_diff_and_submit(place: &Place) {
    assert_eq!(put(place, &hello("good morning"), &["--by", "ann", "--label", "team=growth"]), (1, true));
    assert_eq!(put(place, &hello("good morning"), &["--label", "team=growth"]), (1, false));
    assert_eq!(put(place, &hello("good night"), &["--if-revision", "1", "--by", "bo"]), (2, true));
    place.write("p.yaml", &hello("good evening"));
    let refused = place.ask(&["pipelines", "put", "p.yaml", "--if-revision", "1"]);
    assert!(refused.code == Some(1) && refused.stderr.contains("revision 2 and not at 1"), "{refused:?}");

    let listed = place.ask(&["pipelines", "list", "-o", "json"]).expect(0).json();
    let pipelines = listed["pipelines"].as_array().expect("a list");
    assert_eq!(pipelines.len(), 1, "{listed:#}");
    let about = ["namespace", "name", "revision", "by", "triggers"].map(|key| pipelines[0][key].clone());
    assert_eq!(about, [json!("default"), json!("test"), json!(2), json!("bo"), json!([])]);
    let table = place.ask(&["pipelines", "list"]).expect(0).stdout;
    assert!(table.lines().any(|line| line.contains("test") && line.contains("bo")), "{table}");

    assert_eq!(place.ask(&["pipelines", "show", "test@1"]).expect(0).stdout, hello("good morning"));
    let shown = place.ask(&["pipelines", "show", "test", "-o", "json"]).expect(0).json();
    assert_eq!(shown["text"]["yaml"], hello("good night"));
    let history: Vec<(u64, &str)> = shown["history"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|head| (head["revision"].as_u64().expect("a number"), head["by"].as_str().expect("a name")))
        .collect();
    assert_eq!(history, [(2, "bo"), (1, "ann")]);

    let changed = place.ask(&["pipelines", "diff", "test"]).expect(1).stdout;
    for part in
        ["--- default/test@1", "+++ default/test@2", "-stages: { one", "good morning", "+stages: { one"]
    {
        assert!(changed.contains(part), "{part}: {changed}");
    }
    place.write("same.yaml", &hello("good night"));
    assert_eq!(place.ask(&["pipelines", "diff", "test@2", "same.yaml"]).expect(0).stdout, "");
    let against = place.ask(&["pipelines", "diff", "test@1", "same.yaml", "-o", "json"]).expect(1).json();
    assert_eq!((&against["same"], &against["to"]), (&json!(false), &json!("same.yaml")));

    // A typing error is met with what there is.
    let unknown = place.ask(&["submit", "tset"]).expect(2);
    assert!(unknown.stderr.contains("did you mean `test`?"), "{unknown:?}");
    let unknown = place.ask(&["pipelines", "show", "test@3"]).expect(2);
    assert!(unknown.stderr.contains("newest revision is 2"), "{unknown:?}");
}

/// The status of the run that a command submitted.
fn submitted(place: &Place, arguments: &[&str]) -> Value {
    let run = place.ask(&[arguments, &["-o", "json"]].concat()).expect(0).json();
    place.ask(&["status", run["run"].as_str().expect("a run"), "-o", "json"]).expect(0).json()
}

#[test]
fn at_home_a_pipeline_is_put_listed_compared_and_run_by_name() {
    let place = Place::new();
    put_list_diff_and_submit(&place);
    let said = |arguments: &[&str]| {
        place.ask(&[&["run"], arguments, &["-o", "json"]].concat()).expect(0).json()["outputs"]["said"]
            .clone()
    };
    assert_eq!(said(&["test", "--input", "n=3"]), json!("good night 3"));
    assert_eq!(said(&["test@1"]), json!("good morning 1"));
    let plan = place.ask(&["plan", "test@1", "-o", "json"]).expect(0).json();
    assert_eq!(plan["name"], "test");
    assert!(place.ask(&["validate", "test"]).expect(0).stdout.contains("default/test@2: no problems"));
    // A file of that name goes first.
    place.write("test", &hello("from the file"));
    assert_eq!(said(&["test"]), json!("from the file 1"));

    let removed = place.ask(&["pipelines", "rm", "test"]).expect(0);
    assert!(removed.stdout.contains("default/test is removed"), "{removed:?}");
    assert!(place.ask(&["pipelines", "list"]).expect(0).stdout.contains("no pipeline is registered"));
    assert_eq!(put(&place, &hello("again"), &["--if-revision", "0"]), (1, true));
}

#[test]
fn in_a_fleet_a_pipeline_is_submitted_by_name_by_people_and_by_other_systems() {
    let server = RedisServer::start();
    let place = Place::of_fleet(&server);
    put_list_diff_and_submit(&place);
    let newest = submitted(&place, &["submit", "test", "--input", "n=7"]);
    let first = submitted(&place, &["submit", "test@1", "--label", "team=art"]);
    let worker = Working::start(&place, place.engine(&["worker", "--inbox", "."]));
    let end = |run: &Value| {
        let run = run["run"].as_str().expect("a run").to_owned();
        let ask = || place.ask(&["status", &run, "-o", "json"]).expect(0).json();
        wait_until("the run to end", || ask()["state"] != "running");
        ask()
    };
    assert_eq!(end(&newest)["outputs"]["said"], "good night 7");
    assert_eq!(end(&first)["outputs"]["said"], "good morning 1");

    let put = |envelope: &str| server.ask(&["XADD", "rm:inbox", "*", "envelope", envelope]);
    for envelope in [
        r#"{"version":1,"id":"a","pipeline":"test@1","inputs":{"n":4}}"#,
        r#"{"version":1,"id":"b","pipeline":"test@9"}"#,
    ] {
        assert!(!put(envelope).is_empty());
    }
    wait_until("the inbox to be empty", || {
        server.ask(&["XLEN", "rm:inbox"]) == "0" && server.ask(&["XLEN", "rm:inbox:dead"]) == "1"
    });
    assert_eq!(end(&place.status())["outputs"]["said"], "good morning 4");
    let dead = server.ask(&["XRANGE", "rm:inbox:dead", "-", "+"]);
    assert!(dead.contains("newest revision is 2"), "{dead}");
    signal("TERM", &[worker.id()]);
    let _ = worker.end().expect(0);
}

#[test]
fn a_pipeline_is_kept_with_those_that_it_names() {
    let place = Place::new();
    let inner = |word: &str| {
        format!(
            "version: 1\nname: inner\nstages: {{ a: {{ uses: probe.echo@1, with: {{ word: {word} }} }} }}\n\
             outputs: {{ word: \"${{{{ stages.a.outputs.word }}}}\" }}\n"
        )
    };
    let outer = pipeline(
        "stages: { sub: { pipeline: lib/inner.yaml } }\noutputs: { word: \"${{ stages.sub.outputs.word }}\" }\n",
    );
    place.write("lib/inner.yaml", &inner("one"));
    assert_eq!(put(&place, &outer, &[]), (1, true));
    // What lies there later changes nothing of what was put, and putting it again does.
    place.write("lib/inner.yaml", &inner("two"));
    let word =
        |name: &str| place.ask(&["run", name, "-o", "json"]).expect(0).json()["outputs"]["word"].clone();
    assert_eq!(word("test"), "one");
    let changed = place.ask(&["pipelines", "diff", "test", "p.yaml"]).expect(1).stdout;
    assert!(changed.contains("lib/inner.yaml") && changed.contains("word: two"), "{changed}");
    assert_eq!(put(&place, &outer, &[]), (2, true));
    std::fs::remove_dir_all(place.path("lib")).expect("it can be removed");
    assert_eq!((word("test@2"), word("test@1")), (json!("two"), json!("one")));
}

/// A stage that runs a registered pipeline: the outer one keeps the revision that it was put with, and a file takes the
/// newest, wherever it is compiled.
fn named_within(place: &Place, start: &[&str]) {
    let said = |name: &str| {
        place.ask(&[start, &[name, "-o", "json"]].concat()).expect(0).json()["outputs"]["said"].clone()
    };
    let inner = |word: &str| hello(word).replace("name: test", "name: inner");
    let outer = pipeline(
        "stages: { one: { pipeline: inner, with: { n: 7 } } }\noutputs: { said: \"${{ stages.one.outputs.said }}\" }\n",
    )
    .replace("name: test", "name: outer");
    place.write("outer.yaml", &outer);
    let unknown = place.ask(&["validate", "outer.yaml"]).expect(78).stdout;
    assert!(unknown.contains("registered pipeline `inner`") && unknown.contains("outer.yaml:"), "{unknown}");
    assert_eq!(put(place, &inner("first"), &[]), (1, true));
    let near = outer.replace("pipeline: inner", "pipeline: inneer");
    place.write("near.yaml", &near);
    let near = place.ask(&["validate", "near.yaml"]).expect(78).stdout;
    assert!(near.contains("did you mean `inner`?"), "{near}");
    assert_eq!(put(place, &outer, &[]), (1, true));
    assert_eq!(put(place, &inner("second"), &[]), (2, true));

    let shown = place.ask(&["pipelines", "show", "outer", "-o", "json"]).expect(0).json();
    assert_eq!(shown["text"]["registered"], json!({ "inner": 1 }));
    let planned = |name: &str| place.ask(&["plan", name]).expect(0).stdout;
    assert!(planned("outer").contains("pipeline inner@1"), "{}", planned("outer"));
    assert!(planned("outer.yaml").contains("pipeline inner@2"), "{}", planned("outer.yaml"));
    assert_eq!(said("outer"), "first 7");
    assert_eq!(said("outer.yaml"), "second 7");
    let _ = place.ask(&["pipelines", "rm", "inner"]).expect(0);
    assert_eq!(said("outer"), "first 7", "it has the text");

    assert_eq!(put(place, &inner("third"), &[]).0, 1);
    let turned = pipeline("stages: { back: { pipeline: outer } }\n").replace("name: test", "name: inner");
    place.write("p.yaml", &turned);
    let circle = place.ask(&["pipelines", "put", "p.yaml"]).expect(78).stderr;
    assert!(circle.contains("inner → outer → inner"), "{circle}");
}

#[test]
fn a_registered_pipeline_is_a_stage_of_another_one_at_home_and_in_a_fleet() {
    named_within(&Place::new(), &["run"]);
    let server = RedisServer::start();
    let place = Place::of_fleet(&server);
    let command = place.engine(&["worker", "--slots", "2"]);
    let mut worker = Working::start(&place, command);
    worker.wait_for("working for the fleet");
    named_within(&place, &["submit", "--wait"]);
}
