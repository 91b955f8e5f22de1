//! "Did you mean": the known word nearest to a mistyped one.

/// The candidate nearest to `word`, when it is near enough to be what was meant.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    let allowed = 1 + lower.chars().count() / 4;
    candidates
        .into_iter()
        .map(|candidate| (distance(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= allowed || is_part(&lower, candidate))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Whether a longer name was cut short: `upper` for `upperAscii`.
fn is_part(word: &str, candidate: &str) -> bool {
    word.len() >= 3 && candidate.to_lowercase().starts_with(word)
}

/// Insertions, deletions, replacements and swaps of neighbours between two words.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    let mut rows = vec![(0..=b.len()).collect::<Vec<usize>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_slip_is_understood_and_a_stranger_is_not() {
        let words = ["inputs", "stages", "upperAscii", "matrix"];
        assert_eq!(nearest("input", words), Some("inputs"));
        assert_eq!(nearest("satges", words), Some("stages"));
        assert_eq!(nearest("upper", words), Some("upperAscii"));
        assert_eq!(nearest("Matrix", words), Some("matrix"));
        assert_eq!(nearest("banana", words), None);
        assert_eq!(nearest("x", words), None);
    }
}
