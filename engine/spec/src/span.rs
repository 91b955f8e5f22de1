//! Places in a pipeline file.

use serde::Serialize;

/// A stretch of the file. Lines and columns count from 1, columns in characters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Hash, Serialize)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// The byte after the last.
    pub end: u32,
    /// Line of the first character.
    pub line: u32,
    /// Column of the first character.
    pub column: u32,
    /// Line of the character after the last.
    pub end_line: u32,
    /// Column of the character after the last.
    pub end_column: u32,
}

impl Span {
    /// The bytes as a range.
    #[must_use]
    pub fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }

    /// Where it begins.
    #[must_use]
    pub fn first(self) -> Place {
        Place { at: self.start, line: self.line, column: self.column }
    }

    /// From one place to another.
    #[must_use]
    pub fn between(from: Place, to: Place) -> Self {
        Self {
            start: from.at,
            end: to.at,
            line: from.line,
            column: from.column,
            end_line: to.line,
            end_column: to.column,
        }
    }

    /// A part of this span of the file, by bytes counted from the span's first.
    /// Bounds outside the span or within a character are moved back.
    #[must_use]
    pub fn part(self, file: &str, range: std::ops::Range<usize>) -> Self {
        let text = file.get(self.range()).unwrap_or_default();
        let start = text.floor_char_boundary(range.start);
        let end = text.floor_char_boundary(range.end.max(start));
        let from = self.first().after(&text[..start]);
        Self::between(from, from.after(&text[start..end]))
    }
}

/// A point of the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// Bytes before it.
    pub at: u32,
    /// Its line, from 1.
    pub line: u32,
    /// Its column, from 1, in characters.
    pub column: u32,
}

impl Place {
    /// The point at the end of a text that begins here.
    #[must_use]
    pub fn after(mut self, text: &str) -> Self {
        for c in text.chars() {
            if c == '\n' {
                self.line += 1;
                self.column = 1;
            } else {
                self.column += 1;
            }
        }
        self.at = self.at.saturating_add(small(text.len()));
        self
    }
}

/// A value and where it stands.
#[derive(Clone, PartialEq, Debug)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub span: Span,
}

/// Offsets are small numbers: a pipeline file is at most a mebibyte, and a longer one is refused unread.
pub(crate) fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_and_bounds_stay_inside() {
        let file = "añb\nxyz";
        let all = Span { start: 0, end: 8, line: 1, column: 1, end_line: 2, end_column: 4 };
        let b = all.part(file, 3..4);
        assert_eq!((b.line, b.column, b.end_column), (1, 3, 4));
        let y = all.part(file, 6..99);
        assert_eq!((y.line, y.column, y.end_line, y.end_column, y.end), (2, 2, 2, 4, 8));
        assert_eq!(all.part(file, 2..3).start, 1, "within a character");
    }
}
