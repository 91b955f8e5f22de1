//! One partition: decides, applies, leases. Everything goes through [`Link::commit`].

use crate::block::Block;
use crate::book::{Book, Head};
use crate::deed::{Deed, Done, Removal};
use crate::error::Trouble;
use crate::graphs::Graphs;
use crate::keys::{Keys, member, run_id, task_of};
use crate::leased::LeasedRuns;
use crate::pack::{Packer, Unpacker};
use crate::source::{READ_WHOLE_MAX, Rows};
use crate::wire::Wire;
use redis::{Script, cmd};
use reelmill_lifecycle::{Changes, Damage, Dice, Leased, Only, Transaction};
use reelmill_model::limits::EVENTS_KEPT_MAX;
use reelmill_model::{InstanceNo, RunId, TaskRef, TaskState, WorkerId};
use reelmill_ports::{Clock, LeaseRequest, NewRun};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

/// Times a decision is made again because its run has moved on meanwhile. Each time somebody else got further.
const ROUNDS_MAX: usize = 100;
/// Runs that a worker of one run or one batch looks at in one step.
const RUNS_LOOKED_AT_MAX: isize = 256;

/// The scripts.
pub struct Scripts {
    step: Script,
    beat: Script,
    /// Appends log lines.
    pub log: Script,
    /// Notes progress.
    pub progress: Script,
}

impl Default for Scripts {
    fn default() -> Self {
        Self {
            step: Script::new(include_str!("lua/step.lua")),
            beat: Script::new(include_str!("lua/beat.lua")),
            log: Script::new(include_str!("lua/log.lua")),
            progress: Script::new(include_str!("lua/progress.lua")),
        }
    }
}

/// The moment, as the server tells it.
struct Time {
    /// The tests' clock, which the scripts then go by too.
    given: Option<Arc<dyn Clock>>,
    /// The server's clock when it was last heard, and when that was.
    heard: Option<(u64, Instant)>,
}

impl Time {
    fn now_ms(&self) -> u64 {
        match (&self.given, self.heard) {
            (Some(clock), _) => clock.now_ms(),
            (None, Some((ms, at))) => ms + u64::try_from(at.elapsed().as_millis()).unwrap_or(0),
            (None, None) => 0,
        }
    }

    /// What the scripts are told: 0 for their own clock.
    fn for_script(&self) -> u64 {
        self.given.as_ref().map_or(0, |clock| clock.now_ms())
    }
}

/// One partition.
pub struct Link {
    wire: Wire,
    keys: Keys,
    graphs: Arc<Graphs>,
    leased: LeasedRuns,
    scripts: Scripts,
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

/// One leased task as the script tells it.
struct Taken {
    request: usize,
    task: TaskRef,
    token: u64,
    version: u64,
    run: Vec<u8>,
    started_ms: u64,
    new: Vec<u8>,
    row: Vec<u8>,
    instance: Vec<u8>,
    main: Vec<u8>,
    leased_ms: u64,
    worker: WorkerId,
}

impl Taken {
    fn read(answer: &mut Unpacker<'_>, now_ms: u64, worker: &WorkerId) -> Result<Self, Damage> {
        answer.list()?;
        Ok(Self {
            request: usize::try_from(answer.number()?).unwrap_or(0).saturating_sub(1),
            task: task_of(answer.bytes()?)?,
            token: answer.number()?,
            version: answer.text_number()?,
            run: answer.bytes()?.to_vec(),
            started_ms: answer.text_number()?,
            new: answer.bytes()?.to_vec(),
            row: answer.bytes()?.to_vec(),
            instance: answer.bytes()?.to_vec(),
            main: answer.bytes()?.to_vec(),
            leased_ms: now_ms,
            worker: worker.clone(),
        })
    }
}

/// The main body's instance, in every run.
const MAIN: InstanceNo = InstanceNo(0);

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
        let time = Time { given: clock, heard: None };
        Self { wire, keys, graphs, leased, scripts: Scripts::default(), book: Book::default(), time, seed }
    }

    /// Does the deeds, each whole or not at all, and leases.
    pub fn commit(
        &mut self,
        deeds: &[Deed],
        worker: &WorkerId,
        leases: &[LeaseRequest],
    ) -> Result<Outcome, Trouble> {
        self.hear_time()?;
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

    fn hear_time(&mut self) -> Result<(), Trouble> {
        if self.time.given.is_none() && self.time.heard.is_none_or(|(_, at)| at.elapsed().as_secs() >= 60) {
            let (seconds, micros): (u64, u64) = self.wire.query(&cmd("TIME"))?;
            self.time.heard = Some((seconds * 1000 + micros / 1000, Instant::now()));
        }
        Ok(())
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
        for at in open {
            done[*at] = Some(deeds[*at].decide(&mut tx)?);
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
        for change in &changes {
            let id = change.run.1.id;
            let page = self.book.page(id).map(|page| &*page);
            let new = fresh.get(&id).copied().or(page.map(|page| &page.new)).map(Arc::clone);
            let new = new.ok_or_else(|| Damage(format!("run {id} was changed and is not known")))?;
            let page = page.filter(|_| !fresh.contains_key(&id));
            let by = |no| ends.get(&TaskRef { run: id, task: no }).copied();
            blocks.push((id, Block::of(page, &new, change, by)?));
        }
        for (id, why) in removed {
            if let Some(page) = self.book.page(id) {
                blocks.push((id, Block::removal(page, why)));
            }
        }
        if blocks.is_empty() && leases.is_empty() {
            return Ok((HashSet::new(), Vec::new()));
        }
        let (verdicts, taken) = self.step(&blocks, worker, leases)?;
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
        worker: &WorkerId,
        leases: &[LeaseRequest],
    ) -> Result<(Vec<u64>, Vec<Taken>), Trouble> {
        let mut packer = Packer::default();
        packer.list(5).number(self.time.for_script()).bytes(&worker.0).list(blocks.len());
        for (_, block) in blocks {
            block.pack(&mut packer);
        }
        packer.list(leases.len());
        for request in leases {
            self.pack_lease(request, &mut packer)?;
        }
        packer.number(EVENTS_KEPT_MAX);
        let answer: Vec<u8> = self.wire.run(&self.scripts.step, &self.keys, &packer.done())?;
        let mut answer = Unpacker::new(&answer);
        answer.list()?;
        let now_ms = answer.number()?;
        if self.time.given.is_none() {
            self.time.heard = Some((now_ms, Instant::now()));
        }
        let verdicts = (0..answer.list()?).map(|_| answer.number()).collect::<Result<_, _>>()?;
        let taken = (0..answer.list()?).map(|_| Taken::read(&mut answer, now_ms, worker));
        let taken = taken.collect::<Result<_, _>>()?;
        Ok((verdicts, taken))
    }

    fn pack_lease(&mut self, request: &LeaseRequest, packer: &mut Packer) -> Result<(), Trouble> {
        let lease_ms = u64::try_from(request.lease.as_millis()).unwrap_or(u64::MAX);
        let only = match &request.only {
            Only::Any => None,
            Only::Run(run) => Some(vec![*run]),
            Only::Batch(batch) => Some(self.runs_of_batch(batch)?),
        };
        let candidates = only.map(|runs| self.candidates(&runs, request)).transpose()?;
        packer.list(4).list(request.lanes.len());
        for lane in &request.lanes {
            packer.bytes(lane);
        }
        packer.number(request.want as u64).number(lease_ms);
        match candidates {
            None => drop(packer.no()),
            Some(tasks) => {
                packer.list(3 * tasks.len());
                for (lane, tenant, member) in tasks {
                    packer.bytes(lane).bytes(tenant).bytes(member);
                }
            }
        }
        Ok(())
    }

    fn runs_of_batch(&mut self, batch: &str) -> Result<Vec<RunId>, Trouble> {
        let mut ids: Vec<Vec<u8>> = self.wire.query(
            cmd("SRANDMEMBER").arg(self.keys.named(&format!("batch:{batch}"))).arg(RUNS_LOOKED_AT_MAX),
        )?;
        ids.sort_unstable();
        Ok(ids.iter().map(|id| run_id(id)).collect::<Result<_, _>>()?)
    }

    /// Ready tasks of these runs in the lanes of a request, best first. The script takes those that still are.
    fn candidates(
        &mut self,
        runs: &[RunId],
        request: &LeaseRequest,
    ) -> Result<Vec<(String, String, Vec<u8>)>, Trouble> {
        self.rows().read_whole(runs)?;
        let mut found = Vec::new();
        for run in runs {
            let Some(page) = self.book.page(*run) else { continue };
            for task in page.tasks.values().filter(|task| task.state == TaskState::Ready) {
                let node = page.graph.node(task.node);
                let lane = node.lane();
                if request.lanes.contains(&lane) {
                    let key = (crate::keys::score(node, *run), member(*run, task.no));
                    found.push((key, lane, page.new.namespace.clone()));
                }
            }
        }
        found.sort_unstable();
        found.truncate(request.want);
        Ok(found.into_iter().map(|((_, member), lane, tenant)| (lane, tenant, member)).collect())
    }

    /// Makes of what the script has leased what the worker is told.
    fn describe(&mut self, taken: &[Taken]) -> Result<Vec<(usize, Leased)>, Trouble> {
        for one in taken {
            self.remember(one)?;
        }
        self.read_around(taken)?;
        let mut leased = Vec::with_capacity(taken.len());
        for one in taken {
            // A task that somebody has cancelled or lost meanwhile is not leased any more.
            leased.extend(self.describe_one(one.task)?.map(|found| (one.request, found)));
        }
        Ok(leased)
    }

    fn describe_one(&mut self, task: TaskRef) -> Result<Option<Leased>, Trouble> {
        for _ in 0..ROUNDS_MAX {
            match self.transaction().describe(task) {
                Err(Trouble::Stale(run)) => self.rows().read_again(run)?,
                found => return found,
            }
        }
        Err(Trouble::Stale(task.run))
    }

    fn remember(&mut self, taken: &Taken) -> Result<(), Trouble> {
        let TaskRef { run, task } = taken.task;
        if self.book.page(run).is_none_or(|page| page.version != taken.version) {
            let graph = self.graphs.of_run(&mut self.wire, crate::codec::graph_of(&taken.new)?)?;
            let head = Head {
                version: taken.version,
                run: &taken.run,
                new: &taken.new,
                started_ms: Some(taken.started_ms),
            };
            self.book.open(run, &head, graph)?;
        }
        if let Some(page) = self.book.page(run) {
            self.leased.keep(&page.new);
        }
        let grip = crate::codec::Grip {
            cancel: false,
            token: reelmill_model::Token(taken.token),
            leased_ms: taken.leased_ms,
            worker: taken.worker.clone(),
        };
        self.book.keep_task(run, task, &taken.row, Some(&grip.write()))?;
        let instance = self.book.page(run).and_then(|page| page.tasks.get(&task)).map(|task| task.instance);
        let instance = instance.unwrap_or(MAIN);
        self.book.keep_instance(run, instance, &taken.instance)?;
        if instance == MAIN || taken.main.is_empty() {
            return Ok(());
        }
        self.book.keep_instance(run, MAIN, &taken.main)
    }

    /// Reads what surrounds leased tasks, where it is not known: the ends of what they waited for, items around.
    fn read_around(&mut self, taken: &[Taken]) -> Result<(), Trouble> {
        let mut runs: Vec<RunId> = taken.iter().map(|one| one.task.run).collect();
        runs.sort_unstable();
        runs.dedup();
        runs.retain(|run| {
            self.book.page(*run).is_some_and(|page| !page.is_whole() && page.size() <= READ_WHOLE_MAX)
        });
        self.rows().read_whole(&runs)
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

    /// Up to `limit` leases that have ended, longest over first, and the moment.
    pub fn expired(&mut self, limit: usize) -> Result<(Vec<TaskRef>, u64), Trouble> {
        self.before_now("leases", limit)
    }

    /// Up to `limit` tasks whose moment has come, and how long until the next one's.
    pub fn due(&mut self, limit: usize) -> Result<Vec<TaskRef>, Trouble> {
        Ok(self.before_now("due", limit)?.0)
    }

    fn before_now(&mut self, index: &str, limit: usize) -> Result<(Vec<TaskRef>, u64), Trouble> {
        self.hear_time()?;
        let now_ms = self.time.now_ms();
        let found: Vec<Vec<u8>> = self.wire.query(
            cmd("ZRANGEBYSCORE")
                .arg(self.keys.named(index))
                .arg("-inf")
                .arg(now_ms)
                .arg("LIMIT")
                .arg(0)
                .arg(limit),
        )?;
        Ok((found.iter().map(|name| task_of(name)).collect::<Result<_, _>>()?, now_ms))
    }

    /// Milliseconds until the next task is due; none when none waits for a moment.
    pub fn next_due_ms(&mut self) -> Result<Option<u64>, Trouble> {
        let next: Vec<(Vec<u8>, f64)> =
            self.wire.query(cmd("ZRANGE").arg(self.keys.named("due")).arg(0).arg(0).arg("WITHSCORES"))?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "milliseconds since the epoch"
        )]
        let at = next.first().map(|(_, at)| *at as u64);
        Ok(at.map(|at| at.saturating_sub(self.time.now_ms())))
    }

    /// Every leased task. There are at most as many as the fleet has slots.
    pub fn all_leased(&mut self) -> Result<Vec<TaskRef>, Trouble> {
        let found: Vec<Vec<u8>> =
            self.wire.query(cmd("ZRANGE").arg(self.keys.named("leases")).arg(0).arg(-1))?;
        Ok(found.iter().map(|name| task_of(name)).collect::<Result<_, _>>()?)
    }

    /// The partition's own connection, its keys and the moment for scripts: for what is no transition.
    pub fn parts(&mut self) -> (&mut Wire, &Keys, &Scripts, u64) {
        (&mut self.wire, &self.keys, &self.scripts, self.time.for_script())
    }
}

fn is_change(changes: &Changes) -> bool {
    changes.run.0 != reelmill_lifecycle::Change::None
        || !changes.tasks.is_empty()
        || !changes.instances.is_empty()
        || !changes.events.is_empty()
}
