//! "Did you mean": the nearest of a list of known words.

/// The known word nearest to what was written, when it is near enough to be what was meant.
#[must_use]
pub fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A longer word may have more typing errors; above this length nothing is a slip of the finger.
    if written.len() > 64 {
        return None;
    }
    let allowed = (written.chars().count() / 3).clamp(1, 3);
    let lower = written.to_lowercase();
    known
        .into_iter()
        .filter(|word| word.len() <= 64)
        .map(|word| (distance(&lower, &word.to_lowercase()), word))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// `did you mean …?`, or the list of what is there when nothing is near.
#[must_use]
pub fn or_list<'a>(
    written: &str,
    known: impl IntoIterator<Item = &'a str> + Clone,
    nothing: &str,
) -> Option<String> {
    const SHOWN: usize = 12;
    if let Some(word) = nearest(written, known.clone()) {
        return Some(format!("did you mean `{word}`?"));
    }
    let all: Vec<&str> = known.into_iter().collect();
    if all.is_empty() {
        return Some(nothing.to_owned()).filter(|text| !text.is_empty());
    }
    let shown: Vec<String> = all.iter().take(SHOWN).map(|word| format!("`{word}`")).collect();
    let more = if all.len() > SHOWN { format!(" and {} more", all.len() - SHOWN) } else { String::new() };
    Some(format!("known: {}{more}", shown.join(", ")))
}

/// Edits (insert, delete, replace, swap of neighbours) that turn one word into the other.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replace = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replace.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_the_finger_are_found_and_other_words_are_not() {
        let known = ["speech", "material", "clip"];
        for (written, found) in
            [("spech", Some("speech")), ("speehc", Some("speech")), ("Clip", Some("clip")), ("render", None)]
        {
            assert_eq!(nearest(written, known), found, "{written}");
        }
    }
}
