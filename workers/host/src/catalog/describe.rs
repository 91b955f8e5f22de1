//! The manifest of a native plugin: from a file beside it that is bound to its digest, or from the plugin itself,
//! asked in a sandbox.

use super::describing_config;
use crate::process::{Heard, Process};
use reelmill_model::{Digest, Manifest, Needs};
use reelmill_protocol::{Confinement, FromRunner, Load, Program};
use serde::Deserialize;
use std::path::Path;
use std::time::Duration;

/// How long a plugin may take to load and describe itself.
const DESCRIBE_LIMIT: Duration = Duration::from_secs(30);

/// A manifest in a file, and the library it is of.
#[derive(Deserialize)]
struct Sidecar {
    digest: Digest,
    manifest: Manifest,
}

/// The manifest beside a library (`libreelmill_plugin_x.manifest.json`), when it is of this very library.
pub fn sidecar(library: &Path, digest: Digest) -> Option<Manifest> {
    let text = std::fs::read(library.with_extension("manifest.json")).ok()?;
    let sidecar: Sidecar = serde_json::from_slice(&text).ok()?;
    (sidecar.digest == digest).then_some(sidecar.manifest)
}

/// Asks the plugin itself.
pub async fn ask(library: &Path, runner: &Path) -> Result<Manifest, String> {
    let scratch = std::env::temp_dir().join(format!("reelmill-describe-{}", std::process::id()));
    let config = describing_config(runner, scratch.clone());
    let load = Load {
        program: Program::Library(library.to_owned()),
        stage: None,
        confinement: Confinement { memory_bytes: config.default_memory_bytes, ..Confinement::default() },
    };
    let mut process = Process::spawn(&config, load, &Needs::default())
        .map_err(|error| format!("cannot be described: {} cannot be started: {error}", runner.display()))?;
    let answer = tokio::time::timeout(DESCRIBE_LIMIT, answer(&mut process)).await;
    let answer = match answer {
        Err(_) => Err(format!("did not describe itself within {} s", DESCRIBE_LIMIT.as_secs())),
        Ok(Err(reason)) if process.output.tail().is_empty() => Err(reason),
        Ok(Err(reason)) => Err(format!("{reason}; it printed: {}", process.output.tail())),
        Ok(Ok(manifest)) => Ok(manifest),
    };
    process.end_now().await;
    // Others may be at work in it; the last one removes it.
    let _ = std::fs::remove_dir(&scratch);
    answer
}

async fn answer(process: &mut Process) -> Result<Manifest, String> {
    loop {
        match process.hear().await {
            Heard::Said(FromRunner::Ready { manifest: Some(manifest), .. }) => {
                return serde_json::from_slice(&manifest)
                    .map_err(|error| format!("describes itself wrongly: {error}"));
            }
            Heard::Said(FromRunner::Fail { failure, .. }) => return Err(failure.message),
            Heard::Said(_) | Heard::Printed(_) => {}
            Heard::Broken(error) => return Err(format!("cannot be described: {error}")),
            Heard::Gone => return Err("ended its process instead of describing itself".to_owned()),
        }
    }
}
