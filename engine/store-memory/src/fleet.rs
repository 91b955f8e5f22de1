//! Workers and lanes.

use crate::state::Rows;
use crate::store::MemoryStore;
use async_trait::async_trait;
use reelmill_graph::placement::queue_of;
use reelmill_lifecycle::rank;
use reelmill_model::limits::WORKER_SILENT_MS;
use reelmill_model::{RunId, TaskRef, TaskState, WorkerId};
use reelmill_ports::{Fleet, InLine, LaneView, Only, StoreError, WorkerCard};
use std::collections::BTreeMap;

#[async_trait]
impl Fleet for MemoryStore {
    async fn announce(&self, mut card: WorkerCard) -> Result<(), StoreError> {
        let now_ms = self.now_ms();
        card.seen_ms = now_ms;
        let mut state = self.state();
        state.workers.retain(|_, known| known.seen_ms + WORKER_SILENT_MS >= now_ms);
        state.workers.insert(card.worker.clone(), card);
        Ok(())
    }

    async fn retire(&self, worker: &WorkerId) -> Result<(), StoreError> {
        self.state().workers.remove(worker);
        Ok(())
    }

    async fn claim(
        &self,
        key: &str,
        run: RunId,
        kept_ms: u64,
        instead_of: Option<RunId>,
    ) -> Result<RunId, StoreError> {
        let now_ms = self.now_ms();
        let mut state = self.state();
        state.claims.retain(|_, (_, until_ms)| *until_ms >= now_ms);
        if state.claims.get(key).is_some_and(|(owner, _)| Some(*owner) == instead_of) {
            state.claims.remove(key);
        }
        let until_ms = now_ms.saturating_add(kept_ms);
        Ok(state.claims.entry(key.to_owned()).or_insert((run, until_ms)).0)
    }

    async fn claimed(&self, key: &str) -> Result<Option<RunId>, StoreError> {
        let now_ms = self.now_ms();
        let known = self.state().claims.get(key).copied();
        Ok(known.filter(|(_, until_ms)| *until_ms >= now_ms).map(|(run, _)| run))
    }

    async fn workers(&self) -> Result<Vec<WorkerCard>, StoreError> {
        let now_ms = self.now_ms();
        let state = self.state();
        let heard = state.workers.values().filter(|card| card.seen_ms + WORKER_SILENT_MS >= now_ms);
        Ok(heard.cloned().collect())
    }

    async fn lanes(&self) -> Result<Vec<LaneView>, StoreError> {
        let state = self.state();
        let mut ready: BTreeMap<String, Vec<(u8, u64)>> =
            state.paused.iter().map(|lane| (lane.clone(), Vec::new())).collect();
        for (seq, run) in &state.runs {
            for task in run.tasks.values().filter(|task| task.state == TaskState::Ready) {
                let node = run.graph.node(task.node);
                ready.entry(node.lane()).or_default().push((rank(node, run.row.priority), *seq));
            }
        }
        let view = |(lane, tasks): (String, Vec<(u8, u64)>)| LaneView {
            ready: tasks.len() as u64,
            oldest_ms: tasks.iter().min().map(|(_, seq)| state.runs[seq].row.id.0.timestamp_ms()),
            paused: state.paused.contains(&lane) || state.paused.contains(queue_of(&lane)),
            lane,
        };
        Ok(ready.into_iter().map(view).collect())
    }

    async fn in_line(&self, task: TaskRef) -> Result<Option<InLine>, StoreError> {
        let state = self.state();
        let row = state.run(task.run).and_then(|run| Some((run, run.tasks.get(&task.task)?)));
        let Some((run, _)) = row.filter(|(_, row)| row.state == TaskState::Ready) else { return Ok(None) };
        let lane = run.graph.node(run.tasks[&task.task].node).lane();
        let ready = Rows(&state).line(&lane, &Only::Any);
        let ahead = ready.iter().take_while(|key| (key.seq, key.task) != (run.row.seq, task.task)).count();
        Ok(Some(InLine { ahead: ahead as u64, others: 0 }))
    }

    async fn pause_lane(&self, lane: &str, paused: bool) -> Result<(), StoreError> {
        let mut state = self.state();
        if paused {
            state.paused.insert(lane.to_owned());
        } else {
            state.paused.remove(lane);
            self.ready.notify_waiters();
        }
        Ok(())
    }
}
