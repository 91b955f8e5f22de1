//! What a process prints to standard output and standard error: cut into lines for the log, its end kept for
//! failures.

use reelmill_model::limits::LOG_LINE_BYTES_MAX;
use std::collections::VecDeque;

/// Bytes of the end that are kept.
const TAIL_BYTES: usize = 4096;

/// What a process printed.
#[derive(Default, Debug)]
pub struct Output {
    /// The line that has not ended yet.
    open: Vec<u8>,
    /// Whether the rest of an overlong line is being dropped.
    dropping: bool,
    lines: VecDeque<String>,
    tail: VecDeque<u8>,
}

impl Output {
    /// Adds what was read.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.tail.extend(&bytes[bytes.len().saturating_sub(TAIL_BYTES)..]);
        let over = self.tail.len().saturating_sub(TAIL_BYTES);
        self.tail.drain(..over);
        for piece in bytes.split_inclusive(|b| *b == b'\n') {
            let ended = piece.ends_with(b"\n");
            if !self.dropping {
                self.open.extend_from_slice(piece);
            }
            if self.open.len() > LOG_LINE_BYTES_MAX {
                self.open.truncate(LOG_LINE_BYTES_MAX);
                self.end_line(" …");
                self.dropping = true;
            }
            if ended && !std::mem::take(&mut self.dropping) {
                self.end_line("");
            }
        }
    }

    /// The next whole line.
    pub fn line(&mut self) -> Option<String> {
        self.lines.pop_front()
    }

    /// Ends the last line, when the process has.
    pub fn finish(&mut self) {
        if !self.open.is_empty() {
            self.end_line("");
        }
    }

    /// The end of everything printed so far, for people.
    pub fn tail(&self) -> String {
        let bytes: Vec<u8> = self.tail.iter().copied().collect();
        readable(String::from_utf8_lossy(&bytes).trim())
    }

    fn end_line(&mut self, mark: &str) {
        let line = std::mem::take(&mut self.open);
        let text = readable(String::from_utf8_lossy(&line).trim_end());
        if !text.is_empty() {
            self.lines.push_back(text + mark);
        }
    }
}

/// Text without control characters that could move a terminal's cursor.
fn readable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' && c != '\t' { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pieces: &[&[u8]]) -> Vec<String> {
        let mut output = Output::default();
        for piece in pieces {
            output.feed(piece);
        }
        output.finish();
        std::iter::from_fn(|| output.line()).collect()
    }

    #[test]
    fn lines_come_out_whole_whatever_the_pieces() {
        assert_eq!(lines(&[b"on", b"e\ntwo\r\n\nthr", b"ee"]), ["one", "two", "three"]);
    }

    #[test]
    fn an_endless_line_is_cut_once_and_the_next_is_whole() {
        let long = vec![b'x'; LOG_LINE_BYTES_MAX];
        let lines = lines(&[&long, &long, b"rest\nnext\n"]);
        assert_eq!(lines.len(), 2);
        assert!(lines[0].ends_with("x …") && lines[0].len() <= LOG_LINE_BYTES_MAX + 8);
        assert_eq!(lines[1], "next");
    }

    #[test]
    fn the_tail_is_the_end_and_has_no_escape_sequences() {
        let mut output = Output::default();
        output.feed(&vec![b'a'; 3 * TAIL_BYTES]);
        output.feed(b"\x1b[2Jthe end\n");
        let tail = output.tail();
        assert!(tail.len() <= TAIL_BYTES + 8 && tail.ends_with("the end"), "{tail}");
        assert!(!tail.contains('\x1b'));
    }
}
