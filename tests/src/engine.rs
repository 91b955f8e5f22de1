//! Pipelines on the real binaries: run to their end, started and watched, killed, and asked about afterwards.

use crate::{Ended, Place, repository};
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Time after which something that was waited for is taken never to come. Nothing takes as long when it works.
pub const PATIENCE: Duration = Duration::from_mins(5);

/// A pipeline of these stages, with retries that do not keep a test waiting.
#[must_use]
pub fn pipeline(body: &str) -> String {
    format!("version: 1\nname: test\ndefaults: {{ retry: {{ initial: 1ms, jitter: none }} }}\n{body}")
}

/// Waits for something that tells nobody when it happens.
pub fn wait_until(what: &str, mut happened: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !happened() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

impl Place {
    /// `reelmill` with the plugins made for tests in reach.
    #[must_use]
    pub fn engine(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(arguments);
        command.env("REELMILL_PLUGIN_PATH", repository().join("tests/plugins"));
        command
    }

    /// Runs such a `reelmill` to its end.
    #[must_use]
    pub fn ask(&self, arguments: &[&str]) -> Ended {
        let output = self.engine(arguments).output().expect("reelmill can be started");
        Ended {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Runs a pipeline, given as text, to its end; standard output is the status of the run as JSON.
    #[must_use]
    pub fn run(&self, pipeline: &str, more: &[&str]) -> Ended {
        self.write("p.yaml", pipeline);
        self.ask(&[&["run", "p.yaml", "-o", "json"], more].concat())
    }

    /// The status of the last run.
    #[must_use]
    pub fn status(&self) -> Value {
        self.ask(&["status", "last", "-o", "json"]).expect(0).json()
    }

    /// Every event of the last run, which has ended.
    #[must_use]
    pub fn events(&self) -> Events {
        let ended = self.ask(&["watch", "last", "-o", "json"]);
        let read = |line: &str| serde_json::from_str(line).unwrap_or_else(|_| panic!("no event: {ended:?}"));
        Events(ended.stdout.lines().map(read).collect())
    }

    /// What the tasks of a stage of the last run wrote into their logs, without what the engine says there.
    #[must_use]
    pub fn said(&self, stage: &str) -> Vec<String> {
        let lines = self.ask(&["logs", "last", stage, "-o", "json"]).expect(0).stdout;
        let read = |line: &str| serde_json::from_str::<Value>(line).expect("a line of JSON");
        let texts = lines.lines().filter_map(|line| Some(read(line)["text"].as_str()?.to_owned()));
        texts.filter(|text| !text.starts_with("cache: ")).collect()
    }

    /// Starts a pipeline, given as text, and does not wait for its end.
    #[must_use]
    pub fn start(&self, pipeline: &str, more: &[&str]) -> Working<'_> {
        self.write("p.yaml", pipeline);
        Working::start(self, self.engine(&[&["run", "p.yaml", "-o", "json"], more].concat()))
    }

    /// The processes that work for this place: its own and, below them, those of plugins.
    #[must_use]
    pub fn processes(&self) -> Vec<u32> {
        let root = self.path("").to_string_lossy().into_owned();
        let here = |pid: &u32| {
            let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            String::from_utf8_lossy(&environment).contains(root.trim_end_matches('/'))
        };
        let entries = std::fs::read_dir("/proc").expect("there is /proc").flatten();
        entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(here).collect()
    }

    /// A named pipe at which a stage `probe.gate` can be made to wait.
    #[must_use]
    pub fn gate(&self, name: &str) -> Gate {
        let path = self.path(name);
        let made = Command::new("mkfifo").arg(&path).status().expect("mkfifo can be started");
        assert!(made.success(), "no pipe at {}", path.display());
        self.gate_again(name)
    }

    /// The same pipe for the next stage that comes to it.
    #[must_use]
    pub fn gate_again(&self, name: &str) -> Gate {
        let path = self.path(name);
        let (arrive, arrivals) = channel();
        // A writer comes through only when a reader is there: that is how an arrival is told.
        std::thread::spawn(move || {
            let writer = std::fs::File::options().write(true).open(path);
            let _ = arrive.send(writer);
        });
        Gate { name: name.to_owned(), arrivals, held: None }
    }
}

/// Sends a signal to processes that may be gone by now.
pub fn signal(name: &str, processes: &[u32]) {
    let numbers: Vec<String> = processes.iter().map(u32::to_string).collect();
    let script = format!("kill -s {name} {} 2>/dev/null", numbers.join(" "));
    // Its exit code only says that one of them had ended before.
    let _ = Command::new("sh").args(["-c", &script]).status().expect("sh can be started");
}

/// A named pipe that holds a stage up.
pub struct Gate {
    name: String,
    arrivals: Receiver<std::io::Result<std::fs::File>>,
    held: Option<std::fs::File>,
}

impl Gate {
    /// Waits until a stage stands at the gate.
    pub fn wait(&mut self) {
        let writer = self.arrivals.recv_timeout(PATIENCE);
        let writer = writer.unwrap_or_else(|_| panic!("no stage came to gate {}", self.name));
        self.held = Some(writer.expect("the pipe can be opened"));
    }

    /// Whether a stage stands at the gate, without waiting.
    #[must_use]
    pub fn has_arrived(&mut self) -> bool {
        if self.held.is_none()
            && let Ok(writer) = self.arrivals.try_recv()
        {
            self.held = Some(writer.expect("the pipe can be opened"));
        }
        self.held.is_some()
    }

    /// Lets the stage go on.
    pub fn open(&mut self) {
        if self.held.is_none() {
            self.wait();
        }
        self.held = None;
    }
}

/// The lines of a pipe as they come.
struct Lines {
    coming: Receiver<String>,
    seen: Vec<String>,
}

impl Lines {
    fn of(pipe: impl Read + Send + 'static) -> Self {
        let (tell, coming) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                if tell.send(line).is_err() {
                    return;
                }
            }
        });
        Self { coming, seen: Vec::new() }
    }

    fn wait_for(&mut self, part: &str) -> String {
        loop {
            let line = self.coming.recv_timeout(PATIENCE);
            let line =
                line.unwrap_or_else(|_| panic!("{part:?} was never said, only\n{}", self.seen.join("\n")));
            self.seen.push(line.clone());
            if line.contains(part) {
                return line;
            }
        }
    }

    /// Everything that was said, when nothing more will be.
    fn rest(&mut self) -> String {
        self.seen.extend(self.coming.iter());
        self.seen.join("\n")
    }
}

/// A `reelmill` that works.
pub struct Working<'a> {
    place: &'a Place,
    child: Child,
    errors: Lines,
    output: Lines,
    ended: Option<ExitStatus>,
}

impl<'a> Working<'a> {
    /// Starts a command in a process group of its own.
    #[must_use]
    pub fn start(place: &'a Place, mut command: Command) -> Self {
        let mut child = command
            .process_group(0)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("reelmill can be started");
        let errors = Lines::of(child.stderr.take().expect("it is piped"));
        let output = Lines::of(child.stdout.take().expect("it is piped"));
        Self { place, child, errors, output, ended: None }
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for a line on standard error that contains this.
    pub fn wait_for(&mut self, part: &str) -> String {
        self.errors.wait_for(part)
    }

    /// Waits for a line on standard output that contains this.
    pub fn wait_for_output(&mut self, part: &str) -> String {
        self.output.wait_for(part)
    }

    /// Waits for the end of it.
    pub fn end(mut self) -> Ended {
        let status = self.child.wait().expect("it can be waited for");
        self.ended = Some(status);
        Ended { code: status.code(), stdout: self.output.rest(), stderr: self.errors.rest() }
    }

    /// Kills it and every process that works for it, at once and without a word.
    pub fn kill_everything(mut self) {
        signal("KILL", &self.place.processes());
        let status = self.child.wait().expect("it can be waited for");
        self.ended = Some(status);
        assert_eq!(status.signal(), Some(9), "it had ended by itself: {}", self.errors.rest());
        // What was being started at that moment is seen only now.
        wait_until("the processes of plugins to be gone", || {
            let left = self.place.processes();
            signal("KILL", &left);
            left.is_empty()
        });
    }
}

impl Drop for Working<'_> {
    fn drop(&mut self) {
        if self.ended.is_none() {
            signal("KILL", &[self.id()]);
            let _ = self.child.wait();
            signal("KILL", &self.place.processes());
        }
    }
}

/// What happened in a run.
#[derive(Debug)]
pub struct Events(pub Vec<Value>);

impl Events {
    /// Those of a kind.
    #[must_use]
    pub fn of(&self, kind: &str) -> Vec<&Value> {
        self.0.iter().filter(|event| event["kind"] == kind).collect()
    }

    /// The paths of tasks that ended in a state, in the order of their ends.
    #[must_use]
    pub fn ended(&self, state: &str) -> Vec<&str> {
        let settled = self.of("task.settled").into_iter();
        settled
            .filter(|event| event["data"]["state"] == state)
            .filter_map(|event| event["path"].as_str())
            .collect()
    }

    /// The one end of a task.
    #[must_use]
    pub fn end_of(&self, path: &str) -> &Value {
        let ends: Vec<&Value> =
            self.of("task.settled").into_iter().filter(|event| event["path"] == path).collect();
        assert_eq!(ends.len(), 1, "{path} ended {} times: {self:#?}", ends.len());
        ends[0]
    }

    /// Why a task was skipped: `because`, and the stage or expression.
    #[must_use]
    pub fn skipped(&self, path: &str) -> (String, String) {
        let end = self.end_of(path);
        assert_eq!(end["data"]["state"], "skipped", "{end}");
        let reason = &end["data"]["skipped"];
        let text = |key: &str| reason[key].as_str().map(str::to_owned);
        let what = text("stage").or_else(|| text("expression")).unwrap_or_default();
        (text("because").unwrap_or_default(), what)
    }
}

/// Every file below a folder, by its path within it, with its size.
#[must_use]
pub fn files(folder: &Path) -> Vec<(String, u64)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).into_iter().flatten().flatten() {
            let path = entry.path();
            match entry.metadata() {
                Ok(facts) if facts.is_dir() => folders.push(path),
                Ok(facts) => {
                    let name = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy().into_owned();
                    found.push((name, facts.len()));
                }
                // It was removed meanwhile.
                Err(_) => {}
            }
        }
    }
    found.sort();
    found
}
