//! Words that somebody heard, matched with the words of the text that was said: the text stays as it is, and gets the
//! times of what was heard.
//!
//! Words that are alike are found by the least edit distance between the two lists, in which words are left out and put in.
//! What lies between them was heard otherwise (`doctor` for `Dr.`, two words for one): there letters are matched, which may
//! be changed as well.

use crate::timing::{Mark, spans};
use crate::token::Tokens;
use std::collections::HashMap;
use std::ops::Range;

/// Pairs of letters that are compared between two words that are alike; a longer stretch shares its time by length.
const PAIRS_MAX: usize = 4 << 20;
/// How often a word may come in both lists together, one number times the other, to be looked for by itself: very common
/// ones are found between the others.
const COMMON_MAX: usize = 250_000;
/// How much of the text has to be heard for the times to be of it.
const AGREEMENT_MIN: f64 = 0.5;

/// A word, or several, as somebody heard it; times are milliseconds.
#[derive(Clone, PartialEq, Debug)]
pub struct Said {
    pub text: String,
    pub start_ms: f64,
    pub end_ms: f64,
}

impl Said {
    pub fn new(text: &str, start_ms: f64, end_ms: f64) -> Self {
        Self { text: text.trim().to_owned(), start_ms, end_ms }
    }

    /// The same, so much earlier.
    pub fn earlier(&self, ms: f64) -> Self {
        Self { text: self.text.clone(), start_ms: self.start_ms - ms, end_ms: self.end_ms - ms }
    }
}

/// What came of it.
#[derive(Clone, PartialEq, Debug)]
pub struct Matched {
    /// A span for each word of the text, in milliseconds; ordered and within the sound.
    pub spans: Vec<(f64, f64)>,
    /// How much of the text was heard, 0 to 1, by letters.
    pub agreement: f64,
    /// Words of the text that were heard as they are.
    pub same: usize,
    /// Words of the text that were heard as others.
    pub other: usize,
    /// Words of the text that were not heard.
    pub missing: usize,
    /// Words that were heard and are not in the text.
    pub extra: usize,
}

impl Matched {
    /// Whether the times are of this text.
    pub fn is_believed(&self) -> bool {
        self.agreement >= AGREEMENT_MIN
    }
}

/// A word, as it is compared, and when it was heard.
struct Heard {
    letters: String,
    start_ms: f64,
    end_ms: f64,
}

/// Matches what was heard with the words of the text.
pub fn of(said: &[Said], words: &[&str], duration_ms: f64) -> Matched {
    let heard: Vec<Heard> = said.iter().flat_map(|said| apart(said, duration_ms)).collect();
    let text: Vec<String> = words.iter().map(|word| letters(word)).collect();
    let other: Vec<&str> = heard.iter().map(|heard| heard.letters.as_str()).collect();
    let known: Vec<&str> = text.iter().map(String::as_str).collect();
    let mut matched = Matched { spans: Vec::new(), agreement: 0.0, same: 0, other: 0, missing: 0, extra: 0 };
    let mut marks = Vec::new();
    let mut found = 0;
    let end = (known.len(), other.len());
    let mut last = (0, 0);
    for (word, place) in alike(&known, &other).into_iter().chain([end]) {
        let (gap, stretch) = (last.0..word, &heard[last.1..place]);
        if stretch.is_empty() {
            matched.missing += gap.len();
        } else if gap.is_empty() {
            matched.extra += stretch.len();
        } else {
            matched.other += gap.len();
            found += between(&text, gap, stretch, &mut marks);
        }
        if let Some(heard) = heard.get(place).filter(|_| (word, place) != end) {
            matched.same += 1;
            found += text[word].chars().count();
            marks.push(Mark { token: word, start_ms: heard.start_ms, end_ms: Some(heard.end_ms) });
        }
        last = (word + 1, place + 1);
    }
    let all: usize = text.iter().map(|letters| letters.chars().count()).sum();
    matched.agreement = found as f64 / all.max(1) as f64;
    let lengths: Vec<usize> = words.iter().map(|word| word.chars().count()).collect();
    matched.spans = spans(&marks, &lengths, duration_ms);
    matched
}

/// Words that stand for each other in both lists, as many as there can be without any two of them crossing (Hunt and
/// Szymanski 1977): their places, in order.
fn alike(own: &[&str], other: &[&str]) -> Vec<(usize, usize)> {
    let mut places: HashMap<&str, Vec<usize>> = HashMap::new();
    for (place, word) in other.iter().enumerate() {
        places.entry(word).or_default().push(place);
    }
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for word in own {
        *counts.entry(word).or_default() += 1;
    }
    // Pairs, each with the one before it; and for each length the pair that ends so many of them the earliest.
    let mut found: Vec<(usize, usize, Option<usize>)> = Vec::new();
    let mut ends: Vec<usize> = Vec::new();
    for (word, text) in own.iter().enumerate() {
        let Some(places) = places.get(text).filter(|places| places.len() * counts[text] <= COMMON_MAX) else {
            continue;
        };
        // The last first, so that a word is taken once.
        for place in places.iter().rev() {
            let length = ends.partition_point(|end| found[*end].1 < *place);
            found.push((word, *place, length.checked_sub(1).map(|before| ends[before])));
            let pair = found.len() - 1;
            match ends.get_mut(length) {
                Some(end) => *end = pair,
                None => ends.push(pair),
            }
        }
    }
    let mut pairs = Vec::with_capacity(ends.len());
    let mut at = ends.last().copied();
    while let Some((word, place, before)) = at.map(|at| found[at]) {
        pairs.push((word, place));
        at = before;
    }
    pairs.reverse();
    pairs
}

/// What of a word is compared: its letters and digits, small.
fn letters(word: &str) -> String {
    let letters: String =
        word.chars().filter(|mark| mark.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    if letters.is_empty() { word.trim().to_owned() } else { letters }
}

/// The words of the text that something is for; whoever writes several at once shares their time by length.
fn apart(said: &Said, duration_ms: f64) -> Vec<Heard> {
    if !(said.start_ms.is_finite() && said.end_ms.is_finite()) {
        return Vec::new();
    }
    let start = said.start_ms.clamp(0.0, duration_ms);
    let end = said.end_ms.clamp(start, duration_ms);
    let tokens = Tokens::of(&said.text);
    let parts: Vec<String> = (0..tokens.ranges.len()).map(|index| letters(tokens.token(index))).collect();
    let all: usize = parts.iter().map(|part| part.chars().count()).sum();
    let mut at = 0;
    parts
        .into_iter()
        .map(|letters| {
            let time = |at: usize| start + (end - start) * at as f64 / all.max(1) as f64;
            let from = time(at);
            at += letters.chars().count();
            Heard { letters, start_ms: from, end_ms: time(at) }
        })
        .collect()
}

/// Matches by letters what stands between two words that are alike. How many letters are the same.
fn between(text: &[String], words: Range<usize>, heard: &[Heard], marks: &mut Vec<Mark>) -> usize {
    let own: Vec<(char, usize)> =
        words.clone().flat_map(|word| text[word].chars().map(move |letter| (letter, word))).collect();
    let other: Vec<(char, f64, f64)> = heard.iter().flat_map(each_letter).collect();
    let (begin, end) = (heard[0].start_ms, heard[heard.len() - 1].end_ms);
    if own.len().saturating_mul(other.len()) > PAIRS_MAX {
        marks.push(Mark { token: words.start, start_ms: begin, end_ms: None });
        return 0;
    }
    let mut same = 0;
    let mut times: Vec<Option<(f64, f64)>> = vec![None; words.len()];
    for (one, two) in pairs(&own, &other) {
        same += usize::from(own[one].0 == other[two].0);
        let (start, end) = (other[two].1, other[two].2);
        let time = times[own[one].1 - words.start].get_or_insert((start, end));
        time.1 = time.1.max(end);
    }
    // What was heard otherwise was heard from the first word to the last, whatever their letters.
    if let Some(Some(first)) = times.first_mut() {
        first.0 = begin;
    }
    if let Some(Some(last)) = times.last_mut() {
        last.1 = end;
    }
    let heard = words.zip(times).filter_map(|(token, time)| Some((token, time?)));
    marks.extend(heard.map(|(token, (start_ms, end_ms))| Mark { token, start_ms, end_ms: Some(end_ms) }));
    same
}

fn each_letter(heard: &Heard) -> impl Iterator<Item = (char, f64, f64)> {
    let count = heard.letters.chars().count() as f64;
    let (start, length) = (heard.start_ms, heard.end_ms - heard.start_ms);
    heard.letters.chars().enumerate().map(move |(place, letter)| {
        let at = |place: f64| start + length * place / count;
        (letter, at(place as f64), at(place as f64 + 1.0))
    })
}

/// The letters that stand for each other where as few as can be are changed, left out or put in (Levenshtein), in order.
fn pairs(own: &[(char, usize)], other: &[(char, f64, f64)]) -> Vec<(usize, usize)> {
    let width = other.len() + 1;
    let mut costs = vec![0_u32; (own.len() + 1) * width];
    for place in 1..costs.len() {
        let (row, column) = (place / width, place % width);
        costs[place] = if row == 0 {
            costs[place - 1] + 1
        } else if column == 0 {
            costs[place - width] + 1
        } else {
            let changed = u32::from(own[row - 1].0 != other[column - 1].0);
            (costs[place - width - 1] + changed).min(costs[place - 1] + 1).min(costs[place - width] + 1)
        };
    }
    let mut found = Vec::new();
    let (mut row, mut column) = (own.len(), other.len());
    while row > 0 && column > 0 {
        let place = row * width + column;
        let changed = u32::from(own[row - 1].0 != other[column - 1].0);
        if costs[place] == costs[place - width - 1] + changed {
            (row, column) = (row - 1, column - 1);
            found.push((row, column));
        } else if costs[place] == costs[place - 1] + 1 {
            column -= 1;
        } else {
            row -= 1;
        }
    }
    found.reverse();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words of a second each.
    fn said(words: &[&str]) -> Vec<Said> {
        let at = |place: usize| place as f64 * 1000.0;
        words.iter().enumerate().map(|(place, word)| Said::new(word, at(place), at(place) + 900.0)).collect()
    }

    fn starts(matched: &Matched) -> Vec<f64> {
        matched.spans.iter().map(|span| span.0).collect()
    }

    #[test]
    fn the_text_stays_and_gets_the_times_of_what_was_heard() {
        let heard = said(&["the", "see", "rises", "um", "twice", "a", "day"]);
        let matched = of(&heard, &["The", "sea", "rises", "twice", "a", "day."], 7_000.0);
        assert_eq!(starts(&matched), [0.0, 1000.0, 2000.0, 4000.0, 5000.0, 6000.0]);
        assert_eq!((matched.same, matched.other, matched.missing, matched.extra), (5, 1, 0, 1));
        assert_eq!(matched.spans[1], (1000.0, 1900.0));
    }

    #[test]
    fn words_that_are_written_otherwise_keep_their_place() {
        // Two pieces for one word, one for two, and a number in words.
        let heard = said(&["That", "'s", "doctor", "o'brien", "and", "three", "point", "five", "metres"]);
        let matched = of(&heard, &["That's", "Dr.", "O", "Brien", "and", "3.5", "metres"], 9_000.0);
        let spans = &matched.spans;
        assert_eq!((spans[0].0, spans[4].0, spans[6].0), (0.0, 4000.0, 8000.0), "{spans:?}");
        assert!(
            (2000.0..2900.0).contains(&spans[1].0) && (3000.0..3900.0).contains(&spans[2].0),
            "{spans:?}"
        );
        assert_eq!(spans[5], (5000.0, 7900.0), "all that the number was heard as");
        assert!(matched.is_believed());
    }

    #[test]
    fn a_script_without_spaces_is_matched_sign_by_sign() {
        let heard = [Said::new("潮水每天", 0.0, 400.0), Said::new("涨落。", 500.0, 700.0)];
        let matched = of(&heard, &["潮", "水", "每", "天", "涨", "落。"], 700.0);
        assert_eq!(starts(&matched), [0.0, 100.0, 200.0, 300.0, 500.0, 600.0]);
        assert!((matched.agreement - 1.0).abs() < f64::EPSILON);
    }

    #[test]
    fn another_text_is_not_believed() {
        let heard = said(&["nothing", "of", "the", "kind", "was", "told"]);
        assert!(!of(&heard, &["Twice", "a", "day", "salt", "water", "rises."], 6_000.0).is_believed());
        assert!(!of(&[], &["Twice"], 1_000.0).is_believed());
    }

    #[test]
    fn a_long_stretch_of_something_else_shares_its_time() {
        let many: Vec<String> = (0..600).map(|place| format!("word{place}")).collect();
        let text: Vec<&str> = many.iter().map(String::as_str).collect();
        let other: Vec<String> = (0..600).map(|place| format!("klang{place}")).collect();
        let heard = said(&other.iter().map(String::as_str).collect::<Vec<_>>());
        let matched = of(&heard, &text, 600_000.0);
        assert_eq!((matched.spans.len(), matched.agreement), (600, 0.0));
        assert!((matched.spans[300].0 - 300_000.0).abs() < 10_000.0, "{:?}", matched.spans[300]);
    }

    /// Numbers that follow from a seed (a linear congruence of Knuth's).
    struct Chance(u64);

    impl Chance {
        fn below(&mut self, count: usize) -> usize {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from((self.0 >> 33) % count as u64).unwrap()
        }

        fn word(&mut self) -> String {
            let letters = ['a', 'b', 'Z', 'ø', '潮', '水', '\'', '.'];
            (0..=self.below(6)).map(|_| letters[self.below(letters.len())]).collect()
        }

        fn text(&mut self) -> Tokens {
            let words: Vec<String> = (0..=self.below(24)).map(|_| self.word()).collect();
            Tokens::of(&format!("{} a", words.join(" ")))
        }

        /// A time, sensible or not.
        fn time(&mut self) -> f64 {
            let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::MIN, -0.0, 1e-300];
            match self.below(3) {
                0 => odd[self.below(odd.len())],
                _ => self.below(2_000_000) as f64 / 7.0 - 20_000.0,
            }
        }
    }

    #[test]
    fn spans_are_in_order_and_within_whatever_was_heard() {
        for seed in 0..400 {
            let mut chance = Chance(seed);
            let tokens = chance.text();
            let words = tokens.texts(0..tokens.ranges.len());
            let said: Vec<Said> = (0..chance.below(30))
                .map(|_| Said::new(&chance.word(), chance.time(), chance.time()))
                .collect();
            let duration = chance.below(100_000) as f64 / 3.0;
            let matched = of(&said, &words, duration);
            assert_eq!(matched.spans.len(), words.len(), "{seed}");
            let mut before = 0.0;
            for (start, end) in &matched.spans {
                assert!(*start >= before && end >= start && *end <= duration, "{seed}: {:?}", matched.spans);
                before = *start;
            }
            assert!((0.0..=1.0).contains(&matched.agreement), "{seed}");
            assert_eq!(matched.same + matched.other + matched.missing, words.len(), "{seed}");
        }
    }

    #[test]
    fn what_was_heard_as_it_stands_has_the_times_that_were_heard() {
        for seed in 0..200 {
            let tokens = Chance(seed).text();
            let words = tokens.texts(0..tokens.ranges.len());
            let heard = said(&words);
            let matched = of(&heard, &words, words.len() as f64 * 1000.0);
            let times: Vec<(f64, f64)> = heard.iter().map(|said| (said.start_ms, said.end_ms)).collect();
            assert_eq!((matched.spans, matched.same), (times, words.len()), "{seed}");
        }
    }

    #[test]
    fn one_word_that_is_heard_wrong_moves_no_other() {
        let letter = |place: usize| char::from(b'a' + u8::try_from(place).unwrap());
        for (count, kind) in (2_usize..20).flat_map(|count| (0..3).map(move |kind| (count, kind))) {
            let own: Vec<String> = (0..count).map(|place| format!("word{}", letter(place))).collect();
            let text: Vec<&str> = own.iter().map(String::as_str).collect();
            for wrong in 0..count {
                let mut heard = said(&text);
                let at = wrong as f64 * 1000.0;
                match kind {
                    0 => drop(heard.remove(wrong)),
                    1 => "quite".clone_into(&mut heard[wrong].text),
                    _ => heard.insert(wrong, Said::new("uh", at - 50.0, at)),
                }
                let spans = of(&heard, &text, count as f64 * 1000.0).spans;
                for (place, (start, _)) in spans.iter().enumerate().filter(|(place, _)| *place != wrong) {
                    assert!((start - place as f64 * 1000.0).abs() < 0.001, "{wrong} of {count}: {spans:?}");
                }
            }
        }
    }

    #[test]
    fn as_many_words_are_alike_as_can_be() {
        // Against the table that everybody knows (Wagner and Fischer 1974).
        for seed in 0..300 {
            let mut chance = Chance(seed);
            let mut list = || -> Vec<&str> {
                (0..chance.below(14)).map(|_| ["a", "b", "c", "d"][chance.below(4)]).collect()
            };
            let (own, other) = (list(), list());
            let pairs = alike(&own, &other);
            assert!(pairs.iter().all(|(one, two)| own[*one] == other[*two]), "{seed}");
            assert!(
                pairs.windows(2).all(|two| two[0].0 < two[1].0 && two[0].1 < two[1].1),
                "{seed}: {pairs:?}"
            );
            let mut table = vec![vec![0_usize; other.len() + 1]; own.len() + 1];
            for one in 1..=own.len() {
                for two in 1..=other.len() {
                    table[one][two] = if own[one - 1] == other[two - 1] {
                        table[one - 1][two - 1] + 1
                    } else {
                        table[one - 1][two].max(table[one][two - 1])
                    };
                }
            }
            assert_eq!(pairs.len(), table[own.len()][other.len()], "{seed}: {own:?} {other:?}");
        }
    }
}
