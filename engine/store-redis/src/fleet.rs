//! Workers and lanes.

use crate::error::Trouble;
use crate::keys::{Keys, WORKERS, run_bytes, run_id};
use crate::store::RedisStore;
use crate::wire::Wire;
use async_trait::async_trait;
use redis::{Pipeline, Script, cmd};
use reelmill_lifecycle::Damage;
use reelmill_model::limits::WORKER_SILENT_MS;
use reelmill_model::{RunId, TaskRef, WorkerId};
use reelmill_ports::{Fleet, InLine, LaneView, StoreError, WorkerCard};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The server's moment.
pub fn server_ms(wire: &mut Wire) -> Result<u64, Trouble> {
    let (seconds, micros): (u64, u64) = wire.query(&cmd("TIME"))?;
    Ok(seconds * 1000 + micros / 1000)
}

/// The run of a claim as `lua/claim.lua` writes it, unless its time is over.
fn claimed(claim: &[u8], now_ms: u64) -> Result<Option<RunId>, Trouble> {
    let damage = || Damage("a key was claimed oddly".into());
    let (run, until_ms) = claim.split_at_checked(16).ok_or_else(damage)?;
    let until_ms = u64::from_be_bytes(until_ms.try_into().map_err(|_| damage())?);
    Ok(if until_ms >= now_ms { Some(run_id(run)?) } else { None })
}

/// The workers heard lately; those that fell silent are forgotten on the way.
fn workers(wire: &mut Wire, given_ms: Option<u64>) -> Result<Vec<WorkerCard>, Trouble> {
    let now_ms = given_ms.map_or_else(|| server_ms(wire), Ok)?;
    let known: HashMap<String, Vec<u8>> = wire.query(cmd("HGETALL").arg(WORKERS))?;
    let mut heard = Vec::with_capacity(known.len());
    for (name, card) in known {
        let card: WorkerCard = serde_json::from_slice(&card)
            .map_err(|error| Damage(format!("worker {name} announced itself oddly: {error}")))?;
        if card.seen_ms + WORKER_SILENT_MS >= now_ms {
            heard.push(card);
        } else {
            wire.query::<()>(cmd("HDEL").arg(WORKERS).arg(name))?;
        }
    }
    heard.sort_by(|a, b| a.worker.cmp(&b.worker));
    Ok(heard)
}

/// Ready tasks of a tenant in a lane.
fn queued(wire: &mut Wire, keys: &Keys, lane: &str, tenant: &str) -> Result<u64, Trouble> {
    let queue = format!("{lane}:{tenant}");
    let mut pipe = Pipeline::new();
    pipe.cmd("LLEN").arg(keys.named(&format!("f:{queue}")));
    pipe.cmd("ZCARD").arg(keys.named(&format!("q:{queue}")));
    pipe.cmd("HGET").arg(keys.named("stale")).arg(queue);
    let (listed, sorted, stale): (u64, u64, Option<u64>) = wire.all(&pipe)?;
    // Asked one after another, they may be of different moments.
    Ok((listed + sorted).saturating_sub(stale.unwrap_or(0)))
}

fn lanes(wire: &mut Wire, partitions: &[Keys]) -> Result<Vec<LaneView>, Trouble> {
    let mut found: BTreeMap<String, LaneView> = BTreeMap::new();
    for keys in partitions {
        let paused: BTreeSet<String> = wire.query(cmd("SMEMBERS").arg(keys.named("paused")))?;
        let known: BTreeSet<String> = wire.query(cmd("SMEMBERS").arg(keys.named("lanes")))?;
        for lane in known.union(&paused) {
            let tenants: Vec<String> =
                wire.query(cmd("ZRANGE").arg(keys.named(&format!("lane:{lane}"))).arg(0).arg(-1))?;
            let view = found.entry(lane.clone()).or_insert_with(|| LaneView {
                lane: lane.clone(),
                ready: 0,
                paused: paused.contains(lane),
            });
            for tenant in tenants {
                view.ready += queued(wire, keys, lane, &tenant)?;
            }
        }
    }
    Ok(found.into_values().filter(|view| view.ready > 0 || view.paused).collect())
}

#[async_trait]
impl Fleet for RedisStore {
    async fn announce(&self, card: WorkerCard) -> Result<(), StoreError> {
        let given_ms = self.clock.as_ref().map(|clock| clock.now_ms());
        self.readers
            .read(move |wire| {
                let seen_ms = given_ms.map_or_else(|| server_ms(wire), Ok)?;
                let card = WorkerCard { seen_ms, ..card.clone() };
                let text = serde_json::to_vec(&card).map_err(|error| Damage(error.to_string()))?;
                wire.query(cmd("HSET").arg(WORKERS).arg(&card.worker.0).arg(text))
            })
            .await
    }

    async fn retire(&self, worker: &WorkerId) -> Result<(), StoreError> {
        let worker = worker.clone();
        self.readers.read(move |wire| wire.query(cmd("HDEL").arg(WORKERS).arg(&worker.0))).await
    }

    async fn claim(
        &self,
        key: &str,
        run: RunId,
        kept_ms: u64,
        instead_of: Option<RunId>,
    ) -> Result<RunId, StoreError> {
        let given_ms = self.clock.as_ref().map_or(0, |clock| clock.now_ms());
        let script = Script::new(include_str!("lua/claim.lua"));
        let instead = instead_of.map_or_else(Vec::new, |run| run_bytes(run).to_vec());
        let key = format!("rm:claim:{key}");
        self.readers
            .read(move |wire| {
                let args = [
                    &given_ms.to_string().into_bytes()[..],
                    &run_bytes(run),
                    kept_ms.to_string().as_bytes(),
                    &instead,
                ]
                .map(<[u8]>::to_vec);
                let mut call = script.prepare_invoke();
                call.key(&key);
                for arg in &args {
                    call.arg(arg);
                }
                let owner: Vec<u8> = wire.ask(|conn| call.invoke(conn.as_mut()))?;
                Ok(run_id(&owner)?)
            })
            .await
    }

    async fn claimed(&self, key: &str) -> Result<Option<RunId>, StoreError> {
        let given_ms = self.clock.as_ref().map(|clock| clock.now_ms());
        let key = format!("rm:claim:{key}");
        self.readers
            .read(move |wire| {
                let known: Option<Vec<u8>> = wire.query(cmd("GET").arg(&key))?;
                let Some(claim) = known else { return Ok(None) };
                let now_ms = given_ms.map_or_else(|| server_ms(wire), Ok)?;
                claimed(&claim, now_ms)
            })
            .await
    }

    async fn workers(&self) -> Result<Vec<WorkerCard>, StoreError> {
        let given_ms = self.clock.as_ref().map(|clock| clock.now_ms());
        self.readers.read(move |wire| workers(wire, given_ms)).await
    }

    async fn lanes(&self) -> Result<Vec<LaneView>, StoreError> {
        let partitions = self.keys.clone();
        self.readers.read(move |wire| lanes(wire, &partitions)).await
    }

    async fn in_line(&self, task: TaskRef) -> Result<Option<InLine>, StoreError> {
        self.line_of(task).await
    }

    async fn pause_lane(&self, lane: &str, paused: bool) -> Result<(), StoreError> {
        let (partitions, lane) = (self.keys.clone(), lane.to_owned());
        self.readers
            .read(move |wire| {
                for keys in &partitions {
                    let verb = if paused { "SADD" } else { "SREM" };
                    wire.query::<()>(cmd(verb).arg(keys.named("paused")).arg(&lane))?;
                    if !paused {
                        wire.query::<()>(cmd("LPUSH").arg(keys.named(&format!("wake:{lane}"))).arg(1))?;
                    }
                }
                Ok(())
            })
            .await
    }
}
