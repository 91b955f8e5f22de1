//! What this machine can encode in hardware: each encoder of each GPU is tried with one frame, by a stage of the plugin that
//! uses them, in a process of its own. libav stays out of the worker, and a driver that hangs or crashes takes nothing along.

use futures_util::{StreamExt as _, stream};
use reelmill_hardware::Candidate;
use reelmill_host::{Attempt, Host, HostConfig, Plugin};
use reelmill_model::CallInfo;
use reelmill_runtime::Probed;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// The file of answers, in the folder of the state.
pub const ENCODERS_FILE: &str = "encoders.json";
/// The plugin whose stage tries an encoder, and the stage.
const PROBER: (&str, &str) = ("video", "probe");
/// The code of a failure that says what an encoder said. Any other, of a process that was late or fell over, is told, but
/// not kept: a machine that was busy when its worker started is not without encoders for an hour.
const SAID: &str = "encoder";
/// How long an encoder may take for its first frame; the plugin that tries it is loaded before.
const LIMIT: Duration = Duration::from_secs(3);
/// How long its process gets to end when it did not.
const GRACE: Duration = Duration::from_millis(200);
/// Encoders tried at once.
const AT_ONCE: usize = 2;
/// Encoders tried at most: all of twenty GPUs.
const PROBES_MAX: usize = 128;
/// How long a failure is believed. A driver may be put right, or a session be free again, without a new version.
const FAILURE_KEPT: Duration = Duration::from_hours(1);
/// Length of the reason that is kept of a failure, in bytes.
const REASON_BYTES_MAX: usize = 600;
/// Length of the file of answers, in bytes; a longer one is none of ours.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Where and by whom encoders are tried.
pub struct Prober<'a> {
    /// The `reelmill-runner` program.
    pub runner: &'a Path,
    /// The plugins that were found.
    pub plugins: &'a [Arc<Plugin>],
    /// A folder for the processes.
    pub scratch: &'a Path,
    /// The file of answers.
    pub file: &'a Path,
}

/// An answer, as it is kept.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
struct Answer {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
    /// When it was given, in milliseconds.
    at_ms: u64,
    /// Whether it says more of the moment than of the encoder.
    #[serde(skip)]
    passing: bool,
}

impl Answer {
    fn failed(reason: &str, passing: bool) -> Self {
        let reason = reason[..reason.floor_char_boundary(REASON_BYTES_MAX)].to_owned();
        Self { failure: Some(reason), passing, ..Self::default() }
    }

    fn at(self, at_ms: u64) -> Self {
        Self { at_ms, ..self }
    }
}

type Answers = BTreeMap<String, Answer>;

impl Prober<'_> {
    /// Tries all candidates whose answer is not known, and says of each whether it works. Without the plugin nothing is
    /// tried, and nothing works.
    pub async fn probe(&self, candidates: Vec<Candidate>) -> Vec<Probed> {
        let found = self.plugins.iter().find(|plugin| plugin.located.manifest.name == PROBER.0);
        let Some(plugin) = found.filter(|plugin| plugin.stage(PROBER.1).is_some()) else { return Vec::new() };
        if candidates.is_empty() {
            return Vec::new();
        }
        let now_ms = now_ms();
        // Another build of the plugin, or another libav, may be told more or less of an encoder.
        let tools = plugin.stage(PROBER.1).map(|stage| stage.tools.join(",")).unwrap_or_default();
        let key = |one: &Candidate| format!("{}|{}|{tools}", one.key, plugin.build());
        let known = fresh(read(self.file), now_ms);
        let host = Host::new(HostConfig {
            grace: GRACE,
            ..HostConfig::new(self.runner, self.scratch, self.scratch)
        });
        let answers = stream::iter(candidates.into_iter().take(PROBES_MAX).enumerate())
            .map(|(number, candidate)| {
                let (key, host) = (key(&candidate), host.clone());
                let known = known.get(&key).cloned();
                async move {
                    let answer = match known {
                        Some(answer) => answer,
                        None => self.ask(&host, plugin, &candidate, number).await.at(now_ms),
                    };
                    (key, candidate, answer)
                }
            })
            .buffered(AT_ONCE)
            .collect::<Vec<_>>()
            .await;
        host.shutdown().await;
        // What stays of it is only disk, and goes with the folder of the worker.
        let _ = std::fs::remove_dir_all(self.scratch);
        let lasting = answers.iter().filter(|(_, _, answer)| !answer.passing);
        let kept: Answers = lasting.map(|(key, _, answer)| (key.clone(), answer.clone())).collect();
        if kept != known
            && self.file.parent().is_some_and(Path::is_dir)
            && let Err(error) = write(self.file, &kept)
        {
            tracing::warn!(%error, file = %self.file.display(), "encoders will be tried again at the next start");
        }
        let probed = |(_, candidate, answer): (_, _, Answer)| Probed { candidate, failure: answer.failure };
        answers.into_iter().map(probed).collect()
    }

    /// Tries one encoder.
    async fn ask(&self, host: &Host, plugin: &Arc<Plugin>, candidate: &Candidate, number: usize) -> Answer {
        let scratch = self.scratch.join(format!("probe-{number}"));
        if let Err(error) = std::fs::create_dir_all(&scratch) {
            let reason = format!("it was not tried, {} cannot be made: {error}", scratch.display());
            return Answer::failed(&reason, true);
        }
        let (events, mut said) = mpsc::channel(16);
        let listening = tokio::spawn(async move { while said.recv().await.is_some() {} });
        let attempt = Attempt {
            plugin: Arc::clone(plugin),
            stage: PROBER.1.to_owned(),
            with: json!({
                "encoder": candidate.encoder, "device": candidate.device, "generation": candidate.generation
            }),
            call: CallInfo {
                task: format!("probe of {}", candidate.encoder),
                attempt: 1,
                ..CallInfo::default()
            },
            scratch,
            read_paths: Vec::new(),
            write_paths: Vec::new(),
            run_timeout: Some(LIMIT),
            idle_timeout: None,
            memory_bytes: None,
            cancel: CancellationToken::new(),
            events,
        };
        let end = host.run(attempt).await;
        listening.abort();
        match end.result {
            Ok(_) => Answer::default(),
            Err(failure) => Answer::failed(&failure.message, failure.code != SAID),
        }
    }
}

/// The answers that are still believed.
fn fresh(mut answers: Answers, now_ms: u64) -> Answers {
    let kept_ms = u64::try_from(FAILURE_KEPT.as_millis()).unwrap_or(u64::MAX);
    // An answer of a time to come is of a clock that was wrong.
    answers.retain(|_, answer| {
        answer.failure.is_none() || now_ms.checked_sub(answer.at_ms).is_some_and(|age| age < kept_ms)
    });
    answers
}

fn read(file: &Path) -> Answers {
    let length = std::fs::metadata(file).map_or(0, |about| about.len());
    if length > FILE_BYTES_MAX {
        return Answers::default();
    }
    // A file that is not there or cannot be read is as none: encoders are tried again.
    let text = std::fs::read(file).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

/// Writes it beside and renames it, so that nobody reads half of it.
fn write(file: &Path, answers: &Answers) -> std::io::Result<()> {
    let beside = PathBuf::from(format!("{}.{}", file.display(), std::process::id()));
    std::fs::write(&beside, serde_json::to_vec_pretty(answers)?)?;
    std::fs::rename(&beside, file)
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_works_is_believed_until_something_changes_and_a_failure_for_an_hour() {
        let hour_ms = 3_600_000;
        let answer = |failure: bool, at_ms| Answer {
            failure: failure.then(|| "no".to_owned()),
            at_ms,
            passing: false,
        };
        let all = [
            ("works", answer(false, 0)),
            ("failed", answer(true, 10 * hour_ms - 1)),
            ("failed long ago", answer(true, 9 * hour_ms)),
            ("failed tomorrow", answer(true, 11 * hour_ms)),
        ];
        let all = all.into_iter().map(|(key, answer)| (key.to_owned(), answer)).collect();
        let kept = fresh(all, 10 * hour_ms);
        assert_eq!(kept.keys().collect::<Vec<_>>(), ["failed", "works"]);
    }

    #[test]
    fn answers_are_read_as_written_and_nonsense_is_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("encoders.json");
        assert_eq!(read(&file), Answers::default());
        let answers = Answers::from([("a".to_owned(), Answer::default().at(5))]);
        write(&file, &answers).expect("written");
        assert_eq!(read(&file), answers);
        std::fs::write(&file, "{").expect("written");
        assert_eq!(read(&file), Answers::default());
    }
}
