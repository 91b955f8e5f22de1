//! What stages said, page by page. As it happens it comes with the events (`logs=true`).

use crate::answer::ok;
use crate::asked::{Answered, Asked};
use reelmill_control::Paths;
use reelmill_model::{EventKind, Severity, limits, task_path};
use reelmill_ports::EventQuery;
use serde_json::json;

/// Reads a page. `next` is where the following one begins; none when there is no more for now.
pub async fn read(asked: Asked) -> Answered {
    let (run, limit) = (asked.run()?, asked.limit(limits::PAGE_ROWS_MAX)?);
    asked.site.control.view(run).await?;
    let least = asked.words("at_least", Severity::from_word)?.first().copied().unwrap_or(Severity::Debug);
    let stage = asked.param("stage").filter(|stage| !stage.is_empty());
    let query = EventQuery {
        run: Some(run),
        kinds: vec![EventKind::TaskLog],
        after: asked.number("cursor")?.unwrap_or(0),
        limit,
        ..EventQuery::default()
    };
    let events = asked.site.store.events(query).await?;
    let next = events.last().filter(|_| events.len() == limit).map(|event| event.cursor);
    let mut paths = Paths::default();
    let mut lines = Vec::with_capacity(events.len());
    for event in &events {
        let severity =
            event.data["severity"].as_str().and_then(Severity::from_word).unwrap_or(Severity::Info);
        let path = paths.of(&*asked.site.store, event).await?;
        if severity >= least && stage.is_none_or(|stage| task_path::belongs(&path, stage)) {
            lines.push(json!({
                "cursor": event.cursor,
                "at_ms": event.at_ms,
                "path": path,
                "attempt": event.attempt,
                "severity": severity,
                "text": event.data["text"],
            }));
        }
    }
    Ok(ok(&json!({ "lines": lines, "next": next })))
}
