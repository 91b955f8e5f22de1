//! Checks of what runs stages: the runner and the plugins.

use super::{Check, Status};
use crate::plugins::Found;
use crate::words;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// Whether the program that plugins are loaded into can be started.
pub fn runner(path: &Path) -> Check {
    let executable =
        path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0);
    if executable {
        return Check::ok("runner", path.display().to_string());
    }
    Check::bad(
        "runner",
        Status::Missing,
        format!("{} is not there or cannot be executed: no plugin can run", path.display()),
        "it is built and installed together with reelmill: `make build`",
    )
}

/// Whether there are plugins, and what is wrong with those that cannot be used.
pub fn plugins(found: &Found) -> Check {
    let stages = found.plugins.iter().map(|plugin| plugin.located.manifest.stages.len() as u64).sum();
    let told = format!(
        "{} with {}",
        words::count(found.plugins.len() as u64, "plugin"),
        words::count(stages, "stage")
    );
    let remedy = "see `reelmill plugins list`; name another folder with --plugin-dir DIR";
    if found.plugins.is_empty() {
        return Check::bad("plugins", Status::Missing, "none found: no stage can run", remedy);
    }
    if found.problems.is_empty() {
        return Check::ok("plugins", told);
    }
    let problems = words::count(found.problems.len() as u64, "problem");
    Check::bad("plugins", Status::Warn, format!("{told}, {problems}: {}", found.problems.join("; ")), remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runner_that_cannot_be_executed_is_missing() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let file = folder.path().join("reelmill-runner");
        assert_eq!(runner(&file).status, Status::Missing);
        std::fs::write(&file, "").expect("a file can be written");
        assert_eq!(runner(&file).status, Status::Missing, "it is no program");
        let executable = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&file, executable).expect("permissions can be set");
        assert_eq!(runner(&file).status, Status::Ok);
    }

    #[test]
    fn no_plugin_at_all_is_missing() {
        let found = Found { plugins: Vec::new(), problems: Vec::new() };
        assert_eq!(plugins(&found).status, Status::Missing);
    }
}
