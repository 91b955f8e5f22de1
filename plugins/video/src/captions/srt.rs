//! Captions for players: `SubRip` and `WebVTT` files, and the texts of a soft track. Pure.

use super::cues::{Cue, line_text};
use std::fmt::Write as _;

/// A `SubRip` file.
#[must_use]
pub fn srt(cues: &[Cue]) -> String {
    let mut text = String::new();
    for (number, cue) in (1..).zip(cues) {
        let (from, to) = (clock(cue.start_ms, ','), clock(cue.end_ms, ','));
        let _ = write!(text, "{number}\n{from} --> {to}\n{}\n\n", soft_text(cue));
    }
    text
}

/// A `WebVTT` file.
#[must_use]
pub fn vtt(cues: &[Cue]) -> String {
    let mut text = String::from("WEBVTT\n\n");
    for cue in cues {
        let (from, to) = (clock(cue.start_ms, '.'), clock(cue.end_ms, '.'));
        let words = soft_text(cue).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let _ = write!(text, "{from} --> {to}\n{words}\n\n");
    }
    text
}

/// A text of a soft track; an empty one where nothing is shown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Soft {
    /// When it comes.
    pub start_ms: u64,
    /// When it goes.
    pub end_ms: u64,
    /// Its lines.
    pub text: String,
}

/// The texts of a track without a gap.
#[must_use]
pub fn soft(cues: &[Cue]) -> Vec<Soft> {
    let mut texts = Vec::new();
    let mut now = 0;
    for cue in cues.iter().filter(|cue| cue.end_ms > cue.start_ms) {
        if cue.start_ms > now {
            texts.push(Soft { start_ms: now, end_ms: cue.start_ms, text: String::new() });
        }
        now = cue.end_ms;
        texts.push(Soft { start_ms: cue.start_ms, end_ms: now, text: soft_text(cue) });
    }
    texts
}

/// ISO 639-2 for a language tag such as `en` or `zh-Hant`; `und` for what is not known.
#[must_use]
pub fn three_letters(tag: &str) -> &str {
    /// Languages with two letters and with three.
    const CODES: [(&str, &str); 40] = [
        ("ar", "ara"),
        ("bg", "bul"),
        ("bn", "ben"),
        ("ca", "cat"),
        ("cs", "ces"),
        ("da", "dan"),
        ("de", "deu"),
        ("el", "ell"),
        ("en", "eng"),
        ("es", "spa"),
        ("et", "est"),
        ("fa", "fas"),
        ("fi", "fin"),
        ("fr", "fra"),
        ("he", "heb"),
        ("hi", "hin"),
        ("hr", "hrv"),
        ("hu", "hun"),
        ("id", "ind"),
        ("it", "ita"),
        ("ja", "jpn"),
        ("ko", "kor"),
        ("lt", "lit"),
        ("lv", "lav"),
        ("ms", "msa"),
        ("nb", "nob"),
        ("nl", "nld"),
        ("no", "nor"),
        ("pl", "pol"),
        ("pt", "por"),
        ("ro", "ron"),
        ("ru", "rus"),
        ("sk", "slk"),
        ("sv", "swe"),
        ("th", "tha"),
        ("tr", "tur"),
        ("uk", "ukr"),
        ("ur", "urd"),
        ("vi", "vie"),
        ("zh", "zho"),
    ];
    let first = tag.split(['-', '_']).next().unwrap_or(tag);
    let known = CODES.iter().find(|(two, _)| *two == first);
    known.map_or(if first.len() == 3 { first } else { "und" }, |(_, three)| three)
}

/// The lines of a cue.
#[must_use]
pub fn soft_text(cue: &Cue) -> String {
    let lines: Vec<String> = cue.lines.iter().map(|line| line_text(line)).collect();
    lines.join("\n")
}

/// `hh:mm:ss,mmm`.
fn clock(ms: u64, point: char) -> String {
    let seconds = ms / 1_000;
    format!("{:02}:{:02}:{:02}{point}{:03}", seconds / 3_600, seconds / 60 % 60, seconds % 60, ms % 1_000)
}

#[cfg(test)]
mod tests {
    use super::super::cues::tests::captions;
    use super::{clock, soft, srt, three_letters, vtt};
    use crate::style::CaptionStyle;

    #[test]
    fn cues_are_numbered_and_timed() {
        let cues = captions("The sea is deep. And <wide>.", &CaptionStyle::default());
        assert_eq!(
            srt(&cues),
            "1\n00:00:00,000 --> 00:00:01,200\nThe sea is deep.\n\n2\n00:00:01,200 --> 00:00:01,780\nAnd <wide>.\n\n"
        );
        assert!(vtt(&cues).starts_with("WEBVTT\n\n00:00:00.000 --> 00:00:01.200\nThe sea is deep.\n\n"));
        assert!(vtt(&cues).contains("And &lt;wide&gt;."));
        let track = soft(&cues[1..]);
        assert_eq!((track[0].end_ms, track[0].text.as_str(), track[1].start_ms), (1_200, "", 1_200));
        assert_eq!(
            (three_letters("zh-Hant"), three_letters("eng"), three_letters("?")),
            ("zho", "eng", "und")
        );
        assert_eq!(clock(3_723_004, ','), "01:02:03,004");
    }
}
