//! The demo's Python plugin, spoken to as the runner does: JSON lines over a socket at file descriptor 0.

use reelmill_model::{Manifest, PluginKind};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../pipelines/plugins/demo")
}

fn manifest() -> Manifest {
    let text = std::fs::read_to_string(folder().join("plugin.json")).expect("the manifest");
    serde_json::from_str(&text).expect("a manifest")
}

/// The program, running, and the worker's end of its socket.
struct Plugin {
    child: Child,
    lines: BufReader<UnixStream>,
}

impl Plugin {
    fn start() -> Self {
        let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
        let command = manifest().command;
        let child = Command::new(&command[0])
            .args(&command[1..])
            .current_dir(folder())
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .spawn()
            .expect("python3 is there");
        Self { child, lines: BufReader::new(ours) }
    }

    /// Runs one attempt: what was said before the answer, and the answer.
    fn run(&mut self, stage: &str, with: &Value, scratch: &Path) -> (Vec<Value>, Value) {
        let message = json!({ "type": "run", "stage": stage, "with": with, "call": { "scratch": scratch } });
        writeln!(self.lines.get_mut(), "{message}").expect("it listens");
        let mut said = Vec::new();
        loop {
            let mut line = String::new();
            assert!(self.lines.read_line(&mut line).expect("it speaks") > 0, "it left without an answer");
            let message: Value = serde_json::from_str(&line).expect("a line of JSON");
            if message["type"] == "reply" || message["type"] == "fail" {
                return (said, message);
            }
            said.push(message);
        }
    }

    /// Closes the socket; the program has to end by itself.
    fn stop(mut self) {
        drop(self.lines);
        assert!(self.child.wait().expect("it ends").success());
    }
}

#[test]
fn titles_answer_line_after_line() {
    let scratch = tempfile::tempdir().expect("a folder");
    let mut plugin = Plugin::start();
    let with = json!({
        "title": "how a lighthouse works in NORWAY",
        "scenes": [
            { "narration": "Lyset blinker – «hver» natt.", "keywords": ["lamp", "night"] },
            { "narration": "Two.", "keywords": ["Lamp", "beam"] }
        ],
        "credits": [{ "author": "B" }, { "author": "A" }, { "licence": "CC0" }, { "author": "B" }],
        "hashtags": 2
    });
    let (_, answer) = plugin.run("titles", &with, scratch.path());
    let outputs = &answer["outputs"];
    assert_eq!(outputs["title"], "How a Lighthouse Works in NORWAY");
    assert_eq!(outputs["hashtags"], json!(["#lamp", "#beam"]));
    assert_eq!(outputs["captions"]["highlight"], "#ffd166");
    assert_eq!(outputs["post"], json!({ "$file": "post.txt", "media_type": "text/plain" }));
    let post = std::fs::read_to_string(scratch.path().join("post.txt")).expect("the post");
    assert!(post.contains("«hver» natt.") && post.ends_with("#lamp #beam\n\nPictures: A, B\n"), "{post}");
    // The same process serves the next attempt, and a refusal does not end it.
    let (_, refused) =
        plugin.run("titles", &json!({ "title": " ", "scenes": [{ "narration": "" }] }), scratch.path());
    assert_eq!((&refused["type"], &refused["class"]), (&json!("fail"), &json!("invalid_input")));
    let missing = scratch.path().join("none");
    assert_eq!(plugin.run("titles", &with, &missing).1["class"], "resource");
    plugin.stop();
}

#[test]
fn music_can_be_repeated_without_a_seam() {
    let scratch = tempfile::tempdir().expect("a folder");
    let mut plugin = Plugin::start();
    let (said, answer) = plugin.run("music", &json!({ "seconds": 4 }), scratch.path());
    assert_eq!(said.len(), 4);
    assert!(said.iter().all(|message| message["type"] == "progress" && message["total"] == 4));
    assert_eq!(answer["outputs"]["seconds"], 4.0);
    let bytes = std::fs::read(scratch.path().join("music.wav")).expect("the music");
    let left: Vec<i32> =
        bytes[44..].chunks_exact(4).map(|f| i32::from(i16::from_le_bytes([f[0], f[1]]))).collect();
    assert_eq!(left.len(), 4 * 24_000);
    let loudest = left.iter().map(|sample| sample.abs()).max().unwrap_or(0);
    assert!(loudest > 10_000, "{loudest}");
    // From the last sample to the first it steps no farther than between any two others.
    let step = left.windows(2).map(|pair| (pair[1] - pair[0]).abs()).max().unwrap_or(0);
    assert!((left[0] - left[left.len() - 1]).abs() <= step);
    plugin.stop();
}

#[test]
fn the_manifest_says_what_the_program_does() {
    let manifest = manifest();
    assert_eq!(manifest.kind, PluginKind::Exec);
    let scratch = tempfile::tempdir().expect("a folder");
    for stage in &manifest.stages {
        for example in &stage.examples {
            let mut plugin = Plugin::start();
            let (_, answer) = plugin.run(&stage.id, &example.with, scratch.path());
            let outputs = answer["outputs"].as_object().unwrap_or_else(|| panic!("{}: {answer}", stage.id));
            let promised = stage.output["required"].as_array().expect("required outputs");
            assert!(promised.iter().all(|name| outputs.contains_key(name.as_str().unwrap_or_default())));
            plugin.stop();
        }
    }
}
