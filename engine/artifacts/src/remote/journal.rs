//! How far an upload in parts has come: a line that says which upload it is, and a line for each part that is there.
//!
//! It lies in the file of the claim, so it is written by one process at a time. A line that was cut short is not
//! there, and its part is sent again.

use crate::claim::Claim;
use crate::error::ArtifactError;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};

/// Which upload it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The store's name for the upload.
    pub upload: String,
    /// Bytes of each part but the last.
    pub part_bytes: u64,
}

/// A part that is there.
#[derive(Serialize, Deserialize)]
struct Part {
    index: usize,
    /// The store's name for its content.
    content: String,
}

impl Header {
    /// The upload a file is about. None when the file was cut short before it was said, and so before it had parts.
    pub fn read(file: &mut File) -> Option<Self> {
        serde_json::from_str(text(file).ok()?.lines().next()?).ok()
    }
}

/// The journal of an upload that goes on.
#[derive(Debug)]
pub struct Journal {
    claim: Claim,
    /// Which upload it is.
    pub header: Header,
    /// Parts that are there, by index.
    pub parts: BTreeMap<usize, String>,
}

impl Journal {
    /// The upload that a claim says was cut short; the claim back when there is none.
    pub fn resume(mut claim: Claim) -> Result<Self, Claim> {
        let Some(header) = Header::read(&mut claim.file) else { return Err(claim) };
        let text = text(&mut claim.file).unwrap_or_default();
        let whole = text.lines().skip(1).filter_map(|line| serde_json::from_str::<Part>(line).ok());
        let parts = whole.map(|part| (part.index, part.content)).collect();
        Ok(Self { claim, header, parts })
    }

    /// Begins one. It is on disk before a part is sent, so that no part is ever without someone who knows of it.
    pub fn begin(claim: Claim, header: Header) -> Result<Self, ArtifactError> {
        let mut journal = Self { claim, header, parts: BTreeMap::new() };
        journal.claim.clear()?;
        journal.line(&journal.header.clone())?;
        journal.claim.file.sync_all().map_err(ArtifactError::io("sync", &journal.claim.path))?;
        Ok(journal)
    }

    /// Notes a part that is there.
    pub fn note(&mut self, index: usize, content: String) -> Result<(), ArtifactError> {
        self.line(&Part { index, content: content.clone() })?;
        self.parts.insert(index, content);
        Ok(())
    }

    /// The upload is over.
    pub fn end(self) -> Result<(), ArtifactError> {
        self.claim.remove()
    }

    /// The upload is of no use; another may begin.
    pub fn drop_upload(self) -> Claim {
        self.claim
    }

    fn line(&mut self, line: &impl Serialize) -> Result<(), ArtifactError> {
        // A line that was cut short is ended first.
        let text = format!("\n{}\n", serde_json::to_string(line).unwrap_or_default());
        let text = if self.is_empty() { &text[1..] } else { &text };
        self.claim.file.write_all(text.as_bytes()).map_err(ArtifactError::io("write", &self.claim.path))
    }

    fn is_empty(&self) -> bool {
        self.claim.file.metadata().is_ok_and(|meta| meta.len() == 0)
    }
}

fn text(file: &mut File) -> io::Result<String> {
    let mut text = String::new();
    file.rewind()?;
    file.read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_noted_is_found_again_and_a_torn_line_is_not() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("claim");
        let claim = || Claim::wait(&path).expect("claimed");
        let header = Header { upload: "u1".into(), part_bytes: 8 };
        let mut journal = Journal::begin(claim(), header.clone()).expect("begun");
        journal.note(2, "two".into()).expect("noted");
        journal.claim.file.write_all(b"{\"index\":3,\"con").expect("written");
        drop(journal);
        let mut again = Journal::resume(claim()).expect("it goes on");
        assert_eq!(again.header, header);
        again.note(0, "zero".into()).expect("noted");
        drop(again);
        let again = Journal::resume(claim()).expect("it goes on");
        assert_eq!(again.parts, BTreeMap::from([(0, "zero".to_owned()), (2, "two".to_owned())]));
        again.end().expect("removed");
        assert!(Journal::resume(claim()).is_err(), "there is none any more");
    }
}
