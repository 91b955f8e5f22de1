//! The project's side as a user has it: `reelmill run` on a pipeline whose one stage encodes the timeline, engine,
//! worker and sandboxed plugin process included.

use crate::material::Composition;
use crate::ours::{CRF, KEYFRAME_S, THREADS};
use anyhow::Context as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The program of this build, when there is one.
pub fn program() -> Option<PathBuf> {
    Some(reelmill_benches::build_folder().join("reelmill")).filter(|path| path.is_file())
}

/// `reelmill run` on the composition; nothing comes from its cache.
pub fn command(program: &Path, composition: &Composition) -> anyhow::Result<Command> {
    let timeline: serde_json::Value =
        serde_json::from_slice(&std::fs::read(composition.file("timeline.json"))?)?;
    let canvas = composition.canvas;
    // JSON is YAML.
    let pipeline = serde_json::json!({
        "version": 1,
        "name": "render_bench",
        "stages": { "encode": {
            "uses": "video.encode@1",
            "with": {
                "source": timeline, "aspect": "9:16", "height": canvas.width, "fps": canvas.fps, "preset": "medium",
                "crf": CRF, "threads": THREADS, "keyframe_s": KEYFRAME_S
            },
            "cache": "never",
            "timeout": "1h"
        } },
        "outputs": { "video": "${{ stages.encode.outputs.video }}" }
    });
    let file = composition.file("pipeline.yaml");
    std::fs::write(&file, serde_json::to_vec_pretty(&pipeline)?)?;
    let mut command = Command::new(program);
    command.arg("--home").arg(composition.file("home")).arg("run").arg(file);
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
