//! The JSON Schema of the language: the shipped file is the generated one, and it takes what the parser takes.

use reelmill_spec::values::ValueChecker;
use reelmill_spec::{Problems, yaml};
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn the_shipped_schema_is_the_generated_one() {
    let path = root().join("schemas/pipeline.schema.json");
    let generated = format!("{:#}\n", reelmill_spec::schema());
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, &generated).expect("write the schema");
    }
    let shipped = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(shipped == generated, "schemas/pipeline.schema.json is old: run `make schemas`");
}

/// The shipped pipelines and those of these tests.
fn pipelines() -> Vec<PathBuf> {
    let folders = [root().join("pipelines"), root().join("engine/spec/tests/pipelines")];
    let files = folders.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten();
    let paths = files.map(|entry| entry.expect("entry").path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "yaml")).collect()
}

#[test]
fn every_shipped_pipeline_fits_the_schema_and_parses() {
    let checker = ValueChecker::new(&reelmill_spec::schema()).expect("a usable schema");
    let paths = pipelines();
    assert!(paths.len() >= 3, "{paths:?}");
    for path in paths {
        let text = std::fs::read_to_string(&path).expect("read");
        let tree = yaml::read(&text, &mut Problems::default()).expect("YAML");
        assert_eq!(checker.check(&tree.to_json()), [], "{}", path.display());
        let (spec, found) = reelmill_spec::parse(&text);
        let shown = reelmill_spec::render(&found, &text, &path.display().to_string(), false);
        assert!(spec.is_some_and(|spec| spec.complete), "{shown}");
    }
}

#[test]
fn the_schema_refuses_what_the_parser_refuses() {
    let checker = ValueChecker::new(&reelmill_spec::schema()).expect("a usable schema");
    let base = "version: 1\nname: a\nstages: { s: { uses: a.b@1, ";
    for wrong in [
        "use: a.b@1",
        "priority: 12",
        "retry: 0",
        "timeout: 10",
        "cache: always",
        "needs: a",
        "for_each: { key: a }",
    ] {
        let text = format!("{base}{wrong} }} }}\n");
        let tree = yaml::read(&text, &mut Problems::default()).expect("YAML");
        assert!(!checker.check(&tree.to_json()).is_empty(), "{wrong}");
        assert!(reelmill_spec::parse(&text).0.is_some_and(|spec| !spec.complete), "{wrong}");
    }
}
