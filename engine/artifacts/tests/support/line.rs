//! A line between a client and a server: counts what goes over it and is cut when it is told to.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// Bytes that are never reached.
const NEVER: u64 = u64::MAX;

#[derive(Clone)]
pub struct Line {
    pub address: SocketAddr,
    state: Arc<State>,
}

struct State {
    up: Direction,
    down: Direction,
    /// New connections are closed at once.
    is_dead: AtomicBool,
}

struct Direction {
    passed: AtomicU64,
    /// Bytes after which the connection they go over is cut, once.
    cut_after: AtomicU64,
}

impl Direction {
    const fn new() -> Self {
        Self { passed: AtomicU64::new(0), cut_after: AtomicU64::new(NEVER) }
    }

    /// Notes bytes; says whether the connection is to be cut here.
    fn pass(&self, bytes: u64) -> bool {
        self.passed.fetch_add(bytes, SeqCst);
        let left = self.cut_after.load(SeqCst);
        if left == NEVER {
            return false;
        }
        self.cut_after.store(if left <= bytes { NEVER } else { left - bytes }, SeqCst);
        left <= bytes
    }
}

impl Line {
    pub async fn to(server: SocketAddr) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let state = State { up: Direction::new(), down: Direction::new(), is_dead: AtomicBool::new(false) };
        let line = Self { address: listener.local_addr()?, state: Arc::new(state) };
        tokio::spawn(line.clone().run(listener, server));
        Ok(line)
    }

    /// Cuts a connection when this many more bytes have come down from the server.
    pub fn cut_down_after(&self, bytes: u64) {
        self.state.down.cut_after.store(bytes, SeqCst);
    }

    /// Cuts a connection when this many more bytes have gone up to the server.
    pub fn cut_up_after(&self, bytes: u64) {
        self.state.up.cut_after.store(bytes, SeqCst);
    }

    /// Whether a cut that was asked for is still to come.
    pub fn is_waiting(&self) -> bool {
        [&self.state.up, &self.state.down].iter().any(|way| way.cut_after.load(SeqCst) != NEVER)
    }

    /// Bytes that have gone up and come down so far.
    pub fn passed(&self) -> (u64, u64) {
        (self.state.up.passed.load(SeqCst), self.state.down.passed.load(SeqCst))
    }

    /// From now on nobody gets through, or everybody again.
    pub fn set_dead(&self, is_dead: bool) {
        self.state.is_dead.store(is_dead, SeqCst);
    }

    async fn run(self, listener: TcpListener, server: SocketAddr) {
        while let Ok((client, _)) = listener.accept().await {
            if self.state.is_dead.load(SeqCst) {
                continue;
            }
            let Ok(upstream) = TcpStream::connect(server).await else { return };
            let (line, (from_client, to_client), (from_server, to_server)) =
                (self.clone(), client.into_split(), upstream.into_split());
            tokio::spawn(async move {
                // Whichever ends first takes the other with it: both sides see the connection close.
                tokio::select! {
                    () = line.carry(from_client, to_server, &line.state.up) => {}
                    () = line.carry(from_server, to_client, &line.state.down) => {}
                }
            });
        }
    }

    async fn carry(&self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf, way: &Direction) {
        let mut chunk = vec![0; 16 << 10];
        while let Ok(read @ 1..) = from.read(&mut chunk).await {
            if self.state.is_dead.load(SeqCst) || way.pass(read as u64) {
                return;
            }
            if to.write_all(&chunk[..read]).await.is_err() {
                return;
            }
        }
    }
}
