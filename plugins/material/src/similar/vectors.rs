//! A file of word vectors, of which only the words that are asked for are read. A text is the weighted mean of its
//! words, rare ones counting more (smooth inverse frequency; Arora, Liang and Ma, 2017).

use reelmill_sdk::prelude::*;
use reelmill_text::{Language, is_stop, words};
use std::collections::{HashMap, HashSet};
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;

/// Numbers of a word at the most.
const DIMENSIONS_MAX: usize = 4_096;
/// Bytes of a line at the most.
const LINE_BYTES_MAX: u64 = 128 * 1024;
/// Words of a file that are read: those beyond are too rare to matter.
const WORDS_MAX: usize = 4_000_000;
/// The parameter `a` of the weights `a / (a + p(word))`.
const SMOOTHING: f64 = 1e-3;
/// How often the attempt looks whether it should stop.
const LINES_BETWEEN_LOOKS: usize = 4_096;

/// Vectors of the words that were asked for.
pub struct Words {
    known: HashMap<String, (f32, Vec<f32>)>,
}

impl Words {
    /// Reads the vectors of the words of these texts.
    pub fn read<'a>(
        path: &Path,
        texts: impl Iterator<Item = &'a str>,
        language: &Language,
        cx: &Cx<'_>,
    ) -> Result<Self, StageError> {
        let wanted: HashSet<String> = texts.flat_map(|text| content(text, language)).collect();
        let file = std::fs::File::open(path)
            .map_err(|error| StageError::invalid_input(format!("`vectors` cannot be opened: {error}")))?;
        let known = read_lines(BufReader::with_capacity(1 << 20, file), &wanted, cx)?;
        Ok(Self { known })
    }

    /// The vector of a text; empty when none of its words is known.
    pub fn of(&self, text: &str, language: &Language) -> Vec<f32> {
        let mut sum: Vec<f32> = Vec::new();
        for word in content(text, language) {
            let Some((weight, vector)) = self.known.get(&word) else { continue };
            sum.resize(vector.len(), 0.0);
            sum.iter_mut().zip(vector).for_each(|(sum, x)| *sum += weight * x);
        }
        sum
    }
}

fn content(text: &str, language: &Language) -> Vec<String> {
    // File names join words by underscores.
    let spaced = text.replace('_', " ");
    words(&spaced)
        .into_iter()
        .filter(|word| !is_stop(&word.folded, language) && !word.folded.chars().all(char::is_numeric))
        .map(|word| word.folded)
        .collect()
}

fn read_lines(
    mut reader: impl std::io::BufRead,
    wanted: &HashSet<String>,
    cx: &Cx<'_>,
) -> Result<HashMap<String, (f32, Vec<f32>)>, StageError> {
    let mut known = HashMap::new();
    let (mut line, mut rank, mut dimensions) = (Vec::new(), 0_usize, 0);
    loop {
        line.clear();
        let read =
            reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line).context("read `vectors`")?;
        if read == 0 || rank >= WORDS_MAX || known.len() == wanted.len() {
            return Ok(known);
        }
        if rank.is_multiple_of(LINES_BETWEEN_LOOKS) {
            cx.check()?;
        }
        let text = String::from_utf8_lossy(&line);
        let Some((word, numbers)) = text.trim_end().split_once(' ') else { continue };
        // The first line of fastText's files says how many words and numbers follow.
        if rank == 0 && numbers.split(' ').count() == 1 {
            continue;
        }
        rank += 1;
        let folded = reelmill_text::fold(word);
        if !wanted.contains(&folded) || known.contains_key(&folded) {
            continue;
        }
        let vector: Vec<f32> = numbers.split_whitespace().filter_map(|number| number.parse().ok()).collect();
        if dimensions == 0 {
            dimensions = vector.len();
        }
        if vector.len() != dimensions || dimensions == 0 || dimensions > DIMENSIONS_MAX {
            return Err(StageError::invalid_input(format!(
                "`vectors` is no file of word vectors: the line of `{folded}` has {} numbers, where {} were expected; \
                 it must be text, one word and its numbers a line",
                vector.len(),
                dimensions.max(1)
            ))
            .code("bad_vectors"));
        }
        known.insert(folded, (weight(rank), vector));
    }
}

/// Files are given out with the most frequent word first, and the frequency of words falls with their rank (Zipf).
#[expect(clippy::cast_possible_truncation, reason = "a weight between 0 and 1")]
fn weight(rank: usize) -> f32 {
    // The sum of 1/rank over a million ranks.
    const HARMONIC: f64 = 14.4;
    let frequency = 1.0 / (rank as f64 * HARMONIC);
    (SMOOTHING / (SMOOTHING + frequency)) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use reelmill_sdk::testing::Bench;

    const FILE: &str = "5 3\nthe 1 1 1\nsea 1 0 0\nocean 0.9 0.1 0\nTree 0 1 0\nforest 0 0.9 0.2\n";

    fn read(content: &str, texts: &[&str]) -> Result<Words, StageError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("small.vec");
        std::fs::write(&path, content).unwrap();
        let bench = Bench::new(folder.path());
        Words::read(&path, texts.iter().copied(), &Language::of("en"), &bench.cx())
    }

    #[test]
    fn words_that_mean_the_same_are_near_without_being_the_same() {
        let words = read(FILE, &["the ocean", "sea_waves", "trees tree"]).unwrap();
        let language = Language::of("en");
        assert_eq!(words.known.len(), 3, "only what was asked for is kept");
        let query = words.of("ocean", &language);
        let documents = ["sea_waves", "the tree", "unknown"].map(|text| words.of(text, &language));
        let scores = super::super::scores(&query, &documents);
        assert!(scores[0] > 0.9 && scores[1] < 0.3 && scores[2] < f64::EPSILON, "{scores:?}");
    }

    #[test]
    fn rare_words_weigh_more() {
        assert!(weight(1) < 0.02 && weight(100) > 0.5 && weight(100_000) > 0.99);
    }

    #[test]
    fn what_is_no_file_of_vectors_is_refused() {
        for content in ["sea one two\n", "sea 1 2\nocean 1 2 3\n"] {
            let error = read(content, &["sea ocean"]).map(|_| ()).unwrap_err();
            assert_eq!(error.failure().code, "bad_vectors", "{content}");
        }
    }
}
