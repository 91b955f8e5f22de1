//! The floors of the house, proved over `cargo metadata`: a crate imports only crates of lower floors, and the
//! crates that decide do nothing but decide.
//!
//! The rule is about what is shipped (ordinary and build dependencies). A dev-dependency may point up: a test
//! has to stand on something, as the suite of the stores stands on the stores.

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package, PackageId};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Every crate of the workspace and its floor; `engine/ARCHITECTURE.md` draws the same house.
const FLOORS: &[(&str, u8)] = &[
    ("reelmill-model", 0),
    ("reelmill-plugin-abi", 0),
    ("reelmill-test-redis", 0),
    ("reelmill-test-postgres", 0),
    ("reelmill-ui", 0),
    ("reelmill-spec", 1),
    ("reelmill-protocol", 1),
    ("reelmill-loader", 1),
    ("reelmill-sdk", 1),
    ("reelmill-media", 1),
    ("reelmill-text", 1),
    ("reelmill-learn", 1),
    ("reelmill-postgres", 1),
    ("reelmill-gpu", 1),
    ("reelmill-graph", 2),
    ("reelmill-runner", 2),
    ("reelmill-http", 2),
    ("reelmill-content", 2),
    ("reelmill-plugin-*", 3),
    ("reelmill-lifecycle", 3),
    ("reelmill-host", 3),
    ("reelmill-triggers", 3),
    ("reelmill-ports", 4),
    ("reelmill-kit", 4),
    ("reelmill-context", 5),
    ("reelmill-store-memory", 5),
    ("reelmill-store-sqlite", 5),
    ("reelmill-store-redis", 5),
    ("reelmill-artifacts", 5),
    ("reelmill-hardware", 5),
    ("reelmill-memory", 5),
    ("reelmill-archive", 6),
    ("reelmill-runtime", 6),
    ("reelmill-control", 6),
    ("reelmill-embedded", 7),
    ("reelmill-inbox", 7),
    ("reelmill-api", 8),
    ("reelmill-cli", 9),
    ("reelmill-tests", 10),
    ("reelmill-benches", 10),
];

/// Crates without a clock, environment, file system, network, runtime or randomness.
const PURE: &[&str] = &[
    "reelmill-model",
    "reelmill-spec",
    "reelmill-graph",
    "reelmill-learn",
    "reelmill-lifecycle",
    "reelmill-triggers",
];

/// What a pure crate must not have anywhere below it.
const IMPURE_CRATES: &[&str] = &[
    "apalis",
    "ffmpeg-next",
    "landlock",
    "libloading",
    "mio",
    "object_store",
    "redis",
    "reqwest",
    "rusqlite",
    "socket2",
    "sysinfo",
    "tempfile",
    "tokio",
    "tokio-postgres",
    "ureq",
];

/// What the source of a pure crate must not name outside its tests.
const IMPURE_WORDS: &[&str] = &[
    "std::fs",
    "std::env",
    "std::net",
    "std::process",
    "thread::sleep",
    "std::time::Instant",
    "SystemTime",
    "Instant::now",
    "println!",
    "eprintln!",
    "getrandom",
    "rand::",
];

fn metadata() -> Metadata {
    MetadataCommand::new()
        .manifest_path(reelmill_tests::repository().join("Cargo.toml"))
        .other_options(reelmill_tests::METADATA_OPTIONS.map(str::to_owned))
        .exec()
        .expect("cargo metadata answers for this workspace")
}

/// The floor of a crate: its own line, or else that of the longest pattern.
fn floor(name: &str) -> Option<u8> {
    FLOORS.iter().find(|(crate_name, _)| *crate_name == name).map(|&(_, floor)| floor).or_else(|| {
        FLOORS
            .iter()
            .filter_map(|(pattern, floor)| Some((pattern.strip_suffix('*')?, *floor)))
            .find(|(prefix, _)| name.starts_with(prefix))
            .map(|(_, floor)| floor)
    })
}

#[test]
fn every_crate_has_a_floor() {
    let homeless: Vec<String> = metadata()
        .workspace_packages()
        .iter()
        .map(|package| package.name.to_string())
        .filter(|name| floor(name).is_none())
        .collect();
    assert!(homeless.is_empty(), "give these crates a floor in FLOORS and in ARCHITECTURE.md: {homeless:?}");
}

#[test]
fn a_crate_imports_only_lower_floors() {
    let metadata = metadata();
    let mut ways_up = Vec::new();
    for package in metadata.workspace_packages() {
        let Some(own) = floor(&package.name) else { continue };
        for dependency in package.dependencies.iter().filter(|d| d.kind != DependencyKind::Development) {
            if floor(&dependency.name).is_some_and(|other| other >= own) {
                ways_up.push(format!("{} (floor {own}) -> {}", package.name, dependency.name));
            }
        }
    }
    assert!(ways_up.is_empty(), "these dependencies do not point down: {ways_up:#?}");
}

#[test]
fn plugins_import_the_sdk_and_the_media_wrapper_only() {
    let metadata = metadata();
    let allowed = [
        "reelmill-sdk",
        "reelmill-media",
        "reelmill-text",
        "reelmill-http",
        "reelmill-model",
        "reelmill-gpu",
        "reelmill-content",
        "reelmill-learn",
    ];
    let mut strays = Vec::new();
    for package in metadata.workspace_packages() {
        if !package.name.starts_with("reelmill-plugin-") || package.name.as_str() == "reelmill-plugin-abi" {
            continue;
        }
        for dependency in package.dependencies.iter().filter(|d| d.kind != DependencyKind::Development) {
            if dependency.name.starts_with("reelmill-") && !allowed.contains(&dependency.name.as_str()) {
                strays.push(format!("{} -> {}", package.name, dependency.name));
            }
        }
    }
    assert!(strays.is_empty(), "a plugin must build from what a third party has: {strays:#?}");
}

/// Names of the crates below a package through ordinary and build dependencies.
fn closure(metadata: &Metadata, root: &Package) -> BTreeSet<String> {
    let nodes: BTreeMap<&PackageId, _> =
        metadata.resolve.iter().flat_map(|resolve| &resolve.nodes).map(|node| (&node.id, node)).collect();
    let mut open = vec![&root.id];
    let mut seen: BTreeSet<&PackageId> = open.iter().copied().collect();
    while let Some(id) = open.pop() {
        let shipped = nodes[id].deps.iter().filter(|dep| {
            dep.dep_kinds.iter().any(|kind| kind.kind != DependencyKind::Development && kind.target.is_none())
        });
        for dep in shipped {
            if seen.insert(&dep.pkg) {
                open.push(&dep.pkg);
            }
        }
    }
    seen.remove(&root.id);
    seen.into_iter().map(|id| metadata[id].name.to_string()).collect()
}

#[test]
fn pure_crates_stand_on_pure_crates() {
    let metadata = metadata();
    let mut impure = Vec::new();
    for package in metadata.workspace_packages() {
        if PURE.contains(&package.name.as_str()) {
            let below = closure(&metadata, package);
            assert!(!below.is_empty(), "{} must at least stand on serde: the walk is broken", package.name);
            let found = IMPURE_CRATES.iter().filter(|name| below.contains(**name));
            impure.extend(found.map(|name| format!("{} -> … -> {name}", package.name)));
        }
    }
    assert!(impure.is_empty(), "pure crates reach into the world: {impure:#?}");
}

/// Lines of a source file that name the world; a test module at the end of the file may.
fn impure_lines(source: &str) -> Vec<(usize, &str)> {
    source
        .lines()
        .enumerate()
        .take_while(|(_, line)| line.trim() != "#[cfg(test)]")
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .filter(|(_, line)| IMPURE_WORDS.iter().any(|word| line.contains(word)))
        .map(|(index, line)| (index + 1, line.trim()))
        .collect()
}

#[test]
fn a_line_that_names_the_world_is_found() {
    let source = "//! std::fs is not used.\nuse std::fs;\nfn now() { SystemTime::now() }\n#[cfg(test)]\nuse std::env;\n";
    let found: Vec<usize> = impure_lines(source).into_iter().map(|(line, _)| line).collect();
    assert_eq!(found, [2, 3]);
}

fn rust_files(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(folder).expect("a source folder can be read").flatten() {
        let path = entry.path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn the_source_of_pure_crates_names_no_part_of_the_world() {
    let mut impure = Vec::new();
    for package in metadata().workspace_packages() {
        if !PURE.contains(&package.name.as_str()) {
            continue;
        }
        let src = package.manifest_path.parent().expect("a manifest lies in a folder").join("src");
        let mut files = Vec::new();
        rust_files(src.as_std_path(), &mut files);
        for file in files.iter().filter(|file| !file.ends_with("tests.rs")) {
            let source = fs::read_to_string(file).expect("a source file can be read");
            let lines = impure_lines(&source);
            impure.extend(lines.into_iter().map(|(line, text)| format!("{}:{line}: {text}", file.display())));
        }
    }
    assert!(impure.is_empty(), "pure means `now`, ids and jitter are arguments: {impure:#?}");
}
