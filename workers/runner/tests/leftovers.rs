//! A thousand attempts that go wrong leave no process, no descriptor and no file behind. In a test program of
//! its own, so that nobody else's processes are counted.

mod common;

use common::Bench;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

/// How each round goes wrong, and how many of a thousand attempts do so.
const FAULTS: &[(&str, usize)] = &[
    ("panic", 250),
    ("segfault", 150),
    ("abort", 100),
    ("exit", 150),
    ("garbage", 150),
    ("noise", 60),
    ("leak", 60),
    ("leave_process", 40),
    ("forbidden", 20),
    ("oom", 10),
    ("hang", 10),
];
/// Attempts at once.
const AT_ONCE: usize = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_faulty_attempts_leave_nothing_behind() {
    let bench = Bench::of(&common::faulty_library(), |config| {
        config.quarantine_crashes = usize::MAX;
        config.grace = Duration::from_millis(50);
    })
    .await;
    // The first attempt opens what the runtime keeps for good.
    bench.run("panic", json!({})).await.result.unwrap_err();
    let before = descriptors();
    let mut total = 0;
    let mut classes: BTreeMap<&str, usize> = BTreeMap::new();
    for (stage, count) in FAULTS {
        for round in 0..count.div_ceil(AT_ONCE) {
            let now = AT_ONCE.min(count - round * AT_ONCE);
            let attempts = (0..now).map(|_| attempt(&bench, stage));
            for class in join_all(attempts).await {
                *classes.entry(class).or_default() += 1;
                total += 1;
            }
        }
    }
    assert_eq!(total, 1000, "{classes:?}");
    assert_eq!(classes["internal"], 250);
    assert_eq!(classes["crashed"], 250);
    assert_eq!(classes["protocol"], 300);
    assert_eq!(classes["timeout"], 10);
    assert_eq!(classes["oom"], 10);
    assert_eq!(classes["sandbox_denied"], 20);
    assert_eq!(classes["ok"], 160);

    bench.host.shutdown().await;
    assert_eq!(children(), Vec::<u32>::new(), "processes are left");
    let left: Vec<_> = std::fs::read_dir(bench.root.path().join("scratch")).unwrap().flatten().collect();
    assert!(left.is_empty(), "files are left: {left:?}");
    assert_eq!(descriptors(), before, "descriptors are left");
}

async fn attempt(bench: &Bench, stage: &'static str) -> &'static str {
    let (mut attempt, mut said) = bench.attempt(stage, json!({}));
    if stage == "hang" {
        attempt.run_timeout = Some(Duration::from_millis(50));
    }
    let scratch = attempt.scratch.clone();
    let listening = async {
        let mut left = None;
        while let Some(event) = said.recv().await {
            if let reelmill_host::AttemptEvent::Log { text, .. } = event
                && let Some(pid) = text.strip_prefix("left ")
            {
                left = pid.parse::<u32>().ok();
            }
        }
        left
    };
    let (end, left) = tokio::join!(bench.host.run(attempt), listening);
    if stage == "leave_process" {
        wait_until_dead(left.unwrap()).await;
    }
    std::fs::remove_dir_all(scratch).unwrap();
    end.result.map_or_else(|failure| failure.class.word(), |_| "ok")
}

/// A process that was killed is dead a moment later; as a zombie it is init's to bury.
async fn wait_until_dead(pid: u32) {
    let stat = || std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    while !stat().is_empty() && !stat().contains(") Z") {
        tokio::task::yield_now().await;
    }
}

/// Waits for futures one after another while all make progress.
async fn join_all<T>(futures: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut futures: Vec<_> = futures.map(Box::pin).collect();
    let mut results: Vec<Option<T>> = futures.iter().map(|_| None).collect();
    std::future::poll_fn(|cx| {
        let mut waiting = false;
        for (future, result) in futures.iter_mut().zip(&mut results).filter(|(_, result)| result.is_none()) {
            match future.as_mut().poll(cx) {
                std::task::Poll::Ready(value) => *result = Some(value),
                std::task::Poll::Pending => waiting = true,
            }
        }
        if waiting { std::task::Poll::Pending } else { std::task::Poll::Ready(()) }
    })
    .await;
    results.into_iter().flatten().collect()
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Processes whose parent this is, zombies included.
fn children() -> Vec<u32> {
    let me = std::process::id().to_string();
    let parent = |pid: u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit_once(')')?.1.split_whitespace().nth(1).map(str::to_owned)
    };
    std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| parent(*pid).as_deref() == Some(&me))
        .collect()
}
