//! Rows as bytes: short, because a waiting run lies in memory, and quick, because every settle writes some.
//!
//! Numbers are LEB128, texts and JSON carry their length, a missing number is 0 and any other one more than it is.
//! The first byte of a row is the layout; a reader refuses one that it does not know. Two numbers of a task stand
//! at fixed places, because the scripts read them: see [`write_task`].

use reelmill_graph::Graph;
use reelmill_lifecycle::{Damage, Fan, InstanceRow, RunRow, TaskRow};
use reelmill_model::{
    Digest, InstanceNo, InstanceState, NodeNo, Phase, RunId, RunState, ScopeNo, TaskNo, TaskState, Token,
    Usage, WorkerId,
};
use reelmill_ports::NewRun;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The layout of all rows.
const LAYOUT: u8 = 1;

type Read<T> = Result<T, Damage>;

/// Writes a row.
#[derive(Default)]
pub struct Pen(Vec<u8>);

impl Pen {
    fn row() -> Self {
        Self(vec![LAYOUT])
    }

    /// One byte.
    pub fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    /// A number.
    pub fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(u8::try_from(number & 0x7f).unwrap_or(0) | 0x80);
            number >>= 7;
        }
        self.0.push(u8::try_from(number).unwrap_or(0));
    }

    /// A number that may be missing.
    pub fn maybe(&mut self, number: Option<impl Into<u64>>) {
        self.number(number.map_or(0, |number| number.into().saturating_add(1)));
    }

    /// Bytes with their length.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    /// Something as JSON.
    pub fn json<T: Serialize>(&mut self, value: &T) {
        // Values in memory always have a JSON form; keys of maps here are texts.
        self.bytes(&serde_json::to_vec(value).unwrap_or_default());
    }

    /// Bytes of a count that the reader knows.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// What was written.
    pub fn done(self) -> Vec<u8> {
        self.0
    }
}

/// Reads a row.
pub struct Eye<'a>(&'a [u8]);

impl<'a> Eye<'a> {
    /// Reads bytes without a layout.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    fn row(bytes: &'a [u8]) -> Read<Self> {
        match bytes.split_first() {
            Some((&LAYOUT, rest)) => Ok(Self(rest)),
            Some((other, _)) => Err(Damage(format!("a row has layout {other}, which a newer version wrote"))),
            None => Err(Damage("a row is empty".into())),
        }
    }

    /// Whether everything was read.
    pub fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    /// One byte.
    pub fn byte(&mut self) -> Read<u8> {
        let (first, rest) = self.0.split_first().ok_or_else(short)?;
        self.0 = rest;
        Ok(*first)
    }

    /// Bytes of a known count.
    pub fn take(&mut self, count: usize) -> Read<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or_else(short)?;
        self.0 = rest;
        Ok(taken)
    }

    /// A number.
    pub fn number(&mut self) -> Read<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Damage("a number of a row has no end".into()))
    }

    /// A number of 32 bits.
    pub fn small(&mut self) -> Read<u32> {
        u32::try_from(self.number()?).map_err(|_| Damage("a number of a row is too large".into()))
    }

    /// A number that may be missing.
    pub fn maybe(&mut self) -> Read<Option<u64>> {
        Ok(self.number()?.checked_sub(1))
    }

    /// A number of 32 bits that may be missing.
    pub fn maybe_small(&mut self) -> Read<Option<u32>> {
        let number = self.maybe()?;
        number.map(u32::try_from).transpose().map_err(|_| Damage("a number of a row is too large".into()))
    }

    /// What was not read yet.
    pub fn rest(self) -> &'a [u8] {
        self.0
    }

    /// Bytes with their length.
    pub fn bytes(&mut self) -> Read<&'a [u8]> {
        let count = usize::try_from(self.number()?).map_err(|_| short())?;
        self.take(count)
    }

    fn text(&mut self) -> Read<String> {
        String::from_utf8(self.bytes()?.to_vec()).map_err(|_| Damage("a text of a row is no UTF-8".into()))
    }

    /// Something from JSON.
    pub fn json<T: DeserializeOwned>(&mut self) -> Read<T> {
        serde_json::from_slice(self.bytes()?)
            .map_err(|error| Damage(format!("a row does not hold the JSON it should: {error}")))
    }

    fn state<T: Copy>(&mut self, all: &[T]) -> Read<T> {
        let code = self.byte()?;
        all.get(usize::from(code)).copied().ok_or_else(|| Damage(format!("{code} is no known state")))
    }
}

fn short() -> Damage {
    Damage("a row is cut off".into())
}

fn flags<const N: usize>(set: [bool; N]) -> u8 {
    set.iter().enumerate().fold(0, |all, (at, one)| all | (u8::from(*one) << at))
}

/// What was submitted. A name that is the graph's, labels and a namespace that nobody chose take no room.
pub fn write_new(new: &NewRun, graph: &Graph) -> Vec<u8> {
    let mut pen = Pen::row();
    pen.0.extend_from_slice(&new.graph.0);
    pen.bytes(if new.name == graph.name { b"" } else { new.name.as_bytes() });
    pen.bytes(if new.namespace == "default" { b"" } else { new.namespace.as_bytes() });
    pen.bytes(new.base_dir.as_bytes());
    pen.0.extend_from_slice(&new.seed.to_le_bytes());
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
    pen.done()
}

/// The digest of the graph in the row of what was submitted.
pub fn graph_of(new: &[u8]) -> Read<Digest> {
    Eye::row(new)?.take(32)?.try_into().map(Digest).map_err(|_| short())
}

/// What was submitted. The name is empty where it is the graph's.
pub fn read_new(id: RunId, bytes: &[u8]) -> Read<NewRun> {
    let mut eye = Eye::row(bytes)?;
    let graph = eye.take(32)?.try_into().map(Digest).map_err(|_| short())?;
    let name = eye.text()?;
    let namespace = eye.text()?;
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
    let namespace = if namespace.is_empty() { "default".to_owned() } else { namespace };
    Ok(NewRun { id, graph, name, inputs, labels, namespace, base_dir, seed, created_ms, batch })
}

/// A run. What never changes stands in the row of what was submitted; leased tasks count as ready here, because a
/// lease does not write this row.
pub fn write_run(run: &RunRow) -> Vec<u8> {
    let mut pen = Pen::row();
    pen.byte(run.state as u8);
    pen.byte(run.phase as u8);
    pen.byte(flags([run.failed, run.cleanup_failed, run.cancel_reason.is_some(), run.failure.is_some()]));
    pen.maybe(run.on_failure.map(|no| no.0));
    pen.maybe(run.finally.map(|no| no.0));
    pen.byte(run.undo.is_some().into());
    if let Some(undo) = &run.undo {
        write_fan(&mut pen, undo);
    }
    pen.maybe(run.ended_ms);
    pen.number(run.next_task.into());
    pen.number(run.next_instance.into());
    for (state, count) in TaskState::ALL.iter().zip(run.counts) {
        match state {
            TaskState::Ready => pen.number(count + run.counts[TaskState::Leased as usize]),
            TaskState::Leased => {}
            _ => pen.number(count),
        }
    }
    if let Some(reason) = &run.cancel_reason {
        pen.bytes(reason.as_bytes());
    }
    if let Some(failure) = &run.failure {
        pen.json(failure);
    }
    pen.done()
}

/// A run. `started_ms` and the count of leased tasks stand in fields of their own.
pub fn read_run(bytes: &[u8], new: &NewRun, started_ms: Option<u64>, leased: u64) -> Read<RunRow> {
    let mut eye = Eye::row(bytes)?;
    let batch = new.batch.as_ref().map(|(batch, _)| batch.clone());
    let mut run = RunRow::new(0, new.id, new.graph, batch);
    run.state = eye.state(RunState::ALL)?;
    run.phase = eye.state(Phase::ALL)?;
    let set = eye.byte()?;
    run.failed = set & 1 != 0;
    run.cleanup_failed = set & 2 != 0;
    run.on_failure = eye.maybe_small()?.map(InstanceNo);
    run.finally = eye.maybe_small()?.map(InstanceNo);
    run.undo = if eye.byte()? == 0 { None } else { Some(read_fan(&mut eye)?) };
    run.ended_ms = eye.maybe()?;
    run.next_task = eye.small()?;
    run.next_instance = eye.small()?;
    for state in TaskState::ALL {
        run.counts[*state as usize] = if *state == TaskState::Leased { 0 } else { eye.number()? };
    }
    let ready = &mut run.counts[TaskState::Ready as usize];
    *ready = ready.saturating_sub(leased);
    run.counts[TaskState::Leased as usize] = leased;
    if set & 4 != 0 {
        run.cancel_reason = Some(eye.text()?);
    }
    if set & 8 != 0 {
        run.failure = Some(Box::new(eye.json()?));
    }
    run.started_ms = started_ms;
    Ok(run)
}

/// A task. One that is leased is written as the ready task it was: the lease stands beside it. Its head is of fixed
/// places: layout (1 byte), state (1), instance (4, big-endian), attempts (4, big-endian).
pub fn write_task(task: &TaskRow) -> Vec<u8> {
    let leased = task.state == TaskState::Leased;
    let state = if leased { TaskState::Ready } else { task.state };
    let attempts = task.attempts - u32::from(leased);
    let mut pen = Pen::row();
    pen.byte(state as u8);
    pen.0.extend_from_slice(&task.instance.0.to_be_bytes());
    pen.0.extend_from_slice(&attempts.to_be_bytes());
    pen.byte(flags([
        task.cancel && !leased,
        task.cached,
        task.fan.is_some(),
        !task.outputs.is_null(),
        task.failure.is_some(),
        task.skipped.is_some(),
        task.worker.is_some(),
        task.usage != Usage::default(),
    ]));
    pen.number(task.node.0.into());
    pen.number(task.waiting.into());
    pen.number(task.spent.into());
    pen.number(task.escalated.into());
    pen.number(task.settled.into());
    pen.number(task.token.0);
    for time in [if leased { None } else { task.until_ms }, task.ready_ms, task.leased_ms, task.ended_ms] {
        pen.maybe(time);
    }
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
    if let Some(worker) = &task.worker {
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

/// A task as it is without its lease.
pub fn read_task(no: TaskNo, bytes: &[u8]) -> Read<TaskRow> {
    let mut eye = Eye::row(bytes)?;
    let state = eye.state(TaskState::ALL)?;
    let mut fixed = || -> Read<u32> { eye.take(4)?.try_into().map(u32::from_be_bytes).map_err(|_| short()) };
    let (instance, attempts) = (fixed()?, fixed()?);
    let set = eye.byte()?;
    let has = |bit: u8| set & (1 << bit) != 0;
    let mut task = TaskRow::new(no, NodeNo(eye.small()?), InstanceNo(instance), eye.small()?);
    task.state = state;
    task.attempts = attempts;
    task.cancel = has(0);
    task.cached = has(1);
    task.spent = eye.small()?;
    task.escalated = eye.small()?;
    task.settled = eye.small()?;
    task.token = Token(eye.number()?);
    task.until_ms = eye.maybe()?;
    task.ready_ms = eye.maybe()?;
    task.leased_ms = eye.maybe()?;
    task.ended_ms = eye.maybe()?;
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
    pen.byte(flags([row.cancelled, !row.value.is_null()]));
    pen.number(row.scope.0.into());
    pen.maybe(row.outer.map(|no| no.0));
    pen.maybe(row.owner.map(|no| no.0));
    pen.number(row.index.into());
    pen.number(row.open.into());
    pen.maybe(row.first_task.map(|no| no.0));
    pen.maybe(row.failed_by.map(|no| no.0));
    pen.bytes(row.key.as_bytes());
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
    Ok(InstanceRow {
        no,
        scope: ScopeNo(eye.small()?),
        outer: eye.maybe_small()?.map(InstanceNo),
        owner: eye.maybe_small()?.map(TaskNo),
        index: eye.small()?,
        state,
        open: eye.small()?,
        first_task: eye.maybe_small()?.map(TaskNo),
        failed_by: eye.maybe_small()?.map(TaskNo),
        cancelled: set & 1 != 0,
        key: eye.text()?,
        value: if set & 2 != 0 { eye.json()? } else { Value::Null },
    })
}

/// A lease as it stands beside its task: written by the script that leases, and again when the attempt is no longer
/// wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grip {
    /// Whether the attempt is no longer wanted.
    pub cancel: bool,
    /// The fencing value.
    pub token: Token,
    /// When it was leased.
    pub leased_ms: u64,
    /// Who holds it.
    pub worker: WorkerId,
}

impl Grip {
    /// As the scripts write it: `struct.pack('>BI8I8', cancel, token, leased_ms) .. worker`.
    pub fn write(&self) -> Vec<u8> {
        let mut bytes = vec![u8::from(self.cancel)];
        bytes.extend_from_slice(&self.token.0.to_be_bytes());
        bytes.extend_from_slice(&self.leased_ms.to_be_bytes());
        bytes.extend_from_slice(self.worker.0.as_bytes());
        bytes
    }

    /// A lease from its bytes.
    pub fn read(bytes: &[u8]) -> Read<Self> {
        let mut eye = Eye(bytes);
        let cancel = eye.byte()? != 0;
        let mut long =
            || -> Read<u64> { eye.take(8)?.try_into().map(u64::from_be_bytes).map_err(|_| short()) };
        let (token, leased_ms) = (Token(long()?), long()?);
        let worker = String::from_utf8_lossy(eye.0).into_owned();
        Ok(Self { cancel, token, leased_ms, worker: WorkerId(worker) })
    }

    /// The task with this lease on it.
    pub fn put_on(&self, task: &mut TaskRow) {
        task.state = TaskState::Leased;
        task.attempts += 1;
        task.token = self.token;
        task.cancel = self.cancel;
        task.worker = Some(self.worker.clone());
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
mod tests {
    use super::*;
    use reelmill_model::{Failure, FailureClass, SkipReason};
    use serde_json::json;

    fn task() -> TaskRow {
        let mut task = TaskRow::new(TaskNo(300), NodeNo(7), InstanceNo(70_000), 2);
        task.attempts = 3;
        task.spent = 1;
        task.escalated = 7;
        task.settled = 2;
        task.token = Token(1 << 50);
        task.until_ms = Some(1_700_000_000_000);
        task.ready_ms = Some(0);
        task.fan = Some(Fan {
            first: InstanceNo(1),
            items: 9,
            next: 8,
            running: 7,
            succeeded: 6,
            failed: 5,
            failed_item: Some(InstanceNo(0)),
            stopped: true,
        });
        task.outputs = json!({ "x": [1, null, "é"] });
        task.failure = Some(Box::new(Failure::new(FailureClass::Oom, "too much")));
        task.skipped = Some(Box::new(SkipReason::NoFailure { stage: "a".into() }));
        task.worker = Some(WorkerId("w".into()));
        task.usage = Usage { cpu_ms: 1, rss_peak_bytes: u64::MAX, execute_ms: 0, store_ms: 5 };
        task
    }

    #[test]
    fn a_task_comes_back() {
        for state in TaskState::ALL.iter().filter(|state| **state != TaskState::Leased) {
            let task = TaskRow { state: *state, cancel: true, cached: true, ..task() };
            assert_eq!(read_task(task.no, &write_task(&task)), Ok(task));
        }
        let plain = TaskRow::new(TaskNo(0), NodeNo(0), InstanceNo(0), 0);
        assert_eq!(read_task(plain.no, &write_task(&plain)), Ok(plain));
    }

    #[test]
    fn the_scripts_find_the_head_of_a_task_where_they_look() {
        let bytes = write_task(&TaskRow { state: TaskState::Delayed, ..task() });
        assert_eq!(bytes[..2], [LAYOUT, TaskState::Delayed as u8]);
        assert_eq!(bytes[2..6], 70_000_u32.to_be_bytes());
        assert_eq!(bytes[6..10], 3_u32.to_be_bytes());
    }

    #[test]
    fn a_leased_task_is_a_ready_one_with_a_lease() {
        let grip = Grip { cancel: true, token: Token(9), leased_ms: 5, worker: WorkerId("w2".into()) };
        let mut leased = TaskRow { until_ms: None, ..task() };
        grip.put_on(&mut leased);
        let mut read = read_task(leased.no, &write_task(&leased)).expect("it reads");
        assert_eq!((read.state, read.attempts, read.cancel), (TaskState::Ready, 3, false));
        Grip::read(&grip.write()).expect("it reads").put_on(&mut read);
        assert_eq!(read, leased);
    }

    #[test]
    fn an_instance_and_a_run_come_back() {
        let row = InstanceRow {
            no: InstanceNo(4),
            scope: ScopeNo(2),
            outer: Some(InstanceNo(0)),
            owner: Some(TaskNo(3)),
            index: 200,
            key: "käse".into(),
            value: json!([1]),
            state: InstanceState::Failed,
            open: 1,
            first_task: Some(TaskNo(0)),
            failed_by: None,
            cancelled: true,
        };
        assert_eq!(read_instance(row.no, &write_instance(&row)), Ok(row));

        let id = RunId::from_parts(1_700_000_000_000, 5);
        let new = NewRun {
            id,
            graph: Digest([3; 32]),
            name: String::new(),
            inputs: json!({ "topic": "sea" }),
            labels: [("team".to_owned(), "a".to_owned())].into(),
            namespace: "acme".into(),
            base_dir: "/srv".into(),
            seed: u64::MAX,
            created_ms: 12,
            batch: Some(("b".into(), 0)),
        };
        let mut run = RunRow::new(0, id, new.graph, Some("b".into()));
        run.counts = [1, 2, 3, 4, 5, 6, 7, 8];
        run.failed = true;
        run.cancel_reason = Some("enough".into());
        run.failure = Some(Box::new(("a[b]".into(), Failure::new(FailureClass::Timeout, "slow"))));
        (run.on_failure, run.ended_ms, run.next_task, run.next_instance) =
            (Some(InstanceNo(6)), Some(77), 36, 9);
        run.started_ms = Some(8);
        run.undo = task().fan;
        assert_eq!(read_run(&write_run(&run), &new, Some(8), 4), Ok(run));

        let graph = reelmill_graph::sketch::Sketch::new("pipeline").build();
        assert_eq!(read_new(id, &write_new(&new, &graph)), Ok(new.clone()));
        let plain = NewRun {
            name: "pipeline".into(),
            namespace: "default".into(),
            labels: [].into(),
            created_ms: 1_700_000_000_000,
            batch: None,
            ..new
        };
        let read = read_new(id, &write_new(&plain, &graph)).expect("it reads");
        assert_eq!(read, NewRun { name: String::new(), ..plain });
        assert_eq!(graph_of(&write_new(&read, &graph)), Ok(read.graph));
    }

    #[test]
    fn damage_is_said_and_never_a_panic() {
        let bytes = write_task(&task());
        for cut in 0..bytes.len() {
            assert!(read_task(TaskNo(0), &bytes[..cut]).is_err(), "cut at {cut}");
        }
        assert!(read_task(TaskNo(0), &[LAYOUT + 1, 0, 0]).unwrap_err().0.contains("newer version"));
    }
}
