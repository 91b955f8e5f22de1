//! The project's side as a user has it: `reelmill run` on a pipeline, engine, worker and sandboxed plugin process
//! included.

use crate::material::Composition;
use crate::ours::{KEYFRAME_S, Settings};
use anyhow::Context as _;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The program of this build, when there is one.
pub fn program() -> Option<PathBuf> {
    Some(reelmill_benches::build_folder().join("reelmill")).filter(|path| path.is_file())
}

/// A stage that encodes the timeline in a file of the composition; nothing comes from the cache.
pub fn encode(composition: &Composition, timeline: &str, settings: Settings) -> anyhow::Result<Value> {
    let timeline: Value = serde_json::from_slice(&std::fs::read(composition.file(timeline))?)?;
    let canvas = composition.canvas;
    Ok(json!({
        "uses": "video.encode@1",
        "with": {
            "source": timeline, "aspect": "9:16", "height": canvas.width, "fps": canvas.fps,
            "preset": settings.preset, "crf": settings.crf, "threads": settings.threads, "keyframe_s": KEYFRAME_S
        },
        "cache": "never",
        "timeout": "1h"
    }))
}

/// `reelmill run` on stages, with a folder of the composition as its home.
pub fn command(
    program: &Path,
    composition: &Composition,
    home: &str,
    stages: &Value,
    outputs: &Value,
) -> anyhow::Result<Command> {
    let pipeline = json!({ "version": 1, "name": "render_bench", "stages": stages, "outputs": outputs });
    let file = composition.file("pipeline.yaml");
    // JSON is YAML.
    std::fs::write(&file, serde_json::to_vec_pretty(&pipeline)?)?;
    let mut command = Command::new(program);
    command.arg("--home").arg(composition.file(home)).arg("run").arg("--new").arg(file);
    command.arg("--out").arg(composition.file("out")).stdout(Stdio::null()).stderr(Stdio::null());
    Ok(command)
}

/// Moves the video that came out to `to`.
pub fn collect(composition: &Composition, to: &Path) -> anyhow::Result<()> {
    let out = composition.file("out");
    let found = find(&out).with_context(|| format!("no video in {}", out.display()))?;
    std::fs::rename(found, to)?;
    std::fs::remove_dir_all(out)?;
    Ok(())
}

fn find(folder: &Path) -> Option<PathBuf> {
    let paths: Vec<PathBuf> =
        std::fs::read_dir(folder).ok()?.filter_map(|e| e.ok().map(|e| e.path())).collect();
    let video = paths.iter().find(|path| path.extension().is_some_and(|e| e == "mp4")).cloned();
    video.or_else(|| paths.iter().filter(|path| path.is_dir()).find_map(|path| find(path)))
}
