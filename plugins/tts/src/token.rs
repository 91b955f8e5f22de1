//! The words of a text as captions show them, and the pieces of text an engine is given at once.

use reelmill_text::{is_cjk, sentences, squeeze};
use std::ops::Range;

/// Words of one piece at the most: engines hold a whole piece in memory, and a cancel is seen between pieces.
const PIECE_WORDS_MAX: usize = 60;

/// A text cut into tokens and pieces. Every token holds something that can be said.
pub struct Tokens {
    /// The text, squeezed, without control characters.
    pub text: String,
    /// Byte ranges of the tokens, in order.
    pub ranges: Vec<Range<usize>>,
    /// Ranges of tokens that are said in one go, in order.
    pub pieces: Vec<Range<usize>>,
}

impl Tokens {
    /// Cuts a text.
    pub fn of(text: &str) -> Self {
        let visible: String = text.chars().map(|mark| if mark.is_control() { ' ' } else { mark }).collect();
        let text = squeeze(&visible);
        let ranges = merge_silent(&text, raw_ranges(&text));
        let pieces = pieces(&text, &ranges);
        Self { text, ranges, pieces }
    }

    /// A token's text.
    pub fn token(&self, index: usize) -> &str {
        &self.text[self.ranges[index].clone()]
    }

    /// The texts of some tokens.
    pub fn texts(&self, tokens: Range<usize>) -> Vec<&str> {
        tokens.map(|index| self.token(index)).collect()
    }

    /// The stretch of the text from the first of some tokens to the last.
    pub fn stretch(&self, tokens: Range<usize>) -> &str {
        let end = tokens.end.checked_sub(1).map_or(0, |last| self.ranges[last].end);
        &self.text[self.ranges[tokens.start].start..end]
    }

    /// Whole pieces put together to parts of so many characters at the most; a piece that is longer is a part alone.
    pub fn parts(&self, chars_max: usize) -> Vec<Range<usize>> {
        let mut parts: Vec<Range<usize>> = Vec::new();
        for piece in &self.pieces {
            match parts.last_mut() {
                Some(part) if self.stretch(part.start..piece.end).chars().count() <= chars_max => {
                    part.end = piece.end;
                }
                _ => parts.push(piece.clone()),
            }
        }
        parts
    }
}

/// Runs between spaces; in scripts without spaces, single characters.
fn raw_ranges(text: &str) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let mut start = None;
    for (at, mark) in text.char_indices() {
        if mark == ' ' {
            ranges.extend(start.take().map(|start| start..at));
        } else if is_cjk(mark) {
            ranges.extend(start.take().map(|start| start..at));
            ranges.push(at..at + mark.len_utf8());
        } else if start.is_none() {
            start = Some(at);
        }
    }
    ranges.extend(start.map(|start| start..text.len()));
    ranges
}

/// Where a speaker rests.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rest {
    /// Not here.
    None,
    /// Shortly, as after a comma.
    Clause,
    /// As after a full stop.
    Sentence,
}

/// How a speaker rests after a token.
pub fn rest_after(token: &str) -> Rest {
    let open = token.trim_end_matches(|mark: char| "\"'”’»)]」』） ".contains(mark));
    match open.chars().next_back() {
        Some('.' | '!' | '?' | '…' | '。' | '！' | '？' | '｡') => Rest::Sentence,
        Some(',' | ';' | ':' | '—' | '–' | '，' | '、' | '；' | '：') => Rest::Clause,
        _ => Rest::None,
    }
}

/// Whether a token can be said at all.
fn is_spoken(token: &str) -> bool {
    token.chars().any(|mark| mark.is_alphanumeric() || "&%+=$€£@#/°".contains(mark))
}

/// Marks that stand alone join the word before them, or after them when they open the text or a bracket.
fn merge_silent(text: &str, raw: Vec<Range<usize>>) -> Vec<Range<usize>> {
    let mut merged: Vec<Range<usize>> = Vec::with_capacity(raw.len());
    let mut opening: Option<usize> = None;
    for range in raw {
        let token = &text[range.clone()];
        if is_spoken(token) {
            merged.push(opening.take().unwrap_or(range.start)..range.end);
        } else if let Some(last) = merged.last_mut().filter(|_| opening.is_none() && !opens(token)) {
            last.end = range.end;
        } else {
            opening.get_or_insert(range.start);
        }
    }
    if let (Some(_), Some(last)) = (opening, merged.last_mut()) {
        last.end = text.len();
    }
    merged
}

fn opens(token: &str) -> bool {
    token.chars().all(|mark| "([{“‘«「『（【¿¡".contains(mark))
}

/// Sentences, those too long cut after a comma or, when there is none, in the middle of the run.
fn pieces(text: &str, ranges: &[Range<usize>]) -> Vec<Range<usize>> {
    let mut pieces = Vec::new();
    let mut first = 0;
    for sentence in sentences(text) {
        let end = sentence.as_ptr() as usize - text.as_ptr() as usize + sentence.len();
        let past = first + ranges[first..].iter().take_while(|range| range.start < end).count();
        let mut rest = first..past;
        while rest.len() > PIECE_WORDS_MAX {
            let window = rest.start + PIECE_WORDS_MAX / 2..rest.start + PIECE_WORDS_MAX;
            let comma = window
                .clone()
                .rev()
                .find(|index| text[ranges[*index].clone()].ends_with([',', ';', ':', '，', '、', '；']));
            let cut = comma.map_or(window.end, |index| index + 1);
            pieces.push(rest.start..cut);
            rest.start = cut;
        }
        if !rest.is_empty() {
            pieces.push(rest);
        }
        first = past;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Vec<String> {
        let tokens = Tokens::of(text);
        (0..tokens.ranges.len()).map(|index| tokens.token(index).to_owned()).collect()
    }

    #[test]
    fn words_keep_their_punctuation_and_lone_marks_join_a_word() {
        assert_eq!(
            tokens("“Well,” he said — twice\u{7} ( or so ) …"),
            ["“Well,”", "he", "said —", "twice", "( or", "so ) …"]
        );
        assert_eq!(tokens("- one & two"), ["- one", "&", "two"]);
        assert_eq!(tokens("潮水, AI。好"), ["潮", "水,", "AI。", "好"]);
    }

    #[test]
    fn speakers_rest_where_punctuation_says() {
        for (token, rest) in [
            ("tide", Rest::None),
            ("tide,", Rest::Clause),
            ("said —", Rest::Clause),
            ("“Well.”", Rest::Sentence),
            ("水。", Rest::Sentence),
            ("水，", Rest::Clause),
            ("don't", Rest::None),
        ] {
            assert_eq!(rest_after(token), rest, "{token}");
        }
    }

    #[test]
    fn nothing_to_say_gives_no_tokens() {
        for text in ["", "  ", "… — !?", "🙂", "\u{0}"] {
            assert!(tokens(text).is_empty(), "{text:?}");
        }
    }

    #[test]
    fn every_word_is_in_exactly_one_piece_and_no_piece_is_long() {
        let long = "One two three, four five six seven. ".repeat(3)
            + &"Word ".repeat(200)
            + "end. "
            + "潮水".repeat(100).as_str();
        let tokens = Tokens::of(&long);
        let covered: Vec<usize> = tokens.pieces.iter().cloned().flatten().collect();
        assert_eq!(covered, (0..tokens.ranges.len()).collect::<Vec<_>>());
        assert!(tokens.pieces.iter().all(|piece| !piece.is_empty() && piece.len() <= PIECE_WORDS_MAX));
        assert_eq!(tokens.pieces[..3], [0..7, 7..14, 14..21]);
        let parts = tokens.parts(80);
        assert_eq!(parts[..2], [0..14, 14..21]);
        assert_eq!(parts.iter().cloned().flatten().collect::<Vec<_>>(), covered);
        assert_eq!(
            tokens.stretch(0..14),
            "One two three, four five six seven. One two three, four five six seven."
        );
    }
}
