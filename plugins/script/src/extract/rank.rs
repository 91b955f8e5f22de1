//! How telling each sentence is: `TextRank` (Mihalcea and Tarau, 2004) over the words sentences share, weighed by
//! where a sentence stands and how it would sound out of its place.

use super::Sentence;
use reelmill_text::{Language, is_stop, stem, words};
use std::collections::HashMap;

/// The distinct stems of a sentence's content words, sorted.
pub fn terms(text: &str, language: &Language) -> Vec<String> {
    let mut terms: Vec<String> = words(text)
        .into_iter()
        .filter(|word| !is_stop(&word.folded, language))
        .map(|word| stem(&word.folded, language))
        .collect();
    terms.sort_unstable();
    terms.dedup();
    terms
}

/// Shared terms over all terms of two sentences, 0 to 1.
pub fn likeness(one: &[String], other: &[String]) -> f64 {
    let shared = one.iter().filter(|term| other.binary_search(term).is_ok()).count();
    let all = one.len() + other.len() - shared;
    if all == 0 { 0.0 } else { shared as f64 / all as f64 }
}

/// A score for each sentence; only their order means something.
pub fn scores(sentences: &[Sentence<'_>], language: &Language) -> Vec<f64> {
    let terms: Vec<_> = sentences.iter().map(|sentence| terms(sentence.text, language)).collect();
    let ranks = text_rank(&links(&terms), sentences.len());
    sentences
        .iter()
        .enumerate()
        .map(|(place, sentence)| {
            ranks[place] * place_weight(place, sentence) * sound_weight(sentence, &terms[place])
        })
        .collect()
}

/// For each sentence, its neighbours and the weight of the link: shared terms over the logarithms of the lengths.
fn links(terms: &[Vec<String>]) -> Vec<Vec<(usize, f64)>> {
    let mut holders: HashMap<&str, Vec<usize>> = HashMap::new();
    for (place, list) in terms.iter().enumerate() {
        for term in list {
            holders.entry(term).or_default().push(place);
        }
    }
    let length = |place: usize| ((terms[place].len() + 1) as f64).ln();
    (0..terms.len())
        .map(|place| {
            let mut shared: HashMap<usize, f64> = HashMap::new();
            for term in &terms[place] {
                for other in &holders[term.as_str()] {
                    if *other != place {
                        *shared.entry(*other).or_default() += 1.0;
                    }
                }
            }
            let mut linked: Vec<(usize, f64)> = shared
                .into_iter()
                .map(|(other, count)| (other, count / (length(place) + length(other))))
                .collect();
            // The order of a sum changes its last digit: sorted, so that equal texts give equal scripts.
            linked.sort_unstable_by_key(|(other, _)| *other);
            linked
        })
        .collect()
}

fn text_rank(links: &[Vec<(usize, f64)>], count: usize) -> Vec<f64> {
    const DAMPING: f64 = 0.85;
    const ROUNDS: usize = 40;
    const SETTLED: f64 = 1e-6;
    let out: Vec<f64> = links.iter().map(|linked| linked.iter().map(|(_, weight)| weight).sum()).collect();
    let mut ranks = vec![1.0; count];
    for _ in 0..ROUNDS {
        let next: Vec<f64> = links
            .iter()
            .map(|linked| {
                let votes: f64 =
                    linked.iter().map(|(other, weight)| ranks[*other] * weight / out[*other]).sum();
                1.0 - DAMPING + DAMPING * votes
            })
            .collect();
        let moved = ranks.iter().zip(&next).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        ranks = next;
        if moved < SETTLED {
            break;
        }
    }
    ranks
}

/// Writers put what matters first: of the text, and of each paragraph.
fn place_weight(place: usize, sentence: &Sentence<'_>) -> f64 {
    match (place, sentence.opens) {
        (0, _) => 1.5,
        (_, true) => 1.15,
        (_, false) => 1.0,
    }
}

/// Scraps, monsters, questions and sentences that lean on the one before do not stand well alone.
fn sound_weight(sentence: &Sentence<'_>, terms: &[String]) -> f64 {
    const LEANING: &[&str] = &[
        "this",
        "these",
        "that",
        "those",
        "it",
        "they",
        "he",
        "she",
        "however",
        "but",
        "and",
        "so",
        "such",
        "then",
        "therefore",
        "second",
        "another",
        "both",
        "also",
        "instead",
        "dette",
        "disse",
        "det",
        "men",
        "og",
        "dies",
        "diese",
        "aber",
        "und",
        "cela",
        "mais",
        "et",
        "esto",
        "pero",
        "y",
    ];
    let mut weight = 1.0;
    if terms.len() < 3 {
        weight *= 0.5;
    }
    if sentence.seconds > 16.0 {
        weight *= 0.7;
    }
    if sentence.text.ends_with('?') {
        weight *= 0.8;
    }
    if words(sentence.text).iter().take(2).any(|word| LEANING.contains(&word.folded.as_str())) {
        weight *= 0.75;
    }
    weight
}
