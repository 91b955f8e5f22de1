//! Words as they can be broken into lines. An atom is what is marked while it is said: a word, or a piece of a word
//! that is too long for that. Where lines may break is said by Unicode's rules (UAX 14), which hold closing marks to
//! the letters before them (kinsoku) and find words in Thai. Pure.

use super::letters::needs_space;
use crate::timeline::Word;
use icu_segmenter::LineSegmenter;
use icu_segmenter::options::{LineBreakOptions, LineBreakStrictness};
use std::collections::BTreeSet;

/// A word with more letters than this may be broken where its script allows.
const WHOLE: usize = 4;

/// The smallest part of a caption.
#[derive(Clone, PartialEq, Debug)]
pub struct Atom {
    /// What it says.
    pub text: String,
    /// Whether a space stands before it when it does not begin a line.
    pub space: bool,
    /// Whether a line may begin with it.
    pub breaks: bool,
    /// Whether it begins a word.
    pub word: bool,
    /// When it is said, from the start of the video.
    pub start_ms: u64,
    /// Until when.
    pub end_ms: u64,
}

/// The atoms of words in order.
pub fn atoms(words: &[Word]) -> Vec<Atom> {
    let mut joined = String::new();
    let mut places = Vec::new();
    for (index, word) in words.iter().enumerate() {
        let space = index > 0 && needs_space(&words[index - 1].text, &word.text);
        if space {
            joined.push(' ');
        }
        places.push((joined.len(), space));
        joined.push_str(&word.text);
    }
    let breaks = opportunities(&joined);
    let mut atoms = Vec::new();
    for (word, (start, space)) in words.iter().zip(places) {
        let inner = pieces(word, start, &breaks);
        for (index, (from, to)) in inner.iter().enumerate() {
            atoms.push(Atom {
                text: joined[*from..*to].to_owned(),
                space: index == 0 && space,
                breaks: breaks.contains(from),
                word: index == 0,
                start_ms: time_at(word, from - start),
                end_ms: time_at(word, to - start),
            });
        }
    }
    atoms
}

/// Where a line may begin, as places in the text.
fn opportunities(text: &str) -> BTreeSet<usize> {
    let mut options = LineBreakOptions::default();
    options.strictness = Some(LineBreakStrictness::Strict);
    LineSegmenter::new_auto(options).segment_str(text).collect()
}

/// A word's own pieces as ranges of the whole text: one for most words.
fn pieces(word: &Word, start: usize, breaks: &BTreeSet<usize>) -> Vec<(usize, usize)> {
    let end = start + word.text.len();
    if word.text.chars().count() <= WHOLE {
        return vec![(start, end)];
    }
    let mut cuts: Vec<usize> = vec![start];
    cuts.extend(breaks.range(start + 1..end).copied());
    cuts.push(end);
    cuts.windows(2).map(|pair| (pair[0], pair[1])).collect()
}

/// When a place within a word is said, as if each of its bytes took as long.
fn time_at(word: &Word, place: usize) -> u64 {
    let length = word.text.len().max(1) as u64;
    word.start_ms + word.end_ms.saturating_sub(word.start_ms) * place as u64 / length
}

#[cfg(test)]
mod tests {
    use super::{Atom, atoms};
    use crate::timeline::Word;

    fn of(words: &[&str]) -> Vec<Atom> {
        let words: Vec<Word> = (0u64..)
            .zip(words)
            .map(|(i, w)| Word { text: (*w).into(), start_ms: i * 1_000, end_ms: i * 1_000 + 900 })
            .collect();
        atoms(&words)
    }

    fn texts(atoms: &[Atom]) -> Vec<&str> {
        atoms.iter().map(|a| a.text.as_str()).collect()
    }

    #[test]
    fn latin_words_are_whole_and_hyphens_let_them_break() {
        let atoms = of(&["The", "never-ending", "sea."]);
        assert_eq!(texts(&atoms), ["The", "never-", "ending", "sea."]);
        assert!(atoms[1].space && !atoms[2].space && atoms[3].space);
        assert_eq!((atoms[1].start_ms, atoms[1].end_ms, atoms[2].start_ms), (1_000, 1_450, 1_450));
    }

    #[test]
    fn chinese_breaks_between_letters_but_never_before_a_closing_mark_or_after_an_opening_one() {
        let atoms = of(&["潮汐是地球上最长的波浪，「月亮」拉着它们。"]);
        assert!(atoms.len() > 12, "{:?}", texts(&atoms));
        assert!(atoms.iter().all(|a| !a.text.starts_with(['，', '」', '。']) && !a.text.ends_with('「')));
        assert!(atoms.iter().all(|a| a.breaks) && atoms.iter().all(|a| !a.space));
        let apart = of(&["月亮", "。", "海"]);
        assert_eq!(texts(&apart), ["月亮", "。", "海"]);
        assert!(!apart[1].breaks && apart[2].breaks, "a full stop never begins a line");
        let small = of(&["コンピュータ"]);
        assert!(small.iter().all(|a| !a.text.starts_with(['ュ', 'ー'])), "{:?}", texts(&small));
    }

    #[test]
    fn thai_breaks_between_words_that_are_not_marked() {
        let atoms = of(&["ทะเลขึ้นและลงวันละสองครั้ง"]);
        assert!(texts(&atoms).contains(&"ทะเล"), "{:?}", texts(&atoms));
        assert!(atoms.len() >= 5 && atoms.iter().all(|a| !a.space));
    }

    #[test]
    fn arabic_breaks_at_spaces_only() {
        let atoms = of(&["البحر", "عميق", "جدا."]);
        assert_eq!(texts(&atoms), ["البحر", "عميق", "جدا."]);
        assert!(atoms[1].space && atoms[1].breaks);
    }
}
