//! The messages themselves, apart from how they travel.

use reelmill_model::{Failure, Severity};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What a worker says.
#[derive(Clone, PartialEq, Debug)]
pub enum ToRunner {
    /// The first message: what to load and how to be confined.
    Load(Box<Load>),
    /// Run one attempt.
    Run {
        /// Its number in this process, from 1.
        id: u32,
        /// From now on write to this folder only; for processes that serve one attempt.
        only: Option<PathBuf>,
        /// `{"with": …, "call": …}`, as the plugin gets it.
        input: Vec<u8>,
    },
    /// Ask the attempt to stop.
    Cancel {
        /// Its number; an attempt that has ended is left alone.
        id: u32,
    },
}

/// What the process says.
#[derive(Clone, PartialEq, Debug)]
pub enum FromRunner {
    /// Loaded and opened; waits for work.
    Ready {
        /// The process that does the plugin's work: the runner itself, or the program it started.
        pid: u32,
        /// How far the sandbox could be closed.
        sandbox: SandboxReport,
        /// The manifest, when `load` named no stage.
        manifest: Option<Vec<u8>>,
    },
    /// A log line.
    Log {
        /// How much it matters.
        severity: Severity,
        /// The line.
        text: String,
    },
    /// How far the attempt is: a JSON object.
    Progress(Vec<u8>),
    /// The attempt's outputs.
    Reply {
        /// The attempt; 0 from a program, which has one at a time.
        id: u32,
        /// CPU time the process used for it; 0 when it does not know.
        cpu_us: u64,
        /// A JSON object, unchecked.
        outputs: Vec<u8>,
    },
    /// The attempt, or (with id 0 and before `ready`) the loading, failed.
    Fail {
        /// The attempt.
        id: u32,
        /// CPU time the process used for it; 0 when it does not know.
        cpu_us: u64,
        /// Why.
        failure: Box<Failure>,
    },
}

/// What to load.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Load {
    /// The plugin.
    pub program: Program,
    /// The stage to open; none only asks for the manifest.
    pub stage: Option<String>,
    /// How to be confined.
    pub confinement: Confinement,
}

/// The code of a plugin.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Program {
    /// A shared library to load.
    Library(PathBuf),
    /// A program to start.
    Command {
        /// The program, absolute.
        path: PathBuf,
        /// Its arguments.
        args: Vec<String>,
        /// The plugin's folder, which becomes the working directory.
        dir: PathBuf,
    },
}

/// What the process may do. Everything it does not name is refused.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Confinement {
    /// Files and folders it may read beside the system's libraries and fonts.
    pub read: Vec<PathBuf>,
    /// Folders it may write to.
    pub write: Vec<PathBuf>,
    /// Whether it may open network connections.
    pub net: bool,
    /// Whether it may start other programs.
    pub exec: bool,
    /// Whether it may use the GPU devices.
    pub gpu: bool,
    /// Private memory it may have, in bytes; 0 means no limit.
    pub memory_bytes: u64,
}

/// How much of the asked confinement the kernel gave.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protection {
    /// All of it.
    Full,
    /// Some of it.
    Partial,
    /// Resource limits only.
    None,
}

/// How far the sandbox could be closed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SandboxReport {
    /// In one word.
    pub protection: Protection,
    /// What is missing, for people; empty when nothing is.
    #[serde(default)]
    pub missing: Vec<String>,
}
