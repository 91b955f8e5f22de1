//! Where state is kept: the database, artifacts, scratch and the plugin cache of one user.

use crate::exit::CliError;
use anyhow::Context as _;
use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The folder of this user's runs, and the places in it.
#[derive(Clone, Debug)]
pub struct Home {
    /// The folder itself, absolute.
    pub root: PathBuf,
}

impl Home {
    /// The folder that `--home` or `REELMILL_HOME` name, or else `$XDG_STATE_HOME/reelmill`, or else
    /// `~/.local/state/reelmill`.
    pub fn find(given: Option<&Path>) -> Result<Self, CliError> {
        let root = match given {
            Some(path) => path.to_path_buf(),
            None => default_root(env::var_os("XDG_STATE_HOME"), env::var_os("HOME")).ok_or_else(|| {
                CliError::Usage("there is no $HOME to keep state in; say where with --home DIR".to_owned())
            })?,
        };
        let root =
            std::path::absolute(&root).with_context(|| format!("cannot use {} as home", root.display()))?;
        Ok(Self { root })
    }

    /// Makes the folder itself, if it is not there.
    pub fn make(&self) -> Result<(), CliError> {
        std::fs::create_dir_all(&self.root).with_context(|| {
            format!("cannot make {}; name a folder that can be written with --home DIR", self.root.display())
        })?;
        Ok(())
    }

    /// What is remembered of plugin files, so that each is described once.
    pub fn plugin_cache(&self) -> PathBuf {
        self.root.join("plugins")
    }
}

fn default_root(state_home: Option<OsString>, home: Option<OsString>) -> Option<PathBuf> {
    let absolute = |value: OsString| Some(PathBuf::from(value)).filter(|path| path.is_absolute());
    state_home
        .and_then(absolute)
        .or_else(|| Some(home.and_then(absolute)?.join(".local/state")))
        .map(|state| state.join("reelmill"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_lies_where_the_xdg_specification_says() {
        let root = |state: Option<&str>, home: Option<&str>| {
            default_root(state.map(OsString::from), home.map(OsString::from))
        };
        assert_eq!(root(Some("/s"), Some("/h")), Some(PathBuf::from("/s/reelmill")));
        assert_eq!(root(None, Some("/h")), Some(PathBuf::from("/h/.local/state/reelmill")));
        assert_eq!(root(Some("relative"), Some("/h")), Some(PathBuf::from("/h/.local/state/reelmill")));
        assert_eq!(root(Some(""), None), None);
    }
}
