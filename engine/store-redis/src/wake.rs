//! Waiting for work without asking again and again: a thread a partition blocks on the markers that steps leave in the
//! wake lists of lanes, while somebody waits.

use crate::connect::Address;
use crate::error::Trouble;
use crate::keys::Keys;
use crate::wire::Wire;
use redis::cmd;
use std::collections::BTreeSet;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::Notify;

/// How long one look may block: also how long a thread outlives its store, and a marker taken in vain is not missed.
const LOOK: f64 = 0.5;
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
    closed: bool,
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The threads. They start when somebody waits first.
#[derive(Debug)]
pub struct Wakes {
    shared: Arc<Shared>,
    address: Address,
    keys: Vec<Keys>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// Somebody waits, until this is dropped.
struct Waiting<'a>(&'a Shared);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.lock().waiting -= 1;
    }
}

impl Wakes {
    /// For these partitions.
    pub fn new(address: &Address, keys: &[Keys]) -> Self {
        Self {
            shared: Arc::default(),
            address: address.clone(),
            keys: keys.to_vec(),
            threads: Mutex::default(),
        }
    }

    /// Returns when a marker was left for one of these lanes, or after `at_most`.
    pub async fn wait(&self, lanes: &[String], at_most: Duration) {
        self.start();
        let woken = self.shared.woken.notified();
        let waiting = {
            let mut state = self.shared.lock();
            state.waiting += 1;
            state.lanes.extend(lanes.iter().cloned());
            Waiting(&self.shared)
        };
        self.shared.changed.notify_all();
        // Running out of time is one of the two ways to end.
        let _ = tokio::time::timeout(at_most, woken).await;
        drop(waiting);
    }

    fn start(&self) {
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        if !threads.is_empty() {
            return;
        }
        for keys in &self.keys {
            let (shared, keys) = (Arc::clone(&self.shared), keys.clone());
            let mut wire = Wire::to(self.address.clone());
            let thread = std::thread::Builder::new().name("store-wake".into());
            match thread.spawn(move || listen(&shared, &keys, &mut wire)) {
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

fn listen(shared: &Shared, keys: &Keys, wire: &mut Wire) {
    loop {
        let lanes: Vec<String> = {
            let mut state = shared.lock();
            while state.waiting == 0 && !state.closed {
                state = shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            if state.closed {
                return;
            }
            state.lanes.iter().map(|lane| keys.named(&format!("wake:{lane}"))).collect()
        };
        match look(wire, &lanes) {
            // The permit stays for whoever waits next, should nobody wait any more.
            Ok(true) => shared.woken.notify_one(),
            Ok(false) => {}
            Err(_) => {
                let state = shared.lock();
                drop(shared.changed.wait_timeout(state, PAUSE));
            }
        }
    }
}

fn look(wire: &mut Wire, lanes: &[String]) -> Result<bool, Trouble> {
    let found: Option<(Vec<u8>, Vec<u8>)> = wire.query(cmd("BLPOP").arg(lanes).arg(LOOK))?;
    Ok(found.is_some())
}
