//! Many videos: ten at once beside ten one after another, and five variants of one beside the one.

use crate::engine;
use crate::material::{Composition, SAMPLE};
use crate::ours::SAME;
use reelmill_benches::process::{Cost, measure};
use serde_json::{Value, json};
use std::path::Path;

/// Videos that are made at once.
pub const VIDEOS: usize = 10;

/// Ten short videos, so many of them at once.
pub fn videos(program: &Path, composition: &Composition, at_once: usize) -> anyhow::Result<Cost> {
    let items: Vec<usize> = (0..VIDEOS).collect();
    let stages = json!({ "video": {
        "for_each": { "in": format!("{items:?}"), "max_parallel": at_once, "max_items": VIDEOS },
        "stages": { "encode": engine::encode(composition, SAMPLE, SAME)? },
        "outputs": { "video": "${{ stages.encode.outputs.video }}" }
    } });
    Ok(measure(&mut engine::command(program, composition, "home", &stages, &json!({}))?)?)
}

/// How far the cores were used: CPU time over what all of them could have given beside other programs.
#[expect(clippy::cast_precision_loss, reason = "a count of cores")]
pub fn used(cost: &Cost) -> f64 {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let free = 1.0 - cost.others.min(0.99);
    cost.cpu_s / (cost.wall_s * cores as f64 * free)
}

/// Variants of one video that are made together: its shape, and how loud its music is, if it has any.
const VARIANTS: [(&str, Option<f64>); 5] =
    [("9:16", Some(-14.0)), ("9:16", Some(-8.0)), ("9:16", None), ("1:1", Some(-14.0)), ("1:1", None)];

/// The first `count` variants in one run, with an empty cache. Pictures of a shape are encoded once: the variants of it
/// differ in their sound, and the cache knows that.
pub fn variants(program: &Path, composition: &Composition, count: usize) -> anyhow::Result<Cost> {
    let silent: Value = serde_json::from_slice(&std::fs::read(composition.file(SAMPLE))?)?;
    let mut stages = serde_json::Map::new();
    for (number, (aspect, gain)) in VARIANTS[..count].iter().enumerate() {
        let mut sounding = silent.clone();
        if let Some(gain_db) = gain {
            sounding["music"] = json!({ "media": composition.file("music.m4a"), "gain_db": gain_db });
        }
        variant(&mut stages, number, aspect, &silent, &sounding, composition);
    }
    let home = composition.file("variants");
    if home.is_dir() {
        std::fs::remove_dir_all(&home)?;
    }
    let stages = Value::Object(stages);
    Ok(measure(&mut engine::command(program, composition, "variants", &stages, &json!({}))?)?)
}

/// The stages of a variant: its pictures from the silent timeline, its sound from the other one, both joined.
fn variant(
    stages: &mut serde_json::Map<String, Value>,
    number: usize,
    aspect: &str,
    silent: &Value,
    sounding: &Value,
    composition: &Composition,
) {
    let settings = format!("${{{{ stages.split_{number}.outputs.settings }}}}");
    let split = json!({ "source": silent, "aspect": aspect, "height": composition.canvas.width, "crf": SAME.crf,
        "preset": SAME.preset, "threads": SAME.threads, "min_seconds": 4, "max_seconds": 60 });
    stages.insert(format!("split_{number}"), json!({ "uses": "video.split@1", "with": split }));
    // The stages of an aspect that is encoded already would otherwise start beside those that encode it.
    let before = (0..number).rev().find(|before| VARIANTS[*before].0 == aspect);
    let mut chunk = json!({
        "for_each": { "in": format!("stages.split_{number}.outputs.chunks"), "key": "item.id", "max_items": 100 },
        "uses": "video.encode_chunk@1",
        "with": { "source": silent, "settings": settings, "chunk": "${{ item }}" }
    });
    if let Some(before) = before {
        chunk["needs"] = json!([format!("chunks_{before}")]);
    }
    stages.insert(format!("chunks_{number}"), chunk);
    let sound = json!({ "source": sounding, "settings": settings });
    stages.insert(format!("sound_{number}"), json!({ "uses": "video.sound@1", "with": sound }));
    let join = json!({ "settings": settings, "chunks": format!("${{{{ stages.chunks_{number}.outputs }}}}"),
        "sound": format!("${{{{ stages.sound_{number}.outputs.sound }}}}") });
    stages.insert(format!("join_{number}"), json!({ "uses": "video.join@1", "with": join }));
}
