//! Limits: the rows of the ledger, within the same lock as everything else.

use crate::store::MemoryStore;
use async_trait::async_trait;
use reelmill_lifecycle::limits::{Book, Ledger, RateRow, Row};
use reelmill_model::{LimitKind, TaskRef, Token};
use reelmill_ports::limits::views;
use reelmill_ports::{Admission, Asks, LimitView, StoreError};

/// The ledger as a transaction works on it.
pub struct Limits(pub Ledger);

/// The ledger cannot fail.
fn sure<T>(result: Result<T, std::convert::Infallible>) -> Result<T, StoreError> {
    result.map_err(|never| match never {})
}

impl Book for Limits {
    type Error = StoreError;

    fn get(&mut self, key: &str, who: TaskRef) -> Result<Option<Row>, StoreError> {
        sure(self.0.get(key, who))
    }

    fn put(&mut self, row: Row) -> Result<(), StoreError> {
        sure(self.0.put(row))
    }

    fn remove(&mut self, key: &str, who: TaskRef) -> Result<(), StoreError> {
        sure(self.0.remove(key, who))
    }

    fn taken(&mut self, key: &str) -> Result<u32, StoreError> {
        sure(self.0.taken(key))
    }

    fn first(&mut self, key: &str) -> Result<Option<Row>, StoreError> {
        sure(self.0.first(key))
    }

    fn oldest(&mut self, key: &str) -> Result<Option<Row>, StoreError> {
        sure(self.0.oldest(key))
    }

    fn turns(&mut self, key: &str, owner: &str) -> Result<(u64, Option<u64>, u64), StoreError> {
        sure(self.0.turns(key, owner))
    }

    fn comrade(&mut self, key: &str, who: TaskRef) -> Result<Option<Row>, StoreError> {
        sure(self.0.comrade(key, who))
    }

    fn of(&mut self, who: TaskRef) -> Result<Vec<Row>, StoreError> {
        sure(self.0.of(who))
    }

    fn overdue(&mut self, now_ms: u64, limit: usize) -> Result<Vec<Row>, StoreError> {
        sure(self.0.overdue(now_ms, limit))
    }

    fn rate(&mut self, key: &str) -> Result<Option<RateRow>, StoreError> {
        sure(self.0.rate(key))
    }

    fn put_rate(&mut self, key: &str, rate: RateRow) -> Result<(), StoreError> {
        sure(self.0.put_rate(key, rate))
    }
}

#[async_trait]
impl reelmill_ports::Limits for MemoryStore {
    async fn admit(&self, task: TaskRef, token: Token, asks: Asks) -> Result<Admission, StoreError> {
        self.transact(None, |tx, limits| tx.admit(limits, task, token, &asks))
    }

    async fn mend_limits(&self, limit: usize) -> Result<usize, StoreError> {
        self.transact(None, |tx, limits| tx.serve_overdue(limits, limit))
    }

    async fn limits(&self, only: Option<(LimitKind, &str)>) -> Result<Vec<LimitView>, StoreError> {
        let now_ms = self.now_ms();
        let state = self.state();
        let rates = state.ledger.rates().map(|(key, rate)| (key.clone(), *rate));
        let views = views(state.ledger.rows().cloned(), rates, now_ms).into_iter();
        Ok(views.filter(|view| only.is_none_or(|only| only == (view.limit, &view.key))).collect())
    }
}
