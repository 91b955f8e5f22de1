//! Manifests and digests kept between calls, by path and stamp. Losing them costs time only.

use reelmill_model::manifest::Located;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::Result;
use std::path::{Path, PathBuf};

/// Layout of the file; another number is as good as no file.
const FORMAT: u32 = 1;
/// Plugins kept; beyond, the file starts anew.
const ENTRIES_MAX: usize = 1_000;

#[derive(Serialize, Deserialize)]
struct File {
    format: u32,
    entries: BTreeMap<PathBuf, Entry>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    stamp: String,
    located: Located,
}

/// The kept manifests.
pub struct Store {
    path: PathBuf,
    entries: BTreeMap<PathBuf, Entry>,
    changed: bool,
}

impl Store {
    /// Reads what a folder keeps; nothing when there is nothing to be read.
    pub fn open(folder: &Path) -> Self {
        let path = folder.join("manifests.json");
        let file = std::fs::read(&path).ok().and_then(|text| serde_json::from_slice::<File>(&text).ok());
        let entries = file.filter(|file| file.format == FORMAT).map(|file| file.entries).unwrap_or_default();
        Self { path, entries, changed: false }
    }

    /// What is known of a plugin whose files have not changed.
    pub fn find(&self, plugin: &Path, stamp: &str) -> Option<Located> {
        self.entries.get(plugin).filter(|entry| entry.stamp == stamp).map(|entry| entry.located.clone())
    }

    /// Keeps what was learnt of a plugin.
    pub fn keep(&mut self, plugin: &Path, stamp: String, located: Located) {
        if self.entries.len() >= ENTRIES_MAX {
            self.entries.clear();
        }
        self.entries.insert(plugin.to_owned(), Entry { stamp, located });
        self.changed = true;
    }

    /// Writes what has changed. Several processes may do so at once: each writes a whole file, the last one stays.
    pub fn save(&self) -> Result<()> {
        if !self.changed {
            return Ok(());
        }
        let Some(folder) = self.path.parent() else { return Ok(()) };
        std::fs::create_dir_all(folder)?;
        let file = serde_json::json!({ "format": FORMAT, "entries": &self.entries });
        let fresh = self.path.with_extension(format!("{}.new", std::process::id()));
        std::fs::write(&fresh, file.to_string())?;
        std::fs::rename(&fresh, &self.path)
    }
}
