//! What a worker asks the memory and tells it, from one run to the next. Nobody waits for the memory: what it said last is
//! at hand and asked for anew beside the work, what is to be remembered waits in a queue with a limit, and a memory that is
//! away is as one that knows nothing.

mod marks;
mod service;

pub(crate) use marks::{advised, outcomes};

use crate::report::now_ms;
use reelmill_learn::{Advice, Outcome, Prediction, predict};
use reelmill_memory::{HistoryQuery, Memory, Remembered};
use reelmill_model::Usage;
use reelmill_model::limits::{
    MEMORY_ATTEMPTS_PER_SECOND_MAX, MEMORY_GROUPS_MAX, MEMORY_KEPT_MS, MEMORY_KINDS_MAX, MEMORY_WAITING_MAX,
};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// The kind of outcomes that attempts of stages are.
pub const ATTEMPTS: &str = "attempt";
/// How long what was said is taken for what is known.
const FRESH: Duration = Duration::from_secs(30);
/// How long the first to ask waits for an answer; those who ask later have one at hand.
const FIRST_WAIT: Duration = Duration::from_millis(500);

/// The memory as a worker uses it; one that nothing was given to remembers nothing. A clone is another handle on the same.
#[derive(Clone, Debug, Default)]
pub struct Recall(Option<Arc<Inner>>);

#[derive(Debug)]
struct Inner {
    memory: Memory,
    /// This machine: what was seen here is told from what others saw.
    host: String,
    /// Who remembers.
    worker: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    known: HashMap<String, Known>,
    waiting: VecDeque<Remembered>,
    lost: u64,
    /// Attempts that were remembered in the second that began then.
    attempts: Option<(Instant, u32)>,
}

/// What is known of a kind.
#[derive(Debug)]
struct Known {
    advice: Arc<Advice>,
    asked: Instant,
    /// Whether an answer to the first question is still to come.
    first: watch::Receiver<bool>,
}

impl Recall {
    /// Asks and tells this memory, as a worker on this machine.
    #[must_use]
    pub fn new(memory: Memory, host: impl Into<String>, worker: impl Into<String>) -> Self {
        let state = Mutex::new(State::default());
        Self(Some(Arc::new(Inner { memory, host: host.into(), worker: worker.into(), state })))
    }

    /// What is remembered of a kind of outcomes.
    pub async fn advice(&self, kind: &str) -> Arc<Advice> {
        let Some(inner) = &self.0 else { return Arc::default() };
        if let Some(mut first) = inner.look(kind) {
            // Whoever asks in vain goes on without advice, and so does everybody after that until it is there.
            let _ = tokio::time::timeout(FIRST_WAIT, first.wait_for(|said| *said)).await;
        }
        inner.state().known.get(kind).map(|known| known.advice.clone()).unwrap_or_default()
    }

    /// What to expect of the next attempt of a stage.
    pub async fn expected(&self, stage: &str) -> Option<Prediction> {
        let attempts = self.advice(ATTEMPTS).await;
        predict(&attempts, stage, None, 1.0)
    }

    /// Remembers an outcome, and learns from it at once.
    pub fn note(&self, kind: &str, outcome: Outcome) {
        let Some(inner) = &self.0 else { return };
        let mut state = inner.state();
        if let Some(known) = state.known.get_mut(kind)
            && known.advice.arms.len() <= MEMORY_GROUPS_MAX
        {
            Arc::make_mut(&mut known.advice).add(&outcome);
        }
        if state.waiting.len() >= MEMORY_WAITING_MAX {
            state.lost += 1;
            return;
        }
        let (kind, host) = (kind.to_owned(), inner.host.clone());
        state.waiting.push_back(Remembered { kind, host, at_ms: now_ms(), outcome });
    }

    /// Remembers what an attempt of a stage used; some of very many.
    pub(crate) fn note_attempt(&self, stage: &str, usage: &Usage) {
        let Some(inner) = &self.0 else { return };
        if usage.rss_peak_bytes == 0 || !inner.state().takes_attempt(Instant::now()) {
            return;
        }
        let seconds = |ms: u64| Some(Duration::from_millis(ms).as_secs_f64());
        let outcome = Outcome {
            context: stage.to_owned(),
            arm: ATTEMPTS.to_owned(),
            units: 1.0,
            // What is shorter is not measured.
            seconds: seconds(usage.execute_ms.max(1)),
            memory_bytes: Some(usage.rss_peak_bytes),
            cpu_seconds: seconds(usage.cpu_ms.max(1)),
            ..Outcome::default()
        };
        self.note(ATTEMPTS, outcome);
    }
}

impl State {
    fn takes_attempt(&mut self, now: Instant) -> bool {
        let (begun, count) =
            self.attempts.filter(|(begun, _)| now.duration_since(*begun).as_secs() < 1).unwrap_or((now, 0));
        self.attempts = Some((begun, count + 1));
        count < MEMORY_ATTEMPTS_PER_SECOND_MAX
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the memory beside the work if what it said is old; gives what to wait for where it has said nothing yet.
    fn look(self: &Arc<Self>, kind: &str) -> Option<watch::Receiver<bool>> {
        let mut state = self.state();
        let (said, first) = watch::channel(false);
        let is_full = state.known.len() >= MEMORY_KINDS_MAX;
        let waits = match state.known.get_mut(kind) {
            Some(known) if known.asked.elapsed() < FRESH => {
                return Some(known.first.clone()).filter(|first| !*first.borrow());
            }
            Some(known) => {
                known.asked = Instant::now();
                false
            }
            None if is_full => return None,
            None => {
                let known = Known { advice: Arc::default(), asked: Instant::now(), first: first.clone() };
                state.known.insert(kind.to_owned(), known);
                true
            }
        };
        drop(state);
        tokio::spawn(self.clone().ask(kind.to_owned(), said));
        waits.then_some(first)
    }

    async fn ask(self: Arc<Self>, kind: String, said: watch::Sender<bool>) {
        let since_ms = now_ms().saturating_sub(MEMORY_KEPT_MS);
        let query = HistoryQuery { kind, host: self.host.clone(), since_ms };
        match self.memory.history(&query).await {
            Ok(mut advice) => {
                let mut state = self.state();
                // What is on its way there is known already.
                let waiting = state.waiting.iter().filter(|one| one.kind == query.kind);
                waiting.for_each(|one| advice.add(&one.outcome));
                if let Some(known) = state.known.get_mut(&query.kind) {
                    known.advice = Arc::new(advice);
                }
            }
            Err(error) => tracing::debug!(%error, kind = query.kind, "nothing was remembered"),
        }
        said.send_replace(true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reelmill_memory::open;
    use std::path::Path;

    fn outcome(arm: &str) -> Outcome {
        Outcome { arm: arm.into(), units: 1.0, seconds: Some(2.0), ..Outcome::default() }
    }

    async fn count(recall: &Recall, kind: &str) -> u64 {
        recall.advice(kind).await.arms.iter().map(|arm| arm.seconds.n).sum()
    }

    #[tokio::test]
    async fn what_one_worker_saw_the_next_one_knows_and_both_know_their_own_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let worker = || Recall::new(open(None, &folder.path().join("memory.db")).unwrap(), "here", "w");
        let (first, second) = (worker(), worker());
        assert_eq!(count(&first, "encode").await, 0);
        first.note("encode", outcome("fast"));
        assert_eq!(count(&first, "encode").await, 1, "at once");
        assert_eq!(count(&second, "other").await, 0);
        first.flush().await;
        assert_eq!(count(&second, "encode").await, 1);
        assert_eq!(count(&second, "other").await, 0, "kinds are apart");
        assert_eq!(count(&Recall::default(), "encode").await, 0);
    }

    #[tokio::test]
    async fn a_memory_that_is_away_knows_nothing_and_what_it_would_have_remembered_has_a_limit() {
        // Nobody listens at port 9 of this machine.
        let memory = open(Some("postgres://me@127.0.0.1:9/none"), Path::new("none")).unwrap();
        let recall = Recall::new(memory, "here", "w");
        assert_eq!(count(&recall, "encode").await, 0);
        for _ in 0..MEMORY_WAITING_MAX + 5 {
            recall.note("encode", outcome("fast"));
        }
        recall.flush().await;
        assert_eq!(count(&recall, "encode").await, MEMORY_WAITING_MAX as u64 + 5, "it learns all the same");
        let inner = recall.0.as_ref().unwrap();
        let state = inner.state();
        assert_eq!((state.waiting.len(), state.lost), (MEMORY_WAITING_MAX, 5));
    }

    #[tokio::test]
    async fn attempts_are_remembered_a_few_a_second_and_foretell_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let recall = Recall::new(open(None, &folder.path().join("memory.db")).unwrap(), "here", "w");
        assert_eq!(recall.expected("video.encode").await, None);
        let usage = Usage { cpu_ms: 4_000, execute_ms: 2_000, rss_peak_bytes: 1 << 30, store_ms: 0 };
        for _ in 0..100 {
            recall.note_attempt("video.encode", &usage);
        }
        let expected = recall.expected("video.encode").await.unwrap();
        assert!(
            (1..=2 * u64::from(MEMORY_ATTEMPTS_PER_SECOND_MAX)).contains(&expected.known),
            "{expected:?}"
        );
        assert!((expected.seconds_p50 - 2.0).abs() < 0.01 && expected.seconds_p90 > 2.0, "{expected:?}");
        assert!((expected.cores_p50.unwrap() - 2.0).abs() < 0.01);
        assert!(expected.memory_p95_bytes.unwrap() > f64::from(1 << 30));
        assert_eq!(recall.expected("tts.speak").await, None, "another stage");
    }
}
