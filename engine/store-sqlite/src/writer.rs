//! The one thread that writes. Requests that have gathered while a transaction was being made durable share the
//! next one, so that the disk is waited for once and not once for each.

use crate::error::Trouble;
use crate::source::Graphs;
use crate::unit::{Counters, Unit};
use reelmill_lifecycle::Dice;
use reelmill_ports::{Clock, StoreError};
use rusqlite::Connection;
use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{Notify, oneshot, watch};

/// Requests that share one transaction at most.
const GROUP_MAX: usize = 64;
/// How often an idle writer looks whether another process has written.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What the writer tells those who wait.
#[derive(Debug)]
pub struct Signals {
    /// Tasks may have become ready.
    pub ready: Notify,
    /// The cursor of the next event.
    pub next_cursor: watch::Sender<u64>,
}

/// A request to the writer.
trait Errand: Send {
    /// Does its work within the transaction. On trouble the whole transaction is rolled back.
    fn perform(&mut self, unit: &mut Unit<'_>) -> Result<(), Trouble>;
    /// Answers, once the transaction is durable or has failed.
    fn answer(self: Box<Self>, failure: Option<StoreError>);
}

/// An errand made of a closure. Its inner result is the caller's: a refusal leaves the transaction as it is.
struct Closure<F, T> {
    work: Option<F>,
    result: Option<Result<T, StoreError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<F, T> Errand for Closure<F, T>
where
    F: FnOnce(&mut Unit<'_>) -> Result<Result<T, StoreError>, Trouble> + Send,
    T: Send,
{
    fn perform(&mut self, unit: &mut Unit<'_>) -> Result<(), Trouble> {
        if let Some(work) = self.work.take() {
            self.result = Some(work(unit)?);
        }
        Ok(())
    }

    fn answer(self: Box<Self>, failure: Option<StoreError>) {
        let result = match (failure, self.result) {
            (Some(error), _) => Err(error),
            (None, Some(result)) => result,
            (None, None) => return,
        };
        // A caller that is gone needs no answer.
        let _ = self.reply.send(result);
    }
}

/// The way to the writer. The thread ends when this is dropped, after what was already asked.
#[derive(Debug)]
pub struct Writer {
    errands: Option<Sender<Box<dyn Errand>>>,
    thread: Option<JoinHandle<()>>,
    clock: SharedClock,
    /// What it tells those who wait.
    pub signals: Arc<Signals>,
}

/// The store's clock, without words of its own.
struct SharedClock(Arc<dyn Clock>);

impl std::fmt::Debug for SharedClock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("clock")
    }
}

impl Writer {
    /// Starts the thread.
    pub fn start(
        conn: Connection,
        file: PathBuf,
        graphs: Arc<Graphs>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StoreError> {
        let next_cursor =
            Counters::load(&conn).map_err(|trouble| trouble.into_store_error(&file))?.next_cursor;
        let signals = Arc::new(Signals { ready: Notify::new(), next_cursor: watch::channel(next_cursor).0 });
        let (errands, inbox) = channel();
        let shared = SharedClock(Arc::clone(&clock));
        let mut desk =
            Desk { conn, file, graphs, clock, signals: Arc::clone(&signals), dice_seed: seed(), seen: 0 };
        let thread = std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || desk.serve(&inbox))
            .map_err(|error| StoreError::Unavailable {
                message: "the store's writer thread did not start; too many threads or too little memory"
                    .into(),
                source: Some(Box::new(error)),
            })?;
        Ok(Self { errands: Some(errands), thread: Some(thread), clock: shared, signals })
    }

    /// The store's moment.
    pub fn now_ms(&self) -> u64 {
        self.clock.0.now_ms()
    }

    /// Lets a closure work within the next transaction and waits until that is durable.
    pub async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        F: FnOnce(&mut Unit<'_>) -> Result<Result<T, StoreError>, Trouble> + Send + 'static,
        T: Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let errand = Box::new(Closure { work: Some(work), result: None, reply });
        let gone =
            || StoreError::Unavailable { message: "the store's writer has stopped".into(), source: None };
        self.errands.as_ref().ok_or_else(gone)?.send(errand).map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.errands = None;
        if let Some(thread) = self.thread.take() {
            // A writer that panicked has already failed its callers.
            let _ = thread.join();
        }
    }
}

fn seed() -> u64 {
    RandomState::new().hash_one("dice")
}

/// The thread's own side.
struct Desk {
    conn: Connection,
    file: PathBuf,
    graphs: Arc<Graphs>,
    clock: Arc<dyn Clock>,
    signals: Arc<Signals>,
    dice_seed: u64,
    /// The version of the file's content, as far as other connections changed it.
    seen: i64,
}

impl Desk {
    fn serve(&mut self, inbox: &Receiver<Box<dyn Errand>>) {
        loop {
            match inbox.recv_timeout(LOOK_EVERY) {
                Ok(first) => {
                    let mut group = vec![first];
                    group.extend(inbox.try_iter().take(GROUP_MAX - 1));
                    self.transact(group);
                }
                Err(RecvTimeoutError::Timeout) => self.look(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn transact(&mut self, mut group: Vec<Box<dyn Errand>>) {
        let failure = match self.commit(&mut group) {
            Ok((readied, next_cursor)) => {
                if readied {
                    self.signals.ready.notify_waiters();
                }
                self.signals
                    .next_cursor
                    .send_if_modified(|seen| std::mem::replace(seen, next_cursor) != next_cursor);
                None
            }
            Err(trouble) => {
                // When the transaction failed by itself, `SQLite` has rolled it back already.
                let _ = self.conn.execute_batch("ROLLBACK");
                Some(trouble)
            }
        };
        let Some(trouble) = failure else {
            return group.into_iter().for_each(|errand| errand.answer(None));
        };
        let mut first = Some(trouble.into_store_error(&self.file));
        let message = first.as_ref().map(ToString::to_string).unwrap_or_default();
        for errand in group {
            let shared = || StoreError::Unavailable { message: message.clone(), source: None };
            errand.answer(Some(first.take().unwrap_or_else(shared)));
        }
    }

    fn commit(&mut self, group: &mut [Box<dyn Errand>]) -> Result<(bool, u64), Trouble> {
        self.conn.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        self.dice_seed = self.dice_seed.wrapping_add(1);
        let dice = Dice::new(self.dice_seed);
        let mut unit = Unit::begin(&self.conn, &self.graphs, self.clock.now_ms(), dice)?;
        for errand in group {
            errand.perform(&mut unit)?;
        }
        let done = unit.finish()?;
        self.conn.prepare_cached("COMMIT")?.execute([])?;
        Ok(done)
    }

    /// Tells those who wait when another process has written.
    fn look(&mut self) {
        let version = self.conn.pragma_query_value(None, "data_version", |row| row.get(0));
        let Ok(version) = version else { return };
        if self.seen == version {
            return;
        }
        self.seen = version;
        self.signals.ready.notify_waiters();
        if let Ok(counters) = Counters::load(&self.conn) {
            let next = counters.next_cursor;
            self.signals.next_cursor.send_if_modified(|seen| std::mem::replace(seen, next) != next);
        }
    }
}
