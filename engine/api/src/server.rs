//! Listening: connections are taken as long as there is room, and each request is answered by `dispatch`.

use crate::dispatch;
use crate::keys::Keys;
use crate::library::Library;
use crate::site::Site;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use reelmill_embedded::{Engine, Exposition, Hooks, OpenError};
use reelmill_model::limits;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// Time that a request gets to say what it wants, and a connection may be idle.
const HEAD: Duration = Duration::from_secs(30);

/// How it is served.
#[derive(Debug)]
pub struct Config {
    /// Where it listens; port 0 takes a free one.
    pub address: SocketAddr,
    /// The folder of pipelines, absolute.
    pub pipelines: PathBuf,
    /// Who may do what; without any it listens on this machine only.
    pub keys: Keys,
    /// Names under which it is reached, beside addresses and `localhost`.
    pub names: Vec<String>,
    /// Bytes of one upload.
    pub upload_bytes_max: u64,
}

/// It cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Everybody in the network could do everything.
    #[error(
        "{0} can be reached from other machines, and there are no keys: everybody could start and stop runs; give a file of \
         keys, or listen on 127.0.0.1"
    )]
    NoKeys(SocketAddr),
    /// The address cannot be listened on.
    #[error("failed to listen on {address}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// The cause.
        source: io::Error,
    },
    /// The folders of uploaded files cannot be made.
    #[error("failed to make the folders of uploaded files")]
    Library(#[source] io::Error),
    /// Figures could not be registered.
    #[error(transparent)]
    Open(#[from] OpenError),
}

impl Config {
    /// Refuses what would let everybody in.
    pub fn check(&self) -> Result<(), ServeError> {
        if self.keys.is_empty() && !self.address.ip().is_loopback() {
            return Err(ServeError::NoKeys(self.address));
        }
        Ok(())
    }
}

/// A server that listens; until it is dropped.
pub struct Serving {
    /// Where.
    pub address: SocketAddr,
    listening: JoinHandle<()>,
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// Serves an engine.
pub async fn serve(config: Config, engine: &Engine, hooks: Option<Hooks>) -> Result<Serving, ServeError> {
    config.check()?;
    let address = config.address;
    let listen = |source| ServeError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(listen)?;
    let bound = listener.local_addr().map_err(listen)?;
    let state = &engine.state;
    let site = Site {
        control: state.control.clone(),
        store: state.store.clone(),
        plugins: engine.plugins.clone(),
        catalog: engine.catalog(),
        pipelines: config.pipelines,
        library: Library::open(&state.home).map_err(ServeError::Library)?,
        upload_bytes_max: config.upload_bytes_max,
        exposition: Exposition::register(&engine.registry, state)?,
        hooks,
        keys: config.keys,
        names: config.names,
        listeners: Arc::new(Semaphore::new(limits::API_LISTENERS_MAX)),
        uploads: Arc::new(Semaphore::new(limits::API_UPLOADS_AT_ONCE_MAX)),
    };
    let listening = tokio::spawn(take_connections(listener, Arc::new(site)));
    Ok(Serving { address: bound, listening })
}

async fn take_connections(listener: TcpListener, site: Arc<Site>) {
    let room = Arc::new(Semaphore::new(limits::API_CONNECTIONS_MAX));
    loop {
        let Ok(permit) = room.clone().acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            // There are no more files to be had: some will be closed.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let site = site.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let site = site.clone();
                async move { Ok::<_, Infallible>(dispatch::answer(site, request).await) }
            });
            let mut server = hyper::server::conn::http1::Builder::new();
            server.timer(TokioTimer::new()).header_read_timeout(HEAD);
            // Whoever goes away in the middle does so at their own loss.
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
            drop(permit);
        });
    }
}
