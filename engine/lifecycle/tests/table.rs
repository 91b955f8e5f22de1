//! Every state of a task against everything that can happen to it.

mod common;

use common::{Rows, id};
use reelmill_graph::sketch::Sketch;
use reelmill_graph::{Backoff, Escalate, Graph, Jitter, Retry};
use reelmill_lifecycle::{BeatOutcome, Rejected};
use reelmill_model::{
    Failure, FailureClass, Outcome, SkipReason, TaskNo, TaskRef, TaskState, Token, WorkerId,
};
use serde_json::json;

/// `before`, then `task`, which is tried twice, with a delay.
fn graph() -> Graph {
    let mut sketch = Sketch::default();
    let before = sketch.work(Graph::MAIN, "before");
    let task = sketch.work(Graph::MAIN, "task");
    sketch.after(task, before, reelmill_graph::DepKind::Order);
    sketch.at(task).settings.retry = Retry {
        max_attempts: 2,
        backoff: Backoff::Constant,
        initial_ms: 50,
        max_ms: 50,
        jitter: Jitter::None,
        on: Vec::new(),
        escalate: Escalate::default(),
    };
    sketch.build()
}

const TASK: TaskNo = TaskNo(1);

fn success() -> Outcome {
    Outcome::Succeeded { outputs: json!({}), cached: false }
}

fn failure(class: FailureClass) -> Outcome {
    Outcome::Failed(Failure::new(class, "it broke"))
}

fn skip() -> Outcome {
    Outcome::Skipped(SkipReason::Condition { expression: "false".into() })
}

/// A run whose second task is in a state.
fn in_state(state: TaskState) -> Rows {
    let mut rows = Rows::submitted(graph());
    if state == TaskState::Pending {
        return rows;
    }
    let before = rows.lease().remove(0);
    rows.settle(before.no(), before.token, success()).expect("it is held");
    if state == TaskState::Ready {
        return rows;
    }
    let task = rows.lease().remove(0);
    let outcome = match state {
        TaskState::Delayed => failure(FailureClass::Transient),
        TaskState::Succeeded => success(),
        TaskState::Failed => failure(FailureClass::Permanent),
        TaskState::Skipped => skip(),
        TaskState::Cancelled => Outcome::Cancelled,
        TaskState::Pending | TaskState::Ready | TaskState::Leased => return rows,
    };
    assert_eq!(rows.settle(TASK, task.token, outcome), Ok(state));
    rows
}

#[test]
fn only_a_leased_task_is_settled_and_only_with_its_token() {
    let outcomes = [
        (success(), TaskState::Succeeded),
        (failure(FailureClass::Transient), TaskState::Delayed),
        (failure(FailureClass::Permanent), TaskState::Failed),
        (skip(), TaskState::Skipped),
        (Outcome::Cancelled, TaskState::Cancelled),
        (Outcome::Released, TaskState::Ready),
    ];
    for state in TaskState::ALL {
        for (outcome, expected) in &outcomes {
            let mut rows = in_state(*state);
            assert_eq!(rows.tasks[&TASK].state, *state);
            let (token, before) = (rows.tasks[&TASK].token, rows.tasks.clone());
            let stale = Token(token.0.wrapping_sub(1));
            assert_eq!(rows.settle(TASK, stale, outcome.clone()), Err(Rejected::StaleToken));
            assert_eq!(rows.tasks, before, "a refused settle changes nothing");
            let settled = rows.settle(TASK, token, outcome.clone());
            if *state == TaskState::Leased {
                assert_eq!(settled, Ok(*expected), "{outcome:?}");
            } else {
                assert_eq!(settled, Err(Rejected::StaleToken), "{state} {outcome:?}");
                assert_eq!(rows.tasks, before, "a refused settle changes nothing");
            }
        }
    }
}

#[test]
fn time_and_loss_move_only_those_they_concern() {
    for state in TaskState::ALL {
        let mut rows = in_state(*state);
        rows.now_ms += 1_000;
        let expired = rows.transact(|tx| tx.expire(10)).expect("it is decided");
        let after = rows.tasks[&TASK].state;
        match state {
            TaskState::Leased => assert_eq!((expired, after), (1, TaskState::Ready)),
            _ => assert_eq!((expired, after), (0, *state)),
        }
        let mut rows = in_state(*state);
        rows.now_ms += 1_000;
        let readied = rows.transact(|tx| tx.promote(10)).expect("it is decided");
        let after = rows.tasks[&TASK].state;
        match state {
            TaskState::Delayed => assert_eq!((readied, after), (1, TaskState::Ready)),
            _ => assert_eq!((readied, after), (0, *state)),
        }
        let mut rows = in_state(*state);
        let worker = WorkerId("w".into());
        let given_back = rows.transact(|tx| tx.release_worker(&worker)).expect("it is decided");
        assert_eq!(given_back, usize::from(*state == TaskState::Leased), "{state}");
    }
}

#[test]
fn a_heartbeat_finds_only_a_leased_task() {
    for state in TaskState::ALL {
        let mut rows = in_state(*state);
        let (task, token) = (TaskRef { run: id(), task: TASK }, rows.tasks[&TASK].token);
        let beat = rows.transact(|tx| tx.beat(task, token, 100)).expect("it is decided");
        let expected = if *state == TaskState::Leased { BeatOutcome::Kept } else { BeatOutcome::Lost };
        assert_eq!(beat, expected, "{state}");
    }
}

#[test]
fn a_cancelled_run_stops_what_has_not_ended() {
    for state in TaskState::ALL {
        let mut rows = in_state(*state);
        rows.transact(|tx| tx.cancel(id(), "enough")).expect("it is decided");
        let task = rows.tasks[&TASK].clone();
        match state {
            // The first stage may be at work, so the run goes on; the second one waits no more.
            TaskState::Pending | TaskState::Ready | TaskState::Delayed => {
                assert_eq!(task.state, TaskState::Cancelled);
            }
            TaskState::Leased => assert!(task.state == TaskState::Leased && task.cancel),
            ended => assert_eq!(task.state, *ended),
        }
    }
}

#[test]
fn a_task_that_is_no_longer_wanted_ends_whatever_its_attempt_says() {
    let outcomes = [
        (success(), TaskState::Succeeded),
        (failure(FailureClass::Transient), TaskState::Cancelled),
        (skip(), TaskState::Skipped),
        (Outcome::Cancelled, TaskState::Cancelled),
        (Outcome::Released, TaskState::Cancelled),
    ];
    for (outcome, expected) in outcomes {
        let mut rows = in_state(TaskState::Leased);
        rows.transact(|tx| tx.cancel(id(), "enough")).expect("it is decided");
        let token = rows.tasks[&TASK].token;
        assert_eq!(rows.settle(TASK, token, outcome.clone()), Ok(expected), "{outcome:?}");
        assert!(rows.run.as_ref().is_some_and(|run| run.state.is_terminal()), "{outcome:?}");
    }
    let mut rows = in_state(TaskState::Leased);
    rows.transact(|tx| tx.cancel(id(), "enough")).expect("it is decided");
    rows.now_ms += 1_000;
    rows.transact(|tx| tx.expire(10)).expect("it is decided");
    assert_eq!(rows.tasks[&TASK].state, TaskState::Cancelled, "a lost lease is not leased again");
}
