//! The result cache: one for the whole fleet, in keys of its own (`rm:{cache}:…`), so that it may lie on any node.
//!
//! `entries` (JSON by key), `named` (stage and artifacts by key), `saved` (CPU ms by key), `lru` (keys by last use),
//! `stage:<stage>` (keys), `refs` (entries that name an artifact), `stats` (uses, bytes, hits, misses, saved).

use crate::error::Trouble;
use crate::graphs::Graphs;
use crate::keys::Keys;
use crate::pack::Packer;
use crate::reading::every_run;
use crate::store::RedisStore;
use crate::wire::Wire;
use async_trait::async_trait;
use redis::{Script, cmd};
use reelmill_lifecycle::Damage;
use reelmill_model::Digest;
use reelmill_model::artifact::ARTIFACT_KEY;
use reelmill_ports::{CacheEntry, CacheStats, ResultCache, StoreError};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Entries of a stage that are looked at to explain a miss.
const EXPLAINED_BY_MAX: i64 = 200;

/// The keys of the cache.
fn keys() -> Keys {
    Keys::with_tag("cache")
}

/// One call of the script.
struct Call<'a> {
    verb: &'static str,
    key: &'a [u8],
    entry: Option<&'a CacheEntry>,
}

impl Call<'_> {
    fn make(&self, wire: &mut Wire) -> Result<Option<Vec<u8>>, Trouble> {
        let script = Script::new(include_str!("lua/cache.lua"));
        let mut packer = Packer::default();
        packer.list(6).bytes(self.verb).bytes(self.key);
        match self.entry {
            None => drop(packer.bytes("").bytes("").list(0).number(0)),
            Some(entry) => {
                let json = serde_json::to_vec(entry).map_err(|error| Damage(error.to_string()))?;
                // An artifact that an entry names twice counts once.
                let artifacts: BTreeMap<Digest, u64> = entry.artifacts.iter().copied().collect();
                packer.bytes(json).bytes(&entry.stage).list(2 * artifacts.len());
                for (digest, bytes) in &artifacts {
                    packer.bytes(digest.0).number(*bytes);
                }
                packer.number(entry.cpu_ms);
            }
        }
        wire.run(&script, &keys(), &packer.done())
    }
}

fn entry(json: &[u8]) -> Result<CacheEntry, Trouble> {
    serde_json::from_slice(json).map_err(|error| Damage(format!("a cache entry is no entry: {error}")).into())
}

fn digest(bytes: &[u8]) -> Result<Digest, Damage> {
    bytes.try_into().map(Digest).map_err(|_| Damage("a digest has not 32 bytes".into()))
}

fn number(wire: &mut Wire, field: &str) -> Result<u64, Trouble> {
    let found: Option<i64> = wire.query(cmd("HGET").arg(keys().named("stats")).arg(field))?;
    Ok(found.and_then(|number| u64::try_from(number).ok()).unwrap_or(0))
}

fn nearest(
    wire: &mut Wire,
    stage: &str,
    parts: &BTreeMap<String, String>,
) -> Result<Option<CacheEntry>, Trouble> {
    let of_stage = keys().named(&format!("stage:{stage}"));
    let known: Vec<Vec<u8>> = wire.query(cmd("SRANDMEMBER").arg(of_stage).arg(EXPLAINED_BY_MAX))?;
    let mut best: Option<(usize, f64, CacheEntry)> = None;
    for key in known {
        let json: Option<Vec<u8>> = wire.query(cmd("HGET").arg(keys().named("entries")).arg(&key))?;
        let used: Option<f64> = wire.query(cmd("ZSCORE").arg(keys().named("lru")).arg(&key))?;
        let (Some(json), Some(used)) = (json, used) else { continue };
        let entry = entry(&json)?;
        let shared = parts.iter().filter(|(name, value)| entry.parts.get(*name) == Some(value)).count();
        if best.as_ref().is_none_or(|(most, last, _)| (shared, used) > (*most, *last)) {
            best = Some((shared, used, entry));
        }
    }
    Ok(best.map(|(_, _, entry)| entry))
}

/// Drops the least recently used entries; says the artifacts that they named.
fn drop_oldest(wire: &mut Wire, budget_bytes: u64) -> Result<BTreeSet<Digest>, Trouble> {
    let mut freed = BTreeSet::new();
    while number(wire, "bytes")? > budget_bytes {
        let oldest: Vec<Vec<u8>> = wire.query(cmd("ZRANGE").arg(keys().named("lru")).arg(0).arg(0))?;
        let Some(key) = oldest.first() else { break };
        let json: Option<Vec<u8>> = wire.query(cmd("HGET").arg(keys().named("entries")).arg(key))?;
        if let Some(json) = json {
            freed.extend(entry(&json)?.artifacts.into_iter().map(|(digest, _)| digest));
        }
        Call { verb: "forget", key, entry: None }.make(wire)?;
    }
    Ok(freed)
}

/// Artifacts that entries name.
fn in_cache(wire: &mut Wire) -> Result<BTreeSet<Digest>, Trouble> {
    let named: Vec<Vec<u8>> = wire.query(cmd("HKEYS").arg(keys().named("refs")))?;
    Ok(named.iter().map(|bytes| digest(bytes)).collect::<Result<_, _>>()?)
}

/// Artifacts that runs name in their inputs and outputs.
fn in_runs(wire: &mut Wire, partitions: &[Keys], graphs: &Graphs) -> Result<BTreeSet<Digest>, Trouble> {
    let mut found = BTreeSet::new();
    for keys in partitions {
        every_run(wire, keys, graphs, |new, tasks| {
            collect(&new.inputs, &mut found);
            for task in tasks {
                collect(&task.outputs, &mut found);
            }
        })?;
    }
    Ok(found)
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
impl ResultCache for RedisStore {
    async fn lookup(&self, key: Digest) -> Result<Option<CacheEntry>, StoreError> {
        let found = self
            .readers
            .read(move |wire| Call { verb: "lookup", key: &key.0, entry: None }.make(wire))
            .await?;
        match found {
            None => Ok(None),
            Some(json) => entry(&json).map(Some).map_err(|trouble| trouble.into_store_error("the cache")),
        }
    }

    async fn remember(&self, entry: CacheEntry) -> Result<(), StoreError> {
        self.readers
            .read(move |wire| {
                Call { verb: "remember", key: &entry.key.0, entry: Some(&entry) }.make(wire).map(drop)
            })
            .await
    }

    async fn forget(&self, key: Digest) -> Result<(), StoreError> {
        self.readers
            .read(move |wire| Call { verb: "forget", key: &key.0, entry: None }.make(wire).map(drop))
            .await
    }

    async fn nearest(
        &self,
        stage: &str,
        parts: &BTreeMap<String, String>,
    ) -> Result<Option<CacheEntry>, StoreError> {
        let (stage, parts) = (stage.to_owned(), parts.clone());
        self.readers.read(move |wire| nearest(wire, &stage, &parts)).await
    }

    async fn evict(&self, budget_bytes: u64) -> Result<Vec<Digest>, StoreError> {
        let (partitions, graphs) = (self.keys.clone(), Arc::clone(&self.graphs));
        self.readers
            .read(move |wire| {
                let freed = drop_oldest(wire, budget_bytes)?;
                if freed.is_empty() {
                    return Ok(Vec::new());
                }
                let (cached, run) = (in_cache(wire)?, in_runs(wire, &partitions, &graphs)?);
                Ok(freed.into_iter().filter(|d| !cached.contains(d) && !run.contains(d)).collect())
            })
            .await
    }

    async fn named_artifacts(&self) -> Result<Vec<Digest>, StoreError> {
        let (partitions, graphs) = (self.keys.clone(), Arc::clone(&self.graphs));
        self.readers
            .read(move |wire| {
                let mut named = in_runs(wire, &partitions, &graphs)?;
                named.extend(in_cache(wire)?);
                Ok(named.into_iter().collect())
            })
            .await
    }

    async fn stats(&self) -> Result<CacheStats, StoreError> {
        self.readers
            .read(|wire| {
                Ok(CacheStats {
                    entries: wire.query(cmd("HLEN").arg(keys().named("entries")))?,
                    bytes: number(wire, "bytes")?,
                    hits: number(wire, "hits")?,
                    misses: number(wire, "misses")?,
                    cpu_saved_ms: number(wire, "saved")?,
                })
            })
            .await
    }
}
