//! Finds plugins: which files, what they say of themselves, and their digests. Reading a plugin's manifest never
//! runs its code in this process.

mod describe;
mod fingerprint;
mod sane;
mod search;
mod store;

pub use sane::faults;
pub use search::{is_first_party, runner_path, search_path};

use crate::config::HostConfig;
use crate::plugin::Plugin;
use reelmill_model::manifest::Located;
use reelmill_model::{Digest, Manifest, PluginKind};
use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use store::Store;

/// The file that makes a folder an exec plugin.
pub const EXEC_MANIFEST: &str = "plugin.json";
/// File names of native plugins begin and end like this.
pub const NATIVE_NAME: (&str, &str) = ("libreelmill_plugin_", ".so");

/// Something that looks like a plugin and cannot be used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// The library, the `plugin.json`, or the folder that cannot be read.
    pub path: PathBuf,
    /// What is wrong with it, in a sentence.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.message)
    }
}

/// The plugins in these folders, best first: of two with one name, the first is taken. A folder that does not
/// exist has none. `cache` is a folder in which manifests are kept between calls.
pub async fn discover(dirs: &[PathBuf], cache: &Path, runner: &Path) -> (Vec<Plugin>, Vec<Problem>) {
    let mut store = Store::open(cache);
    let mut plugins: Vec<Plugin> = Vec::new();
    let mut problems = Vec::new();
    let mut taken: HashMap<String, PathBuf> = HashMap::new();
    for dir in dirs {
        let trusted = is_first_party(dir);
        for path in candidates(dir, &mut problems) {
            match read(&path, trusted, runner, &mut store).await {
                Err(message) => problems.push(Problem { path, message }),
                Ok(plugin) => {
                    let name = plugin.located.manifest.name.clone();
                    match taken.get(&name) {
                        None => {
                            taken.insert(name, path);
                            plugins.push(plugin);
                        }
                        Some(first) if first.parent() == path.parent() => {
                            let message = format!("is called `{name}` like {}", first.display());
                            problems.push(Problem { path, message });
                        }
                        // Folders are searched best first, so an earlier one replaces a later one on purpose.
                        Some(_) => {}
                    }
                }
            }
        }
    }
    if let Err(error) = store.save() {
        problems
            .push(Problem { path: cache.to_owned(), message: format!("manifests cannot be kept: {error}") });
    }
    (plugins, problems)
}

/// One plugin: a library, a `plugin.json`, or the folder of one.
pub async fn open(path: &Path, trusted: bool, cache: &Path, runner: &Path) -> Result<Plugin, Problem> {
    let path =
        path.canonicalize().map_err(|error| Problem { path: path.to_owned(), message: error.to_string() })?;
    let path = if path.is_dir() { path.join(EXEC_MANIFEST) } else { path };
    let mut store = Store::open(cache);
    let plugin =
        read(&path, trusted, runner, &mut store).await.map_err(|message| Problem { path, message })?;
    // Without a cache the next call is slower, nothing else.
    let _ = store.save();
    Ok(plugin)
}

/// What looks like a plugin in a folder, in order of name.
fn candidates(dir: &Path, problems: &mut Vec<Problem>) -> Vec<PathBuf> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            problems.push(Problem { path: dir.to_owned(), message: format!("cannot be read: {error}") });
            return Vec::new();
        }
    };
    let mut found: Vec<PathBuf> = entries.flatten().filter_map(|entry| candidate(entry.path())).collect();
    found.extend(candidate(dir.to_owned()));
    found.sort();
    found
}

fn candidate(path: PathBuf) -> Option<PathBuf> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if name.starts_with(NATIVE_NAME.0) && name.ends_with(NATIVE_NAME.1) {
        return Some(path);
    }
    Some(path.join(EXEC_MANIFEST)).filter(|manifest| manifest.is_file())
}

/// Reads one plugin; the error is a sentence without the path.
async fn read(path: &Path, trusted: bool, runner: &Path, store: &mut Store) -> Result<Plugin, String> {
    let path = path.canonicalize().map_err(|error| error.to_string())?;
    let native = !path.ends_with(EXEC_MANIFEST);
    let stamp = if native { fingerprint::of_file(&path) } else { fingerprint::of_folder(parent(&path)) };
    let stamp = stamp.map_err(|error| format!("cannot be read: {error}"))?;
    let located = if let Some(located) = store.find(&path, &stamp) {
        located
    } else {
        let located = if native { read_native(&path, runner).await? } else { read_exec(&path)? };
        store.keep(&path, stamp, located.clone());
        located
    };
    Ok(Plugin::new(located, path, trusted))
}

async fn read_native(path: &Path, runner: &Path) -> Result<Located, String> {
    let digest = fingerprint::digest_file(path).map_err(|error| format!("cannot be read: {error}"))?;
    let manifest = match describe::sidecar(path, digest) {
        Some(manifest) => manifest,
        None => describe::ask(path, runner).await?,
    };
    located(manifest, digest, PluginKind::Native)
}

fn read_exec(path: &Path) -> Result<Located, String> {
    let text = std::fs::read(path).map_err(|error| format!("cannot be read: {error}"))?;
    let manifest: Manifest =
        serde_json::from_slice(&text).map_err(|error| format!("is no manifest: {error}"))?;
    let digest =
        fingerprint::digest_folder(parent(path)).map_err(|error| format!("cannot be read: {error}"))?;
    located(manifest, digest, PluginKind::Exec)
}

fn located(manifest: Manifest, digest: Digest, kind: PluginKind) -> Result<Located, String> {
    if manifest.kind != kind {
        return Err(format!("says it is of kind `{}` and is of kind `{kind}`", manifest.kind));
    }
    match faults(&manifest).as_slice() {
        [] => Ok(Located { manifest, digest, shipped: false }),
        faults => Err(format!("has a manifest that is wrong: {}", faults.join("; "))),
    }
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}

/// A host for reading manifests: it runs no attempts.
fn describing_config(runner: &Path, scratch: PathBuf) -> HostConfig {
    HostConfig { default_memory_bytes: 1 << 30, ..HostConfig::new(runner, scratch.clone(), scratch) }
}
