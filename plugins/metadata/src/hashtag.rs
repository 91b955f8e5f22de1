//! Hashtags: letters, digits and underscores, never digits alone. Pure.

/// Characters of a hashtag at the most: a longer one is a sentence.
const CHARS_MAX: usize = 40;

/// The hashtag of some words: `deep sea` is `#DeepSea`; nothing when no letter is left.
pub fn of(words: &str) -> Option<String> {
    let parts: Vec<&str> = words
        .split(|mark: char| !mark.is_alphanumeric() && mark != '_')
        .filter(|part| !part.is_empty())
        .collect();
    let mut tag = String::from("#");
    for part in &parts {
        let mut marks = part.chars();
        // One word stays as it is written; several are told apart by their first letters.
        match marks.next() {
            Some(first) if parts.len() > 1 => {
                tag.extend(first.to_uppercase());
                tag.push_str(marks.as_str());
            }
            _ => tag.push_str(part),
        }
    }
    let is_one = tag.chars().any(char::is_alphabetic) && tag.chars().count() <= CHARS_MAX;
    is_one.then_some(tag)
}

/// Hashtags of many words, each once, whatever its case.
pub fn list<'a>(words: impl Iterator<Item = &'a str>, max: usize) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for tag in words.filter_map(of) {
        if found.len() == max {
            break;
        }
        if !found.iter().any(|known| known.to_lowercase() == tag.to_lowercase()) {
            found.push(tag);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_become_hashtags() {
        for (words, tag) in [
            ("deep sea", Some("#DeepSea")),
            ("#tides", Some("#tides")),
            ("rock'n'roll", Some("#RockNRoll")),
            ("\u{6f6e}\u{6c50}", Some("#\u{6f6e}\u{6c50}")),
            ("2027", None),
            ("!?", None),
        ] {
            assert_eq!(of(words).as_deref(), tag, "{words}");
        }
        assert_eq!(of(&"a".repeat(60)), None);
        assert_eq!(list(["sea", "Sea", "boat", "tide"].into_iter(), 2), ["#sea", "#boat"]);
    }
}
