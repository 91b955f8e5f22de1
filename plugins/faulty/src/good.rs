//! Stages that behave.

use reelmill_sdk::prelude::*;
use reelmill_sdk::serde_json::Map;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Whatever `with` holds.
pub type Anything = Map<String, Value>;

/// Does nothing, inside the worker.
pub struct Noop;

impl Stage for Noop {
    const ID: &'static str = "noop";
    const VERSION: &'static str = "1.0.0";
    const SUMMARY: &'static str = "Puts its input out, inside the worker";
    type Input = Anything;
    type Output = Anything;

    fn traits() -> StageTraits {
        StageTraits { inline: true, reuse: Reuse::Pool, ..StageTraits::default() }
    }

    fn open() -> Result<Self, StageError> {
        Ok(Self)
    }

    fn run(&mut self, input: Anything, _: &Cx<'_>) -> Result<Anything, StageError> {
        Ok(input)
    }
}

/// What [`Clock`] puts out.
#[derive(Serialize, JsonSchema)]
pub struct Moment {
    /// Microseconds since the epoch when the stage began.
    pub began_us: u64,
}

/// Says when it was started, inside the worker: what latencies are measured with.
pub struct Clock;

impl Stage for Clock {
    const ID: &'static str = "clock";
    const VERSION: &'static str = "1.0.0";
    const SUMMARY: &'static str = "Says when it was started, inside the worker";
    type Input = Anything;
    type Output = Moment;

    fn traits() -> StageTraits {
        StageTraits { inline: true, reuse: Reuse::Pool, ..StageTraits::default() }
    }

    fn open() -> Result<Self, StageError> {
        Ok(Self)
    }

    fn run(&mut self, _: Anything, _: &Cx<'_>) -> Result<Moment, StageError> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(Moment { began_us: u64::try_from(since.as_micros()).unwrap_or(u64::MAX) })
    }
}

/// Does nothing for 50 ms, in a warm process: what the scaling of workers is measured with.
pub struct Nap;

impl Stage for Nap {
    const ID: &'static str = "nap";
    const VERSION: &'static str = "1.0.0";
    const SUMMARY: &'static str = "Does nothing for 50 ms";
    type Input = Anything;
    type Output = Anything;

    fn traits() -> StageTraits {
        StageTraits { reuse: Reuse::Pool, ..StageTraits::default() }
    }

    fn open() -> Result<Self, StageError> {
        Ok(Self)
    }

    fn run(&mut self, input: Anything, _: &Cx<'_>) -> Result<Anything, StageError> {
        std::thread::sleep(Duration::from_millis(50));
        Ok(input)
    }
}

/// Puts its input out, from a fresh process.
pub struct Echo;

impl Stage for Echo {
    const ID: &'static str = "echo";
    const VERSION: &'static str = "1.0.0";
    const SUMMARY: &'static str = "Puts its input out";
    type Input = Anything;
    type Output = Anything;

    fn open() -> Result<Self, StageError> {
        Ok(Self)
    }

    fn run(&mut self, input: Anything, cx: &Cx<'_>) -> Result<Anything, StageError> {
        cx.info("echo");
        Ok(input)
    }
}

/// What [`Pooled`] puts out.
#[derive(Serialize, JsonSchema)]
pub struct Served {
    /// How many attempts this process has served.
    pub calls: u64,
    /// The process.
    pub pid: u32,
}

/// Counts the attempts its process serves.
pub struct Pooled(u64);

impl Stage for Pooled {
    const ID: &'static str = "pooled";
    const VERSION: &'static str = "1.0.0";
    const SUMMARY: &'static str = "Counts the attempts its process serves";
    type Input = Anything;
    type Output = Served;

    fn traits() -> StageTraits {
        StageTraits { reuse: Reuse::Pool, ..StageTraits::default() }
    }

    fn open() -> Result<Self, StageError> {
        Ok(Self(0))
    }

    fn run(&mut self, _: Anything, _: &Cx<'_>) -> Result<Served, StageError> {
        self.0 += 1;
        Ok(Served { calls: self.0, pid: std::process::id() })
    }
}

/// What [`WriteFile`] takes.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Text {
    /// What to write.
    pub text: String,
}

/// What [`WriteFile`] puts out.
#[derive(Serialize, JsonSchema)]
pub struct Written {
    /// The file.
    pub file: OutputFile,
}

/// Puts a file out.
pub struct WriteFile;

impl Stage for WriteFile {
    const ID: &'static str = "write_file";
    const VERSION: &'static str = "1.0.0";
    const SUMMARY: &'static str = "Puts a text file out";
    type Input = Text;
    type Output = Written;

    fn open() -> Result<Self, StageError> {
        Ok(Self)
    }

    fn run(&mut self, input: Text, cx: &Cx<'_>) -> Result<Written, StageError> {
        std::fs::write(cx.output("text.txt"), input.text).context("write text.txt")?;
        Ok(Written { file: OutputFile::new(cx, "text.txt", "text/plain")? })
    }
}

/// What [`Keep`] takes.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    /// What to write.
    pub text: String,
    /// The folder that keeps it.
    pub folder: WritePath,
}

/// Leaves a file in a folder that outlives the attempt.
pub struct Keep;

impl Stage for Keep {
    const ID: &'static str = "keep";
    const VERSION: &'static str = "1.0.0";
    const SUMMARY: &'static str = "Leaves a text file in a folder that outlives the attempt";
    type Input = Kept;
    type Output = Anything;

    fn open() -> Result<Self, StageError> {
        Ok(Self)
    }

    fn run(&mut self, input: Kept, _: &Cx<'_>) -> Result<Anything, StageError> {
        std::fs::write(input.folder.as_path().join("text.txt"), input.text).context("write text.txt")?;
        Ok(Anything::new())
    }
}

/// What [`Post`] takes.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Destination {
    /// Host and port of the service.
    pub to: String,
}

/// What [`Post`] puts out.
#[derive(Serialize, JsonSchema)]
pub struct Posted {
    /// What the service knows the post by: the same for every attempt.
    pub token: String,
    /// Which attempt this was.
    pub attempt: u32,
    /// What the service answered.
    pub answer: String,
    /// The answer, in a file.
    pub receipt: OutputFile,
}

/// Changes something outside: tells a service its idempotency token, and puts out what it was answered.
pub struct Post;

impl Stage for Post {
    const ID: &'static str = "post";
    const VERSION: &'static str = "1.0.0";
    const SUMMARY: &'static str = "Posts its idempotency token to a service";
    type Input = Destination;
    type Output = Posted;

    fn traits() -> StageTraits {
        StageTraits {
            effects: Effects::External,
            idempotent: true,
            reuse: Reuse::Pool,
            needs: Needs { net: true, ..Needs::default() },
            ..StageTraits::default()
        }
    }

    fn open() -> Result<Self, StageError> {
        Ok(Self)
    }

    fn run(&mut self, input: Destination, cx: &Cx<'_>) -> Result<Posted, StageError> {
        let token = cx.idempotency_token().to_owned();
        let mut service = TcpStream::connect(&input.to).context("reach the service")?;
        writeln!(service, "{token} {}", cx.attempt()).context("post")?;
        let mut answer = String::new();
        BufReader::new(service).read_line(&mut answer).context("hear of the post")?;
        let answer = answer.trim().to_owned();
        std::fs::write(cx.output("receipt.txt"), &answer).context("write receipt.txt")?;
        let receipt = OutputFile::new(cx, "receipt.txt", "text/plain")?;
        Ok(Posted { token, attempt: cx.attempt(), answer, receipt })
    }
}

/// Works until it is asked to stop, and says how far it is.
pub struct UntilCancelled;

impl Stage for UntilCancelled {
    const ID: &'static str = "until_cancelled";
    const VERSION: &'static str = "1.0.0";
    const SUMMARY: &'static str = "Works until it is asked to stop";
    type Input = Anything;
    type Output = Anything;

    fn open() -> Result<Self, StageError> {
        Ok(Self)
    }

    fn run(&mut self, _: Anything, cx: &Cx<'_>) -> Result<Anything, StageError> {
        let mut done = 0.0;
        loop {
            cx.check()?;
            done += 1.0;
            cx.progress(&Progress { done, unit: "rounds".into(), ..Progress::default() });
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// What [`Report`] puts out.
#[derive(Serialize, JsonSchema)]
pub struct Seen {
    idempotency_token: String,
    seed: u64,
    attempt: u32,
    pid: u32,
    /// What the sandbox left of the machine: word → what happened.
    machine: Map<String, Value>,
}

/// Says what it was told and what it can reach.
pub struct Report;

impl Stage for Report {
    const ID: &'static str = "report";
    const VERSION: &'static str = "1.0.0";
    const SUMMARY: &'static str = "Says what it was told and what the sandbox lets it reach";
    type Input = Anything;
    type Output = Seen;

    fn open() -> Result<Self, StageError> {
        Ok(Self)
    }

    fn run(&mut self, input: Anything, cx: &Cx<'_>) -> Result<Seen, StageError> {
        let mut machine = Map::new();
        let mut note = |what: &str, result: std::io::Result<()>| {
            let word = result.err().map_or_else(|| "ok".to_owned(), |error| format!("{:?}", error.kind()));
            machine.insert(what.to_owned(), word.into());
        };
        note("write scratch", std::fs::write(cx.output("probe"), b"x"));
        note("write outside", std::fs::write(cx.scratch().join("../../outside"), b"x"));
        for path in ["/etc/passwd", "/proc/self/status", "/dev/urandom", "/usr/lib"] {
            note(&format!("read {path}"), std::fs::metadata(path).and_then(|_| open_for_reading(path)));
        }
        if let Some(path) = input.get("read").and_then(Value::as_str) {
            note("read granted", open_for_reading(path));
        }
        note("tcp", std::net::TcpListener::bind("127.0.0.1:0").map(drop));
        note("exec", std::process::Command::new("/bin/true").status().map(drop));
        note("thread", std::thread::Builder::new().spawn(|| ()).map(|thread| drop(thread.join())));
        Ok(Seen {
            idempotency_token: cx.idempotency_token().to_owned(),
            seed: cx.seed(),
            attempt: cx.attempt(),
            pid: std::process::id(),
            machine,
        })
    }
}

fn open_for_reading(path: &str) -> std::io::Result<()> {
    if path.ends_with("lib") {
        std::fs::read_dir(path).map(drop)
    } else {
        std::fs::File::open(path).map(drop)
    }
}
