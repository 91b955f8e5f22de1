//! Submit: one run of a compiled pipeline.

use crate::prepare::Pipeline;
use crate::{Control, ControlError};
use reelmill_artifacts::PutMode;
use reelmill_graph::InputType;
use reelmill_model::artifact::ARTIFACT_KEY;
use reelmill_model::{RunId, RunState, limits};
use reelmill_ports::{NewRun, PRIORITY, RunFilter, StoreError};
use reelmill_spec::InputProblem;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What a run is made of, beside its pipeline.
#[derive(Clone, Debug)]
pub struct Submission {
    /// The run's id.
    pub id: RunId,
    /// Inputs as given.
    pub inputs: Map<String, Value>,
    /// Name for people; the pipeline's when none.
    pub name: Option<String>,
    /// Labels beside the pipeline's.
    pub labels: BTreeMap<String, String>,
    /// Tenant; `default` when none.
    pub namespace: Option<String>,
    /// Folder against which paths in `with` are resolved: the pipeline file's.
    pub base_dir: PathBuf,
    /// Folder against which `file` inputs are resolved.
    pub files_dir: PathBuf,
    /// Seed; drawn from the pipeline and the inputs when none, so that the same run twice is the same.
    pub seed: Option<u64>,
    /// Milliseconds since the epoch.
    pub now_ms: u64,
    /// The batch and the row, for a run of a batch.
    pub batch: Option<(String, u64)>,
    /// Priority, 0 to 9; 5 when none.
    pub priority: Option<u8>,
}

/// A run that was submitted.
#[derive(Clone, Debug)]
pub struct Submitted {
    /// Its id.
    pub run: RunId,
    /// Whether it was there already and goes on.
    pub resumed: bool,
    /// Whether it is another run, which is the same as the pipeline's `unique` says.
    pub existing: bool,
}

impl Control {
    /// Checks the inputs and starts a run. With `resume`, an unfinished run of the same pipeline and inputs goes
    /// on instead.
    pub async fn submit(
        &self,
        pipeline: &Pipeline,
        submission: Submission,
        resume: bool,
    ) -> Result<Submitted, ControlError> {
        let new = self.new_run(pipeline, submission).await?;
        if resume && let Some(run) = self.unfinished(&new).await? {
            return Ok(Submitted { run, resumed: true, existing: false });
        }
        self.store.put_graph(pipeline.digest, pipeline.graph.clone()).await?;
        self.submit_once(new).await
    }

    /// The run a submission describes: inputs checked, files made artifacts.
    pub(crate) async fn new_run(
        &self,
        pipeline: &Pipeline,
        submission: Submission,
    ) -> Result<NewRun, ControlError> {
        let graph = &pipeline.graph;
        let mut inputs =
            reelmill_spec::resolve(&graph.inputs, &submission.inputs).map_err(ControlError::Inputs)?;
        self.store_files(pipeline, &mut inputs, &submission.files_dir).await?;
        let bytes = inputs.to_string().len();
        if bytes > limits::RUN_INPUTS_BYTES_MAX {
            let message = format!(
                "the inputs are {bytes} bytes of JSON; the limit is {}",
                limits::RUN_INPUTS_BYTES_MAX
            );
            return Err(StoreError::Refused(message).into());
        }
        let seed = submission.seed.unwrap_or_else(|| seed_of(pipeline, &inputs));
        let mut labels: BTreeMap<String, String> =
            graph.labels.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        labels.extend(submission.labels);
        Ok(NewRun {
            id: submission.id,
            graph: pipeline.digest,
            name: submission.name.unwrap_or_else(|| graph.name.clone()),
            inputs,
            labels,
            namespace: submission.namespace.unwrap_or_else(|| "default".to_owned()),
            base_dir: submission.base_dir.to_string_lossy().into_owned(),
            seed,
            created_ms: submission.now_ms,
            batch: submission.batch,
            priority: submission.priority.unwrap_or(PRIORITY),
        })
    }

    /// Makes artifacts of `file` inputs that were given by path.
    async fn store_files(
        &self,
        pipeline: &Pipeline,
        inputs: &mut Value,
        files_dir: &Path,
    ) -> Result<(), ControlError> {
        let mut problems = Vec::new();
        for (name, def) in pipeline.graph.inputs.iter().filter(|(_, def)| def.r#type == InputType::File) {
            let Some(value) = inputs.get_mut(name) else { continue };
            let media_type = match value {
                Value::String(path) => match self.store_file(&files_dir.join(&*path)).await {
                    Ok(artifact) => {
                        let media_type = artifact.media_type.clone();
                        *value = serde_json::to_value(artifact).unwrap_or(Value::Null);
                        media_type
                    }
                    Err(error) => {
                        let message = format!("names {path}, which cannot be read: {error}");
                        problems.push(InputProblem { input: name.clone(), message, help: None });
                        continue;
                    }
                },
                Value::Object(map) if map.contains_key(ARTIFACT_KEY) => {
                    map.get("media_type").and_then(Value::as_str).unwrap_or_default().to_owned()
                }
                _ => continue,
            };
            if !accepted(&def.accept, &media_type) {
                let message = format!("is {media_type}; it must be {}", def.accept.join(" or "));
                problems.push(InputProblem { input: name.clone(), message, help: None });
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(ControlError::Inputs(problems)) }
    }

    async fn store_file(
        &self,
        path: &Path,
    ) -> Result<reelmill_model::ArtifactRef, reelmill_artifacts::ArtifactError> {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let media_type = reelmill_artifacts::media_type(&name);
        self.artifacts.put_file(path, &name, media_type, PutMode::Copy).await
    }

    /// The newest unfinished run of the same graph and inputs.
    async fn unfinished(&self, new: &NewRun) -> Result<Option<RunId>, ControlError> {
        let filter = RunFilter {
            states: vec![RunState::Running],
            name: Some(new.name.clone()),
            limit: limits::PAGE_ROWS_MAX,
            ..RunFilter::default()
        };
        let runs = self.store.runs(filter).await?;
        let same = |other: &NewRun| {
            other.graph == new.graph
                && other.inputs == new.inputs
                && other.batch == new.batch
                && other.seed == new.seed
        };
        Ok(runs.into_iter().find(|run| same(&run.new)).map(|run| run.new.id))
    }
}

/// Whether a media type is one of those taken; `audio/*` takes every `audio/…`. An empty list takes all.
fn accepted(accept: &[String], media_type: &str) -> bool {
    let fits = |pattern: &String| match pattern.strip_suffix('*') {
        Some(prefix) => media_type.starts_with(prefix),
        None => media_type == pattern,
    };
    accept.is_empty() || accept.iter().any(fits)
}

fn seed_of(pipeline: &Pipeline, inputs: &Value) -> u64 {
    let text = format!("{} {}", pipeline.graph.name, inputs);
    let hash = blake3::hash(text.as_bytes());
    u64::from_le_bytes(hash.as_bytes()[..8].try_into().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_takes_a_whole_family_of_media_types() {
        let accept = vec!["audio/*".to_owned(), "video/mp4".to_owned()];
        assert!(accepted(&accept, "audio/mpeg"));
        assert!(accepted(&accept, "video/mp4"));
        assert!(!accepted(&accept, "video/webm"));
        assert!(accepted(&[], "anything/at-all"));
    }
}
