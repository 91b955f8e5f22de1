//! Waiting for work without asking again and again. A worker that waits leaves its wish: in the store, so that whoever
//! readies a task leases it for the worker and hands it over in the same step; or, where there are several partitions,
//! with the threads here, one a partition, which block on the markers that steps leave in the wake lists of lanes, and
//! carry it out when they see one.

use crate::connect::Address;
use crate::desk::{Counter, Desk};
use crate::error::Trouble;
use crate::keys::Keys;
use crate::link::{Order, Outcome, Stand};
use crate::wire::Wire;
use redis::cmd;
use reelmill_lifecycle::Damage;
use reelmill_ports::StoreError;
use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{Notify, oneshot};

/// How long one look may block: also how long a thread outlives its store, and a marker taken in vain is not missed.
const LOOK: f64 = 0.5;
/// Pause after a look that failed; whoever waits has a limit of its own.
const PAUSE: Duration = Duration::from_millis(200);
/// How long a wish stands in the store whose worker says no more. A worker that is seen to be dead loses it at once.
const OFFER_MS: u64 = 5_000;
/// How long handed leases may be on their way.
const HANDED: Duration = Duration::from_secs(2);

/// What the threads share with those who wait.
#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    woken: Notify,
}

#[derive(Debug, Default)]
struct State {
    waiting: usize,
    lanes: BTreeSet<String>,
    standing: Vec<Standing>,
    numbers: u64,
    closed: bool,
}

/// An order that waits for its moment.
#[derive(Debug)]
struct Standing {
    number: u64,
    order: Arc<Order>,
    place: Place,
    reply: oneshot::Sender<Result<Outcome, StoreError>>,
}

/// Where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Here: a marker is for it.
    Here,
    /// On its way into the store.
    Offering,
    /// In the store.
    Store,
}

impl Standing {
    fn is_for(&self, lane: &str) -> bool {
        self.place == Place::Here
            && self.order.leases.iter().any(|lease| lease.lanes.iter().any(|other| other == lane))
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The oldest order that wants tasks of a lane.
    fn take_for(&self, lane: &str) -> Option<Standing> {
        let mut state = self.lock();
        let at = state.standing.iter().position(|standing| standing.is_for(lane))?;
        Some(state.standing.remove(at))
    }

    /// Takes an order out; none when somebody has done so already.
    fn take(&self, number: u64) -> Option<Standing> {
        let mut state = self.lock();
        let at = state.standing.iter().position(|standing| standing.number == number)?;
        Some(state.standing.remove(at))
    }

    /// All orders that stand in the store.
    fn take_offered(&self) -> Vec<Standing> {
        self.lock().standing.extract_if(.., |standing| standing.place == Place::Store).collect()
    }

    fn note_offered(&self, number: u64) {
        let mut state = self.lock();
        if let Some(standing) = state.standing.iter_mut().find(|standing| standing.number == number) {
            standing.place = Place::Store;
        }
    }
}

/// The threads. They start when somebody waits first.
#[derive(Debug)]
pub struct Wakes {
    shared: Arc<Shared>,
    address: Address,
    places: Vec<(Keys, Counter)>,
    /// The name of the list that leases are handed into.
    hand: String,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// Somebody waits, until this is dropped.
struct Waiting<'a> {
    shared: &'a Shared,
    number: Option<u64>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.waiting -= 1;
        state.standing.retain(|standing| Some(standing.number) != self.number);
    }
}

/// How waiting ended.
pub enum Woken {
    /// There may be something, or the time is over: the caller asks.
    Ask,
    /// It was asked already.
    Told(Result<Outcome, StoreError>),
    /// The order was withdrawn.
    Withdrawn,
}

impl Wakes {
    /// For these partitions.
    pub fn new(address: &Address, places: Vec<(Keys, Counter)>) -> Self {
        let hand = format!("hand:{:016x}", RandomState::new().hash_one("hand"));
        Self { shared: Arc::default(), address: address.clone(), places, hand, threads: Mutex::default() }
    }

    /// Returns when a marker was left for one of these lanes, or after `at_most`.
    pub async fn wait(&self, lanes: &[String], at_most: Duration) {
        self.start();
        let woken = self.shared.woken.notified();
        let waiting = self.enter(lanes.iter().cloned(), None);
        // Running out of time is one of the two ways to end.
        let _ = tokio::time::timeout(at_most, woken).await;
        drop(waiting);
    }

    /// Leaves an order with whoever sees a marker first for one of the lanes it wishes for.
    pub async fn stand(
        &self,
        order: Order,
        at_most: Duration,
        withdrawn: impl Future<Output = ()> + Send,
    ) -> Woken {
        self.start();
        let lanes = order.lanes();
        let (reply, mut answer) = oneshot::channel();
        let woken = self.shared.woken.notified();
        let number = self.number();
        let standing = Standing { number, order: Arc::new(order), place: Place::Here, reply };
        let _waiting = self.enter(lanes, Some(standing));
        let otherwise = tokio::select! {
            biased;
            told = &mut answer => return told.map_or(Woken::Ask, Woken::Told),
            () = withdrawn => Woken::Withdrawn,
            () = woken => Woken::Ask,
            () = tokio::time::sleep(at_most) => Woken::Ask,
        };
        if self.shared.take(number).is_some() {
            return otherwise;
        }
        answer.await.map_or(Woken::Ask, Woken::Told)
    }

    /// Leaves a wish in the one partition there is. It is asked for once more by that.
    pub async fn offer(
        &self,
        desk: &Desk,
        order: Order,
        at_most: Duration,
        withdrawn: impl Future<Output = ()> + Send,
    ) -> Woken {
        self.start();
        let lanes = order.lanes();
        let (reply, mut answer) = oneshot::channel();
        let woken = self.shared.woken.notified();
        let (number, order) = (self.number(), Arc::new(order));
        let standing = Standing { number, order: Arc::clone(&order), place: Place::Offering, reply };
        let _waiting = self.enter(lanes, Some(standing));
        let list = self.places[0].0.named(&self.hand);
        let stand = Stand::Offer { ms: OFFER_MS, number, list };
        let (worker, leases) = (order.worker.clone(), order.leases.clone());
        match desk.commit(Order { deeds: Vec::new(), worker, leases, stand }).await {
            Ok(outcome) if outcome.leased.is_empty() => self.shared.note_offered(number),
            told => {
                self.shared.take(number);
                return Woken::Told(told);
            }
        }
        let otherwise = tokio::select! {
            biased;
            told = &mut answer => return told.map_or(Woken::Ask, Woken::Told),
            () = withdrawn => Woken::Withdrawn,
            () = woken => Woken::Ask,
            () = tokio::time::sleep(at_most) => Woken::Withdrawn,
        };
        self.take_back(desk, number, &order, answer, otherwise).await
    }

    /// Takes a wish out of the store; what was handed before is waited for.
    async fn take_back(
        &self,
        desk: &Desk,
        number: u64,
        order: &Arc<Order>,
        answer: oneshot::Receiver<Result<Outcome, StoreError>>,
        otherwise: Woken,
    ) -> Woken {
        let (worker, stand) = (order.worker.clone(), Stand::Withdraw);
        match desk.commit(Order { worker: worker.clone(), stand, ..Order::of(Vec::new()) }).await {
            Ok(outcome) if outcome.stood => {
                self.shared.take(number);
                return otherwise;
            }
            _ => {}
        }
        if let Ok(told) = tokio::time::timeout(HANDED, answer).await {
            return told.map_or(Woken::Ask, Woken::Told);
        }
        // It ran out, or what was handed got lost.
        self.shared.take(number);
        let noted = desk.call(move |link| {
            link.give_up_wish(&worker);
            Ok(())
        });
        match noted.await {
            Ok(()) => Woken::Ask,
            Err(error) => Woken::Told(Err(error)),
        }
    }

    fn number(&self) -> u64 {
        let mut state = self.shared.lock();
        state.numbers += 1;
        state.numbers
    }

    fn enter(&self, lanes: impl IntoIterator<Item = String>, standing: Option<Standing>) -> Waiting<'_> {
        let mut state = self.shared.lock();
        state.waiting += 1;
        state.lanes.extend(lanes);
        let number = standing.as_ref().map(|standing| standing.number);
        state.standing.extend(standing);
        drop(state);
        self.shared.changed.notify_all();
        Waiting { shared: &self.shared, number }
    }

    fn start(&self) {
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        if !threads.is_empty() {
            return;
        }
        for (keys, counter) in &self.places {
            let (shared, keys, counter) = (Arc::clone(&self.shared), keys.clone(), counter.clone());
            let (mut wire, hand) = (Wire::to(self.address.clone()), keys.named(&self.hand));
            let thread = std::thread::Builder::new().name("store-wake".into());
            match thread.spawn(move || listen(&shared, &keys, &hand, &counter, &mut wire)) {
                Ok(thread) => threads.push(thread),
                // Whoever waits has a limit of its own and asks again.
                Err(error) => tracing::warn!(%error, "no thread waits for work; it is asked for instead"),
            }
        }
    }
}

impl Drop for Wakes {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.changed.notify_all();
        for thread in self.threads.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            // A thread that panicked has nobody left to tell.
            let _ = thread.join();
        }
    }
}

fn listen(shared: &Shared, keys: &Keys, hand: &str, counter: &Counter, wire: &mut Wire) {
    loop {
        let lanes: Vec<String> = {
            let mut state = shared.lock();
            while state.waiting == 0 && !state.closed {
                state = shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            if state.closed {
                return;
            }
            state.lanes.iter().cloned().collect()
        };
        match look(wire, keys, hand, &lanes) {
            Ok(Some(Found::Handed { number, answer })) => deliver(shared, counter, number, &answer),
            Ok(Some(Found::Marker(lane))) => match shared.take_for(&lane) {
                Some(standing) => counter.commit(&standing.order, standing.reply),
                // The permit stays for whoever waits next, should nobody wait any more.
                None => shared.woken.notify_one(),
            },
            Ok(None) => {}
            Err(_) => {
                give_up(shared, counter);
                let state = shared.lock();
                drop(shared.changed.wait_timeout(state, PAUSE));
            }
        }
    }
}

/// What a look finds.
enum Found {
    /// A marker for a lane.
    Marker(String),
    /// Leases for the wish of this number.
    Handed { number: u64, answer: Vec<u8> },
}

/// Waits for a marker, or for leases.
fn look(wire: &mut Wire, keys: &Keys, hand: &str, lanes: &[String]) -> Result<Option<Found>, Trouble> {
    let lists: Vec<String> = lanes.iter().map(|lane| keys.named(&format!("wake:{lane}"))).collect();
    let found: Option<(String, Vec<u8>)> = wire.query(cmd("BLPOP").arg(hand).arg(&lists).arg(LOOK))?;
    let Some((list, bytes)) = found else { return Ok(None) };
    if list == hand {
        let (number, answer) =
            bytes.split_first_chunk().ok_or_else(|| Damage("what was handed has no number".into()))?;
        return Ok(Some(Found::Handed { number: u64::from_be_bytes(*number), answer: answer.to_vec() }));
    }
    let at = lists.iter().position(|other| *other == list);
    Ok(at.map(|at| Found::Marker(lanes[at].clone())))
}

/// Tells a worker what was leased for its wish. A wish that is here no more was given up, and so are its leases.
fn deliver(shared: &Shared, counter: &Counter, number: u64, answer: &[u8]) {
    let Some(standing) = shared.take(number) else { return };
    let outcome = counter.take_handed(&standing.order, answer);
    // Whoever is gone needs no answer.
    let _ = standing.reply.send(outcome);
}

/// What was on its way may have got lost with the connection.
fn give_up(shared: &Shared, counter: &Counter) {
    for standing in shared.take_offered() {
        counter.give_up_wish(&standing.order.worker);
        let message = "the connection on which work is waited for broke".to_owned();
        let _ = standing.reply.send(Err(StoreError::Unavailable { message, source: None }));
    }
}
