//! The thread of a partition. Requests gather while steps are under way and share the next one, as far as they can.
//! While it has nothing to do, others may do a step in its place.

use crate::clerk::Clerk;
use crate::deed::{Deed, Done};
use crate::error::Trouble;
use crate::link::{Link, Order, Outcome};
use reelmill_ports::StoreError;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use tokio::sync::oneshot;

/// Where an answer goes.
pub type Reply<T> = oneshot::Sender<Result<T, StoreError>>;
/// What is done with the link.
pub type Work = Box<dyn FnMut(&mut Link) -> Result<(), Trouble> + Send>;

/// A request to the thread.
pub enum Errand {
    /// Something to be done; without wishes, it shares a step with others'.
    Commit(Order, Reply<Outcome>),
    /// What is under way is to be heard of: somebody else sent it.
    Hear,
    /// Anything else. It may be called twice, when the connection broke.
    Call(Work, Box<dyn FnOnce(Option<Trouble>) + Send>),
}

/// The way to the thread of a partition. It ends when this is dropped, after what was already asked.
#[derive(Debug)]
pub struct Desk {
    errands: Option<Sender<Errand>>,
    thread: Option<JoinHandle<()>>,
    counter: Counter,
    server: String,
}

/// Where steps are made. A clone is another handle on the same.
#[derive(Clone)]
pub struct Counter(Arc<Mutex<Clerk>>);

impl std::fmt::Debug for Counter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Counter").finish_non_exhaustive()
    }
}

impl Counter {
    /// Does what is ordered on the caller's own thread, as soon as no other step is under way.
    pub fn commit(&self, order: &Arc<Order>, reply: Reply<Outcome>) {
        self.clerk().commit(order, reply);
    }

    /// Sends an order on the caller's thread, unless that might have to wait for something: then it is given back.
    fn send_off(&self, order: Order, reply: Reply<Outcome>) -> Option<(Order, Reply<Outcome>)> {
        match self.0.try_lock() {
            Ok(mut clerk) => clerk.send_off(order, reply),
            Err(_) => Some((order, reply)),
        }
    }

    /// Reads what was leased for a wish that stood, unless somebody would have to be waited for.
    fn take_handed(&self, order: &Arc<Order>, answer: &[u8]) -> Option<Outcome> {
        self.0.try_lock().ok()?.take_handed(order, answer)
    }

    fn clerk(&self) -> MutexGuard<'_, Clerk> {
        // A thread that panicked in the middle of a step leaves a link that remembers too much: the server checks it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Desk {
    /// Starts the thread.
    pub fn start(link: Link, server: String) -> Result<Self, StoreError> {
        let (errands, inbox) = channel();
        let counter = Counter(Arc::new(Mutex::new(Clerk::new(link, server.clone()))));
        let behind = counter.clone();
        let thread = std::thread::Builder::new()
            .name("store-redis".into())
            .spawn(move || serve(&behind, &inbox))
            .map_err(|error| StoreError::Unavailable {
                message: "the store's thread did not start; too many threads or too little memory".into(),
                source: Some(Box::new(error)),
            })?;
        Ok(Self { errands: Some(errands), thread: Some(thread), counter, server })
    }

    /// Where its steps are made.
    pub fn counter(&self) -> &Counter {
        &self.counter
    }

    /// Does what is ordered, each deed whole or not at all. What needs no waiting is on its way before the thread is even
    /// awake.
    pub async fn commit(&self, order: Order) -> Result<Outcome, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.send(match self.counter.send_off(order, reply) {
            None => Errand::Hear,
            Some((order, reply)) => Errand::Commit(order, reply),
        })?;
        answer.await.map_err(|_| gone())?
    }

    /// What was leased for a wish that stood.
    pub async fn take_handed(&self, order: &Arc<Order>, answer: Vec<u8>) -> Result<Outcome, StoreError> {
        if let Some(outcome) = self.counter.take_handed(order, &answer) {
            return Ok(outcome);
        }
        let order = Arc::clone(order);
        self.call(move |link| link.take_handed(&order, &answer)).await
    }

    /// Does deeds, each whole or not at all.
    pub async fn deeds(&self, deeds: Vec<Deed>) -> Result<Vec<Done>, StoreError> {
        Ok(self.commit(Order::of(deeds)).await?.done)
    }

    /// Does one deed.
    pub async fn deed(&self, deed: Deed) -> Result<Done, StoreError> {
        self.deeds(vec![deed]).await?.pop().ok_or_else(gone)
    }

    /// Lets a closure work with the link. It is called a second time when the connection broke the first.
    pub async fn call<T: Send + 'static>(
        &self,
        mut work: impl FnMut(&mut Link) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let (result_in, result_out) = channel();
        let server = self.server.clone();
        let work: Work = Box::new(move |link| {
            let result = work(link)?;
            // The other end waits in this very errand.
            let _ = result_in.send(result);
            Ok(())
        });
        let finish = Box::new(move |trouble: Option<Trouble>| {
            let result = match trouble {
                Some(trouble) => Err(trouble.into_store_error(&server)),
                None => result_out.try_recv().map_err(|_| gone()),
            };
            // A caller that is gone needs no answer.
            let _ = reply.send(result);
        });
        self.send(Errand::Call(work, finish))?;
        answer.await.map_err(|_| gone())?
    }

    fn send(&self, errand: Errand) -> Result<(), StoreError> {
        self.errands.as_ref().ok_or_else(gone)?.send(errand).map_err(|_| gone())
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.errands = None;
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has already failed its callers.
            let _ = thread.join();
        }
    }
}

fn gone() -> StoreError {
    StoreError::Unavailable { message: "the store's thread has stopped".into(), source: None }
}

/// The thread: until nobody can ask any more.
fn serve(counter: &Counter, inbox: &Receiver<Errand>) {
    while let Ok(errand) = inbox.recv() {
        counter.clerk().work(errand, inbox);
    }
}
