//! How well a file's words fit a query: BM25 (Robertson and Walker, 1994) over stems, where a word of a sidecar
//! file's keywords counts more than one of its description.

use reelmill_text::{Language, is_stop, stem, words};
use std::collections::HashMap;

/// How fast more of the same word stops helping.
const K1: f64 = 1.2;
/// How much long descriptions are held against a file.
const B: f64 = 0.75;

/// A file's words, as stems with weights.
#[derive(Clone, Debug, Default)]
pub struct Document {
    weights: HashMap<String, f64>,
    length: f64,
}

impl Document {
    /// Adds a text whose words count as much as `weight` words.
    pub fn add(&mut self, text: &str, weight: f64, language: &Language) {
        for stem in stems(text, language) {
            *self.weights.entry(stem).or_default() += weight;
            self.length += weight;
        }
    }
}

/// The content stems of a text. A file name joins words by underscores and case (`stormySea_02`).
fn stems(text: &str, language: &Language) -> Vec<String> {
    let mut spaced = String::with_capacity(text.len() + 8);
    let mut before = ' ';
    for mark in text.chars() {
        if mark.is_uppercase() && before.is_lowercase() || mark.is_numeric() != before.is_numeric() {
            spaced.push(' ');
        }
        spaced.push(if mark == '_' { ' ' } else { mark });
        before = mark;
    }
    words(&spaced)
        .into_iter()
        .filter(|word| !is_stop(&word.folded, language) && !word.folded.chars().all(char::is_numeric))
        .map(|word| stem(&word.folded, language))
        .collect()
}

/// All documents, ready to be asked.
pub struct Ranking<'a> {
    documents: &'a [Document],
    holders: HashMap<&'a str, usize>,
    mean_length: f64,
    language: &'a Language,
}

impl<'a> Ranking<'a> {
    /// Counts the words of all documents.
    pub fn new(documents: &'a [Document], language: &'a Language) -> Self {
        let mut holders: HashMap<&str, usize> = HashMap::new();
        for stem in documents.iter().flat_map(|document| document.weights.keys()) {
            *holders.entry(stem).or_default() += 1;
        }
        let total: f64 = documents.iter().map(|document| document.length).sum();
        Self { documents, holders, mean_length: (total / documents.len().max(1) as f64).max(1.0), language }
    }

    /// The score of every document for a query whose first parts tell most.
    pub fn scores(&self, query: &[String]) -> Vec<f64> {
        let mut scores = vec![0.0; self.documents.len()];
        let mut seen: Vec<String> = Vec::new();
        for (place, part) in query.iter().enumerate() {
            let weight = 1.0 / (1.0 + 0.15 * place as f64);
            for stem in stems(part, self.language) {
                if seen.contains(&stem) {
                    continue;
                }
                let rarity = self.rarity(&stem);
                for (score, document) in scores.iter_mut().zip(self.documents) {
                    *score += weight * rarity * self.saturated(document, &stem);
                }
                seen.push(stem);
            }
        }
        scores
    }

    fn rarity(&self, stem: &str) -> f64 {
        let all = self.documents.len() as f64;
        let holders = self.holders.get(stem).copied().unwrap_or(0) as f64;
        (1.0 + (all - holders + 0.5) / (holders + 0.5)).ln()
    }

    fn saturated(&self, document: &Document, stem: &str) -> f64 {
        let Some(weight) = document.weights.get(stem) else { return 0.0 };
        weight * (K1 + 1.0) / (weight + K1 * (1.0 - B + B * document.length / self.mean_length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores(files: &[&str], query: &[&str]) -> Vec<f64> {
        let language = Language::of("en");
        let documents: Vec<Document> = files
            .iter()
            .map(|file| {
                let mut document = Document::default();
                document.add(file, 1.0, &language);
                document
            })
            .collect();
        let query: Vec<String> = query.iter().map(|part| (*part).to_owned()).collect();
        Ranking::new(&documents, &language).scores(&query)
    }

    #[test]
    fn names_are_read_whatever_joins_their_words() {
        let scores = scores(&["stormySea_02", "STORMY-SEAS", "storm sea", "forest"], &["stormy sea"]);
        assert!(scores[0] > 0.0 && scores[1] > 0.0 && scores[2] > 0.0);
        assert!(scores[3] < f64::EPSILON);
    }

    #[test]
    fn rare_words_and_first_words_tell_more() {
        let files = ["sea lighthouse", "sea waves", "sea boat", "sea gulls"];
        let by_rarity = scores(&files, &["sea lighthouse"]);
        assert!(by_rarity[0] > 2.0 * by_rarity[1], "{by_rarity:?}");
        let by_place = scores(&files, &["waves", "boat"]);
        assert!(by_place[1] > by_place[2] && by_place[2] > 0.0, "{by_place:?}");
    }

    #[test]
    fn a_repeated_query_word_counts_once() {
        let once = scores(&["sea", "boat"], &["sea"]);
        assert_eq!(once, scores(&["sea", "boat"], &["sea sea the seas"]));
        assert_eq!(scores(&[], &["sea"]), Vec::<f64>::new());
    }
}
