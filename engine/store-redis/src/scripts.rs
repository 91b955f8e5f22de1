//! The scripts, each with what all begin with in front.

use redis::Script;
use std::sync::LazyLock;

macro_rules! script {
    ($first:literal: $($file:literal),+) => {
        Script::new(concat!(
            $first,
            include_str!("lua/common.lua"),
            $("\n", include_str!(concat!("lua/", $file, ".lua")),)+
        ))
    };
    ($($file:literal),+) => { script!("": $($file),+) };
}

// A script that only reads says so in its first line: then a server that is full runs it.
macro_rules! reading {
    ($($file:literal),+) => {
        script!("#!lua flags=no-writes\n": $($file),+)
    };
}

/// The scripts of a partition.
pub struct Scripts {
    /// Applies and leases.
    pub step: Script,
    /// Extends leases.
    pub beat: Script,
    /// Lists runs.
    pub list: Script,
    /// Appends log lines.
    pub log: Script,
    /// Notes progress.
    pub progress: Script,
}

impl Scripts {
    /// The scripts, made when they are first needed.
    pub fn shared() -> &'static Self {
        static SHARED: LazyLock<Scripts> = LazyLock::new(|| Scripts {
            step: script!("index", "queues", "step"),
            beat: script!("beat"),
            list: reading!("index", "list"),
            log: script!("log"),
            progress: script!("progress"),
        });
        &SHARED
    }
}
