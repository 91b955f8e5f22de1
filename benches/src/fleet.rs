//! What the benchmarks of a fleet submit.

use crate::build_folder;
use reelmill_control::{Pipeline, prepare};
use reelmill_graph::compile::{Catalog, NoFiles};
use reelmill_host::{Plugin, catalog};
use reelmill_model::RunId;
use reelmill_ports::{NewRun, TaskQueue as _};
use reelmill_store_redis::RedisStore;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Submissions under way at once.
const AT_ONCE: usize = 256;

/// What a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One stage that does nothing.
    Noop,
    /// One stage, eight that wait for it, one that waits for those; they do nothing.
    Dag,
    /// One stage that says when it began.
    Stamp,
    /// One stage of 50 ms.
    Nap,
}

impl Form {
    /// Tasks of a run.
    #[must_use]
    pub fn tasks(self) -> u64 {
        if self == Self::Dag { 10 } else { 1 }
    }

    /// The pipeline.
    #[must_use]
    pub fn yaml(self) -> String {
        match self {
            Self::Noop => {
                "version: 1\nname: noop\nstages:\n  only: { uses: faulty.noop@1, with: {}, cache: never }\n"
                    .to_owned()
            }
            Self::Nap => {
                "version: 1\nname: nap\nstages:\n  only: { uses: faulty.nap@1, with: {}, cache: never }\n"
                    .to_owned()
            }
            Self::Stamp => "version: 1\nname: stamp\ninputs:\n  at_us: { type: int }\n\
                            stages:\n  only: { uses: faulty.clock@1, with: {}, cache: never }\n"
                .to_owned(),
            Self::Dag => dag(),
        }
    }

    /// The pipeline, compiled.
    ///
    /// # Panics
    /// When it does not compile.
    #[must_use]
    pub fn pipeline(self, plugin: &Plugin) -> Pipeline {
        prepare(&self.yaml(), &Catalog::new(vec![plugin.located.clone()]), &NoFiles).expect("it compiles")
    }
}

fn dag() -> String {
    let head = "version: 1\nname: dag\nstages:\n  first: { uses: faulty.noop@1, with: {}, cache: never }\n";
    let middle: Vec<String> = (1..=8)
        .map(|n| format!("  m{n}: {{ uses: faulty.noop@1, with: {{}}, needs: [first], cache: never }}\n"))
        .collect();
    let all: Vec<String> = (1..=8).map(|n| format!("m{n}")).collect();
    let all = all.join(", ");
    let last = format!("  last: {{ uses: faulty.noop@1, with: {{}}, needs: [{all}], cache: never }}\n");
    [head, &middle.concat(), &last].concat()
}

/// The plugin whose stages do nothing, as this build made it; `cache` remembers its manifest.
///
/// # Panics
/// When it was not built.
pub async fn plugin(cache: &Path) -> Arc<Plugin> {
    let (library, runner) =
        (build_folder().join("libreelmill_faulty.so"), build_folder().join("reelmill-runner"));
    let plugin = catalog::open(&library, true, cache, &runner).await;
    Arc::new(plugin.unwrap_or_else(|problem| panic!("{problem}; run `make build` first")))
}

/// The product's worker, in a folder where it finds the plugin beside itself; killed when this is dropped.
pub struct Product(Child);

impl Product {
    /// Starts it, over the Redis of this address, with further arguments.
    ///
    /// # Panics
    /// When it was not built, or cannot be started.
    #[must_use]
    pub fn start(folder: &Path, redis: &str, more: &[&str]) -> Self {
        std::fs::create_dir_all(folder).expect("a folder");
        for (from, to) in [
            ("reelmill", "reelmill"),
            ("reelmill-runner", "reelmill-runner"),
            ("libreelmill_faulty.so", "libreelmill_plugin_faulty.so"),
        ] {
            // Of an earlier build, or not there.
            let _ = std::fs::remove_file(folder.join(to));
            std::fs::copy(build_folder().join(from), folder.join(to)).expect("`make build` was run");
        }
        let mut command = Command::new(folder.join("reelmill"));
        command.args(["worker", "--redis", redis]).args(more).env("REELMILL_HOME", folder.join("home"));
        let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(quiet.spawn().expect("the worker starts"))
    }
}

impl Product {
    /// Its process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Product {
    fn drop(&mut self) {
        // What it holds is of a benchmark that is over.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A run of a pipeline.
#[must_use]
pub fn new_run(pipeline: &Pipeline, no: u64, inputs: Value) -> NewRun {
    let created_ms = now_us() / 1_000;
    NewRun {
        id: RunId::from_parts(created_ms, u128::from(no)),
        graph: pipeline.digest,
        name: pipeline.graph.name.clone(),
        inputs,
        labels: BTreeMap::new(),
        namespace: "default".into(),
        base_dir: "/".into(),
        seed: no,
        created_ms,
        batch: None,
        priority: reelmill_ports::PRIORITY,
    }
}

/// Submits so many runs, as many at once as the store takes.
///
/// # Panics
/// When the store refuses one.
pub async fn submit_all(store: &Arc<RedisStore>, pipeline: &Pipeline, runs: u64) {
    let room = Arc::new(Semaphore::new(AT_ONCE));
    let mut under_way = JoinSet::new();
    for no in 0..runs {
        let permit = Arc::clone(&room).acquire_owned().await.expect("it stays open");
        let (store, run) = (Arc::clone(store), new_run(pipeline, no, json!({})));
        under_way.spawn(async move {
            store.submit(run).await.expect("submitted");
            drop(permit);
        });
        while under_way.try_join_next().is_some() {}
    }
    while under_way.join_next().await.is_some() {}
}

/// Microseconds since the epoch.
#[must_use]
pub fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}
