//! `POST /hooks/PIPELINE/TRIGGER`: calls of other systems that start runs. Who called is told by a signature; what a
//! call then does is decided in `reelmill-control`.

use crate::answer::{Answer, Problem, json};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::header::{ALLOW, HeaderMap, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::{Method, Request, StatusCode, Uri};
use reelmill_control::registry::is_namespace;
use reelmill_control::schedule::{Call, CallError, Called, Calls, Registered, SystemTimer};
use reelmill_graph::compile::Trigger;
use reelmill_model::PipelineName;
use reelmill_model::limits::{WEBHOOK_BODY_BYTES_MAX, WEBHOOK_CALLS_AT_ONCE_MAX};
use reelmill_ports::Clock as _;
use reelmill_runtime::Secrets;
use reelmill_spec::trigger::When;
use reelmill_triggers::{BODY_SIGNATURE, BadSignature, SIGNATURE, Signed, TIMESTAMP, verify};
use serde_json::{Map, Value};
use std::time::Duration;
use tokio::sync::{Semaphore, watch};

/// Time that a body gets to come.
const BODY: Duration = Duration::from_secs(20);
/// Headers that expressions never see: they say who called, or are keys to something else.
const SECRET_HEADERS: [&str; 6] =
    [SIGNATURE, TIMESTAMP, BODY_SIGNATURE, "authorization", "proxy-authorization", "cookie"];

/// Takes calls.
pub struct Hooks {
    pipelines: watch::Receiver<Vec<Registered>>,
    calls: Calls,
    secrets: Secrets,
    room: Semaphore,
}

impl Hooks {
    /// The way in for the webhooks among these triggers.
    pub fn new(pipelines: watch::Receiver<Vec<Registered>>, calls: Calls, secrets: Secrets) -> Self {
        Self { pipelines, calls, secrets, room: Semaphore::new(WEBHOOK_CALLS_AT_ONCE_MAX) }
    }

    /// Takes a call.
    pub async fn answer(&self, request: Request<Incoming>) -> Answer {
        self.take(request).await.unwrap_or_else(Problem::answer)
    }

    async fn take(&self, request: Request<Incoming>) -> Result<Answer, Problem> {
        if request.method() != Method::POST {
            let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "a webhook is called with POST");
            return Err(problem.with(ALLOW, HeaderValue::from_static("POST")));
        }
        let Ok(_room) = self.room.try_acquire() else {
            return Err(later(StatusCode::TOO_MANY_REQUESTS, "too many calls at once", 1));
        };
        let (id, trigger) = self.trigger(request.uri())?;
        let (parts, body) = request.into_parts();
        let body = read(body).await?;
        let now_ms = SystemTimer.now_ms();
        let fingerprint = self.check(&trigger, &parts.headers, &body, now_ms)?;
        let about = about(&trigger.name, &parts.headers, &body)?;
        let call = Call { id, fingerprint, at_ms: now_ms, about };
        told(self.calls.take(call, &trigger).await)
    }

    /// The webhook at a path.
    fn trigger(&self, uri: &Uri) -> Result<(PipelineName, Trigger), Problem> {
        let none = || Problem::new(StatusCode::NOT_FOUND, "there is no such webhook");
        let (pipeline, name) =
            uri.path().strip_prefix("/hooks/").and_then(|path| path.split_once('/')).ok_or_else(none)?;
        let namespace = uri.query().and_then(|query| {
            query
                .split('&')
                .find_map(|pair| pair.strip_prefix("namespace="))
                .filter(|name| is_namespace(name))
        });
        let namespace = namespace.unwrap_or("default");
        let pipelines = self.pipelines.borrow();
        let known = pipelines.iter().find(|one| one.namespace == namespace && one.pipeline == pipeline);
        let trigger = known.and_then(|known| known.triggers.iter().find(|trigger| trigger.name == name));
        let trigger =
            trigger.filter(|trigger| matches!(trigger.when, When::Webhook { .. })).ok_or_else(none)?;
        let id = PipelineName { namespace: namespace.to_owned(), name: pipeline.to_owned() };
        Ok((id, trigger.clone()))
    }

    /// Checks who called; gives what no other call has.
    fn check(
        &self,
        trigger: &Trigger,
        headers: &HeaderMap,
        body: &[u8],
        now_ms: u64,
    ) -> Result<String, Problem> {
        let When::Webhook { secret } = &trigger.when else {
            return Err(Problem::new(StatusCode::NOT_FOUND, "there is no such webhook"));
        };
        let secret = self.secrets.get(secret).map_err(|failure| {
            tracing::error!(trigger = trigger.name, error = failure.message, "a call cannot be checked");
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the webhook's secret is not known here")
        })?;
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let signed = Signed {
            signature: header(SIGNATURE),
            timestamp: header(TIMESTAMP),
            body_signature: header(BODY_SIGNATURE),
        };
        verify(secret.as_bytes(), body, signed, now_ms).map_err(|bad| match bad {
            BadSignature::TooLong => Problem::new(StatusCode::PAYLOAD_TOO_LARGE, bad.to_string()),
            bad => Problem::new(StatusCode::UNAUTHORIZED, bad.to_string())
                .with(WWW_AUTHENTICATE, HeaderValue::from_static("HMAC-SHA256")),
        })
    }
}

/// The whole body, up to the limit.
async fn read(body: Incoming) -> Result<Bytes, Problem> {
    let too_long = || Problem::new(StatusCode::PAYLOAD_TOO_LARGE, BadSignature::TooLong.to_string());
    // What says beforehand that it is too long is not waited for.
    if body.size_hint().lower() > WEBHOOK_BODY_BYTES_MAX as u64 {
        return Err(too_long());
    }
    let limited = Limited::new(body, WEBHOOK_BODY_BYTES_MAX).collect();
    match tokio::time::timeout(BODY, limited).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_long()),
        Ok(Err(error)) => {
            Err(Problem::new(StatusCode::BAD_REQUEST, format!("the body cannot be read: {error}")))
        }
        Err(_) => Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "the body took too long to come")),
    }
}

/// What expressions read as `trigger`: `trigger.body` is the body's JSON, null where there is none.
fn about(name: &str, headers: &HeaderMap, body: &[u8]) -> Result<Value, Problem> {
    let body: Value = if body.is_empty() {
        Value::Null
    } else {
        serde_json::from_slice(body).map_err(|error| {
            Problem::new(StatusCode::BAD_REQUEST, format!("the body is not JSON: {error}"))
        })?
    };
    let shown = headers.iter().filter(|(name, _)| !SECRET_HEADERS.contains(&name.as_str()));
    let headers: Map<String, Value> = shown
        .filter_map(|(name, value)| Some((name.as_str().to_owned(), Value::from(value.to_str().ok()?))))
        .collect();
    Ok(serde_json::json!({ "name": name, "type": "webhook", "body": body, "headers": headers }))
}

fn later(status: StatusCode, detail: &str, seconds: u16) -> Problem {
    Problem::new(status, detail).with(RETRY_AFTER, HeaderValue::from(seconds))
}

/// How a caller is told what became of a call.
fn told(called: Result<Called, CallError>) -> Result<Answer, Problem> {
    let run = |status, run: reelmill_model::RunId, new: bool| {
        Ok(json(status, &serde_json::json!({ "run": run, "new": new })))
    };
    match called {
        Ok(Called::Started(id)) => run(StatusCode::ACCEPTED, id, true),
        Ok(Called::Known(id)) => run(StatusCode::OK, id, false),
        Ok(Called::Stale(id)) => {
            let detail =
                format!("this call came before, as run {id}, which is not here any more: sign a new one");
            Err(Problem::new(StatusCode::CONFLICT, detail))
        }
        Ok(Called::Busy { again: true }) => {
            Err(later(StatusCode::TOO_MANY_REQUESTS, "the run before has not ended: call again later", 30))
        }
        Ok(Called::Busy { again: false }) => Err(Problem::new(
            StatusCode::CONFLICT,
            "the run before has not ended, and the trigger skips meanwhile",
        )),
        Ok(Called::Paused) => Err(Problem::new(StatusCode::CONFLICT, "the trigger is paused")),
        Err(CallError::Launch(error)) if !error.retry => {
            Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, error.message))
        }
        Err(error)
            if matches!(&error, CallError::Store(error) if error.passes())
                || matches!(error, CallError::Launch(_)) =>
        {
            Err(later(StatusCode::SERVICE_UNAVAILABLE, "runs cannot be started for now", 5))
        }
        Err(error) => {
            tracing::error!(%error, "a call could not be taken");
            Err(Problem::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the call could not be taken; see the worker's log",
            ))
        }
    }
}
