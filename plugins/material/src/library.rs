//! The folder's footage with the words it is found by.

use crate::folder::{self, Found};
use crate::look::{Look, look};
use crate::rank::{Document, Ranking};
use crate::sidecar::{self, Sidecar};
use crate::types::{Credit, Wishes};
use reelmill_sdk::prelude::*;
use reelmill_text::Language;
use std::path::Path;

/// A file of the library.
pub struct Entry {
    /// The file.
    pub found: Found,
    /// Who is to be named for it.
    pub credit: Option<Credit>,
    /// What it turned out to be, once somebody looked.
    look: Option<Result<Look, String>>,
}

/// All footage of a folder.
pub struct Library {
    entries: Vec<Entry>,
    documents: Vec<Document>,
    language: Language,
}

impl Library {
    /// Reads names and sidecar files; without a folder the library is empty.
    pub fn open(
        folder: Option<&InputPath>,
        wishes: &Wishes,
        exclude: &[String],
        cx: &Cx<'_>,
    ) -> Result<Self, StageError> {
        let language = Language::of(&wishes.language);
        let mut library = Self { entries: Vec::new(), documents: Vec::new(), language };
        let Some(folder) = folder else { return Ok(library) };
        for found in folder::list(folder.as_path(), wishes.kinds)? {
            if exclude.contains(&found.name) {
                continue;
            }
            cx.check()?;
            let sidecar = sidecar::read(&found.path).unwrap_or_else(|why| {
                cx.warn(format!("a sidecar file is ignored: {why}"));
                None
            });
            library.add(found, sidecar.unwrap_or_default());
        }
        Ok(library)
    }

    fn add(&mut self, found: Found, sidecar: Sidecar) {
        let path = Path::new(&found.name);
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let folders =
            path.parent().map(|parent| parent.to_string_lossy().replace('/', " ")).unwrap_or_default();
        let mut document = Document::default();
        document.add(&stem, 2.0, &self.language);
        document.add(&folders, 1.0, &self.language);
        document.add(&sidecar.keywords.join(" "), 3.0, &self.language);
        document.add(&sidecar.description, 1.0, &self.language);
        let Sidecar { author, licence, source, .. } = sidecar;
        let is_credited = author.is_some() || licence.is_some() || source.is_some();
        let credit = is_credited.then(|| Credit { file: found.name.clone(), author, licence, source });
        self.documents.push(document);
        self.entries.push(Entry { found, credit, look: None });
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
    pub fn scores(&self, queries: &[Vec<String>]) -> Vec<Vec<f64>> {
        let ranking = Ranking::new(&self.documents, &self.language);
        queries.iter().map(|query| ranking.scores(query)).collect()
    }

    /// What a file is; nothing when it cannot be used, which is said once.
    pub fn look(&mut self, index: usize, cx: &Cx<'_>) -> Option<Look> {
        let entry = &mut self.entries[index];
        let seen = entry.look.get_or_insert_with(|| {
            look(&entry.found.path)
                .inspect_err(|why| cx.warn(format!("{} is not used: {why}", entry.found.name)))
        });
        seen.as_ref().ok().copied()
    }

    /// What a file was found to be.
    pub fn seen(&self, index: usize) -> Option<Look> {
        self.entries[index].look.as_ref().and_then(|look| look.as_ref().ok()).copied()
    }
}
