//! Rows as bytes: short, because a waiting run lies in memory, and quick, because every settle writes some.
//!
//! What the scripts read of a run ([`RunHead`]) and of a task ([`write_task`]) stands at fixed places in front.

use crate::pen::{Eye, Pen, Read, short};
use reelmill_graph::Graph;
use reelmill_lifecycle::{Damage, Fan, InstanceRow, PRIORITY, RunRow, TaskRow};
use reelmill_model::{
    Digest, InstanceNo, InstanceState, NodeNo, Phase, RunId, RunState, ScopeNo, TaskNo, TaskState, Token,
    Usage, WorkerId,
};
use reelmill_ports::NewRun;
use serde_json::Value;

/// A number that may be missing, as one: 0 for none.
fn or_zero(number: Option<impl Into<u64>>) -> u64 {
    number.map_or(0, |number| number.into().saturating_add(1))
}

/// A number of 32 bits.
fn small(number: u64) -> Read<u32> {
    u32::try_from(number).map_err(|_| Damage("a number of a row is too large".into()))
}

/// A number of 32 bits that may be missing.
fn maybe_small(number: u64) -> Read<Option<u32>> {
    number.checked_sub(1).map(small).transpose()
}

fn flags<const N: usize>(set: [bool; N]) -> u8 {
    set.iter().enumerate().fold(0, |all, (at, one)| all | (u8::from(*one) << at))
}

/// What was submitted. The graph goes by its number in this store; a name that is the graph's, labels, a namespace
/// and a priority that nobody chose take no room.
pub fn write_new(new: &NewRun, graph_no: u32, graph: &Graph) -> Vec<u8> {
    let mut pen = Pen::row();
    pen.number(graph_no.into());
    pen.bytes(if new.name == graph.name { b"" } else { new.name.as_bytes() });
    pen.bytes(if new.namespace == "default" { b"" } else { new.namespace.as_bytes() });
    pen.bytes(new.base_dir.as_bytes());
    pen.raw(&new.seed.to_le_bytes());
    pen.maybe((new.created_ms != new.id.0.timestamp_ms()).then_some(new.created_ms));
    pen.json(&new.inputs);
    if new.labels.is_empty() {
        pen.bytes(b"");
    } else {
        pen.json(&new.labels);
    }
    match &new.batch {
        None => pen.number(0),
        Some((batch, row)) => {
            pen.number(row + 1);
            pen.bytes(batch.as_bytes());
        }
    }
    if new.priority != PRIORITY {
        pen.byte(new.priority);
    }
    pen.done()
}

/// The number of the graph in the row of what was submitted.
pub fn graph_no(new: &[u8]) -> Read<u32> {
    Eye::row(new)?.small()
}

/// What was submitted, as a run of this graph.
pub fn read_new(id: RunId, bytes: &[u8], digest: Digest, graph: &Graph) -> Read<NewRun> {
    let mut eye = Eye::row(bytes)?;
    eye.small()?;
    let or = |text: String, otherwise: &str| if text.is_empty() { otherwise.to_owned() } else { text };
    let name = or(eye.text()?, &graph.name);
    let namespace = or(eye.text()?, "default");
    let base_dir = eye.text()?;
    let seed = eye.take(8)?.try_into().map(u64::from_le_bytes).map_err(|_| short())?;
    let created_ms = eye.maybe()?.unwrap_or(id.0.timestamp_ms());
    let inputs = eye.json()?;
    let labels = eye.bytes()?;
    let labels = if labels.is_empty() {
        std::collections::BTreeMap::new()
    } else {
        serde_json::from_slice(labels).map_err(|error| Damage(format!("labels are no JSON: {error}")))?
    };
    let batch = match eye.maybe()? {
        None => None,
        Some(row) => Some((eye.text()?, row)),
    };
    let priority = if eye.is_over() { PRIORITY } else { eye.byte()? };
    Ok(NewRun {
        id,
        graph: digest,
        name,
        inputs,
        labels,
        namespace,
        base_dir,
        seed,
        created_ms,
        batch,
        priority,
    })
}

/// What stands before a run's row: the scripts read and write it, as `struct.pack('>I4I4I6', ...)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunHead {
    /// Writes of the row so far; a lease is none.
    pub version: u32,
    /// Leased tasks.
    pub leased: u32,
    /// When its first task was leased.
    pub started_ms: Option<u64>,
}

impl RunHead {
    /// The head, and the row behind it.
    pub fn read(bytes: &[u8]) -> Read<(Self, &[u8])> {
        let mut eye = Eye::new(bytes);
        let mut four =
            || -> Read<u32> { eye.take(4)?.try_into().map(u32::from_be_bytes).map_err(|_| short()) };
        let (version, leased) = (four()?, four()?);
        let started_ms = eye.take(6)?.iter().fold(0, |ms, byte| (ms << 8) | u64::from(*byte));
        let started_ms = (started_ms > 0).then_some(started_ms);
        Ok((Self { version, leased, started_ms }, eye.rest()))
    }
}

/// A run, without its head. What never changes stands in the row of what was submitted; leased tasks count as ready
/// here, because a lease writes the head only.
pub fn write_run(run: &RunRow) -> Vec<u8> {
    let mut pen = Pen::row();
    pen.byte(run.state as u8);
    pen.byte(run.phase as u8);
    pen.byte(flags([
        run.failed,
        run.cleanup_failed,
        run.cancel_reason.is_some(),
        run.failure.is_some(),
        run.undo.is_some(),
        run.paused,
        !run.edits.is_empty(),
    ]));
    let mut counts = run.counts;
    counts[TaskState::Ready as usize] += counts[TaskState::Leased as usize];
    counts[TaskState::Leased as usize] = 0;
    pen.sparse(counts);
    pen.sparse([
        run.next_task.into(),
        run.next_instance.into(),
        or_zero(run.on_failure.map(|no| no.0)),
        or_zero(run.finally.map(|no| no.0)),
        or_zero(run.ended_ms),
    ]);
    if let Some(undo) = &run.undo {
        write_fan(&mut pen, undo);
    }
    if let Some(reason) = &run.cancel_reason {
        pen.bytes(reason.as_bytes());
    }
    if let Some(failure) = &run.failure {
        pen.json(failure);
    }
    if !run.edits.is_empty() {
        pen.json(&run.edits);
    }
    pen.done()
}

/// A run, with its head.
pub fn read_run(bytes: &[u8], new: &NewRun) -> Read<RunRow> {
    let (head, row) = RunHead::read(bytes)?;
    let leased = u64::from(head.leased);
    let mut eye = Eye::row(row)?;
    let batch = new.batch.as_ref().map(|(batch, _)| batch.clone());
    let mut run = RunRow::new(0, new.id, new.graph, batch);
    run.priority = new.priority;
    run.state = eye.state(RunState::ALL)?;
    run.phase = eye.state(Phase::ALL)?;
    let set = eye.byte()?;
    run.failed = set & 1 != 0;
    run.cleanup_failed = set & 2 != 0;
    run.paused = set & 32 != 0;
    run.counts = eye.sparse()?;
    let [next_task, next_instance, on_failure, finally, ended_ms] = eye.sparse()?;
    run.next_task = small(next_task)?;
    run.next_instance = small(next_instance)?;
    run.on_failure = maybe_small(on_failure)?.map(InstanceNo);
    run.finally = maybe_small(finally)?.map(InstanceNo);
    run.ended_ms = ended_ms.checked_sub(1);
    run.undo = if set & 16 == 0 { None } else { Some(read_fan(&mut eye)?) };
    let ready = &mut run.counts[TaskState::Ready as usize];
    *ready = ready.saturating_sub(leased);
    run.counts[TaskState::Leased as usize] = leased;
    if set & 4 != 0 {
        run.cancel_reason = Some(eye.text()?);
    }
    if set & 8 != 0 {
        run.failure = Some(Box::new(eye.json()?));
    }
    if set & 64 != 0 {
        run.edits = eye.json()?;
    }
    run.started_ms = head.started_ms;
    Ok(run)
}

/// A task. Its head is of fixed places, because the scripts read it: layout (1 byte), state (1), instance (4,
/// big-endian), attempts (4, big-endian). Behind the head of a leased one stands its lease, see [`Grip`], and what the
/// lease says is written only there: the script that leases puts it in, and touches nothing else.
pub fn write_task(task: &TaskRow) -> Vec<u8> {
    let leased = task.state == TaskState::Leased;
    let worker = task.worker.as_ref().filter(|_| !leased);
    let mut pen = Pen::row();
    pen.byte(task.state as u8);
    pen.raw(&task.instance.0.to_be_bytes());
    pen.raw(&task.attempts.to_be_bytes());
    if leased {
        Grip::of(task).write(&mut pen);
    }
    pen.byte(flags([
        task.cancel && !leased,
        task.cached,
        task.fan.is_some(),
        !task.outputs.is_null(),
        task.failure.is_some(),
        task.skipped.is_some(),
        worker.is_some(),
        task.usage != Usage::default(),
    ]));
    let of_lease = |number: u64| if leased { 0 } else { number };
    pen.sparse([
        or_zero(task.ready_ms),
        task.node.0.into(),
        of_lease(task.token.0),
        of_lease(or_zero(task.leased_ms)),
        or_zero(task.ended_ms),
        task.waiting.into(),
        task.settled.into(),
        task.spent.into(),
        task.escalated.into(),
        of_lease(or_zero(task.until_ms)),
    ]);
    if let Some(fan) = &task.fan {
        write_fan(&mut pen, fan);
    }
    if !task.outputs.is_null() {
        pen.json(&task.outputs);
    }
    if let Some(failure) = &task.failure {
        pen.json(failure);
    }
    if let Some(reason) = &task.skipped {
        pen.json(reason);
    }
    if let Some(worker) = worker {
        pen.bytes(worker.0.as_bytes());
    }
    if task.usage != Usage::default() {
        let Usage { cpu_ms, rss_peak_bytes, execute_ms, store_ms } = task.usage;
        for figure in [cpu_ms, rss_peak_bytes, execute_ms, store_ms] {
            pen.number(figure);
        }
    }
    pen.done()
}

/// A task, with its lease if it has one.
pub fn read_task(no: TaskNo, bytes: &[u8]) -> Read<TaskRow> {
    let mut eye = Eye::row(bytes)?;
    let state = eye.state(TaskState::ALL)?;
    let mut fixed = || -> Read<u32> { eye.take(4)?.try_into().map(u32::from_be_bytes).map_err(|_| short()) };
    let (instance, attempts) = (fixed()?, fixed()?);
    let grip = if state == TaskState::Leased { Some(Grip::read(&mut eye)?) } else { None };
    let set = eye.byte()?;
    let has = |bit: u8| set & (1 << bit) != 0;
    let numbers: [u64; 10] = eye.sparse()?;
    let [ready_ms, node, token, leased_ms, ended_ms, waiting, settled, spent, escalated, until_ms] = numbers;
    let mut task = TaskRow::new(no, NodeNo(small(node)?), InstanceNo(instance), small(waiting)?);
    task.state = state;
    task.attempts = attempts;
    task.cancel = has(0);
    task.cached = has(1);
    (task.spent, task.escalated, task.settled) = (small(spent)?, small(escalated)?, small(settled)?);
    task.token = Token(token);
    (task.until_ms, task.ready_ms) = (until_ms.checked_sub(1), ready_ms.checked_sub(1));
    (task.leased_ms, task.ended_ms) = (leased_ms.checked_sub(1), ended_ms.checked_sub(1));
    task.fan = if has(2) { Some(read_fan(&mut eye)?) } else { None };
    task.outputs = if has(3) { eye.json()? } else { Value::Null };
    task.failure = if has(4) { Some(Box::new(eye.json()?)) } else { None };
    task.skipped = if has(5) { Some(Box::new(eye.json()?)) } else { None };
    task.worker = if has(6) { Some(WorkerId(eye.text()?)) } else { None };
    if has(7) {
        task.usage = Usage {
            cpu_ms: eye.number()?,
            rss_peak_bytes: eye.number()?,
            execute_ms: eye.number()?,
            store_ms: eye.number()?,
        };
    }
    if let Some(grip) = grip {
        grip.put_on(&mut task);
    }
    Ok(task)
}

fn write_fan(pen: &mut Pen, fan: &Fan) {
    pen.byte(fan.stopped.into());
    for number in [fan.first.0, fan.items, fan.next, fan.running, fan.succeeded, fan.failed] {
        pen.number(number.into());
    }
    pen.maybe(fan.failed_item.map(|no| no.0));
}

fn read_fan(eye: &mut Eye<'_>) -> Read<Fan> {
    Ok(Fan {
        stopped: eye.byte()? != 0,
        first: InstanceNo(eye.small()?),
        items: eye.small()?,
        next: eye.small()?,
        running: eye.small()?,
        succeeded: eye.small()?,
        failed: eye.small()?,
        failed_item: eye.maybe_small()?.map(InstanceNo),
    })
}

/// An instance.
pub fn write_instance(row: &InstanceRow) -> Vec<u8> {
    let mut pen = Pen::row();
    pen.byte(row.state as u8);
    pen.byte(flags([row.cancelled, !row.value.is_null(), !row.key.is_empty()]));
    pen.sparse([
        row.open.into(),
        or_zero(row.first_task.map(|no| no.0)),
        row.scope.0.into(),
        or_zero(row.outer.map(|no| no.0)),
        or_zero(row.owner.map(|no| no.0)),
        row.index.into(),
        or_zero(row.failed_by.map(|no| no.0)),
    ]);
    if !row.key.is_empty() {
        pen.bytes(row.key.as_bytes());
    }
    if !row.value.is_null() {
        pen.json(&row.value);
    }
    pen.done()
}

/// An instance.
pub fn read_instance(no: InstanceNo, bytes: &[u8]) -> Read<InstanceRow> {
    let mut eye = Eye::row(bytes)?;
    let state = eye.state(InstanceState::ALL)?;
    let set = eye.byte()?;
    let [open, first_task, scope, outer, owner, index, failed_by] = eye.sparse()?;
    Ok(InstanceRow {
        no,
        scope: ScopeNo(small(scope)?),
        outer: maybe_small(outer)?.map(InstanceNo),
        owner: maybe_small(owner)?.map(TaskNo),
        index: small(index)?,
        state,
        open: small(open)?,
        first_task: maybe_small(first_task)?.map(TaskNo),
        failed_by: maybe_small(failed_by)?.map(TaskNo),
        cancelled: set & 1 != 0,
        key: if set & 4 != 0 { eye.text()? } else { String::new() },
        value: if set & 2 != 0 { eye.json()? } else { Value::Null },
    })
}

/// A lease as it stands in its task: put there by the script that leases, and written again when the attempt is no
/// longer wanted.
struct Grip {
    cancel: bool,
    token: Token,
    leased_ms: u64,
    worker: WorkerId,
}

impl Grip {
    fn of(task: &TaskRow) -> Self {
        Self {
            cancel: task.cancel,
            token: task.token,
            leased_ms: task.leased_ms.unwrap_or(0),
            worker: task.worker.clone().unwrap_or(WorkerId(String::new())),
        }
    }

    /// As the scripts write it: `struct.pack('>BI8I8I2', cancel, token, leased_ms, #worker) .. worker`.
    fn write(&self, pen: &mut Pen) {
        pen.byte(u8::from(self.cancel));
        pen.raw(&self.token.0.to_be_bytes());
        pen.raw(&self.leased_ms.to_be_bytes());
        let worker = &self.worker.0.as_bytes()[..self.worker.0.len().min(usize::from(u16::MAX))];
        pen.raw(&u16::try_from(worker.len()).unwrap_or(u16::MAX).to_be_bytes());
        pen.raw(worker);
    }

    fn read(eye: &mut Eye<'_>) -> Read<Self> {
        let cancel = eye.byte()? != 0;
        let mut long =
            || -> Read<u64> { eye.take(8)?.try_into().map(u64::from_be_bytes).map_err(|_| short()) };
        let (token, leased_ms) = (Token(long()?), long()?);
        let length = eye.take(2)?.try_into().map(u16::from_be_bytes).map_err(|_| short())?;
        let worker = String::from_utf8_lossy(eye.take(length.into())?).into_owned();
        Ok(Self { cancel, token, leased_ms, worker: WorkerId(worker) })
    }

    /// The lease stands for what an earlier attempt has left.
    fn put_on(self, task: &mut TaskRow) {
        task.token = self.token;
        task.cancel = self.cancel;
        task.worker = Some(self.worker);
        task.leased_ms = Some(self.leased_ms);
        task.until_ms = None;
    }
}

/// A number that a script writes as decimal text.
pub fn decimal(text: &[u8]) -> Read<u64> {
    let number = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    number.ok_or_else(|| Damage(format!("{:?} is no number", String::from_utf8_lossy(text))))
}

/// The number in a field's name: 7 of `t7`.
pub fn row_number(field: &[u8]) -> Option<u32> {
    std::str::from_utf8(field.get(1..)?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests;
