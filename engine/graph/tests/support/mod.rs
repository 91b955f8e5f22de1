//! The plugins that the pipelines of the tests use, and the shown form of a graph.

use reelmill_graph::compile::Catalog;
use reelmill_model::Digest;
use reelmill_model::manifest::{Located, Manifest};
use serde_json::{Value, json};

/// A catalog with the plugins that the test pipelines name.
#[expect(clippy::too_many_lines, reason = "a table")]
pub fn catalog() -> Catalog {
    let text = || json!({ "type": "string" });
    let file = || json!({ "type": "object" });
    let files = || json!({ "type": "array", "items": { "type": "object" } });
    let scenes = json!({ "type": "array", "items": { "type": "object", "properties": {
        "id": { "type": "string" }, "narration": { "type": "string" },
        "keywords": { "type": "array", "items": { "type": "string" } },
    } } });
    let stages = [
        (
            "script",
            stage(
                "write",
                "1.2.0",
                &["topic"],
                json!({
                    "topic": { "type": "string", "description": "What it is about." },
                    "language": { "type": "string", "enum": ["en", "zh", "no"] },
                    "scenes": { "type": "integer", "minimum": 1 },
                }),
                json!({ "scenes": scenes, "title": text() }),
            ),
        ),
        (
            "tts",
            stage(
                "speak",
                "1.0.0",
                &["text"],
                json!({
                    "text": text(), "voice": text(), "rate": { "type": "number" }, "api_key": text(),
                }),
                json!({ "audio": file() }),
            ),
        ),
        (
            "material",
            stage("fetch", "1.0.0", &["query"], json!({ "query": text() }), json!({ "files": files() })),
        ),
        (
            "video",
            stage(
                "clip",
                "1.0.0",
                &["audio"],
                json!({ "audio": file(), "footage": files() }),
                json!({ "video": file() }),
            ),
        ),
        (
            "video",
            stage(
                "compose",
                "1.0.0",
                &["clips"],
                json!({
                    "clips": { "type": "array", "items": { "type": "object" } }, "music": { "type": ["object", "null"] }, "title": text(),
                }),
                json!({ "video": file() }),
            ),
        ),
        (
            "video",
            stage(
                "encode",
                "1.0.0",
                &["source"],
                json!({
                    "source": file(), "aspect": { "enum": ["9:16", "16:9", "1:1"] }, "height": { "type": "integer" },
                }),
                json!({ "video": file() }),
            ),
        ),
        (
            "video",
            stage(
                "thumbnail",
                "1.0.0",
                &["source"],
                json!({ "source": file(), "at": text() }),
                json!({ "image": file() }),
            ),
        ),
        (
            "quality",
            stage(
                "gate",
                "1.0.0",
                &["videos"],
                json!({ "videos": { "type": "array" }, "min_ssim": { "type": "number" } }),
                json!({ "passed": { "type": "boolean" }, "score": { "type": "number" } }),
            ),
        ),
        (
            "publish",
            external(stage(
                "post",
                "2.0.0",
                &["videos"],
                json!({ "videos": { "type": "array" }, "token": text() }),
                json!({ "id": text() }),
            )),
        ),
        (
            "publish",
            external(stage(
                "post",
                "1.0.0",
                &["videos"],
                json!({ "videos": { "type": "array" }, "token": text() }),
                json!({ "id": text() }),
            )),
        ),
        ("notify", external(stage("webhook", "1.0.0", &["text"], json!({ "text": text() }), json!({})))),
        ("analytics", stage("record", "1.0.0", &["run"], json!({ "run": text() }), json!({}))),
    ];
    let mut plugins: Vec<Located> = Vec::new();
    for (name, stage) in stages {
        let stage = serde_json::from_value(stage).expect("a stage");
        match plugins.iter_mut().find(|plugin| plugin.manifest.name == name) {
            Some(plugin) => plugin.manifest.stages.push(stage),
            None => plugins.push(located(name, stage)),
        }
    }
    Catalog::new(plugins)
}

fn located(name: &str, stage: reelmill_model::StageManifest) -> Located {
    let manifest =
        json!({ "name": name, "version": "1.0.0", "license": "MIT", "kind": "native", "stages": [] });
    let mut manifest: Manifest = serde_json::from_value(manifest).expect("a manifest");
    manifest.stages.push(stage);
    Located { manifest, digest: Digest([7; 32]), shipped: true }
}

fn stage(id: &str, version: &str, required: &[&str], input: Value, output: Value) -> Value {
    let object = |properties: Value| json!({ "type": "object", "properties": properties, "additionalProperties": false });
    let mut input = object(input);
    input["required"] = json!(required);
    json!({ "id": id, "version": version, "summary": "For tests.", "input": input, "output": object(output) })
}

fn external(mut stage: Value) -> Value {
    stage["effects"] = json!("external");
    stage
}
