//! All footage there is to choose from, of the folder and from elsewhere, with the words it is found by.

use crate::folder::{self, Found};
use crate::look::{Look, look};
use crate::rank::{Document, Ranking};
use crate::remote::candidate::{Bounds, Candidate};
use crate::remote::{Downloaded, Remote};
use crate::sidecar::{self, Sidecar};
use crate::similar;
use crate::types::{Credit, Kinds, MatchedBy, Order, Orientation, Wanted, Wishes};
use reelmill_sdk::prelude::*;
use reelmill_text::Language;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Things that a service has to have for a scene before no more is asked for it, beyond those that are wanted.
const SPARE: usize = 6;
/// What being found for a scene counts where files are scored by words, and where by meaning.
const FOUND_BY_WORDS: f64 = 1.0;
const FOUND_BY_MEANING: f64 = 0.3;

/// A file of the library.
pub struct Entry {
    /// Its path relative to the folder, or the name that its service gives it.
    pub name: String,
    /// Who is to be named for it.
    pub credit: Option<Credit>,
    origin: Origin,
    seen: Seen,
    /// For which queries a service named it, and how well it fits them.
    found_for: HashMap<usize, f64>,
}

/// What a file turned out to be.
#[derive(Clone, Copy)]
enum Seen {
    /// Nobody has looked.
    NotYet,
    /// It cannot be used.
    Unusable,
    /// It can.
    As(Look),
}

enum Origin {
    Folder(PathBuf),
    Elsewhere(Box<Candidate>, Option<Downloaded>),
}

/// All footage there is to choose from.
pub struct Library {
    entries: Vec<Entry>,
    documents: Vec<Document>,
    texts: Vec<String>,
    language: Language,
    remote: Option<Remote>,
    bounds: Bounds,
    kinds: Kinds,
    /// By what files are found.
    pub matched_by: MatchedBy,
}

impl Library {
    /// Reads names and sidecar files of the folder, and asks services what they have for what is wanted.
    pub fn open(
        wishes: &Wishes,
        wanted: &[Wanted],
        exclude: &[String],
        cx: &Cx<'_>,
    ) -> Result<Self, StageError> {
        let mut library = Self {
            entries: Vec::new(),
            documents: Vec::new(),
            texts: Vec::new(),
            language: Language::of(&wishes.language),
            remote: if wishes.is_remote() { Some(Remote::open(wishes, cx)?) } else { None },
            bounds: wishes.bounds(0),
            kinds: wishes.kinds,
            matched_by: MatchedBy::Keywords,
        };
        if let Some(folder) = &wishes.folder {
            library.add_folder(folder.as_path(), wishes, exclude, cx)?;
        }
        for link in &wishes.urls {
            library.add_elsewhere(link.candidate(), exclude);
        }
        library.search(wishes, wanted, exclude, cx)?;
        Ok(library)
    }

    fn add_folder(
        &mut self,
        folder: &Path,
        wishes: &Wishes,
        exclude: &[String],
        cx: &Cx<'_>,
    ) -> Result<(), StageError> {
        for found in folder::list(folder, wishes.kinds)? {
            if exclude.contains(&found.name) {
                continue;
            }
            cx.check()?;
            let sidecar = sidecar::read(&found.path).unwrap_or_else(|why| {
                cx.warn(format!("a sidecar file is ignored: {why}"));
                None
            });
            self.add_file(found, sidecar.unwrap_or_default());
        }
        Ok(())
    }

    fn add_file(&mut self, found: Found, sidecar: Sidecar) {
        let path = Path::new(&found.name);
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let folders =
            path.parent().map(|parent| parent.to_string_lossy().replace('/', " ")).unwrap_or_default();
        let keywords = sidecar.keywords.join(" ");
        let parts = [(stem, 2.0), (folders, 1.0), (keywords, 3.0), (sidecar.description.clone(), 1.0)];
        let Sidecar { author, licence, source, .. } = sidecar;
        let is_credited = author.is_some() || licence.is_some() || source.is_some();
        let credit = Credit { file: found.name.clone(), author, licence, source, ..Credit::default() };
        self.add(
            Entry {
                name: found.name,
                credit: is_credited.then_some(credit),
                origin: Origin::Folder(found.path),
                seen: Seen::NotYet,
                found_for: HashMap::new(),
            },
            &parts,
        );
    }

    /// Adds something from elsewhere; its number, if it is new or known.
    fn add_elsewhere(&mut self, candidate: Candidate, exclude: &[String]) -> Option<usize> {
        if exclude.contains(&candidate.name) {
            return None;
        }
        if let Some(known) = self.entries.iter().position(|entry| entry.name == candidate.name) {
            return Some(known);
        }
        let parts = [(candidate.words.clone(), 2.0)];
        self.add(
            Entry {
                name: candidate.name.clone(),
                credit: Some(candidate.credit()),
                origin: Origin::Elsewhere(Box::new(candidate), None),
                seen: Seen::NotYet,
                found_for: HashMap::new(),
            },
            &parts,
        );
        Some(self.entries.len() - 1)
    }

    fn add(&mut self, entry: Entry, parts: &[(String, f64)]) {
        let mut document = Document::default();
        for (text, weight) in parts {
            document.add(text, *weight, &self.language);
        }
        self.texts.push(parts.iter().map(|(text, _)| text.as_str()).collect::<Vec<_>>().join(" "));
        self.documents.push(document);
        self.entries.push(entry);
    }

    fn search(
        &mut self,
        wishes: &Wishes,
        wanted: &[Wanted],
        exclude: &[String],
        cx: &Cx<'_>,
    ) -> Result<(), StageError> {
        let enough = wishes.count as usize * 2 + SPARE;
        for (query, wanted) in wanted.iter().enumerate() {
            let Some(remote) = &mut self.remote else { break };
            for found in remote.search(wanted, enough, wishes, cx)? {
                if let Some(entry) = self.add_elsewhere(found.candidate, exclude) {
                    self.entries[entry].found_for.insert(query, found.fit);
                }
            }
        }
        Ok(())
    }

    /// How many files there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// A file.
    pub fn entry(&self, index: usize) -> &Entry {
        &self.entries[index]
    }

    /// How well each file fits a query.
    pub fn scores(
        &mut self,
        queries: &[Vec<String>],
        wishes: &Wishes,
        cx: &Cx<'_>,
    ) -> Result<Vec<Vec<f64>>, StageError> {
        let by_meaning = self.scores_by_meaning(queries, wishes, cx)?;
        let found = if by_meaning.is_some() { FOUND_BY_MEANING } else { FOUND_BY_WORDS };
        let mut scores = by_meaning.unwrap_or_else(|| {
            let ranking = Ranking::new(&self.documents, &self.language);
            queries.iter().map(|query| ranking.scores(query)).collect()
        });
        for (query, scores) in scores.iter_mut().enumerate() {
            for (entry, score) in self.entries.iter().zip(scores) {
                *score += entry.found_for.get(&query).map_or(0.0, |fit| fit * found);
                if wishes.order == Order::Random {
                    *score *= luck(cx.seed(), query, &entry.name);
                }
            }
        }
        Ok(scores)
    }

    /// By what the words mean, where something was given that knows.
    fn scores_by_meaning(
        &mut self,
        queries: &[Vec<String>],
        wishes: &Wishes,
        cx: &Cx<'_>,
    ) -> Result<Option<Vec<Vec<f64>>>, StageError> {
        let asked: Vec<String> = queries.iter().map(|query| query.join(" ")).collect();
        let (queries, documents) = if let Some(endpoint) = &wishes.embeddings {
            self.matched_by = MatchedBy::Embeddings;
            if self.texts.is_empty() {
                return Ok(None);
            }
            let all: Vec<String> = asked.iter().chain(&self.texts).cloned().collect();
            let mut vectors = similar::embed(endpoint, &all, cx)?;
            let documents = vectors.split_off(asked.len());
            (vectors, documents)
        } else if let Some(path) = &wishes.vectors {
            self.matched_by = MatchedBy::WordVectors;
            let texts = asked.iter().chain(&self.texts).map(String::as_str);
            let words = similar::Words::read(path.as_path(), texts, &self.language, cx)?;
            let of = |texts: &[String]| texts.iter().map(|text| words.of(text, &self.language)).collect();
            (of(&asked), of(&self.texts))
        } else {
            return Ok(None);
        };
        Ok(Some(queries.iter().map(|query: &Vec<f32>| similar::scores(query, &documents)).collect()))
    }

    /// Whether a file has a shape: what a service says of its own is believed until it is chosen.
    pub fn fits(&mut self, index: usize, orientation: Orientation, cx: &Cx<'_>) -> Result<bool, StageError> {
        if let Origin::Elsewhere(candidate, _) = &self.entries[index].origin {
            return Ok(candidate.fits(orientation));
        }
        Ok(self.take(index, cx)?.is_some_and(|look| look.fits(orientation)))
    }

    /// Looks into a file, after it was downloaded if it is elsewhere; nothing when it cannot be used, which is said
    /// once.
    pub fn take(&mut self, index: usize, cx: &Cx<'_>) -> Result<Option<Look>, StageError> {
        if matches!(self.entries[index].seen, Seen::NotYet) {
            self.entries[index].seen = self.look(index, cx)?.map_or(Seen::Unusable, Seen::As);
        }
        Ok(self.seen(index))
    }

    fn look(&mut self, index: usize, cx: &Cx<'_>) -> Result<Option<Look>, StageError> {
        let entry = &mut self.entries[index];
        let (path, bounds) = match &mut entry.origin {
            Origin::Folder(path) => (path.clone(), self.bounds),
            Origin::Elsewhere(candidate, downloaded) => {
                let Some(remote) = &mut self.remote else { return Ok(None) };
                let Some(file) = remote.download(candidate, cx)? else { return Ok(None) };
                if file.is_double {
                    cx.info(format!("{} is not used: another file has the same content", entry.name));
                    return Ok(None);
                }
                let path = file.path.clone();
                *downloaded = Some(file);
                (path, remote.bounds(candidate))
            }
        };
        let kinds = self.kinds;
        let seen = look(&path).and_then(|look| {
            let Look { kind, width, height, duration_ms } = look;
            if !kinds.admit(kind) {
                return Err("it is not of the kind that was asked for".to_owned());
            }
            let is_admitted = bounds.admit(kind, width, height, duration_ms);
            is_admitted.then_some(look).ok_or_else(|| {
                format!(
                    "it has {width}x{height} pixels and {duration_ms} ms, which is not what was asked for"
                )
            })
        });
        let refused = seen.as_ref().err().map(|why| format!("{} is not used: {why}", entry.name));
        match (&entry.origin, &mut self.remote, refused) {
            (Origin::Elsewhere(..), Some(remote), Some(why)) => remote.note(why, cx),
            (_, _, Some(why)) => cx.warn(why),
            _ => {}
        }
        Ok(seen.ok())
    }

    /// What a file was found to be.
    pub fn seen(&self, index: usize) -> Option<Look> {
        match self.entries[index].seen {
            Seen::As(look) => Some(look),
            Seen::NotYet | Seen::Unusable => None,
        }
    }

    /// The failure of an attempt that is left without what it needs, when another one may have more luck or somebody
    /// has to mend something.
    pub fn take_trouble(&mut self) -> Option<StageError> {
        self.remote.as_mut().and_then(Remote::take_trouble)
    }

    /// What is not as it was asked for, one sentence each.
    pub fn notes(&self) -> Vec<String> {
        self.remote.as_ref().map(|remote| remote.notes().to_vec()).unwrap_or_default()
    }
}

impl Entry {
    /// Where its content lies, what people may call it, and whether it is this attempt's own.
    pub fn file(&self) -> Option<(&Path, String, bool)> {
        match &self.origin {
            Origin::Folder(path) => {
                let name = path.file_name()?.to_string_lossy().into_owned();
                Some((path, name, false))
            }
            Origin::Elsewhere(candidate, downloaded) => {
                let file = downloaded.as_ref()?;
                Some((&file.path, file_name(&candidate.name, file.extension), file.is_own))
            }
        }
    }
}

/// A file name of a service's name or an address: `pexels:857251` is `pexels-857251.mp4`.
fn file_name(name: &str, extension: &str) -> String {
    const CHARS_MAX: usize = 60;
    let address = name.split('#').next().unwrap_or_default();
    let last = address.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let stem = last.rsplit_once('.').map_or(last, |(stem, _)| stem);
    let plain: String = stem
        .chars()
        .map(|mark| if mark.is_ascii_alphanumeric() || mark == '_' { mark } else { '-' })
        .take(CHARS_MAX)
        .collect();
    format!("{plain}.{extension}")
}

/// A number from 0.5 to 1 that is the same for the same run, query and file.
fn luck(seed: u64, query: usize, name: &str) -> f64 {
    let digest = blake3::hash(format!("{seed} {query} {name}").as_bytes());
    let byte = |place: usize| f64::from(digest.as_bytes()[place]);
    0.5 + (byte(0) * 256.0 + byte(1)) / 131_072.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_services_and_addresses_become_file_names() {
        assert_eq!(file_name("pexels:857251", "mp4"), "pexels-857251.mp4");
        assert_eq!(file_name("https://x.org/a/..%2f/big wave.v2.jpeg#1f", "jpg"), "big-wave-v2.jpg");
        assert_eq!(file_name("https://x.org/", "png"), "x.png");
    }

    #[test]
    fn luck_is_the_same_in_the_same_run() {
        assert!((luck(7, 0, "a") - luck(7, 0, "a")).abs() < f64::EPSILON);
        assert!((luck(7, 0, "a") - luck(8, 0, "a")).abs() > f64::EPSILON);
        assert!((0..100).all(|seed| (0.5..=1.0).contains(&luck(seed, 1, "b"))));
    }
}
