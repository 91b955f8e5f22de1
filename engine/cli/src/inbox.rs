//! What `reelmill worker --inbox DIR` does with envelopes of other systems: a pipeline is found or compiled, its inputs
//! are checked, and the run is submitted under the id that the envelope's own id gives it.

use crate::source::Source;
use async_trait::async_trait;
use reelmill_control::registry::labels_of;
use reelmill_control::{Control, ControlError, Pipeline, PipelineRef, Submission, prepare};
use reelmill_graph::compile::Catalog;
use reelmill_inbox::{Envelope, Problem, Request, SubmitError, Submitted, Submitter};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Submits what comes in.
pub struct InboxDesk {
    /// Where runs are submitted.
    pub control: Control,
    /// What pipelines are compiled against.
    pub catalog: Catalog,
    /// Where pipelines lie that envelopes name: `NAME.yaml` in this folder.
    pub pipelines: PathBuf,
}

/// A pipeline that an envelope names or brings along.
struct Found {
    pipeline: Pipeline,
    folder: PathBuf,
    labels: BTreeMap<String, String>,
}

impl InboxDesk {
    /// The pipeline of an envelope.
    async fn pipeline(&self, envelope: &Envelope) -> Result<Found, SubmitError> {
        if let Some(name) = &envelope.pipeline
            && let Some(found) = self.registered(name, &envelope.namespace).await?
        {
            return Ok(found);
        }
        let (source, pointer) = match (&envelope.yaml, &envelope.pipeline) {
            (Some(text), _) => (Source::inline(text.clone(), self.pipelines.clone()), "/yaml"),
            (None, Some(name)) => (self.named(name)?, "/pipeline"),
            (None, None) => return Err(SubmitError::never(vec![Problem::whole("it has no pipeline")])),
        };
        let source =
            source.pinned(&self.control, &envelope.namespace, None).await.map_err(|error| refused(&error))?;
        let compiled = prepare(&source.text, &self.catalog, &source);
        let pipeline = compiled.map_err(|invalid| {
            let shown = reelmill_spec::render(&invalid.0, &source.text, &source.name, false);
            SubmitError::never(vec![Problem::at(pointer, shown.trim_end().to_owned())])
        })?;
        Ok(Found { pipeline, folder: source.folder, labels: BTreeMap::new() })
    }

    /// A registered pipeline; none where the name is none of one.
    async fn registered(&self, name: &str, namespace: &str) -> Result<Option<Found>, SubmitError> {
        let Ok(wanted) = name.parse::<PipelineRef>() else { return Ok(None) };
        let found = async {
            let revision = self.control.registered(namespace, &wanted).await?;
            let pipeline = self.control.runnable(&revision, &self.catalog).await?;
            let (labels, folder) = (labels_of(&revision), PathBuf::from(revision.text.folder));
            Ok(Found { pipeline, folder, labels })
        };
        match found.await {
            Ok(found) => Ok(Some(found)),
            // It may be a file.
            Err(ControlError::NoSuchPipeline { .. }) if wanted.revision.is_none() => Ok(None),
            Err(error @ (ControlError::NoSuchPipeline { .. } | ControlError::Invalid { .. })) => {
                Err(SubmitError::never(vec![Problem::at("/pipeline", error.to_string())]))
            }
            Err(error) => Err(refused(&error)),
        }
    }

    fn named(&self, name: &str) -> Result<Source, SubmitError> {
        Source::read(&self.pipelines.join(format!("{name}.yaml"))).map_err(|error| {
            let problem =
                Problem::at("/pipeline", format!("there is no pipeline `{name}`: {}", error.chain()));
            SubmitError::never(vec![problem.help(
                "register it with `reelmill pipelines put`, or put NAME.yaml into the folder of \
                     `reelmill worker --inbox`",
            )])
        })
    }
}

fn refused(error: &ControlError) -> SubmitError {
    match error {
        ControlError::Store(error) if error.passes() => SubmitError::later(error.to_string()),
        ControlError::Inputs(problems) => {
            let problem = |input: &reelmill_spec::InputProblem| {
                let at = Problem::at(format!("/inputs/{}", input.input), input.message.clone());
                input.help.iter().fold(at, |problem, help| problem.help(help.clone()))
            };
            SubmitError::never(problems.iter().map(problem).collect())
        }
        error => SubmitError::never(vec![Problem::whole(error.to_string())]),
    }
}

#[async_trait]
impl Submitter for InboxDesk {
    async fn submit(&self, request: Request) -> Result<Submitted, SubmitError> {
        let Request { run, at_ms, envelope } = request;
        let Found { pipeline, folder, mut labels } = self.pipeline(&envelope).await?;
        labels.extend(envelope.labels);
        let submission = Submission {
            id: run,
            inputs: envelope.inputs,
            name: envelope.name,
            labels,
            namespace: Some(envelope.namespace),
            base_dir: folder.clone(),
            files_dir: folder,
            seed: envelope.seed,
            now_ms: at_ms,
            batch: None,
            priority: Some(envelope.priority),
        };
        let submitted = self.control.submit(&pipeline, submission, false).await;
        let submitted = submitted.map_err(|error| refused(&error))?;
        Ok(Submitted { run: submitted.run, new: !submitted.resumed && !submitted.existing })
    }
}
