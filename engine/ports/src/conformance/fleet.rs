//! Cases: workers and lanes.

use super::bed::Bed;
use super::flow::chain;
use super::rig::{Rig, new_run};
use crate::{Adaptive, LaneView, NewRun, Pace, StageUse, WorkerCard};
use reelmill_graph::Graph;
use reelmill_graph::placement::lane;
use reelmill_graph::sketch::Sketch;
use reelmill_model::limits::{CLAIM_KEPT_MS, WORKER_SILENT_MS};
use reelmill_model::{Digest, Requirements, RunId, TaskNo, TaskRef, WorkerCapacity, WorkerId};
use std::time::Duration;

fn card(name: &str, held: u32) -> WorkerCard {
    WorkerCard {
        worker: WorkerId(name.into()),
        machine: WorkerCapacity { cpus: 4, ..WorkerCapacity::default() },
        lanes: vec!["default".into(), "default/light".into()],
        slots: 2,
        adaptive: Some(Adaptive { slots_max: 32, cpu_milli: 1_500, because: "of the cores".into() }),
        memory_mib: 1024,
        held,
        draining: false,
        paces: vec![Pace { lane: "default".into(), tasks: 3, mean_us: 1_500 }],
        learned: vec![StageUse { stage: "a.b".into(), attempts: 3, cpu_milli: 62, memory_mib: 40 }],
        version: "1.0.0".into(),
        started_ms: 5,
        seen_ms: 0,
    }
}

/// A worker is known by its latest word, until it retires or falls silent.
pub async fn workers_are_heard_and_forgotten(bed: &impl Bed) {
    let store = bed.open();
    for card in [card("b", 0), card("a", 1), card("b", 2)] {
        store.announce(card).await.expect("it is noted");
    }
    let workers = store.workers().await.expect("they are read");
    let now_ms = crate::Clock::now_ms(bed.clock());
    let seen = |card: WorkerCard| WorkerCard { seen_ms: now_ms, ..card };
    assert_eq!(workers, [seen(card("a", 1)), seen(card("b", 2))]);
    store.retire(&WorkerId("b".into())).await.expect("it retires");
    let names = |workers: Vec<WorkerCard>| workers.into_iter().map(|card| card.worker.0).collect::<Vec<_>>();
    assert_eq!(names(store.workers().await.expect("they are read")), ["a"]);
    bed.clock().shift(i64::try_from(WORKER_SILENT_MS).expect("a short time") + 1);
    store.announce(card("c", 0)).await.expect("it is noted");
    assert_eq!(names(store.workers().await.expect("they are read")), ["c"]);
}

/// Runs that were moved away are known for a time, also those of one moment.
pub async fn a_run_that_was_moved_is_known(bed: &impl Bed) {
    let store = bed.open();
    let id = |no| RunId::from_parts(1_700_000_000_000, no);
    for no in [1, 2, 2] {
        store.note_moved(id(no), 60_000).await.expect("it is noted");
    }
    let mut known = Vec::new();
    for no in 1..=3 {
        known.push(store.was_moved(id(no)).await.expect("it is asked"));
    }
    assert_eq!(known, [true, true, false]);
}

/// A key is given away once, for a time.
pub async fn a_key_is_claimed_once(bed: &impl Bed) {
    let store = bed.open();
    let id = |no| RunId::from_parts(1_700_000_000_000, no);
    let claim = async |key: &str, run, instead_of| {
        let store = bed.open();
        store.claim(key, id(run), CLAIM_KEPT_MS, instead_of).await.expect("it is asked")
    };
    let claimed = async |key: &str| store.claimed(key).await.expect("it is asked");
    assert_eq!(claimed("acme/1").await, None);
    assert_eq!(claim("acme/1", 1, None).await, id(1));
    assert_eq!(claimed("acme/1").await, Some(id(1)));
    assert_eq!(claim("acme/1", 2, None).await, id(1));
    assert_eq!(claim("acme/2", 3, None).await, id(3));
    bed.clock().shift(i64::try_from(CLAIM_KEPT_MS).expect("a short time") + 1);
    assert_eq!(claimed("acme/1").await, None);
    assert_eq!(claim("acme/1", 4, None).await, id(4));
    assert_eq!(claim("acme/1", 5, Some(id(1))).await, id(4), "only whoever has it loses it");
    assert_eq!(claim("acme/1", 5, Some(id(4))).await, id(5));
    let short = store.claim("acme/3", id(6), 1_000, None).await.expect("it is asked");
    bed.clock().shift(1_001);
    assert_eq!(
        (short, claim("acme/3", 7, None).await),
        (id(6), id(7)),
        "each key is kept as long as it says"
    );
}

/// Tasks of a paused lane wait; others are leased.
pub async fn a_paused_lane_rests(bed: &impl Bed) {
    let rig = Rig::new(bed, chain()).await;
    let submitted_ms = Some(rig.run.0.timestamp_ms());
    let lane = |ready: u64, paused| LaneView {
        lane: "default".into(),
        ready,
        oldest_ms: submitted_ms.filter(|_| ready > 0),
        paused,
    };
    assert_eq!(rig.store.lanes().await.expect("they are read"), [lane(1, false)]);
    rig.store.pause_lane("default", true).await.expect("it is paused");
    assert_eq!(rig.lease().await, []);
    assert_eq!(rig.store.lanes().await.expect("they are read"), [lane(1, true)]);
    rig.store.pause_lane("default", false).await.expect("it goes on");
    rig.store.wait(&["default".into()], &crate::Only::Any, Duration::from_hours(1)).await;
    let first = rig.lease_one("first").await;
    assert_eq!(rig.store.lanes().await.expect("they are read"), []);
    rig.succeed(&first).await;
}

/// The better a task's rank and the older its run, the fewer stand before it.
pub async fn a_ready_task_has_its_place(bed: &impl Bed) {
    let rig = Rig::new(bed, chain()).await;
    let id = |no: u64| RunId::from_parts(1_700_000_000_000 + no, no.into());
    for (no, priority) in [(2, 5), (3, 9), (4, 1), (5, 5)] {
        let new = NewRun { id: id(no), priority, ..new_run(0, Digest([1; 32]), None) };
        rig.store.submit(new).await.expect("it is submitted");
    }
    let place = async |no| {
        let task = TaskRef { run: id(no), task: TaskNo(0) };
        rig.store.in_line(task).await.expect("it is read").map(|place| (place.ahead, place.others))
    };
    assert_eq!(place(3).await, Some((0, 0)));
    assert_eq!(place(4).await, Some((4, 0)));
    assert_eq!([place(2).await, place(5).await], [Some((2, 0)), Some((3, 0))]);
    let first = TaskRef { run: rig.run, task: TaskNo(0) };
    assert_eq!(rig.store.in_line(first).await.expect("it is read").map(|place| place.ahead), Some(1));
    let pending = TaskRef { run: rig.run, task: TaskNo(1) };
    assert_eq!(rig.store.in_line(pending).await.expect("it is read"), None);
    let leased = rig.lease_as("w1", 1).await.remove(0);
    assert_eq!(rig.store.in_line(leased.task).await.expect("it is read"), None);
    assert_eq!(rig.store.in_line(first).await.expect("it is read").map(|place| place.ahead), Some(0));
}

/// A queue that is paused keeps the tasks with needs back too, and one lane can be paused alone.
pub async fn a_paused_queue_keeps_needs_back(bed: &impl Bed) {
    let mut sketch = Sketch::default();
    let needy = sketch.work(Graph::MAIN, "needy");
    sketch.at(needy).settings.requires = Requirements { gpus: 1, ..Requirements::default() };
    let rig = Rig::new(bed, sketch.build()).await;
    let gpu_lane = lane("default", &Requirements { gpus: 1, ..Requirements::default() });
    for pause in ["default", &gpu_lane] {
        rig.store.pause_lane(pause, true).await.expect("it is paused");
        assert_eq!(rig.lease().await, []);
        let lanes = rig.store.lanes().await.expect("they are read");
        let seen = lanes.iter().find(|view| view.lane == gpu_lane).map(|view| (view.ready, view.paused));
        assert_eq!(seen, Some((1, true)), "{pause}");
        rig.store.pause_lane(pause, false).await.expect("it goes on");
    }
    let leased = rig.lease_one("needy").await;
    rig.succeed(&leased).await;
}
