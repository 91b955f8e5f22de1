//! Why a task that is ready is not begun: what its queue, the workers and those before it say. The facts are gathered
//! first; the sentences are a pure function of them. A task that a limit holds is not ready: see `limits.rs`.

use crate::{Control, ControlError};
use reelmill_graph::Node;
use reelmill_model::{RunId, TaskRef};
use reelmill_ports::{InLine, TaskView, WorkerCard};
use std::time::{Duration, UNIX_EPOCH};

/// What there is to know of the lane of a ready task.
#[derive(Clone, Debug, Default)]
pub struct Lane {
    /// Whether its tasks are not leased.
    pub paused: bool,
    /// The workers that were heard lately.
    pub workers: Vec<WorkerCard>,
    /// The task's place; none when it has just been leased.
    pub place: Option<InLine>,
}

impl Control {
    /// What there is to know of the lane of a ready task.
    pub(crate) async fn lane_of(
        &self,
        run: RunId,
        node: &Node,
        task: &TaskView,
    ) -> Result<Lane, ControlError> {
        let name = node.lane();
        let paused = self.fleet.lanes().await?.iter().any(|lane| lane.lane == name && lane.paused);
        let workers = self.fleet.workers().await?;
        let place = self.fleet.in_line(TaskRef { run, task: task.task }).await?;
        Ok(Lane { paused, workers, place })
    }
}

/// Why a ready task waits, most important first, and what can be done.
pub fn sentences(run: RunId, node: &Node, task: &TaskView, lane: &Lane) -> (Vec<String>, Option<String>) {
    let mut because = Vec::new();
    let mut remedy = None;
    let queue = &node.settings.queue;
    let name = node.lane();
    let serving: Vec<&WorkerCard> = lane.workers.iter().filter(|card| card.serves(&name)).collect();
    if lane.paused {
        because.push(format!("its queue `{queue}` is paused"));
        remedy = Some(format!("`reelmill queues --resume {queue}` lets its tasks be begun"));
    }
    if let Some(reason) = no_worker(node, lane, &serving) {
        because.push(reason);
        remedy = remedy.or_else(|| {
            Some(format!(
                "`reelmill worker --queue {queue}` works for all, `reelmill run --resume {run}` for this run alone"
            ))
        });
    }
    if let Some(place) = lane.place {
        because.extend(in_line(place));
        if because.is_empty() {
            because.push("it is next: the first worker with a free slot takes it".to_owned());
        }
    }
    if because.is_empty() {
        because.push("it waits for a worker with a free slot".to_owned());
    }
    because.extend(in_time(node, task));
    (because, remedy)
}

fn no_worker(node: &Node, lane: &Lane, serving: &[&WorkerCard]) -> Option<String> {
    let needs = &node.settings.requires;
    if lane.workers.is_empty() {
        return Some("no worker was heard lately".to_owned());
    }
    if serving.is_empty() {
        let what =
            format!("none of the {} workers serves queue `{}`", lane.workers.len(), node.settings.queue);
        return Some(if needs.is_empty() { what } else { format!("{what} with {needs}") });
    }
    if serving.iter().all(|card| card.draining) {
        return Some("every worker that serves its queue is about to stop".to_owned());
    }
    let busy = |card: &&WorkerCard| card.draining || card.held >= card.slots;
    let verb = if serving.len() == 1 { "serves its queue, and has" } else { "serve its queue, and each has" };
    let full = serving.iter().all(busy);
    full.then(|| format!("{} {verb} its slots full", count(serving.len() as u64, "worker")))
}

fn in_line(place: InLine) -> Vec<String> {
    let mut lines = Vec::new();
    if place.ahead > 0 {
        let verb = if place.ahead == 1 { "stands" } else { "stand" };
        lines.push(format!("{} of more urgent or older runs {verb} before it", count(place.ahead, "task")));
    }
    if place.others > 0 {
        lines.push(format!(
            "{} with ready tasks take turns with its own",
            count(place.others, "other namespace")
        ));
    }
    lines
}

/// Until when a worker has to take it.
fn in_time(node: &Node, task: &TaskView) -> Option<String> {
    let until_ms = task.ready_ms?.saturating_add(node.settings.timeout.queue_ms?);
    Some(format!("it fails if no worker takes it by {} (`timeout.queue`)", moment(until_ms)))
}

/// A moment as people read it.
pub fn moment(at_ms: u64) -> String {
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_millis(at_ms)).to_string()
}

fn count(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reelmill_graph::Graph;
    use reelmill_graph::sketch::Sketch;
    use reelmill_model::{InstanceNo, NodeNo, TaskNo, WorkerCapacity, WorkerId};

    fn worker(queue: &str, held: u32, draining: bool) -> WorkerCard {
        WorkerCard {
            worker: WorkerId("w".into()),
            machine: WorkerCapacity::default(),
            lanes: vec![queue.into()],
            slots: 2,
            adaptive: None,
            memory_mib: 1,
            held,
            draining,
            paces: Vec::new(),
            learned: Vec::new(),
            version: String::new(),
            started_ms: 0,
            seen_ms: 0,
        }
    }

    fn said(gpus: u32, lane: &Lane) -> (String, bool) {
        let mut sketch = Sketch::default();
        let node = sketch.work(Graph::MAIN, "clip");
        sketch.at(node).settings.requires.gpus = gpus;
        sketch.at(node).settings.timeout.queue_ms = (gpus == 7).then_some(60_000);
        let graph = sketch.build();
        let row = reelmill_lifecycle::TaskRow::new(TaskNo(0), NodeNo(0), InstanceNo(0), 0);
        let task = TaskView { ready_ms: Some(0), ..TaskView::of(row, "clip".into()) };
        let (because, remedy) = sentences(RunId::from_parts(1, 1), graph.node(node), &task, lane);
        (because.join("; "), remedy.is_some())
    }

    #[test]
    fn every_reason_has_its_sentence() {
        let of = |workers: &[WorkerCard], ahead, others| Lane {
            paused: false,
            workers: workers.to_vec(),
            place: Some(InLine { ahead, others }),
        };
        let free = [worker("default", 0, false)];
        for (gpus, lane, expected, can_be_helped) in [
            (0, of(&free, 0, 0), "it is next: the first worker with a free slot takes it", false),
            (0, of(&[], 0, 0), "no worker was heard lately", true),
            (0, of(&[worker("gpu", 0, false)], 0, 0), "none of the 1 workers serves queue `default`", true),
            (1, of(&free, 0, 0), "none of the 1 workers serves queue `default` with gpu 1", true),
            (
                0,
                of(&[worker("default", 0, true)], 0, 0),
                "every worker that serves its queue is about to stop",
                true,
            ),
            (
                0,
                of(&[worker("default", 2, false), worker("default", 0, true)], 1, 2),
                "2 workers serve its queue, and each has its slots full; 1 task of more urgent or older runs stands \
                 before it; 2 other namespaces with ready tasks take turns with its own",
                true,
            ),
            (0, Lane { paused: true, ..of(&free, 0, 0) }, "its queue `default` is paused", true),
            (
                7,
                of(&[], 0, 0),
                "no worker was heard lately; it fails if no worker takes it by 1970-01-01T00:01:00Z (`timeout.queue`)",
                true,
            ),
        ] {
            assert_eq!(said(gpus, &lane), (expected.to_owned(), can_be_helped));
        }
    }
}
