//! What goes to standard output and how: text for people or JSON for programs, never both.

use clap::ValueEnum;
use serde::Serialize;
use std::io::{self, IsTerminal as _, Write as _};

/// The form of standard output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs: one JSON document, or with `watch` and `logs -f` one a line.
    Json,
}

/// When colours are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Color {
    /// Whether text that goes to standard output is coloured.
    pub fn enabled(self) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => {
                io::stdout().is_terminal()
                    && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            }
        }
    }
}

/// A colour with a meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// It went well.
    Good,
    /// Look at this.
    Warn,
    /// It went wrong.
    Bad,
    /// Less important than what stands beside it.
    Faint,
    /// A heading.
    Strong,
}

/// Standard output.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    /// Its form.
    pub format: Format,
    /// Whether text is coloured.
    pub color: bool,
}

impl Output {
    /// Whether a program reads it.
    pub fn is_json(self) -> bool {
        self.format == Format::Json
    }

    /// The text in a tone, where colours are used.
    pub fn paint(self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Good => "32",
            Tone::Warn => "33",
            Tone::Bad => "31",
            Tone::Faint => "2",
            Tone::Strong => "1",
        };
        if self.color { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// Writes a value as one indented JSON document.
    pub fn json(self, value: &impl Serialize) -> anyhow::Result<()> {
        self.text(&serde_json::to_string_pretty(value)?)
    }

    /// Writes a value as one line of JSON.
    pub fn json_line(self, value: &impl Serialize) -> anyhow::Result<()> {
        self.text(&serde_json::to_string(value)?)
    }

    /// Writes text and ends the line. A reader that has gone away (`| head`) is no error.
    #[expect(clippy::unused_self, reason = "standard output is written through this type only")]
    pub fn text(self, text: &str) -> anyhow::Result<()> {
        let mut out = io::stdout().lock();
        match writeln!(out, "{}", text.trim_end_matches('\n')).and_then(|()| out.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            result => Ok(result?),
        }
    }
}

/// Rows as columns of equal width, two spaces apart; the last column is as long as it is.
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| shown_width(cell)).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            line.push_str(cell);
            if column + 1 < row.len() {
                line.push_str(&" ".repeat(widths[column] - shown_width(cell) + 2));
            }
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Characters that a terminal shows of a text: colour codes take no room.
fn shown_width(text: &str) -> usize {
    let mut width = 0;
    let mut in_code = false;
    for character in text.chars() {
        match (in_code, character) {
            (false, '\x1b') => in_code = true,
            (false, _) => width += 1,
            (true, 'm') => in_code = false,
            (true, _) => {}
        }
    }
    width
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_whatever_their_colour() {
        let colored = Output { format: Format::Text, color: true };
        let rows = vec![
            vec![colored.paint(Tone::Good, "ok"), "libav".to_owned(), "59.37.100".to_owned()],
            vec!["missing".to_owned(), "fonts".to_owned(), String::new()],
        ];
        assert_eq!(table(&rows), "\x1b[32mok\x1b[0m       libav  59.37.100\nmissing  fonts\n");
    }

    #[test]
    fn without_colour_text_stays_as_it_is() {
        let plain = Output { format: Format::Text, color: false };
        assert_eq!(plain.paint(Tone::Bad, "failed"), "failed");
    }
}
