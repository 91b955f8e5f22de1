//! Placement, whatever is needed and whatever there is.

use proptest::prelude::*;
use reelmill_graph::placement::{ever, fits, lane, parse_lane, serves, settle_for};
use reelmill_model::{Requirements, WorkerCapacity};
use std::collections::BTreeMap;

fn labels() -> impl Strategy<Value = BTreeMap<String, String>> {
    proptest::collection::btree_map("[a-c;=%/é.]{1,3}", "[x-z;=%/]{0,2}", 0..3)
}

fn needs() -> impl Strategy<Value = Requirements> {
    let numbers = (0_u32..4, 0_u64..4, 0_u64..4, 0_u32..3, 0_u64..4);
    let encoder = proptest::option::of("[a-c;=%]{1,3}");
    let plugin = proptest::option::of("[a-b]@[0-2]");
    (numbers, encoder, labels(), plugin, any::<bool>()).prop_map(
        |(numbers, encoder, labels, plugin, fallback_cpu)| {
            let (cpus, memory_bytes, scratch_bytes, gpus, vram_bytes) = numbers;
            Requirements {
                cpus,
                memory_bytes,
                scratch_bytes,
                gpus,
                vram_bytes,
                encoder,
                labels,
                plugin,
                fallback_cpu,
            }
        },
    )
}

fn workers() -> impl Strategy<Value = WorkerCapacity> {
    let encoders = proptest::collection::vec("[a-c]{1,2}", 0..3);
    (needs(), encoders).prop_map(|(like, encoders)| WorkerCapacity {
        name: "w".to_owned(),
        cpus: like.cpus,
        memory_bytes: like.memory_bytes,
        scratch_bytes: like.scratch_bytes,
        gpus: like.gpus,
        vram_bytes: like.vram_bytes,
        encoders,
        labels: like.labels,
        plugins: like.plugin.into_iter().collect(),
    })
}

/// A worker that has exactly what is needed.
fn made_for(needs: &Requirements) -> WorkerCapacity {
    WorkerCapacity {
        name: "made".to_owned(),
        cpus: needs.cpus,
        memory_bytes: needs.memory_bytes,
        scratch_bytes: needs.scratch_bytes,
        gpus: needs.gpus,
        vram_bytes: needs.vram_bytes,
        encoders: needs.encoder.iter().cloned().collect(),
        labels: needs.labels.clone(),
        plugins: needs.plugin.iter().cloned().collect(),
    }
}

proptest! {
    #[test]
    fn a_lane_says_what_is_needed_and_nothing_else(needs in needs(), other in needs()) {
        let bare = Requirements { fallback_cpu: false, ..needs.clone() };
        let name = lane("default", &needs);
        prop_assert_eq!(parse_lane(&name), Some(("default".to_owned(), bare.clone())));
        let same = bare == Requirements { fallback_cpu: false, ..other.clone() };
        prop_assert_eq!(name == lane("default", &other), same);
        let plain = |c: char| c.is_ascii_alphanumeric() || "_.-@%;=".contains(c);
        prop_assert!(name.chars().all(plain), "it is a part of stores' keys: {}", name);
    }

    #[test]
    fn a_worker_serves_the_lanes_of_what_fits_it(needs in needs(), worker in workers()) {
        let queues = ["default".to_owned()];
        let fitting = fits(&needs, &worker).is_ok();
        prop_assert_eq!(serves(&worker, &queues, &lane("default", &needs)), fitting);
        prop_assert!(!serves(&worker, &queues, &lane("other", &needs)));
    }

    #[test]
    fn what_a_worker_lacks_is_all_it_lacks(needs in needs(), worker in workers()) {
        prop_assert_eq!(fits(&needs, &made_for(&needs)), Ok(()));
        if let Err(why) = fits(&needs, &worker) {
            prop_assert!(!why.0.is_empty());
            for lack in &why.0 {
                prop_assert_ne!(&lack.wanted, &lack.has);
            }
            let made = made_for(&needs);
            let number = |what: &str| why.0.iter().any(|lack| lack.what == what);
            let mended = WorkerCapacity {
                cpus: if number("cpu") { made.cpus } else { worker.cpus },
                memory_bytes: if number("memory") { made.memory_bytes } else { worker.memory_bytes },
                scratch_bytes: if number("scratch") { made.scratch_bytes } else { worker.scratch_bytes },
                gpus: if number("gpu") { made.gpus } else { worker.gpus },
                vram_bytes: if number("vram") { made.vram_bytes } else { worker.vram_bytes },
                plugins: if number("plugin") { made.plugins } else { worker.plugins.clone() },
                encoders: if number("encoder") { made.encoders } else { worker.encoders.clone() },
                labels: worker.labels.clone().into_iter().chain(made.labels).collect(),
                ..worker
            };
            prop_assert_eq!(fits(&needs, &mended), Ok(()));
        }
    }

    #[test]
    fn more_workers_never_make_a_task_impossible(
        needs in needs(), some in proptest::collection::vec(workers(), 0..4), more in workers(),
    ) {
        let before = ever(&needs, &some);
        prop_assert_eq!(before.is_ok(), some.iter().any(|worker| fits(&needs, worker).is_ok()));
        let all = [some.clone(), vec![more]].concat();
        prop_assert!(before.is_err() || ever(&needs, &all).is_ok());
        if let Err(lacks) = before {
            prop_assert_eq!(lacks.len(), some.len());
        }
    }

    #[test]
    fn a_task_settles_for_less_only_where_it_says_so_and_has_to(
        needs in needs(), workers in proptest::collection::vec(workers(), 0..4),
    ) {
        match settle_for(&needs, &workers) {
            Ok(settled) => {
                prop_assert!(ever(&settled, &workers).is_ok());
                prop_assert!(settled == needs || (needs.fallback_cpu && ever(&needs, &workers).is_err()));
                prop_assert!(settled == needs || (settled.gpus, settled.vram_bytes) == (0, 0));
            }
            Err(_) => prop_assert!(ever(&needs, &workers).is_err()),
        }
    }
}

#[test]
fn what_is_missing_is_named() {
    let needs = Requirements {
        gpus: 1,
        vram_bytes: 6 << 30,
        encoder: Some("av1".to_owned()),
        labels: BTreeMap::from([("zone".to_owned(), "eu".to_owned())]),
        plugin: Some("acme@12".to_owned()),
        ..Requirements::default()
    };
    let worker = WorkerCapacity {
        encoders: vec!["h264".to_owned()],
        plugins: vec!["acme@34".to_owned()],
        ..WorkerCapacity::default()
    };
    let why = fits(&needs, &worker).expect_err("it has no GPU").to_string();
    assert_eq!(
        why,
        "gpu 1 is needed, there is 0, vram 6Gi is needed, there is 0, encoder av1 is needed, there is h264, \
         plugin acme@12 is needed, there is acme@34, label zone eu is needed, there is none"
    );
    assert_eq!(lane("default", &Requirements::default()), "default");
    assert_eq!(
        lane("default", &needs),
        "default;gpu=1;vram=6442450944;encoder=av1;plugin=acme@12;label.zone=eu"
    );
}
