//! Fetching what was chosen: from the cache folder, or from where it lies. What arrives is looked at before it is
//! believed, and the same content under another name is known.

use super::candidate::{Bounds, Candidate, Variant};
use super::magic;
use super::shelf::{Shelf, part_of};
use crate::types::{Kind, Wishes};
use reelmill_http::{Fetcher, Guard, Settings, Wanted};
use reelmill_sdk::prelude::*;
use std::collections::HashMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a server may send nothing.
const IDLE: Duration = Duration::from_secs(30);

/// A file that was fetched.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Downloaded {
    /// Where it lies.
    pub path: PathBuf,
    /// Its extension, by its content.
    pub extension: &'static str,
    /// Whether it may be moved from there: it is this attempt's own.
    pub is_own: bool,
    /// Another thing of this attempt has the same content.
    pub is_double: bool,
}

/// Downloads of one attempt.
pub struct Downloads {
    guard: Guard,
    /// Where they go when nothing keeps them.
    folder: PathBuf,
    /// Contents so far, with whose they are.
    contents: HashMap<blake3::Hash, String>,
    count: u32,
}

impl Downloads {
    /// Makes their folder.
    pub fn open(wishes: &Wishes, _: &Shelf, cx: &Cx<'_>) -> Result<Self, StageError> {
        let folder = cx.output("downloads");
        std::fs::create_dir_all(&folder).context("make the folder of downloads")?;
        // A server that is named as a source may name files of its own.
        let own = wishes.sources.iter().filter_map(|source| host_of(source.base_url.as_deref()?));
        let guard = Guard::public().allow(&wishes.allow_hosts).allow(own);
        Ok(Self { guard, folder, contents: HashMap::new(), count: 0 })
    }

    /// Fetches a candidate's best file.
    pub fn get(
        &mut self,
        candidate: &Candidate,
        bounds: &Bounds,
        kept: &Shelf,
        cx: &Cx<'_>,
    ) -> Result<Downloaded, StageError> {
        let file = candidate.best_file(bounds).ok_or_else(|| {
            StageError::invalid_input(format!("{} has no file of the wanted size", candidate.name))
        })?;
        let place = kept.place(&format!("{} {}x{}", candidate.name, file.width, file.height));
        let (path, is_own) = match place {
            Some(path) => (path, false),
            None => (self.folder.join(self.count.to_string()), true),
        };
        self.count += 1;
        if !is_own && path.is_file() {
            // Used again: what was used longest ago goes first.
            let _ = std::fs::File::options()
                .append(true)
                .open(&path)
                .and_then(|f| f.set_modified(std::time::SystemTime::now()));
        } else {
            self.fetch(candidate, file, bounds, &path, cx)?;
        }
        self.known(&candidate.name, path, is_own)
    }

    fn fetch(
        &self,
        candidate: &Candidate,
        file: &Variant,
        bounds: &Bounds,
        path: &Path,
        cx: &Cx<'_>,
    ) -> Result<(), StageError> {
        let settings = Settings { allow: "allow_hosts", ..Settings::default() };
        let mut fetcher = Fetcher::new(candidate.name.clone(), settings, self.guard.clone(), IDLE);
        // What follows the `?` may be a key.
        if let Some((_, query)) = file.url.split_once('?') {
            fetcher = fetcher.secret(query);
        }
        let wanted = Wanted { url: &file.url, bytes_max: bounds.max_bytes, ..Wanted::default() };
        let part = part_of(path, cx);
        fetcher.fetch(&wanted, &part, cx)?;
        if sniff(&part)?.is_none() {
            let _ = std::fs::remove_file(&part);
            return Err(StageError::dependency(format!(
                "{} is no clip or picture by its content",
                candidate.name
            ))
            .code("wrong_content"));
        }
        std::fs::rename(&part, path).context("keep a download")
    }

    /// What is known of a file that is there.
    fn known(&mut self, name: &str, path: PathBuf, is_own: bool) -> Result<Downloaded, StageError> {
        let (_, extension) = sniff(&path)?.ok_or_else(|| {
            StageError::dependency(format!("{name} is no clip or picture by its content"))
                .code("wrong_content")
        })?;
        let mut hasher = blake3::Hasher::new();
        let file = std::fs::File::open(&path).context("open a download")?;
        hasher.update_reader(file).context("read a download")?;
        let owner = self.contents.entry(hasher.finalize()).or_insert_with(|| name.to_owned());
        let is_double = owner != name;
        Ok(Downloaded { path, extension, is_own, is_double })
    }
}

fn sniff(path: &Path) -> Result<Option<(Kind, &'static str)>, StageError> {
    let mut start = Vec::with_capacity(magic::BYTES);
    let file = std::fs::File::open(path).context("open a download")?;
    file.take(magic::BYTES as u64).read_to_end(&mut start).context("read a download")?;
    Ok(magic::sniff(&start))
}

/// Host and port of an address.
fn host_of(url: &str) -> Option<&str> {
    let rest = url.split_once("://")?.1;
    rest.split(['/', '?', '#']).next().filter(|host| !host.is_empty())
}
