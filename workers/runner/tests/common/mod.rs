//! A host over the real runner and the plugin that does everything wrong.
#![allow(dead_code, reason = "each test program uses its own part")]

use reelmill_host::{Attempt, AttemptEnd, AttemptEvent, CallInfo, Host, HostConfig, Plugin, catalog};
use reelmill_model::Severity;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Memory of the test's attempts: enough for everything but the stage that wants all.
pub const MEMORY: u64 = 128 << 20;

/// A host, a plugin, and folders that vanish with it.
pub struct Bench {
    pub host: Host,
    pub plugin: Arc<Plugin>,
    pub root: TempDir,
    attempts: AtomicU32,
}

/// The real runner.
pub fn runner() -> PathBuf {
    env!("CARGO_BIN_EXE_reelmill-runner").into()
}

/// The library of the faulty plugin, as cargo built it for this test.
pub fn faulty_library() -> PathBuf {
    let program = std::env::current_exe().unwrap();
    program.parent().unwrap().join("libreelmill_faulty.so")
}

impl Bench {
    /// A bench for the faulty plugin.
    pub async fn new() -> Self {
        Self::of(&faulty_library(), |_| ()).await
    }

    /// A bench for a plugin, with a changed configuration.
    pub async fn of(plugin: &Path, change: impl FnOnce(&mut HostConfig)) -> Self {
        let root = tempfile::tempdir().unwrap();
        for folder in ["scratch", "artifacts"] {
            std::fs::create_dir(root.path().join(folder)).unwrap();
        }
        let mut config =
            HostConfig::new(runner(), root.path().join("scratch"), root.path().join("artifacts"));
        config.grace = Duration::from_millis(300);
        config.default_memory_bytes = MEMORY;
        change(&mut config);
        let plugin = catalog::open(plugin, true, &root.path().join("cache"), &runner()).await.unwrap();
        Self { host: Host::new(config), plugin: Arc::new(plugin), root, attempts: AtomicU32::new(0) }
    }

    /// An attempt with a folder of its own, and what it will say.
    pub fn attempt(&self, stage: &str, with: Value) -> (Attempt, mpsc::Receiver<AttemptEvent>) {
        let number = self.attempts.fetch_add(1, Ordering::Relaxed);
        let scratch = self.root.path().join(format!("scratch/attempt-{number}"));
        std::fs::create_dir(&scratch).unwrap();
        let (events, said) = mpsc::channel(1024);
        let call = CallInfo {
            run: "run".into(),
            task: "task".into(),
            attempt: 1,
            idempotency_token: "token".into(),
            seed: 7,
            ..CallInfo::default()
        };
        let attempt = Attempt {
            plugin: Arc::clone(&self.plugin),
            stage: stage.into(),
            with,
            call,
            scratch,
            read_paths: Vec::new(),
            write_paths: Vec::new(),
            run_timeout: Some(Duration::from_mins(1)),
            idle_timeout: None,
            memory_bytes: None,
            cancel: CancellationToken::new(),
            events,
        };
        (attempt, said)
    }

    /// Runs a stage once and removes its folder, as a worker would.
    pub async fn run(&self, stage: &str, with: Value) -> AttemptEnd {
        let (attempt, mut said) = self.attempt(stage, with);
        let scratch = attempt.scratch.clone();
        let listening = tokio::spawn(async move { while said.recv().await.is_some() {} });
        let end = self.host.run(attempt).await;
        listening.await.unwrap();
        std::fs::remove_dir_all(scratch).unwrap();
        end
    }
}

/// Everything said, as text lines with their severity; progress apart.
pub async fn listen(mut said: mpsc::Receiver<AttemptEvent>) -> (Vec<(Severity, String)>, Vec<Value>) {
    let (mut lines, mut progress) = (Vec::new(), Vec::new());
    while let Some(event) = said.recv().await {
        match event {
            AttemptEvent::Log { severity, text } => lines.push((severity, text)),
            AttemptEvent::Progress(value) => progress.push(value),
        }
    }
    (lines, progress)
}
