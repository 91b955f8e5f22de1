//! Where attempts report their ends. The pump is woken when there are as many as it waits for, and not by each: an end
//! is less work than waking somebody.

use reelmill_ports::Settle;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// The ends that the pump has not taken yet. A clone is another handle on the same.
#[derive(Clone, Debug, Default)]
pub struct Ends(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    state: Mutex<State>,
    enough: Notify,
}

#[derive(Debug, Default)]
struct State {
    ends: VecDeque<Settle>,
    /// How many the pump waits for; none when it does not.
    wanted: Option<usize>,
}

impl Ends {
    /// Reports one end. Never blocks; there is at most one a lease, so they cannot be more than the leases.
    pub fn send(&self, settle: Settle) {
        let mut state = self.lock();
        state.ends.push_back(settle);
        let enough = state.wanted.is_some_and(|wanted| state.ends.len() >= wanted);
        drop(state);
        if enough {
            self.0.enough.notify_one();
        }
    }

    /// Takes up to so many, oldest first.
    pub fn take(&self, most: usize) -> Vec<Settle> {
        let mut state = self.lock();
        state.wanted = None;
        let count = most.min(state.ends.len());
        state.ends.drain(..count).collect()
    }

    /// Returns when there are so many.
    pub async fn gather(&self, wanted: usize) {
        while !self.has(wanted) {
            self.0.enough.notified().await;
        }
    }

    /// Whether there are so many; if not, whoever waits is woken when there are.
    fn has(&self, wanted: usize) -> bool {
        let mut state = self.lock();
        state.wanted = Some(wanted);
        state.ends.len() >= wanted
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change is one call: a panic in between leaves it whole.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;
    use reelmill_model::{Outcome, RunId, TaskNo, TaskRef, Token, Usage};

    fn end(no: u32) -> Settle {
        let task = TaskRef { run: RunId::from_parts(1, 1), task: TaskNo(no) };
        Settle { task, token: Token(1), outcome: Outcome::Cancelled, usage: Usage::default() }
    }

    #[tokio::test]
    async fn as_many_as_are_waited_for_wake() {
        let ends = Ends::default();
        ends.send(end(1));
        assert!(ends.gather(2).now_or_never().is_none(), "one is not two");
        let gathered = tokio::spawn({
            let ends = ends.clone();
            async move { ends.gather(3).await }
        });
        tokio::task::yield_now().await;
        ends.send(end(2));
        ends.send(end(3));
        gathered.await.expect("it is woken");
        let numbers = |ends: Vec<Settle>| ends.iter().map(|end| end.task.task.0).collect::<Vec<_>>();
        assert_eq!((numbers(ends.take(2)), numbers(ends.take(2))), (vec![1, 2], vec![3]));
    }

    #[tokio::test]
    async fn ends_that_are_there_wake_at_once() {
        let ends = Ends::default();
        ends.send(end(1));
        assert!(ends.gather(1).now_or_never().is_some());
    }
}
