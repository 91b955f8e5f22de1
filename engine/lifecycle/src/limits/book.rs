//! What a store keeps of limits, row by row, and the same in maps.

use reelmill_model::{TaskRef, Token};
use std::collections::BTreeMap;

/// How a task, or a run, stands at a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// It has a place.
    Held,
    /// Its turn has come, and its place is kept for a time.
    Kept,
    /// It waits in line.
    Waits,
    /// A start was promised to it, for a certain moment.
    Promised,
}

impl Standing {
    /// All of them, in an order that stores may rely on.
    pub const ALL: [Self; 4] = [Self::Held, Self::Kept, Self::Waits, Self::Promised];

    /// Whether it takes one of the places.
    #[must_use]
    pub fn takes_place(self) -> bool {
        matches!(self, Self::Held | Self::Kept)
    }
}

/// One row: who stands how at which limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The limit, with its kind before the key: `tasks:gpu`.
    pub key: String,
    /// Who.
    pub who: TaskRef,
    /// How.
    pub standing: Standing,
    /// Held by a task: its token.
    pub token: Token,
    /// Kept: until when, in milliseconds. Promised: the moment, in microseconds.
    pub until: u64,
    /// Since when it stands so, in milliseconds.
    pub since_ms: u64,
    /// The places there are, as whoever asked last sees it.
    pub limit: u32,
    /// Who takes turns with other owners.
    pub owner: String,
    /// Its place in line: the turn of its owner, and within that a number that grows.
    pub line: (u64, u64),
}

/// What is kept of a rate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateRow {
    /// The arrival time after the starts that were made, in microseconds.
    pub made_us: u64,
    /// The arrival time after the starts that were made and promised.
    pub promised_us: u64,
    /// The arrival time after the starts that were promised a second time, to those who came back late.
    pub late_us: u64,
    /// Starts, for people.
    pub limit: u32,
    /// In so many milliseconds.
    pub per_ms: u64,
}

impl RateRow {
    /// The arrival time after everything that was made or promised.
    #[must_use]
    pub fn last_us(&self) -> u64 {
        self.made_us.max(self.promised_us).max(self.late_us)
    }
}

/// Where a store keeps rows.
pub trait Book {
    /// What can go wrong.
    type Error;

    /// A row.
    fn get(&mut self, key: &str, who: TaskRef) -> Result<Option<Row>, Self::Error>;
    /// Writes a row, over what is there.
    fn put(&mut self, row: Row) -> Result<(), Self::Error>;
    /// Removes a row, if it is there.
    fn remove(&mut self, key: &str, who: TaskRef) -> Result<(), Self::Error>;
    /// How many places of a limit are held or kept.
    fn taken(&mut self, key: &str) -> Result<u32, Self::Error>;
    /// The first in line.
    fn first(&mut self, key: &str) -> Result<Option<Row>, Self::Error>;
    /// The one that has held its place longest.
    fn oldest(&mut self, key: &str) -> Result<Option<Row>, Self::Error>;
    /// Of a limit: the largest turn of those with a place, the largest of an owner's rows, the largest number in line.
    fn turns(&mut self, key: &str, owner: &str) -> Result<(u64, Option<u64>, u64), Self::Error>;
    /// A row of the same run that waits in line.
    fn comrade(&mut self, key: &str, who: TaskRef) -> Result<Option<Row>, Self::Error>;
    /// All rows of a task or a run.
    fn of(&mut self, who: TaskRef) -> Result<Vec<Row>, Self::Error>;
    /// Up to `limit` places that were kept and whose time is over.
    fn overdue(&mut self, now_ms: u64, limit: usize) -> Result<Vec<Row>, Self::Error>;
    /// What is kept of a rate.
    fn rate(&mut self, key: &str) -> Result<Option<RateRow>, Self::Error>;
    /// Keeps it.
    fn put_rate(&mut self, key: &str, rate: RateRow) -> Result<(), Self::Error>;
}

/// The rows in maps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    rows: BTreeMap<(String, TaskRef), Row>,
    rates: BTreeMap<String, RateRow>,
}

impl Ledger {
    /// All rows, by key.
    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.rows.values()
    }

    /// All rates, by key.
    pub fn rates(&self) -> impl Iterator<Item = (&String, &RateRow)> {
        self.rates.iter()
    }

    fn of_key<'l>(&'l self, key: &'l str) -> impl Iterator<Item = &'l Row> {
        self.rows.values().filter(move |row| row.key == key)
    }
}

impl Book for Ledger {
    type Error = std::convert::Infallible;

    fn get(&mut self, key: &str, who: TaskRef) -> Result<Option<Row>, Self::Error> {
        Ok(self.rows.get(&(key.to_owned(), who)).cloned())
    }

    fn put(&mut self, row: Row) -> Result<(), Self::Error> {
        self.rows.insert((row.key.clone(), row.who), row);
        Ok(())
    }

    fn remove(&mut self, key: &str, who: TaskRef) -> Result<(), Self::Error> {
        self.rows.remove(&(key.to_owned(), who));
        Ok(())
    }

    fn taken(&mut self, key: &str) -> Result<u32, Self::Error> {
        let count = self.of_key(key).filter(|row| row.standing.takes_place()).count();
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    }

    fn first(&mut self, key: &str) -> Result<Option<Row>, Self::Error> {
        let waiting = self.of_key(key).filter(|row| row.standing == Standing::Waits);
        Ok(waiting.min_by_key(|row| (row.line, row.who)).cloned())
    }

    fn oldest(&mut self, key: &str) -> Result<Option<Row>, Self::Error> {
        let seated = self.of_key(key).filter(|row| row.standing.takes_place());
        Ok(seated.min_by_key(|row| (row.since_ms, row.who)).cloned())
    }

    fn turns(&mut self, key: &str, owner: &str) -> Result<(u64, Option<u64>, u64), Self::Error> {
        let seated = self.of_key(key).filter(|row| row.standing.takes_place());
        let current = seated.map(|row| row.line.0).max().unwrap_or(0);
        let own = self.of_key(key).filter(|row| row.owner == owner).map(|row| row.line.0).max();
        let last = self.of_key(key).map(|row| row.line.1).max().unwrap_or(0);
        Ok((current, own, last))
    }

    fn comrade(&mut self, key: &str, who: TaskRef) -> Result<Option<Row>, Self::Error> {
        let of_run = |row: &&Row| row.who.run == who.run && row.standing == Standing::Waits;
        Ok(self.of_key(key).find(of_run).cloned())
    }

    fn of(&mut self, who: TaskRef) -> Result<Vec<Row>, Self::Error> {
        Ok(self.rows.values().filter(|row| row.who == who).cloned().collect())
    }

    fn overdue(&mut self, now_ms: u64, limit: usize) -> Result<Vec<Row>, Self::Error> {
        let over = |row: &&Row| row.standing == Standing::Kept && row.until <= now_ms;
        Ok(self.rows.values().filter(over).take(limit).cloned().collect())
    }

    fn rate(&mut self, key: &str) -> Result<Option<RateRow>, Self::Error> {
        Ok(self.rates.get(key).copied())
    }

    fn put_rate(&mut self, key: &str, rate: RateRow) -> Result<(), Self::Error> {
        self.rates.insert(key.to_owned(), rate);
        Ok(())
    }
}
