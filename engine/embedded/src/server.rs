//! The HTTP server of a process: figures for whoever scrapes them, and in a worker the way in for calls of webhooks.
//! This file listens and says what is where; what is answered is made in `exposition` and `hooks`.

use crate::answer::{self, Answer};
use crate::exposition::Exposition;
use crate::hooks::Hooks;
use crate::{OpenError, State};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus::Registry;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Connections served at once; a scraper needs one.
const CONNECTIONS_MAX: usize = 32;
/// Time that a request gets to say what it wants; a connection that says nothing for so long is closed.
const HEAD: Duration = Duration::from_secs(15);

/// What there is.
struct Site {
    exposition: Exposition,
    hooks: Option<Hooks>,
}

/// Serves until the handle is aborted; says the address it listens on (port 0 takes a free one). With `hooks` it takes
/// calls too.
pub async fn serve(
    address: SocketAddr,
    registry: Registry,
    state: &State,
    hooks: Option<Hooks>,
) -> Result<(SocketAddr, JoinHandle<()>), OpenError> {
    let io = |source| OpenError::Io { what: format!("listen on {address}"), source };
    let listener = TcpListener::bind(address).await.map_err(io)?;
    let bound = listener.local_addr().map_err(io)?;
    let site = Arc::new(Site { exposition: Exposition::register(&registry, state)?, hooks });
    let task = tokio::spawn(async move {
        let room = Arc::new(tokio::sync::Semaphore::new(CONNECTIONS_MAX));
        loop {
            let Ok(permit) = room.clone().acquire_owned().await else { return };
            let Ok((stream, _)) = listener.accept().await else { continue };
            let site = site.clone();
            tokio::spawn(async move {
                let service = service_fn(move |request| {
                    let site = site.clone();
                    async move { Ok::<_, Infallible>(route(&site, request).await) }
                });
                let mut server = hyper::server::conn::http1::Builder::new();
                server.timer(TokioTimer::new()).header_read_timeout(HEAD);
                // Whoever goes away in the middle does so at their own loss.
                let _ = server.serve_connection(TokioIo::new(stream), service).await;
                drop(permit);
            });
        }
    });
    Ok((bound, task))
}

/// What is where.
async fn route(site: &Site, request: Request<Incoming>) -> Answer {
    let path = request.uri().path();
    match (request.method(), path, &site.hooks) {
        (&Method::GET, "/metrics", _) => answer::text(StatusCode::OK, site.exposition.text().await),
        (&Method::GET, "/healthz", _) => answer::text(StatusCode::OK, "ok\n".to_owned()),
        (_, path, Some(hooks)) if path.starts_with("/hooks/") => hooks.answer(request).await,
        _ => answer::text(StatusCode::NOT_FOUND, "there is /metrics and /healthz\n".to_owned()),
    }
}
