//! How long a text takes to say.

use crate::{is_cjk, sentences};

/// Words a narrator says in a second, pauses within sentences included (about 160 a minute).
const WORDS_PER_SECOND: f64 = 2.7;
/// Characters a Chinese or Japanese narrator says in a second.
const CHARACTERS_PER_SECOND: f64 = 4.5;
/// The rest after a sentence, in seconds.
const SENTENCE_REST: f64 = 0.35;

/// An estimate, in seconds, for planning; speech itself is measured when it is made.
#[must_use]
pub fn spoken_seconds(text: &str) -> f64 {
    let characters = text.chars().filter(|mark| is_cjk(*mark)).count();
    let words = text
        .split_whitespace()
        .filter(|word| word.chars().any(|mark| mark.is_alphanumeric() && !is_cjk(mark)))
        .count();
    words as f64 / WORDS_PER_SECOND
        + characters as f64 / CHARACTERS_PER_SECOND
        + sentences(text).len() as f64 * SENTENCE_REST
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_grows_with_words_in_either_script() {
        assert!(spoken_seconds("") < f64::EPSILON);
        let short = spoken_seconds("The tide comes in.");
        let long = spoken_seconds("The tide comes in twice a day, and twice a day it goes out again.");
        assert!(short > 1.0 && short < 3.0, "{short}");
        assert!(long > 2.0 * short, "{long}");
        assert!(spoken_seconds("潮水每天涨落两次。") > 1.5);
    }
}
