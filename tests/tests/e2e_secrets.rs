//! Secrets on the real binaries: where they come from, that plugins get them, and that they stand nowhere else.

use reelmill_tests::engine::{files, pipeline};
use reelmill_tests::{Ended, Place};
use std::path::Path;

/// A value that nothing else contains.
const TOKEN: &str = "mud-flat-9f81c2\"x";
/// Its SHA-256.
const SHA256: &str = "b194642ff730a7439268c8d0244cdee59b9e841bb74786fd683966a00457cd9d";

fn telling(fails: bool) -> String {
    pipeline(&format!(
        r#"
secrets: [tide_key]
stages:
  use: {{ uses: probe.leak@1, with: {{ token: "${{{{ secrets.tide_key }}}}", fails: {fails} }} }}
outputs: {{ sha256: "${{{{ stages.use.outputs.sha256 }}}}", echo: "${{{{ stages.use.outputs.echo }}}}" }}
"#
    ))
}

/// Runs with the secret in the environment.
fn run(place: &Place, fails: bool) -> Ended {
    place.write("p.yaml", &telling(fails));
    let mut command = place.engine(&["run", "p.yaml", "-o", "json"]);
    let output = command.env("REELMILL_SECRET_TIDE_KEY", TOKEN).output().expect("reelmill can be started");
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

fn assert_nowhere(place: &Place, said: &[&str]) {
    // The part before the quote is the same in JSON, YAML and SQL.
    let needle = TOKEN.split('"').next().expect("it has a beginning");
    for text in said {
        assert!(!text.contains(needle), "the secret was said: {text}");
    }
    for (name, _) in files(Path::new(&place.path("home"))) {
        let bytes = std::fs::read(place.path("home").join(&name)).unwrap_or_default();
        let found = bytes.windows(needle.len()).any(|window| window == needle.as_bytes());
        assert!(!found, "the secret stands in {name}");
    }
}

#[test]
fn a_secret_reaches_its_stage_and_nothing_else() {
    let place = Place::new();
    let ended = run(&place, false).expect(0);
    let status = ended.json();
    assert_eq!(status["outputs"]["sha256"], SHA256, "the stage got the very secret");
    assert_eq!(status["outputs"]["echo"], "***");
    let logs = place.ask(&["logs", "last"]).expect(0).stdout;
    for line in ["the token is ***", "printed ***", "complained ***"] {
        assert!(logs.contains(line), "{line} is not in {logs}");
    }
    let events = place.ask(&["watch", "last", "-o", "json"]).expect(0).stdout;
    assert_nowhere(&place, &[&ended.stdout, &ended.stderr, &logs, &events]);
}

#[test]
fn a_failure_does_not_tell_a_secret() {
    let place = Place::new();
    let ended = run(&place, true).expect(1);
    assert_eq!(ended.json()["failure"]["failure"]["message"], "refused ***");
    let why = place.ask(&["why", "last", "use"]).expect(0).stdout;
    assert_nowhere(&place, &[&ended.stdout, &ended.stderr, &why]);
}

#[test]
fn a_secret_without_a_value_says_where_to_put_it() {
    let place = Place::new();
    let status = place.run(&telling(false), &[]).expect(1).json();
    let failure = &status["failure"]["failure"];
    assert_eq!(failure["class"], "invalid_config");
    assert!(
        failure["message"].as_str().is_some_and(|text| text.contains("REELMILL_SECRET_TIDE_KEY")),
        "{failure}"
    );
}

#[test]
fn a_secret_comes_from_a_file_too() {
    let place = Place::new();
    place.write("home/secrets/tide_key", &format!("{TOKEN}\n"));
    let status = place.run(&telling(false), &[]).expect(0).json();
    assert_eq!(status["outputs"]["sha256"], SHA256);
    assert_eq!(status["outputs"]["echo"], "***");
}

#[test]
fn a_secret_may_not_become_part_of_a_text_or_a_condition() {
    let place = Place::new();
    place.write(
        "p.yaml",
        &pipeline(
            r#"
secrets: [tide_key]
stages:
  a: { uses: probe.echo@1, with: { text: "key ${{ secrets.tide_key }}" } }
  b: { uses: probe.echo@1, if: secrets.tide_key == 'x', with: { value: 1 } }
  c: { uses: probe.echo@1, with: { value: "${{ secrets.other }}" } }
"#,
        ),
    );
    let told = place.ask(&["validate", "p.yaml", "-o", "json"]).expect(78).json();
    let lines: Vec<u64> = told["files"][0]["diagnostics"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|diagnostic| diagnostic["line"].as_u64())
        .collect();
    assert_eq!(lines, [7, 8, 9], "{told:#}");
}
