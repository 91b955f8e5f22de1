//! Limits: who has the places, who waits, and what that means for a task.

use crate::{Control, ControlError};
use reelmill_model::{LimitKind, Parked, TaskNo, TaskRef};
use reelmill_ports::{LimitView, Seat, TaskFilter, TaskView};
use std::time::{Duration, UNIX_EPOCH};

/// Holders that are named; more are counted.
const HOLDERS_NAMED_MAX: usize = 5;

impl Control {
    /// The limits that somebody uses, with the paths of the first `named` holders of each.
    pub async fn limits_in_use(&self, named: usize) -> Result<Vec<LimitView>, ControlError> {
        let mut limits = self.limits.limits(None).await?;
        for limit in &mut limits {
            self.name_holders(limit, named).await?;
        }
        Ok(limits)
    }

    async fn name_holders(&self, limit: &mut LimitView, most: usize) -> Result<(), ControlError> {
        for seat in limit.holders.iter_mut().take(most) {
            if let Some(task) = seat.task {
                seat.path = self.path_of(TaskRef { run: seat.run, task }).await?;
            }
        }
        Ok(())
    }

    async fn path_of(&self, task: TaskRef) -> Result<Option<String>, ControlError> {
        let after = task.task.0.checked_sub(1).map(TaskNo);
        let filter = TaskFilter { after, limit: 1, ..TaskFilter::default() };
        match self.store.tasks(task.run, filter).await {
            Ok(found) => Ok(found.into_iter().find(|one| one.task == task.task).map(|one| one.path)),
            Err(reelmill_ports::StoreError::NoSuchRun(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Why a parked task waits, in sentences.
    pub(crate) async fn why_parked(
        &self,
        task: TaskRef,
        view: &TaskView,
        parked: &Parked,
    ) -> Result<Vec<String>, ControlError> {
        let mut limit = self.limits.limits(Some((parked.limit, &parked.key))).await?.pop();
        if let Some(limit) = &mut limit {
            self.name_holders(limit, HOLDERS_NAMED_MAX).await?;
        }
        Ok(sentences(task, view, parked, limit.as_ref()))
    }
}

fn sentences(task: TaskRef, view: &TaskView, parked: &Parked, limit: Option<&LimitView>) -> Vec<String> {
    let key = &parked.key;
    let Some(limit) = limit else {
        return vec![format!(
            "it waited for a limit of `{key}`, which nobody uses any more; it asks again soon"
        )];
    };
    let mut lines = Vec::new();
    let place = limit.line.iter().position(|waiter| waiter.task == task);
    if parked.limit == LimitKind::Rate {
        let per = Duration::from_millis(limit.per_ms.unwrap_or_default());
        let per = humantime::format_duration(per);
        lines.push(format!("`rate_limit` of `{key}` allows {} starts in {per}", limit.most));
        let at_ms = place.and_then(|place| limit.line[place].at_ms).or(view.due_ms);
        lines.extend(at_ms.map(|at_ms| {
            let at = humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_millis(at_ms));
            format!("it may start at {at}, or a little later if no worker is free then")
        }));
        return lines;
    }
    let (whose, what) = if parked.limit == LimitKind::Runs { ("its run", "runs") } else { ("it", "tasks") };
    let taken = limit.holders.len();
    lines.push(format!(
        "{whose} waits for a place: `concurrency` of `{key}` lets {} {what} work at once, and {taken} do",
        limit.most
    ));
    let named: Vec<String> = limit.holders.iter().take(HOLDERS_NAMED_MAX).map(holder).collect();
    let more = taken.saturating_sub(named.len());
    let more = if more > 0 { format!(", and {more} more") } else { String::new() };
    if !named.is_empty() {
        lines.push(format!("the places are held by {}{more}", named.join(", ")));
    }
    lines.push(match place {
        Some(place) => format!("it is number {} of {} in line", place + 1, limit.waiting),
        None => format!("{} wait in line", limit.waiting),
    });
    lines
}

fn holder(seat: &Seat) -> String {
    let kept = if seat.kept { ", kept until a worker takes it" } else { "" };
    let run = seat.run;
    match (&seat.path, seat.task) {
        (Some(path), _) => format!("`{path}` of run {run}{kept}"),
        (None, Some(task)) => format!("task {task} of run {run}{kept}"),
        (None, None) => format!("run {run}"),
    }
}
