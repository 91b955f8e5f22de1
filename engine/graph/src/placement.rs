//! Which worker can do which task: needs beside capacities, and the names of the lanes in which tasks with needs
//! stand. A lane's name says all that is needed, so that a worker can tell from the name whether it serves it.

use crate::graph::{Graph, NodeKind};
use reelmill_model::{Requirements, WorkerCapacity};
use reelmill_spec::units::size;
use std::fmt;

/// One thing that a worker lacks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lack {
    /// What, in the word of the language.
    pub what: String,
    /// How much of it is needed.
    pub wanted: String,
    /// How much the worker has.
    pub has: String,
}

/// Everything that a worker lacks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Why(pub Vec<Lack>);

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Lack { what, wanted, has }) in self.0.iter().enumerate() {
            let comma = if index > 0 { ", " } else { "" };
            write!(f, "{comma}{what} {wanted} is needed, there is {has}")?;
        }
        Ok(())
    }
}

/// Whether a worker has all that is needed, or everything that it lacks.
pub fn fits(needs: &Requirements, worker: &WorkerCapacity) -> Result<(), Why> {
    let less = |what: &str, wanted: u64, has: u64, say: fn(u64) -> String| {
        let lack = || Lack { what: what.to_owned(), wanted: say(wanted), has: say(has) };
        (wanted > has).then(lack)
    };
    let number = |what, wanted, has| less(what, wanted, has, |count| count.to_string());
    let bytes = |what, wanted, has| less(what, wanted, has, size);
    let mut lacks: Vec<Lack> = [
        number("cpu", needs.cpus.into(), worker.cpus.into()),
        bytes("memory", needs.memory_bytes, worker.memory_bytes),
        bytes("scratch", needs.scratch_bytes, worker.scratch_bytes),
        number("gpu", needs.gpus.into(), worker.gpus.into()),
        bytes("vram", needs.vram_bytes, worker.vram_bytes),
    ]
    .into_iter()
    .flatten()
    .collect();
    if let Some(encoder) = needs.encoder.as_ref().filter(|encoder| !worker.encoders.contains(encoder)) {
        let has = if worker.encoders.is_empty() { "none".to_owned() } else { worker.encoders.join(", ") };
        lacks.push(Lack { what: "encoder".to_owned(), wanted: encoder.clone(), has });
    }
    if let Some(build) = needs.plugin.as_ref().filter(|build| !worker.plugins.contains(build)) {
        let name = build.split('@').next().unwrap_or_default();
        let other = worker.plugins.iter().find(|other| other.split('@').next() == Some(name));
        let has = other.map_or_else(|| "none".to_owned(), Clone::clone);
        lacks.push(Lack { what: "plugin".to_owned(), wanted: build.clone(), has });
    }
    for (name, wanted) in &needs.labels {
        let has = worker.labels.get(name);
        if has != Some(wanted) {
            let has = has.map_or_else(|| "none".to_owned(), Clone::clone);
            lacks.push(Lack { what: format!("label {name}"), wanted: wanted.clone(), has });
        }
    }
    if lacks.is_empty() { Ok(()) } else { Err(Why(lacks)) }
}

/// Whether any of these workers has all that is needed, or what each of them lacks, by its name.
pub fn ever(needs: &Requirements, workers: &[WorkerCapacity]) -> Result<(), Vec<(String, Why)>> {
    let mut lacks = Vec::with_capacity(workers.len());
    for worker in workers {
        match fits(needs, worker) {
            Ok(()) => return Ok(()),
            Err(why) => lacks.push((worker.name.clone(), why)),
        }
    }
    Err(lacks)
}

/// The needs with which a task is queued: without GPUs and encoder where no worker has them and it can do without.
pub fn settle_for(
    needs: &Requirements,
    workers: &[WorkerCapacity],
) -> Result<Requirements, Vec<(String, Why)>> {
    let Err(lacks) = ever(needs, workers) else { return Ok(needs.clone()) };
    let less = Requirements { gpus: 0, vram_bytes: 0, encoder: None, ..needs.clone() };
    if needs.fallback_cpu && ever(&less, workers).is_ok() { Ok(less) } else { Err(lacks) }
}

/// A stage that no worker can ever run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Misfit {
    /// Its path.
    pub stage: String,
    /// What each worker lacks, by its name.
    pub lacks: Vec<(String, Why)>,
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no worker can ever run `{}`", self.stage)?;
        for (worker, why) in &self.lacks {
            write!(f, "; {worker}: {why}")?;
        }
        Ok(())
    }
}

/// The graph as these workers run it: stages that can do without what none of them has ask for less. Or every stage
/// that none of them can run, be it for want of its plugin, which any worker may lack.
pub fn place(mut graph: Graph, workers: &[WorkerCapacity]) -> Result<Graph, Vec<Misfit>> {
    let mut misfits = Vec::new();
    for node in &mut graph.nodes {
        let asked = &node.settings.requires;
        let build = if let NodeKind::Work { plugin, .. } = &node.kind { Some(plugin.build()) } else { None };
        match settle_for(&Requirements { plugin: build, ..asked.clone() }, workers) {
            Ok(settled) => node.settings.requires = Requirements { plugin: asked.plugin.clone(), ..settled },
            Err(lacks) => misfits.push(Misfit { stage: node.path.clone(), lacks }),
        }
    }
    if misfits.is_empty() { Ok(graph) } else { Err(misfits) }
}

/// The lane of a queue in which tasks with these needs stand: `default;gpu=1;vram=6442450944`. Equal needs have
/// equal names; without needs it is the queue itself.
#[must_use]
pub fn lane(queue: &str, needs: &Requirements) -> String {
    let mut name = queue.to_owned();
    let mut add = |key: &str, value: &str| {
        name.push(';');
        name.push_str(key);
        name.push('=');
        name.push_str(&escape(value));
    };
    for (key, number) in [
        ("cpu", needs.cpus.into()),
        ("memory", needs.memory_bytes),
        ("scratch", needs.scratch_bytes),
        ("gpu", needs.gpus.into()),
        ("vram", needs.vram_bytes),
    ] {
        if number > 0 {
            add(key, &number.to_string());
        }
    }
    needs.encoder.iter().for_each(|encoder| add("encoder", encoder));
    needs.plugin.iter().for_each(|build| add("plugin", build));
    needs.labels.iter().for_each(|(label, value)| add(&format!("label.{}", escape(label)), value));
    name
}

/// The queue and the needs that a lane's name says; none when it is no such name.
#[must_use]
pub fn parse_lane(name: &str) -> Option<(String, Requirements)> {
    let mut parts = name.split(';');
    let queue = parts.next()?.to_owned();
    let mut needs = Requirements::default();
    for part in parts {
        let (key, value) = part.split_once('=')?;
        let value = unescape(value)?;
        let number = || value.parse::<u64>().ok();
        let small = || value.parse::<u32>().ok();
        match key {
            "cpu" => needs.cpus = small()?,
            "memory" => needs.memory_bytes = number()?,
            "scratch" => needs.scratch_bytes = number()?,
            "gpu" => needs.gpus = small()?,
            "vram" => needs.vram_bytes = number()?,
            "encoder" => needs.encoder = Some(value),
            "plugin" => needs.plugin = Some(value),
            _ => {
                let label = unescape(key.strip_prefix("label.")?)?;
                needs.labels.insert(label, value);
            }
        }
    }
    Some((queue, needs))
}

/// The lane of a queue whose name begins a lane's: pausing it pauses those with needs too.
#[must_use]
pub fn queue_of(lane: &str) -> &str {
    lane.split(';').next().unwrap_or(lane)
}

/// Whether the tasks of a lane need something of their machine.
#[must_use]
pub fn has_needs(lane: &str) -> bool {
    parse_lane(lane).is_some_and(|(_, needs)| !needs.is_empty())
}

/// Whether a worker of these queues serves a lane.
#[must_use]
pub fn serves(worker: &WorkerCapacity, queues: &[String], lane: &str) -> bool {
    parse_lane(lane).is_some_and(|(queue, needs)| queues.contains(&queue) && fits(&needs, worker).is_ok())
}

/// Writes everything but letters, digits and `_ . - @` as `%XX`, byte by byte: lanes are parts of stores' keys.
fn escape(text: &str) -> String {
    let one = |byte: u8| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b'@') {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    text.bytes().map(one).collect()
}

fn unescape(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(part.get(..2)?, 16).ok()?);
        bytes.extend(part.as_bytes().get(2..)?);
    }
    String::from_utf8(bytes).ok()
}
