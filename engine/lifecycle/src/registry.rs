//! Registering a pipeline: whether what is put makes a new revision, and whether it may.

use reelmill_model::limits::{
    PIPELINE_REVISION_BYTES_MAX, PIPELINE_REVISIONS_KEPT_MAX, PIPELINES_MAX, REVISION_BY_CHARS_MAX,
    REVISION_LABEL_CHARS_MAX, REVISION_LABELS_MAX,
};
use reelmill_model::{Revision, RevisionHead};

/// What a store has to do with a pipeline that was put.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Put {
    /// The newest revision says the same: nothing.
    Same(Revision),
    /// The newest revision says the same, and is compiled to another graph now: write it in its place.
    Renewed(Revision),
    /// Write this as the newest revision, and drop those up to a number (0: none).
    New(Revision, u32),
}

/// Why a pipeline is not registered.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PutRefused {
    /// The newest revision is not the one that the caller knows.
    #[error(
        "`{name}` is at revision {found} and not at {expected}: somebody put it meanwhile; look at it with \
         `pipelines diff`, and put it again"
    )]
    Outdated {
        /// The pipeline.
        name: String,
        /// The revision that the caller knows; 0 for none.
        expected: u32,
        /// The newest revision; 0 for none.
        found: u32,
    },
    /// There are too many.
    #[error("{PIPELINES_MAX} pipelines are registered, which is the limit; remove one with `pipelines rm`")]
    TooMany,
    /// It is too long.
    #[error(
        "the pipeline and those that it names have {0} bytes together; the limit is {PIPELINE_REVISION_BYTES_MAX}"
    )]
    TooLong(usize),
    /// Too much is said about it.
    #[error("{0}")]
    About(String),
}

/// Decides what becomes of a pipeline. `newest` is its newest revision, `count` how many pipelines are registered,
/// and `expected` the revision that the caller knows, where it cares. The number in `new` does not matter.
pub fn put(
    newest: Option<&Revision>,
    new: Revision,
    expected: Option<u32>,
    count: usize,
) -> Result<Put, PutRefused> {
    about(&new.head)?;
    // Saying what is said already does no harm, whatever the caller knows; it may have lost its first answer.
    if let Some(newest) = newest
        && newest.text == new.text
        && newest.head.labels == new.head.labels
    {
        let mut same = newest.clone();
        if same.head.graph == new.head.graph {
            return Ok(Put::Same(same));
        }
        same.head.graph = new.head.graph;
        return Ok(Put::Renewed(same));
    }
    let found = newest.map_or(0, |newest| newest.head.revision);
    if let Some(expected) = expected.filter(|expected| *expected != found) {
        return Err(PutRefused::Outdated { name: new.head.id.to_string(), expected, found });
    }
    if newest.is_none() && count >= PIPELINES_MAX {
        return Err(PutRefused::TooMany);
    }
    let bytes = new.text.bytes();
    if bytes > PIPELINE_REVISION_BYTES_MAX {
        return Err(PutRefused::TooLong(bytes));
    }
    let mut new = new;
    new.head.revision = found + 1;
    let dropped = new.head.revision.saturating_sub(PIPELINE_REVISIONS_KEPT_MAX);
    Ok(Put::New(new, dropped))
}

/// Whether what is said about a revision is within its limits: listings hold all of it.
fn about(head: &RevisionHead) -> Result<(), PutRefused> {
    let refuse = |message: String| Err(PutRefused::About(message));
    if head.labels.len() > REVISION_LABELS_MAX {
        let count = head.labels.len();
        return refuse(format!(
            "the revision has {count} labels; the limit is {REVISION_LABELS_MAX}: leave out `--label`s"
        ));
    }
    for (key, value) in &head.labels {
        let longest = key.chars().count().max(value.chars().count());
        if longest > REVISION_LABEL_CHARS_MAX {
            let shown: String = key.chars().take(40).collect();
            return refuse(format!(
                "label `{shown}` has {longest} characters in its key or value; the limit is {REVISION_LABEL_CHARS_MAX}"
            ));
        }
    }
    let by = head.by.chars().count();
    if by > REVISION_BY_CHARS_MAX {
        return refuse(format!(
            "the name of whoever puts it (`--by`) has {by} characters; the limit is {REVISION_BY_CHARS_MAX}"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use reelmill_model::{Digest, PipelineName, RevisionHead, RevisionText};
    use std::collections::BTreeMap;

    fn revision(no: u32, text: &str, graph: u8) -> Revision {
        let id = PipelineName { namespace: "default".to_owned(), name: "news".to_owned() };
        let (labels, triggers) = (BTreeMap::new(), Vec::new());
        Revision {
            head: RevisionHead {
                id,
                revision: no,
                graph: Digest([graph; 32]),
                labels,
                triggers,
                by: "ann".to_owned(),
                at_ms: 1,
            },
            text: RevisionText { main: text.to_owned(), ..RevisionText::default() },
        }
    }

    #[test]
    fn the_first_and_the_next_and_the_same() {
        let first = revision(1, "a", 1);
        assert_eq!(put(None, revision(0, "a", 1), None, 0), Ok(Put::New(first.clone(), 0)));
        let next = Put::New(revision(2, "b", 1), 0);
        assert_eq!(put(Some(&first), revision(0, "b", 1), Some(1), 1), Ok(next));
        let same = Put::Same(first.clone());
        assert_eq!(put(Some(&first), revision(0, "a", 1), Some(7), 1), Ok(same));
        let renewed = Put::Renewed(revision(1, "a", 2));
        assert_eq!(put(Some(&first), revision(0, "a", 2), None, 1), Ok(renewed));
        let mut labelled = revision(0, "a", 1);
        labelled.head.labels.insert("team".to_owned(), "growth".to_owned());
        assert!(
            matches!(put(Some(&first), labelled, None, 1), Ok(Put::New(new, 0)) if new.head.revision == 2)
        );
    }

    #[test]
    fn what_is_said_about_a_revision_has_limits() {
        let label = |chars: usize| ("k".repeat(chars), "é".repeat(chars));
        let with = |labels: Vec<(String, String)>, by: usize| {
            let mut new = revision(0, "a", 1);
            new.head.labels = labels.into_iter().collect();
            new.head.by = "b".repeat(by);
            put(None, new, None, 0).map(drop)
        };
        let many = |count: usize| (0..count).map(|no| (format!("k{no}"), String::new())).collect::<Vec<_>>();
        assert_eq!(with(vec![label(REVISION_LABEL_CHARS_MAX)], REVISION_BY_CHARS_MAX), Ok(()));
        assert_eq!(with(many(REVISION_LABELS_MAX), 0), Ok(()));
        for (refused, part) in [
            (with(vec![label(REVISION_LABEL_CHARS_MAX + 1)], 1), "label `kkk"),
            (with(many(REVISION_LABELS_MAX + 1), 1), "65 labels; the limit is 64"),
            (with(Vec::new(), REVISION_BY_CHARS_MAX + 1), "`--by`"),
        ] {
            let said = refused.expect_err("it is too much").to_string();
            assert!(said.contains(part), "{said}");
        }
    }

    #[test]
    fn whoever_knows_another_revision_is_refused() {
        let newest = revision(3, "a", 1);
        for (newest, expected, found) in [(Some(&newest), 2, 3), (Some(&newest), 0, 3), (None, 1, 0)] {
            let refused = put(newest, revision(0, "b", 1), Some(expected), 0);
            let name = "default/news".to_owned();
            assert_eq!(refused, Err(PutRefused::Outdated { name, expected, found }));
        }
        assert!(put(None, revision(0, "b", 1), Some(0), 0).is_ok());
    }

    #[test]
    fn there_is_an_end_to_pipelines_revisions_and_bytes() {
        assert_eq!(put(None, revision(0, "a", 1), None, PIPELINES_MAX), Err(PutRefused::TooMany));
        let known = revision(PIPELINE_REVISIONS_KEPT_MAX, "a", 1);
        let put_again = put(Some(&known), revision(0, "b", 1), None, PIPELINES_MAX);
        assert!(matches!(put_again, Ok(Put::New(_, 1))), "{put_again:?}");
        let mut long = revision(0, "a", 1);
        let other = "x".repeat(PIPELINE_REVISION_BYTES_MAX);
        long.text.others.insert("other.yaml".to_owned(), other);
        assert_eq!(put(None, long, None, 0), Err(PutRefused::TooLong(PIPELINE_REVISION_BYTES_MAX + 1)));
    }
}
