//! Lines: the protocol of `kind: exec` plugins.
//!
//! The program finds a socket at its file descriptor 0 and uses it both ways: it reads lines from it and writes
//! lines to it. Each line is one JSON object in UTF-8.
//!
//! The worker sends, once per attempt:
//! ```json
//! {"type": "run", "stage": "polish", "with": {"text": "…"}, "call": {"scratch": "/…", "run": "…",
//!  "task": "…", "attempt": 1, "idempotency_token": "…", "seed": 123}}
//! ```
//! and, when the attempt should stop, `{"type": "cancel"}`. A program that does not look for it is killed after a
//! grace period. The end of the stream means: exit.
//!
//! The program answers each `run` with any number of
//! ```json
//! {"type": "log", "severity": "info", "text": "…"}
//! {"type": "progress", "done": 3, "total": 10, "unit": "frames"}
//! ```
//! and then with exactly one of
//! ```json
//! {"type": "reply", "outputs": {…}}
//! {"type": "fail", "class": "invalid_input", "message": "one sentence", "code": "short_word"}
//! ```
//! Files are written below `call.scratch` and put out as `{"$file": "name.mp4", "media_type": "video/mp4"}`. What
//! the program prints to standard output or standard error becomes its log.
//!
//! In Python, all of it is `for line in sys.stdin:` and `os.write(0, (json.dumps(message) + "\n").encode())`.

use crate::{FromRunner, ProtocolError, SandboxReport, ToRunner};
use reelmill_model::limits::FRAME_BYTES_MAX;
use reelmill_model::{Failure, Severity};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// One line of the program.
#[derive(Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Said {
    /// Written by the runner that started the program, never by the program.
    Ready {
        pid: u32,
        sandbox: SandboxReport,
    },
    Log {
        #[serde(default = "info")]
        severity: Severity,
        text: String,
    },
    Progress(Value),
    Reply {
        outputs: Value,
    },
    Fail(Failure),
}

fn info() -> Severity {
    Severity::Info
}

/// Collects bytes and gives out whole messages.
#[derive(Default, Debug)]
pub struct LineReader {
    bytes: Vec<u8>,
    /// How much of `bytes` is known to hold no end of line.
    searched: usize,
}

impl LineReader {
    /// Adds what was received.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole message, if there is one. Empty lines are skipped.
    pub fn take(&mut self) -> Result<Option<FromRunner>, ProtocolError> {
        loop {
            let Some(end) = self.bytes[self.searched..].iter().position(|b| *b == b'\n') else {
                self.searched = self.bytes.len();
                return if self.searched > FRAME_BYTES_MAX {
                    Err(ProtocolError::TooLong(self.searched))
                } else {
                    Ok(None)
                };
            };
            let line: Vec<u8> = self.bytes.drain(..=self.searched + end).collect();
            self.searched = 0;
            if !line.trim_ascii().is_empty() {
                return read_line(&line).map(Some);
            }
        }
    }
}

fn read_line(line: &[u8]) -> Result<FromRunner, ProtocolError> {
    Ok(match serde_json::from_slice(line)? {
        Said::Ready { pid, sandbox } => FromRunner::Ready { pid, sandbox, manifest: None },
        Said::Log { severity, text } => FromRunner::Log { severity, text },
        Said::Progress(value) => FromRunner::Progress(serde_json::to_vec(&value)?),
        Said::Reply { outputs } => {
            FromRunner::Reply { id: 0, cpu_us: 0, outputs: serde_json::to_vec(&outputs)? }
        }
        Said::Fail(failure) => FromRunner::Fail { id: 0, cpu_us: 0, failure: Box::new(failure) },
    })
}

/// The runner's line that the program was started.
pub fn ready_line(pid: u32, sandbox: SandboxReport) -> Result<Vec<u8>, ProtocolError> {
    let mut line = serde_json::to_vec(&Said::Ready { pid, sandbox })?;
    line.push(b'\n');
    Ok(line)
}

/// The line of a failure; the runner writes it when the program could not be started.
pub fn fail_line(failure: &Failure) -> Result<Vec<u8>, ProtocolError> {
    let mut line = serde_json::to_vec(&Said::Fail(failure.clone()))?;
    line.push(b'\n');
    Ok(line)
}

/// The line that carries a message to the program; nothing for `load`, which only the runner reads.
pub fn write_line(stage: &str, message: &ToRunner, out: &mut Vec<u8>) -> Result<(), ProtocolError> {
    let value = match message {
        ToRunner::Load(_) => return Ok(()),
        ToRunner::Cancel { .. } => json!({ "type": "cancel" }),
        ToRunner::Run { input, .. } => {
            let mut value = json!({ "type": "run", "stage": stage });
            if let (Some(run), Value::Object(input)) = (value.as_object_mut(), serde_json::from_slice(input)?)
            {
                run.extend(input);
            }
            value
        }
    };
    serde_json::to_writer(&mut *out, &value)?;
    out.push(b'\n');
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use reelmill_model::FailureClass;

    #[test]
    fn lines_of_a_program_become_messages_whatever_the_pieces() {
        let text = concat!(
            "{\"type\":\"log\",\"text\":\"hey\"}\n\n",
            "{\"type\":\"progress\",\"done\":1,\"total\":2}\r\n",
            "{\"type\":\"reply\",\"outputs\":{\"a\":1}}\n",
            "{\"type\":\"fail\",\"class\":\"permanent\",\"message\":\"no\"}\n",
        );
        for piece in [1, 5, 1000] {
            let mut reader = LineReader::default();
            let mut read = Vec::new();
            for chunk in text.as_bytes().chunks(piece) {
                reader.feed(chunk);
                while let Some(message) = reader.take().unwrap() {
                    read.push(message);
                }
            }
            assert_eq!(
                read,
                [
                    FromRunner::Log { severity: Severity::Info, text: "hey".into() },
                    FromRunner::Progress(b"{\"done\":1,\"total\":2}".to_vec()),
                    FromRunner::Reply { id: 0, cpu_us: 0, outputs: b"{\"a\":1}".to_vec() },
                    FromRunner::Fail {
                        id: 0,
                        cpu_us: 0,
                        failure: Box::new(Failure::new(FailureClass::Permanent, "no"))
                    },
                ]
            );
        }
    }

    #[test]
    fn a_line_that_is_no_message_is_an_error_and_the_next_is_read() {
        let mut reader = LineReader::default();
        reader.feed(b"Traceback (most recent call last):\n{\"type\":\"log\",\"text\":\"x\"}\n");
        assert!(reader.take().is_err());
        assert!(matches!(reader.take(), Ok(Some(FromRunner::Log { .. }))));
    }

    #[test]
    fn a_run_becomes_one_line_with_stage_with_and_call() {
        let mut out = Vec::new();
        let input = br#"{"with": {"text": "a\nb"}, "call": {"scratch": "/s"}}"#.to_vec();
        write_line("polish", &ToRunner::Run { id: 1, only: None, input }, &mut out).unwrap();
        write_line("polish", &ToRunner::Cancel { id: 1 }, &mut out).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "{\"type\":\"run\",\"stage\":\"polish\",\"with\":{\"text\":\"a\\nb\"},\"call\":{\"scratch\":\"/s\"}}\n\
             {\"type\":\"cancel\"}\n"
        );
    }
}
