//! The place of a ready task in its queue, for whoever asks why it waits. `lua/queues.lua` says how queues lie.

use crate::error::Trouble;
use crate::keys::{Keys, member, score};
use crate::store::RedisStore;
use crate::wire::Wire;
use redis::{Pipeline, cmd};
use reelmill_model::{TaskRef, TaskState};
use reelmill_ports::{InLine, RunStore as _, StoreError, TaskFilter};

/// Bits of a score that are the age of a run.
const AGE_BITS: u32 = 44;

/// A ready task, as its queue knows it.
struct Place {
    /// `<lane>:<tenant>`.
    queue: String,
    lane: String,
    score: u64,
    member: Vec<u8>,
}

impl Place {
    /// As it stands in the list.
    fn entry(&self) -> Vec<u8> {
        let rank = u8::try_from(self.score >> AGE_BITS).unwrap_or(u8::MAX);
        [&[rank], &self.member[..]].concat()
    }
}

/// The score of an entry of the list.
fn score_of(entry: &[u8]) -> u64 {
    let mut age = [0; 8];
    if let (Some(rank), Some(ms)) = (entry.first(), entry.get(1..7)) {
        age[2..].copy_from_slice(ms);
        return (u64::from(*rank) << AGE_BITS) + u64::from_be_bytes(age).min((1 << AGE_BITS) - 1);
    }
    0
}

fn in_line(wire: &mut Wire, keys: &Keys, place: &Place) -> Result<Option<InLine>, Trouble> {
    let (list, heap) = (keys.named(&format!("f:{}", place.queue)), keys.named(&format!("q:{}", place.queue)));
    let mut pipe = Pipeline::new();
    pipe.cmd("LPOS").arg(&list).arg(place.entry());
    pipe.cmd("ZRANK").arg(&heap).arg(&place.member);
    pipe.cmd("ZCOUNT").arg(&heap).arg("-inf").arg(place.score);
    pipe.cmd("LLEN").arg(&list);
    pipe.cmd("ZCARD").arg(keys.named(&format!("lane:{}", place.lane)));
    let (listed, sorted, before, length, tenants): (Option<u64>, Option<u64>, u64, u64, u64) =
        wire.all(&pipe)?;
    let ahead = match (sorted, listed) {
        (Some(rank), _) => rank + listed_before(wire, &list, length, place.score)?,
        (None, Some(index)) => index + before,
        (None, None) => return Ok(None),
    };
    Ok(Some(InLine { ahead, others: tenants.saturating_sub(1) }))
}

/// How many entries of a list, which is in order, are leased before a score.
fn listed_before(wire: &mut Wire, list: &str, length: u64, score: u64) -> Result<u64, Trouble> {
    let (mut from, mut to) = (0, length);
    while from < to {
        let middle = from.midpoint(to);
        let entry: Option<Vec<u8>> = wire.query(cmd("LINDEX").arg(list).arg(middle))?;
        if entry.is_some_and(|entry| score_of(&entry) < score) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    Ok(from)
}

impl RedisStore {
    /// The place of a task in its lane; none when it is not ready.
    pub(crate) async fn line_of(&self, task: TaskRef) -> Result<Option<InLine>, StoreError> {
        let Some(run) = self.run(task.run).await? else { return Ok(None) };
        let after = task.task.0.checked_sub(1).map(reelmill_model::TaskNo);
        let filter = TaskFilter { after, limit: 1, ..TaskFilter::default() };
        let found = self.tasks(task.run, filter).await?.pop();
        let Some(found) = found.filter(|found| found.task == task.task && found.state == TaskState::Ready)
        else {
            return Ok(None);
        };
        let graph = self.graph_of(run.new.graph).await?;
        let node = graph.node(found.node);
        let place = Place {
            queue: format!("{}:{}", node.lane(), run.new.namespace),
            lane: node.lane(),
            score: score(node, run.new.priority, task.run),
            member: member(task.run, task.task),
        };
        let keys = self.keys[self.place(task.run)].clone();
        self.readers.read(move |wire| in_line(wire, &keys, &place)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reelmill_model::{RunId, TaskNo};

    #[test]
    fn an_entry_has_the_score_it_was_made_of() {
        let run = RunId::from_parts(1_700_000_000_000, 7);
        let score = (200 << AGE_BITS) + 1_700_000_000_000;
        let place =
            Place { queue: String::new(), lane: String::new(), score, member: member(run, TaskNo(3)) };
        assert_eq!(score_of(&place.entry()), score);
    }
}
