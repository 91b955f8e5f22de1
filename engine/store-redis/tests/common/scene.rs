//! Two processes that use one store: one submits, in the other workers wait.

use futures_util::FutureExt as _;
use redis::cmd;
use reelmill_graph::sketch::Sketch;
use reelmill_graph::{DepKind, Graph};
use reelmill_model::{Digest, WorkerId};
use reelmill_ports::conformance::new_run;
use reelmill_ports::{LeaseRequest, Only, RunStore as _, StepReply, StepRequest, StoreError, TaskQueue as _};
use reelmill_store_redis::{Address, Config, Conn, RedisStore};
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

const GRAPH: Digest = Digest([7; 32]);
pub const LONG: Duration = Duration::from_hours(1);

/// A server and both processes.
pub struct Scene<S> {
    pub server: S,
    pub submits: Arc<RedisStore>,
    pub works: Arc<RedisStore>,
    url: String,
}

/// A worker that waits.
pub type Waiting = JoinHandle<Result<Option<StepReply>, StoreError>>;

pub fn wish(worker: &str) -> StepRequest {
    let lease = LeaseRequest { lanes: vec!["default".into()], want: 3, lease: LONG, only: Only::Any };
    StepRequest { worker: WorkerId(worker.into()), settles: Vec::new(), leases: vec![lease] }
}

impl<S> Scene<S> {
    /// Runs have so many stages, one after the other.
    pub async fn new(server: S, url: String, stages: u32) -> Self {
        let open = || {
            let config = Config { partitions: Some(1), ..Config::new(url.clone()) };
            Arc::new(RedisStore::open(&config).expect("the store opens"))
        };
        let (submits, works) = (open(), open());
        let mut sketch = Sketch::default();
        let nodes: Vec<_> = (0..stages).map(|no| sketch.work(Graph::MAIN, &format!("stage{no}"))).collect();
        for pair in nodes.windows(2) {
            sketch.after(pair[1], pair[0], DepKind::Order);
        }
        submits.put_graph(GRAPH, Arc::new(sketch.build())).await.expect("the graph is put");
        Self { server, submits, works, url }
    }

    pub async fn submit(&self, no: u128) {
        assert!(self.submits.submit(new_run(no, GRAPH, None)).await.expect("it is submitted"));
    }

    /// A worker begins to wait; its wish stands when this returns.
    pub async fn wait(&self, worker: &str) -> (Waiting, oneshot::Sender<()>) {
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
        let mut server = self.connect();
        while !stands(&mut server, worker) {
            tokio::task::yield_now().await;
        }
        (waiting, withdraw)
    }

    /// Whether a worker's wish stands.
    pub fn stands(&self, worker: &str) -> bool {
        stands(&mut self.connect(), worker)
    }

    pub fn connect(&self) -> Conn {
        Address::parse(&self.url).and_then(|address| address.connect()).expect("it answers")
    }
}

fn stands(server: &mut Conn, worker: &str) -> bool {
    let mut question = cmd("EXISTS");
    question.arg(format!("rm:{{0}}:stand:{worker}")).query(server.as_mut()).expect("it answers")
}

/// How many tasks a worker got in the end.
pub async fn leased(waiting: Waiting) -> Option<usize> {
    let reply = waiting.await.expect("it ends well").expect("the store answers");
    reply.map(|reply| reply.leased.len())
}
