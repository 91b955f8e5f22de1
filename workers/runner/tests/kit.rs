//! What the kit writes builds and passes what the kit checks, in all three languages, and a bad plugin does not
//! pass.

mod common;

use common::Bench;
use reelmill_kit::{Language, Report, Verdict, check, scaffold};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

async fn check_plugin(path: &Path) -> Report {
    let bench = Bench::of(path, |_| ()).await;
    let report = check(&bench.plugin, &bench.host).await;
    bench.host.shutdown().await;
    let left: Vec<_> = std::fs::read_dir(bench.root.path().join("scratch")).unwrap().flatten().collect();
    assert!(left.is_empty(), "{left:?}");
    report
}

/// Every case was run and went well; a generated plugin gives no cause for a warning either.
fn assert_clean(report: &Report) {
    assert!(report.passed, "{report}");
    assert!(report.cases.iter().all(|case| case.verdict == Verdict::Passed), "{report}");
    for name in
        ["manifest", "schema", "least input", "ordinary input", "huge input", "example", "repeat", "cancel"]
    {
        assert!(report.cases.iter().any(|case| case.name == name), "no case {name}: {report}");
    }
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}\n{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn the_c_plugin_builds_from_the_header_alone_and_passes() {
    let dir = tempfile::tempdir().unwrap();
    let files = scaffold(dir.path(), "tally", Language::C, None).unwrap();
    assert!(files.iter().any(|file| file.ends_with("plugin.c")));
    run(Command::new("make").current_dir(dir.path()).env("CFLAGS", "-O1 -Werror -pedantic"));
    assert_clean(&check_plugin(&dir.path().join("libreelmill_plugin_tally.so")).await);
}

#[tokio::test]
async fn the_python_plugin_passes() {
    let dir = tempfile::tempdir().unwrap();
    scaffold(dir.path(), "tally", Language::Python, None).unwrap();
    assert_clean(&check_plugin(dir.path()).await);
}

#[tokio::test]
async fn the_rust_plugin_builds_and_passes() {
    let dir = tempfile::tempdir().unwrap();
    scaffold(dir.path(), "tally", Language::Rust, Some(&repository().join("plugins/sdk"))).unwrap();
    // The workspace's own lock file, target folder and profile, so that what it has built serves here too.
    std::fs::copy(repository().join("Cargo.lock"), dir.path().join("Cargo.lock")).unwrap();
    let program = std::env::current_exe().unwrap();
    let built = program.ancestors().nth(2).unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--offline", "--quiet"]).current_dir(dir.path());
    cargo.env("CARGO_TARGET_DIR", built.parent().unwrap());
    if built.ends_with("release") {
        cargo.args(["--release", "--config", "profile.release.overflow-checks=true"]);
        cargo.args([
            "--config",
            "profile.release.strip='debuginfo'",
            "--config",
            "profile.release.debug=false",
        ]);
    } else {
        cargo.args(["--config", "profile.dev.debug='line-tables-only'"]);
    }
    run(&mut cargo);
    let library = built.join("libreelmill_plugin_tally.so");
    let moved = dir.path().join("libreelmill_plugin_tally.so");
    std::fs::copy(&library, &moved).unwrap();
    // It must not be found among the plugins that came with the program.
    std::fs::remove_file(&library).unwrap();
    assert_clean(&check_plugin(&moved).await);
}

#[tokio::test]
async fn a_bad_plugin_fails_with_the_case_and_the_reason() {
    let bench = Bench::of(&common::faulty_library(), |config| {
        config.quarantine_crashes = usize::MAX;
    })
    .await;
    let mut located = bench.plugin.located.clone();
    located.manifest.stages.retain(|stage| ["segfault", "garbage", "echo"].contains(&stage.id.as_str()));
    let plugin = Arc::new(reelmill_host::Plugin::new(located, common::faulty_library(), false));
    let report = check(&plugin, &bench.host).await;
    assert!(!report.passed);
    let failed = |stage: &str| {
        let cases = report.cases.iter().filter(|case| case.stage.as_deref() == Some(stage));
        cases.filter(|case| case.verdict == Verdict::Failed).map(|case| case.note.clone()).collect::<Vec<_>>()
    };
    assert!(failed("segfault")[0].contains("SIGSEGV"), "{report}");
    assert!(failed("garbage")[0].contains("its own schema"), "{report}");
    assert_eq!(failed("echo"), Vec::<String>::new(), "{report}");
}
