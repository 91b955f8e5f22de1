//! Starting a run.

use crate::answer::json;
use crate::asked::{Answered, Asked};
use crate::keys::Role;
use crate::problem::Problem;
use crate::site::Site;
use crate::source::{Source, Text};
use hyper::StatusCode;
use reelmill_control::registry::is_namespace;
use reelmill_control::schedule::SystemTimer;
use reelmill_control::{Pipeline, Submission};
use reelmill_embedded::new_run_id;
use reelmill_model::artifact::ARTIFACT_KEY;
use reelmill_model::limits::{API_KEY_CHARS_MAX, API_LABEL_CHARS_MAX, API_LABELS_MAX, CLAIM_KEPT_MS};
use reelmill_model::{ArtifactRef, RunId};
use reelmill_ports::Clock as _;
use reelmill_spec::{InputProblem, InputType};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What a run is made of.
#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Submit {
    /// A pipeline that is there: `NAME.yaml` of the folder, or a registered one, `NAME` or `NAME@3`.
    #[serde(default)]
    pipeline: Option<String>,
    /// A pipeline of one's own, instead: its text.
    #[serde(default)]
    yaml: Option<String>,
    /// Its inputs. A file is what an upload answers with: `{"$artifact": …}`.
    #[serde(default)]
    inputs: Map<String, Value>,
    /// Name for people; the pipeline's unless given.
    #[serde(default)]
    name: Option<String>,
    /// Labels.
    #[serde(default)]
    labels: BTreeMap<String, String>,
    /// Tenant; `default` unless given.
    #[serde(default)]
    namespace: Option<String>,
    /// 0 to 9: larger goes first. 5 unless given.
    #[serde(default)]
    priority: Option<u8>,
    /// For whatever is drawn at random; drawn from pipeline and inputs unless given.
    #[serde(default)]
    seed: Option<u64>,
}

/// Starts a run.
pub async fn submit(mut asked: Asked) -> Answered {
    let wish: Submit = asked.json().await?;
    wish.check()?;
    let site = asked.site.clone();
    let namespace = wish.namespace.as_deref().unwrap_or("default");
    let source = match (&wish.pipeline, &wish.yaml) {
        (Some(name), None) => Source::find(&site, namespace, name).await?,
        (None, Some(text)) => {
            asked.needs(
                Role::Operator,
                "a pipeline of one's own, which may name any file and secret of the server,",
            )?;
            Source::Text(Text::inline(&site, namespace, text.clone(), None).await?)
        }
        _ => return Err(Problem::value("/pipeline", "give either `pipeline` or `yaml`")),
    };
    let pipeline = placed(&site, source.compiled(&site).await?).await?;
    check_inputs(&site, &pipeline, &wish.inputs).await?;
    let key = idempotency_key(&asked)?;
    let drawn = new_run_id(SystemTimer.now_ms());
    let mut submission = wish.submission(&source, drawn);
    if let Some(key) = key {
        submission.id = claim(&site, &pipeline, &submission, key).await?;
    }
    let is_known = submission.id != drawn && site.store.run(submission.id).await?.is_some();
    let submitted = site.control.submit(&pipeline, submission, false).await?;
    let new = !is_known && !submitted.existing;
    let run = submitted.run;
    let status = if new { StatusCode::CREATED } else { StatusCode::OK };
    let view = site.control.view(run).await?;
    let mut answer =
        json(status, &json!({ "run": run, "new": new, "state": view.state, "name": view.new.name }));
    if let Ok(location) = format!("/api/v1/runs/{run}").parse() {
        answer.headers_mut().insert(hyper::header::LOCATION, location);
    }
    Ok(answer)
}

impl Submit {
    /// Looks at what needs no pipeline to be looked at.
    fn check(&self) -> Result<(), Problem> {
        if let Some(name) = self.namespace.as_ref().filter(|name| !is_namespace(name)) {
            return Err(Problem::value("/namespace", format!("{name:?} is no namespace")));
        }
        if self.priority.is_some_and(|priority| priority > 9) {
            return Err(Problem::value("/priority", "a priority is a number from 0 to 9"));
        }
        let long = |text: &String| text.chars().count() > API_LABEL_CHARS_MAX;
        if self.name.as_ref().is_some_and(long) {
            return Err(Problem::value(
                "/name",
                format!("a name has at most {API_LABEL_CHARS_MAX} characters"),
            ));
        }
        if self.labels.len() > API_LABELS_MAX
            || self.labels.iter().any(|(key, value)| long(key) || long(value))
        {
            let detail =
                format!("there are at most {API_LABELS_MAX} labels of {API_LABEL_CHARS_MAX} characters");
            return Err(Problem::value("/labels", detail));
        }
        Ok(())
    }

    fn submission(self, source: &Source, id: RunId) -> Submission {
        let folder = source.folder();
        let mut labels = source.labels();
        labels.extend(self.labels);
        Submission {
            id,
            inputs: self.inputs,
            name: self.name,
            labels,
            namespace: self.namespace.or_else(|| Some(source.head()?.id.namespace.clone())),
            base_dir: folder.clone(),
            files_dir: folder,
            seed: self.seed,
            now_ms: SystemTimer.now_ms(),
            batch: None,
            priority: self.priority,
        }
    }
}

/// The pipeline as the workers that there are run it. Where none is known, nothing can be said of what they can do.
async fn placed(site: &Site, pipeline: Pipeline) -> Result<Pipeline, Problem> {
    let workers = site.store.workers().await?;
    let machines: Vec<_> = workers.into_iter().map(|card| card.machine).collect();
    if machines.is_empty() { Ok(pipeline) } else { Ok(pipeline.placed(&machines)?) }
}

/// Everything that is wrong with inputs, at once. Files are what was uploaded or put out before: a path would be one of
/// this server's own.
async fn check_inputs(site: &Site, pipeline: &Pipeline, inputs: &Map<String, Value>) -> Result<(), Problem> {
    let mut problems = reelmill_spec::resolve(&pipeline.graph.inputs, inputs).err().unwrap_or_default();
    for (name, _) in pipeline.graph.inputs.iter().filter(|(_, def)| def.r#type == InputType::File) {
        let wrong = match inputs.get(name) {
            Some(Value::String(_)) => Some("is a path; files are uploaded first"),
            Some(value) if value.get(ARTIFACT_KEY).is_some() => {
                match serde_json::from_value::<ArtifactRef>(value.clone()) {
                    Err(_) => Some("is no file: `$artifact`, `name`, `size` and `media_type` belong to it"),
                    Ok(artifact) if site.library.restore(&site.control.artifacts, &artifact).await? => None,
                    Ok(_) => Some("is not here any more; upload it again"),
                }
            }
            _ => None,
        };
        if let Some(message) = wrong {
            let help = "PUT /api/v1/files/music/NAME answers with the `artifact` to give here";
            let (input, message, help) = (name.clone(), message.to_owned(), Some(help.to_owned()));
            problems.push(InputProblem { input, message, help });
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(Problem::inputs(&problems)) }
}

/// `Idempotency-Key`.
fn idempotency_key(asked: &Asked) -> Result<Option<String>, Problem> {
    let Some(header) = asked.headers.get("idempotency-key") else { return Ok(None) };
    let key = header.to_str().ok().filter(|key| (1..=API_KEY_CHARS_MAX).contains(&key.len()));
    key.map(|key| Some(key.to_owned())).ok_or_else(|| {
        let detail = format!("an Idempotency-Key has 1 to {API_KEY_CHARS_MAX} visible characters of ASCII");
        Problem::bad("bad_idempotency_key", detail)
    })
}

/// The run of a key. One that is another run's cannot be used for this one.
async fn claim(
    site: &Site,
    pipeline: &Pipeline,
    submission: &Submission,
    key: String,
) -> Result<RunId, Problem> {
    let key = format!("{}/{key}", submission.namespace.as_deref().unwrap_or("default"));
    let run = site.store.claim(&key, submission.id, CLAIM_KEPT_MS, None).await?;
    if let Some(known) = site.store.run(run).await?.filter(|_| run != submission.id) {
        let given = reelmill_spec::resolve(&pipeline.graph.inputs, &submission.inputs);
        // A default that is a path became a file meanwhile.
        let same = |given: &Value| {
            let values = given.as_object().into_iter().flatten();
            values
                .filter(|(name, value)| !(is_file(pipeline, name) && value.is_string()))
                .all(|(name, value)| known.new.inputs.get(name) == Some(value))
        };
        if known.new.graph != pipeline.digest || !given.is_ok_and(|given| same(&given)) {
            let detail = format!(
                "this Idempotency-Key was used for run {run}, which is of another pipeline or other inputs"
            );
            return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "key_reused", detail));
        }
    }
    Ok(run)
}

fn is_file(pipeline: &Pipeline, input: &str) -> bool {
    pipeline.graph.inputs.get(input).is_some_and(|def| def.r#type == InputType::File)
}
