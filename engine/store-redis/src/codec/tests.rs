//! Rows come back as they were written.

use super::*;
use crate::pen::LAYOUT;
use reelmill_model::{Failure, FailureClass, SkipReason};
use serde_json::json;

fn task() -> TaskRow {
    let mut task = TaskRow::new(TaskNo(300), NodeNo(7), InstanceNo(70_000), 2);
    task.attempts = 3;
    task.spent = 1;
    task.escalated = 7;
    task.settled = 2;
    task.token = Token(1 << 50);
    task.until_ms = Some(1_700_000_000_000);
    task.ready_ms = Some(0);
    task.fan = Some(Fan {
        first: InstanceNo(1),
        items: 9,
        next: 8,
        running: 7,
        succeeded: 6,
        failed: 5,
        failed_item: Some(InstanceNo(0)),
        stopped: true,
    });
    task.outputs = json!({ "x": [1, null, "é"] });
    task.failure = Some(Box::new(Failure::new(FailureClass::Oom, "too much")));
    task.skipped = Some(Box::new(SkipReason::NoFailure { stage: "a".into() }));
    task.worker = Some(WorkerId("w".into()));
    task.usage = Usage { cpu_ms: 1, rss_peak_bytes: u64::MAX, execute_ms: 0, store_ms: 5 };
    task
}

#[test]
fn a_task_comes_back() {
    for state in TaskState::ALL.iter().filter(|state| **state != TaskState::Leased) {
        let task = TaskRow { state: *state, cancel: true, cached: true, ..task() };
        assert_eq!(read_task(task.no, &write_task(&task)), Ok(task));
    }
    let plain = TaskRow::new(TaskNo(0), NodeNo(0), InstanceNo(0), 0);
    assert_eq!(read_task(plain.no, &write_task(&plain)), Ok(plain));
}

#[test]
fn the_scripts_find_the_head_of_a_task_where_they_look() {
    let bytes = write_task(&TaskRow { state: TaskState::Delayed, ..task() });
    assert_eq!(bytes[..2], [LAYOUT, TaskState::Delayed as u8]);
    assert_eq!(bytes[2..6], 70_000_u32.to_be_bytes());
    assert_eq!(bytes[6..10], 3_u32.to_be_bytes());
    // `step.lua` and `beat.lua` know these two by their numbers.
    assert_eq!((TaskState::Ready as u8, TaskState::Leased as u8), (1, 3));
}

/// What `step.lua` does to a ready task: another state, one attempt more, and the lease behind the head.
fn as_the_script_leases(ready: &[u8], token: u64, now: u64, worker: &str) -> Vec<u8> {
    let mut leased = ready[..10].to_vec();
    leased[1] = TaskState::Leased as u8;
    leased[9] += 1;
    leased.push(0);
    leased.extend(token.to_be_bytes());
    leased.extend(now.to_be_bytes());
    leased.extend(u16::try_from(worker.len()).expect("short").to_be_bytes());
    leased.extend(worker.as_bytes());
    leased.extend(&ready[10..]);
    leased
}

#[test]
fn a_leased_task_is_what_the_script_makes_of_a_ready_one() {
    let ready = TaskRow { state: TaskState::Ready, ..task() };
    let read = read_task(ready.no, &as_the_script_leases(&write_task(&ready), 9, 5, "w2")).expect("it reads");
    let leased = TaskRow {
        state: TaskState::Leased,
        attempts: 4,
        token: Token(9),
        worker: Some(WorkerId("w2".into())),
        leased_ms: Some(5),
        until_ms: None,
        ..ready
    };
    assert_eq!(read, leased);
    let stopped = TaskRow { cancel: true, ..leased };
    assert_eq!(read_task(stopped.no, &write_task(&stopped)), Ok(stopped));
}

#[test]
fn an_instance_and_a_run_come_back() {
    let row = InstanceRow {
        no: InstanceNo(4),
        scope: ScopeNo(2),
        outer: Some(InstanceNo(0)),
        owner: Some(TaskNo(3)),
        index: 200,
        key: "käse".into(),
        value: json!([1]),
        state: InstanceState::Failed,
        open: 1,
        first_task: Some(TaskNo(0)),
        failed_by: None,
        cancelled: true,
    };
    assert_eq!(read_instance(row.no, &write_instance(&row)), Ok(row));

    let id = RunId::from_parts(1_700_000_000_000, 5);
    let new = NewRun {
        id,
        graph: Digest([3; 32]),
        name: String::new(),
        inputs: json!({ "topic": "sea" }),
        labels: [("team".to_owned(), "a".to_owned())].into(),
        namespace: "acme".into(),
        base_dir: "/srv".into(),
        seed: u64::MAX,
        created_ms: 12,
        batch: Some(("b".into(), 0)),
        priority: 9,
    };
    let mut run = RunRow::new(0, id, new.graph, Some("b".into()));
    (run.priority, run.paused) = (9, true);
    run.edits.insert(NodeNo(3), [("scenes".to_owned(), json!(3))].into_iter().collect());
    run.counts = [1, 2, 3, 4, 5, 6, 7, 8];
    run.failed = true;
    run.cancel_reason = Some("enough".into());
    run.failure = Some(Box::new(("a[b]".into(), Failure::new(FailureClass::Timeout, "slow"))));
    (run.on_failure, run.ended_ms, run.next_task, run.next_instance) = (Some(InstanceNo(6)), Some(77), 36, 9);
    run.started_ms = Some(8);
    run.undo = task().fan;
    let head = [&7_u32.to_be_bytes()[..], &4_u32.to_be_bytes(), &[0, 0, 0, 0, 0, 8]].concat();
    let read = RunHead { version: 7, leased: 4, started_ms: Some(8) };
    // Each flag by itself.
    for run in [
        run.clone(),
        RunRow { paused: false, ..run.clone() },
        RunRow { edits: [].into(), ..run.clone() },
        RunRow { undo: None, ..run.clone() },
        RunRow { cancel_reason: None, failed: false, ..run.clone() },
        RunRow { failure: None, cleanup_failed: true, ..run },
    ] {
        let row = write_run(&run);
        let bytes = [&head[..], &row].concat();
        assert_eq!(RunHead::read(&bytes), Ok((read, &row[..])));
        assert_eq!(read_run(&bytes, &new), Ok(run));
    }

    let graph = reelmill_graph::sketch::Sketch::new("pipeline").build();
    for new in [
        NewRun { name: "another".into(), ..new.clone() },
        NewRun {
            name: "pipeline".into(),
            namespace: "default".into(),
            labels: [].into(),
            created_ms: 1_700_000_000_000,
            batch: None,
            priority: reelmill_lifecycle::PRIORITY,
            ..new
        },
    ] {
        let bytes = write_new(&new, 300, &graph);
        assert_eq!(graph_no(&bytes), Ok(300));
        assert_eq!(read_new(id, &bytes, new.graph, &graph), Ok(new));
    }
}

#[test]
fn damage_is_said_and_never_a_panic() {
    let bytes = write_task(&task());
    for cut in 0..bytes.len() {
        assert!(read_task(TaskNo(0), &bytes[..cut]).is_err(), "cut at {cut}");
    }
    assert!(read_task(TaskNo(0), &[LAYOUT + 1, 0, 0]).unwrap_err().0.contains("newer version"));
}
