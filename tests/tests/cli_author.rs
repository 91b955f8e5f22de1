//! The commands of someone who writes pipelines, on the real binary: validate, graph, schema, init, completions.

use reelmill_tests::{Place, repository};
use serde_json::Value;

/// Six mistakes of six kinds, each on a line of its own.
const SIX_MISTAKES: &str = r#"version: 1
name: six
inputs:
  topic: { type: strin }
stages:
  script:
    uses: script.wirte@1
    with: { topic: "${{ inputs.topic }}" }
    timeout: soon
  speech:
    uses: tts.speak@1
    with: { text: "${{ stages.scirpt.outputs.title }}" }
    retires: 3
  late:
    uses: tts.speak@1
    if: ${{ inputs.topic }} and more
    with: { text: hello }
"#;

/// Where the mistakes stand: line and a word of the message or the help.
const PLACES: [(u64, &str); 6] =
    [(4, "string"), (7, "write"), (9, "duration"), (12, "script"), (13, "retry"), (16, "one expression")];

#[test]
fn six_mistakes_are_told_at_once_each_with_its_place() {
    let place = Place::new();
    place.write("six.yaml", SIX_MISTAKES);
    let ended = place.reelmill(&["validate", "-o", "json", "six.yaml"]).expect(78);
    let document = ended.json();
    let diagnostics = document["files"][0]["diagnostics"].as_array().expect("a list").clone();
    let found: Vec<u64> = diagnostics.iter().filter_map(|one| one["line"].as_u64()).collect();
    for (line, word) in PLACES {
        let one = diagnostics.iter().find(|one| one["line"] == line);
        let one = one.unwrap_or_else(|| panic!("nothing on line {line}, only on {found:?}: {document:#}"));
        assert!(one["column"].as_u64().is_some_and(|column| column > 0), "{one}");
        let told = format!("{} {}", one["message"], one["help"]);
        assert!(told.contains(word), "line {line} does not speak of {word}: {told}");
    }
    assert_eq!(diagnostics.len(), PLACES.len(), "{document:#}");
}

#[test]
fn six_mistakes_are_shown_to_people_with_their_source_lines() {
    let place = Place::new();
    place.write("six.yaml", SIX_MISTAKES);
    let ended = place.reelmill(&["validate", "six.yaml"]).expect(78);
    for (line, _) in PLACES {
        assert!(ended.stdout.contains(&format!("six.yaml:{line}:")), "line {line}:\n{}", ended.stdout);
    }
    assert!(ended.stdout.trim_end().ends_with("6 errors"), "{}", ended.stdout);
}

#[test]
fn standard_input_is_a_file_too() {
    let place = Place::new();
    let mut command = place.command(&["validate", "-"]);
    let mut child = command
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("reelmill can be started");
    std::io::Write::write_all(&mut child.stdin.take().expect("it is piped"), b"version: 2\n")
        .expect("it listens");
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(78));
    assert!(String::from_utf8_lossy(&output.stdout).contains("standard input:1:"));
}

#[test]
fn every_shipped_pipeline_is_valid() {
    let place = Place::new();
    let folder = repository().join("pipelines");
    let files: Vec<String> = std::fs::read_dir(&folder)
        .expect("pipelines are shipped")
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .map(|path| path.display().to_string())
        .collect();
    assert!(!files.is_empty(), "no pipeline in {}", folder.display());
    let mut arguments = vec!["validate"];
    arguments.extend(files.iter().map(String::as_str));
    let _ = place.reelmill(&arguments).expect(0);
}

#[test]
fn the_pipeline_in_the_readme_is_valid() {
    let place = Place::new();
    let readme = std::fs::read_to_string(repository().join("README.md")).expect("there is a README");
    let block = readme.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next());
    place.write("readme.yaml", block.expect("the README shows a pipeline"));
    let _ = place.reelmill(&["validate", "readme.yaml"]).expect(0);
}

#[test]
fn what_init_makes_is_valid_and_is_not_overwritten() {
    let place = Place::new();
    let _ = place.reelmill(&["init", "hello"]).expect(0);
    let _ = place.reelmill(&["validate", "hello/pipeline.yaml"]).expect(0);
    place.write("hello/pipeline.yaml", "mine");
    let refused = place.reelmill(&["init", "hello"]).expect(2);
    assert!(refused.stderr.contains("hello/pipeline.yaml"), "{}", refused.stderr);
    assert_eq!(place.read("hello/pipeline.yaml"), "mine");
}

#[test]
fn a_graph_is_drawn_in_every_form() {
    let place = Place::new();
    let _ = place.reelmill(&["init"]).expect(0);
    let text = place.reelmill(&["graph", "pipeline.yaml"]).expect(0).stdout;
    let mermaid = place.reelmill(&["graph", "pipeline.yaml", "--as", "mermaid"]).expect(0).stdout;
    let svg = place.reelmill(&["graph", "pipeline.yaml", "--as", "svg"]).expect(0).stdout;
    let graph = place.reelmill(&["graph", "pipeline.yaml", "-o", "json"]).expect(0).json();
    let nodes = graph["nodes"].as_array().expect("a list of nodes");
    assert!(!nodes.is_empty());
    for name in nodes.iter().filter_map(|node| node["name"].as_str()) {
        for drawn in [&text, &mermaid, &svg] {
            assert!(drawn.contains(name), "{name} is not drawn in\n{drawn}");
        }
    }
    assert!(mermaid.starts_with("flowchart") && svg.starts_with("<svg"), "{mermaid}\n{svg}");
}

#[test]
fn the_schemas_of_the_repository_are_those_of_the_code() {
    let place = Place::new();
    let _ = place.reelmill(&["schema", "--write", "schemas"]).expect(0);
    let written = std::fs::read_dir(place.path("schemas")).expect("it was made").flatten();
    let mut count = 0;
    for file in written {
        let name = file.file_name();
        let shipped = std::fs::read_to_string(repository().join("schemas").join(&name)).unwrap_or_default();
        let made = std::fs::read_to_string(file.path()).expect("it can be read");
        assert!(shipped == made, "schemas/{} is old: run `make schemas`", name.display());
        let schema: Value = serde_json::from_str(&made).expect("a schema is JSON");
        // A description of an API says by another word what it is.
        assert!(schema["$schema"].is_string() || schema["openapi"].is_string(), "{}", name.display());
        count += 1;
    }
    assert!(count >= 2, "pipelines and manifests have schemas");
}

#[test]
fn completions_know_every_command() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = place.reelmill(&["completions", shell]).expect(0).stdout;
        for command in ["validate", "run", "plugins", "doctor"] {
            assert!(script.contains(command), "{shell} does not know {command}");
        }
    }
}
