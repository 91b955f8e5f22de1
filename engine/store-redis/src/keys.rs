//! Every key of the store. All keys of a partition share one hash tag, so that a script finds them on one node; a
//! run lives wholly in one partition.
//!
//! | key | type | holds |
//! |---|---|---|
//! | `rm:workers` | hash | workers by name, as they announced themselves |
//! | `rm:claim:<key>` | string | run by idempotency key or `unique` key, for a time |
//! | `rm:moved:<second>` | string | runs of that second that were moved away while they were young, the last 6 bytes of each id, for a time |
//! | `rm:graphs` | hash | graph by digest, once for all runs |
//! | `rm:graph_numbers` | hash | number of a graph by digest, digest by number: runs name their graph by its number |
//! | `rm:meta` | hash | layout and number of partitions |
//! | `rm:{p}:r:<run>` | hash | `n` what was submitted, `r` run, and a field a row: `t7` task, with its lease, `i0` instance |
//! | `rm:{p}:f:<lane>:<tenant>` | list | ready tasks that came in the order they are to be leased in |
//! | `rm:{p}:q:<lane>:<tenant>` | zset | the other ready tasks, best first |
//! | `rm:{p}:stale` | hash | by `<lane>:<tenant>`: entries of both that are ready no more |
//! | `rm:{p}:lane:<lane>` | zset | tenants with ready tasks by what they were served |
//! | `rm:{p}:floor` | hash | by lane: what the tenant served last had been served |
//! | `rm:{p}:wake:<lane>` | list | at most one marker, read with `BLPOP` |
//! | `rm:{p}:stand:<worker>` | string | what a worker that waits wishes for, for some seconds |
//! | `rm:{p}:idle:<lane>` | zset | workers that wait for a lane by the end of their wish |
//! | `rm:{p}:hand:<ear>` | list | leases handed to a worker that waits, read with `BLPOP` |
//! | `rm:{p}:leases` | zset | leased tasks by the end of their lease; and at `inf` a guard, so long that the set is a skip list however few they are |
//! | `rm:{p}:due` | zset | delayed tasks, and ready ones with `timeout.queue`, by their time |
//! | `rm:{p}:runs`, `rm:{p}:runs:<bound>` | zset | lower bounds of chunks of run ids; a chunk |
//! | `rm:{p}:fresh` | list | the newest runs, as they came; they are put into chunks together |
//! | `rm:{p}:ended` | list | ended runs in the order of their ends: six bytes of the moment in ms, the run |
//! | `rm:{p}:batched:<batch>`, `rm:{p}:batched:<batch>:<bound>` | zset | the same of the runs of a batch |
//! | `rm:{p}:events` | stream | what happened, one entry a step |
//! | `rm:{p}:log:<run>`, `rm:{p}:logs:<run>` | stream, hash | lines of its stages, and how many of each attempt |
//! | `rm:{p}:progress:<run>` | hash | latest progress by task |
//! | `rm:{p}:gone` | set | runs that were deleted, for as long as their events may stand in the stream |
//! | `rm:{p}:lanes`, `rm:{p}:paused` | set | lanes that have had tasks; lanes that are paused |
//! | `rm:{p}:limits` | set | limits in use, by kind and key: `tasks:gpu`; each lies in one partition |
//! | `rm:{p}:seat:<limit>`, `rm:{p}:wait:<limit>`, `rm:{p}:promise:<limit>` | hash | by task: its place, since when it waits, the start it was promised |
//! | `rm:{p}:line:<limit>`, `rm:{p}:turn:<limit>` | zset, hash | who is next; turns of owners |
//! | `rm:{p}:rate:<limit>` | hash | arrival times of a rate |
//! | `rm:{p}:mended` | string | that limits were compared with their tasks a moment ago |
//! | `rm:{p}:counts` | string | eight bytes each: last fencing token, last cursor, bytes of the events, about |
//! | `rm:{cache}:…` | | the result cache, see `cache.rs` |
//! | `rm:{registry}:…` | | registered pipelines, see `registry.rs` |
//! | `rm:marks` | hash | what services remember, by key |
//!
//! `<run>` and members of sets are the 16 bytes of a run's id; a task is named by those and four bytes of its number.

use reelmill_graph::Node;
use reelmill_lifecycle::{Damage, rank};
use reelmill_model::{RunId, TaskNo, TaskRef};

/// Graphs by digest.
pub const GRAPHS: &str = "rm:graphs";
/// Number of a graph by its digest, digest by number, and `last`, the last number given.
pub const GRAPH_NUMBERS: &str = "rm:graph_numbers";
/// Workers by name.
pub const WORKERS: &str = "rm:workers";
/// What services remember.
pub const MARKS: &str = "rm:marks";
/// Layout and number of partitions.
pub const META: &str = "rm:meta";

/// The keys of one partition.
#[derive(Clone, Debug)]
pub struct Keys {
    prefix: String,
}

impl Keys {
    /// The keys of a partition.
    pub fn of(partition: u16) -> Self {
        Self::with_tag(&partition.to_string())
    }

    /// The keys of a hash tag.
    pub fn with_tag(tag: &str) -> Self {
        Self { prefix: format!("rm:{{{tag}}}:") }
    }

    /// What all of them begin with.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// A key by its name.
    pub fn named(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// The list of a lane's markers.
    pub fn wake(&self, lane: &str) -> String {
        self.named(&format!("wake:{lane}"))
    }

    /// A key of one run.
    pub fn of_run(&self, kind: &str, run: RunId) -> Vec<u8> {
        let mut key = format!("{}{kind}:", self.prefix).into_bytes();
        key.extend_from_slice(&run_bytes(run));
        key
    }

    /// The hash of a run.
    pub fn run(&self, run: RunId) -> Vec<u8> {
        self.of_run("r", run)
    }
}

/// The partition of a run.
pub fn partition(run: RunId, partitions: u16) -> u16 {
    // The low bits of an id are random.
    u16::try_from(run.0.0 % u128::from(partitions.max(1))).unwrap_or(0)
}

/// The partition of a limit: by the FNV-1a hash of its name, which every process computes alike.
pub fn partition_of(limit: &str, partitions: u16) -> u16 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let hash = limit.bytes().fold(OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME));
    u16::try_from(hash % u64::from(partitions.max(1))).unwrap_or(0)
}

/// The bytes of a run id: they sort as the ids do.
pub fn run_bytes(run: RunId) -> [u8; 16] {
    run.0.0.to_be_bytes()
}

/// What an ended run's entry in its list begins with.
pub fn ended_entry(ended_ms: u64) -> [u8; 6] {
    let [_, _, bytes @ ..] = ended_ms.to_be_bytes();
    bytes
}

/// The moment and the run of such an entry.
pub fn ended_run(entry: &[u8]) -> Result<(u64, RunId), Damage> {
    let (ms, run) =
        entry.split_at_checked(6).ok_or_else(|| Damage("an ended run's entry is cut off".into()))?;
    let ms = ms.iter().fold(0, |ms, byte| ms << 8 | u64::from(*byte));
    Ok((ms, run_id(run)?))
}

/// The run id of bytes.
pub fn run_id(bytes: &[u8]) -> Result<RunId, Damage> {
    let bytes: [u8; 16] = bytes.try_into().map_err(|_| Damage("a run id has not 16 bytes".into()))?;
    Ok(RunId(u128::from_be_bytes(bytes).into()))
}

/// The name of a task in sets.
pub fn member(run: RunId, task: TaskNo) -> Vec<u8> {
    let mut member = run_bytes(run).to_vec();
    member.extend_from_slice(&task.0.to_be_bytes());
    member
}

/// The task of a name.
pub fn task_of(member: &[u8]) -> Result<TaskRef, Damage> {
    let (run, task) = member.split_at_checked(16).ok_or_else(|| Damage("a task's name is cut off".into()))?;
    let task: [u8; 4] = task.try_into().map_err(|_| Damage("a task's name has not 20 bytes".into()))?;
    Ok(TaskRef { run: run_id(run)?, task: TaskNo(u32::from_be_bytes(task)) })
}

/// The place of a ready task of a run of that priority in its queue: higher rank first, then the older run, then (by its name) the earlier
/// task. Exact in a double: 8 bits of rank over 44 bits of milliseconds.
pub fn score(node: &Node, priority: u8, run: RunId) -> u64 {
    const AGE_BITS: u32 = 44;
    let age = run.0.timestamp_ms().min((1 << AGE_BITS) - 1);
    (u64::from(rank(node, priority)) << AGE_BITS) | age
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_and_sort_as_tasks_do() {
        let run = RunId::from_parts(1_700_000_000_000, 77);
        let names = [member(run, TaskNo(3)), member(run, TaskNo(300)), member(run, TaskNo(70_000))];
        assert!(names.is_sorted());
        assert_eq!(task_of(&names[1]), Ok(TaskRef { run, task: TaskNo(300) }));
        assert!(task_of(&names[1][..19]).is_err());
    }

    #[test]
    fn the_end_of_a_run_comes_back() {
        let run = RunId::from_parts(1_700_000_000_000, 77);
        let entry = [&ended_entry(1_700_000_123_456)[..], &run_bytes(run)].concat();
        assert_eq!(ended_run(&entry), Ok((1_700_000_123_456, run)));
        assert!(ended_run(&entry[..5]).is_err());
    }

    #[test]
    fn every_run_has_a_partition() {
        let runs = (0..64).map(|no| RunId::from_parts(1, no));
        let mut seen: Vec<u16> = runs.map(|run| partition(run, 4)).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen, [0, 1, 2, 3]);
    }
}
