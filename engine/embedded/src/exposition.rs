//! `/metrics`: the figures of this process, its store and its machine, in Prometheus' text format.

use crate::{OpenError, State};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use prometheus::{Encoder as _, IntGaugeVec, Opts, Registry, TextEncoder};
use reelmill_hardware::Figures;
use reelmill_model::{RunState, TaskState, limits};
use reelmill_ports::{RunFilter, Store, StoreError};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Readers served at once; a scraper needs one.
const CONNECTIONS_MAX: usize = 16;

/// What is read anew for every scrape.
struct Exposition {
    registry: Registry,
    store: Arc<dyn Store>,
    machine: Mutex<Figures>,
    runs: IntGaugeVec,
    tasks: IntGaugeVec,
    cache: IntGaugeVec,
    host: IntGaugeVec,
}

/// Serves `/metrics` until the handle is aborted; says the address it listens on (port 0 takes a free one).
pub async fn serve(
    address: SocketAddr,
    registry: Registry,
    state: &State,
) -> Result<(SocketAddr, JoinHandle<()>), OpenError> {
    let io = |source| OpenError::Io { what: format!("listen on {address}"), source };
    let listener = TcpListener::bind(address).await.map_err(io)?;
    let bound = listener.local_addr().map_err(io)?;
    let exposition = Arc::new(Exposition::register(&registry, state)?);
    let task = tokio::spawn(async move {
        let room = Arc::new(tokio::sync::Semaphore::new(CONNECTIONS_MAX));
        loop {
            let Ok(permit) = room.clone().acquire_owned().await else { return };
            let Ok((stream, _)) = listener.accept().await else { continue };
            let exposition = exposition.clone();
            tokio::spawn(async move {
                let answer = service_fn(move |request| respond(exposition.clone(), request));
                let server = hyper::server::conn::http1::Builder::new();
                // A scraper that goes away in the middle is its own loss.
                let _ = server.serve_connection(TokioIo::new(stream), answer).await;
                drop(permit);
            });
        }
    });
    Ok((bound, task))
}

async fn respond(
    exposition: Arc<Exposition>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (status, body) = match request.uri().path() {
        "/metrics" => match exposition.text().await {
            Ok(text) => (StatusCode::OK, text),
            Err(error) => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
        },
        "/healthz" => (StatusCode::OK, "ok\n".to_owned()),
        _ => (StatusCode::NOT_FOUND, "there is /metrics and /healthz\n".to_owned()),
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let text = hyper::header::HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(hyper::header::CONTENT_TYPE, text);
    Ok(response)
}

impl Exposition {
    fn register(registry: &Registry, state: &State) -> Result<Self, OpenError> {
        let gauge = |name: &str, help: &str, label: &str| -> Result<IntGaugeVec, OpenError> {
            let gauge = IntGaugeVec::new(Opts::new(name, help), &[label])?;
            registry.register(Box::new(gauge.clone()))?;
            Ok(gauge)
        };
        Ok(Self {
            runs: gauge("reelmill_runs", "Runs in the store that have not ended, by phase", "phase")?,
            tasks: gauge("reelmill_tasks", "Tasks of unfinished runs, by state", "state")?,
            cache: gauge("reelmill_cache", "The result cache: entries, bytes, CPU saved", "figure")?,
            host: gauge("reelmill_host", "The machine: CPU per mille, memory and disk bytes", "figure")?,
            machine: Mutex::new(Figures::new(&state.home)),
            registry: registry.clone(),
            store: state.store.clone(),
        })
    }

    async fn text(&self) -> Result<String, StoreError> {
        self.read_runs().await?;
        let stats = self.store.stats().await?;
        let set = |gauges: &IntGaugeVec, name: &str, value: u64| {
            gauges.with_label_values(&[name]).set(i64::try_from(value).unwrap_or(i64::MAX));
        };
        set(&self.cache, "entries", stats.entries);
        set(&self.cache, "bytes", stats.bytes);
        set(&self.cache, "hits", stats.hits);
        set(&self.cache, "misses", stats.misses);
        set(&self.cache, "cpu_saved_milliseconds", stats.cpu_saved_ms);
        {
            let mut machine = self.machine.lock().unwrap_or_else(PoisonError::into_inner);
            let now = machine.read();
            set(&self.host, "cpu_per_mille", now.cpu_per_mille);
            set(&self.host, "memory_used_bytes", now.memory_used_bytes);
            set(&self.host, "memory_total_bytes", now.memory_total_bytes);
            set(&self.host, "disk_available_bytes", now.disk_available_bytes);
        }
        let mut text = Vec::new();
        // Writing to memory does not fail, and the encoder writes UTF-8.
        let _ = TextEncoder::new().encode(&self.registry.gather(), &mut text);
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// Counts unfinished runs and their tasks.
    async fn read_runs(&self) -> Result<(), StoreError> {
        let mut tasks = [0_u64; 8];
        self.runs.reset();
        let mut before = None;
        loop {
            let filter = RunFilter {
                states: vec![RunState::Running],
                before,
                limit: limits::PAGE_ROWS_MAX,
                ..RunFilter::default()
            };
            let page = self.store.runs(filter).await?;
            let Some(last) = page.last() else { break };
            before = Some(last.new.id);
            for run in &page {
                self.runs.with_label_values(&[run.phase.word()]).inc();
                tasks.iter_mut().zip(run.counts).for_each(|(sum, count)| *sum += count);
            }
        }
        for (state, count) in TaskState::ALL.iter().zip(tasks) {
            self.tasks.with_label_values(&[state.word()]).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        Ok(())
    }
}
