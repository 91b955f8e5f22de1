//! Waiting for work without asking again and again, where a wish cannot stand in the store (`offer.rs`): a worker that
//! waits leaves it with the threads here, one a partition, which block on the markers that steps leave in the wake lists
//! of lanes, and carry it out when they see one.

use crate::connect::Address;
use crate::desk::Counter;
use crate::ear::{Found, blpop};
use crate::error::Trouble;
use crate::keys::Keys;
use crate::link::{Order, Outcome};
use crate::wire::Wire;
use reelmill_ports::StoreError;
use std::collections::BTreeSet;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{Notify, oneshot};

/// Pause after a look that failed; whoever waits has a limit of its own.
const PAUSE: Duration = Duration::from_millis(200);

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
    reply: oneshot::Sender<Result<Outcome, StoreError>>,
}

impl Standing {
    fn is_for(&self, lane: &str) -> bool {
        self.order.leases.iter().any(|lease| lease.lanes.iter().any(|other| other == lane))
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
}

/// The threads. They start when somebody waits first.
#[derive(Debug)]
pub struct Wakes {
    shared: Arc<Shared>,
    address: Address,
    places: Vec<(Keys, Counter)>,
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
        Self { shared: Arc::default(), address: address.clone(), places, threads: Mutex::default() }
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
        let standing = Standing { number, order: Arc::new(order), reply };
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
            let mut wire = Wire::to(self.address.clone());
            let thread = std::thread::Builder::new().name("store-wake".into());
            match thread.spawn(move || listen(&shared, &keys, &counter, &mut wire)) {
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

fn listen(shared: &Shared, keys: &Keys, counter: &Counter, wire: &mut Wire) {
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
        match look_for(wire, keys, &lanes) {
            Ok(Some(lane)) => match shared.take_for(&lane) {
                Some(standing) => counter.commit(&standing.order, standing.reply),
                // The permit stays for whoever waits next, should nobody wait any more.
                None => shared.woken.notify_one(),
            },
            Ok(None) => {}
            Err(_) => {
                let state = shared.lock();
                drop(shared.changed.wait_timeout(state, PAUSE));
            }
        }
    }
}

/// Waits for a marker; says of which lane it is.
fn look_for(wire: &mut Wire, keys: &Keys, lanes: &[String]) -> Result<Option<String>, Trouble> {
    let lists: Vec<String> = lanes.iter().map(|lane| keys.wake(lane)).collect();
    let found: Found = wire.query(&blpop(lists.iter().cloned()))?;
    let at = found.and_then(|(list, _)| lists.iter().position(|other| *other == list));
    Ok(at.map(|at| lanes[at].clone()))
}
