//! Limits. A limit's keys lie in the partition of the limit, a run's in its own, so that no script sees both: a place is
//! taken by one, and the task it is for is parked, readied or ended by another. What a process dies between shows when the
//! rows of a limit are compared with the tasks that they name, which [`RedisStore::mend_limits`] does all the time.

mod rows;
mod script;

use crate::deed::{Deed, Done};
use crate::keys::{self, run_bytes};
use crate::limits::rows::{Found, Truth};
use crate::limits::script::{Answer, Call};
use crate::store::RedisStore;
use crate::wire::Wire;
use async_trait::async_trait;
use redis::cmd;
use reelmill_lifecycle::limits::{Row, Standing, gave_way, is_whole};
use reelmill_model::limits::LINE_ASKED_MS;
use reelmill_model::{LimitKind, Parked, RunId, TaskRef, Token};
use reelmill_ports::limits::views;
use reelmill_ports::{Admission, Asks, LimitView, Limits, PlaceAsk, StoreError, TaskQueue};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Time between two comparisons of a partition, by whichever worker comes first.
const MEND_EVERY_MS: u64 = 900;
/// Rows of one limit that are compared at once.
const ROWS_COMPARED_MAX: usize = 512;
/// How far from the front of a line tasks are compared: whoever is cancelled further back comes to the front some time.
const LINE_COMPARED_MAX: u64 = 32;
/// Times it is asked again for a place that others have to give up.
const EVICTIONS_MAX: usize = 16;
/// How long a promised start may be past before it is looked whether its task still wants it.
const PROMISE_LATE_MS: u64 = 60_000;

/// A place that an attempt of this process has.
#[derive(Clone, Debug)]
struct Place {
    limit: String,
    holder: TaskRef,
    token: Token,
}

/// The places that attempts of this process have, to be given back when they end: by task and token, for an attempt that
/// was lost may end when the next one is at work.
#[derive(Debug, Default)]
pub struct Places(Mutex<HashMap<(TaskRef, Token), Vec<Place>>>);

impl Places {
    fn all(&self) -> MutexGuard<'_, HashMap<(TaskRef, Token), Vec<Place>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, task: TaskRef, token: Token, places: Vec<Place>) {
        if !places.is_empty() {
            self.all().entry((task, token)).or_default().extend(places);
        }
    }

    /// What attempts had that end now.
    fn take(&self, ended: &[(TaskRef, Token)]) -> Vec<(TaskRef, Vec<Place>)> {
        let mut all = self.all();
        if all.is_empty() {
            return Vec::new();
        }
        ended.iter().filter_map(|end| Some((end.0, all.remove(end)?))).collect()
    }
}

impl RedisStore {
    /// Does deeds at limits, in the order of their partitions, and readies whom they call up.
    async fn at_limits(&self, calls: Vec<Call>) -> Result<Vec<Answer>, StoreError> {
        let mut parts: BTreeMap<usize, Vec<Call>> = BTreeMap::new();
        for call in calls {
            parts.entry(self.place_of(call.limit())).or_default().push(call);
        }
        let given_ms = self.clock.as_ref().map_or(0, |clock| clock.now_ms());
        let mut answers = Vec::new();
        for (place, calls) in parts {
            let keys = self.keys[place].clone();
            answers.extend(self.readers.read(move |wire| script::run(wire, &keys, given_ms, &calls)).await?);
        }
        Ok(answers)
    }

    /// Does deeds that may free places, and readies those whose turn it is; says how many.
    async fn free(&self, calls: Vec<Call>) -> Result<usize, StoreError> {
        if calls.is_empty() {
            return Ok(0);
        }
        let mut readied = 0;
        for who in self.at_limits(calls).await?.into_iter().flat_map(|answer| answer.members) {
            readied += usize::from(self.unpark(who).await?);
        }
        Ok(readied)
    }

    async fn unpark(&self, who: TaskRef) -> Result<bool, StoreError> {
        Ok(self.desk(who.run).deed(Deed::Unpark(who)).await? == Done::Did(true))
    }

    async fn park(
        &self,
        who: TaskRef,
        token: Token,
        why: Parked,
        until_ms: u64,
    ) -> Result<Admission, StoreError> {
        let parked = self.desk(who.run).deed(Deed::Park(who, token, why.clone(), until_ms)).await?;
        Ok(if parked == Done::Did(true) { Admission::Parked(why) } else { Admission::Lost })
    }

    async fn ask_place(&self, who: TaskRef, token: Token, ask: &PlaceAsk) -> Result<Answer, StoreError> {
        let mut told: Vec<TaskRef> = Vec::new();
        for _ in 0..EVICTIONS_MAX {
            let mut answers = self.at_limits(vec![Call::place(who, token, ask, &told)]).await?;
            let answer = answers.pop().unwrap_or_default();
            if answer.code != script::GIVE_WAY {
                return Ok(answer);
            }
            // First they are told, and then they lose their places: whoever is killed in between has only told them.
            for oldest in answer.members {
                match self.cancel(oldest.run, &gave_way(who.run, &ask.key)).await {
                    Ok(_) | Err(StoreError::NoSuchRun(_)) => told.push(oldest),
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(Answer { code: script::FULL, ..Answer::default() })
    }

    /// Gives back what attempts had that have ended. That they have ended is written already, so an error is no reason
    /// to say otherwise: what stays is found when the limit is compared.
    pub(crate) async fn leave_limits(&self, ended: &[(TaskRef, Token)]) {
        if let Err(error) = self.try_leave_limits(ended).await {
            tracing::debug!(%error, "places are given back later");
        }
    }

    async fn try_leave_limits(&self, ended: &[(TaskRef, Token)]) -> Result<(), StoreError> {
        let mut calls = Vec::new();
        for (task, places) in self.places.take(ended) {
            for place in places {
                if !is_whole(place.holder) || self.is_over(task).await? {
                    calls.push(Call::leave(&place.limit, place.holder, Standing::Held, place.token));
                }
            }
        }
        self.free(calls).await.map(|_| ())
    }

    async fn is_over(&self, task: TaskRef) -> Result<bool, StoreError> {
        use reelmill_ports::RunStore as _;
        Ok(self.run(task.run).await?.is_none_or(|run| run.state.is_terminal()))
    }

    /// The partition of a limit.
    fn place_of(&self, limit: &str) -> usize {
        usize::from(keys::partition_of(limit, u16::try_from(self.keys.len()).unwrap_or(u16::MAX)))
    }

    /// Everything that is kept of a partition's limits, or of one limit.
    async fn found(&self, place: usize, only: Option<String>) -> Result<Vec<Found>, StoreError> {
        let keys = self.keys[place].clone();
        self.readers.read(move |wire| rows::all(wire, &keys, only.as_deref())).await
    }

    /// Compares the rows of a limit with the tasks they name; says what has to be done about it, and whom nobody readied
    /// when its turn came.
    async fn compare(&self, limit: Found, now_ms: u64) -> Result<(Vec<Call>, Vec<TaskRef>), StoreError> {
        let mut by_run: BTreeMap<RunId, Vec<Row>> = BTreeMap::new();
        for row in limit.rows.into_iter().filter(|row| is_suspect(row, now_ms)).take(ROWS_COMPARED_MAX) {
            by_run.entry(row.who.run).or_default().push(row);
        }
        let (mut calls, mut lost) = (Vec::new(), Vec::new());
        for (run, rows) in by_run {
            let (keys, graphs) = (self.keys[self.place(run)].clone(), self.graphs.clone());
            let whos: Vec<TaskRef> = rows.iter().map(|row| row.who).collect();
            let read = move |wire: &mut Wire| rows::truths(wire, &keys, &graphs, run, &whos);
            for (row, truth) in rows.into_iter().zip(self.readers.read(read).await?) {
                lost.extend((row.standing == Standing::Kept && truth.is_parked()).then_some(row.who));
                calls.extend(remedy(&row, &truth, now_ms));
            }
        }
        Ok((calls, lost))
    }

    /// Whether it is this worker's turn to compare a partition.
    async fn may_mend(&self, place: usize) -> Result<bool, StoreError> {
        if self.clock.is_some() {
            return Ok(true);
        }
        let key = self.keys[place].named("mended");
        self.readers
            .read(move |wire| {
                let mut set = cmd("SET");
                set.arg(&key).arg(1).arg("NX").arg("PX").arg(MEND_EVERY_MS);
                Ok(wire.query::<Option<String>>(&set)?.is_some())
            })
            .await
    }

    async fn now_ms(&self) -> Result<u64, StoreError> {
        match &self.clock {
            Some(clock) => Ok(clock.now_ms()),
            None => self.readers.read(crate::fleet::server_ms).await,
        }
    }
}

/// Whether it is worth looking at the task of a row.
fn is_suspect(row: &Row, now_ms: u64) -> bool {
    match row.standing {
        Standing::Held | Standing::Kept => true,
        Standing::Waits => row.line.1 <= LINE_COMPARED_MAX,
        Standing::Promised => row.until / 1_000 + PROMISE_LATE_MS < now_ms,
    }
}

/// What a row needs that does not fit what it names.
fn remedy(row: &Row, truth: &Truth, now_ms: u64) -> Option<Call> {
    let leave = || Some(Call::leave(&row.key, row.who, row.standing, row.token));
    match row.standing {
        Standing::Kept if truth.is_parked() => Some(Call::renew(&row.key, row.who)),
        Standing::Kept if row.until <= now_ms => leave(),
        _ if truth.keeps(row) => None,
        Standing::Held | Standing::Kept => leave(),
        Standing::Waits | Standing::Promised => Some(Call::quit(&row.key, row.who)),
    }
}

#[async_trait]
impl Limits for RedisStore {
    async fn admit(&self, task: TaskRef, token: Token, asks: Asks) -> Result<Admission, StoreError> {
        let mut seated = Vec::new();
        let mut waits = None;
        for ask in &asks.places {
            let parked = Parked { limit: ask.kind, key: ask.key.clone() };
            match self.ask_place(task, token, ask).await?.code {
                script::SEATED => {
                    let holder = ask.holder(task);
                    let under = if is_whole(holder) { Token(0) } else { token };
                    let limit = format!("{}:{}", ask.kind, ask.key);
                    seated.push(Place { limit, holder, token: under });
                }
                script::WAITS => {
                    let until_ms = self.now_ms().await?.saturating_add(LINE_ASKED_MS);
                    waits = Some((parked, until_ms, Some(ask.holder(task))));
                    break;
                }
                _ => {
                    self.places.add(task, token, seated);
                    return Ok(Admission::Full(parked));
                }
            }
        }
        if let (Some(ask), None) = (&asks.start, &waits) {
            let answer = self.at_limits(vec![Call::start(task, ask)]).await?.pop().unwrap_or_default();
            if answer.code != script::SEATED {
                waits = Some((Parked { limit: LimitKind::Rate, key: ask.key.clone() }, answer.number, None));
            }
        }
        let Some((why, until_ms, holder)) = waits else {
            self.places.add(task, token, seated);
            return Ok(Admission::Granted);
        };
        let limit = format!("{}:{}", why.limit, why.key);
        let admission = self.park(task, token, why, until_ms).await?;
        // A run keeps what it has; a task that waits must not keep others waiting.
        let leave = seated.iter().filter(|place| !is_whole(place.holder));
        self.free(
            leave.map(|place| Call::leave(&place.limit, place.holder, Standing::Held, place.token)).collect(),
        )
        .await?;
        if let (Some(holder), Admission::Parked(_)) = (holder, &admission)
            && self.is_seated(&limit, holder).await?
        {
            // Its turn came between asking and parking.
            self.unpark(task).await?;
        }
        Ok(admission)
    }

    async fn mend_limits(&self, limit: usize) -> Result<usize, StoreError> {
        let mut readied = 0;
        for place in 0..self.keys.len() {
            if !self.may_mend(place).await? {
                continue;
            }
            let now_ms = self.now_ms().await?;
            for found in self.found(place, None).await?.into_iter().take(limit) {
                if found.is_empty() {
                    self.free(vec![Call::tidy(&found.limit)]).await?;
                    continue;
                }
                let (calls, lost) = self.compare(found, now_ms).await?;
                readied += self.free(calls).await?;
                for who in lost {
                    readied += usize::from(self.unpark(who).await?);
                }
            }
        }
        Ok(readied)
    }

    async fn limits(&self, only: Option<(LimitKind, &str)>) -> Result<Vec<LimitView>, StoreError> {
        let only = only.map(|(kind, key)| format!("{kind}:{key}"));
        let places = match &only {
            Some(limit) => self.place_of(limit)..self.place_of(limit) + 1,
            None => 0..self.keys.len(),
        };
        let (mut found, now_ms) = (Vec::new(), self.now_ms().await?);
        for place in places {
            found.extend(self.found(place, only.clone()).await?);
        }
        let rates: Vec<_> = found.iter().filter_map(|one| Some((one.limit.clone(), one.rate?))).collect();
        Ok(views(found.into_iter().flat_map(|one| one.rows), rates, now_ms))
    }
}

impl RedisStore {
    async fn is_seated(&self, limit: &str, holder: TaskRef) -> Result<bool, StoreError> {
        let key = self.keys[self.place_of(limit)].named(&format!("seat:{limit}"));
        let member = [&run_bytes(holder.run)[..], &holder.task.0.to_be_bytes()].concat();
        self.readers.read(move |wire| wire.query(cmd("HEXISTS").arg(&key).arg(&member))).await
    }
}
