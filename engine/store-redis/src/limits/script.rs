//! The script of limits: what it is told and what it answers.

use crate::error::Trouble;
use crate::keys::{Keys, member, task_of};
use crate::pack::{Packer, Unpacker};
use crate::wire::Wire;
use redis::Script;
use reelmill_lifecycle::limits::Standing;
use reelmill_model::{RunId, TaskNo, TaskRef, Token};
use reelmill_ports::{PlaceAsk, StartAsk};
use serde_json::json;

/// It has what it asked for.
pub const SEATED: u64 = 0;
/// It waits.
pub const WAITS: u64 = 1;
/// All places are taken.
pub const FULL: u64 = 2;
/// Others have to give way first.
pub const GIVE_WAY: u64 = 3;

/// One deed for the script, packed.
#[derive(Clone, Debug)]
pub struct Call {
    limit: String,
    packed: Vec<u8>,
}

/// What the script says to a deed.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// What became of it.
    pub code: u64,
    /// When, where that is the answer.
    pub number: u64,
    /// Whom it concerns.
    pub members: Vec<TaskRef>,
}

fn name(who: TaskRef) -> Vec<u8> {
    member(who.run, who.task)
}

impl Call {
    fn begin(items: usize, verb: &str, limit: &str, who: TaskRef) -> (String, Packer) {
        let mut packer = Packer::default();
        packer.list(items).bytes(verb).bytes(limit).bytes(name(who));
        (limit.to_owned(), packer)
    }

    fn end((limit, packer): (String, Packer)) -> Self {
        Self { limit, packed: packer.done() }
    }

    /// The limit it is about.
    pub fn limit(&self) -> &str {
        &self.limit
    }

    /// Asks for a place. `told` lose theirs for it, if that has to be.
    pub fn place(who: TaskRef, token: Token, ask: &PlaceAsk, told: &[TaskRef]) -> Self {
        let holder = ask.holder(who);
        let token = if holder == who { token.0 } else { 0 };
        let policy = json!(ask.on_limit);
        let mut call = Self::begin(9, "place", &format!("{}:{}", ask.kind, ask.key), who);
        call.1.bytes(name(holder)).number(token).number(u64::from(ask.limit));
        call.1.bytes(policy.as_str().unwrap_or_default()).bytes(&ask.owner);
        call.1.all(&told.iter().copied().map(name).collect::<Vec<_>>());
        Self::end(call)
    }

    /// Asks for a start.
    pub fn start(who: TaskRef, ask: &StartAsk) -> Self {
        let mut call = Self::begin(7, "start", &format!("rate:{}", ask.key), who);
        call.1.number(ask.rate.interval_us()).number(ask.rate.tolerance_us());
        call.1.number(u64::from(ask.limit.0)).number(ask.limit.1);
        Self::end(call)
    }

    /// Gives a seat back that is still so.
    pub fn leave(limit: &str, who: TaskRef, standing: Standing, token: Token) -> Self {
        let mut call = Self::begin(5, "leave", limit, who);
        call.1.number(u64::from(standing == Standing::Kept)).number(token.0);
        Self::end(call)
    }

    /// Leaves the line.
    pub fn quit(limit: &str, who: TaskRef) -> Self {
        Self::end(Self::begin(3, "quit", limit, who))
    }

    /// Forgets a limit, if nobody uses it.
    pub fn tidy(limit: &str) -> Self {
        let nobody = TaskRef { run: RunId::from_parts(0, 0), task: TaskNo(0) };
        Self::end(Self::begin(3, "tidy", limit, nobody))
    }

    /// Keeps a seat for another while.
    pub fn renew(limit: &str, who: TaskRef) -> Self {
        Self::end(Self::begin(3, "renew", limit, who))
    }
}

/// Does deeds in one partition.
pub fn run(wire: &mut Wire, keys: &Keys, now_ms: u64, calls: &[Call]) -> Result<Vec<Answer>, Trouble> {
    let script = Script::new(include_str!("../lua/limit.lua"));
    let mut packer = Packer::default();
    packer.list(2).number(now_ms).list(calls.len());
    let mut request = packer.done();
    for call in calls {
        request.extend_from_slice(&call.packed);
    }
    let bytes: Vec<u8> = wire.run(&script, keys, &request)?;
    let mut answer = Unpacker::new(&bytes);
    let mut answers = Vec::with_capacity(calls.len());
    for _ in 0..answer.list()? {
        answer.list()?;
        let (code, number) = (answer.number()?, answer.number()?);
        let members = (0..answer.list()?).map(|_| task_of(answer.bytes()?)).collect::<Result<_, _>>()?;
        answers.push(Answer { code, number, members });
    }
    Ok(answers)
}
