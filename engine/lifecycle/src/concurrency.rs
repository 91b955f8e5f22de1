//! How many may run at once: who holds a place, who waits, and who is next.
//!
//! A place is held until whoever holds it gives it back, on every way to end. Decides only: whoever keeps the
//! structure asks, and does what is answered. No pipeline can ask yet: `concurrency` is refused until the stores
//! keep it.

use std::collections::VecDeque;

/// What happens to one who finds every place taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnLimit {
    /// It waits; who came first goes first.
    Queue,
    /// It waits; owners take turns, and of one owner who came first goes first.
    RoundRobin,
    /// It is refused.
    Reject,
    /// The one that has held a place longest loses it.
    CancelOldest,
}

/// The answer to one who asks for a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer<H> {
    /// It has one; had it one already, nothing changes.
    Held,
    /// It waits.
    Waits,
    /// There is none for it.
    Rejected,
    /// It has the place of this one, which is to be cancelled.
    Instead(H),
}

/// The places of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places<H> {
    // Invariant: never more than the limit at which the last place was given; oldest first.
    holders: Vec<(String, H)>,
    // Invariant: none of them holds a place; in the order in which they came.
    waiters: VecDeque<(String, H)>,
    /// The owner who was served last.
    served: Option<String>,
}

impl<H> Default for Places<H> {
    fn default() -> Self {
        Self { holders: Vec::new(), waiters: VecDeque::new(), served: None }
    }
}

impl<H: Clone + PartialEq> Places<H> {
    /// Who holds a place, oldest first.
    pub fn holders(&self) -> impl Iterator<Item = &H> {
        self.holders.iter().map(|(_, holder)| holder)
    }

    /// Who waits, in the order in which they came.
    pub fn waiters(&self) -> impl Iterator<Item = &H> {
        self.waiters.iter().map(|(_, waiter)| waiter)
    }

    /// Asks for a place of so many, for an owner's run.
    pub fn ask(&mut self, limit: usize, owner: &str, holder: H, on_limit: OnLimit) -> Answer<H> {
        if self.holders().any(|known| *known == holder) {
            return Answer::Held;
        }
        if self.waiters().any(|known| *known == holder) {
            return Answer::Waits;
        }
        // Who waits already goes first.
        if self.holders.len() < limit && self.waiters.is_empty() {
            self.take(owner, holder);
            return Answer::Held;
        }
        match on_limit {
            OnLimit::Queue | OnLimit::RoundRobin => {
                self.waiters.push_back((owner.to_owned(), holder));
                Answer::Waits
            }
            OnLimit::CancelOldest if !self.holders.is_empty() && self.holders.len() <= limit => {
                let (_, oldest) = self.holders.remove(0);
                self.take(owner, holder);
                Answer::Instead(oldest)
            }
            OnLimit::Reject | OnLimit::CancelOldest => Answer::Rejected,
        }
    }

    /// Gives a place back, or stops waiting for one. Whoever has none changes nothing.
    pub fn leave(&mut self, holder: &H) {
        self.holders.retain(|(_, known)| known != holder);
        self.waiters.retain(|(_, known)| known != holder);
    }

    /// Gives places that are free to those who wait; says to whom.
    pub fn serve(&mut self, limit: usize, on_limit: OnLimit) -> Vec<H> {
        let mut served = Vec::new();
        while self.holders.len() < limit
            && let Some(at) = self.next(on_limit)
            && let Some((owner, holder)) = self.waiters.remove(at)
        {
            self.take(&owner, holder.clone());
            served.push(holder);
        }
        served
    }

    /// The place in the line of the one who is next.
    fn next(&self, on_limit: OnLimit) -> Option<usize> {
        if on_limit != OnLimit::RoundRobin {
            return (!self.waiters.is_empty()).then_some(0);
        }
        let owners = || self.waiters.iter().map(|(owner, _)| owner);
        // The next owner in the order of names after the one served last, or the first of all.
        let after = owners().filter(|owner| Some(*owner) > self.served.as_ref()).min();
        let owner = after.or_else(|| owners().min())?;
        owners().position(|other| other == owner)
    }

    fn take(&mut self, owner: &str, holder: H) {
        self.served = Some(owner.to_owned());
        self.holders.push((owner.to_owned(), holder));
    }
}
