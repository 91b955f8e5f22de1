//! What is there to work with: plugins, queues, workers; and whether this process is well.

use crate::answer::{Answer, ok, whole, with_body};
use crate::asked::{Answered, Asked};
use crate::problem::Problem;
use hyper::StatusCode;
use reelmill_graph::light_lane;
use serde_json::{Value, json};
use std::time::Duration;

/// Time that the store gets to answer.
const PATIENCE: Duration = Duration::from_secs(2);

fn text(status: StatusCode, text: impl Into<hyper::body::Bytes>) -> Answer {
    with_body(status, "text/plain; version=0.0.4; charset=utf-8", whole(text))
}

/// The process lives.
pub fn health() -> Answer {
    text(StatusCode::OK, "ok\n")
}

/// Whether the store answers.
pub async fn ready(asked: Asked) -> Answered {
    match tokio::time::timeout(PATIENCE, asked.site.store.lanes()).await {
        Ok(Ok(_)) => Ok(text(StatusCode::OK, "ready\n")),
        _ => Ok(text(StatusCode::SERVICE_UNAVAILABLE, "the store does not answer\n")),
    }
}

/// Figures.
pub async fn metrics(asked: Asked) -> Answer {
    text(StatusCode::OK, asked.site.exposition.text().await)
}

/// Plugins and their stages.
pub fn plugins(asked: &Asked) -> Answer {
    let plugin = |plugin: &std::sync::Arc<reelmill_host::Plugin>| {
        let manifest = &plugin.located.manifest;
        json!({
            "name": manifest.name,
            "version": manifest.version,
            "license": manifest.license,
            "description": manifest.description,
            "kind": manifest.kind,
            "digest": plugin.located.digest,
            "stages": manifest.stages,
        })
    };
    ok(&json!({ "plugins": asked.site.plugins.iter().map(plugin).collect::<Vec<Value>>() }))
}

/// What is ready in which queue.
pub async fn queues(asked: Asked) -> Answered {
    Ok(ok(&json!({ "lanes": asked.site.control.load().await?.lanes })))
}

/// Pauses a queue, or lets it go on.
pub async fn pause_queue(asked: Asked, paused: bool) -> Answered {
    let queue = &asked.parts[0];
    if queue.is_empty() || queue.len() > reelmill_model::limits::ID_CHARS_MAX {
        return Err(Problem::missing("no_such_queue", "that is no queue"));
    }
    for lane in [queue.clone(), light_lane(queue)] {
        asked.site.store.pause_lane(&lane, paused).await?;
    }
    Ok(ok(&json!({ "queue": queue, "paused": paused })))
}

/// Who works.
pub async fn workers(asked: Asked) -> Answered {
    Ok(ok(&json!({ "workers": asked.site.store.workers().await? })))
}
