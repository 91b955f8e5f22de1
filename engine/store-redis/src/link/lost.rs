//! Leases that nobody was told of: the script gave them, and its answer did not arrive. Their worker neither works on
//! them nor extends them; so they are looked for before it leases again.

use super::Link;
use super::flight::Order;
use crate::codec;
use crate::error::Trouble;
use redis::{Pipeline, cmd};
use reelmill_lifecycle::Leased;
use reelmill_model::{TaskRef, TaskState, Token, WorkerId};
use reelmill_ports::LeaseRequest;
use std::collections::{HashMap, HashSet};

/// Which leases may be lost.
#[derive(Debug, Default)]
pub struct Lost {
    /// The newest token that any answer told of.
    newest: u64,
    workers: HashMap<WorkerId, Missing>,
    /// Whose wishes stand, with the newest token when they began to.
    wishes: HashMap<WorkerId, u64>,
}

/// What one worker may lack.
#[derive(Debug)]
struct Missing {
    /// Leases with newer tokens than this one.
    after: u64,
    /// But for these, which it was told of since.
    told: HashSet<u64>,
}

impl Lost {
    /// The newest token that any answer told of.
    pub fn newest(&self) -> u64 {
        self.newest
    }

    /// An answer tells of this token.
    pub fn saw(&mut self, token: u64) {
        self.newest = self.newest.max(token);
    }

    /// A worker's wish stands; `newest` was the newest token then.
    pub fn wish_stands(&mut self, worker: &WorkerId, newest: u64) {
        self.wishes.insert(worker.clone(), newest);
    }

    /// It does not any more; says since which token it did.
    pub fn wish_ends(&mut self, worker: &WorkerId) -> Option<u64> {
        self.wishes.remove(worker)
    }

    /// A worker may lack leases with newer tokens than this one.
    pub fn note(&mut self, worker: &WorkerId, after: u64) {
        let missing = Missing { after, told: HashSet::new() };
        let known = self.workers.entry(worker.clone()).or_insert(missing);
        known.after = known.after.min(after);
    }

    /// Whether a worker may lack leases.
    fn may_lack(&self, worker: &WorkerId) -> bool {
        self.workers.contains_key(worker)
    }

    /// A worker was told of leases; of all that it lacked, if they were looked for.
    pub fn told(&mut self, worker: &WorkerId, tokens: impl Iterator<Item = Token>, of_all: bool) {
        if of_all {
            self.workers.remove(worker);
        } else if let Some(missing) = self.workers.get_mut(worker) {
            missing.told.extend(tokens.map(|token| token.0));
        }
    }
}

impl Link {
    /// Whether there may be leases that the worker of an order was not told of, and it is time to look for them: while
    /// something is under way, those that are about to be told of would be found too.
    pub(super) fn has_to_look(&self, order: &Order) -> bool {
        !order.leases.is_empty() && !self.wire.is_busy() && self.lost.may_lack(&order.worker)
    }

    /// What was leased for a worker's wish may have got lost.
    pub fn give_up_wish(&mut self, worker: &WorkerId) {
        if let Some(newest) = self.lost.wish_ends(worker) {
            self.lost.note(worker, newest);
        }
    }

    /// The leases that the worker of an order was not told of, each with the place of the request that it answers.
    pub(super) fn find_lost(&mut self, order: &Order) -> Result<Vec<(usize, Leased)>, Trouble> {
        // A wish that still stands would be answered behind this look.
        self.wire.query::<()>(cmd("DEL").arg(self.keys.named(&format!("stand:{}", order.worker.0))))?;
        let tasks = self.held_by(&order.worker)?;
        let Some(missing) = self.lost.workers.get(&order.worker) else { return Ok(Vec::new()) };
        let untold = |token: &u64| *token > missing.after && !missing.told.contains(token);
        let lost: Vec<TaskRef> =
            tasks.into_iter().filter(|(_, token)| untold(token)).map(|(task, _)| task).collect();
        let mut found = Vec::new();
        for task in lost {
            self.rows().read_again(task.run)?;
            if let Some(leased) = self.describe_one(task)? {
                self.lost.saw(leased.token.0);
                let lane = self.book.page(task.run).map(|page| page.graph.node(leased.node).lane());
                let answers =
                    |request: &LeaseRequest| lane.as_ref().is_some_and(|lane| request.lanes.contains(lane));
                found.push((order.leases.iter().position(answers).unwrap_or(0), leased));
            }
        }
        Ok(found)
    }

    /// What a worker holds, with the tokens.
    fn held_by(&mut self, worker: &WorkerId) -> Result<Vec<(TaskRef, u64)>, Trouble> {
        let tasks = self.all_leased()?;
        if tasks.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipe = Pipeline::new();
        for task in &tasks {
            pipe.cmd("HGET").arg(self.keys.run(task.run)).arg(format!("t{}", task.task));
        }
        let rows: Vec<Option<Vec<u8>>> = self.wire.all(&pipe)?;
        let mut held = Vec::new();
        for (task, row) in tasks.into_iter().zip(rows) {
            let Some(row) = row else { continue };
            let row = codec::read_task(task.task, &row)?;
            if row.state == TaskState::Leased && row.worker.as_ref() == Some(worker) {
                held.push((task, row.token.0));
            }
        }
        Ok(held)
    }
}
