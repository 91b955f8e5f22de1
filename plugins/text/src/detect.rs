//! Which language a text is in, as far as its script and its commonest words tell.

use crate::{Language, is_stop, words};

/// Languages that are told apart by their stop words.
const BY_WORDS: &[&str] = &["en", "no", "de", "fr", "es"];
/// Words that are looked at.
const WORDS_MAX: usize = 400;

impl Language {
    /// The language of a text. `None` when nothing tells: a name, a few rare words.
    #[must_use]
    pub fn detect(text: &str) -> Option<Self> {
        by_script(text).or_else(|| by_words(text)).map(Self::of)
    }
}

/// Of scripts that one language is mostly written in. Kana decides before Han, because Japanese has both.
fn by_script(text: &str) -> Option<&'static str> {
    let mut counts: [(&str, usize); 10] = [
        ("ja", 0),
        ("ko", 0),
        ("zh", 0),
        ("ru", 0),
        ("ar", 0),
        ("he", 0),
        ("hi", 0),
        ("th", 0),
        ("el", 0),
        ("", 0),
    ];
    for mark in text.chars().filter(|mark| mark.is_alphabetic()) {
        let place = match mark {
            '\u{3040}'..='\u{30ff}' => 0,
            '\u{ac00}'..='\u{d7af}' => 1,
            '\u{4e00}'..='\u{9fff}' => 2,
            '\u{400}'..='\u{4ff}' => 3,
            '\u{600}'..='\u{6ff}' => 4,
            '\u{590}'..='\u{5ff}' => 5,
            '\u{900}'..='\u{97f}' => 6,
            '\u{e00}'..='\u{e7f}' => 7,
            '\u{370}'..='\u{3ff}' => 8,
            _ => 9,
        };
        counts[place].1 += 1;
    }
    let all: usize = counts.iter().map(|(_, count)| count).sum();
    // A name in another script within a text does not make it a text of that script.
    let is_much = |count: usize| count * 3 > all && count > 0;
    if counts[0].1 > 0 && is_much(counts[0].1 + counts[2].1) {
        return Some("ja");
    }
    counts[..9].iter().find(|(_, count)| is_much(*count)).map(|(tag, _)| *tag)
}

fn by_words(text: &str) -> Option<&'static str> {
    let folded: Vec<String> = words(text).into_iter().take(WORDS_MAX).map(|word| word.folded).collect();
    let hits = |tag: &str| {
        let language = Language::of(tag);
        folded.iter().filter(|word| word.chars().count() > 1 && is_stop(word, &language)).count()
    };
    let mut ranked: Vec<(usize, &'static str)> = BY_WORDS.iter().map(|tag| (hits(tag), *tag)).collect();
    ranked.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
    let [(best, tag), (second, _), ..] = ranked.as_slice() else { return None };
    (*best > *second && *best * 8 >= folded.len()).then_some(*tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_are_told_by_script_and_by_common_words() {
        for (text, tag) in [
            ("The sea rises twice a day, and nobody knows when it will stop.", Some("en")),
            ("Havet stiger to ganger om dagen, og det er månen som trekker i det.", Some("no")),
            ("Das Meer steigt zweimal am Tag, und der Mond ist der Grund dafür.", Some("de")),
            ("La mer monte deux fois par jour, et c'est la lune qui en est la cause.", Some("fr")),
            ("El mar sube dos veces al día, y la luna es la causa de todo esto.", Some("es")),
            ("潮水每天涨落两次。", Some("zh")),
            ("潮は一日に二回満ちます。", Some("ja")),
            ("바다는 하루에 두 번 오릅니다", Some("ko")),
            ("Море поднимается дважды в день", Some("ru")),
            ("The word 潮 is read by few, and it is known to those who look.", Some("en")),
            ("น้ำขึ้นน้ำลง", Some("th")),
            ("Tromsø", None),
            ("", None),
        ] {
            assert_eq!(Language::detect(text).as_ref().map(Language::tag), tag, "{text}");
        }
    }
}
