//! Footage from elsewhere: services that are searched, and files on the web. `providers` and the rest of the pure
//! files say what is asked, what answers mean and what is taken; `desk` asks, `download` fetches.

pub mod candidate;
mod desk;
mod download;
mod expand;
pub mod licence;
mod magic;
mod providers;
pub mod settings;
mod shelf;

#[cfg(test)]
mod tests;

use crate::types::{Wanted, Wishes};
use candidate::{Bounds, Candidate};
use desk::Desk;
use download::Downloads;
use providers::Question;
use reelmill_sdk::prelude::*;
use reelmill_text::Language;
use shelf::Shelf;
use std::collections::HashMap;

pub use download::Downloaded;

/// Requests to services in one attempt at the most.
const REQUESTS_MAX: u32 = 400;
/// Things found in one attempt at the most.
const CANDIDATES_MAX: usize = 5_000;
/// Pixels of the shorter side that services' files have at least when nothing is said.
pub const SIDE_OF_SERVICES: u32 = 480;

/// Something that was found for a scene.
pub struct Found {
    /// What.
    pub candidate: Candidate,
    /// How well, 0 to 1: by its place among the results, and by how broad the question was.
    pub fit: f64,
}

/// The services and the web, for one attempt.
pub struct Remote {
    desks: Vec<Desk>,
    shelf: Shelf,
    downloads: Downloads,
    bounds: Bounds,
    /// Of files that are named by their address: they are only held to what was asked for.
    bounds_of_named: Bounds,
    requests: u32,
    /// What was asked already, by address.
    answers: HashMap<String, Vec<Candidate>>,
    /// The failure that another attempt may not have.
    trouble: Option<StageError>,
    /// What is not as it was asked for.
    notes: Vec<String>,
}

impl Remote {
    /// Opens clients; nothing is sent.
    pub fn open(wishes: &Wishes, cx: &Cx<'_>) -> Result<Self, StageError> {
        let shelf = Shelf::open(wishes.cache.as_ref(), cx)?;
        Ok(Self {
            desks: wishes.sources.iter().map(Desk::open).collect::<Result<_, _>>()?,
            downloads: Downloads::open(wishes, &shelf, cx)?,
            shelf,
            bounds: wishes.bounds(SIDE_OF_SERVICES),
            bounds_of_named: wishes.bounds(0),
            requests: 0,
            answers: HashMap::new(),
            trouble: None,
            notes: Vec::new(),
        })
    }

    /// What services have for a scene: until there is enough of it, ever broader questions are asked of one service
    /// after the other.
    pub fn search(
        &mut self,
        wanted: &Wanted,
        enough: usize,
        wishes: &Wishes,
        cx: &Cx<'_>,
    ) -> Result<Vec<Found>, StageError> {
        let language = match &wishes.terms_language {
            Some(language) if !wanted.terms.is_empty() => language,
            _ => &wishes.language,
        };
        let questions =
            expand::questions(&wanted.terms, &wanted.words, &Language::of(language), &wishes.synonyms);
        let mut found: Vec<Found> = Vec::new();
        // Broader words come in when there are too few of the right shape too, but others are kept.
        let is_enough = |found: &[Found]| {
            found.iter().filter(|found| found.candidate.fits(wishes.orientation)).count() >= enough
        };
        for (breadth, text) in questions.iter().enumerate() {
            for desk in 0..self.desks.len() {
                if is_enough(&found) {
                    return Ok(found);
                }
                let question = Question {
                    text,
                    orientation: wishes.orientation,
                    kinds: wishes.kinds,
                    language,
                    min_side: self.bounds.min_side,
                };
                let results = self.ask(desk, &question, wishes, cx)?;
                for (place, candidate) in results.into_iter().enumerate() {
                    if found.iter().all(|other| other.candidate.name != candidate.name) {
                        let fit = 0.85_f64.powi(i32::try_from(breadth).unwrap_or(i32::MAX))
                            / (1.0 + 0.05 * place as f64);
                        found.push(Found { candidate, fit });
                    }
                }
            }
        }
        Ok(found)
    }

    /// What one service answers to one question, as far as it may be used.
    fn ask(
        &mut self,
        desk: usize,
        question: &Question<'_>,
        wishes: &Wishes,
        cx: &Cx<'_>,
    ) -> Result<Vec<Candidate>, StageError> {
        let mut all = Vec::new();
        for ask in self.desks[desk].asks(question) {
            if let Some(known) = self.answers.get(&ask.url) {
                all.extend(known.iter().cloned());
                continue;
            }
            if self.requests >= REQUESTS_MAX
                || self.answers.values().map(Vec::len).sum::<usize>() >= CANDIDATES_MAX
            {
                self.note(
                    format!("no more than {REQUESTS_MAX} requests and {CANDIDATES_MAX} results are used"),
                    cx,
                );
                break;
            }
            cx.check()?;
            cx.progress(&Progress {
                phase: format!("searching {}", self.desks[desk].name()),
                ..Progress::default()
            });
            self.requests += 1;
            match self.desks[desk].search(&ask, &self.shelf, cx) {
                Ok(mut candidates) => {
                    candidates.retain(|candidate| {
                        candidate.is_admitted(&self.bounds) && candidate.licence.is_allowed(wishes.licences)
                    });
                    all.extend(candidates.iter().cloned());
                    self.answers.insert(ask.url, candidates);
                }
                Err(error) => self.stumbled(error, cx)?,
            }
        }
        Ok(all)
    }

    /// Downloads something; nothing when it cannot be had, which is said.
    pub fn download(&mut self, candidate: &Candidate, cx: &Cx<'_>) -> Result<Option<Downloaded>, StageError> {
        let bounds = self.bounds(candidate);
        match self.downloads.get(candidate, &bounds, &self.shelf, cx) {
            Ok(downloaded) => Ok(Some(downloaded)),
            Err(error) => self.stumbled(error, cx).map(|()| None),
        }
    }

    /// What a file has to be.
    pub fn bounds(&self, candidate: &Candidate) -> Bounds {
        if candidate.is_named() { self.bounds_of_named } else { self.bounds }
    }

    /// Goes on without what failed, and remembers the failure for the case that nothing else is found.
    fn stumbled(&mut self, error: StageError, cx: &Cx<'_>) -> Result<(), StageError> {
        if error.class() == reelmill_sdk::FailureClass::Cancelled {
            return Err(error);
        }
        self.note(error.failure().message.clone(), cx);
        let may_pass = |error: &StageError| error.class().is_retryable();
        if self.trouble.as_ref().is_none_or(|known| may_pass(&error) && !may_pass(known)) {
            self.trouble = Some(error);
        }
        Ok(())
    }

    /// Says what is not as it was asked for, once.
    pub fn note(&mut self, text: String, cx: &Cx<'_>) {
        if !self.notes.contains(&text) {
            cx.warn(&text);
            self.notes.push(text);
        }
    }

    /// The failure of an attempt that is left without what it needs.
    pub fn take_trouble(&mut self) -> Option<StageError> {
        self.trouble.take()
    }

    /// What is not as it was asked for, one sentence each.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }
}
