//! A firing: one moment at which a trigger starts a run.

use crate::arrival::FileStat;
use reelmill_model::{PipelineName, RunId};
use reelmill_spec::trigger::When;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// One moment at which a trigger starts a run.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Firing {
    /// When: the scheduled time, or when the file was last changed, in milliseconds since the epoch.
    pub at_ms: u64,
    /// The file that arrived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<FileStat>,
}

/// Whose firing it is. The revision of the pipeline is no part of it: a pipeline that is registered again does not
/// fire again.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Source {
    /// The tenant.
    pub namespace: String,
    /// The pipeline's name.
    pub pipeline: String,
    /// The trigger's name.
    pub trigger: String,
}

impl Source {
    /// A trigger of a registered pipeline.
    #[must_use]
    pub fn of(id: &PipelineName, trigger: &str) -> Self {
        let PipelineName { namespace, name } = id.clone();
        Self { namespace, pipeline: name, trigger: trigger.to_owned() }
    }

    /// A key for what is remembered of it: `namespace/pipeline/trigger`.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}/{}/{}", self.namespace, self.pipeline, self.trigger)
    }
}

/// The id of the run of a firing: always the same for the same firing, and never the same for another.
#[must_use]
pub fn run_id(source: &Source, firing: &Firing) -> RunId {
    let at = firing.at_ms.to_string();
    let size = firing.file.as_ref().map(|file| file.size.to_string());
    let mut parts = vec![at.as_str()];
    if let (Some(file), Some(size)) = (&firing.file, &size) {
        parts.extend([file.name.as_str(), size]);
    }
    drawn("reelmill firing 1", source, &parts, firing.at_ms)
}

/// The id of the run of a call that came first at this time; `fingerprint` is what no other call has.
#[must_use]
pub fn call_run_id(source: &Source, fingerprint: &str, at_ms: u64) -> RunId {
    drawn("reelmill call 1", source, &[fingerprint], at_ms)
}

fn drawn(purpose: &str, source: &Source, parts: &[&str], at_ms: u64) -> RunId {
    /// A ULID has 48 bits for the time.
    const TIME_MS_MAX: u64 = (1 << 48) - 1;
    let mut hasher = blake3::Hasher::new_derive_key(purpose);
    for text in [source.namespace.as_str(), &source.pipeline, &source.trigger].iter().chain(parts) {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    }
    let mut random = [0; 16];
    random[..10].copy_from_slice(&hasher.finalize().as_bytes()[..10]);
    RunId::from_parts(at_ms.min(TIME_MS_MAX), u128::from_le_bytes(random))
}

/// What expressions read as `trigger` when a trigger of this name fires.
#[must_use]
pub fn about(name: &str, when: &When, firing: &Firing) -> Value {
    let mut about = json!({ "name": name, "type": when.word() });
    match when {
        When::Schedule { cron, .. } => {
            let local = cron.local(firing.at_ms);
            about["date"] = json!(local.get(..10).unwrap_or_default());
            about["scheduled_at"] = json!(local);
        }
        When::File { folder, .. } => {
            let (name, size) = firing.file.as_ref().map_or(("", 0), |file| (file.name.as_str(), file.size));
            about["path"] = json!(format!("{}/{name}", folder.trim_end_matches('/')));
            about["file"] = json!(name);
            about["size"] = json!(size);
        }
        // A call brings its own words: the door that takes it adds `body` and `headers`.
        When::Webhook { .. } => {}
    }
    about
}

#[cfg(test)]
mod tests {
    use super::*;
    use reelmill_spec::cron::Cron;
    use reelmill_spec::trigger::Catchup;

    fn source(pipeline: &str, trigger: &str) -> Source {
        let (pipeline, trigger) = (pipeline.to_owned(), trigger.to_owned());
        Source { namespace: "default".to_owned(), pipeline, trigger }
    }

    #[test]
    fn every_firing_has_an_id_of_its_own_and_always_the_same() {
        let at = |at_ms| Firing { at_ms, file: None };
        let id = run_id(&source("news", "nightly"), &at(1_774_746_000_000));
        assert_eq!(id, run_id(&source("news", "nightly"), &at(1_774_746_000_000)));
        assert_ne!(id, run_id(&source("news", "nightly"), &at(1_774_746_060_000)));
        assert_ne!(id, run_id(&source("new", "snightly"), &at(1_774_746_000_000)));
        assert_eq!(id.0.timestamp_ms(), 1_774_746_000_000);
        let file = |size| Firing {
            at_ms: 1_774_746_000_000,
            file: Some(FileStat { name: "a.csv".to_owned(), size, modified_ms: 1_774_746_000_000 }),
        };
        assert_ne!(run_id(&source("news", "drop"), &file(1)), run_id(&source("news", "drop"), &file(2)));
    }

    #[test]
    fn what_a_firing_knows_is_what_the_language_says_it_knows() {
        let cron = Cron::parse("0 3 * * *", "Europe/Oslo").expect("a pattern");
        let schedule = When::Schedule { cron, catchup: Catchup::None };
        let folder = When::File { folder: "/in/".to_owned(), pattern: None, settle_ms: 1 };
        let file = FileStat { name: "a.csv".to_owned(), size: 5, modified_ms: 7 };
        let timed = about("nightly", &schedule, &Firing { at_ms: 1_774_746_000_000, file: None });
        let found = about("drop", &folder, &Firing { at_ms: 7, file: Some(file) });
        assert_eq!(timed["scheduled_at"], "2026-03-29T03:00:00+02:00");
        assert_eq!(timed["date"], "2026-03-29");
        assert_eq!(found["path"], "/in/a.csv");
        for (about, when) in [(timed, schedule), (found, folder)] {
            let mut known: Vec<&str> = when.members().to_vec();
            let mut there: Vec<&str> = about.as_object().expect("a map").keys().map(String::as_str).collect();
            known.sort_unstable();
            there.sort_unstable();
            assert_eq!(there, known);
        }
    }
}
