//! Runs on the real binaries: to the end, into failure, in batches, interrupted, cancelled and killed.

use reelmill_tests::{Place, Running};
use serde_json::{Value, json};

/// Two stages, one file, a fan-out of three between them.
const WORDS: &str = r#"version: 1
name: words
inputs:
  word: { type: string, min_length: 2 }
  times: { type: int, default: 3, max: 5 }
stages:
  list:
    uses: faulty.echo@1
    with: { items: "${{ ['a', 'b', 'c'].map(i, inputs.word + i) }}" }
  each:
    for_each: { in: stages.list.outputs.items, key: item }
    uses: faulty.write_file@1
    with: { text: "${{ item }} ${{ string(inputs.times) }}" }
outputs:
  files: "${{ stages.each.outputs.map(o, o.file) }}"
"#;

/// One stage that works until it is asked to stop.
const ENDLESS: &str =
    "version: 1\nname: endless\nstages:\n  work:\n    uses: faulty.until_cancelled@1\n    with: {}\n";

fn tasks_of(status: &Value, stage: &str) -> Value {
    let stages = status["stages"].as_array().expect("a list of stages");
    stages.iter().find(|one| one["path"] == stage).map_or(Value::Null, |one| one["counts"].clone())
}

#[test]
fn a_run_ends_with_its_files_and_its_figures() {
    let place = Place::new().with_faulty();
    place.write("words.yaml", WORDS);
    let arguments =
        ["run", "words.yaml", "--input", "word=reel", "--input", "times=2", "--out", "out", "-o", "json"];
    let document = place.reelmill(&arguments).expect(0).json();
    assert_eq!(document["state"], "succeeded");
    let files = document["files"].as_array().expect("a list of files");
    let mut texts: Vec<String> =
        files.iter().map(|file| place.read(file["path"].as_str().expect("a path"))).collect();
    texts.sort();
    assert_eq!(texts, ["reela 2", "reelb 2", "reelc 2"]);

    let status = place.reelmill(&["status", "last", "-o", "json"]).expect(0).json();
    assert_eq!(status["run"], document["run"]);
    assert_eq!(tasks_of(&status, "list"), json!({ "succeeded": 1 }));
    let logs = place.reelmill(&["logs", "last", "list"]).expect(0).stdout;
    assert!(logs.contains("list: echo"), "{logs}");
    let watched = place.reelmill(&["watch", "last", "-o", "json"]).expect(0).stdout;
    let kinds: Vec<Value> = watched
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("an event a line")["kind"].clone())
        .collect();
    assert_eq!((kinds.first(), kinds.last()), (Some(&json!("run.submitted")), Some(&json!("run.ended"))));
}

#[test]
fn the_same_again_comes_from_the_cache_unless_it_is_switched_off() {
    let place = Place::new().with_faulty();
    place.write("words.yaml", WORDS);
    let run = |flag: &[&str]| {
        let arguments = [&["run", "words.yaml", "--input", "word=reel", "-o", "json"][..], flag].concat();
        let document = place.reelmill(&arguments).expect(0).json();
        let stages = document["stages"].as_array().expect("a list of stages").clone();
        stages.iter().filter_map(|stage| stage["cached"].as_u64()).sum::<u64>()
    };
    assert_eq!(run(&[]), 0);
    assert_eq!(run(&["--no-cache"]), 0);
    assert_eq!(run(&[]), 4, "the list and its three items");
    let plan = place.reelmill(&["plan", "words.yaml", "--input", "word=reel", "-o", "json"]).expect(0).json();
    assert_eq!(plan["stages"][0]["cached"], 1, "{plan:#}");
    let stats = place.reelmill(&["cache", "stats", "-o", "json"]).expect(0).json();
    assert_eq!((&stats["entries"], &stats["hits"]), (&json!(4), &json!(4)), "{stats}");
    let _ = place.reelmill(&["cache", "gc", "--keep", "0"]).expect(0);
    assert_eq!(run(&[]), 0, "everything was forgotten");
}

#[test]
fn inputs_that_do_not_fit_start_nothing() {
    let place = Place::new().with_faulty();
    place.write("words.yaml", WORDS);
    for (arguments, told) in [
        (&["run", "words.yaml"][..], "word"),
        (&["run", "words.yaml", "--input", "word=x"], "word"),
        (&["run", "words.yaml", "--input", "word=reel", "--input", "times=9"], "times"),
        (&["run", "words.yaml", "--input", "word=reel", "--input", "tims=1"], "tims"),
    ] {
        let ended = place.reelmill(arguments).expect(78);
        assert!(ended.stderr.contains(&format!("`{told}`")), "{arguments:?}: {}", ended.stderr);
    }
    assert_eq!(place.reelmill(&["status"]).expect(0).stdout, "no runs\n");
}

#[test]
fn a_failed_run_says_why_and_can_be_sent_around_again() {
    let place = Place::new().with_faulty();
    let pipeline = "version: 1\nname: broken\nstages:\n  first:\n    uses: faulty.echo@1\n    with: {}\n  \
                    second:\n    needs: [first]\n    uses: faulty.panic@1\n    with: {}\n    retry: 1\n";
    place.write("broken.yaml", pipeline);
    let ended = place.reelmill(&["run", "broken.yaml"]).expect(1);
    assert!(ended.stdout.contains("the reel is on fire"), "{}", ended.stdout);
    let why = place.reelmill(&["why", "last", "second", "-o", "json"]).expect(0).json();
    let because = why["why"][0]["because"].to_string();
    assert!(because.contains("internal") && because.contains("the reel is on fire"), "{because}");

    let _ = place.reelmill(&["retry", "last"]).expect(1);
    let status = place.reelmill(&["status", "last", "-o", "json"]).expect(0).json();
    let stages = status["stages"].as_array().expect("a list of stages");
    assert_eq!((&stages[0]["attempts"], &stages[1]["attempts"]), (&json!(1), &json!(2)), "{status:#}");
}

#[test]
fn a_batch_checks_every_row_first_reports_and_does_nothing_twice() {
    let place = Place::new().with_faulty();
    place.write("words.yaml", WORDS);
    place.write("bad.csv", "word,times\nreel,1\nx,2\nmill,9\n");
    let refused = place.reelmill(&["run", "words.yaml", "--each", "bad.csv"]).expect(78);
    assert!(refused.stderr.contains("line 3") && refused.stderr.contains("line 4"), "{}", refused.stderr);
    assert_eq!(place.reelmill(&["status"]).expect(0).stdout, "no runs\n");

    place.write("rows.csv", "word,times\nreel,1\nmill,\n");
    let arguments = ["run", "words.yaml", "--each", "rows.csv", "--out", "out", "-o", "json"];
    let report = place.reelmill(&arguments).expect(0).json();
    assert_eq!((&report["rows"], &report["succeeded"]), (&json!(2), &json!(2)), "{report:#}");
    assert_eq!(serde_json::from_str::<Value>(&place.read("out/report.json")).expect("it is JSON"), report);
    let files = report["runs"][1]["files"].as_array().expect("a list of files");
    let texts: Vec<String> =
        files.iter().filter_map(|file| Some(place.read(file["path"].as_str()?))).collect();
    assert!(texts.contains(&"milla 3".to_owned()), "an empty cell is an input that is not given: {texts:?}");

    let again = place.reelmill(&arguments).expect(0);
    assert!(again.stderr.contains("0 new, 2 there before"), "{}", again.stderr);
    assert_eq!(again.json()["runs"][0]["run"], report["runs"][0]["run"]);
}

#[test]
fn an_interrupted_run_goes_on_and_a_cancelled_one_ends() {
    let place = Place::new().with_faulty();
    place.write("endless.yaml", ENDLESS);
    let mut first = Running::start(place.command(&["run", "endless.yaml"]));
    place.wait_for("the stage to be worked on", |status| tasks_of(status, "work")["leased"] == 1);
    first.signal("TERM");
    assert_eq!(first.end(), Some(130));
    let status = place.reelmill(&["status", "last", "-o", "json"]).expect(0).json();
    assert_eq!(status["state"], "running");
    assert_eq!(status["stages"][0]["attempts"], 0, "an attempt that was given back does not count");

    let mut second = Running::start(place.command(&["run", "endless.yaml"]));
    place.wait_for("the stage to be worked on again", |status| tasks_of(status, "work")["leased"] == 1);
    let _ = place.reelmill(&["cancel", "last", "--reason", "enough"]).expect(0);
    assert_eq!(second.end(), Some(1));
    let ended = place.reelmill(&["status", "last", "-o", "json"]).expect(0).json();
    assert_eq!((&ended["run"], &ended["state"]), (&status["run"], &json!("cancelled")));
    assert_eq!(ended["cancel_reason"], "enough");
}

#[test]
fn metrics_are_served_while_it_works() {
    let place = Place::new().with_faulty();
    place.write("endless.yaml", ENDLESS);
    let mut running =
        Running::start(place.command(&["run", "endless.yaml", "--metrics-addr", "127.0.0.1:0"]));
    let url = running.wait_for_line("metrics on http://");
    let address = url.trim_start_matches("metrics on http://").trim_end_matches("/metrics").to_owned();
    place.wait_for("the stage to be worked on", |status| tasks_of(status, "work")["leased"] == 1);
    let text = reelmill_tests::get(&address, "/metrics");
    for figure in ["reelmill_attempts_running 1", "reelmill_tasks{state=\"leased\"} 1"] {
        assert!(text.contains(figure), "{figure} is missing in:\n{text}");
    }
    let _ = place.reelmill(&["cancel", "last"]).expect(0);
    assert_eq!(running.end(), Some(1));
}

#[test]
fn a_run_that_was_killed_goes_on_and_settles_nothing_twice() {
    let place = Place::new().with_faulty();
    let items: Vec<String> = (0..40).map(|item| format!("'{item}'")).collect();
    let pipeline = format!(
        "version: 1\nname: many\nstages:\n  each:\n    for_each: {{ in: \"[{}]\", key: item }}\n    \
         uses: faulty.write_file@1\n    with: {{ text: \"${{{{ item }}}}\" }}\noutputs:\n  \
         files: \"${{{{ stages.each.outputs.map(o, o.file) }}}}\"\n",
        items.join(", ")
    );
    place.write("many.yaml", &pipeline);
    for enough in [3, 15] {
        let mut killed = Running::start(place.command(&["run", "many.yaml", "--no-cache"]));
        for _ in 0..enough {
            killed.wait_for_line(" succeeded");
        }
        killed.signal("KILL");
        assert_eq!(killed.end(), None);
    }
    let ended = place.reelmill(&["run", "many.yaml", "--no-cache", "--out", "out", "-o", "json"]).expect(0);
    assert!(ended.stderr.contains("going on with run"), "{}", ended.stderr);
    assert_eq!(ended.json()["files"].as_array().map(Vec::len), Some(40));
    let events = place.reelmill(&["watch", "last", "-o", "json"]).expect(0).stdout;
    let mut settled: Vec<String> = events
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("an event a line"))
        .filter(|event| event["kind"] == "task.settled")
        .map(|event| event["path"].to_string())
        .collect();
    let count = settled.len();
    settled.sort();
    settled.dedup();
    assert_eq!((settled.len(), count), (41, 41), "forty items and the fan-out, each settled once");
}
