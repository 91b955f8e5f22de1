//! Counting as platforms count, and cutting where it hurts least. Pure.

use reelmill_text::sentences;

/// How a platform counts a text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Count {
    /// Bytes of UTF-8.
    Bytes,
    /// Units of UTF-16.
    Utf16,
    /// As X does: most scripts with an alphabet weigh one, all else two, an address 23.
    Weighted,
}

/// What an address weighs on X, however long it is.
const ADDRESS_WEIGHT: usize = 23;
/// Ends a text that was cut within a sentence.
const CUT: &str = "\u{2026}";

impl Count {
    /// The length of a text.
    pub fn of(self, text: &str) -> usize {
        match self {
            Self::Bytes => text.len(),
            Self::Utf16 => text.encode_utf16().count(),
            Self::Weighted => {
                text.split_inclusive(char::is_whitespace)
                    .map(|word| {
                        if is_address(word) {
                            weight_of_address(word)
                        } else {
                            word.chars().map(weight).sum()
                        }
                    })
                    .sum()
            }
        }
    }
}

fn is_address(word: &str) -> bool {
    word.starts_with("http://") || word.starts_with("https://")
}

fn weight_of_address(word: &str) -> usize {
    ADDRESS_WEIGHT + word.chars().filter(|mark| mark.is_whitespace()).count()
}

/// The ranges of `twitter-text`, third configuration.
const fn weight(mark: char) -> usize {
    match mark as u32 {
        0..=4_351 | 8_192..=8_205 | 8_208..=8_223 | 8_242..=8_247 => 1,
        _ => 2,
    }
}

/// A text within so many units, and whether it was cut: after a sentence, or else after a word with an ellipsis.
pub fn fit(text: &str, max: usize, count: impl Fn(&str) -> usize) -> (String, bool) {
    let text = text.trim();
    if count(text) <= max {
        return (text.to_owned(), false);
    }
    let whole = longest(text, &ends_of_sentences(text), |part| count(part) <= max);
    // Half of what is allowed is enough of whole sentences; less says too little.
    if let Some(part) = whole.filter(|part| count(part) * 2 >= max) {
        return (part.to_owned(), true);
    }
    let fits = |part: &str| count(part) + count(CUT) <= max;
    let words = longest(text, &ends_of_words(text), fits);
    let cut = words.or_else(|| longest(text, &ends_of_characters(text), fits)).unwrap_or_default();
    let cut =
        cut.trim_end_matches(|mark: char| mark.is_whitespace() || ",;:-\u{2013}\u{2014}([".contains(mark));
    (if cut.is_empty() { String::new() } else { format!("{cut}{CUT}") }, true)
}

/// The longest beginning that fits, of those that end at these places: what is longer never counts less.
fn longest<'a>(text: &'a str, ends: &[usize], fits: impl Fn(&str) -> bool) -> Option<&'a str> {
    let part = |end: usize| text[..end].trim_end();
    let fitting = ends.partition_point(|end| fits(part(*end)));
    ends[..fitting].last().map(|end| part(*end)).filter(|part| !part.is_empty())
}

fn ends_of_sentences(text: &str) -> Vec<usize> {
    // Sentences are parts of the text: where they lie in memory is where they stand in it.
    text.lines()
        .flat_map(sentences)
        .map(|sentence| sentence.as_ptr() as usize - text.as_ptr() as usize + sentence.len())
        .collect()
}

fn ends_of_words(text: &str) -> Vec<usize> {
    text.char_indices().filter(|(_, mark)| mark.is_whitespace()).map(|(at, _)| at).collect()
}

/// Places between characters that people see as one: never before a mark that belongs to the one before it.
fn ends_of_characters(text: &str) -> Vec<usize> {
    let mut ends = Vec::new();
    let mut before = ' ';
    for (at, mark) in text.char_indices() {
        let joins = before == '\u{200d}' || is_joining(mark);
        if !joins {
            ends.push(at);
        }
        before = mark;
    }
    ends
}

/// Combining marks, joiners, variation selectors, skin tones.
const fn is_joining(mark: char) -> bool {
    matches!(mark, '\u{300}'..='\u{36f}' | '\u{1ab0}'..='\u{1aff}' | '\u{20d0}'..='\u{20ff}' | '\u{200d}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{1f3fb}'..='\u{1f3ff}' | '\u{e31}' | '\u{e34}'..='\u{e3a}'
        | '\u{e47}'..='\u{e4e}' | '\u{93a}'..='\u{94d}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platforms_count_differently() {
        for (text, bytes, utf16, weighted) in [
            ("tide", 4, 4, 4),
            ("\u{e9}", 2, 1, 1),
            ("\u{6f6e}\u{6c50}", 6, 2, 4),
            ("\u{1f30a}", 4, 2, 2),
            ("see https://example.org/a/very/long/address/indeed now", 54, 54, 31),
        ] {
            let counts = [Count::Bytes, Count::Utf16, Count::Weighted].map(|count| count.of(text));
            assert_eq!(counts, [bytes, utf16, weighted], "{text}");
        }
    }

    #[test]
    fn a_text_is_cut_after_a_sentence_or_else_after_a_word() {
        let cut = |text: &str, max| fit(text, max, |part| Count::Utf16.of(part));
        assert_eq!(cut("One. Two.", 9), ("One. Two.".into(), false));
        assert_eq!(cut("The sea rises. Then it falls again.", 20), ("The sea rises.".into(), true));
        assert_eq!(
            cut("Oh. The sea rises and falls, twice a day", 30),
            ("Oh. The sea rises and falls\u{2026}".into(), true)
        );
        assert_eq!(cut("Antidisestablishmentarianism", 10), ("Antidises\u{2026}".into(), true));
        assert_eq!(cut("\u{6f6e}\u{6c50}\u{3002}\u{6d77}\u{6c34}\u{3002}", 4).0, "\u{6f6e}\u{6c50}\u{3002}");
        assert_eq!(cut("anything", 0), (String::new(), true));
    }

    #[test]
    fn no_character_is_torn() {
        let family = "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}";
        for max in 0..40 {
            let text = format!("e\u{301}{family}{family}na\u{ef}ve");
            let (cut, _) = fit(&text, max, |part| Count::Utf16.of(part));
            assert!(Count::Utf16.of(&cut) <= max, "{max}: {cut}");
            let kept = cut.trim_end_matches(CUT);
            assert!(
                !kept.ends_with('\u{200d}') && !text[kept.len()..].starts_with(is_joining),
                "{max}: {cut}"
            );
        }
    }
}
