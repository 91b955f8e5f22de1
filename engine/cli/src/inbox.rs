//! What `reelmill worker --inbox DIR` does with envelopes of other systems: a pipeline is found or compiled, its inputs
//! are checked, and the run is submitted under the id that the envelope's own id gives it.

use crate::source::Source;
use async_trait::async_trait;
use reelmill_control::{Control, ControlError, Pipeline, Submission, prepare};
use reelmill_graph::compile::Catalog;
use reelmill_inbox::{Envelope, Problem, Request, SubmitError, Submitted, Submitter};
use reelmill_ports::StoreError;
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

impl InboxDesk {
    /// The pipeline of an envelope.
    fn pipeline(&self, envelope: &Envelope) -> Result<(Pipeline, PathBuf), SubmitError> {
        let (source, pointer) = match (&envelope.yaml, &envelope.pipeline) {
            (Some(text), _) => (Source::inline(text.clone(), self.pipelines.clone()), "/yaml"),
            (None, Some(name)) => (self.named(name)?, "/pipeline"),
            (None, None) => return Err(SubmitError::never(vec![Problem::whole("it has no pipeline")])),
        };
        let compiled = prepare(&source.text, &self.catalog, &source);
        let pipeline = compiled.map_err(|invalid| {
            let shown = reelmill_spec::render(&invalid.0, &source.text, &source.name, false);
            SubmitError::never(vec![Problem::at(pointer, shown.trim_end().to_owned())])
        })?;
        Ok((pipeline, source.folder))
    }

    fn named(&self, name: &str) -> Result<Source, SubmitError> {
        if name.contains('@') {
            let problem = Problem::at("/pipeline", "revisions of pipelines are not kept yet");
            return Err(SubmitError::never(vec![problem.help("write the name alone")]));
        }
        Source::read(&self.pipelines.join(format!("{name}.yaml"))).map_err(|error| {
            let problem =
                Problem::at("/pipeline", format!("there is no pipeline `{name}`: {}", error.chain()));
            SubmitError::never(vec![
                problem.help("put NAME.yaml into the folder of `reelmill worker --inbox`"),
            ])
        })
    }
}

fn refused(error: &ControlError) -> SubmitError {
    match error {
        ControlError::Store(StoreError::Unavailable { .. }) => SubmitError::later(error.to_string()),
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
        let (pipeline, folder) = self.pipeline(&envelope)?;
        let submission = Submission {
            id: run,
            inputs: envelope.inputs,
            name: envelope.name,
            labels: envelope.labels,
            namespace: Some(envelope.namespace),
            base_dir: folder.clone(),
            files_dir: folder,
            seed: envelope.seed,
            now_ms: at_ms,
            batch: None,
            priority: Some(envelope.priority),
        };
        let known = self.control.store.run(run).await;
        let known = known.map_err(|error| refused(&error.into()))?.is_some();
        let submitted = self.control.submit(&pipeline, submission, false).await;
        let submitted = submitted.map_err(|error| refused(&error))?;
        let new = !known && !submitted.resumed && !submitted.existing;
        Ok(Submitted { run: submitted.run, new })
    }
}
