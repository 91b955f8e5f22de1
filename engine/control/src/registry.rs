//! Registered pipelines: put under their name, found again, and made into something that can be run.

use crate::prepare::{Invalid, Pipeline, prepare};
use crate::texts::Kept;
use crate::{Control, ControlError};
use reelmill_graph::compile::Catalog;
use reelmill_model::limits::{ID_CHARS_MAX, PAGE_ROWS_MAX};
use reelmill_model::{PipelineName, Revision, RevisionHead, RevisionText};
use reelmill_ports::{PipelineFilter, Registered, StoreError};
use reelmill_spec::suggest;
use reelmill_spec::template::is_id;
use reelmill_triggers::Source;
use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;

/// How a registered pipeline is named: `news` for its newest revision, `news@3` for one of them, `acme/news` for that of
/// another tenant.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PipelineRef {
    /// Whose; none: that of whoever asks.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// The revision; none: the newest.
    pub revision: Option<u32>,
}

impl PipelineRef {
    /// The newest revision of a pipeline.
    #[must_use]
    pub fn newest(id: &PipelineName) -> Self {
        Self { namespace: Some(id.namespace.clone()), name: id.name.clone(), revision: None }
    }

    /// Which pipeline that is for somebody of a namespace.
    #[must_use]
    pub fn id(&self, namespace: &str) -> PipelineName {
        let namespace = self.namespace.as_deref().unwrap_or(namespace).to_owned();
        PipelineName { namespace, name: self.name.clone() }
    }
}

/// Whether a text names a namespace: what it is made of is part of keys.
#[must_use]
pub fn is_namespace(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    (1..=ID_CHARS_MAX).contains(&text.len()) && text.chars().all(fits) && !text.starts_with('.')
}

impl FromStr for PipelineRef {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (namespace, rest) = match text.split_once('/') {
            None => (None, text),
            Some((namespace, rest)) => (Some(namespace), rest),
        };
        let (name, revision) = match rest.split_once('@') {
            None => (rest, None),
            Some((name, revision)) => (name, Some(revision)),
        };
        let number = revision.map(|no| no.parse::<u32>().ok().filter(|no| *no > 0));
        if !is_id(name) || number == Some(None) || !namespace.is_none_or(is_namespace) {
            return Err(format!(
                "{text:?} names no registered pipeline: write NAME for its newest revision, NAME@3 for one of them, or \
                 NAMESPACE/NAME"
            ));
        }
        let namespace = namespace.map(str::to_owned);
        Ok(Self { namespace, name: name.to_owned(), revision: number.flatten() })
    }
}

impl std::fmt::Display for PipelineRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(namespace) = &self.namespace {
            write!(f, "{namespace}/")?;
        }
        f.write_str(&self.name)?;
        self.revision.map_or(Ok(()), |revision| write!(f, "@{revision}"))
    }
}

/// What is told of a pipeline that is put, beside what is written in it.
#[derive(Clone, Debug)]
pub struct About {
    /// Whose it is, and its name.
    pub id: PipelineName,
    /// Labels of the revision, which its runs have too.
    pub labels: BTreeMap<String, String>,
    /// Who puts it.
    pub by: String,
    /// Milliseconds since the epoch.
    pub at_ms: u64,
}

impl Control {
    /// Registers a compiled pipeline. With `expected` only over that revision; 0 is none.
    pub async fn put_pipeline(
        &self,
        pipeline: &Pipeline,
        text: RevisionText,
        about: About,
        expected: Option<u32>,
    ) -> Result<Registered, ControlError> {
        let before = self.registry.pipeline(&about.id, None).await?;
        self.store.put_graph(pipeline.digest, pipeline.graph.clone()).await?;
        let About { id, labels, by, at_ms } = about;
        let triggers: Vec<String> = pipeline.triggers.iter().map(|trigger| trigger.name.clone()).collect();
        let head = RevisionHead { id, revision: 0, graph: pipeline.digest, labels, triggers, by, at_ms };
        let put = self.registry.put_pipeline(Revision { head, text }, expected).await?;
        let old = before.map(|before| before.head.triggers).unwrap_or_default();
        let gone = old.into_iter().filter(|name| !put.head.triggers.contains(name)).collect();
        self.forget_triggers(&put.head.id, gone).await?;
        Ok(put)
    }

    /// Forgets a registered pipeline; its runs go on. Says whether there was one.
    pub async fn remove_pipeline(&self, id: &PipelineName) -> Result<bool, ControlError> {
        let newest = self.registry.pipeline(id, None).await?;
        let removed = self.registry.remove_pipeline(id).await?;
        self.forget_triggers(id, newest.map(|newest| newest.head.triggers).unwrap_or_default()).await?;
        Ok(removed)
    }

    /// A trigger that comes again begins anew.
    async fn forget_triggers(&self, id: &PipelineName, names: Vec<String>) -> Result<(), ControlError> {
        for name in names {
            self.marks.drop_mark(&Source::of(id, &name).key()).await?;
        }
        Ok(())
    }

    /// A revision of a registered pipeline, for somebody of a namespace.
    pub async fn registered(&self, namespace: &str, wanted: &PipelineRef) -> Result<Revision, ControlError> {
        let id = wanted.id(namespace);
        if let Some(found) = self.registry.pipeline(&id, wanted.revision).await? {
            return Ok(found);
        }
        Err(ControlError::NoSuchPipeline { wanted: wanted.to_string(), help: self.near(&id).await? })
    }

    /// What may have been meant by a name that is not there.
    async fn near(&self, id: &PipelineName) -> Result<String, ControlError> {
        if let Some(newest) = self.registry.pipeline(id, None).await? {
            return Ok(format!("its newest revision is {}", newest.head.revision));
        }
        let filter = PipelineFilter { namespace: Some(id.namespace.clone()), ..PipelineFilter::default() };
        let heads = self.registry.pipelines(filter).await?;
        let known = heads.iter().map(|head| head.id.name.as_str());
        let nothing = format!("none is registered in namespace `{}`", id.namespace);
        Ok(suggest::or_list(&id.name, known, &nothing).unwrap_or(nothing))
    }

    /// The newest revisions of all registered pipelines.
    pub async fn all_pipelines(&self, namespace: Option<&str>) -> Result<Vec<RevisionHead>, StoreError> {
        let mut filter =
            PipelineFilter { namespace: namespace.map(str::to_owned), after: None, limit: PAGE_ROWS_MAX };
        let mut heads = Vec::new();
        loop {
            let page = self.registry.pipelines(filter.clone()).await?;
            let Some(last) = page.last() else { return Ok(heads) };
            filter.after = Some(last.id.clone());
            heads.extend(page);
        }
    }

    /// A registered pipeline as it can be run: compiled for the plugins that are here, or, where they are not all
    /// here, as it was compiled when it was put.
    pub async fn runnable(&self, revision: &Revision, catalog: &Catalog) -> Result<Pipeline, ControlError> {
        let invalid = match compile(revision, catalog) {
            Ok(pipeline) => return Ok(pipeline),
            Err(invalid) => invalid,
        };
        let head = &revision.head;
        match self.store.graph(head.graph).await {
            Ok(graph) => {
                tracing::info!(pipeline = %head.id, "compiled elsewhere: this machine has not all of its plugins");
                let (triggers, warnings) = (Arc::default(), Vec::new());
                Ok(Pipeline { graph, digest: head.graph, compiled: head.graph, triggers, warnings })
            }
            Err(StoreError::NoSuchGraph(_)) => {
                let name = format!("{}@{}", head.id.name, head.revision);
                let shown = reelmill_spec::render(&invalid.0, &revision.text.main, &name, false);
                Err(ControlError::Invalid { name, shown: shown.trim_end().to_owned() })
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Labels of the runs of a revision: its own, and `pipeline`, which says what they are runs of.
#[must_use]
pub fn labels_of(revision: &Revision) -> BTreeMap<String, String> {
    let mut labels = revision.head.labels.clone();
    labels.insert("pipeline".to_owned(), format!("{}@{}", revision.head.id.name, revision.head.revision));
    labels
}

/// Compiles a registered pipeline.
pub fn compile(revision: &Revision, catalog: &Catalog) -> Result<Pipeline, Invalid> {
    prepare(&revision.text.main, catalog, &Kept(revision))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_its_revision_and_its_tenant() {
        let named = |namespace: Option<&str>, name: &str, revision| {
            Ok(PipelineRef { namespace: namespace.map(str::to_owned), name: name.to_owned(), revision })
        };
        assert_eq!("news".parse(), named(None, "news", None));
        assert_eq!("news@12".parse(), named(None, "news", Some(12)));
        assert_eq!("acme.eu/news@1".parse(), named(Some("acme.eu"), "news", Some(1)));
        for text in [
            "",
            "News",
            "news@",
            "news@0",
            "news@x",
            "news@1@2",
            "./news",
            "../news",
            "/news",
            "a/b/c",
            "news.yaml",
            "@1",
        ] {
            assert!(text.parse::<PipelineRef>().is_err(), "{text}");
        }
        for text in ["news", "news@3", "acme/news", "acme/news@3"] {
            assert_eq!(text.parse::<PipelineRef>().expect("it is a name").to_string(), text);
        }
    }
}
