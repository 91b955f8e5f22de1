//! Workers and lanes.

use crate::error::Trouble;
use crate::keys::{Keys, WORKERS, run_bytes, run_id, task_of};
use crate::store::RedisStore;
use crate::wire::Wire;
use async_trait::async_trait;
use redis::{Pipeline, Script, cmd};
use reelmill_graph::placement::queue_of;
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

/// The key that holds the marks of the runs of the same second that were moved away, one after the other.
fn moved_key(run: RunId) -> String {
    format!("rm:moved:{}", run.0.timestamp_ms() / 1_000)
}

/// Bytes of a mark: of 10,000 runs moved in a second, one passes for another once in 28,000,000,000.
const MARK_BYTES: usize = 6;

/// The end of a run's id, which is drawn.
fn mark(run: RunId) -> [u8; MARK_BYTES] {
    let id = run_bytes(run);
    std::array::from_fn(|at| id[id.len() - MARK_BYTES + at])
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

/// What is asked of a queue: entries of its list and of its sorted set, stale ones, and the first of both.
type Queue = (u64, u64, Option<u64>, Option<Vec<u8>>, Vec<Vec<u8>>);

/// Ready tasks of a tenant in a lane, and when the run of the first was submitted.
fn queued(wire: &mut Wire, keys: &Keys, lane: &str, tenant: &str) -> Result<(u64, Option<u64>), Trouble> {
    let queue = format!("{lane}:{tenant}");
    let (list, heap) = (keys.named(&format!("f:{queue}")), keys.named(&format!("q:{queue}")));
    let mut pipe = Pipeline::new();
    pipe.cmd("LLEN").arg(&list);
    pipe.cmd("ZCARD").arg(&heap);
    pipe.cmd("HGET").arg(keys.named("stale")).arg(queue);
    pipe.cmd("LINDEX").arg(&list).arg(0);
    pipe.cmd("ZRANGE").arg(&heap).arg(0).arg(0);
    let (listed, sorted, stale, entry, top): Queue = wire.all(&pipe)?;
    // An entry of the list has its rank before the task.
    let entry = entry.as_deref().and_then(|entry| entry.get(1..)).map(task_of);
    let first = entry.into_iter().chain(top.first().map(|member| task_of(member)));
    let submitted = first.map(|task| Ok(task?.run.0.timestamp_ms())).collect::<Result<Vec<u64>, Damage>>()?;
    // Asked one after another, they may be of different moments.
    let ready = (listed + sorted).saturating_sub(stale.unwrap_or(0));
    Ok((ready, submitted.into_iter().min().filter(|_| ready > 0)))
}

/// Forgets a lane with needs that is empty: builds of plugins come and go, and each has one. A task that came meanwhile
/// brings it back.
fn forget(wire: &mut Wire, keys: &Keys, lane: &str) -> Result<(), Trouble> {
    wire.query::<()>(cmd("SREM").arg(keys.named("lanes")).arg(lane))?;
    if wire.query(cmd("EXISTS").arg(keys.named(&format!("lane:{lane}"))))? {
        return wire.query(cmd("SADD").arg(keys.named("lanes")).arg(lane));
    }
    wire.query::<()>(cmd("DEL").arg(keys.named(&format!("wake:{lane}"))))?;
    wire.query(cmd("HDEL").arg(keys.named("floor")).arg(lane))
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
                oldest_ms: None,
                paused: paused.contains(lane) || paused.contains(queue_of(lane)),
            });
            for tenant in &tenants {
                let (ready, oldest_ms) = queued(wire, keys, lane, tenant)?;
                view.ready += ready;
                view.oldest_ms = view.oldest_ms.into_iter().chain(oldest_ms).min();
            }
            if tenants.is_empty() && queue_of(lane) != lane {
                forget(wire, keys, lane)?;
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

    async fn note_moved(&self, run: RunId, kept_ms: u64) -> Result<(), StoreError> {
        let key = moved_key(run);
        self.readers
            .read(move |wire| {
                // First the end of the key, so that none is left for ever by whoever dies in between. The run of a
                // second that is moved first sets it: the others are as old.
                let mut pipe = Pipeline::new();
                pipe.cmd("SET").arg(&key).arg("").arg("NX").arg("PX").arg(kept_ms).ignore();
                pipe.cmd("APPEND").arg(&key).arg(&mark(run)[..]).ignore();
                wire.all::<()>(&pipe)
            })
            .await
    }

    async fn was_moved(&self, run: RunId) -> Result<bool, StoreError> {
        let key = moved_key(run);
        self.readers
            .read(move |wire| {
                let known: Option<Vec<u8>> = wire.query(cmd("GET").arg(&key))?;
                Ok(known.unwrap_or_default().chunks(MARK_BYTES).any(|one| one == mark(run)))
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
