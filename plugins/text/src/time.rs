//! How long a text takes to say.

use crate::{Language, is_cjk, sentences};

/// The rest after a sentence, in seconds.
const SENTENCE_REST: f64 = 0.35;
/// Words a second of an English narrator (about 160 a minute).
const WORDS_PER_SECOND: f64 = 2.7;
/// Characters a second of a Chinese one.
const HAN_PER_SECOND: f64 = 4.5;
/// Characters a second of scripts that write words without spaces between them: Thai, Lao, Khmer, Burmese.
const UNSPACED_PER_SECOND: f64 = 9.0;

/// What speech is counted in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unit {
    /// Words, where they stand between spaces.
    Words,
    /// Characters, where they do not.
    Characters,
}

/// How fast a narrator reads a language, pauses within sentences included: the unit, and how many of it a second.
///
/// The proportions are those of reading aloud in the standardised texts of `IReST` (Trauzettel-Klosinski and Dietz,
/// 2012), at the pace of an English narrator of 160 words a minute; a language that was not measured has the mean.
#[must_use]
pub fn speech_rate(language: &Language) -> (Unit, f64) {
    let words = |per_minute: f64| (Unit::Words, WORDS_PER_SECOND * per_minute / 228.0);
    match language.tag() {
        "zh" => (Unit::Characters, HAN_PER_SECOND),
        "ja" => (Unit::Characters, 5.8),
        "th" | "lo" | "km" | "my" => (Unit::Characters, UNSPACED_PER_SECOND),
        "en" => words(228.0),
        "es" => words(218.0),
        "nl" => words(202.0),
        "sv" | "no" | "da" => words(199.0),
        "fr" => words(195.0),
        "it" => words(188.0),
        "he" => words(187.0),
        "pt" => words(181.0),
        "sl" => words(180.0),
        "de" => words(179.0),
        "pl" | "tr" => words(166.0),
        "fi" => words(161.0),
        "ar" => words(138.0),
        // Russian has the mean, too.
        _ => words(184.0),
    }
}

/// An estimate, in seconds, for planning; speech itself is measured when it is made.
#[must_use]
pub fn spoken_seconds(text: &str, language: &Language) -> f64 {
    let characters = text.chars().filter(|mark| is_cjk(*mark)).count();
    let unspaced = text.chars().filter(|mark| is_unspaced(*mark)).count();
    let words = text
        .split_whitespace()
        .filter(|word| word.chars().any(|mark| mark.is_alphanumeric() && !is_cjk(mark) && !is_unspaced(mark)))
        .count();
    let (words_rate, characters_rate) = match (speech_rate(language), language.tag()) {
        ((Unit::Words, rate), _) => (rate, HAN_PER_SECOND),
        ((Unit::Characters, rate), "zh" | "ja") => (WORDS_PER_SECOND, rate),
        _ => (WORDS_PER_SECOND, HAN_PER_SECOND),
    };
    words as f64 / words_rate
        + characters as f64 / characters_rate
        + unspaced as f64 / UNSPACED_PER_SECOND
        + sentences(text).len() as f64 * SENTENCE_REST
}

const fn is_unspaced(mark: char) -> bool {
    matches!(mark, '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(text: &str, tag: &str) -> f64 {
        spoken_seconds(text, &Language::of(tag))
    }

    #[test]
    fn time_grows_with_words_in_either_script() {
        assert!(seconds("", "en") < f64::EPSILON);
        let short = seconds("The tide comes in.", "en");
        let long = seconds("The tide comes in twice a day, and twice a day it goes out again.", "en");
        assert!(short > 1.0 && short < 3.0, "{short}");
        assert!(long > 2.0 * short, "{long}");
        assert!(seconds("潮水每天涨落两次。", "zh") > 1.5);
        let thai = seconds("น้ำทะเลขึ้นลงวันละสองครั้ง", "th");
        assert!(thai > 2.0 && thai < 5.0, "{thai}");
    }

    #[test]
    fn a_language_of_long_words_takes_longer_for_as_many() {
        let text = "one two three four five six seven eight nine ten";
        assert!(seconds(text, "fi") > 1.3 * seconds(text, "en"));
        assert!(seconds("潮水每天涨落两次", "ja") < seconds("潮水每天涨落两次", "zh"));
    }
}
