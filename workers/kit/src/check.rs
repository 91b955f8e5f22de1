//! The cases: what a pipeline may do to a stage, and what the stage may answer. A stage passes when every attempt
//! ends cleanly: with outputs its schema accepts, or with a failure it said itself and that is no bug.

use crate::generate::{Generator, Size};
use crate::report::{Case, Report, Verdict};
use reelmill_host::{Attempt, AttemptEnd, AttemptEvent, CallInfo, Host, Plugin, catalog};
use reelmill_model::{Effects, Failure, FailureClass, Reuse, StageManifest, limits};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Bytes of a note.
const NOTE_BYTES_MAX: usize = 400;
/// How long one attempt may take.
const RUN_LIMIT: Duration = Duration::from_secs(30);
/// From the start of an attempt to its cancellation.
const CANCEL_AFTER: Duration = Duration::from_millis(30);
/// Calls of a pooled stage over which its memory is watched.
const LEAK_CALLS: usize = 24;
/// Growth of resident memory over the second half of these calls that counts as a leak, in bytes.
const LEAK_BYTES: u64 = 8 << 20;

/// Runs every case on every stage. The host's grace period is the time a stage has to stop.
pub async fn check(plugin: &Arc<Plugin>, host: &Host) -> Report {
    let manifest = &plugin.located.manifest;
    let mut cases = vec![manifest_case(plugin)];
    match tempfile::tempdir_in(&host.config().scratch_root) {
        Err(error) => {
            cases.push(case(None, "scratch", Verdict::Failed, format!("no folder for the cases: {error}")));
        }
        Ok(folder) => {
            for stage in &manifest.stages {
                let bench = Bench::new(plugin, stage, host, &folder);
                cases.extend(bench.all().await);
            }
        }
    }
    Report::new(&manifest.name, cases)
}

fn case(
    stage: Option<&StageManifest>,
    name: &'static str,
    verdict: Verdict,
    note: impl Into<String>,
) -> Case {
    Case { stage: stage.map(|stage| stage.id.clone()), name, verdict, note: one_line(&note.into()) }
}

/// A note as one line of the table: messages may repeat what they were given.
fn one_line(note: &str) -> String {
    let mut line = note.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.len() > NOTE_BYTES_MAX {
        line.truncate(line.floor_char_boundary(NOTE_BYTES_MAX));
        line.push('…');
    }
    line
}

fn manifest_case(plugin: &Plugin) -> Case {
    let manifest = &plugin.located.manifest;
    let faults = catalog::faults(manifest);
    if !faults.is_empty() {
        return case(None, "manifest", Verdict::Failed, faults.join("; "));
    }
    let quiet: Vec<&str> = manifest
        .stages
        .iter()
        .filter(|stage| stage.examples.is_empty())
        .map(|stage| stage.id.as_str())
        .collect();
    if manifest.description.is_empty() {
        case(None, "manifest", Verdict::Warned, "`description` is empty")
    } else if quiet.is_empty() {
        case(
            None,
            "manifest",
            Verdict::Passed,
            format!("{} stages, all with examples", manifest.stages.len()),
        )
    } else {
        case(None, "manifest", Verdict::Warned, format!("no example of `with` for: {}", quiet.join(", ")))
    }
}

/// One stage under test.
struct Bench<'a> {
    plugin: &'a Arc<Plugin>,
    stage: &'a StageManifest,
    host: &'a Host,
    folder: PathBuf,
    file: PathBuf,
}

impl<'a> Bench<'a> {
    fn new(plugin: &'a Arc<Plugin>, stage: &'a StageManifest, host: &'a Host, folder: &TempDir) -> Self {
        let file = folder.path().join("sample.txt");
        // Should it not be written, the stage says so when it reads it.
        let _ = std::fs::write(&file, "A sample file.\n");
        let _ = std::fs::create_dir(folder.path().join("kept"));
        Self { plugin, stage, host, folder: folder.path().to_owned(), file }
    }

    async fn all(&self) -> Vec<Case> {
        let mut cases = vec![self.schema_case()];
        if self.stage.effects == Effects::External {
            cases.push(self.case("run", Verdict::Skipped, "it acts on the outside world"));
            return cases;
        }
        for (name, with) in self.inputs() {
            let verdict = match with {
                Some(with) => self.input_case(name, with).await,
                None => self.case(name, Verdict::Skipped, "no such input fits the schema"),
            };
            cases.push(verdict);
        }
        if let Some(with) = self.typical() {
            cases.push(self.repeat_case(&with).await);
            cases.push(self.cancel_case(&with).await);
            if self.stage.reuse == Reuse::Pool {
                cases.push(self.leak_case(&with).await);
            }
        }
        cases
    }

    fn case(&self, name: &'static str, verdict: Verdict, note: impl Into<String>) -> Case {
        case(Some(self.stage), name, verdict, note)
    }

    /// Whether the schema stops what it should: misspelt properties reach a stage otherwise.
    fn schema_case(&self) -> Case {
        let is_open = self.stage.input.get("additionalProperties") != Some(&Value::Bool(false))
            && self.stage.input.get("properties").is_some();
        if is_open {
            let note = "the input schema lets unknown properties pass, so a misspelt one goes unseen \
                        (\"additionalProperties\": false)";
            self.case("schema", Verdict::Warned, note)
        } else {
            self.case("schema", Verdict::Passed, "")
        }
    }

    /// Inputs the schema accepts, by name; none where none could be made.
    fn inputs(&self) -> Vec<(&'static str, Option<Value>)> {
        let made = |size| {
            let with = Generator::new(&self.stage.input, size, &self.file).value();
            let fits = with.is_object()
                && self.plugin.accepts(&self.stage.id, &with)
                && with.to_string().len() <= limits::PAYLOAD_BYTES_MAX;
            fits.then_some(with)
        };
        let mut inputs = vec![
            ("least input", made(Size::Least)),
            ("ordinary input", made(Size::Ordinary)),
            ("huge input", made(Size::Huge)),
        ];
        inputs.extend(self.stage.examples.iter().map(|example| ("example", Some(example.with.clone()))));
        inputs
    }

    /// An input to run more than once: an example, or else a made one.
    fn typical(&self) -> Option<Value> {
        self.inputs().into_iter().rev().find_map(|(_, with)| with)
    }

    async fn input_case(&self, name: &'static str, with: Value) -> Case {
        match self.run(with, &CancellationToken::new()).await.result {
            Ok(_) => self.case(name, Verdict::Passed, "put out what its schema promises"),
            Err(failure) if is_clean(&failure) => {
                self.case(name, Verdict::Passed, format!("failed cleanly: {failure}"))
            }
            Err(failure) => self.case(name, Verdict::Failed, failure.to_string()),
        }
    }

    /// Two attempts with one seed. Results of stages without effects are cached, so they must not differ.
    async fn repeat_case(&self, with: &Value) -> Case {
        let cancel = CancellationToken::new();
        let first = self.run(with.clone(), &cancel).await.result;
        let second = self.run(with.clone(), &cancel).await.result;
        match (first, second) {
            (Ok(first), Ok(second)) if first != second => {
                let note = "the same input gave two outputs; use `seed` as the only source of chance, or declare \
                            `effects: external`";
                self.case("repeat", Verdict::Warned, note)
            }
            (Err(failure), _) | (_, Err(failure)) if !is_clean(&failure) => {
                self.case("repeat", Verdict::Failed, failure.to_string())
            }
            (Ok(_), Err(failure)) | (Err(failure), Ok(_)) => {
                self.case("repeat", Verdict::Failed, format!("one of two equal attempts failed: {failure}"))
            }
            _ => self.case("repeat", Verdict::Passed, "twice the same"),
        }
    }

    /// An attempt that is cancelled while it works, if it works that long.
    async fn cancel_case(&self, with: &Value) -> Case {
        let cancel = CancellationToken::new();
        let begun = Instant::now();
        let soon = async {
            tokio::time::sleep(CANCEL_AFTER).await;
            cancel.cancel();
        };
        let (end, ()) = tokio::join!(self.run(with.clone(), &cancel), soon);
        let millis = begun.elapsed().as_millis();
        match end.result {
            Err(failure) if failure.code == "killed" => {
                let note =
                    "it did not stop within the grace period and was killed; ask `cancelled` while it works";
                // A program may be written without looking: it is killed, which is allowed.
                self.case("cancel", Verdict::Warned, note)
            }
            Err(failure) if !is_clean(&failure) => self.case("cancel", Verdict::Failed, failure.to_string()),
            _ => self.case("cancel", Verdict::Passed, format!("over after {millis} ms")),
        }
    }

    /// Many attempts on one process: memory must level off.
    async fn leak_case(&self, with: &Value) -> Case {
        let cancel = CancellationToken::new();
        let mut peaks = Vec::with_capacity(LEAK_CALLS);
        for _ in 0..LEAK_CALLS {
            let end = self.run(with.clone(), &cancel).await;
            match end.result {
                Err(failure) if !is_clean(&failure) => {
                    return self.case("leak", Verdict::Failed, failure.to_string());
                }
                _ => peaks.push(end.usage.rss_peak_bytes),
            }
        }
        let grown = peaks[LEAK_CALLS - 1].saturating_sub(peaks[LEAK_CALLS / 2]);
        let note = format!("{} KiB more after {} calls", grown >> 10, LEAK_CALLS / 2);
        self.case("leak", if grown > LEAK_BYTES { Verdict::Failed } else { Verdict::Passed }, note)
    }

    async fn run(&self, with: Value, cancel: &CancellationToken) -> AttemptEnd {
        let scratch = match tempfile::tempdir_in(&self.folder) {
            Ok(scratch) => scratch,
            Err(error) => {
                let failure = Failure::new(FailureClass::Resource, format!("no scratch folder: {error}"));
                return AttemptEnd { result: Err(failure), usage: reelmill_model::Usage::default() };
            }
        };
        let (events, said) = mpsc::channel(64);
        let attempt = Attempt {
            plugin: Arc::clone(self.plugin),
            stage: self.stage.id.clone(),
            with,
            call: facts(),
            scratch: scratch.path().to_owned(),
            read_paths: vec![self.file.clone()],
            write_paths: vec![self.folder.join("kept")],
            run_timeout: Some(RUN_LIMIT),
            idle_timeout: None,
            memory_bytes: None,
            cancel: cancel.clone(),
            events,
        };
        let (end, ()) = tokio::join!(self.host.run(attempt), listen(said));
        match &end.result {
            Ok(outputs) => match missing_file(outputs, scratch.path()) {
                None => end,
                Some(file) => AttemptEnd { result: Err(no_file(&file)), usage: end.usage },
            },
            Err(_) => end,
        }
    }
}

fn facts() -> CallInfo {
    CallInfo {
        run: "01J00000000000000000000000".into(),
        task: "kit".into(),
        attempt: 1,
        idempotency_token: "kit-token".into(),
        seed: 7,
        ..CallInfo::default()
    }
}

async fn listen(mut said: mpsc::Receiver<AttemptEvent>) {
    while said.recv().await.is_some() {}
}

/// Whether a failure is one a stage may have: said by itself, and no bug.
fn is_clean(failure: &Failure) -> bool {
    use FailureClass as C;
    matches!(
        failure.class,
        C::Transient
            | C::Dependency
            | C::Resource
            | C::InvalidInput
            | C::InvalidConfig
            | C::Permanent
            | C::Cancelled
    )
}

/// A file that the outputs name and that is not there.
fn missing_file(outputs: &Value, scratch: &Path) -> Option<String> {
    match outputs {
        Value::Object(object) => match object.get("$file").and_then(Value::as_str) {
            Some(file) if !scratch.join(file).is_file() => Some(file.to_owned()),
            Some(_) => None,
            None => object.values().find_map(|value| missing_file(value, scratch)),
        },
        Value::Array(items) => items.iter().find_map(|value| missing_file(value, scratch)),
        _ => None,
    }
}

fn no_file(file: &str) -> Failure {
    let message = format!("the outputs name the file `{file}`, which was not written below `call.scratch`");
    Failure::new(FailureClass::Protocol, message).with_detail(json!({ "file": file }))
}
