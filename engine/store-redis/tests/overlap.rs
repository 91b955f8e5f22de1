//! Steps under way at once: of several workers in two processes, while connections are cut and answers are lost. Leases
//! last an hour here, so one that nobody is told of would keep its run from ending.

use redis::Client;
use reelmill_graph::sketch::Sketch;
use reelmill_graph::{DepKind, Graph};
use reelmill_model::{Digest, EventKind, Outcome, RunId, TaskRef, Usage, WorkerId};
use reelmill_ports::conformance::new_run;
use reelmill_ports::{
    Beat, EventLog as _, EventQuery, LeaseRequest, Leased, Only, RunStore as _, Settle, StepReply,
    StepRequest, StoreError, TaskQueue as _,
};
use reelmill_store_redis::{Config, RedisStore};
use reelmill_test_redis::{Proxy, RedisServer};
use serde_json::json;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{JoinHandle, JoinSet};

const RUNS: u128 = 120;
const GRAPH: Digest = Digest([7; 32]);
const LEASE: Duration = Duration::from_hours(1);
/// Times that the work is disturbed, and the time in between.
const DISTURBANCES: u32 = 30;
const LULL: Duration = Duration::from_millis(20);
/// How long a worker waits for tasks.
const PATIENCE: Duration = Duration::from_millis(30);
/// How long the answers of a slow server take.
const SLOW: Duration = Duration::from_secs(1);
/// How long requests are on their way to it: longer than the answers to those before.
const LAG: Duration = Duration::from_millis(300);
/// Stages between the first and the last.
const WIDTH: usize = 8;

/// One stage, eight that wait for it, one that waits for those.
fn diamond() -> Graph {
    let mut sketch = Sketch::default();
    let first = sketch.work(Graph::MAIN, "first");
    let last = sketch.work(Graph::MAIN, "last");
    for no in 0..WIDTH {
        let middle = sketch.work(Graph::MAIN, &format!("m{no}"));
        sketch.after(middle, first, DepKind::Data);
        sketch.after(last, middle, DepKind::Data);
    }
    sketch.build()
}

fn run(no: u128) -> RunId {
    new_run(no, GRAPH, None).id
}

fn open(url: &str) -> Arc<RedisStore> {
    Arc::new(RedisStore::open(&Config::new(url)).expect("the store opens"))
}

/// Works until every run has ended: settles what it has, leases more, and begins again, also when a step fails. Says
/// how often each task came.
async fn work(store: Arc<RedisStore>, name: String) -> HashMap<TaskRef, u32> {
    let (mut settles, mut came): (Vec<Settle>, HashMap<TaskRef, u32>) = (Vec::new(), HashMap::new());
    loop {
        let lease = LeaseRequest {
            lanes: vec!["default".into(), reelmill_graph::light_lane("default")],
            want: 7,
            lease: LEASE,
            only: Only::Any,
        };
        let request =
            StepRequest { worker: WorkerId(name.clone()), settles: settles.clone(), leases: vec![lease] };
        // Who has nothing waits for tasks, for a moment.
        let reply = if settles.is_empty() {
            let withdrawn = Box::pin(std::future::pending());
            store.step_when_ready(request, PATIENCE, withdrawn).await.map(Option::unwrap_or_default)
        } else {
            store.step(request).await
        };
        let Ok(reply) = reply else { continue };
        settles.clear();
        for leased in reply.leased {
            *came.entry(leased.task).or_default() += 1;
            let outcome = Outcome::Succeeded { outputs: json!({ "by": name }), cached: false };
            settles.push(Settle { task: leased.task, token: leased.token, outcome, usage: Usage::default() });
        }
        if settles.is_empty() && all_have_ended(&store).await {
            return came;
        }
    }
}

async fn all_have_ended(store: &RedisStore) -> bool {
    for no in 0..RUNS {
        match store.run(run(no)).await {
            Ok(Some(view)) if view.state.is_terminal() => {}
            _ => return false,
        }
    }
    true
}

/// How often each task of a run succeeded, by its events.
async fn successes(store: &RedisStore, run: RunId) -> Vec<usize> {
    let query = EventQuery { run: Some(run), kinds: vec![EventKind::TaskSettled], ..EventQuery::default() };
    let mut counts = BTreeMap::new();
    for event in store.events(query).await.expect("the events") {
        *counts.entry(event.task).or_insert(0) += 1;
    }
    counts.into_values().collect()
}

async fn submit_all(store: &Arc<RedisStore>) {
    store.put_graph(GRAPH, Arc::new(diamond())).await.expect("the graph is put");
    let mut submissions = JoinSet::new();
    for no in 0..RUNS {
        let store = Arc::clone(store);
        submissions.spawn(async move { store.submit(new_run(no, GRAPH, None)).await.expect("submitted") });
    }
    assert!(submissions.join_all().await.into_iter().all(|new| new));
}

/// Lets workers do all runs while `disturb` is called again and again; each task succeeds once. Says how many tasks
/// came to a worker more than once.
async fn play(urls: [String; 2], mut disturb: impl FnMut()) -> usize {
    let stores = urls.each_ref().map(|url| open(url));
    submit_all(&stores[0]).await;
    let mut workers = JoinSet::new();
    for no in 0..6 {
        workers.spawn(work(Arc::clone(&stores[no % 2]), format!("w{no}")));
    }
    let mut came: HashMap<TaskRef, u32> = HashMap::new();
    let mut ticks = tokio::time::interval(LULL);
    let mut left = DISTURBANCES;
    while !workers.is_empty() {
        tokio::select! {
            Some(done) = workers.join_next() => {
                for (task, times) in done.expect("a worker ends well") {
                    *came.entry(task).or_default() += times;
                }
            }
            _ = ticks.tick(), if left > 0 => {
                left -= 1;
                disturb();
            }
        }
    }
    for no in 0..RUNS {
        assert_eq!(successes(&stores[0], run(no)).await, [1; WIDTH + 2], "run {no}");
    }
    assert_eq!(came.len(), RUNS as usize * (WIDTH + 2));
    came.values().filter(|times| **times > 1).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn steps_of_many_do_each_task_once() {
    let server = RedisServer::in_memory();
    let twice = play([server.url(), server.url()], || {}).await;
    assert_eq!(twice, 0, "no task came to two workers");
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_connections_lose_no_lease() {
    let server = RedisServer::in_memory();
    let mut knife =
        Client::open(server.url()).and_then(|client| client.get_connection()).expect("it answers");
    let twice = play([server.url(), server.url()], || {
        let mut cut = redis::cmd("CLIENT");
        let cut = cut.arg("KILL").arg("TYPE").arg("normal").arg("SKIPME").arg("yes");
        cut.exec(&mut knife).expect("connections are cut");
    })
    .await;
    assert_eq!(twice, 0, "a lease that was found again is the one that was lost");
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_answers_lose_no_lease() {
    let server = RedisServer::in_memory();
    let line = Proxy::to(&server.place());
    let twice = play([line.url(), server.url()], || line.lose_answer_to("EVALSHA")).await;
    assert!(line.lost() > 0, "no answer was lost");
    assert_eq!(twice, 0, "a lease that was found again is the one that was lost");
}

#[tokio::test(flavor = "multi_thread")]
async fn forgotten_scripts_are_sent_again() {
    let server = RedisServer::in_memory();
    let mut other =
        Client::open(server.url()).and_then(|client| client.get_connection()).expect("it answers");
    let twice = play([server.url(), server.url()], || {
        redis::cmd("SCRIPT").arg("FLUSH").exec(&mut other).expect("the scripts are forgotten");
    })
    .await;
    assert_eq!(twice, 0, "no task came to two workers");
}

/// Settles these, as a worker does that asks for more.
fn settle(store: &Arc<RedisStore>, leased: &Leased) -> JoinHandle<Result<StepReply, StoreError>> {
    let (store, worker) = (Arc::clone(store), WorkerId("w".into()));
    let outcome = Outcome::Succeeded { outputs: json!({}), cached: false };
    let settles = vec![Settle { task: leased.task, token: leased.token, outcome, usage: Usage::default() }];
    let lease = LeaseRequest { lanes: vec!["none".into()], want: 1, lease: LEASE, only: Only::Any };
    tokio::spawn(async move { store.step(StepRequest { worker, settles, leases: vec![lease] }).await })
}

async fn until_succeeded(store: &RedisStore, run: RunId) {
    let mut ticks = tokio::time::interval(Duration::from_millis(5));
    while successes(store, run).await.is_empty() {
        ticks.tick().await;
    }
}

/// While the answers of three steps are slow in coming, the third is at work already before the second is answered. When
/// the connection breaks then, both are done, once.
#[tokio::test(flavor = "multi_thread")]
async fn a_step_is_sent_before_the_one_before_is_answered() {
    let server = RedisServer::in_memory();
    let line = Proxy::to(&server.place());
    let (store, other) = (open(&line.url()), open(&server.url()));
    let mut sketch = Sketch::default();
    sketch.work(Graph::MAIN, "only");
    store.put_graph(GRAPH, Arc::new(sketch.build())).await.expect("the graph is put");
    for no in 0..3 {
        assert!(store.submit(new_run(no, GRAPH, None)).await.expect("submitted"));
    }
    let lease = LeaseRequest { lanes: vec!["default".into()], want: 3, lease: LEASE, only: Only::Any };
    let request = StepRequest { worker: WorkerId("w".into()), settles: Vec::new(), leases: vec![lease] };
    let leased = store.step(request).await.expect("a step").leased;
    line.delay(SLOW);
    let first = settle(&store, &leased[0]);
    until_succeeded(&other, leased[0].task.run).await;
    let [second, third] = [1, 2].map(|at| settle(&store, &leased[at]));
    first.await.expect("it ends").expect("it is settled");
    line.go_dumb();
    until_succeeded(&other, leased[1].task.run).await;
    until_succeeded(&other, leased[2].task.run).await;
    assert!(!second.is_finished() && !third.is_finished(), "nobody was told");
    line.delay(Duration::ZERO);
    line.cut();
    for (step, leased) in [second, third].into_iter().zip(&leased[1..]) {
        step.await.expect("it ends").expect("it is answered");
        assert_eq!(successes(&other, leased.task.run).await, [1], "run {}", leased.task.run);
    }
}

/// Of three steps of a worker the answer to the last is lost, after that to the one before was read: what that one told of
/// is not what is looked for then.
#[tokio::test]
async fn what_an_earlier_answer_told_of_is_not_found_again() {
    let server = RedisServer::in_memory();
    let line = Proxy::to(&server.place());
    let store = open(&line.url());
    let mut sketch = Sketch::default();
    sketch.work(Graph::MAIN, "only");
    store.put_graph(GRAPH, Arc::new(sketch.build())).await.expect("the graph is put");
    for no in 0..3 {
        assert!(store.submit(new_run(no, GRAPH, None)).await.expect("submitted"));
    }
    line.lag(LAG);
    line.lose_answer_to("third");
    let mut steps = Vec::new();
    for name in ["first", "second", "third"] {
        let lanes = vec!["default".into(), name.into()];
        let leases = vec![LeaseRequest { lanes, want: 1, lease: LEASE, only: Only::Any }];
        let request = StepRequest { worker: WorkerId("w".into()), settles: Vec::new(), leases };
        let store = Arc::clone(&store);
        steps.push(tokio::spawn(async move { store.step(request).await }));
    }
    let mut runs = Vec::new();
    for step in steps {
        let reply = step.await.expect("it ends").expect("it is answered");
        runs.extend(reply.leased.iter().map(|leased| leased.task.run));
    }
    assert_eq!((line.lost(), runs), (1, vec![run(0), run(1), run(2)]));
}

/// Heartbeats have connections of their own, and wait for one that is dumb no longer than a part of the lease.
#[tokio::test(flavor = "multi_thread")]
async fn a_dumb_connection_does_not_end_leases() {
    let server = RedisServer::in_memory();
    let proxy = Proxy::to(&server.place());
    let (store, other) = (open(&proxy.url()), open(&server.url()));
    store.put_graph(GRAPH, Arc::new(diamond())).await.expect("the graph is put");
    assert!(store.submit(new_run(0, GRAPH, None)).await.expect("submitted"));
    let lease = Duration::from_secs(2);
    let (lanes, only) = (vec!["default".into()], Only::Any);
    let worker = WorkerId("w".into());
    let leases = vec![LeaseRequest { lanes, want: 1, lease, only }];
    let request = StepRequest { worker: worker.clone(), settles: Vec::new(), leases };
    let task = store.step(request).await.expect("a step").leased.remove(0);
    let beats = [Beat { task: task.task, token: task.token }];
    store.heartbeat(&worker, &beats, LEASE).await.expect("it beats");
    proxy.go_dumb();
    let error = store.heartbeat(&worker, &beats, lease).await.expect_err("nobody answers");
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error}");
    store.heartbeat(&worker, &beats, LEASE).await.expect("the next has another connection");
    assert_eq!(other.expire_leases(9).await.expect("looked through"), 0);
}
