//! Events as sentences: the same words on a terminal, in a log file and in `reelmill watch`.

use crate::output::Tone;
use crate::words;
use reelmill_model::{Event, EventKind, Failure, RunState, SkipReason, TaskState};
use serde_json::Value;

/// A sentence about an event, and how it is to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sentence {
    /// How it is to be read.
    pub tone: Tone,
    /// The sentence, without time and full stop.
    pub text: String,
}

/// The sentence of an event; none where nobody has to read one. `path` names the task it is about.
pub fn sentence(event: &Event, path: &str) -> Option<Sentence> {
    let text_of = |key: &str| event.data[key].as_str().unwrap_or_default();
    let (tone, text) = match event.kind {
        EventKind::TaskSettled => settled(event, path),
        EventKind::TaskRetried => {
            let delay = words::duration(event.data["delay_ms"].as_u64().unwrap_or(0));
            (Tone::Warn, format!("{path} is tried again in {delay}{}", failure(&event.data)))
        }
        EventKind::TaskExpanded => {
            let items = event.data["items"].as_u64().unwrap_or(0);
            (Tone::Faint, format!("{path} became {}", words::count(items, "item")))
        }
        EventKind::TaskLeaseExpired => (Tone::Warn, format!("{path} lost its worker")),
        EventKind::TaskAwaits => {
            let asks = Some(text_of("message")).filter(|text| !text.is_empty());
            let asks = asks.map_or_else(String::new, |text| format!(": {text}"));
            (
                Tone::Strong,
                format!("{path} waits for an approval (reelmill approve {} '{path}'){asks}", event.run),
            )
        }
        EventKind::TaskReleased => (Tone::Faint, format!("{path} was given back")),
        EventKind::RunSubmitted => (Tone::Strong, format!("run {} was submitted", event.run)),
        EventKind::RunPhase => match text_of("phase") {
            phase @ ("compensate" | "on_failure" | "finally") => (Tone::Faint, format!("`{phase}` begins")),
            _ => return None,
        },
        EventKind::RunCancelRequested => {
            (Tone::Warn, format!("run {} is being cancelled: {}", event.run, text_of("reason")))
        }
        EventKind::RunPaused => (
            Tone::Warn,
            format!(
                "run {0} is paused: {1} (`reelmill resume {0}` lets it go on)",
                event.run,
                text_of("reason")
            ),
        ),
        EventKind::RunResumed => (Tone::Strong, format!("run {} goes on", event.run)),
        EventKind::RunRetried => (Tone::Strong, format!("run {} goes around again", event.run)),
        EventKind::RunEnded => {
            let state = text_of("state");
            let tone = if state == RunState::Succeeded.word() { Tone::Good } else { Tone::Bad };
            (tone, format!("run {} {state}", event.run))
        }
        // Many may wait, one after another; `why` and `limits` say who.
        EventKind::TaskParked | EventKind::TaskLeased | EventKind::TaskProgress | EventKind::TaskLog => {
            return None;
        }
    };
    Some(Sentence { tone, text })
}

/// How a task ended.
fn settled(event: &Event, path: &str) -> (Tone, String) {
    let data = &event.data;
    match data["state"].as_str().and_then(TaskState::from_word) {
        Some(TaskState::Succeeded) if data["cached"] == true => {
            (Tone::Good, format!("{path} succeeded from the cache"))
        }
        Some(TaskState::Succeeded) => {
            let took = data["usage"]["execute_ms"].as_u64();
            let took = took.map_or_else(String::new, |ms| format!(" in {}", words::duration(ms)));
            (Tone::Good, format!("{path} succeeded{took}"))
        }
        Some(TaskState::Failed) => {
            let attempts = words::count(u64::from(event.attempt.unwrap_or(1)), "attempt");
            (Tone::Bad, format!("{path} failed after {attempts}{}", failure(data)))
        }
        Some(TaskState::Skipped) => {
            let reason = serde_json::from_value::<SkipReason>(data["skipped"].clone());
            let why = reason.map_or_else(|_| String::new(), |reason| format!(": {reason}"));
            (Tone::Faint, format!("{path} was skipped{why}"))
        }
        _ => (Tone::Warn, format!("{path} {}", data["state"].as_str().unwrap_or("ended"))),
    }
}

/// `: transient: the provider is busy`; nothing where there is no failure.
fn failure(data: &Value) -> String {
    let failure = serde_json::from_value::<Failure>(data["failure"].clone());
    failure.map_or_else(|_| String::new(), |failure| format!(": {failure}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use reelmill_model::{FailureClass, RunId};
    use serde_json::json;

    fn say(kind: EventKind, data: Value) -> Option<String> {
        let event = Event {
            cursor: 1,
            at_ms: 0,
            kind,
            run: RunId::from_parts(0, 0),
            task: None,
            attempt: Some(2),
            data,
        };
        sentence(&event, "scene[s1].speech").map(|sentence| sentence.text)
    }

    #[test]
    fn a_settled_task_says_how_and_why() {
        let failure = Failure::new(FailureClass::InvalidInput, "the text is empty");
        let skipped = SkipReason::UpstreamSkipped { stage: "script".to_owned() };
        for (data, text) in [
            (json!({ "state": "succeeded", "usage": { "execute_ms": 412 } }), "succeeded in 0.4 s"),
            (json!({ "state": "succeeded", "cached": true }), "succeeded from the cache"),
            (json!({ "state": "succeeded" }), "succeeded"),
            (
                json!({ "state": "failed", "failure": failure }),
                "failed after 2 attempts: invalid_input: the text is empty",
            ),
            (json!({ "state": "skipped", "skipped": skipped }), "was skipped: stage `script` was skipped"),
            (json!({ "state": "cancelled" }), "cancelled"),
        ] {
            assert_eq!(say(EventKind::TaskSettled, data), Some(format!("scene[s1].speech {text}")));
        }
    }

    #[test]
    fn a_retry_says_when_and_why() {
        let failure = Failure::new(FailureClass::Transient, "busy");
        let data = json!({ "delay_ms": 2000, "failure": failure });
        let text = "scene[s1].speech is tried again in 2.0 s: transient: busy".to_owned();
        assert_eq!(say(EventKind::TaskRetried, data), Some(text));
    }

    #[test]
    fn what_happens_all_the_time_is_not_told() {
        assert_eq!(say(EventKind::TaskLeased, json!({})), None);
        assert_eq!(say(EventKind::RunPhase, json!({ "phase": "main" })), None);
    }
}
