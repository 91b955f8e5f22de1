//! Registered pipelines: what is kept of a pipeline under its name, revision by revision.

use crate::Digest;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// Whose pipeline it is, and its name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct PipelineName {
    /// The tenant.
    pub namespace: String,
    /// The pipeline's name.
    pub name: String,
}

impl fmt::Display for PipelineName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// One revision as listings show it: everything but what is written in it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RevisionHead {
    /// Whose, and its name.
    #[serde(flatten)]
    pub id: PipelineName,
    /// Which revision, counted from 1.
    pub revision: u32,
    /// The graph that it was compiled to when it was put last.
    pub graph: Digest,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Names of its triggers.
    pub triggers: Vec<String>,
    /// Who put it.
    pub by: String,
    /// When, in milliseconds since the epoch.
    pub at_ms: u64,
}

/// What is written in a revision: a pipeline's text, and those of the pipelines that it names.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct RevisionText {
    /// The pipeline.
    pub main: String,
    /// Name of its file within its folder; none where it came from no file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The pipelines that it names, by their paths seen from its folder.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub others: BTreeMap<String, String>,
    /// The registered pipelines that it names, by the names as they are written (`news`, `news@3`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub registered: BTreeMap<String, Pinned>,
    /// The folder against which its stages resolve paths.
    pub folder: String,
}

/// The revision that a name stands for, whatever is put later. Its text is kept here: a pipeline must not end because
/// another one was removed.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Pinned {
    /// Which revision.
    pub revision: u32,
    /// What is written in it.
    pub text: RevisionText,
}

/// The name of `NAME` and `NAME@REVISION`.
#[must_use]
pub fn bare_name(name: &str) -> &str {
    name.split_once('@').map_or(name, |(bare, _)| bare)
}

impl RevisionText {
    /// The text of a registered pipeline that is reached by these names, one within another.
    #[must_use]
    pub fn within(&self, names: &[String]) -> Option<&Self> {
        names.iter().try_fold(self, |text, name| text.registered.get(name).map(|pinned| &pinned.text))
    }

    /// Bytes of all texts together.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let pinned: usize = self.registered.values().map(|pinned| pinned.text.bytes()).sum();
        self.main.len() + self.others.values().map(String::len).sum::<usize>() + pinned
    }
}

/// One revision.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Revision {
    /// About it.
    pub head: RevisionHead,
    /// What is written in it.
    pub text: RevisionText,
}
