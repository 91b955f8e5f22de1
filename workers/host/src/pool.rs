//! Opened processes that wait for work, by what they can do.

use crate::process::Process;
use reelmill_model::Digest;
use reelmill_protocol::Confinement;
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Uses of a stage after which it is worth keeping a spare for it.
const USES_BEFORE_SPARE: u64 = 2;
/// Keys whose uses are counted; beyond, counting starts anew.
const KEYS_COUNTED_MAX: usize = 10_000;

/// What makes two processes interchangeable.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Key {
    /// The plugin's code.
    pub plugin: Digest,
    /// The opened stage; its needs follow from it.
    pub stage: String,
    /// What it may read and write, and its memory.
    pub read: Vec<std::path::PathBuf>,
    /// See `read`.
    pub write: Vec<std::path::PathBuf>,
    /// See `read`.
    pub memory_bytes: u64,
}

impl Key {
    /// The key of a process of this stage with this confinement.
    pub fn new(plugin: Digest, stage: &str, confinement: &Confinement) -> Self {
        Self {
            plugin,
            stage: stage.to_owned(),
            read: confinement.read.clone(),
            write: confinement.write.clone(),
            memory_bytes: confinement.memory_bytes,
        }
    }
}

/// The idle processes of a host.
#[derive(Default, Debug)]
pub struct Pool(Mutex<Inner>);

#[derive(Default, Debug)]
struct Inner {
    /// The longest idle first.
    idle: VecDeque<(Key, Process)>,
    uses: HashMap<Key, u64>,
    /// Spares that are being made.
    expected: HashMap<Key, usize>,
    closed: bool,
}

impl Pool {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Each change below is whole before it could panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The warmest process of a key, and processes that were found dead or noisy.
    pub fn take(&self, key: &Key) -> (Option<Process>, Vec<Process>) {
        let mut inner = self.lock();
        if inner.uses.len() >= KEYS_COUNTED_MAX {
            inner.uses.clear();
        }
        *inner.uses.entry(key.clone()).or_default() += 1;
        let mut unwell = Vec::new();
        while let Some(at) = inner.idle.iter().rposition(|(of, _)| of == key) {
            let Some((_, mut process)) = inner.idle.remove(at) else { break };
            if process.is_well() {
                return (Some(process), unwell);
            }
            unwell.push(process);
        }
        (None, unwell)
    }

    /// Keeps a process. Gives back those that there is no room for, among them perhaps this one.
    pub fn put(&self, key: Key, process: Process, idle_max: usize) -> Vec<Process> {
        let mut inner = self.lock();
        inner.idle.push_back((key, process));
        let room = if inner.closed { 0 } else { idle_max };
        let over = inner.idle.len().saturating_sub(room);
        inner.idle.drain(..over).map(|(_, process)| process).collect()
    }

    /// Whether a spare should be made for a key now. Who gets a yes calls [`Pool::spare_made`] afterwards.
    pub fn wants_spare(&self, key: &Key, spares: usize) -> bool {
        let mut inner = self.lock();
        let there = inner.idle.iter().filter(|(of, _)| of == key).count();
        let expected = inner.expected.get(key).copied().unwrap_or(0);
        let used = inner.uses.get(key).copied().unwrap_or(0);
        let wanted = !inner.closed && used >= USES_BEFORE_SPARE && there + expected < spares;
        if wanted {
            *inner.expected.entry(key.clone()).or_default() += 1;
        }
        wanted
    }

    /// A spare was made, or could not be.
    pub fn spare_made(&self, key: &Key) {
        let mut inner = self.lock();
        if let Some(expected) = inner.expected.get_mut(key) {
            *expected -= 1;
            if *expected == 0 {
                inner.expected.remove(key);
            }
        }
    }

    /// Keeps nothing from now on, and gives back what there is.
    pub fn close(&self) -> Vec<Process> {
        let mut inner = self.lock();
        inner.closed = true;
        inner.idle.drain(..).map(|(_, process)| process).collect()
    }

    /// How many processes wait.
    pub fn len(&self) -> usize {
        self.lock().idle.len()
    }
}
