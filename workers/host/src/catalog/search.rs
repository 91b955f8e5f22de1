//! Where plugins and the runner are looked for.

use std::path::{Path, PathBuf};

/// The variable with further plugin folders, separated by colons.
pub const PATH_VARIABLE: &str = "REELMILL_PLUGIN_PATH";
/// The file name of the runner.
const RUNNER: &str = "reelmill-runner";

/// The folders to search, best first: those given, those of `REELMILL_PLUGIN_PATH`, and those that came with
/// this program.
#[must_use]
pub fn search_path(given: &[PathBuf]) -> Vec<PathBuf> {
    let variable = std::env::var_os(PATH_VARIABLE).unwrap_or_default();
    let variable = std::env::split_paths(&variable).filter(|path| !path.as_os_str().is_empty());
    let mut dirs: Vec<PathBuf> = Vec::new();
    for dir in given.iter().cloned().chain(variable).chain(first_party()) {
        if !dirs.contains(&dir) {
            dirs.push(dir);
        }
    }
    dirs
}

/// Whether a folder came with this program, so that what is in it is as trusted as the program itself.
#[must_use]
pub fn is_first_party(dir: &Path) -> bool {
    let Ok(dir) = dir.canonicalize() else { return false };
    first_party().iter().filter_map(|own| own.canonicalize().ok()).any(|own| dir.starts_with(own))
}

/// The `reelmill-runner` beside this program.
#[must_use]
pub fn runner_path() -> PathBuf {
    let beside = program_dir().map(|dir| dir.join(RUNNER));
    let installed = program_dir().and_then(|dir| Some(dir.parent()?.join("lib/reelmill").join(RUNNER)));
    match (beside, installed) {
        (Some(beside), _) if beside.is_file() => beside,
        (_, Some(installed)) if installed.is_file() => installed,
        (beside, _) => beside.unwrap_or_else(|| PathBuf::from(RUNNER)),
    }
}

fn first_party() -> Vec<PathBuf> {
    let Some(dir) = program_dir() else { return Vec::new() };
    let mut dirs = vec![dir.clone(), dir.join("plugins")];
    dirs.extend(dir.parent().map(|prefix| prefix.join("lib/reelmill/plugins")));
    dirs
}

/// The folder of this program; for a test program, the folder of the programs it tests.
fn program_dir() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?.canonicalize().ok()?;
    let dir = program.parent()?;
    Some(if dir.ends_with("deps") { dir.parent()?.to_owned() } else { dir.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_folders_come_first_and_are_not_trusted_for_that() {
        let given = tempfile::tempdir().unwrap();
        let dirs = search_path(&[given.path().to_owned()]);
        assert_eq!(dirs[0], given.path());
        assert!(!is_first_party(given.path()));
        assert!(is_first_party(&program_dir().unwrap()));
    }
}
