//! Cases: registered pipelines, and marks.

use super::bed::{Bed, Store};
use crate::{PipelineFilter, Registered, StoreError};
use reelmill_model::limits::PIPELINE_REVISIONS_KEPT_MAX;
use reelmill_model::{Digest, PipelineName, Revision, RevisionHead, RevisionText};
use std::collections::BTreeMap;

fn id(namespace: &str, name: &str) -> PipelineName {
    PipelineName { namespace: namespace.to_owned(), name: name.to_owned() }
}

/// A pipeline whose text and graph are told apart by two words.
fn pipeline(id: PipelineName, main: &str, graph: u8) -> Revision {
    let head = RevisionHead {
        id,
        revision: 0,
        graph: Digest([graph; 32]),
        labels: BTreeMap::from([("team".to_owned(), "growth".to_owned())]),
        triggers: vec!["nightly".to_owned()],
        by: "ann".to_owned(),
        at_ms: 1_700_000_000_000,
    };
    let others = BTreeMap::from([("lib/other.yaml".to_owned(), "version: 1\n".to_owned())]);
    let (file, folder) = (Some("p.yaml".to_owned()), "/srv/pipelines".to_owned());
    Revision {
        head,
        text: RevisionText { main: main.to_owned(), file, others, folder, ..RevisionText::default() },
    }
}

fn numbered(mut revision: Revision, no: u32) -> Revision {
    revision.head.revision = no;
    revision
}

async fn put(store: &dyn Store, revision: Revision, expected: Option<u32>) -> Result<Registered, StoreError> {
    store.put_pipeline(revision, expected).await
}

/// Every text makes a revision, and one that is there already makes none.
pub async fn a_pipeline_is_kept_revision_by_revision(bed: &impl Bed) {
    let store = bed.open();
    let news = || id("acme", "news");
    assert_eq!(store.pipeline(&news(), None).await.expect("it is read"), None);
    let version = store.registry_version().await.expect("it is read");
    let first = put(&*store, pipeline(news(), "a", 1), None).await.expect("it is put");
    assert_eq!((first.head.revision, first.new), (1, true));
    let same = put(&*store, pipeline(news(), "a", 1), None).await.expect("it is put");
    assert_eq!((same.head, same.new), (first.head, false));
    let second = put(&*store, pipeline(news(), "b", 2), Some(1)).await.expect("it is put");
    assert_eq!((second.head.revision, second.new), (2, true));
    // The same text, compiled with another build of a plugin.
    let renewed = put(&*store, pipeline(news(), "b", 3), None).await.expect("it is put");
    assert_eq!((renewed.head.revision, renewed.head.graph, renewed.new), (2, Digest([3; 32]), false));

    let store = bed.open();
    let newest = store.pipeline(&news(), None).await.expect("it is read");
    assert_eq!(newest, Some(numbered(pipeline(news(), "b", 3), 2)));
    let old = store.pipeline(&news(), Some(1)).await.expect("it is read");
    assert_eq!(old, Some(numbered(pipeline(news(), "a", 1), 1)));
    for other in [(id("acme", "news"), Some(3)), (id("acme", "new"), None), (id("other", "news"), None)] {
        assert_eq!(store.pipeline(&other.0, other.1).await.expect("it is read"), None, "{other:?}");
    }
    let history = store.revisions(&news()).await.expect("they are read");
    let history: Vec<(u32, Digest)> = history.iter().map(|head| (head.revision, head.graph)).collect();
    assert_eq!(history, [(2, Digest([3; 32])), (1, Digest([1; 32]))]);
    let changed = store.registry_version().await.expect("it is read");
    assert_ne!(changed, version);
    put(&*store, pipeline(news(), "b", 3), None).await.expect("it is put");
    assert_eq!(store.registry_version().await.expect("it is read"), changed, "nothing was changed");
}

/// Of two people who change the same revision, one is told of the other.
pub async fn two_people_at_once_are_told(bed: &impl Bed) {
    let store = bed.open();
    let news = || id("default", "news");
    put(&*store, pipeline(news(), "a", 1), Some(0)).await.expect("there is none yet");
    let (mine, yours) = (bed.open(), bed.open());
    let (mine, yours) = tokio::join!(
        put(&*mine, pipeline(news(), "mine", 1), Some(1)),
        put(&*yours, pipeline(news(), "yours", 1), Some(1))
    );
    let refused = match (mine, yours) {
        (Ok(done), Err(refused)) | (Err(refused), Ok(done)) => {
            assert_eq!((done.head.revision, done.new), (2, true));
            refused
        }
        other => panic!("one of them is refused: {other:?}"),
    };
    assert!(matches!(&refused, StoreError::Outdated(why) if why.contains("revision 2")), "{refused}");
    assert_eq!(store.revisions(&news()).await.expect("they are read").len(), 2);
    // Without a word about what they know, both are kept, one after the other.
    let (mine, yours) = tokio::join!(
        put(&*store, pipeline(news(), "c", 1), None),
        put(&*store, pipeline(news(), "d", 1), None)
    );
    let mut numbers = [mine, yours].map(|done| done.expect("it is put").head.revision);
    numbers.sort_unstable();
    assert_eq!(numbers, [3, 4]);
}

/// A listing has the newest revision of each, by namespace and name.
pub async fn pipelines_are_paged_by_name(bed: &impl Bed) {
    let store = bed.open();
    // A namespace that begins like another one, with a character that sorts before letters.
    let ids = [id("a", "x"), id("a", "y"), id("a-b", "x"), id("b", "a"), id("b", "b")];
    for one in ids.iter().rev() {
        for text in ["1", "2"] {
            put(&*store, pipeline(one.clone(), text, 1), None).await.expect("it is put");
        }
    }
    let list = async |namespace: Option<&str>, after: Option<PipelineName>, limit| {
        let filter = PipelineFilter { namespace: namespace.map(str::to_owned), after, limit };
        let heads = store.pipelines(filter).await.expect("they are read");
        assert!(heads.iter().all(|head| head.revision == 2), "{heads:?}");
        heads.into_iter().map(|head| head.id).collect::<Vec<_>>()
    };
    assert_eq!(list(None, None, 0).await, ids);
    assert_eq!(list(None, None, 2).await, ids[..2]);
    assert_eq!(list(None, Some(ids[1].clone()), 2).await, ids[2..4]);
    assert_eq!(list(Some("a"), None, 0).await, ids[..2]);
    assert_eq!(list(Some("a"), Some(ids[0].clone()), 0).await, ids[1..2]);
    assert_eq!(list(Some("c"), None, 0).await, []);
}

/// Of one pipeline so many revisions are kept.
pub async fn old_revisions_make_room(bed: &impl Bed) {
    let store = bed.open();
    let news = id("default", "news");
    for no in 0..PIPELINE_REVISIONS_KEPT_MAX + 2 {
        put(&*store, pipeline(news.clone(), &no.to_string(), 1), None).await.expect("it is put");
    }
    let kept = store.revisions(&news).await.expect("they are read");
    assert_eq!(kept.len(), PIPELINE_REVISIONS_KEPT_MAX as usize);
    assert_eq!(kept.last().map(|head| head.revision), Some(3));
    assert_eq!(store.pipeline(&news, Some(2)).await.expect("it is read"), None);
    assert!(store.pipeline(&news, Some(3)).await.expect("it is read").is_some());
}

/// A pipeline that is removed is gone with its history, and its name is free.
pub async fn a_removed_pipeline_is_gone(bed: &impl Bed) {
    let store = bed.open();
    let (news, other) = (id("default", "news"), id("default", "newsletter"));
    for one in [&news, &other] {
        put(&*store, pipeline(one.clone(), "a", 1), None).await.expect("it is put");
    }
    put(&*store, pipeline(news.clone(), "b", 1), None).await.expect("it is put");
    let version = store.registry_version().await.expect("it is read");
    assert!(store.remove_pipeline(&news).await.expect("it is removed"));
    assert!(!store.remove_pipeline(&news).await.expect("it was removed"));
    assert_ne!(store.registry_version().await.expect("it is read"), version);
    assert_eq!(store.pipeline(&news, Some(1)).await.expect("it is read"), None);
    assert_eq!(store.revisions(&news).await.expect("they are read"), []);
    let left = store.pipelines(PipelineFilter::default()).await.expect("they are read");
    assert_eq!(left.into_iter().map(|head| head.id).collect::<Vec<_>>(), [other]);
    let again = put(&*store, pipeline(news, "c", 1), Some(0)).await.expect("it is put");
    assert_eq!(again.head.revision, 1);
}

/// A mark is replaced only by whoever knows it.
pub async fn a_mark_is_compared_and_set(bed: &impl Bed) {
    let store = bed.open();
    assert_eq!(store.mark("a").await.expect("it answers"), None);
    assert!(!store.set_mark("a", Some(""), "1").await.expect("it answers"), "missing is not empty");
    assert!(store.set_mark("a", None, "").await.expect("it answers"));
    assert!(!store.set_mark("a", None, "1").await.expect("it answers"), "empty is not missing");
    assert!(store.set_mark("a", Some(""), "1").await.expect("it answers"));
    assert!(!store.set_mark("a", Some("0"), "2").await.expect("it answers"));
    let store = bed.open();
    assert_eq!(store.mark("a").await.expect("it answers").as_deref(), Some("1"));
    assert_eq!(store.mark("b").await.expect("it answers"), None);
    store.drop_mark("a").await.expect("it answers");
    store.drop_mark("b").await.expect("it answers");
    assert_eq!(store.mark("a").await.expect("it answers"), None);
}
