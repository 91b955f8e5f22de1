//! Handing ended runs over to an archive.

use crate::codec;
use crate::deed::{Deed, Done, Removal};
use crate::error::Trouble;
use crate::graphs::Graphs;
use crate::keys::{Keys, ended_run};
use crate::log;
use crate::reading;
use crate::store::RedisStore;
use crate::wire::Wire;
use async_trait::async_trait;
use redis::cmd;
use reelmill_model::{EventKind, InstanceNo, RunId, TaskNo};
use reelmill_ports::{Archivable, EventQuery, RunRecord, StoreError};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// Lines of a run that are handed over at most.
const LINES_MAX: usize = 1_000_000;

fn ended(wire: &mut Wire, keys: &Keys, by_ms: u64, limit: usize) -> Result<Vec<RunId>, Trouble> {
    let Some(last) = limit.checked_sub(1) else { return Ok(Vec::new()) };
    let entries: Vec<Vec<u8>> = wire.query(cmd("LRANGE").arg(keys.named("ended")).arg(0).arg(last))?;
    let runs: Vec<(u64, RunId)> = entries.iter().map(|entry| ended_run(entry)).collect::<Result<_, _>>()?;
    Ok(runs.into_iter().take_while(|(ended_ms, _)| *ended_ms <= by_ms).map(|(_, run)| run).collect())
}

fn record(wire: &mut Wire, keys: &Keys, graphs: &Graphs, id: RunId) -> Result<Option<RunRecord>, Trouble> {
    let fields: HashMap<Vec<u8>, Vec<u8>> = wire.query(cmd("HGETALL").arg(keys.run(id)))?;
    let field = |name: &[u8]| fields.get(name).map(Vec::as_slice);
    let (Some(run), Some(new)) = (field(b"r"), field(b"n")) else { return Ok(None) };
    let (run, new, _) = reading::of_front(id, run, new, wire, graphs)?;
    if !run.state.is_terminal() {
        return Ok(None);
    }
    let (mut tasks, mut instances) = (Vec::new(), Vec::new());
    for (name, row) in &fields {
        match (name.first(), codec::row_number(name)) {
            (Some(b't'), Some(no)) => tasks.push(codec::read_task(TaskNo(no), row)?),
            (Some(b'i'), Some(no)) => instances.push(codec::read_instance(InstanceNo(no), row)?),
            _ => {}
        }
    }
    tasks.sort_by_key(|task| task.no);
    instances.sort_by_key(|instance| instance.no);
    let query = EventQuery { run: Some(id), kinds: vec![EventKind::TaskLog], ..EventQuery::default() };
    let log = log::lines(wire, keys, id, &query, LINES_MAX)?;
    Ok(Some(RunRecord { new, run, instances, tasks, log }))
}

#[async_trait]
impl Archivable for RedisStore {
    async fn ended(&self, ago: Duration, limit: usize) -> Result<Vec<RunId>, StoreError> {
        let ago_ms = u64::try_from(ago.as_millis()).unwrap_or(u64::MAX);
        let partitions = self.keys.clone();
        let given_ms = self.clock.as_ref().map(|clock| clock.now_ms());
        self.readers
            .read(move |wire| {
                let now_ms = given_ms.map_or_else(|| crate::fleet::server_ms(wire), Ok)?;
                let mut found = Vec::new();
                for keys in &partitions {
                    found.extend(ended(wire, keys, now_ms.saturating_sub(ago_ms), limit - found.len())?);
                }
                Ok(found)
            })
            .await
    }

    async fn record(&self, id: RunId) -> Result<Option<RunRecord>, StoreError> {
        let (keys, graphs) = (self.keys[self.place(id)].clone(), Arc::clone(&self.graphs));
        self.readers.read(move |wire| record(wire, &keys, &graphs, id)).await
    }

    async fn trim(&self, id: RunId) -> Result<bool, StoreError> {
        Ok(self.desk(id).deed(Deed::Remove(id, Removal::Archived)).await? == Done::Did(true))
    }
}
