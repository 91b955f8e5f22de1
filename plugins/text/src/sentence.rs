//! Paragraphs and sentences, kept word for word: only white space is changed.

/// Abbreviations after which a full stop does not end a sentence, lower case, without the stop.
const ABBREVIATIONS: &[&str] = &[
    "mr", "mrs", "ms", "dr", "prof", "st", "sr", "jr", "vs", "etc", "e.g", "i.e", "cf", "approx", "fig",
    "no", "vol", "al", "inc", "ltd", "z.b", "bzw", "ca", "usw", "d.h", "bl.a", "f.eks", "osv", "dvs", "p.ex",
    "sra",
];

/// Runs of white space become one space, and none is left at the ends.
#[must_use]
pub fn squeeze(text: &str) -> String {
    let mut squeezed = String::with_capacity(text.len());
    for part in text.split_whitespace() {
        if !squeezed.is_empty() {
            squeezed.push(' ');
        }
        squeezed.push_str(part);
    }
    squeezed
}

/// Paragraphs: runs of lines between empty lines, each squeezed to one line.
#[must_use]
pub fn paragraphs(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut lines = String::new();
    for line in text.lines().chain(std::iter::once("")) {
        if line.trim().is_empty() {
            if !lines.is_empty() {
                found.push(squeeze(&lines));
                lines.clear();
            }
        } else {
            lines.push_str(line);
            lines.push(' ');
        }
    }
    found
}

/// The sentences of one paragraph, in order, without the white space between them.
#[must_use]
pub fn sentences(paragraph: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut start = 0;
    let mut marks = paragraph.char_indices().peekable();
    while let Some((at, mark)) = marks.next() {
        if !is_end(mark) {
            continue;
        }
        let mut end = at + mark.len_utf8();
        while let Some(&(next, follower)) = marks.peek() {
            if !is_end(follower) && !is_closing(follower) {
                break;
            }
            end = next + follower.len_utf8();
            marks.next();
        }
        if ends_here(mark, &paragraph[start..at], &paragraph[end..]) {
            push_trimmed(&mut found, &paragraph[start..end]);
            start = end;
        }
    }
    push_trimmed(&mut found, &paragraph[start..]);
    found
}

fn push_trimmed<'a>(found: &mut Vec<&'a str>, text: &'a str) {
    let text = text.trim();
    if !text.is_empty() {
        found.push(text);
    }
}

const fn is_end(mark: char) -> bool {
    matches!(mark, '.' | '!' | '?' | '…' | '。' | '！' | '？' | '｡')
}

const fn is_closing(mark: char) -> bool {
    matches!(mark, '"' | '\'' | ')' | ']' | '”' | '’' | '»' | '」' | '』' | '）' | '】')
}

/// Whether a mark between `before` and `after` ends a sentence.
fn ends_here(mark: char, before: &str, after: &str) -> bool {
    if matches!(mark, '。' | '！' | '？' | '｡') {
        return true;
    }
    let Some(next) = after.chars().next() else { return true };
    if !next.is_whitespace() {
        return false;
    }
    // A small letter goes on with the sentence: an abbreviation, or speech in quotes (“Really?” he asked).
    let follower =
        after.chars().find(|c| !c.is_whitespace() && !matches!(c, '"' | '\'' | '(' | '“' | '‘' | '«'));
    if follower.is_some_and(char::is_lowercase) {
        return false;
    }
    if mark != '.' {
        return true;
    }
    let last = before.rsplit(char::is_whitespace).next().unwrap_or_default();
    let last = last.trim_start_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
    let is_initial = last.chars().count() == 1 && last.chars().all(char::is_alphabetic) && last != "i";
    !is_initial && !ABBREVIATIONS.contains(&last.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_end_where_readers_end_them() {
        let text = "Dr. Smith paid 3.50 to J. Doe. \"Really?\" he asked. Yes... Maybe! See e.g. the tide";
        assert_eq!(
            sentences(text),
            [
                "Dr. Smith paid 3.50 to J. Doe.",
                "\"Really?\" he asked.",
                "Yes...",
                "Maybe!",
                "See e.g. the tide"
            ]
        );
    }

    #[test]
    fn chinese_needs_no_space() {
        assert_eq!(sentences("潮水涨了。月亮升起来！好吗？"), ["潮水涨了。", "月亮升起来！", "好吗？"]);
    }

    #[test]
    fn nothing_gives_nothing_and_marks_alone_do_not_panic() {
        assert!(sentences("").is_empty());
        assert_eq!(sentences("... !? \u{2026}"), ["...", "!?", "\u{2026}"]);
    }

    #[test]
    fn paragraphs_are_split_at_empty_lines_only() {
        assert_eq!(paragraphs("one\n two\r\n\n \n\nthree  four\n"), ["one two", "three four"]);
    }
}
