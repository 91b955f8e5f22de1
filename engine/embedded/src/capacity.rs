//! What this machine has, as far as it can be told by looking and trying; labels are told by whoever starts it.

use reelmill_hardware::{Gpu, Machine, disk_of, is_hardware_encoder};
use reelmill_model::WorkerCapacity;
use reelmill_runtime::Probed;
use std::collections::BTreeMap;
use std::path::Path;

/// What this machine has for attempts whose folders lie below `home`.
#[must_use]
pub fn of_this_machine(
    home: &Path,
    gpus: &[Gpu],
    labels: BTreeMap<String, String>,
    encoders: Vec<String>,
    plugins: Vec<String>,
) -> WorkerCapacity {
    let machine = Machine::look();
    WorkerCapacity {
        name: "this machine".to_owned(),
        cpus: u32::try_from(machine.cpus).unwrap_or(u32::MAX),
        memory_bytes: machine.memory_total_bytes,
        scratch_bytes: disk_of(home).map_or(0, |disk| disk.available_bytes),
        gpus: u32::try_from(gpus.len()).unwrap_or(u32::MAX),
        vram_bytes: gpus.iter().filter_map(|gpu| gpu.memory_total_bytes).max().unwrap_or(0),
        encoders,
        labels,
        plugins,
    }
}

/// The encoders that this machine has: those that were tried and work, and those of other kinds that somebody named.
#[must_use]
pub fn encoders(named: &[String], probed: &[Probed]) -> Vec<String> {
    let works = probed.iter().filter(|one| one.failure.is_none()).map(|one| one.candidate.encoder.clone());
    let mut all: Vec<String> =
        named.iter().filter(|name| !is_hardware_encoder(name)).cloned().chain(works).collect();
    all.sort();
    all.dedup();
    all
}

/// What was named and does not work, in sentences.
#[must_use]
pub fn broken_promises(named: &[String], probed: &[Probed]) -> Vec<String> {
    let broken = |name: &&String| {
        is_hardware_encoder(name)
            && probed.iter().all(|one| one.candidate.encoder != **name || one.failure.is_some())
    };
    let why = |name: &String| {
        let of = |one: &&Probed| one.candidate.encoder == *name;
        probed
            .iter()
            .find(of)
            .and_then(|one| one.failure.clone())
            .unwrap_or_else(|| "nobody could try it".into())
    };
    let sentence = |name: &String| format!("encoder {name} was named, but does not work here: {}", why(name));
    named.iter().filter(broken).map(sentence).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use reelmill_hardware::candidates;

    #[test]
    fn a_named_hardware_encoder_counts_only_when_it_works() {
        let named = ["dream", "h264_nvenc", "h264_qsv"].map(str::to_owned);
        let probed: Vec<Probed> = candidates(&[], &named)
            .into_iter()
            .map(|candidate| Probed {
                failure: (candidate.encoder == "h264_qsv").then(|| "no session".to_owned()),
                candidate,
            })
            .collect();
        assert_eq!(encoders(&named, &probed), ["dream", "h264_nvenc"]);
        let broken = broken_promises(&named, &probed);
        assert!(broken.len() == 1 && broken[0].contains("h264_qsv") && broken[0].contains("no session"));
        assert_eq!(broken_promises(&named, &[]).len(), 2, "without the plugin nobody could try them");
    }
}
