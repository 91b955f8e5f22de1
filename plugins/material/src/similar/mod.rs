//! Finding files by what their words mean, where something is given that knows: a file of word vectors, or an
//! endpoint for embeddings. Scores are cosines; what lies below a threshold does not fit.

mod endpoint;
mod vectors;

pub use endpoint::{Embeddings, embed};
pub use vectors::Words;

/// A cosine below this is chance.
const COSINE_MIN: f32 = 0.3;

/// How well each document fits a query, 0 to 1.
pub fn scores(query: &[f32], documents: &[Vec<f32>]) -> Vec<f64> {
    let fit = |document: &Vec<f32>| {
        let cosine = cosine(query, document);
        if cosine < COSINE_MIN { 0.0 } else { f64::from(cosine) }
    };
    documents.iter().map(fit).collect()
}

/// 0 where one of both has no direction.
fn cosine(one: &[f32], other: &[f32]) -> f32 {
    let dot: f32 = one.iter().zip(other).map(|(a, b)| a * b).sum();
    let length = |vector: &[f32]| vector.iter().map(|x| x * x).sum::<f32>().sqrt();
    let lengths = length(one) * length(other);
    if lengths > f32::EPSILON && lengths.is_finite() { dot / lengths } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_points_the_same_way_fits() {
        let documents = [vec![2.0, 0.0], vec![1.0, 1.0], vec![0.1, 1.0], vec![0.0, 0.0], vec![-1.0, 0.0]];
        let scores = scores(&[1.0, 0.0], &documents);
        assert!((scores[0] - 1.0).abs() < 1e-6 && scores[1] > 0.7 && scores[1] < 0.71, "{scores:?}");
        assert_eq!(scores[2..], [0.0, 0.0, 0.0]);
    }
}
