//! A plugin in C, written from the header alone and built with `cc`, works as a stage of a pipeline.

use reelmill_tests::engine::pipeline;
use reelmill_tests::{Place, repository};
use serde_json::json;
use std::process::Command;

/// Builds it as its author would, with every warning an error.
fn build(place: &Place) {
    std::fs::create_dir_all(place.path("third-party")).expect("a folder can be made");
    let built = Command::new("cc")
        .args(["-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-pedantic", "-shared", "-fPIC"])
        .args(["-fvisibility=hidden", "-I"])
        .arg(repository().join("schemas"))
        .arg("-o")
        .arg(place.path("third-party/libreelmill_plugin_loud.so"))
        .arg(repository().join("tests/c/loud.c"))
        .output()
        .expect("cc can be started");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
}

#[test]
fn a_plugin_in_c_is_a_stage_like_any_other() {
    let place = Place::new();
    build(&place);
    let text = pipeline(
        r#"
inputs: { word: { type: string } }
stages:
  shout: { uses: loud.shout@1, with: { text: "${{ inputs.word }}" } }
  read: { uses: probe.read@1, with: { file: "${{ stages.shout.outputs.file }}" } }
outputs: { text: "${{ stages.shout.outputs.text }}", read: "${{ stages.read.outputs.text }}" }
"#,
    );
    let flags = ["--plugin-dir", "third-party", "--input", "word=ahoy"];
    let status = place.run(&text, &flags).expect(0).json();
    assert_eq!(status["outputs"], json!({ "text": "AHOY", "read": "AHOY" }));
    assert_eq!(place.said("shout"), ["cover your ears"]);

    let again = place.run(&text, &flags).expect(0).json();
    assert_eq!(again["stages"][0]["cached"], 1, "its results are used again like those of others");
}

#[test]
fn its_failures_and_its_schema_are_those_of_its_author() {
    let place = Place::new();
    build(&place);
    let whisper = pipeline("stages: { whisper: { uses: loud.whisper@1 } }\n");
    let status = place.run(&whisper, &["--plugin-dir", "third-party"]).expect(1).json();
    let failure = &status["failure"]["failure"];
    assert_eq!((&failure["class"], &failure["code"]), (&json!("permanent"), &json!("too_loud")), "{failure}");

    let wrong = pipeline("stages: { shout: { uses: loud.shout@1, with: { txt: ahoy } } }\n");
    let told = place.run(&wrong, &["--plugin-dir", "third-party"]).expect(78).stderr;
    assert!(told.contains("txt") && told.contains("text"), "{told}");
}
