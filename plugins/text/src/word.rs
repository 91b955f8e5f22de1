//! Words as they stand and as they are compared.

/// A word of a text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Word<'a> {
    /// As it stands in the text.
    pub text: &'a str,
    /// Byte offset in the text.
    pub start: usize,
    /// Folded for comparison, not stemmed.
    pub folded: String,
}

/// The words of a text: runs of letters and digits, with apostrophes and hyphens between them left out of the
/// folded form. A script without spaces (Chinese, Japanese) gives overlapping pairs of characters.
#[must_use]
pub fn words(text: &str) -> Vec<Word<'_>> {
    let mut found = Vec::new();
    let mut run: Option<usize> = None;
    let mut previous_cjk: Option<usize> = None;
    for (at, mark) in text.char_indices() {
        let cjk = is_cjk(mark);
        if cjk || !is_word_mark(mark) {
            close(text, &mut run, at, &mut found);
        } else if run.is_none() {
            run = Some(at);
        }
        if cjk {
            let end = at + mark.len_utf8();
            if let Some(start) = previous_cjk {
                found.push(Word { text: &text[start..end], start, folded: text[start..end].to_owned() });
            }
            previous_cjk = Some(at);
        } else {
            previous_cjk = None;
        }
    }
    close(text, &mut run, text.len(), &mut found);
    found
}

fn close<'a>(text: &'a str, run: &mut Option<usize>, end: usize, found: &mut Vec<Word<'a>>) {
    let Some(start) = run.take() else { return };
    let word = text[start..end].trim_matches(|c: char| !c.is_alphanumeric());
    if word.is_empty() {
        return;
    }
    let start = start + text[start..end].find(word).unwrap_or(0);
    found.push(Word { text: word, start, folded: fold(word) });
}

fn is_word_mark(mark: char) -> bool {
    mark.is_alphanumeric() || matches!(mark, '\'' | '’')
}

/// Whether a character belongs to a script written without spaces between words.
#[must_use]
pub const fn is_cjk(mark: char) -> bool {
    matches!(mark, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}'
        | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{2fa1f}')
}

/// Adds a word or a sentence to a line, with a space between them where the script has one.
pub fn push_spaced(line: &mut String, text: &str) {
    let touches = line.chars().next_back().is_some_and(is_wide) && text.starts_with(is_wide);
    if !line.is_empty() && !touches {
        line.push(' ');
    }
    line.push_str(text);
}

/// Characters of scripts without spaces, and their punctuation.
const fn is_wide(mark: char) -> bool {
    is_cjk(mark) || matches!(mark, '\u{3000}'..='\u{303f}' | '\u{ff00}'..='\u{ffef}')
}

/// Lower case, without the accents of Latin letters and without apostrophes: `Café` becomes `cafe`.
#[must_use]
pub fn fold(word: &str) -> String {
    let mut folded = String::with_capacity(word.len());
    for mark in word.chars().flat_map(char::to_lowercase) {
        match unaccented(mark) {
            Some(letters) => folded.push_str(letters),
            None if matches!(mark, '\'' | '’') => {}
            // Combining accents of decomposed text.
            None if matches!(mark, '\u{300}'..='\u{36f}') => {}
            None => folded.push(mark),
        }
    }
    folded
}

/// The ASCII spelling of a lower-case Latin letter with an accent; `None` for every other character.
#[must_use]
pub const fn unaccented(mark: char) -> Option<&'static str> {
    Some(match mark {
        'à'..='å' | 'ā' | 'ă' | 'ą' => "a",
        'æ' => "ae",
        'ç' | 'ć' | 'ĉ' | 'ċ' | 'č' => "c",
        'ď' | 'đ' | 'ð' => "d",
        'è'..='ë' | 'ē' | 'ĕ' | 'ė' | 'ę' | 'ě' => "e",
        'ĝ' | 'ğ' | 'ġ' | 'ģ' => "g",
        'ĥ' | 'ħ' => "h",
        'ì'..='ï' | 'ĩ' | 'ī' | 'ĭ' | 'į' | 'ı' => "i",
        'ĵ' => "j",
        'ķ' => "k",
        'ĺ' | 'ļ' | 'ľ' | 'ł' => "l",
        'ñ' | 'ń' | 'ņ' | 'ň' => "n",
        'ò'..='ö' | 'ø' | 'ō' | 'ŏ' | 'ő' => "o",
        'œ' => "oe",
        'ŕ' | 'ŗ' | 'ř' => "r",
        'ś' | 'ŝ' | 'ş' | 'š' | 'ș' => "s",
        'ß' => "ss",
        'ţ' | 'ť' | 'ŧ' | 'ț' => "t",
        'þ' => "th",
        'ù'..='ü' | 'ũ' | 'ū' | 'ŭ' | 'ů' | 'ű' | 'ų' => "u",
        'ŵ' => "w",
        'ý' | 'ÿ' | 'ŷ' => "y",
        'ź' | 'ż' | 'ž' => "z",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(text: &str) -> Vec<String> {
        words(text).into_iter().map(|w| w.folded).collect()
    }

    #[test]
    fn words_leave_punctuation_behind() {
        assert_eq!(
            folded("'It's a well-known CAFÉ,' she said."),
            ["its", "a", "well", "known", "cafe", "she", "said"]
        );
    }

    #[test]
    fn offsets_point_at_the_word() {
        let text = "« Ångström » 3,500";
        for word in words(text) {
            assert_eq!(&text[word.start..word.start + word.text.len()], word.text);
        }
        assert_eq!(folded(text), ["angstrom", "3", "500"]);
    }

    #[test]
    fn lines_have_spaces_where_the_script_has() {
        let line = |parts: &[&str]| {
            let mut line = String::new();
            for part in parts {
                push_spaced(&mut line, part);
            }
            line
        };
        assert_eq!(line(&["The", "tide."]), "The tide.");
        assert_eq!(line(&["潮", "水。", "月", "AI", "亮"]), "潮水。月 AI 亮");
    }

    #[test]
    fn chinese_gives_pairs() {
        assert_eq!(folded("潮水涨 AI"), ["潮水", "水涨", "ai"]);
    }
}
