//! Wishes that stand: whoever readies a task leases it for the worker that waits and hands it over in the same step.

use futures_util::FutureExt as _;
use redis::{Commands as _, Connection};
use reelmill_graph::Graph;
use reelmill_graph::sketch::Sketch;
use reelmill_model::{Digest, WorkerId};
use reelmill_ports::conformance::new_run;
use reelmill_ports::{
    Fleet as _, LeaseRequest, Only, RunStore as _, StepReply, StepRequest, StoreError, TaskQueue as _,
};
use reelmill_store_redis::{Config, RedisStore};
use reelmill_test_redis::RedisServer;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

const GRAPH: Digest = Digest([7; 32]);
const LONG: Duration = Duration::from_hours(1);

/// A server and two processes that use it.
struct Scene {
    server: RedisServer,
    submits: Arc<RedisStore>,
    works: Arc<RedisStore>,
}

fn wish(worker: &str) -> StepRequest {
    let lease = LeaseRequest { lanes: vec!["default".into()], want: 3, lease: LONG, only: Only::Any };
    StepRequest { worker: WorkerId(worker.into()), settles: Vec::new(), leases: vec![lease] }
}

type Waiting = JoinHandle<Result<Option<StepReply>, StoreError>>;

impl Scene {
    async fn new() -> Self {
        let server = RedisServer::in_memory();
        let open = || Arc::new(RedisStore::open(&Config::new(server.url())).expect("the store opens"));
        let (submits, works) = (open(), open());
        let mut sketch = Sketch::default();
        sketch.work(Graph::MAIN, "only");
        submits.put_graph(GRAPH, Arc::new(sketch.build())).await.expect("the graph is put");
        Self { server, submits, works }
    }

    fn ask(&self) -> Connection {
        redis::Client::open(self.server.url()).and_then(|client| client.get_connection()).expect("it answers")
    }

    async fn submit(&self, no: u128) {
        assert!(self.submits.submit(new_run(no, GRAPH, None)).await.expect("it is submitted"));
    }

    /// A worker begins to wait; its wish stands when this returns.
    async fn wait(&self, worker: &str) -> (Waiting, oneshot::Sender<()>) {
        let (withdraw, withdrawn) = oneshot::channel();
        let (store, request) = (Arc::clone(&self.works), wish(worker));
        let withdrawn = async {
            if withdrawn.await.is_err() {
                pending::<()>().await;
            }
        };
        let withdrawn = withdrawn.shared();
        let waiting = tokio::spawn(async move {
            loop {
                let reply = store.step_when_ready(request.clone(), LONG, withdrawn.clone().boxed()).await;
                // A marker that was left before wakes too.
                if !matches!(&reply, Ok(Some(reply)) if reply.leased.is_empty()) {
                    return reply;
                }
            }
        });
        while !self.stands(worker) {
            tokio::task::yield_now().await;
        }
        (waiting, withdraw)
    }

    fn stands(&self, worker: &str) -> bool {
        self.ask().exists(format!("rm:{{0}}:stand:{worker}")).expect("it answers")
    }

    fn markers(&self) -> usize {
        self.ask().llen("rm:{0}:wake:default").expect("it answers")
    }
}

async fn leased(waiting: Waiting) -> Option<usize> {
    let reply = waiting.await.expect("it ends well").expect("the store answers");
    reply.map(|reply| reply.leased.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_becomes_ready_is_handed_over() {
    let scene = Scene::new().await;
    let (first, _first) = scene.wait("w1").await;
    let (second, _second) = scene.wait("w2").await;
    scene.submit(1).await;
    // Who began to wait last is served first; the other's wish still stands, and nobody was woken in vain.
    assert_eq!(leased(second).await, Some(1));
    assert_eq!((scene.stands("w1"), scene.stands("w2"), scene.markers()), (true, false, 0));
    scene.submit(2).await;
    assert_eq!(leased(first).await, Some(1));
    scene.submit(3).await;
    let reply = scene.works.step_when_ready(wish("w3"), LONG, pending().boxed()).await;
    assert_eq!(
        reply.expect("the store answers").map(|reply| reply.leased.len()),
        Some(1),
        "it was there already"
    );
    assert!(!scene.stands("w3"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wish_that_is_withdrawn_gets_nothing() {
    let scene = Scene::new().await;
    let (waiting, withdraw) = scene.wait("w1").await;
    withdraw.send(()).expect("it waits");
    assert_eq!(leased(waiting).await, None);
    assert!(!scene.stands("w1"));
    scene.submit(1).await;
    let reply = scene.submits.step(wish("w2")).await.expect("the store answers");
    assert_eq!(reply.leased.len(), 1, "it was not handed to who does not wait");
}

/// A worker that is seen to be dead is handed nothing more, and what it was handed goes on elsewhere.
#[tokio::test(flavor = "multi_thread")]
async fn a_dead_worker_is_handed_nothing() {
    let scene = Scene::new().await;
    let (waiting, _) = scene.wait("w1").await;
    waiting.abort();
    assert!(waiting.await.is_err(), "it is dead, and its wish stands");
    assert!(scene.stands("w1"));
    scene.submit(1).await;
    let lease = async || scene.submits.step(wish("w2")).await.expect("the store answers").leased.len();
    assert_eq!(lease().await, 0, "the dead one has it");
    let released = scene.submits.release_worker(&WorkerId("w1".into())).await;
    assert_eq!((released.expect("it is released"), lease().await), (1, 1));

    let (waiting, _) = scene.wait("w1").await;
    waiting.abort();
    assert!(waiting.await.is_err());
    scene.submits.release_worker(&WorkerId("w1".into())).await.expect("it is released");
    scene.submit(2).await;
    assert_eq!(lease().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_queue_hands_nothing_over() {
    let scene = Scene::new().await;
    scene.submits.pause_lane("default", true).await.expect("it is paused");
    let (waiting, _withdraw) = scene.wait("w1").await;
    scene.submit(1).await;
    assert!(scene.stands("w1") && !waiting.is_finished());
    scene.submits.pause_lane("default", false).await.expect("it goes on");
    assert_eq!(leased(waiting).await, Some(1));
}

/// A replica that takes over may lack the last writes; tokens that were given are not given again.
#[tokio::test(flavor = "multi_thread")]
async fn tokens_grow_although_the_server_forgot_the_last() {
    let scene = Scene::new().await;
    let token = async |no: u128| {
        scene.submit(no).await;
        scene.works.step(wish("w1")).await.expect("the store answers").leased[0].token
    };
    let first = token(1).await;
    let () = scene.ask().setrange("rm:{0}:counts", 0, &7_u64.to_be_bytes()).expect("it answers");
    assert!(token(2).await > first);
}

/// Redis packs small sets, and walks a packed one from its head for every write; a guard that is no task prevents it.
#[tokio::test(flavor = "multi_thread")]
async fn few_leases_lie_in_a_skip_list() {
    let scene = Scene::new().await;
    scene.submit(1).await;
    assert_eq!(scene.works.step(wish("w1")).await.expect("the store answers").leased.len(), 1);
    let encoding: String = scene.ask().object_encoding("rm:{0}:leases").expect("it answers");
    assert_eq!(encoding, "skiplist");
    assert_eq!(scene.works.release_worker(&WorkerId("w1".into())).await.expect("the store answers"), 1);
    assert_eq!(scene.ask().zcard::<_, u64>("rm:{0}:leases").expect("it answers"), 1, "the guard");
}
