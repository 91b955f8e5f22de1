//! What goes wrong, on the real binaries: plugins that misbehave, files that are no pipelines, disks that are full,
//! stores that are damaged. Each ends with its class or exit code and a sentence that helps.

use reelmill_tests::engine::{Working, files, pipeline, wait_until};
use reelmill_tests::{Place, binaries};
use serde_json::{Value, json};
use std::process::Command;

/// A place with the plugin that misbehaves, which is built beside the others under a name that nobody looks for.
fn with_faulty() -> Place {
    let place = Place::new();
    std::fs::create_dir(place.path("plugins")).expect("a folder can be made");
    let built = binaries().join("libreelmill_faulty.so");
    std::fs::copy(&built, place.path("plugins/libreelmill_plugin_faulty.so"))
        .unwrap_or_else(|error| panic!("{}: {error}", built.display()));
    place
}

/// Runs one stage of the plugin that misbehaves; gives its failure.
fn failure_of(place: &Place, stage: &str, modifiers: &str) -> Value {
    let text = pipeline(&format!("stages: {{ wrong: {{ uses: faulty.{stage}@1{modifiers} }} }}\n"));
    let status = place.run(&text, &[]).expect(1).json();
    assert_eq!(status["failure"]["path"], "wrong");
    status["failure"]["failure"].clone()
}

#[test]
fn a_plugin_that_misbehaves_fails_its_attempt_with_its_class_and_leaves_nothing_behind() {
    let place = with_faulty();
    for (stage, class, word) in [
        ("panic", "internal", "the reel is on fire"),
        ("segfault", "crashed", "SIGSEGV"),
        ("abort", "crashed", "SIGABRT"),
        ("oom", "oom", "memory"),
        ("garbage", "protocol", "`garbage`"),
        ("exit", "protocol", "exit code"),
    ] {
        let failure = failure_of(&place, stage, "");
        assert_eq!(failure["class"], class, "{stage}: {failure}");
        assert!(failure["message"].as_str().is_some_and(|text| text.contains(word)), "{stage}: {failure}");
    }
    let failure = failure_of(&place, "hang", ", timeout: 200ms");
    assert_eq!(failure["class"], "timeout");
    wait_until("the processes of plugins to be gone", || place.processes().is_empty());
    assert_eq!(files(&place.path("home/scratch")), []);
}

#[test]
fn what_a_plugin_prints_is_its_log_and_no_answer() {
    let place = with_faulty();
    let _ = place.run(&pipeline("stages: { loud: { uses: faulty.noise@1 } }\n"), &[]).expect(0);
    assert!(!place.said("loud").is_empty());
}

#[test]
fn a_crash_is_tried_again_when_the_pipeline_says_so() {
    let place = with_faulty();
    let text = pipeline("stages: { wrong: { uses: faulty.segfault@1, retry: 3 } }\n");
    let status = place.run(&text, &[]).expect(1).json();
    assert_eq!(status["stages"][0]["attempts"], 3);
    let why = place.ask(&["why", "last", "wrong"]).expect(0).stdout;
    assert!(why.contains("SIGSEGV") && why.contains("3 of 3 attempts were made"), "{why}");
}

#[test]
fn a_file_that_is_no_pipeline_is_refused_with_its_place() {
    let place = Place::new();
    for (text, code_words) in [
        ("version: 1\nname: [unclosed\n", "p.yaml:"),
        ("", "p.yaml"),
        ("version: 1\nname: x\nstages: { a: { uses: nowhere.none@1 } }\n", "nowhere"),
        ("version: 1\nname: x\nstages: { a: { uses: probe.ekko@1 } }\n", "echo"),
        ("version: 1\nname: x\nstages: { a: { uses: probe.echo@7 } }\n", "@1"),
    ] {
        let ended = place.run(text, &[]).expect(78);
        assert!(ended.stderr.contains(code_words), "{text:?} says only {}", ended.stderr);
        assert_eq!(ended.json()["error"]["exit"], 78);
    }
    let missing = place.ask(&["run", "nothing.yaml"]).expect(1);
    assert!(missing.stderr.contains("nothing.yaml"), "{}", missing.stderr);
}

#[test]
fn a_home_that_cannot_be_written_is_told_with_its_path() {
    let place = Place::new();
    place.write("file", "no folder");
    // A folder below a file cannot be made, whoever asks.
    let told = place.run(&pipeline("stages: { a: { uses: probe.echo@1 } }\n"), &["--home", "file/home"]);
    assert!(matches!(told.code, Some(1 | 75)), "{told:?}");
    let message = told.json()["error"]["message"].as_str().unwrap_or_default().to_owned();
    assert!(message.contains("file/home"), "{message}");
}

#[test]
fn a_full_disk_is_told_and_the_run_goes_on_when_there_is_room() {
    let place = Place::new();
    let text = pipeline(
        r#"
stages:
  list: { uses: probe.count@1, with: { to: 400 } }
  each: { for_each: { in: stages.list.outputs.items }, uses: probe.say@1, with: { text: "line ${{ item }}" } }
outputs: { count: "${{ stages.each.outputs.size() }}" }
"#,
    );
    place.write("p.yaml", &text);
    // Files may not grow beyond this, for the worker as on a disk that is full.
    let limited = place.engine(&["run", "p.yaml", "-o", "json"]);
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' XFSZ; ulimit -f 1000; exec \"$0\" \"$@\""]).arg(limited.get_program());
    shell.args(limited.get_args()).current_dir(place.path("")).env_clear();
    shell.envs(limited.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let mut working = Working::start(&place, shell);
    // It waits for room and says so; what it has begun is not lost.
    working.wait_for("trying again");
    working.kill_everything();

    let status = place.run(&text, &[]).expect(0).json();
    assert_eq!(status["outputs"]["count"], 400);
}

/// The database below a home.
fn database(place: &Place) -> std::path::PathBuf {
    place.path("home/reelmill.db")
}

#[test]
fn a_damaged_store_is_told_with_its_file_and_not_overwritten() {
    let place = Place::new();
    let text = pipeline("stages: { a: { uses: probe.echo@1 } }\n");
    let _ = place.run(&text, &[]).expect(0);
    let file = database(&place);
    let name = file.file_name().and_then(|name| name.to_str()).expect("it has a name").to_owned();
    std::fs::write(&file, vec![b'x'; 8192]).expect("it can be written");
    for arguments in [&["status", "-o", "json"][..], &["run", "p.yaml", "-o", "json"]] {
        let told = place.ask(arguments);
        assert!(matches!(told.code, Some(1 | 75)), "{told:?}");
        let message = told.json()["error"]["message"].as_str().unwrap_or_default().to_owned();
        assert!(message.contains(&name), "it does not name {name}: {message}");
    }
    assert!(
        std::fs::read(&file).expect("it is there").starts_with(b"xxxx"),
        "what may be saved is left alone"
    );
}

#[test]
fn artifacts_that_were_deleted_are_missed_and_made_again() {
    let place = Place::new();
    let text = pipeline(
        r#"
stages:
  make: { uses: probe.file@1, with: { name: a.txt, text: tide } }
  read: { uses: probe.read@1, cache: never, with: { file: "${{ stages.make.outputs.file }}" } }
outputs: { text: "${{ stages.read.outputs.text }}" }
"#,
    );
    let _ = place.run(&text, &[]).expect(0);
    for (name, _) in files(&place.path("home/artifacts")) {
        std::fs::remove_file(place.path("home/artifacts").join(name)).expect("it can be removed");
    }
    let status = place.ask(&["retry", "last", "--from", "read", "-o", "json"]).expect(1).json();
    let failure = &status["failure"]["failure"];
    assert_eq!((&failure["class"], &failure["code"]), (&json!("dependency"), &json!("artifact_missing")));
    assert!(
        failure["message"].as_str().is_some_and(|text| text.contains("a.txt") && text.contains("retry")),
        "{failure}"
    );
    let status = place.ask(&["retry", "last", "--from", "make", "-o", "json"]).expect(0).json();
    assert_eq!(status["outputs"]["text"], "tide");
    let fresh = place.run(&text, &[]).expect(0).json();
    assert_eq!(fresh["outputs"]["text"], "tide", "the cache does not promise what is gone");
}

#[test]
fn a_changed_plugin_is_told_to_a_run_that_was_left_unfinished() {
    let place = Place::new();
    let source = reelmill_tests::repository().join("tests/plugins/probe");
    for name in ["plugin.json", "main.py"] {
        let text = std::fs::read_to_string(source.join(name)).expect("it can be read");
        place.write(&format!("own/mine/{name}"), &text.replace("\"probe\"", "\"mine\""));
    }
    let text = pipeline("stages: { a: { uses: mine.fail@1, with: { class: permanent } } }\n");
    let _ = place.run(&text, &["--plugin-dir", "own"]).expect(1);
    let changed = place.read("own/mine/main.py") + "\n# changed\n";
    place.write("own/mine/main.py", &changed);
    let status = place.ask(&["retry", "last", "--plugin-dir", "own", "-o", "json"]).expect(1).json();
    let failure = &status["failure"]["failure"];
    assert_eq!(
        (&failure["class"], &failure["code"]),
        (&json!("invalid_config"), &json!("plugin_missing")),
        "{failure}"
    );
    assert!(failure["message"].as_str().is_some_and(|text| text.contains("`mine`")), "{failure}");
}
