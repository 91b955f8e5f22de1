//! What is wished for, and what was leased.

use super::{Link, ROUNDS_MAX};
use crate::codec::RunHead;
use crate::error::Trouble;
use crate::keys::{member, run_id, score, task_of};
use crate::pack::{Packer, Unpacker};
use crate::source::READ_WHOLE_MAX;
use redis::cmd;
use reelmill_lifecycle::{Damage, Leased, Only};
use reelmill_model::{InstanceNo, RunId, TaskRef, TaskState};
use reelmill_ports::LeaseRequest;

/// Chunks of runs, of up to 128 each, that a worker of one batch looks at in one step.
const CHUNKS_LOOKED_AT_MAX: isize = 2;
/// The main body's instance, in every run.
const MAIN: InstanceNo = InstanceNo(0);

/// One leased task as the script tells it.
pub struct Taken {
    request: usize,
    task: TaskRef,
    run: Vec<u8>,
    new: Vec<u8>,
    row: Vec<u8>,
    instance: Vec<u8>,
    main: Vec<u8>,
    /// Its token.
    pub(super) token: u64,
}

/// Where the token lies in the row of a leased task, as the script writes it.
const TOKEN_AT: std::ops::Range<usize> = 11..19;

impl Taken {
    /// How many things the script tells of one.
    pub const ITEMS: u32 = 7;

    /// Reads one.
    pub fn read(answer: &mut Unpacker<'_>) -> Result<Self, Damage> {
        let request = usize::try_from(answer.number()?).unwrap_or(0).saturating_sub(1);
        let task = task_of(answer.bytes()?)?;
        let mut bytes = || answer.bytes().map(<[u8]>::to_vec);
        let (run, new, row, instance, main) = (bytes()?, bytes()?, bytes()?, bytes()?, bytes()?);
        let token = row.get(TOKEN_AT).and_then(|bytes| bytes.try_into().ok()).map(u64::from_be_bytes);
        let token = token.ok_or_else(|| Damage("a leased task has no token".into()))?;
        Ok(Self { request, task, run, new, row, instance, main, token })
    }
}

impl Link {
    /// Writes a wish as the script reads it.
    pub(super) fn pack_lease(
        &mut self,
        request: &LeaseRequest,
        want: usize,
        packer: &mut Packer,
    ) -> Result<(), Trouble> {
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
        packer.number(want as u64).number(lease_ms);
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

    /// Some of its runs, others each time: those that are looked at may all be at work.
    fn runs_of_batch(&mut self, batch: &str) -> Result<Vec<RunId>, Trouble> {
        let index = self.keys.named(&format!("batched:{batch}"));
        let bounds: Vec<Vec<u8>> =
            self.wire.query(cmd("ZRANDMEMBER").arg(&index).arg(CHUNKS_LOOKED_AT_MAX))?;
        let mut found = Vec::new();
        for bound in bounds {
            let chunk = [index.as_bytes(), b":", &bound].concat();
            let ids: Vec<Vec<u8>> = self.wire.query(cmd("ZRANGE").arg(chunk).arg(0).arg(-1))?;
            for id in &ids {
                found.push(run_id(id)?);
            }
        }
        found.sort_unstable();
        Ok(found)
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
                    let key = (score(node, page.run.priority, *run), member(*run, task.no));
                    found.push((key, lane, page.new.namespace.clone()));
                }
            }
        }
        found.sort_unstable();
        found.truncate(request.want);
        Ok(found.into_iter().map(|((_, member), lane, tenant)| (lane, tenant, member)).collect())
    }

    /// Makes of what the script has leased what the worker is told.
    pub(super) fn describe(&mut self, taken: &[Taken]) -> Result<Vec<(usize, Leased)>, Trouble> {
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

    pub(super) fn describe_one(&mut self, task: TaskRef) -> Result<Option<Leased>, Trouble> {
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
        let (head, _) = RunHead::read(&taken.run)?;
        if self.book.page(run).is_none_or(|page| page.version != head.version) {
            self.rows().open(run, &taken.run, &taken.new)?;
        }
        if let Some(page) = self.book.page(run) {
            self.leased.keep(&page.new);
        }
        self.book.keep_task(run, task, &taken.row)?;
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
}
