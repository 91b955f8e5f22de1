//! What captions have to know of scripts. Pure.

/// Chinese, Japanese and Korean letters, which are as wide as they are high.
pub fn is_wide(c: char) -> bool {
    matches!(u32::from(c), 0x1100..=0x11ff | 0x2e80..=0x9fff | 0xac00..=0xd7af | 0xf900..=0xfaff | 0xff00..=0xff60
        | 0x2_0000..=0x3_ffff)
}

/// Scripts that put no space between words: Chinese and Japanese, Thai, Lao, Burmese, Khmer. Korean does.
fn runs_on(c: char) -> bool {
    (is_wide(c) && !is_korean(c))
        || matches!(u32::from(c), 0x0e00..=0x0eff | 0x1000..=0x109f | 0x1780..=0x17ff)
}

fn is_korean(c: char) -> bool {
    matches!(u32::from(c), 0x1100..=0x11ff | 0x3130..=0x318f | 0xac00..=0xd7af)
}

/// Whether a space stands between two words.
pub fn needs_space(before: &str, after: &str) -> bool {
    !(before.chars().next_back().is_some_and(runs_on) || after.chars().next().is_some_and(runs_on))
}

/// Whether a text holds letters that are written from right to left (Hebrew, Arabic, Syriac, Thaana, N'Ko).
pub fn is_right_to_left(text: &str) -> bool {
    let right = |c: char| matches!(u32::from(c), 0x0590..=0x07ff | 0x0860..=0x08ff | 0xfb1d..=0xfdff | 0xfe70..=0xfeff);
    text.chars().find(|c| c.is_alphabetic()).is_some_and(right)
}

/// Whether a character is a small picture, which no font for text has.
pub fn is_emoji(c: char) -> bool {
    matches!(u32::from(c), 0x1f000..=0x1faff | 0x2600..=0x27bf | 0x2b00..=0x2bff | 0xfe0f | 0x200d | 0x20e3)
}

/// Whether a character shows nothing by itself, so that no font has to have it.
pub fn is_unseen(c: char) -> bool {
    c.is_whitespace()
        || c.is_control()
        || matches!(u32::from(c), 0x200b..=0x200f | 0x202a..=0x202e | 0x2060..=0x206f | 0xfe00..=0xfe0f | 0xfeff | 0xad
            | 0xe0000..=0xe007f | 0xe0100..=0xe01ef)
}

/// Whether a word ends a sentence.
pub fn ends_sentence(word: &str) -> bool {
    let closing = ['"', '\'', ')', '”', '’', '」', '』', '）', '»', '›'];
    word.trim_end_matches(closing)
        .ends_with(['.', '!', '?', '…', '。', '！', '？', '｡', '؟', '۔', '।', '။', '។'])
}

#[cfg(test)]
mod tests {
    use super::{ends_sentence, is_right_to_left, needs_space};

    #[test]
    fn spaces_stand_where_the_script_has_them() {
        for (before, after, space) in [
            ("the", "sea", true),
            ("潮汐", "跟随", false),
            ("海は", "深い", false),
            ("바다는", "깊다", true),
            ("ทะเล", "ลึก", false),
            ("البحر", "عميق", true),
            ("海", "NASA", false),
        ] {
            assert_eq!(needs_space(before, after), space, "{before} {after}");
        }
    }

    #[test]
    fn the_first_letter_says_the_direction() {
        assert!(is_right_to_left("«البحر»") && is_right_to_left("12 שלום"));
        assert!(!is_right_to_left("the البحر") && !is_right_to_left("42"));
    }

    #[test]
    fn sentences_end_in_many_scripts() {
        for word in ["sea.", "(moon?)", "月亮。", "「海。」", "عميق؟", "समुद्र।"] {
            assert!(ends_sentence(word), "{word}");
        }
        assert!(!ends_sentence("3.5") && !ends_sentence("海，"));
    }
}
