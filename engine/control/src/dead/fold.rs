//! Messages of failures as kinds of messages: what differs from one failure to the next of the same cause (numbers,
//! paths, ids) is folded into a word.

/// Characters of a folded message; the rest is cut.
const CHARS_MAX: usize = 200;

/// A message with its numbers, paths, addresses and ids folded.
pub fn fold(message: &str) -> String {
    let mut folded = String::new();
    let mut word = String::new();
    for c in message.chars() {
        if c.is_whitespace() || "\"'`()[]{}<>,;=|".contains(c) {
            push(&mut folded, &mut word);
            let blank = c.is_whitespace();
            if !blank {
                folded.push(c);
            } else if !folded.ends_with(' ') {
                folded.push(' ');
            }
        } else {
            word.push(c);
        }
        if folded.len() > CHARS_MAX * 4 {
            break;
        }
    }
    push(&mut folded, &mut word);
    folded.trim().chars().take(CHARS_MAX).collect()
}

/// Appends a word, folded, and begins the next one.
fn push(folded: &mut String, word: &mut String) {
    let core = word.trim_end_matches(['.', ':', '!', '?']);
    let rest = &word[core.len()..];
    if core.contains("://") {
        folded.push_str("URL");
    } else if core.len() > 1 && core.contains('/') {
        folded.push_str("PATH");
    } else if is_id(core) {
        folded.push_str("ID");
    } else {
        numbers(folded, core);
    }
    folded.push_str(rest);
    word.clear();
}

/// Whether a word is a ULID, a UUID, a digest or the like: letters and digits mixed, and many of them.
fn is_id(word: &str) -> bool {
    let bare = word.rsplit_once(':').map_or(word, |(_, id)| id);
    let letters = bare.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
    let ulid = bare.len() == 26 && bare.chars().all(|c| c.is_ascii_digit() || c.is_ascii_uppercase());
    let mixed =
        bare.contains(|c: char| c.is_ascii_digit()) && bare.contains(|c: char| c.is_ascii_alphabetic());
    mixed && (ulid || (letters && bare.len() >= 8))
}

/// Appends a word with `N` for each number in it; `1.5` and `1,000` are one number.
fn numbers(folded: &mut String, word: &str) {
    let mut chars = word.chars().peekable();
    while let Some(c) = chars.next() {
        if !c.is_ascii_digit() {
            folded.push(c);
            continue;
        }
        folded.push('N');
        while let Some(next) = chars.peek() {
            let more = next.is_ascii_digit() || (*next == '.' && is_digit_after_point(&chars));
            if !more {
                break;
            }
            chars.next();
        }
    }
}

fn is_digit_after_point(chars: &std::iter::Peekable<std::str::Chars<'_>>) -> bool {
    chars.clone().nth(1).is_some_and(|c| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_between_failures_of_one_cause_is_folded() {
        for (message, folded) in [
            ("exit status 137 after 12.5 s", "exit status N after N s"),
            ("cannot open /tmp/a7/clip 3.mp4: no such file", "cannot open PATH N.mpN: no such file"),
            ("GET https://api.test:8080/v1?q=7 answered 503.", "GET URL=N answered N."),
            ("run 01JD8Y3V7QZ5M2R9W4T6XKBCDE is gone", "run ID is gone"),
            ("blake3:0f3a9c2e11 (id=550e8400-e29b-41d4-a716-446655440000)", "ID (id=ID)"),
            ("defaced  facade\n\tv2", "defaced facade vN"),
            ("a / b", "a / b"),
            ("", ""),
        ] {
            assert_eq!(fold(message), folded, "{message}");
        }
        assert_eq!(fold(&"é".repeat(10_000)).chars().count(), CHARS_MAX);
        assert_eq!(fold(&fold("took 12.5 s of /x/y")), fold("took 12.5 s of /x/y"));
    }
}
