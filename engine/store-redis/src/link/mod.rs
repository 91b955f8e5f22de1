//! One partition: decides, applies, leases. Everything goes through [`Link::commit`].

mod lease;
mod time;
mod times;

use crate::block::Block;
use crate::book::Book;
use crate::deed::{Deed, Done, Removal};
use crate::error::Trouble;
use crate::events::Texts;
use crate::graphs::Graphs;
use crate::keys::{Keys, member, task_of};
use crate::leased::LeasedRuns;
use crate::pack::{Packer, Unpacker};
use crate::scripts::Scripts;
use crate::source::{READ_WHOLE_MAX, Rows};
use crate::wire::Wire;
use redis::cmd;
use reelmill_lifecycle::{Changes, Damage, Dice, Leased, Transaction};
use reelmill_model::limits::{EVENTS_KEPT_BYTES_MAX, EVENTS_KEPT_MAX};
use reelmill_model::{RunId, TaskRef, WorkerId};
use reelmill_ports::{Clock, LeaseRequest, NewRun};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use lease::Taken;
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
}

/// What a commit came to.
#[derive(Default)]
pub struct Outcome {
    /// One for each deed.
    pub done: Vec<Done>,
    /// What was leased, each with the place of the request it answers.
    pub leased: Vec<(usize, Leased)>,
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
        Self { wire, keys, graphs, leased, scripts, book, time, seed }
    }

    /// Does the deeds, each whole or not at all, and leases.
    pub fn commit(
        &mut self,
        deeds: &[Deed],
        worker: &WorkerId,
        leases: &[LeaseRequest],
    ) -> Result<Outcome, Trouble> {
        self.time.hear_now_and_then(&mut self.wire)?;
        self.book.begin();
        let mut done: Vec<Option<Done>> = vec![None; deeds.len()];
        let mut open: Vec<usize> = (0..deeds.len()).collect();
        let (mut taken, mut asked) = (Vec::new(), false);
        for _ in 0..ROUNDS_MAX {
            self.prefetch(deeds, &open)?;
            let changes = match self.decide(deeds, &open, &mut done) {
                Ok(changes) => changes,
                Err(Trouble::Stale(run)) => {
                    self.rows().read_again(run)?;
                    continue;
                }
                Err(trouble) => return Err(trouble),
            };
            let wanted = if asked { &[] } else { leases };
            asked = true;
            let (moved, more) = self.apply(deeds, &open, changes, worker, wanted, &mut done)?;
            taken.extend(more);
            open = self.open_again(deeds, open, &mut done, &moved)?;
            if open.is_empty() {
                let done = done.into_iter().flatten().collect();
                return Ok(Outcome { done, leased: self.describe(&taken)? });
            }
        }
        Err(Trouble::Stale(deeds[open[0]].run()))
    }

    /// The deeds that have to be decided again: their run has moved on, or a remembered row may have been the reason
    /// for a refusal.
    fn open_again(
        &mut self,
        deeds: &[Deed],
        open: Vec<usize>,
        done: &mut [Option<Done>],
        moved: &HashSet<RunId>,
    ) -> Result<Vec<usize>, Trouble> {
        let mut again = Vec::new();
        for at in open {
            let run = deeds[at].run();
            let remembered = self.book.page(run).is_some_and(|page| !page.fresh);
            if moved.contains(&run) {
                // Its worker may have extended the lease.
                if let Deed::Expire(task, by_ms) = deeds[at]
                    && !self.has_ended(task, by_ms)?
                {
                    done[at] = Some(Done::Did(false));
                    continue;
                }
                again.push(at);
            } else if remembered && done[at].as_ref().is_some_and(Done::is_refusal) {
                again.push(at);
            }
        }
        let runs: HashSet<RunId> = again.iter().map(|at: &usize| deeds[*at].run()).collect();
        for run in runs {
            self.rows().read_again(run)?;
        }
        Ok(again)
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

    fn decide(
        &mut self,
        deeds: &[Deed],
        open: &[usize],
        done: &mut [Option<Done>],
    ) -> Result<Vec<Changes>, Trouble> {
        let mut tx = self.transaction();
        let mut submitted = HashSet::new();
        for at in open {
            done[*at] = Some(match &deeds[*at] {
                // The same run twice in one batch.
                Deed::Submit(new, _) if !submitted.insert(new.id) => Done::Submitted(false),
                deed => deed.decide(&mut tx)?,
            });
        }
        Ok(tx.take_changes())
    }

    /// Applies what was decided and leases; says which runs had moved on.
    fn apply(
        &mut self,
        deeds: &[Deed],
        open: &[usize],
        changes: Vec<Changes>,
        worker: &WorkerId,
        leases: &[LeaseRequest],
        done: &mut [Option<Done>],
    ) -> Result<(HashSet<RunId>, Vec<Taken>), Trouble> {
        let open_deeds = || open.iter().map(|at| &deeds[*at]);
        let mut ends: HashMap<TaskRef, u64> = HashMap::new();
        let mut fresh: HashMap<RunId, &Arc<NewRun>> = HashMap::new();
        let mut removed: Vec<(RunId, Removal)> = Vec::new();
        for (deed, at) in open_deeds().zip(open) {
            match deed {
                Deed::Expire(task, by_ms) => drop(ends.insert(*task, *by_ms)),
                Deed::Submit(new, _) => drop(fresh.insert(new.id, new)),
                Deed::Remove(run, why) if done[*at] == Some(Done::Did(true)) => removed.push((*run, *why)),
                _ => {}
            }
        }
        // A run that was only read has no changes to write.
        let changes: Vec<Changes> = changes.into_iter().filter(is_change).collect();
        let mut blocks = Vec::with_capacity(changes.len() + removed.len());
        let mut texts = Texts::default();
        for change in &changes {
            let id = change.run.1.id;
            let page = self.book.page(id).map(|page| &*page);
            let new = fresh.get(&id).copied().or(page.map(|page| &page.new)).map(Arc::clone);
            let new = new.ok_or_else(|| Damage(format!("run {id} was changed and is not known")))?;
            let page = page.filter(|_| !fresh.contains_key(&id));
            let by = |no| ends.get(&TaskRef { run: id, task: no }).copied();
            let graph_no = match page {
                Some(_) => 0,
                None => self.graphs.number(&mut self.wire, new.graph)?,
            };
            blocks.push((id, Block::of(page, &new, graph_no, change, &mut texts, by)?));
        }
        for (id, why) in removed {
            if let Some(page) = self.book.page(id) {
                blocks.push((id, Block::removal(page, why)));
            }
        }
        if blocks.is_empty() && leases.is_empty() {
            return Ok((HashSet::new(), Vec::new()));
        }
        let (verdicts, taken) = self.step(&blocks, texts, worker, leases)?;
        let mut moved = HashSet::new();
        let mut changes = changes.into_iter();
        for ((id, _), verdict) in blocks.iter().zip(verdicts) {
            let change = changes.next();
            match verdict {
                0 => match change {
                    Some(change) if !fresh.contains_key(id) => self.book.applied(change),
                    Some(_) => {}
                    None => self.book.forget(*id),
                },
                2 => {
                    for at in open.iter().filter(|at| deeds[**at].run() == *id) {
                        done[*at] = Some(Done::Submitted(false));
                    }
                }
                _ => drop(moved.insert(*id)),
            }
        }
        Ok((moved, taken))
    }

    /// One call of the script.
    fn step(
        &mut self,
        blocks: &[(RunId, Block)],
        texts: Texts,
        worker: &WorkerId,
        leases: &[LeaseRequest],
    ) -> Result<(Vec<u64>, Vec<Taken>), Trouble> {
        let mut packer = Packer::default();
        packer.list(7).number(self.time.for_script()).bytes(&worker.0).list(blocks.len());
        for (_, block) in blocks {
            block.pack(&mut packer);
        }
        packer.list(leases.len());
        for request in leases {
            self.pack_lease(request, &mut packer)?;
        }
        packer.number(EVENTS_KEPT_MAX).number(EVENTS_KEPT_BYTES_MAX).bytes(texts.done());
        let answer: Vec<u8> = self.wire.run(&self.scripts.step, &self.keys, &packer.done())?;
        let mut answer = Unpacker::new(&answer);
        answer.list()?;
        let now_ms = answer.number()?;
        self.time.hear(now_ms);
        let verdicts = (0..answer.list()?).map(|_| answer.number()).collect::<Result<_, _>>()?;
        let taken = (0..answer.list()?).map(|_| Taken::read(&mut answer));
        let taken = taken.collect::<Result<_, _>>()?;
        Ok((verdicts, taken))
    }

    /// Extends leases; says of each 0 kept, 1 no longer wanted, 2 lost.
    pub fn beat(&mut self, beats: &[(TaskRef, u64)], lease_ms: u64) -> Result<Vec<u8>, Trouble> {
        let mut packer = Packer::default();
        packer.list(3).number(self.time.for_script()).number(lease_ms).list(2 * beats.len());
        for (task, token) in beats {
            packer.bytes(member(task.run, task.task)).number(*token);
        }
        self.wire.run(&self.scripts.beat, &self.keys, &packer.done())
    }

    /// Every leased task. There are at most as many as the fleet has slots.
    pub fn all_leased(&mut self) -> Result<Vec<TaskRef>, Trouble> {
        let found: Vec<Vec<u8>> =
            self.wire.query(cmd("ZRANGE").arg(self.keys.named("leases")).arg(0).arg(-1))?;
        Ok(found.iter().map(|name| task_of(name)).collect::<Result<_, _>>()?)
    }

    /// The partition's own connection, its keys and the moment for scripts: for what is no transition.
    pub fn parts(&mut self) -> (&mut Wire, &Keys, &Scripts, u64) {
        (&mut self.wire, &self.keys, self.scripts, self.time.for_script())
    }
}

fn is_change(changes: &Changes) -> bool {
    changes.run.0 != reelmill_lifecycle::Change::None
        || !changes.tasks.is_empty()
        || !changes.instances.is_empty()
        || !changes.events.is_empty()
}
