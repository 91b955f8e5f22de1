//! How many syllables a word has: an estimate by its vowels, good enough to share time among words.

use crate::{fold, is_cjk};

/// Vowels of Cyrillic and Greek, each a syllable.
const VOWELS: &str = "аеёиоуыэюяіїєАЕЁИОУЫЭЮЯІЇЄαεηιουωάέήίόύώΑΕΗΙΟΥΩ";
/// Signs that are read as words.
const SIGNS: &str = "%&+=$€£@";

/// Syllables of a word; at least one for everything that can be said.
#[must_use]
pub fn syllables(word: &str) -> usize {
    let mut count = 0;
    let mut latin = String::new();
    for mark in word.chars() {
        if is_cjk(mark) || matches!(mark, '\u{ac00}'..='\u{d7af}') || VOWELS.contains(mark) {
            count += 1;
        } else if mark.is_ascii_digit() || SIGNS.contains(mark) {
            count += 2;
        } else {
            latin.push(mark);
        }
    }
    count += latin_syllables(&fold(&latin));
    // Scripts that write few vowels or none: two letters a syllable.
    let unvowelled =
        word.chars().filter(|mark| matches!(mark, '\u{590}'..='\u{7bf}' | '\u{900}'..='\u{1fff}')).count();
    (count + unvowelled / 2).max(1)
}

/// Groups of vowels, without the silent e at the end of many words.
fn latin_syllables(folded: &str) -> usize {
    let is_vowel = |letter: char| "aeiouy".contains(letter);
    let mut groups = 0;
    let mut was_vowel = false;
    for letter in folded.chars() {
        groups += usize::from(is_vowel(letter) && !was_vowel);
        was_vowel = is_vowel(letter);
    }
    let letters: Vec<char> = folded.chars().filter(|letter| letter.is_alphabetic()).collect();
    let ends_silent = matches!(letters.as_slice(), [.., before, 'e'] if !is_vowel(*before) && *before != 'l');
    // Without a vowel it is spelled: "TV", "km".
    let spelled = if groups == 0 { letters.iter().filter(|letter| letter.is_ascii()).count() } else { 0 };
    groups - usize::from(ends_silent && groups > 1) + spelled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_many_scripts_have_about_as_many_syllables_as_people_count() {
        for (word, count) in [
            ("the", 1),
            ("“tide,”", 1),
            ("lighthouses", 3),
            ("little", 2),
            ("TV", 2),
            ("1999", 8),
            ("潮", 1),
            ("바다는", 3),
            ("море", 2),
            ("θάλασσα", 3),
            ("—", 1),
            ("", 1),
        ] {
            assert_eq!(syllables(word), count, "{word}");
        }
        let thai = syllables("น้ำขึ้นน้ำลง");
        assert!((4..=7).contains(&thai), "{thai}");
    }
}
