//! Who makes the steps of a partition. The next is decided while the server works on the one before, and sent before that
//! is answered where none of its runs is in it: so the server goes from one to the other without waiting for anybody, be
//! it as far away as it may.

use crate::desk::{Errand, Reply};
use crate::error::Trouble;
use crate::link::{Flight, Link, Order, Outcome};
use reelmill_model::limits::STEP_BATCH_MAX;
use reelmill_ports::StoreError;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

/// Steps that the server is sent before the first of them is answered.
const TRIPS_MAX: usize = 2;

/// Who waits for how many deeds of a step.
type Caller = (usize, Reply<Outcome>);

/// A step that the server works on, and who waits for it.
struct Trip {
    order: Arc<Order>,
    flight: Flight,
    callers: Vec<Caller>,
}

/// Who makes the steps.
pub struct Clerk {
    link: Link,
    server: String,
    /// The oldest first: that is answered first.
    under_way: VecDeque<Trip>,
}

impl Clerk {
    /// With a link, to a server of this name.
    pub fn new(link: Link, server: String) -> Self {
        Self { link, server, under_way: VecDeque::new() }
    }

    /// Does an errand and all that come meanwhile.
    pub fn work(&mut self, first: Errand, inbox: &Receiver<Errand>) {
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
                Err(_) => match self.hear_first() {
                    Some((trip, received)) => self.finish(trip, received),
                    None => return,
                },
            }
        }
    }

    /// Does what is ordered, and waits for it.
    pub fn commit(&mut self, order: &Arc<Order>, reply: Reply<Outcome>) {
        self.start(order, vec![(order.deeds.len(), reply)]);
        self.clear_the_way();
    }

    /// Sends an order that needs no waiting, while nothing is under way; gives any other back.
    pub fn send_off(&mut self, order: Order, reply: Reply<Outcome>) -> Option<(Order, Reply<Outcome>)> {
        if !self.under_way.is_empty() || !self.link.needs_no_waiting(&order) {
            return Some((order, reply));
        }
        let order = Arc::new(order);
        let sent = self.link.draft(&order).ok().filter(Flight::is_short);
        let sent = sent.and_then(|mut flight| self.link.send(&mut flight).ok().map(|()| flight));
        let Some(flight) = sent else { return Arc::into_inner(order).map(|order| (order, reply)) };
        let callers = vec![(order.deeds.len(), reply)];
        self.under_way.push_back(Trip { order, flight, callers });
        None
    }

    /// Reads what was leased for a wish that stood, while nothing is under way and if the server need not be asked.
    pub fn take_handed(&mut self, order: &Arc<Order>, answer: &[u8]) -> Option<Outcome> {
        self.under_way.is_empty().then(|| self.link.take_handed_unasked(order, answer)).flatten()
    }

    /// Sends an order on its way. Those whose callers are told of what came before are told while the server works on
    /// this one.
    fn start(&mut self, order: &Arc<Order>, callers: Vec<Caller>) {
        let mut drafted = self.link.draft(order);
        let mut heard = Vec::new();
        while !self.may_follow(&drafted)
            && let Some((trip, received)) = self.hear_first()
        {
            let is_settled = received.is_ok() && trip.flight.is_settled();
            heard.push((trip, received));
            if !is_settled {
                // What was taken for granted when this one was decided may be wrong.
                self.finish_all(heard.drain(..));
                self.clear_the_way();
                drafted = self.link.draft(order);
            }
        }
        self.launch(drafted, order, callers);
        self.finish_all(heard.into_iter());
    }

    /// Whether an order may be sent behind those under way: it must not count on what they write, for they may be
    /// refused.
    fn may_follow(&self, drafted: &Result<Flight, Trouble>) -> bool {
        let is_apart = |flight: &Flight| self.under_way.iter().all(|trip| flight.is_apart_from(&trip.flight));
        self.under_way.len() < TRIPS_MAX && drafted.as_ref().is_ok_and(is_apart)
    }

    fn launch(&mut self, drafted: Result<Flight, Trouble>, order: &Arc<Order>, callers: Vec<Caller>) {
        let sent = drafted.and_then(|mut flight| self.link.send(&mut flight).map(|()| flight));
        match sent {
            Ok(flight) => self.under_way.push_back(Trip { order: Arc::clone(order), flight, callers }),
            Err(trouble) => self.try_again(trouble, order, callers),
        }
    }

    /// Waits for the answer to the oldest.
    fn hear_first(&mut self) -> Option<(Trip, Result<(), Trouble>)> {
        let mut trip = self.under_way.pop_front()?;
        let received = self.link.receive(&mut trip.flight);
        for later in &mut self.under_way {
            self.link.note_earlier(&mut later.flight);
        }
        Some((trip, received))
    }

    fn finish_all(&mut self, heard: impl Iterator<Item = (Trip, Result<(), Trouble>)>) {
        for (trip, received) in heard {
            self.finish(trip, received);
        }
    }

    fn finish(&mut self, trip: Trip, received: Result<(), Trouble>) {
        let Trip { order, flight, callers } = trip;
        if !flight.is_settled() {
            // What is asked next is answered behind those.
            self.clear_the_way();
        }
        match received.and_then(|()| self.link.land(flight)) {
            Ok(outcome) => answer(callers, outcome),
            Err(trouble) => self.try_again(trouble, &order, callers),
        }
    }

    /// Waits for what is under way, and tells of it.
    fn clear_the_way(&mut self) {
        while let Some((trip, received)) = self.hear_first() {
            self.finish(trip, received);
        }
    }

    /// Tries again at once when the connection broke: it may have been idle while the server was restarted. Tokens and
    /// versions make that safe.
    fn try_again(&mut self, trouble: Trouble, order: &Arc<Order>, callers: Vec<Caller>) {
        let again = if trouble.ends_connection() {
            self.clear_the_way();
            self.link.commit(order)
        } else {
            Err(trouble)
        };
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
