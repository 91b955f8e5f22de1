//! The scheduler with a clock of the test's own: what fires, once, whatever happens to schedulers and runs.

use async_trait::async_trait;
use prometheus::{Registry, TextEncoder};
use reelmill_control::schedule::{
    Figures, Fired, Launch, LaunchError, Launched, Launcher, Registered, Scheduler, Timer,
};
use reelmill_model::RunId;
use reelmill_model::limits::SCHEDULED_TRIGGERS_MAX;
use reelmill_ports::{Clock, Marks as _, MemoryMarks, StoreError};
use reelmill_triggers::{Came, Mark};
use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;

/// A clock that stands until it is set.
struct ManualTimer(watch::Sender<u64>);

impl Clock for ManualTimer {
    fn now_ms(&self) -> u64 {
        *self.0.borrow()
    }
}

#[async_trait]
impl Timer for ManualTimer {
    async fn sleep_until(&self, at_ms: u64) {
        self.0.subscribe().wait_for(|now| *now >= at_ms).await.expect("the clock is not dropped");
    }
}

/// Runs by id, as a store holds them, and what was done to them.
#[derive(Default)]
struct Runs {
    started: Mutex<BTreeMap<RunId, Launch>>,
    running: Mutex<HashSet<RunId>>,
    cancelled: Mutex<Vec<RunId>>,
    broken: AtomicBool,
}

#[async_trait]
impl Launcher for Runs {
    async fn launch(&self, launch: Launch) -> Result<Launched, LaunchError> {
        if self.broken.load(Ordering::SeqCst) {
            return Err(LaunchError { retry: true, message: "the store is not there".to_owned() });
        }
        if launch.inputs.get("topic").is_some_and(|topic| topic == "refused") {
            return Err(LaunchError { retry: false, message: "no such input".to_owned() });
        }
        let run = launch.run;
        let new = self.started.lock().expect("no test panics with it").insert(run, launch).is_none();
        if new {
            self.running.lock().expect("no test panics with it").insert(run);
        }
        Ok(Launched { run, new })
    }

    async fn is_running(&self, run: RunId) -> Result<bool, StoreError> {
        Ok(self.running.lock().expect("no test panics with it").contains(&run))
    }

    async fn cancel(&self, run: RunId, _reason: &str) -> Result<(), StoreError> {
        self.running.lock().expect("no test panics with it").remove(&run);
        self.cancelled.lock().expect("no test panics with it").push(run);
        Ok(())
    }
}

/// A fleet's world: what its schedulers share.
struct World {
    runs: Arc<Runs>,
    marks: Arc<MemoryMarks>,
    timer: Arc<ManualTimer>,
    pipelines: watch::Sender<Vec<Registered>>,
    figures: Mutex<Registry>,
}

impl World {
    /// With these triggers of one pipeline, at midnight.
    fn new(triggers: &str) -> Self {
        let pipelines = watch::Sender::new(vec![registered(triggers)]);
        let timer = ManualTimer(watch::Sender::new(at("2026-03-28T00:00:00Z")));
        Self {
            runs: Arc::default(),
            marks: Arc::default(),
            timer: Arc::new(timer),
            pipelines,
            figures: Mutex::default(),
        }
    }

    /// A new registry, that figures of the next scheduler are read from.
    fn registry(&self) -> Registry {
        let registry = Registry::new();
        *self.figures.lock().expect("nobody panicked") = registry.clone();
        registry
    }

    /// The figures of the last scheduler, in Prometheus' text format.
    fn figures(&self) -> String {
        let families = self.figures.lock().expect("nobody panicked").gather();
        TextEncoder::new().encode_to_string(&families).expect("they are text")
    }

    fn scheduler(&self) -> Scheduler {
        let (runs, marks, timer) = (self.runs.clone(), self.marks.clone(), self.timer.clone());
        let figures = Figures::register(&self.registry()).expect("a registry of its own");
        Scheduler::new(runs, marks, timer, self.pipelines.subscribe(), figures)
    }

    fn pass(&self, ms: u64) {
        self.timer.0.send_modify(|now| *now += ms);
    }

    /// The topics of the runs that were started, in the order of their firings.
    fn started(&self) -> Vec<String> {
        let started = self.runs.started.lock().expect("nobody panicked");
        started
            .values()
            .map(|launch| launch.inputs["topic"].as_str().unwrap_or_default().to_owned())
            .collect()
    }

    fn end_all(&self) {
        self.runs.running.lock().expect("nobody panicked").clear();
    }
}

fn at(text: &str) -> u64 {
    let at = chrono::DateTime::parse_from_rfc3339(text).expect("a time");
    u64::try_from(at.timestamp_millis()).expect("after 1970")
}

fn registered(triggers: &str) -> Registered {
    let text = format!(
        "version: 1\nname: news\ninputs: {{ topic: {{ type: string }} }}\nstages: {{ a: {{ uses: x.y@1 }} }}\n\
         triggers:\n{triggers}"
    );
    let (spec, problems) = reelmill_spec::parse(&text);
    assert_eq!(problems, [], "{text}");
    let (triggers, problems) = reelmill_graph::compile::triggers(&spec.expect("it parses"));
    assert_eq!(problems, []);
    Registered { namespace: "default".to_owned(), pipeline: "news".to_owned(), triggers: Arc::new(triggers) }
}

fn hourly(more: &str) -> String {
    format!(
        "  t: {{ type: schedule, cron: \"0 * * * *\", inputs: {{ topic: \"${{{{ trigger.scheduled_at }}}}\" }}, {more} }}\n"
    )
}

fn started(fired: Fired) -> (u64, u64, u64) {
    (fired.started, fired.known, fired.skipped)
}

#[tokio::test]
async fn a_schedule_fires_from_when_it_is_first_seen_and_once_each_time() {
    let world = World::new(&hourly("overlap: allow"));
    let mut scheduler = world.scheduler();
    assert_eq!(started(scheduler.look().await), (0, 0, 0), "midnight was before it was seen");
    for _ in 0..3 * 60 {
        world.pass(MINUTE);
        scheduler.look().await;
    }
    let expected = ["01", "02", "03"].map(|hour| format!("2026-03-28T{hour}:00:00+00:00"));
    assert_eq!(world.started(), expected);
    let launches = world.runs.started.lock().expect("nobody panicked").clone();
    let (run, first) = launches.first_key_value().expect("there is one");
    assert_eq!(run.0.timestamp_ms(), at("2026-03-28T01:00:00Z"));
    assert_eq!((first.pipeline.as_str(), first.trigger.as_str()), ("news", "t"));
}

#[tokio::test]
async fn a_fleet_fires_each_time_once_and_needs_no_leader() {
    let world = World::new(&hourly("overlap: allow"));
    let mut fleet = [world.scheduler(), world.scheduler(), world.scheduler()];
    for scheduler in &mut fleet {
        scheduler.look().await;
    }
    for hour in 1..=24 {
        world.pass(HOUR);
        let [a, b, c] = &mut fleet;
        let (a, b, c) = tokio::join!(a.look(), b.look(), c.look());
        assert_eq!(a.started + b.started + c.started, 1, "hour {hour}");
    }
    assert_eq!(world.started().len(), 24);
}

#[tokio::test]
async fn two_that_read_the_same_mark_submit_the_same_run() {
    let world = World::new(&hourly("overlap: allow"));
    world.scheduler().look().await;
    world.pass(HOUR);
    // The other one has marks of its own, as if it had read them before the first one wrote.
    let other = Arc::new(MemoryMarks::default());
    let key = "default/news/t";
    let mark = world.marks.mark(key).await.expect("memory").expect("it was noted");
    assert!(other.set_mark(key, None, &mark).await.expect("memory"));
    let mut slow = Scheduler::new(
        world.runs.clone(),
        other,
        world.timer.clone(),
        world.pipelines.subscribe(),
        Figures::register(&Registry::new()).expect("a registry of its own"),
    );
    assert_eq!(started(world.scheduler().look().await), (1, 0, 0));
    assert_eq!(started(slow.look().await), (0, 1, 0));
    assert_eq!(world.started().len(), 1);
}

#[tokio::test]
async fn what_was_missed_is_made_up_for_as_the_pipeline_says() {
    for (catchup, expected) in [("none", 0), ("last", 1), ("all", 5)] {
        let world = World::new(&hourly(&format!("overlap: allow, catchup: {catchup}")));
        world.scheduler().look().await;
        world.pass(5 * HOUR + 10 * MINUTE);
        assert_eq!(world.scheduler().look().await.started, expected, "{catchup}");
        assert_eq!(world.scheduler().look().await, Fired::default(), "{catchup}: once");
    }
}

#[tokio::test]
async fn skip_waits_for_nobody() {
    let world = World::new(&hourly("overlap: skip"));
    let mut scheduler = world.scheduler();
    scheduler.look().await;
    world.pass(HOUR);
    assert_eq!(started(scheduler.look().await), (1, 0, 0));
    world.pass(HOUR);
    assert_eq!(started(scheduler.look().await), (0, 0, 1), "the first still runs");
    world.end_all();
    assert_eq!(started(scheduler.look().await), (0, 0, 0), "what was skipped does not come back");
    world.pass(HOUR);
    assert_eq!(started(scheduler.look().await), (1, 0, 0));
}

#[tokio::test]
async fn queue_runs_one_after_another_also_with_another_scheduler() {
    let world = World::new(&hourly("overlap: queue"));
    let mut scheduler = world.scheduler();
    scheduler.look().await;
    for hour in 0..3 {
        world.pass(HOUR);
        assert_eq!(scheduler.look().await.started, u64::from(hour == 0));
    }
    for _ in 0..2 {
        world.end_all();
        let mut other = world.scheduler();
        assert_eq!(started(other.look().await), (1, 0, 0));
        assert_eq!(started(other.look().await), (0, 0, 0), "one at a time");
    }
    world.end_all();
    assert_eq!(world.scheduler().look().await, Fired::default());
    assert_eq!(world.started().len(), 3);
}

#[tokio::test]
async fn cancel_previous_cancels_the_one_before() {
    let world = World::new(&hourly("overlap: cancel_previous"));
    let mut scheduler = world.scheduler();
    scheduler.look().await;
    world.pass(HOUR);
    scheduler.look().await;
    let first = *world.runs.running.lock().expect("nobody panicked").iter().next().expect("one runs");
    world.pass(HOUR);
    assert_eq!(started(scheduler.look().await), (1, 0, 0));
    assert_eq!(*world.runs.cancelled.lock().expect("nobody panicked"), [first]);
    assert_eq!(world.runs.running.lock().expect("nobody panicked").len(), 1);
}

#[tokio::test]
async fn a_store_that_is_away_costs_no_firing_and_a_refusal_stops_nothing() {
    let world = World::new(&hourly("overlap: allow"));
    let mut scheduler = world.scheduler();
    scheduler.look().await;
    world.runs.broken.store(true, Ordering::SeqCst);
    world.pass(HOUR);
    assert_eq!(scheduler.look().await, Fired::default());
    world.runs.broken.store(false, Ordering::SeqCst);
    world.pass(30_000);
    assert_eq!(started(scheduler.look().await), (1, 0, 0));

    let world = World::new(
        "  t: { type: schedule, cron: \"0 * * * *\", overlap: allow, inputs: { topic: refused } }\n  \
         u: { type: schedule, cron: \"0 * * * *\", overlap: allow, inputs: { topic: good } }\n",
    );
    let mut scheduler = world.scheduler();
    scheduler.look().await;
    world.pass(HOUR);
    assert_eq!(started(scheduler.look().await), (1, 0, 1));
    assert_eq!(scheduler.look().await, Fired::default());
}

#[tokio::test]
async fn files_that_arrive_start_a_run_each_also_after_a_restart() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let path = folder.path().display();
    let world = World::new(&format!(
        "  drop: {{ type: file, folder: {path}, pattern: \"*.csv\", settle: 5s, overlap: allow, \
         inputs: {{ topic: \"${{{{ trigger.path }}}}\" }} }}\n"
    ));
    let write =
        |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("it is written");
    let mut scheduler = world.scheduler();
    write("a.csv", "1");
    write("b.txt", "1");
    assert_eq!(scheduler.look().await, Fired::default());
    write("a.csv", "1,2");
    world.pass(5_000);
    assert_eq!(scheduler.look().await, Fired::default(), "it was still being written");
    world.pass(5_000);
    assert_eq!(started(scheduler.look().await), (1, 0, 0));
    assert_eq!(world.started(), [format!("{path}/a.csv")]);

    let mut restarted = world.scheduler();
    restarted.look().await;
    world.pass(5_000);
    assert_eq!(restarted.look().await, Fired::default(), "it is known that the file has fired");
    write("c.csv", "3");
    restarted.look().await;
    world.pass(5_000);
    assert_eq!(started(restarted.look().await), (1, 0, 0));

    // The folder is away for a while, as a disk that is not mounted.
    let away = tempfile::tempdir().expect("a folder can be made");
    let aside = away.path().join("aside");
    std::fs::rename(folder.path(), &aside).expect("it can be moved");
    assert_eq!(restarted.look().await, Fired::default());
    std::fs::rename(&aside, folder.path()).expect("it can be moved back");
    for mut scheduler in [restarted, world.scheduler()] {
        scheduler.look().await;
        world.pass(5_000);
        assert_eq!(scheduler.look().await, Fired::default(), "nothing is new");
    }
}

#[tokio::test]
async fn what_is_paused_does_not_fire_and_goes_on_from_its_resumption() {
    let world = World::new(&hourly("overlap: allow, catchup: all"));
    let mut scheduler = world.scheduler();
    scheduler.look().await;
    let set = async |paused: bool| {
        let key = "default/news/t";
        let before = world.marks.mark(key).await.expect("memory");
        let looked_ms = world.timer.now_ms();
        let mark = Mark { paused, looked_ms, ..Mark::parse(before.as_deref()).expect("a mark") };
        assert!(world.marks.set_mark(key, before.as_deref(), &mark.text()).await.expect("memory"));
    };
    set(true).await;
    world.pass(3 * HOUR);
    assert_eq!(scheduler.look().await, Fired::default());
    world.pass(10 * MINUTE);
    set(false).await;
    assert_eq!(scheduler.look().await, Fired::default(), "what was due meanwhile is gone");
    world.pass(50 * MINUTE);
    assert_eq!(started(scheduler.look().await), (1, 0, 0));
    assert_eq!(world.started(), ["2026-03-28T04:00:00+00:00"]);
}

#[tokio::test]
async fn what_came_of_the_last_firing_is_noted() {
    let world = World::new(&hourly("overlap: queue"));
    let mut scheduler = world.scheduler();
    let told = async || {
        let mark = world.marks.mark("default/news/t").await.expect("memory");
        Mark::parse(mark.as_deref()).expect("a mark").told.map(|told| (told.came, told.run.is_some()))
    };
    scheduler.look().await;
    assert_eq!(told().await, None);
    for expected in [(Came::Started, true), (Came::Waits, false)] {
        world.pass(HOUR);
        scheduler.look().await;
        assert_eq!(told().await, Some(expected));
    }
    world.end_all();
    scheduler.look().await;
    assert_eq!(told().await, Some((Came::Started, true)));
}

#[tokio::test]
async fn it_runs_until_it_is_told_to_stop_and_sees_new_pipelines() {
    let world = World::new(&hourly("overlap: allow"));
    world.pipelines.send_replace(Vec::new());
    let end = CancellationToken::new();
    let running = tokio::spawn(world.scheduler().run(end.clone()));
    world.pipelines.send_replace(vec![registered(&hourly("overlap: allow"))]);
    let patience = Duration::from_mins(1);
    let seen = async {
        while world.marks.mark("default/news/t").await.expect("memory").is_none() {
            tokio::task::yield_now().await;
        }
        world.pass(HOUR);
        while world.started().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(patience, seen).await.expect("it fires");
    end.cancel();
    tokio::time::timeout(patience, running).await.expect("it stops").expect("it does not panic");
}

#[tokio::test]
async fn firings_are_counted_by_what_came_of_them_and_lateness_is_measured() {
    let world = World::new(&hourly("overlap: skip"));
    let mut scheduler = world.scheduler();
    scheduler.look().await;
    world.pass(HOUR + 2_500);
    scheduler.look().await;
    world.pass(HOUR);
    scheduler.look().await;
    let figures = world.figures();
    for line in [
        "reelmill_firings_total{outcome=\"started\"} 1",
        "reelmill_firings_total{outcome=\"skipped\"} 1",
        "reelmill_firing_late_seconds_bucket{le=\"1\"} 0",
        "reelmill_firing_late_seconds_bucket{le=\"5\"} 1",
        "reelmill_triggers 1",
        "reelmill_triggers_beyond_limit 0",
    ] {
        assert!(figures.lines().any(|found| found == line), "{line}: {figures}");
    }
}

#[tokio::test]
async fn triggers_beyond_the_limit_are_counted_and_the_others_fire() {
    let world = World::new(&hourly("overlap: allow"));
    let one = world.pipelines.borrow()[0].clone();
    world.pipelines.send_modify(|all| {
        *all = (0..SCHEDULED_TRIGGERS_MAX + 3)
            .map(|no| Registered { pipeline: format!("p{no:05}"), ..one.clone() })
            .collect();
    });
    let mut scheduler = world.scheduler();
    scheduler.look().await;
    let figures = world.figures();
    assert!(figures.contains("\nreelmill_triggers_beyond_limit 3\n"), "{figures}");
    world.pass(HOUR);
    assert_eq!(scheduler.look().await.started, SCHEDULED_TRIGGERS_MAX as u64);
    world.pipelines.send_modify(|all| all.truncate(SCHEDULED_TRIGGERS_MAX));
    scheduler.look().await;
    assert!(world.figures().contains("\nreelmill_triggers_beyond_limit 0\n"));
}
