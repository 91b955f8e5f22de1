//! Sentences into scenes of about the same length, cut at paragraphs where that costs little.

use super::Sentence;
use reelmill_text::push_spaced;

/// One scene a paragraph.
pub fn by_paragraph(sentences: &[Sentence<'_>]) -> Vec<String> {
    sentences.chunk_by(|a, b| a.paragraph == b.paragraph).map(join).collect()
}

/// At most `scenes` runs of sentences whose lengths differ as little as can be: the cuts with the least sum of
/// squared differences from the mean, where a cut inside a paragraph counts as a small difference too.
pub fn balanced(sentences: &[Sentence<'_>], scenes: usize) -> Vec<String> {
    let count = sentences.len();
    let scenes = scenes.min(count);
    if scenes == 0 {
        return Vec::new();
    }
    let ends = cuts(sentences, scenes);
    let mut start = 0;
    ends.into_iter()
        .map(|end| {
            let run = &sentences[start..end];
            start = end;
            join(run)
        })
        .collect()
}

/// Where each run ends, by dynamic programming over (runs used, sentences covered).
fn cuts(sentences: &[Sentence<'_>], scenes: usize) -> Vec<usize> {
    let count = sentences.len();
    let mut until = vec![0.0; count + 1];
    for (place, sentence) in sentences.iter().enumerate() {
        until[place + 1] = until[place] + sentence.seconds;
    }
    let mean = until[count] / scenes as f64;
    let cut_cost = |at: usize| {
        let within = at < count && sentences[at].paragraph == sentences[at - 1].paragraph;
        if within { (0.2 * mean).powi(2) } else { 0.0 }
    };
    let mut best = vec![f64::INFINITY; count + 1];
    best[0] = 0.0;
    // For each number of runs, where the last of them starts when it ends at a place.
    let mut starts: Vec<Vec<usize>> = Vec::with_capacity(scenes);
    for runs in 1..=scenes {
        let mut next = vec![f64::INFINITY; count + 1];
        let mut from = vec![0; count + 1];
        for end in runs..=count {
            for start in runs - 1..end {
                let cost = best[start] + (until[end] - until[start] - mean).powi(2) + cut_cost(end);
                if cost < next[end] {
                    next[end] = cost;
                    from[end] = start;
                }
            }
        }
        best = next;
        starts.push(from);
    }
    let mut ends = vec![count];
    for from in starts[1..].iter().rev() {
        ends.push(from[ends[ends.len() - 1]]);
    }
    ends.reverse();
    ends
}

fn join(run: &[Sentence<'_>]) -> String {
    let mut joined = String::new();
    for sentence in run {
        push_spaced(&mut joined, sentence.text);
    }
    joined
}
