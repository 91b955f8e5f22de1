//! What is asked of a partition, on its way: decided here, sent, applied by the script, and decided again where a run
//! had moved on. Some may be under way at the server while the next is decided: what they write is taken for granted
//! then, and the next is decided anew if that was wrong.

use super::lease::Taken;
use super::{Link, ROUNDS_MAX, Silent};
use crate::block::Block;
use crate::deed::{Deed, Done, Removal};
use crate::error::Trouble;
use crate::events::Texts;
use crate::pack::{Packer, Unpacker};
use reelmill_lifecycle::{Change, Changes, Damage, Leased};
use reelmill_model::limits::{EVENTS_KEPT_BYTES_MAX, EVENTS_KEPT_MAX};
use reelmill_model::{IdMap, IdSet, RunId, TaskRef, WorkerId};
use reelmill_ports::{LeaseRequest, NewRun};
use std::sync::Arc;

/// Bytes that a connection on which nothing is under way always takes at once; the smallest buffer Linux gives is twice
/// that.
const SHORT: usize = 8 * 1024;

/// What is asked.
#[derive(Debug)]
pub struct Order {
    /// What is to be done, each whole or not at all.
    pub deeds: Vec<Deed>,
    /// Who leases.
    pub worker: WorkerId,
    /// What is wished for then.
    pub leases: Vec<LeaseRequest>,
    /// What becomes of the wish when there is nothing.
    pub stand: Stand,
}

impl Order {
    /// Deeds, and no wishes.
    pub fn of(deeds: Vec<Deed>) -> Self {
        Self { deeds, worker: WorkerId(String::new()), leases: Vec::new(), stand: Stand::No }
    }

    /// The lanes that it wishes for tasks of.
    pub fn lanes(&self) -> Vec<String> {
        self.leases.iter().flat_map(|lease| lease.lanes.iter().cloned()).collect()
    }

    /// Whether it cannot share a step with others.
    pub fn is_alone(&self) -> bool {
        !self.leases.is_empty() || self.stand != Stand::No
    }
}

/// Whether a wish outlasts its step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Stand {
    /// It does not.
    #[default]
    No,
    /// For so many milliseconds whoever readies such tasks leases them for the worker, and hands them into this list
    /// with this number.
    Offer {
        /// For how long.
        ms: u64,
        /// Of the wish; never the same twice.
        number: u64,
        /// The key of the list.
        list: String,
    },
    /// The worker's wish is taken back.
    Withdraw,
}

/// What it came to.
#[derive(Debug, Default)]
pub struct Outcome {
    /// One for each deed.
    pub done: Vec<Done>,
    /// What was leased, each with the place of the request it answers.
    pub leased: Vec<(usize, Leased)>,
    /// Whether a wish was taken back before anybody answered it.
    pub stood: bool,
}

/// What a run's block does, in the order of the blocks.
struct Written {
    run: RunId,
    /// Whether the run is new.
    fresh: bool,
    /// What it leaves; none when the run is removed.
    changes: Option<Changes>,
}

/// An order on its way.
pub struct Flight {
    order: Arc<Order>,
    done: Vec<Option<Done>>,
    /// Deeds that are decided in the present round.
    open: Vec<usize>,
    written: Vec<Written>,
    /// What the script is sent; empty when there is nothing to send.
    request: Vec<u8>,
    /// Whether it is known what was leased.
    has_leased: bool,
    taken: Vec<Taken>,
    /// What was leased before, and its worker was not told of; and whether that was looked for.
    found: Vec<(usize, Leased)>,
    has_looked: bool,
    /// The newest token that was known when it was sent first.
    newest: u64,
    stood: bool,
}

impl Flight {
    fn new(order: &Arc<Order>) -> Self {
        let count = order.deeds.len();
        Self {
            order: Arc::clone(order),
            done: vec![None; count],
            open: (0..count).collect(),
            written: Vec::new(),
            request: Vec::new(),
            has_leased: false,
            taken: Vec::new(),
            found: Vec::new(),
            has_looked: false,
            newest: 0,
            stood: false,
        }
    }

    /// Whether all of it was decided for good.
    pub fn is_settled(&self) -> bool {
        self.open.is_empty()
    }

    /// Whether it fits into any connection's buffer, so that sending it waits for nobody.
    pub fn is_short(&self) -> bool {
        self.request.len() <= SHORT
    }

    /// Whether there is something to send.
    pub fn is_empty(&self) -> bool {
        self.request.is_empty()
    }

    /// Others change its runs faster than it is decided.
    fn too_often(&self) -> Trouble {
        Trouble::Stale(self.order.deeds[self.open[0]].run())
    }

    /// Whether none of its runs is one of the other's.
    pub fn is_apart_from(&self, other: &Self) -> bool {
        let others: IdSet<RunId> = other.runs().collect();
        self.runs().all(|run| !others.contains(&run))
    }

    fn runs(&self) -> impl Iterator<Item = RunId> {
        let asked = self.order.deeds.iter().map(Deed::run);
        asked.chain(self.written.iter().map(|written| written.run))
    }

    fn open_deeds(&self) -> impl Iterator<Item = &Deed> {
        self.open.iter().map(|at| &self.order.deeds[*at])
    }
}

impl Link {
    /// All of it, one after the other.
    pub fn commit(&mut self, order: &Arc<Order>) -> Result<Outcome, Trouble> {
        let mut flight = self.draft(order)?;
        self.send(&mut flight)?;
        self.receive(&mut flight)?;
        self.land(flight)
    }

    /// Decides on an order.
    pub fn draft(&mut self, order: &Arc<Order>) -> Result<Flight, Trouble> {
        self.time.hear_now_and_then(&mut self.wire)?;
        self.book.begin();
        let mut flight = Flight::new(order);
        if self.has_to_look(order) {
            flight.found = self.find_lost(order)?;
            flight.has_looked = true;
        }
        self.round(&mut flight)?;
        Ok(flight)
    }

    /// Decides the open deeds of a flight, and writes what the script is to be sent.
    fn round(&mut self, flight: &mut Flight) -> Result<(), Trouble> {
        for _ in 0..ROUNDS_MAX {
            self.prefetch(&flight.order.deeds, &flight.open)?;
            match self.decide(flight) {
                Ok(changes) => return self.write(flight, changes),
                Err(Trouble::Stale(run)) => self.rows().read_again(run)?,
                Err(trouble) => return Err(trouble),
            }
        }
        Err(flight.too_often())
    }

    fn decide(&mut self, flight: &mut Flight) -> Result<Vec<Changes>, Trouble> {
        let mut tx = self.transaction();
        let mut submitted = IdSet::default();
        for at in &flight.open {
            flight.done[*at] = Some(match &flight.order.deeds[*at] {
                // The same run twice in one batch.
                Deed::Submit(new, _) if !submitted.insert(new.id) => Done::Submitted(false),
                deed => deed.decide(&mut tx)?,
            });
        }
        Ok(tx.take_changes())
    }

    /// Writes what was decided as the script reads it.
    fn write(&mut self, flight: &mut Flight, changes: Vec<Changes>) -> Result<(), Trouble> {
        let mut ends: IdMap<TaskRef, u64> = IdMap::default();
        let mut fresh: IdMap<RunId, &Arc<NewRun>> = IdMap::default();
        let mut removed: Vec<(RunId, Removal)> = Vec::new();
        for (deed, at) in flight.open_deeds().zip(&flight.open) {
            match deed {
                Deed::Expire(task, by_ms) => drop(ends.insert(*task, *by_ms)),
                Deed::Submit(new, _) => drop(fresh.insert(new.id, new)),
                Deed::Remove(run, why) if flight.done[*at] == Some(Done::Did(true)) => {
                    removed.push((*run, *why));
                }
                _ => {}
            }
        }
        // A run that was only read has no changes to write.
        let changes: Vec<Changes> = changes.into_iter().filter(is_change).collect();
        let mut blocks = Vec::with_capacity(changes.len() + removed.len());
        let mut written = Vec::with_capacity(blocks.capacity());
        let mut texts = Texts::default();
        for changes in changes {
            let run = changes.run.1.id;
            let page = self.book.page(run).map(|page| &*page);
            let new = fresh.get(&run).copied().or(page.map(|page| &page.new)).map(Arc::clone);
            let new = new.ok_or_else(|| Damage(format!("run {run} was changed and is not known")))?;
            let is_fresh = fresh.contains_key(&run);
            let page = page.filter(|_| !is_fresh);
            let by = |no| ends.get(&TaskRef { run, task: no }).copied();
            let graph_no = match page {
                Some(_) => 0,
                None => self.graphs.number(&mut self.wire, new.graph)?,
            };
            blocks.push(Block::of(page, &new, graph_no, &changes, &mut texts, by)?);
            written.push(Written { run, fresh: is_fresh, changes: Some(changes) });
        }
        for (run, why) in removed {
            if let Some(page) = self.book.page(run) {
                blocks.push(Block::removal(page, why));
                written.push(Written { run, fresh: false, changes: None });
            }
        }
        flight.written = written;
        flight.request = self.pack(flight, &blocks, texts)?;
        Ok(())
    }

    /// The script's request; empty when there is nothing for it to do.
    fn pack(&mut self, flight: &Flight, blocks: &[Block], texts: Texts) -> Result<Vec<u8>, Trouble> {
        let leases = if flight.has_leased { &[] } else { &flight.order.leases[..] };
        // What was found answers the wish.
        let is_answered = flight.has_leased || !flight.found.is_empty();
        let stand = if is_answered { &Stand::No } else { &flight.order.stand };
        if blocks.is_empty() && leases.is_empty() && *stand == Stand::No {
            return Ok(Vec::new());
        }
        let mut packer = Packer::default();
        packer.list(8).number(self.time.for_script()).bytes(&flight.order.worker.0);
        Block::pack_all(blocks, &mut packer);
        packer.list(leases.len());
        for (at, request) in leases.iter().enumerate() {
            let found = flight.found.iter().filter(|(request, _)| *request == at).count();
            self.pack_lease(request, request.want.saturating_sub(found), &mut packer)?;
        }
        packer.number(EVENTS_KEPT_MAX).number(EVENTS_KEPT_BYTES_MAX).bytes(texts.done());
        stand.pack(&mut packer);
        Ok(packer.done())
    }

    /// Sends it. From now on what it writes is taken for granted.
    pub fn send(&mut self, flight: &mut Flight) -> Result<(), Trouble> {
        // Later rounds lease nothing.
        if !flight.has_leased {
            flight.newest = self.lost.newest();
        }
        if flight.is_empty() {
            return Ok(());
        }
        if let Err(trouble) = self.wire.post(&self.scripts.step, &self.keys, &flight.request) {
            return Err(self.give_up(flight, trouble));
        }
        for Written { run, fresh, changes } in &mut flight.written {
            match changes.take() {
                Some(changes) if !*fresh => self.book.applied(changes),
                Some(_) => {}
                None => self.book.forget(*run),
            }
        }
        Ok(())
    }

    /// Reads what became of it; what is open then has to be decided again.
    pub fn receive(&mut self, flight: &mut Flight) -> Result<(), Trouble> {
        let verdicts = if flight.is_empty() { Ok(Vec::new()) } else { self.read_answer(flight) };
        let verdicts = verdicts.map_err(|trouble| self.give_up(flight, trouble))?;
        flight.has_leased = true;
        let mut moved = IdSet::default();
        for (Written { run, .. }, verdict) in flight.written.iter().zip(verdicts) {
            match verdict {
                0 => {}
                2 => {
                    for at in &flight.open {
                        if flight.order.deeds[*at].run() == *run {
                            flight.done[*at] = Some(Done::Submitted(false));
                        }
                    }
                }
                _ => drop(moved.insert(*run)),
            }
        }
        self.open_again(flight, &moved).map_err(|trouble| self.give_up(flight, trouble))
    }

    /// What was sent before a flight was answered: whatever that leases has newer tokens.
    pub fn note_earlier(&self, flight: &mut Flight) {
        flight.newest = flight.newest.max(self.lost.newest());
    }

    fn read_answer(&mut self, flight: &mut Flight) -> Result<Vec<u64>, Trouble> {
        let answer: Vec<u8> = self.wire.answer()?;
        self.unpack(&answer, flight)
    }

    /// What an answer says; verdicts are returned.
    fn unpack(&mut self, answer: &[u8], flight: &mut Flight) -> Result<Vec<u64>, Trouble> {
        let mut answer = Unpacker::new(answer);
        answer.list()?;
        let now_ms = answer.number()?;
        self.time.hear(now_ms);
        let verdicts = (0..answer.list()?).map(|_| answer.number()).collect::<Result<_, _>>()?;
        for _ in 0..answer.list()? / Taken::ITEMS {
            let taken = Taken::read(&mut answer)?;
            self.lost.saw(taken.token);
            flight.taken.push(taken);
        }
        flight.stood = answer.number()? == 1;
        Ok(verdicts)
    }

    /// What was leased for a wish that stood; none when the server would have to be asked about it.
    pub fn take_handed_unasked(&mut self, order: &Arc<Order>, answer: &[u8]) -> Option<Outcome> {
        let mut flight = Flight::new(order);
        let silent = Silent::keep(self);
        let leased = silent.0.unpack(answer, &mut flight).and_then(|_| silent.0.describe(&flight.taken));
        drop(silent);
        let leased = leased.ok()?;
        self.lost.wish_ends(&order.worker);
        Some(self.tell(flight, leased))
    }

    /// What was leased for a wish that stood.
    pub fn take_handed(&mut self, order: &Arc<Order>, answer: &[u8]) -> Result<Outcome, Trouble> {
        let mut flight = Flight::new(order);
        flight.newest = self.lost.wish_ends(&order.worker).unwrap_or(self.lost.newest());
        let read = self.unpack(answer, &mut flight);
        read.map_err(|trouble| self.give_up(&flight, trouble))?;
        self.land(flight)
    }

    /// Whatever was taken for granted may be wrong, and tasks may have been leased that nobody was told of.
    fn give_up(&mut self, flight: &Flight, trouble: Trouble) -> Trouble {
        self.book.clear();
        if !flight.order.leases.is_empty() {
            self.lost.note(&flight.order.worker, flight.newest);
        }
        trouble
    }

    /// The deeds that have to be decided again: their run has moved on, or a remembered row may have been the reason
    /// for a refusal.
    fn open_again(&mut self, flight: &mut Flight, moved: &IdSet<RunId>) -> Result<(), Trouble> {
        let mut again = Vec::new();
        for at in std::mem::take(&mut flight.open) {
            let deed = &flight.order.deeds[at];
            let run = deed.run();
            let remembered = self.book.remembers(run);
            if moved.contains(&run) {
                // Its worker may have extended the lease.
                if let Deed::Expire(task, by_ms) = deed
                    && !self.has_ended(*task, *by_ms)?
                {
                    flight.done[at] = Some(Done::Did(false));
                    continue;
                }
                again.push(at);
            } else if remembered && flight.done[at].as_ref().is_some_and(Done::is_refusal) {
                again.push(at);
            }
        }
        let runs: IdSet<RunId> =
            moved.iter().copied().chain(again.iter().map(|at| flight.order.deeds[*at].run())).collect();
        for run in runs {
            self.rows().read_again(run)?;
        }
        flight.open = again;
        Ok(())
    }

    /// Decides what is open again until nothing is, and says what all of it came to.
    pub fn land(&mut self, mut flight: Flight) -> Result<Outcome, Trouble> {
        match self.land_all(&mut flight) {
            Ok(leased) => Ok(self.tell(flight, leased)),
            Err(trouble) => Err(self.give_up(&flight, trouble)),
        }
    }

    /// What all of it came to, and what is known of its worker's leases from now on.
    fn tell(&mut self, flight: Flight, leased: Vec<(usize, Leased)>) -> Outcome {
        let worker = &flight.order.worker;
        self.lost.told(worker, leased.iter().map(|(_, leased)| leased.token), flight.has_looked);
        match flight.order.stand {
            Stand::Offer { .. } if leased.is_empty() => self.lost.wish_stands(worker, flight.newest),
            Stand::Withdraw if flight.stood => drop(self.lost.wish_ends(worker)),
            _ => {}
        }
        Outcome { done: flight.done.into_iter().flatten().collect(), leased, stood: flight.stood }
    }

    fn land_all(&mut self, flight: &mut Flight) -> Result<Vec<(usize, Leased)>, Trouble> {
        for _ in 0..ROUNDS_MAX {
            if flight.open.is_empty() {
                let mut leased = std::mem::take(&mut flight.found);
                leased.extend(self.describe(&flight.taken)?);
                return Ok(leased);
            }
            self.round(flight)?;
            self.send(flight)?;
            self.receive(flight)?;
        }
        Err(flight.too_often())
    }
}

impl Stand {
    fn pack(&self, packer: &mut Packer) {
        match self {
            Self::No => drop(packer.no()),
            Self::Offer { ms, number, list } => {
                packer.list(3).number(*ms).number(*number).bytes(list);
            }
            Self::Withdraw => drop(packer.list(3).number(0).number(0).bytes("")),
        }
    }
}

fn is_change(changes: &Changes) -> bool {
    changes.run.0 != Change::None
        || !changes.tasks.is_empty()
        || !changes.instances.is_empty()
        || !changes.events.is_empty()
}
