//! The consumer: takes envelopes from the inbox and hands them on until it is told to stop.
//!
//! An entry leaves the inbox when its run is durable, or when it is in the dead stream, and never before: a consumer
//! that dies leaves its entries to the others, and the run's id makes of two submissions one.

use crate::link::Link;
use crate::parse::{Problem, parse};
use crate::stream::{Dead, Entry, FIELD, Stream};
use crate::submit::{Request, SubmitError, Submitter, fingerprint, run_id};
use crate::waiting::{Backoff, Waiting};
use futures_util::future::join_all;
use redis::RedisResult;
use reelmill_model::limits::{INBOX_BATCH_MAX, INBOX_TAKEOVERS_MAX};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio_util::sync::CancellationToken;

/// How a consumer goes about its work.
#[derive(Clone, Debug)]
pub struct ConsumerConfig {
    /// `redis://host:port/db`.
    pub url: String,
    /// Its name in the group: new at every start of a process, as a worker's is.
    pub consumer: String,
    /// How long a read waits for envelopes; a consumer stops within this time.
    pub block: Duration,
    /// How long a consumer may hold an entry before it counts as dead and others take the entry over.
    pub dead_after: Duration,
    /// Before what failed for now is tried again; doubled each time.
    pub retry_first: Duration,
    /// At most; half of `dead_after` where that is less.
    pub retry_max: Duration,
}

impl ConsumerConfig {
    /// The usual times.
    #[must_use]
    pub fn new(url: impl Into<String>, consumer: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            consumer: consumer.into(),
            block: Duration::from_secs(1),
            dead_after: Duration::from_mins(1),
            retry_first: Duration::from_millis(500),
            retry_max: Duration::from_secs(30),
        }
    }

    fn backoff(&self) -> Backoff {
        // An entry that waits for its next attempt must not look as if its consumer were dead.
        let max = self.retry_max.min(self.dead_after / 2);
        Backoff { first_ms: millis(self.retry_first), max_ms: millis(max) }
    }
}

/// What a consumer did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    /// Envelopes that became runs.
    pub submitted: u64,
    /// Envelopes whose run was there already.
    pub repeated: u64,
    /// Envelopes that went to the dead stream.
    pub dead: u64,
    /// Attempts that are made again later.
    pub retried: u64,
}

/// A consumer of the inbox.
pub struct Consumer {
    config: ConsumerConfig,
    submitter: Arc<dyn Submitter>,
    link: Link,
    waiting: Waiting,
    tally: Tally,
    started: Instant,
    // When consumers were last looked through for dead ones, in milliseconds since `started`.
    looked_ms: Option<u64>,
}

/// What becomes of an entry.
enum Verdict {
    Done { new: bool },
    Bad(Vec<Problem>),
    Later(SubmitError),
}

impl Consumer {
    /// A consumer that hands envelopes to `submitter`. An error is one of the URL; nothing is connected yet.
    pub fn new(config: ConsumerConfig, submitter: Arc<dyn Submitter>) -> RedisResult<Self> {
        let link = Link::new(&config.url, config.consumer.clone())?;
        Ok(Self {
            config,
            submitter,
            link,
            waiting: Waiting::default(),
            tally: Tally::default(),
            started: Instant::now(),
            looked_ms: None,
        })
    }

    /// Works until `end`. A server that is not there is waited for; what was taken is finished before it returns.
    pub async fn run(mut self, end: CancellationToken) -> Tally {
        let mut failed = 0;
        while !end.is_cancelled() {
            let Err(error) = self.turn(&end).await else {
                failed = 0;
                continue;
            };
            failed += 1;
            let wait = Duration::from_millis(self.config.backoff().after(failed));
            tracing::warn!(%error, ?wait, "the inbox cannot be reached");
            rest(wait, &end).await;
        }
        if let Err(error) = self.link.call(Stream::leave).await {
            tracing::debug!(%error, "the group was not left; others forget this consumer later");
        }
        self.tally
    }

    /// Takes what is next, and settles it.
    async fn turn(&mut self, end: &CancellationToken) -> RedisResult<()> {
        let entries = self.next(end).await?;
        if entries.is_empty() {
            return Ok(());
        }
        let ids: Vec<String> = entries.iter().map(|(entry, _)| entry.id.clone()).collect();
        let settled = self.settle(entries).await;
        if settled.is_err() {
            // They are still ours: another consumer gets them only when this one is dead.
            self.keep(ids);
        }
        settled
    }

    /// What is due again, what dead consumers left, or what is new; each with how often it was taken.
    async fn next(&mut self, end: &CancellationToken) -> RedisResult<Vec<(Entry, u64)>> {
        let due = self.waiting.take_due(self.now_ms(), INBOX_BATCH_MAX);
        if !due.is_empty() {
            return self.again(due).await;
        }
        let now_ms = self.now_ms();
        if self.looked_ms.is_none_or(|looked| now_ms - looked >= millis(self.config.dead_after / 2)) {
            let (idle, long) = (self.config.dead_after, self.config.dead_after * 10);
            let look = move |stream: &mut Stream| {
                stream.forget_idle(long)?;
                stream.take_over(idle, INBOX_BATCH_MAX)
            };
            let mut taken = self.link.call(look).await?;
            // What waits here is not dead, however long it has waited.
            taken.retain(|(entry, _)| !self.waiting.holds(&entry.id));
            if !taken.is_empty() {
                tracing::warn!(count = taken.len(), "envelopes of dead consumers were taken over");
                return Ok(taken);
            }
            self.looked_ms = Some(now_ms);
        }
        let until_due = self.waiting.next_due().map(|due| Duration::from_millis(due.saturating_sub(now_ms)));
        let block = until_due.map_or(self.config.block, |until| until.min(self.config.block));
        if self.waiting.is_full() {
            rest(block, end).await;
            return Ok(Vec::new());
        }
        let read = self.link.call(move |stream| stream.read(INBOX_BATCH_MAX, block)).await?;
        Ok(read.into_iter().map(|entry| (entry, 1)).collect())
    }

    async fn again(&mut self, due: Vec<String>) -> RedisResult<Vec<(Entry, u64)>> {
        let ids = due.clone();
        let reloaded = self.link.call(move |stream| stream.reload(&ids)).await;
        match reloaded {
            Ok(entries) => {
                let lost = due.iter().filter(|id| entries.iter().all(|entry| entry.id != **id));
                lost.for_each(|id| self.waiting.settled(id));
                Ok(entries.into_iter().map(|entry| (entry, 1)).collect())
            }
            Err(error) => {
                self.keep(due);
                Err(error)
            }
        }
    }

    /// Submits entries side by side, then tells Redis what became of all of them.
    async fn settle(&mut self, entries: Vec<(Entry, u64)>) -> RedisResult<()> {
        let mut asked = Vec::new();
        let mut verdicts: Vec<(Entry, Verdict)> = Vec::new();
        for (entry, taken) in entries {
            match read(&entry, taken) {
                Ok(envelope) => asked.push((entry, envelope)),
                Err(problems) => verdicts.push((entry, Verdict::Bad(problems))),
            }
        }
        let seen: Vec<(String, u64)> = asked
            .iter()
            .map(|(entry, envelope)| {
                (fingerprint(&envelope.namespace, &envelope.id).to_hex().to_string(), entry.added_ms())
            })
            .collect();
        let first = self.link.call(move |stream| stream.first_seen(&seen)).await?;
        let submissions = asked.into_iter().zip(first).map(|((entry, envelope), at_ms)| {
            let run = run_id(&envelope.namespace, &envelope.id, at_ms);
            let submitter = &self.submitter;
            async move { (entry, submitter.submit(Request { run, at_ms, envelope }).await) }
        });
        let answers = join_all(submissions).await;
        verdicts.extend(answers.into_iter().map(|(entry, answer)| (entry, Verdict::of(answer))));
        self.tell(verdicts).await
    }

    async fn tell(&mut self, verdicts: Vec<(Entry, Verdict)>) -> RedisResult<()> {
        let (mut done, mut dead, mut later) = (Vec::new(), Vec::new(), Vec::new());
        let mut tally = self.tally;
        for (entry, verdict) in verdicts {
            match verdict {
                Verdict::Done { new } => {
                    tally.submitted += u64::from(new);
                    tally.repeated += u64::from(!new);
                    done.push(entry.id);
                }
                Verdict::Bad(problems) => {
                    tally.dead += 1;
                    tracing::warn!(entry = entry.id, problem = ?problems.first(), "an envelope is bad");
                    let problems = serde_json::to_string(&problems).unwrap_or_default();
                    dead.push(Dead { entry, problems, at_ms: wall_ms() });
                }
                Verdict::Later(error) => {
                    tally.retried += 1;
                    tracing::warn!(entry = entry.id, %error, "an envelope is tried again later");
                    later.push(entry.id);
                }
            }
        }
        let gone: Vec<String> =
            done.iter().cloned().chain(dead.iter().map(|dead| dead.entry.id.clone())).collect();
        self.link.call(move |stream| stream.settle(&done, &dead)).await?;
        for id in &gone {
            self.waiting.settled(id);
        }
        self.keep(later);
        self.tally = tally;
        Ok(())
    }

    /// Tries these again later.
    fn keep(&mut self, ids: Vec<String>) {
        let (now_ms, backoff) = (self.now_ms(), self.config.backoff());
        for id in ids {
            self.waiting.failed(id, now_ms, backoff);
        }
    }

    fn now_ms(&self) -> u64 {
        millis(self.started.elapsed())
    }
}

impl Verdict {
    fn of(answer: Result<crate::submit::Submitted, SubmitError>) -> Self {
        match answer {
            Ok(submitted) => Self::Done { new: submitted.new },
            Err(error) if error.retry => Self::Later(error),
            Err(error) => Self::Bad(error.problems),
        }
    }
}

/// The envelope of an entry, or why it goes to the dead stream.
fn read(entry: &Entry, taken: u64) -> Result<crate::Envelope, Vec<Problem>> {
    if taken > INBOX_TAKEOVERS_MAX {
        let message = format!("was taken {taken} times by consumers that died with it");
        return Err(vec![Problem::whole(message).help("look into their logs before sending it again")]);
    }
    let Some(bytes) = &entry.envelope else {
        let message = format!("the entry has no field `{FIELD}`");
        return Err(vec![Problem::whole(message).help(format!("XADD rm:inbox * {FIELD} '{{…}}'"))]);
    };
    parse(bytes).map_err(|bad| bad.0)
}

async fn rest(time: Duration, end: &CancellationToken) {
    tokio::select! {
        () = end.cancelled() => {}
        () = tokio::time::sleep(time) => {}
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn wall_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, millis)
}
