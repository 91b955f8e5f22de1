//! One partition: decides, applies, leases. Every change goes through a [`Flight`].

mod flight;
mod lease;
mod lost;
mod time;
mod times;

use crate::book::Book;
use crate::deed::Deed;
use crate::error::Trouble;
use crate::graphs::Graphs;
use crate::keys::{Keys, member, task_of};
use crate::leased::LeasedRuns;
use crate::scripts::Scripts;
use crate::source::{READ_WHOLE_MAX, Rows};
use crate::wire::Wire;
use redis::cmd;
use reelmill_lifecycle::{Dice, Transaction};
use reelmill_model::{RunId, TaskRef};
use reelmill_ports::Clock;
use std::sync::Arc;

pub use flight::{Flight, Order, Outcome, Stand};
use lost::Lost;
use time::Time;

/// Times a decision is made again because its run has moved on meanwhile. Each time somebody else got further.
const ROUNDS_MAX: usize = 100;

/// One partition.
pub struct Link {
    wire: Wire,
    keys: Keys,
    graphs: Arc<Graphs>,
    leased: LeasedRuns,
    scripts: &'static Scripts,
    book: Book,
    time: Time,
    seed: u64,
    lost: Lost,
}

/// A link that asks the server nothing until this is dropped.
struct Silent<'a>(&'a mut Link);

impl<'a> Silent<'a> {
    fn keep(link: &'a mut Link) -> Self {
        link.wire.keep_silent(true);
        Self(link)
    }
}

impl Drop for Silent<'_> {
    fn drop(&mut self) {
        self.0.wire.keep_silent(false);
    }
}

impl Link {
    /// A partition's link; nothing is connected yet.
    pub fn new(
        wire: Wire,
        keys: Keys,
        graphs: Arc<Graphs>,
        leased: LeasedRuns,
        clock: Option<Arc<dyn Clock>>,
        seed: u64,
    ) -> Self {
        let (scripts, book, time) = (Scripts::shared(), Book::default(), Time::of(clock));
        Self { wire, keys, graphs, leased, scripts, book, time, seed, lost: Lost::default() }
    }

    /// Whether an order can be decided and sent without asking the server anything first.
    pub fn needs_no_waiting(&self, order: &Order) -> bool {
        let is_known =
            |deed: &Deed| matches!(deed, Deed::Submit(run, _) if self.graphs.has_number(run.graph));
        !order.is_alone() && self.wire.is_ready() && self.time.is_known() && order.deeds.iter().all(is_known)
    }

    fn has_ended(&mut self, task: TaskRef, by_ms: u64) -> Result<bool, Trouble> {
        let key = self.keys.named("leases");
        let ends: Option<f64> = self.wire.query(cmd("ZSCORE").arg(key).arg(member(task.run, task.task)))?;
        Ok(ends.is_some_and(|ends| ends <= by_ms as f64))
    }

    fn rows(&mut self) -> Rows<'_> {
        Rows { wire: &mut self.wire, keys: &self.keys, book: &mut self.book, graphs: &self.graphs }
    }

    fn transaction(&mut self) -> Transaction<Rows<'_>> {
        self.seed = self.seed.wrapping_add(1);
        let (now_ms, dice) = (self.time.now_ms(), Dice::new(self.seed));
        Transaction::new(self.rows(), now_ms, dice)
    }

    /// Reads the runs of these deeds that are not wholly known, all with one question.
    fn prefetch(&mut self, deeds: &[Deed], open: &[usize]) -> Result<(), Trouble> {
        let mut runs: Vec<RunId> = Vec::new();
        for deed in open.iter().map(|at| &deeds[*at]) {
            let known = self.book.page(deed.run());
            // A run of unknown size is read whole too: most are small, and a large one is large for every reading.
            let wanted = known.is_none_or(|page| !page.is_whole() && page.size() <= READ_WHOLE_MAX);
            if wanted && !matches!(deed, Deed::Submit(..)) {
                runs.push(deed.run());
            }
        }
        runs.sort_unstable();
        runs.dedup();
        let (sized, unsized_): (Vec<_>, Vec<_>) =
            runs.into_iter().partition(|run| self.book.page(*run).is_some());
        let small = self.small_ones(&unsized_)?;
        self.rows().read_whole(&[sized, small].concat())
    }

    /// Those of runs that are small enough to be read whole.
    fn small_ones(&mut self, runs: &[RunId]) -> Result<Vec<RunId>, Trouble> {
        if runs.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipe = redis::Pipeline::new();
        for run in runs {
            pipe.cmd("HLEN").arg(self.keys.run(*run));
        }
        let sizes: Vec<u32> = self.wire.all(&pipe)?;
        let small = runs.iter().zip(sizes).filter(|(_, size)| (1..=READ_WHOLE_MAX).contains(size));
        Ok(small.map(|(run, _)| *run).collect())
    }

    /// Every leased task. There are at most as many as the fleet has slots.
    pub fn all_leased(&mut self) -> Result<Vec<TaskRef>, Trouble> {
        let key = self.keys.named("leases");
        let found: Vec<Vec<u8>> = self.wire.query(cmd("ZRANGEBYSCORE").arg(key).arg("-inf").arg("(inf"))?;
        Ok(found.iter().map(|name| task_of(name)).collect::<Result<_, _>>()?)
    }

    /// The partition's own connection, its keys and the moment for scripts: for what is no transition.
    pub fn parts(&mut self) -> (&mut Wire, &Keys, &Scripts, u64) {
        (&mut self.wire, &self.keys, self.scripts, self.time.for_script())
    }
}
