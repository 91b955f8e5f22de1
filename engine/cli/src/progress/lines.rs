//! One line an event: for logs, pipes and programs.

use super::{Picture, Show, sentence};
use crate::output::Output;
use crate::words;
use reelmill_model::Event;
use serde_json::json;

/// A sentence a line, with its time: `12:01:03Z scene[s1].speech succeeded in 0.4 s`.
pub struct Lines {
    output: Output,
    to_stderr: bool,
}

impl Lines {
    /// Lines on standard output, for `reelmill watch`.
    pub fn on_stdout(output: Output) -> Self {
        Self { output, to_stderr: false }
    }

    /// Lines on standard error, for `reelmill run`, whose standard output is its result.
    pub fn on_stderr(output: Output) -> Self {
        Self { output, to_stderr: true }
    }
}

impl Show for Lines {
    fn event(&mut self, event: &Event, path: &str) {
        let Some(sentence) = sentence(event, path) else { return };
        let text = self.output.paint(sentence.tone, &sentence.text);
        let line = format!("{} {text}", words::time_of_day(event.at_ms));
        if self.to_stderr {
            eprintln!("{line}");
        } else {
            // A closed pipe is found out by whoever writes the result.
            let _ = self.output.text(&line);
        }
    }

    fn picture(&mut self, _picture: &Picture) {}

    fn end(&mut self) {}
}

/// The event itself as one line of JSON, with the path of its task.
pub struct JsonLines {
    output: Output,
}

impl JsonLines {
    /// Lines on standard output.
    pub fn new(output: Output) -> Self {
        Self { output }
    }
}

impl Show for JsonLines {
    fn event(&mut self, event: &Event, path: &str) {
        let mut line = json!(event);
        if !path.is_empty() {
            line["path"] = json!(path);
        }
        // A closed pipe is found out by whoever writes the result.
        let _ = self.output.json_line(&line);
    }

    fn picture(&mut self, _picture: &Picture) {}

    fn end(&mut self) {}
}
