//! Which words stand together, and in which lines. Pure.

use super::atoms::{Atom, atoms};
use super::letters::ends_sentence;
use crate::plan::Plan;
use crate::style::CaptionStyle;
use crate::timeline::{Timeline, Word};

/// A pause in speech that ends a caption, in milliseconds.
const PAUSE_MS: u64 = 700;
/// The longest a caption stands, in milliseconds.
const STAND_MS: u64 = 5_000;
/// A gap to the next caption that is closed instead of flickering, in milliseconds.
const CLOSE_MS: u64 = 300;

/// Words shown together.
#[derive(Clone, PartialEq, Debug)]
pub struct Cue {
    /// When it comes.
    pub start_ms: u64,
    /// When it goes.
    pub end_ms: u64,
    /// Its lines.
    pub lines: Vec<Vec<Atom>>,
}

/// How wide a text is, in heights of a line.
pub type Width<'a> = dyn Fn(&str) -> f64 + 'a;

/// The atoms of each scene, at their places in the video.
pub fn spoken(timeline: &Timeline, plan: &Plan, style: &CaptionStyle) -> Vec<Vec<Atom>> {
    let scenes = timeline.clips.iter().zip(&plan.clip_starts_ms);
    scenes
        .map(|(clip, start_ms)| atoms(&placed(&clip.words, *start_ms, start_ms + clip.duration_ms, style)))
        .collect()
}

/// The captions of all scenes; `room` is how wide a line may be.
pub fn cues(scenes: &[Vec<Atom>], style: &CaptionStyle, room: f64, width: &Width<'_>) -> Vec<Cue> {
    let column = Column { room, width };
    let mut cues: Vec<Cue> = scenes.iter().flat_map(|atoms| break_up(atoms, style, &column)).collect();
    for index in 1..cues.len() {
        let next = cues[index].start_ms;
        let cue = &mut cues[index - 1];
        if cue.end_ms > next || next - cue.end_ms < CLOSE_MS {
            cue.end_ms = next;
        }
    }
    cues.retain(|cue| cue.end_ms > cue.start_ms);
    cues
}

/// A text in lines, each paragraph about evenly, without times.
pub fn wrap(text: &str, room: f64, width: &Width<'_>) -> Vec<Vec<Atom>> {
    let column = Column { room, width };
    text.lines()
        .filter(|line| !line.trim().is_empty())
        .flat_map(|line| column.cue(&untimed(line)).lines)
        .collect()
}

/// The atoms of a text without times.
pub fn untimed(text: &str) -> Vec<Atom> {
    let word = |text: &str| Word { text: text.into(), start_ms: 0, end_ms: 0 };
    atoms(&text.split_whitespace().map(word).collect::<Vec<_>>())
}

/// The text of a line.
pub fn line_text(line: &[Atom]) -> String {
    let mut text = String::new();
    for (index, atom) in line.iter().enumerate() {
        if index > 0 && atom.space {
            text.push(' ');
        }
        text.push_str(&atom.text);
    }
    text
}

/// The words at their places in the video, in order, within their scene.
fn placed(words: &[Word], start_ms: u64, limit_ms: u64, style: &CaptionStyle) -> Vec<Word> {
    let mut placed: Vec<Word> = words
        .iter()
        .filter(|word| !word.text.trim().is_empty())
        .map(|word| {
            let start = (start_ms + word.start_ms).min(limit_ms);
            let text = word.text.trim();
            Word {
                text: if style.uppercase { text.to_uppercase() } else { text.to_owned() },
                start_ms: start,
                end_ms: (start_ms + word.end_ms).clamp(start, limit_ms),
            }
        })
        .filter(|word| word.start_ms < limit_ms)
        .collect();
    placed.sort_by_key(|word| word.start_ms);
    placed
}

/// Groups what belongs together into cues, at the latest where the lines are full.
fn break_up(atoms: &[Atom], style: &CaptionStyle, column: &Column<'_>) -> Vec<Cue> {
    let most = style.lines.max(1) as usize;
    let most_words = style.max_words.map_or(usize::MAX, |words| words as usize);
    let mut cues: Vec<Cue> = Vec::new();
    let mut group: Vec<Atom> = Vec::new();
    for block in blocks(atoms) {
        let (Some(first), Some(last)) = (block.first(), block.last()) else { continue };
        let full = !group.is_empty() && {
            let before = &group[group.len() - 1];
            let pause = first.start_ms.saturating_sub(before.end_ms) > PAUSE_MS;
            let stands = last.end_ms.saturating_sub(group[0].start_ms) > STAND_MS;
            let mut both = group.clone();
            both.extend(block.iter().cloned());
            let words = both.iter().filter(|atom| atom.word).count();
            let sentence = ends_sentence(&before.text) && first.word;
            sentence || pause || stands || words > most_words || column.fill(&both).len() > most
        };
        if full {
            cues.push(column.cue(&group));
            group.clear();
        }
        group.extend(block.iter().cloned());
    }
    if !group.is_empty() {
        cues.push(column.cue(&group));
    }
    cues
}

/// Atoms between which no line may break.
fn blocks(atoms: &[Atom]) -> impl Iterator<Item = &[Atom]> {
    atoms.chunk_by(|_, next| !next.breaks)
}

/// What lines are measured with.
struct Column<'a> {
    room: f64,
    width: &'a Width<'a>,
}

impl Column<'_> {
    /// Atoms in lines, each as full as it can be. What is wider than a line has one for itself.
    fn fill(&self, atoms: &[Atom]) -> Vec<Vec<Atom>> {
        let mut lines: Vec<Vec<Atom>> = Vec::new();
        let mut used = 0.0;
        for block in blocks(atoms) {
            let wide = line_width(block, self.width);
            let space = if block[0].space { (self.width)(" ") } else { 0.0 };
            match lines.last_mut() {
                Some(line) if used + space + wide <= self.room => {
                    used += space + wide;
                    line.extend(block.iter().cloned());
                }
                _ => {
                    used = wide;
                    lines.push(block.to_vec());
                }
            }
        }
        lines
    }

    /// Spreads atoms over as few lines as they need, about evenly: in the narrowest column that needs no more.
    fn cue(&self, atoms: &[Atom]) -> Cue {
        let start_ms = atoms.first().map_or(0, |atom| atom.start_ms);
        let end_ms = atoms.last().map_or(start_ms, |atom| atom.end_ms).max(start_ms + 200);
        let full = self.fill(atoms);
        let narrower = (8..=20)
            .map(|part| Column { room: self.room * f64::from(part) / 20.0, width: self.width }.fill(atoms));
        let lines = narrower.into_iter().find(|lines| lines.len() <= full.len()).unwrap_or(full);
        Cue { start_ms, end_ms, lines }
    }
}

/// How wide a line is, in heights of a line.
pub fn line_width(line: &[Atom], width: &Width<'_>) -> f64 {
    let space = width(" ");
    line.iter()
        .enumerate()
        .map(|(index, atom)| width(&atom.text) + if index > 0 && atom.space { space } else { 0.0 })
        .sum()
}

#[cfg(test)]
pub mod tests {
    use super::super::atoms::atoms;
    use super::super::letters::is_wide;
    use super::{Cue, cues, line_text};
    use crate::style::CaptionStyle;
    use crate::timeline::Word;

    /// Letters of a made-up font.
    pub fn width(text: &str) -> f64 {
        text.chars().map(|c| if is_wide(c) { 0.88 } else { 0.5 }).sum()
    }

    /// Captions of words of 280 ms each, in lines of fourteen heights.
    pub fn captions(text: &str, style: &CaptionStyle) -> Vec<Cue> {
        let words: Vec<Word> = (0u64..)
            .zip(text.split(' '))
            .map(|(i, w)| Word { text: w.into(), start_ms: i * 300, end_ms: i * 300 + 280 })
            .collect();
        cues(&[atoms(&words)], style, 14.0, &width)
    }

    fn lines(cue: &Cue) -> Vec<String> {
        cue.lines.iter().map(|line| line_text(line)).collect()
    }

    #[test]
    fn captions_break_at_sentences_and_fill_two_lines_at_most() {
        let cues = captions(
            "Tides follow the moon. The sea rises twice a day and falls twice a day because the whole planet turns. \
             They run around the oceans twice a day, pulled by the moon and, less, by the sun.",
            &CaptionStyle::default(),
        );
        assert_eq!(lines(&cues[0]).join(" "), "Tides follow the moon.");
        assert!(cues.iter().all(|cue| cue.lines.len() <= 2));
        assert!(cues.iter().flat_map(lines).all(|line| width(&line) <= 14.0));
        assert!(cues.windows(2).all(|w| w[0].end_ms <= w[1].start_ms), "no overlap");
        let balanced = cues.iter().filter(|cue| cue.lines.len() == 2);
        for cue in balanced {
            let lengths: Vec<f64> = lines(cue).iter().map(|line| width(line)).collect();
            assert!((lengths[0] - lengths[1]).abs() < 6.0, "{:?}", lines(cue));
        }
    }

    #[test]
    fn as_many_words_as_wanted_stand_together() {
        let style = CaptionStyle { max_words: Some(2), ..CaptionStyle::default() };
        let cues = captions("one two three four five", &style);
        assert_eq!(
            cues.iter().map(|c| lines(c).join("/")).collect::<Vec<_>>(),
            ["one two", "three four", "five"]
        );
    }

    #[test]
    fn a_long_chinese_sentence_fills_lines_without_spaces() {
        let cues = captions(
            "潮汐是地球上最长的波浪，它们每天两次绕着海洋奔跑，被月亮拉着。",
            &CaptionStyle::default(),
        );
        let all: Vec<String> = cues.iter().flat_map(lines).collect();
        assert!(all.len() >= 2 && all.iter().all(|line| width(line) <= 14.0), "{all:?}");
        assert!(all.iter().all(|line| !line.starts_with(['，', '。']) && !line.contains(' ')), "{all:?}");
        assert_eq!(all.concat(), "潮汐是地球上最长的波浪，它们每天两次绕着海洋奔跑，被月亮拉着。");
    }
}
