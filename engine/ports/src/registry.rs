//! Registered pipelines: kept under a name, revision by revision.

use crate::error::StoreError;
use async_trait::async_trait;
use reelmill_model::{PipelineName, Revision, RevisionHead};

/// Which pipelines a listing wants. In the order of their namespaces and names.
#[derive(Clone, Debug, Default)]
pub struct PipelineFilter {
    /// Only of this namespace.
    pub namespace: Option<String>,
    /// Only after this one (keyset).
    pub after: Option<PipelineName>,
    /// At most so many; capped at `limits::PAGE_ROWS_MAX`, which 0 means too.
    pub limit: usize,
}

/// What came of putting a pipeline.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Registered {
    /// Its newest revision.
    pub head: RevisionHead,
    /// Whether that is new.
    pub new: bool,
}

/// The registry of pipelines.
#[async_trait]
pub trait Registry: Send + Sync {
    /// Keeps a pipeline, as a new revision where its text or its labels differ from those of the newest one. With
    /// `expected` it is refused (`StoreError::Outdated`) unless that is the newest revision; 0 is none. The graph
    /// was put into the store before; the revision's own number does not matter.
    async fn put_pipeline(&self, new: Revision, expected: Option<u32>) -> Result<Registered, StoreError>;

    /// A revision of a pipeline; the newest unless one is named.
    async fn pipeline(
        &self,
        id: &PipelineName,
        revision: Option<u32>,
    ) -> Result<Option<Revision>, StoreError>;

    /// The newest revisions of pipelines.
    async fn pipelines(&self, filter: PipelineFilter) -> Result<Vec<RevisionHead>, StoreError>;

    /// The revisions of a pipeline that are kept, newest first.
    async fn revisions(&self, id: &PipelineName) -> Result<Vec<RevisionHead>, StoreError>;

    /// Forgets a pipeline with all revisions; says whether there was one. Its runs go on.
    async fn remove_pipeline(&self, id: &PipelineName) -> Result<bool, StoreError>;

    /// A number that is another one whenever a pipeline was put or removed: whoever keeps a list looks at this
    /// first.
    async fn registry_version(&self) -> Result<u64, StoreError>;
}
