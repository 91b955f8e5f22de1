//! What was tried again, and why: for reports.

use crate::{Control, ControlError};
use reelmill_model::{EventKind, RunId, limits};
use reelmill_ports::{EventQuery, TaskFilter};
use serde::Serialize;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

/// An attempt that was followed by another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Again {
    /// Path of the task.
    pub stage: String,
    /// The attempt that did not succeed, from 1.
    pub attempt: u32,
    /// Its failure's class.
    pub class: String,
    /// What it said.
    pub why: String,
}

impl Control {
    /// The attempts of these runs that were tried again, as far as the log of events goes back. One pass over the log,
    /// whatever the number of runs.
    pub async fn tried_again(
        &self,
        runs: &HashSet<RunId>,
    ) -> Result<HashMap<RunId, Vec<Again>>, ControlError> {
        let mut found: HashMap<RunId, Vec<Again>> = HashMap::new();
        let mut paths: HashMap<RunId, HashMap<_, String>> = HashMap::new();
        let mut after = 0;
        loop {
            let kinds = vec![EventKind::TaskRetried, EventKind::TaskLeaseExpired];
            let query = EventQuery { after, kinds, limit: limits::PAGE_ROWS_MAX, ..EventQuery::default() };
            let events = self.events.events(query).await?;
            let Some(last) = events.last() else { return Ok(found) };
            after = last.cursor;
            for event in events.iter().filter(|event| runs.contains(&event.run)) {
                if let Entry::Vacant(unread) = paths.entry(event.run) {
                    let tasks = self.all_tasks(event.run, TaskFilter::default()).await?;
                    unread.insert(tasks.into_iter().map(|task| (task.task, task.path)).collect());
                }
                let stage = event.task.and_then(|task| paths[&event.run].get(&task).cloned());
                let text = |name: &str| event.data["failure"][name].as_str().unwrap_or_default().to_owned();
                found.entry(event.run).or_default().push(Again {
                    stage: stage.unwrap_or_default(),
                    attempt: event.attempt.unwrap_or(1),
                    class: text("class"),
                    why: text("message"),
                });
            }
        }
    }
}
