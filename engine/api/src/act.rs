//! What is done to a run: cancel, pause, resume, retry, approve.

use crate::answer::ok;
use crate::asked::{Answered, Asked};
use crate::keys::Role;
use crate::problem::Problem;
use hyper::StatusCode;
use reelmill_control::{Question, RetryWish, Setting};
use reelmill_model::Decision;
use serde::Deserialize;
use serde_json::{Value, json};

/// Why something is done.
#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// For whoever asks later.
    #[serde(default)]
    reason: Option<String>,
}

impl Reason {
    fn told(self, asked: &Asked, what: &str) -> String {
        self.reason
            .filter(|reason| !reason.is_empty())
            .unwrap_or_else(|| format!("{what} by {}", asked.caller.name))
    }
}

/// What is sent around again, and with what.
#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// Stages of the main body, and all after them; none: wherever something failed.
    #[serde(default)]
    from: Vec<String>,
    /// Of these stages only what failed.
    #[serde(default)]
    failed: bool,
    /// Everything.
    #[serde(default)]
    all: bool,
    /// Other values in the `with` of stages, in this run from now on.
    #[serde(default)]
    set: Vec<Set>,
}

/// Another value in the `with` of a stage.
#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Set {
    /// Its path: `scene.clip`.
    stage: String,
    /// The key.
    key: String,
    /// The value.
    value: Value,
}

/// A person's answer.
#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Approve {
    /// A stage (`scene.check`) or a task (`scene[s3].check`); needed where more than one waits.
    #[serde(default)]
    stage: Option<String>,
    /// Yes or no: no lets the stage fail.
    approved: bool,
    /// Why, for whoever asks later.
    #[serde(default)]
    reason: String,
}

/// Stops a run.
pub async fn cancel(mut asked: Asked) -> Answered {
    let reason: Reason = asked.json().await?;
    let (run, reason) = (asked.run()?, reason.told(&asked, "cancelled"));
    let state = asked.site.control.cancel(run, &reason).await?;
    Ok(ok(&json!({ "run": run, "state": state })))
}

/// Begins nothing more of a run.
pub async fn pause(mut asked: Asked) -> Answered {
    let reason: Reason = asked.json().await?;
    let (run, reason) = (asked.run()?, reason.told(&asked, "paused"));
    let changed = asked.site.store.pause(run, Some(&reason)).await?;
    Ok(ok(&json!({ "run": run, "paused": true, "changed": changed })))
}

/// Lets it go on.
pub async fn resume(asked: Asked) -> Answered {
    let run = asked.run()?;
    let changed = asked.site.store.pause(run, None).await?;
    Ok(ok(&json!({ "run": run, "paused": false, "changed": changed })))
}

/// Sends it around again.
pub async fn retry(mut asked: Asked) -> Answered {
    let Retry { from, failed, all, set } = asked.json().await?;
    let run = asked.run()?;
    let set = set.into_iter().map(|Set { stage, key, value }| Setting { stage, key, value }).collect();
    let tasks = asked.site.control.retry(run, &RetryWish { from, failed, all, set }).await?;
    Ok(ok(&json!({ "run": run, "tasks": tasks })))
}

/// Answers what it asks.
pub async fn approve(mut asked: Asked) -> Answered {
    let Approve { stage, approved, reason } = asked.json().await?;
    let (control, run) = (&asked.site.control, asked.run()?);
    let questions = control.questions(run, stage.as_deref()).await?;
    let paths: Vec<&str> = questions.iter().map(|question| question.path.as_str()).collect();
    match (&stage, paths.as_slice()) {
        (_, []) => {
            let detail = "nothing of that waits for an approval";
            return Err(Problem::new(StatusCode::CONFLICT, "nothing_asked", detail));
        }
        (None, [_, _, ..]) => {
            let detail = format!("more than one stage waits for an approval, name one: {}", paths.join(", "));
            return Err(Problem::value("/stage", detail));
        }
        _ => {}
    }
    if let Some(question) = questions.iter().find(|question| !may_answer(&asked, question)) {
        let detail = format!("{} is for {}", question.path, question.roles.join(", "));
        return Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", detail));
    }
    let decision = Decision { approved, by: asked.caller.name.clone(), reason };
    let mut decided = Vec::with_capacity(questions.len());
    for question in &questions {
        let state = control.decide(question, &decision).await?;
        decided.push(json!({ "path": question.path, "state": state }));
    }
    Ok(ok(&json!({ "run": run, "decided": decided })))
}

/// Whether somebody is one of those who are asked: by the name of the key, or by its role. Without keys everybody is.
fn may_answer(asked: &Asked, question: &Question) -> bool {
    let caller = &asked.caller;
    caller.role == Role::Admin
        || question.roles.is_empty()
        || question.roles.iter().any(|role| *role == caller.name || role == caller.role.word())
}
