//! The words a scene is found footage by.

use reelmill_text::{Language, is_stop, stem, words};
use std::collections::HashMap;

/// Keywords of one scene at the most.
const KEYWORDS_MAX: usize = 6;

/// The telling words of each text: those frequent in it and rare in the others, and last the word that runs
/// through all of them, so that a scene without words of its own still finds the subject.
pub fn of_each(texts: &[&str], language: &Language) -> Vec<Vec<String>> {
    let counted: Vec<Counts> = texts.iter().map(|text| count(text, language)).collect();
    let mut texts_with: HashMap<&str, usize> = HashMap::new();
    for counts in &counted {
        for stem in counts.by_stem.keys() {
            *texts_with.entry(stem).or_default() += 1;
        }
    }
    let theme = theme(&counted, &texts_with);
    counted.iter().map(|counts| telling(counts, &texts_with, texts.len(), theme)).collect()
}

struct Count {
    times: usize,
    /// Place of the first use: earlier wins among equals.
    first: usize,
    surface: String,
}

struct Counts {
    by_stem: HashMap<String, Count>,
}

fn count(text: &str, language: &Language) -> Counts {
    let mut by_stem: HashMap<String, Count> = HashMap::new();
    for (place, word) in words(text).into_iter().enumerate() {
        let is_number = word.folded.bytes().all(|byte| byte.is_ascii_digit());
        if is_number || is_stop(&word.folded, language) {
            continue;
        }
        let entry = by_stem.entry(stem(&word.folded, language));
        let found =
            entry.or_insert_with(|| Count { times: 0, first: place, surface: word.text.to_lowercase() });
        found.times += 1;
    }
    Counts { by_stem }
}

/// The surface of the word in the most texts, when it is in more than one.
fn theme<'a>(counted: &'a [Counts], texts_with: &HashMap<&str, usize>) -> Option<&'a str> {
    let (stem, _) = texts_with
        .iter()
        .filter(|(_, texts)| **texts > 1)
        .max_by_key(|(stem, texts)| (**texts, total(counted, stem), std::cmp::Reverse(**stem)))?;
    counted.iter().find_map(|counts| counts.by_stem.get(*stem)).map(|count| count.surface.as_str())
}

fn total(counted: &[Counts], stem: &str) -> usize {
    counted.iter().filter_map(|counts| counts.by_stem.get(stem)).map(|count| count.times).sum()
}

fn telling(
    counts: &Counts,
    texts_with: &HashMap<&str, usize>,
    texts: usize,
    theme: Option<&str>,
) -> Vec<String> {
    let mut ranked: Vec<(f64, &Count)> = counts
        .by_stem
        .iter()
        .map(|(stem, count)| {
            let rarity =
                (1.0 + texts as f64 / texts_with.get(stem.as_str()).copied().unwrap_or(1) as f64).ln();
            (count.times as f64 * rarity, count)
        })
        .collect();
    ranked.sort_by(|(one, a), (other, b)| other.total_cmp(one).then(a.first.cmp(&b.first)));
    let theme = theme.map(str::to_owned);
    let mut chosen: Vec<String> = ranked
        .into_iter()
        .map(|(_, count)| count.surface.clone())
        .filter(|surface| Some(surface) != theme.as_ref())
        .take(KEYWORDS_MAX - usize::from(theme.is_some()))
        .collect();
    chosen.extend(theme);
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scenes_get_their_own_words_first_and_the_theme_last() {
        let texts = [
            "The tide lifts the boats. Boats rest on the mud at low tide.",
            "The moon pulls the tide. The moon is far.",
            "Twice a day the tide turns.",
        ];
        let keywords = of_each(&texts, &Language::of("en"));
        assert_eq!(keywords[0][0], "boats");
        assert_eq!(keywords[1][0], "moon");
        assert!(keywords.iter().all(|list| list.last().is_some_and(|last| last == "tide")), "{keywords:?}");
        assert!(keywords.iter().flatten().all(|word| !["the", "on", "a"].contains(&word.as_str())));
    }

    #[test]
    fn nothing_to_say_gives_no_keywords() {
        assert_eq!(of_each(&["", "the 12 of 3"], &Language::of("en")), [Vec::<String>::new(), Vec::new()]);
    }

    #[test]
    fn order_does_not_depend_on_the_hash() {
        let text = ["alpha beta gamma delta epsilon zeta eta theta"];
        let first = of_each(&text, &Language::of("en"));
        assert!((0..20).all(|_| of_each(&text, &Language::of("en")) == first));
        assert_eq!(first[0], ["alpha", "beta", "gamma", "delta", "epsilon", "zeta"]);
    }
}
