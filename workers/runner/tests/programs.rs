//! Plugins that are programs: the same promises as for native ones, over lines of JSON.

mod common;

use common::{Bench, listen};
use reelmill_model::{FailureClass, Severity};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Duration;

fn program() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/plugins/faulty_exec")
}

async fn bench() -> Bench {
    Bench::of(&program(), |_| ()).await
}

#[tokio::test]
async fn a_program_replies_logs_prints_and_reports() {
    let bench = bench().await;
    let (attempt, said) = bench.attempt("echo", json!({ "a": "ä\n" }));
    let (end, (lines, progress)) = tokio::join!(bench.host.run(attempt), listen(said));
    assert_eq!(end.result.unwrap(), json!({ "with": { "a": "ä\n" }, "seed": 7 }));
    assert!(lines.contains(&(Severity::Warn, "said".into())), "{lines:?}");
    assert!(lines.contains(&(Severity::Info, "printed".into())), "{lines:?}");
    assert_eq!(progress, [json!({ "done": 1, "total": 2 })]);
    assert!(end.usage.cpu_ms > 0 && end.usage.rss_peak_bytes > 1 << 20, "{:?}", end.usage);
}

#[tokio::test]
async fn each_fault_of_a_program_has_its_class() {
    let bench = bench().await;
    for (stage, class, words) in [
        ("garbage", FailureClass::Protocol, "file descriptor 0"),
        ("exit", FailureClass::Protocol, "exit code 5"),
        ("segfault", FailureClass::Crashed, "SIGSEGV"),
        ("oom", FailureClass::Oom, "runs_on"),
        ("claim", FailureClass::Protocol, "not my fault"),
    ] {
        let failure = bench.run(stage, json!({})).await.result.expect_err(stage);
        assert_eq!(failure.class, class, "{failure}");
        assert!(failure.message.contains(words), "{failure}");
    }
}

#[tokio::test]
async fn a_program_reaches_its_folder_and_nothing_else() {
    let bench = bench().await;
    let seen = bench.run("reach", json!({})).await.result.unwrap();
    assert_eq!(
        seen,
        json!({
            "etc_passwd": "PermissionError", "exec": "PermissionError", "tcp": "PermissionError",
            "own_folder": "ok", "write_own_folder": "PermissionError"
        })
    );
}

#[tokio::test]
async fn a_program_is_cancelled_killed_kept_and_leaves_nothing() {
    let bench = bench().await;
    for (stage, code) in [("until_cancelled", ""), ("hang", "killed")] {
        let (attempt, mut said) = bench.attempt(stage, json!({}));
        let cancel = attempt.cancel.clone();
        let listening = async {
            while said.recv().await.is_some() {
                cancel.cancel();
            }
        };
        let (end, ()) = tokio::join!(bench.host.run(attempt), listening);
        let failure = end.result.unwrap_err();
        assert_eq!((failure.class, failure.code.as_str()), (FailureClass::Cancelled, code));
    }
    let (mut attempt, said) = bench.attempt("hang", json!({}));
    attempt.run_timeout = Some(Duration::from_millis(500));
    let (end, (lines, _)) = tokio::join!(bench.host.run(attempt), listen(said));
    assert_eq!(end.result.unwrap_err().class, FailureClass::Timeout);
    let pid = lines.iter().find_map(|(_, text)| text.strip_prefix("hanging as ")).unwrap();
    assert!(
        !Path::new(&format!("/proc/{pid}")).exists(),
        "the program itself is waited for, not only its runner"
    );

    let first = bench.run("pooled", json!({})).await.result.unwrap();
    let second = bench.run("pooled", json!({})).await.result.unwrap();
    assert_eq!((&first["calls"], &second["calls"]), (&json!(1), &json!(2)));
    assert_eq!(first["pid"], second["pid"]);

    let left = bench.run("leave_process", json!({})).await.result.unwrap();
    assert!(!Path::new(&format!("/proc/{}", left["pid"])).exists(), "what it started is gone with it");

    bench.host.shutdown().await;
    assert!(!Path::new(&format!("/proc/{}", first["pid"])).exists());
}
