//! Limits within a transaction: what is asked, what has ended, and what follows for those who wait.

use super::{
    Admission, Asks, Book, PlaceAnswer, StartAnswer, ask_place, ask_start, gave_way, holds, keeps, park,
    serve, unpark, whole,
};
use crate::transaction::{Source, Transaction};
use reelmill_model::limits::LINE_ASKED_MS;
use reelmill_model::{LimitKind, Parked, TaskRef, Token};
use std::collections::BTreeSet;

impl<S: Source> Transaction<S> {
    /// Asks for everything that a leased task needs before it may start; what it cannot have now, it waits for.
    pub fn admit<B: Book<Error = S::Error>>(
        &mut self,
        book: &mut B,
        who: TaskRef,
        token: Token,
        asks: &Asks,
    ) -> Result<Admission, S::Error> {
        self.settle_limits(book)?;
        let now_ms = self.now_ms();
        let Some(seq) = self.seq(who.run)? else { return Ok(Admission::Lost) };
        if !self.with(seq, |work| holds(work, who.task, token))? {
            return Ok(Admission::Lost);
        }
        for ask in &asks.places {
            let parked = || Parked { limit: ask.kind, key: ask.key.clone() };
            match ask_place(book, now_ms, who, token, ask)? {
                PlaceAnswer::Seated(instead) => {
                    for run in instead {
                        self.cancel(run, &gave_way(who.run, &ask.key))?;
                    }
                }
                PlaceAnswer::Waits => {
                    let until_ms = now_ms.saturating_add(LINE_ASKED_MS);
                    return self.park(who, token, parked(), until_ms);
                }
                PlaceAnswer::Full => return Ok(Admission::Full(parked())),
            }
        }
        if let Some(ask) = &asks.start
            && let StartAnswer::At(at_ms) = ask_start(book, now_ms, who, ask)?
        {
            return self.park(who, token, Parked { limit: LimitKind::Rate, key: ask.key.clone() }, at_ms);
        }
        Ok(Admission::Granted)
    }

    /// Lets a leased task wait for a limit.
    pub fn park(
        &mut self,
        who: TaskRef,
        token: Token,
        why: Parked,
        until_ms: u64,
    ) -> Result<Admission, S::Error> {
        let Some(seq) = self.seq(who.run)? else { return Ok(Admission::Lost) };
        let parked = self.with(seq, |work| park(work, who.task, token, &why, until_ms))?;
        Ok(if parked { Admission::Parked(why) } else { Admission::Lost })
    }

    /// Readies a task that waits for a limit; says whether it was one.
    pub fn unpark(&mut self, who: TaskRef) -> Result<bool, S::Error> {
        match self.seq(who.run)? {
            Some(seq) => self.with(seq, |work| unpark(work, who.task)),
            None => Ok(false),
        }
    }

    /// Takes away what tasks whose attempts have ended in this transaction had at limits, and gives it to those who
    /// wait. A store calls it before it takes the changes.
    pub fn settle_limits<B: Book<Error = S::Error>>(&mut self, book: &mut B) -> Result<(), S::Error> {
        loop {
            let moved = self.take_moved();
            if moved.is_empty() {
                return Ok(());
            }
            let mut freed = BTreeSet::new();
            for (seq, id, no) in moved {
                let who = no.map_or(whole(id), |task| TaskRef { run: id, task });
                for row in book.of(who)? {
                    let keeps = match no {
                        Some(no) => {
                            self.with(seq, |work| Ok(keeps(work.find_task(no)?, row.standing, row.token)))?
                        }
                        None => self.run(seq).is_some_and(|run| !run.state.is_terminal()),
                    };
                    if !keeps {
                        book.remove(&row.key, who)?;
                        freed.insert(row.key);
                    }
                }
            }
            for key in freed {
                self.serve_line(book, &key)?;
            }
        }
    }

    /// Gives what is free at a limit to those who wait.
    fn serve_line<B: Book<Error = S::Error>>(&mut self, book: &mut B, key: &str) -> Result<usize, S::Error> {
        let mut readied = 0;
        let now_ms = self.now_ms();
        for who in serve(book, key, now_ms)? {
            readied += usize::from(self.unpark(who)?);
        }
        Ok(readied)
    }

    /// Takes places back that were kept for up to `limit` tasks too long, and gives them to the next in line; says how
    /// many were readied.
    pub fn serve_overdue<B: Book<Error = S::Error>>(
        &mut self,
        book: &mut B,
        limit: usize,
    ) -> Result<usize, S::Error> {
        self.settle_limits(book)?;
        let mut readied = 0;
        for row in book.overdue(self.now_ms(), limit)? {
            book.remove(&row.key, row.who)?;
            readied += self.serve_line(book, &row.key)?;
        }
        Ok(readied)
    }
}
