//! Every way a plugin can misbehave ends its one attempt with the right class and a message that helps.

mod common;

use common::{Bench, listen};
use reelmill_model::{Failure, FailureClass};
use serde_json::{Value, json};
use std::time::Duration;

async fn failure(bench: &Bench, stage: &str) -> Failure {
    bench.run(stage, json!({})).await.result.expect_err(stage)
}

fn assert_says(failure: &Failure, class: FailureClass, words: &[&str]) {
    assert_eq!(failure.class, class, "{failure}");
    for word in words {
        assert!(failure.message.contains(word), "`{word}` is missing in: {failure}");
    }
}

#[tokio::test]
async fn each_fault_has_its_class_and_a_message_that_helps() {
    let bench = Bench::new().await;
    let panic = failure(&bench, "panic").await;
    assert_says(&panic, FailureClass::Internal, &["the reel is on fire", "wrong.rs:"]);

    let segfault = failure(&bench, "segfault").await;
    assert_says(&segfault, FailureClass::Crashed, &["`segfault`", "SIGSEGV"]);
    assert_eq!(segfault.detail.unwrap()["printed"], "about to read address 8");

    let abort = failure(&bench, "abort").await;
    assert_says(&abort, FailureClass::Crashed, &["SIGABRT"]);
    assert!(abort.detail.unwrap()["printed"].as_str().unwrap().contains("giving up"));

    let oom = failure(&bench, "oom").await;
    assert_says(&oom, FailureClass::Oom, &["limit 128 MiB", "runs_on"]);

    let exit = failure(&bench, "exit").await;
    assert_says(&exit, FailureClass::Protocol, &["exit code 3", "before it replied"]);

    let garbage = failure(&bench, "garbage").await;
    assert_says(&garbage, FailureClass::Protocol, &["its own schema", "`pid`", "calls"]);

    let open = failure(&bench, "open_fails").await;
    assert_says(&open, FailureClass::InvalidConfig, &["libvoice.so.3"]);
    assert_eq!(open.code, "no_library");
    bench.host.shutdown().await;
}

#[tokio::test]
async fn a_forbidden_system_call_is_denied_by_the_sandbox() {
    let bench = Bench::new().await;
    let denied = failure(&bench, "forbidden").await;
    assert_says(&denied, FailureClass::SandboxDenied, &["SIGSYS"]);
}

#[tokio::test]
async fn a_hang_ends_at_its_time_limit_with_what_was_last_heard() {
    let bench = Bench::new().await;
    let (mut attempt, said) = bench.attempt("hang", json!({}));
    attempt.run_timeout = Some(Duration::from_millis(200));
    let (end, _) = tokio::join!(bench.host.run(attempt), listen(said));
    assert_says(&end.result.unwrap_err(), FailureClass::Timeout, &["0.2 s", "timeout.run", "no progress"]);

    let (mut attempt, said) = bench.attempt("hang", json!({}));
    attempt.idle_timeout = Some(Duration::from_millis(150));
    let (end, _) = tokio::join!(bench.host.run(attempt), listen(said));
    assert_says(&end.result.unwrap_err(), FailureClass::Timeout, &["said nothing", "timeout.idle"]);

    let (mut attempt, said) = bench.attempt("flood", json!({}));
    attempt.run_timeout = Some(Duration::from_millis(200));
    let (end, _) = tokio::join!(bench.host.run(attempt), listen(said));
    assert_says(&end.result.unwrap_err(), FailureClass::Timeout, &["timeout.run"]);

    let (mut attempt, said) = bench.attempt("until_cancelled", json!({}));
    attempt.run_timeout = Some(Duration::from_millis(300));
    let (end, (_, progress)) = tokio::join!(bench.host.run(attempt), listen(said));
    assert_says(&end.result.unwrap_err(), FailureClass::Timeout, &["rounds"]);
    assert!(!progress.is_empty());
}

#[tokio::test]
async fn a_cancelled_stage_stops_by_itself_and_one_that_does_not_look_is_killed() {
    let bench = Bench::new().await;
    for (stage, code) in [("until_cancelled", ""), ("hang", "killed")] {
        let (attempt, mut said) = bench.attempt(stage, json!({}));
        let cancel = attempt.cancel.clone();
        let listening = async {
            // The first word shows that the stage is at work.
            while said.recv().await.is_some() {
                cancel.cancel();
            }
        };
        let (end, ()) = tokio::join!(bench.host.run(attempt), listening);
        let failure = end.result.unwrap_err();
        assert_eq!((failure.class, failure.code.as_str()), (FailureClass::Cancelled, code), "{stage}");
    }
}

#[tokio::test]
async fn noise_on_standard_output_becomes_log_lines_and_harms_nothing() {
    let bench = Bench::new().await;
    let (attempt, said) = bench.attempt("noise", json!({ "a": 1 }));
    let (end, (lines, _)) = tokio::join!(bench.host.run(attempt), listen(said));
    assert_eq!(end.result.unwrap(), json!({ "a": 1 }));
    assert_eq!(lines[0].1, r#"{"type":"reply","outputs":{}}"#);
    assert!(lines[1].1.ends_with(" …") && lines[1].1.len() < 9_000, "an overlong line is cut");
}

#[tokio::test]
async fn a_with_the_schema_refuses_never_reaches_the_plugin() {
    let bench = Bench::new().await;
    let end = bench.run("write_file", json!({ "txet": "x" })).await;
    let failure = end.result.unwrap_err();
    assert_says(&failure, FailureClass::InvalidInput, &["`write_file`", "txet", "text"]);
    assert_eq!(end.usage.execute_ms, 0);
    let missing = bench.run("nonsense", json!({})).await.result.unwrap_err();
    assert_says(&missing, FailureClass::InvalidConfig, &["no stage `nonsense`"]);
}

#[tokio::test]
async fn a_plugin_that_keeps_crashing_is_quarantined() {
    let bench = Bench::of(&common::faulty_library(), |config| config.quarantine_crashes = 3).await;
    for _ in 0..3 {
        assert_eq!(failure(&bench, "segfault").await.class, FailureClass::Crashed);
    }
    let refused = bench.run("echo", json!({})).await.result.unwrap_err();
    assert_says(&refused, FailureClass::Quarantined, &["`faulty`", "3 times"]);
}

#[tokio::test]
async fn a_missing_runner_is_a_matter_of_installation() {
    let bench = Bench::of(&common::faulty_library(), |config| config.runner = "/nowhere/runner".into()).await;
    let failure = failure(&bench, "echo").await;
    assert_says(&failure, FailureClass::InvalidConfig, &["/nowhere/runner", "install"]);
}

#[tokio::test]
async fn outputs_and_large_inputs_pass_unharmed() {
    let bench = Bench::new().await;
    // Larger than a socket's buffer: both sides have to write in pieces.
    let with = json!({ "text": "ä\n\"".repeat(60_000) });
    assert!(with.to_string().len() > 256 * 1024);
    let end = bench.run("echo", with.clone()).await;
    let failure = end.result.unwrap_err();
    assert_says(&failure, FailureClass::Protocol, &["$file"]);
    let with: Value = json!({ "text": "ä\n\"".repeat(20_000) });
    assert_eq!(bench.run("echo", with.clone()).await.result.unwrap(), with);
}
