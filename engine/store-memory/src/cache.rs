//! The result cache.

use crate::state::State;
use crate::store::MemoryStore;
use async_trait::async_trait;
use reelmill_model::Digest;
use reelmill_model::artifact::ARTIFACT_KEY;
use reelmill_ports::{CacheEntry, CacheStats, ResultCache, StoreError};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Artifacts that entries name, each once, with their lengths.
fn in_cache(state: &State) -> BTreeMap<Digest, u64> {
    state.cache.values().flat_map(|(_, entry)| entry.artifacts.iter().copied()).collect()
}

/// Artifacts that runs name in their inputs and outputs.
fn in_runs(state: &State) -> BTreeSet<Digest> {
    let mut found = BTreeSet::new();
    for run in state.runs.values() {
        collect(&run.new.inputs, &mut found);
        run.tasks.values().for_each(|task| collect(&task.outputs, &mut found));
    }
    found
}

fn collect(value: &Value, found: &mut BTreeSet<Digest>) {
    match value {
        Value::Object(map) => {
            let named = map.get(ARTIFACT_KEY).and_then(Value::as_str);
            found.extend(named.and_then(|text| text.parse::<Digest>().ok()));
            map.values().for_each(|inner| collect(inner, found));
        }
        Value::Array(list) => list.iter().for_each(|inner| collect(inner, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[async_trait]
impl ResultCache for MemoryStore {
    async fn lookup(&self, key: Digest) -> Result<Option<CacheEntry>, StoreError> {
        let mut state = self.state();
        state.next_use += 1;
        let now = state.next_use;
        let found = state.cache.get_mut(&key).map(|(used, entry)| {
            *used = now;
            entry.clone()
        });
        match &found {
            Some(entry) => {
                state.hits += 1;
                state.cpu_saved_ms += entry.cpu_ms;
            }
            None => state.misses += 1,
        }
        Ok(found)
    }

    async fn remember(&self, entry: CacheEntry) -> Result<(), StoreError> {
        let mut state = self.state();
        state.next_use += 1;
        let now = state.next_use;
        state.cache.insert(entry.key, (now, entry));
        Ok(())
    }

    async fn forget(&self, key: Digest) -> Result<(), StoreError> {
        self.state().cache.remove(&key);
        Ok(())
    }

    async fn nearest(
        &self,
        stage: &str,
        parts: &BTreeMap<String, String>,
    ) -> Result<Option<CacheEntry>, StoreError> {
        let held = self.state();
        let of_stage = held.cache.values().filter(|(_, entry)| entry.stage == stage);
        let shared = |entry: &CacheEntry| {
            parts.iter().filter(|(name, value)| entry.parts.get(*name) == Some(value)).count()
        };
        let best = of_stage.max_by_key(|(used, entry)| (shared(entry), *used));
        Ok(best.map(|(_, entry)| entry.clone()))
    }

    async fn evict(&self, budget_bytes: u64) -> Result<Vec<Digest>, StoreError> {
        let mut state = self.state();
        let mut freed: BTreeSet<Digest> = BTreeSet::new();
        while in_cache(&state).values().sum::<u64>() > budget_bytes {
            let oldest = state.cache.iter().min_by_key(|(_, (used, _))| *used).map(|(key, _)| *key);
            let Some((_, entry)) = oldest.and_then(|key| state.cache.remove(&key)) else { break };
            freed.extend(entry.artifacts.iter().map(|(digest, _)| *digest));
        }
        let (cached, run) = (in_cache(&state), in_runs(&state));
        Ok(freed.into_iter().filter(|d| !cached.contains_key(d) && !run.contains(d)).collect())
    }

    async fn named_artifacts(&self) -> Result<Vec<Digest>, StoreError> {
        let state = self.state();
        let mut named = in_runs(&state);
        named.extend(in_cache(&state).into_keys());
        Ok(named.into_iter().collect())
    }

    async fn stats(&self) -> Result<CacheStats, StoreError> {
        let state = self.state();
        Ok(CacheStats {
            entries: state.cache.len() as u64,
            bytes: in_cache(&state).values().sum(),
            hits: state.hits,
            misses: state.misses,
            cpu_saved_ms: state.cpu_saved_ms,
        })
    }
}
