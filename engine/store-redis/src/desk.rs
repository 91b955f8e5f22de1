//! The thread of a partition. Requests gather while a step is under way and share the next one, as far as they can; and
//! the next is decided while the server works on the one before. While it has nothing to do, others may do a step in its
//! place.

use crate::deed::{Deed, Done};
use crate::error::Trouble;
use crate::link::{Flight, Link, Order, Outcome};
use reelmill_model::WorkerId;
use reelmill_model::limits::STEP_BATCH_MAX;
use reelmill_ports::StoreError;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use tokio::sync::oneshot;

type Reply<T> = oneshot::Sender<Result<T, StoreError>>;
type Work = Box<dyn FnMut(&mut Link) -> Result<(), Trouble> + Send>;

/// A request to the thread.
enum Errand {
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
        let mut clerk = self.clerk();
        clerk.start(order, vec![(order.deeds.len(), reply)]);
        clerk.clear_the_way();
    }

    /// Sends an order on the caller's thread, unless that might have to wait for something: then it is given back.
    fn send_off(&self, order: Order, reply: Reply<Outcome>) -> Option<(Order, Reply<Outcome>)> {
        match self.0.try_lock() {
            Ok(mut clerk) => clerk.send_off(order, reply),
            Err(_) => Some((order, reply)),
        }
    }

    /// What was leased for a wish that stood.
    pub fn take_handed(&self, order: &Arc<Order>, answer: &[u8]) -> Result<Outcome, StoreError> {
        let mut clerk = self.clerk();
        clerk.clear_the_way();
        let outcome = clerk.link.take_handed(order, answer);
        outcome.map_err(|trouble| trouble.into_store_error(&clerk.server))
    }

    /// What was leased for a worker's wish may have got lost.
    pub fn give_up_wish(&self, worker: &WorkerId) {
        self.clerk().link.give_up_wish(worker);
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
        let counter = Counter(Arc::new(Mutex::new(Clerk { link, server: server.clone(), under_way: None })));
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

/// Who waits for how many deeds of a step.
type Caller = (usize, Reply<Outcome>);

/// A step that the server works on, and who waits for it.
struct Trip {
    order: Arc<Order>,
    flight: Flight,
    callers: Vec<Caller>,
}

/// The thread: until nobody can ask any more.
fn serve(counter: &Counter, inbox: &Receiver<Errand>) {
    while let Ok(errand) = inbox.recv() {
        counter.clerk().work(errand, inbox);
    }
}

/// Who makes the steps.
struct Clerk {
    link: Link,
    server: String,
    under_way: Option<Trip>,
}

impl Clerk {
    /// Does an errand and all that come meanwhile.
    fn work(&mut self, first: Errand, inbox: &Receiver<Errand>) {
        let mut next = Some(first);
        loop {
            match next.take().map_or_else(|| inbox.try_recv(), Ok) {
                Ok(Errand::Commit(order, reply)) => {
                    let (order, callers, other) = gather(order, reply, inbox);
                    next = other;
                    self.start(&Arc::new(order), callers);
                }
                Ok(Errand::Hear) => {}
                Ok(Errand::Call(mut work, finish)) => {
                    self.clear_the_way();
                    finish(self.twice(|link| work(link)).err());
                }
                Err(_) if self.under_way.is_some() => self.clear_the_way(),
                Err(_) => return,
            }
        }
    }

    /// Sends an order that needs no waiting, while nothing is under way; gives any other back.
    fn send_off(&mut self, order: Order, reply: Reply<Outcome>) -> Option<(Order, Reply<Outcome>)> {
        if self.under_way.is_some() || !self.link.needs_no_waiting(&order) {
            return Some((order, reply));
        }
        let order = Arc::new(order);
        let sent = self.link.draft(&order).ok().filter(Flight::is_short);
        let sent = sent.and_then(|mut flight| self.link.send(&mut flight).ok().map(|()| flight));
        let Some(flight) = sent else { return Arc::into_inner(order).map(|order| (order, reply)) };
        let callers = vec![(order.deeds.len(), reply)];
        self.under_way = Some(Trip { order, flight, callers });
        None
    }

    /// Sends an order on its way. What was under way before is told of while the server works on this one.
    fn start(&mut self, order: &Arc<Order>, callers: Vec<Caller>) {
        let drafted = self.link.draft(order);
        let Some(mut trip) = self.under_way.take() else { return self.launch(drafted, order, callers) };
        let received = self.link.receive(&mut trip.flight);
        if received.is_ok() && trip.flight.is_settled() {
            self.launch(drafted, order, callers);
            self.finish(trip, received);
        } else {
            // What was taken for granted when this one was decided may be wrong.
            self.finish(trip, received);
            let drafted = self.link.draft(order);
            self.launch(drafted, order, callers);
        }
    }

    fn launch(&mut self, drafted: Result<Flight, Trouble>, order: &Arc<Order>, callers: Vec<Caller>) {
        let sent = drafted.and_then(|mut flight| self.link.send(&mut flight).map(|()| flight));
        match sent {
            Ok(flight) => self.under_way = Some(Trip { order: Arc::clone(order), flight, callers }),
            Err(trouble) => self.try_again(trouble, order, callers),
        }
    }

    fn finish(&mut self, trip: Trip, received: Result<(), Trouble>) {
        let Trip { order, flight, callers } = trip;
        match received.and_then(|()| self.link.land(flight)) {
            Ok(outcome) => answer(callers, outcome),
            Err(trouble) => {
                self.clear_the_way();
                self.try_again(trouble, &order, callers);
            }
        }
    }

    /// Waits for what is under way, and tells of it.
    fn clear_the_way(&mut self) {
        if let Some(mut trip) = self.under_way.take() {
            let received = self.link.receive(&mut trip.flight);
            self.finish(trip, received);
        }
    }

    /// Tries again at once when the connection broke: it may have been idle while the server was restarted. Tokens and
    /// versions make that safe.
    fn try_again(&mut self, trouble: Trouble, order: &Arc<Order>, callers: Vec<Caller>) {
        let again = if trouble.ends_connection() { self.link.commit(order) } else { Err(trouble) };
        match again {
            Ok(outcome) => answer(callers, outcome),
            Err(trouble) => refuse(callers, trouble.into_store_error(&self.server)),
        }
    }

    fn twice<T>(&mut self, mut work: impl FnMut(&mut Link) -> Result<T, Trouble>) -> Result<T, Trouble> {
        match work(&mut self.link) {
            Err(trouble) if trouble.ends_connection() => work(&mut self.link),
            result => result,
        }
    }
}

/// Deeds of several callers as one order, and the errand behind them.
fn gather(
    mut order: Order,
    reply: Reply<Outcome>,
    inbox: &Receiver<Errand>,
) -> (Order, Vec<Caller>, Option<Errand>) {
    let mut callers = vec![(order.deeds.len(), reply)];
    if order.is_alone() {
        return (order, callers, None);
    }
    while order.deeds.len() < STEP_BATCH_MAX {
        match inbox.try_recv() {
            Ok(Errand::Commit(more, reply)) if !more.is_alone() => {
                callers.push((more.deeds.len(), reply));
                order.deeds.extend(more.deeds);
            }
            Ok(other) => return (order, callers, Some(other)),
            Err(_) => break,
        }
    }
    (order, callers, None)
}

/// Tells everybody what came of their deeds. A caller that is gone needs no answer.
fn answer(callers: Vec<Caller>, outcome: Outcome) {
    let Outcome { done, leased, stood } = outcome;
    let (mut done, mut leased) = (done.into_iter(), Some(leased));
    for (count, reply) in callers {
        let part = done.by_ref().take(count).collect();
        let leased = leased.take().unwrap_or_default();
        let _ = reply.send(Ok(Outcome { done: part, leased, stood }));
    }
}

fn refuse(callers: Vec<Caller>, error: StoreError) {
    let message = error.to_string();
    let mut first = Some(error);
    for (_, reply) in callers {
        let shared = || StoreError::Unavailable { message: message.clone(), source: None };
        let _ = reply.send(Err(first.take().unwrap_or_else(shared)));
    }
}
