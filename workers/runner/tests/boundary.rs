//! What a well-behaved stage gets: its facts, its files, its sandbox, its process, its place in the worker.

mod common;

use common::{Bench, listen};
use reelmill_model::{CallInfo, FailureClass, Severity};
use serde_json::{Value, json};

#[tokio::test]
async fn a_stage_is_told_its_facts_and_reaches_what_its_sandbox_allows() {
    let bench = Bench::new().await;
    let granted = bench.root.path().join("granted.txt");
    std::fs::write(&granted, "x").unwrap();
    let secret = bench.root.path().join("secret.txt");
    std::fs::write(&secret, "x").unwrap();
    let (mut attempt, said) = bench.attempt("report", json!({ "read": granted }));
    attempt.read_paths = vec![granted.clone()];
    let (end, _) = tokio::join!(bench.host.run(attempt), listen(said));
    let seen = end.result.unwrap();
    assert_eq!(
        (&seen["idempotency_token"], &seen["seed"], &seen["attempt"]),
        (&json!("token"), &json!(7), &json!(1))
    );
    let machine = &seen["machine"];
    for allowed in [
        "write scratch",
        "read /proc/self/status",
        "read /dev/urandom",
        "read /usr/lib",
        "read granted",
        "thread",
    ] {
        assert_eq!(machine[allowed], "ok", "{allowed}: {machine}");
    }
    for denied in ["write outside", "read /etc/passwd", "tcp", "exec"] {
        assert_eq!(machine[denied], "PermissionDenied", "{denied}: {machine}");
    }
    let (attempt, said) = bench.attempt("report", json!({ "read": secret }));
    let (end, _) = tokio::join!(bench.host.run(attempt), listen(said));
    assert_eq!(end.result.unwrap()["machine"]["read granted"], "PermissionDenied");
}

#[tokio::test]
async fn a_folder_that_was_granted_can_be_written_to_and_others_cannot() {
    let bench = Bench::new().await;
    let kept = bench.root.path().join("kept");
    std::fs::create_dir(&kept).unwrap();
    let keep = || json!({ "text": "hey", "folder": kept });
    let (attempt, said) = bench.attempt("keep", keep());
    let (end, _) = tokio::join!(bench.host.run(attempt), listen(said));
    assert_eq!(end.result.unwrap_err().class, FailureClass::Permanent);
    let (mut attempt, said) = bench.attempt("keep", keep());
    attempt.write_paths = vec![kept.clone()];
    let (end, _) = tokio::join!(bench.host.run(attempt), listen(said));
    end.result.unwrap();
    assert_eq!(std::fs::read_to_string(kept.join("text.txt")).unwrap(), "hey");
}

#[tokio::test]
async fn logs_files_and_usage_come_back() {
    let bench = Bench::new().await;
    let (attempt, said) = bench.attempt("echo", json!({ "a": [1, 2.5, null] }));
    let (end, (lines, _)) = tokio::join!(bench.host.run(attempt), listen(said));
    assert_eq!(end.result.unwrap(), json!({ "a": [1, 2.5, null] }));
    assert_eq!(lines, [(Severity::Info, "echo".to_owned())]);
    assert!(end.usage.rss_peak_bytes > 0 && end.usage.cpu_ms > 0, "{:?}", end.usage);

    let (attempt, said) = bench.attempt("write_file", json!({ "text": "hey" }));
    let scratch = attempt.scratch.clone();
    let (end, _) = tokio::join!(bench.host.run(attempt), listen(said));
    assert_eq!(end.result.unwrap(), json!({ "file": { "$file": "text.txt", "media_type": "text/plain" } }));
    assert_eq!(std::fs::read_to_string(scratch.join("text.txt")).unwrap(), "hey");
}

#[tokio::test]
async fn pooled_processes_are_kept_recycled_and_replaced() {
    let bench = Bench::of(&common::faulty_library(), |config| config.recycle_calls = 3).await;
    let mut served = Vec::new();
    for _ in 0..4 {
        served.push(bench.run("pooled", json!({})).await.result.unwrap());
    }
    let calls: Vec<u64> = served.iter().map(|s| s["calls"].as_u64().unwrap()).collect();
    assert_eq!(calls, [1, 2, 3, 1]);
    assert_eq!(served[0]["pid"], served[2]["pid"]);
    assert_ne!(served[2]["pid"], served[3]["pid"]);

    // One that dies while it waits is replaced without anyone noticing.
    let pid = served[3]["pid"].as_u64().unwrap().to_string();
    assert!(std::process::Command::new("kill").args(["-9", &pid]).status().unwrap().success());
    while lives(&pid) {
        tokio::task::yield_now().await;
    }
    let next = bench.run("pooled", json!({})).await.result.unwrap();
    assert_eq!(next["calls"], 1);
    bench.host.shutdown().await;
    assert_eq!(bench.host.idle(), 0);
}

/// Whether any thread of a process is left that has not ended.
fn lives(pid: &str) -> bool {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return false };
    threads.flatten().any(|thread| {
        std::fs::read_to_string(thread.path().join("stat")).is_ok_and(|stat| !stat.contains(") Z"))
    })
}

#[tokio::test]
async fn a_fresh_stage_never_sees_a_process_twice() {
    let bench = Bench::new().await;
    let mut pids = std::collections::HashSet::new();
    for _ in 0..6 {
        let seen = bench.run("report", json!({})).await.result.unwrap();
        assert_eq!(seen["machine"]["write scratch"], "ok", "also in a spare");
        assert!(pids.insert(seen["pid"].as_u64().unwrap()));
    }
}

#[tokio::test]
async fn an_inline_stage_runs_in_this_process_only_when_trusted() {
    let bench = Bench::new().await;
    let with = json!({ "x": 1 });
    let output = bench.host.run_inline(&bench.plugin, "noop", &with, &CallInfo::default());
    assert_eq!(output.unwrap(), with);
    let refused = bench.host.run_inline(&bench.plugin, "echo", &with, &CallInfo::default()).unwrap_err();
    assert_eq!(refused.code, "not_inline");
    let bad = bench.host.run_inline(&bench.plugin, "noop", &Value::Null, &CallInfo::default()).unwrap_err();
    assert_eq!(bad.class, FailureClass::InvalidInput);

    let cache = bench.root.path().join("cache");
    let library = common::faulty_library();
    let untrusted = reelmill_host::catalog::open(&library, false, &cache, &common::runner()).await.unwrap();
    assert!(untrusted.located.manifest.stages.iter().all(|stage| !stage.inline));
    let refused = bench.host.run_inline(&untrusted, "noop", &with, &CallInfo::default()).unwrap_err();
    assert_eq!(refused.code, "not_inline");
}
