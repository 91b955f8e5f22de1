//! A line to a server that can be slow, be cut, lose an answer, or go dumb.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// Bytes carried at a time.
const CHUNK: usize = 1 << 16;

/// Stands between clients and a server.
pub struct Proxy {
    port: u16,
    line: Arc<Line>,
}

/// What all of its connections share.
#[derive(Default)]
struct Line {
    closed: AtomicBool,
    delay_ms: AtomicU64,
    lag_ms: AtomicU64,
    losing: Mutex<Option<Vec<u8>>>,
    lost: AtomicU64,
    /// Connections that there were, and up to which of them nothing is answered any more.
    count: AtomicU64,
    dumb: AtomicU64,
    open: Mutex<Vec<TcpStream>>,
}

impl Proxy {
    /// A line to the server at this place.
    #[must_use]
    pub fn to(place: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port can be had");
        let port = listener.local_addr().expect("it has an address").port();
        let line = Arc::<Line>::default();
        let (shared, place) = (Arc::clone(&line), place.to_owned());
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if shared.closed.load(Ordering::Acquire) {
                    return;
                }
                // A server that is away closes the connection, as a server would.
                if let Ok(server) = TcpStream::connect(&place) {
                    connect(&shared, client, server);
                }
            }
        });
        Self { port, line }
    }

    /// Its address, as clients take it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// From now on every answer takes so much longer.
    pub fn delay(&self, time: Duration) {
        self.line.delay_ms.store(millis(time), Ordering::Release);
    }

    /// From now on every request takes so much longer to the server.
    pub fn lag(&self, time: Duration) {
        self.line.lag_ms.store(millis(time), Ordering::Release);
    }

    /// Cuts every connection.
    pub fn cut(&self) {
        for end in lock(&self.line.open).drain(..) {
            // It may be closed already.
            let _ = end.shutdown(Shutdown::Both);
        }
    }

    /// No answer comes any more on the connections there are, and they stay open.
    pub fn go_dumb(&self) {
        self.line.dumb.store(self.line.count.load(Ordering::Acquire), Ordering::Release);
    }

    /// The next request with this word in it reaches the server, and its answer is lost with the connection.
    pub fn lose_answer_to(&self, word: &str) {
        *lock(&self.line.losing) = Some(word.as_bytes().to_vec());
    }

    /// How many answers were lost.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.line.lost.load(Ordering::Acquire)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.line.closed.store(true, Ordering::Release);
        self.cut();
        // Wakes the thread that waits for clients.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Carries bytes both ways until one end closes.
fn connect(line: &Arc<Line>, client: TcpStream, server: TcpStream) {
    let both = |stream: &TcpStream| stream.try_clone().expect("a socket has two names");
    lock(&line.open).extend([both(&client), both(&server)]);
    let number = line.count.fetch_add(1, Ordering::AcqRel) + 1;
    let losing = Arc::new(AtomicBool::new(false));
    let (requests, answers) = ((both(&client), both(&server)), (server, client));
    let (shared, flag) = (Arc::clone(line), Arc::clone(&losing));
    thread::spawn(move || {
        carry(requests.0, requests.1, |request| {
            thread::sleep(Duration::from_millis(shared.lag_ms.load(Ordering::Acquire)));
            let mut wanted = lock(&shared.losing);
            if wanted.as_ref().is_some_and(|word| request.windows(word.len()).any(|part| part == word)) {
                *wanted = None;
                flag.store(true, Ordering::Release);
            }
            Fate::Carried
        });
    });
    let shared = Arc::clone(line);
    thread::spawn(move || {
        carry(answers.0, answers.1, |_| {
            thread::sleep(Duration::from_millis(shared.delay_ms.load(Ordering::Acquire)));
            if losing.load(Ordering::Acquire) {
                shared.lost.fetch_add(1, Ordering::AcqRel);
                return Fate::Cut;
            }
            if number <= shared.dumb.load(Ordering::Acquire) { Fate::Kept } else { Fate::Carried }
        });
    });
}

/// What becomes of a piece.
enum Fate {
    Carried,
    Kept,
    /// Both ends are closed.
    Cut,
}

/// Carries one way, for as long as `fate` lets it; then both are closed.
fn carry(mut from: TcpStream, mut to: TcpStream, mut fate: impl FnMut(&[u8]) -> Fate) {
    let mut chunk = vec![0; CHUNK];
    while let Ok(read @ 1..) = from.read(&mut chunk) {
        match fate(&chunk[..read]) {
            Fate::Carried if to.write_all(&chunk[..read]).is_ok() => {}
            Fate::Kept => {}
            _ => break,
        }
    }
    for end in [from, to] {
        // The other direction may have closed it.
        let _ = end.shutdown(Shutdown::Both);
    }
}
