//! Captions: words with times become a few short lines at a time, written as ASS for libass. Pure.

use crate::plan::{Canvas, Plan};
use crate::timeline::{CaptionStyle, Position, Timeline, Word};
use std::fmt::Write as _;

/// A pause in speech that ends a caption, in milliseconds.
const PAUSE_MS: u64 = 700;
/// The longest a caption stands, in milliseconds.
const STAND_MS: u64 = 5_000;
/// A gap to the next caption that is closed instead of flickering, in milliseconds.
const CLOSE_MS: u64 = 300;
/// Width of a Latin letter over the line's height, on average, for a bold font.
const LETTER: f64 = 0.56;
/// Width of a Chinese, Japanese or Korean letter over the line's height.
const WIDE_LETTER: f64 = 0.88;
/// Part of the picture's width kept free at each side.
const SIDE: f64 = 0.06;

/// Words shown together.
#[derive(Clone, PartialEq, Debug)]
struct Cue {
    start_ms: u64,
    end_ms: u64,
    /// Lines of words.
    lines: Vec<Vec<Word>>,
}

/// The ASS file for a timeline; nothing when it has no captions or nobody speaks.
///
/// # Errors
/// In words: a colour that is none.
pub fn subtitles(timeline: &Timeline, plan: &Plan, canvas: Canvas) -> Result<Option<String>, String> {
    let Some(style) = &timeline.captions else { return Ok(None) };
    let size = f64::from(canvas.short_side()) * style.size_percent / 100.0;
    let room = f64::from(canvas.width) * (1.0 - 2.0 * SIDE) / size;
    let mut cues = Vec::new();
    for (clip, start_ms) in timeline.clips.iter().zip(&plan.clip_starts_ms) {
        cues.extend(break_up(&clip.words, *start_ms, start_ms + clip.duration_ms, style, room));
    }
    if cues.is_empty() {
        return Ok(None);
    }
    for index in 1..cues.len() {
        let next = cues[index].start_ms;
        let cue = &mut cues[index - 1];
        if cue.end_ms > next || next - cue.end_ms < CLOSE_MS {
            cue.end_ms = next;
        }
    }
    let mut text = header(style, size, canvas)?;
    let highlight = style.highlight.as_deref().map(colour).transpose()?;
    let base = colour(&style.colour)?;
    for cue in &cues {
        match &highlight {
            None => event(&mut text, cue.start_ms, cue.end_ms, &lines(cue, None, "", "")),
            Some(highlight) => spoken(&mut text, cue, highlight, &base),
        }
    }
    Ok(Some(text))
}

fn header(style: &CaptionStyle, size: f64, canvas: Canvas) -> Result<String, String> {
    let Canvas { width, height, .. } = canvas;
    let tall = height > width;
    let free = (f64::from(width) * SIDE).round();
    // What players cover with buttons and text stays free, more of it in tall videos.
    let (alignment, margin) = match style.position {
        Position::Bottom => (2, if tall { 0.16 } else { 0.07 }),
        Position::Middle => (5, 0.0),
        Position::Top => (8, if tall { 0.12 } else { 0.07 }),
    };
    let margin = (f64::from(height) * margin).round();
    let stroke = f64::from(canvas.short_side()) * style.stroke_percent / 100.0;
    let (border, back) = match &style.background {
        Some(background) => (4, format!("&H50{}", colour(background)?)),
        None => (1, "&H00000000".into()),
    };
    let (primary, outline) = (colour(&style.colour)?, colour(&style.stroke_colour)?);
    let font: String = style.font.chars().filter(|c| *c != ',' && !c.is_control()).collect();
    let bold = if style.bold { -1 } else { 0 };
    Ok(format!(
        "[Script Info]\nScriptType: v4.00+\nPlayResX: {width}\nPlayResY: {height}\nWrapStyle: 0\n\
         ScaledBorderAndShadow: yes\nYCbCr Matrix: TV.709\n\n[V4+ Styles]\n\
         Format: Name,Fontname,Fontsize,PrimaryColour,SecondaryColour,OutlineColour,BackColour,Bold,Italic,\
         Underline,StrikeOut,ScaleX,ScaleY,Spacing,Angle,BorderStyle,Outline,Shadow,Alignment,MarginL,MarginR,\
         MarginV,Encoding\n\
         Style: Caption,{font},{size:.1},&H00{primary},&H00{primary},&H00{outline},{back},{bold},0,0,0,100,100,0,0,\
         {border},{stroke:.1},0,{alignment},{free},{free},{margin},1\n\n[Events]\n\
         Format: Layer,Start,End,Style,Name,MarginL,MarginR,MarginV,Effect,Text\n"
    ))
}

/// One event for each word of a cue, in which that word has another colour.
fn spoken(text: &mut String, cue: &Cue, highlight: &str, base: &str) {
    let words: Vec<&Word> = cue.lines.iter().flatten().collect();
    for (index, word) in words.iter().enumerate() {
        let start = if index == 0 { cue.start_ms } else { word.start_ms.max(cue.start_ms) };
        let end = words.get(index + 1).map_or(cue.end_ms, |next| next.start_ms.min(cue.end_ms));
        if end > start {
            event(text, start, end, &lines(cue, Some(index), highlight, base));
        }
    }
}

fn event(text: &mut String, start_ms: u64, end_ms: u64, line: &str) {
    let _ = writeln!(text, "Dialogue: 0,{},{},Caption,,0,0,0,,{line}", clock(start_ms), clock(end_ms));
}

/// `h:mm:ss.cc`, as ASS wants it.
fn clock(ms: u64) -> String {
    let hundredths = (ms + 5) / 10;
    let seconds = hundredths / 100;
    format!("{}:{:02}:{:02}.{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60, hundredths % 100)
}

/// `#rrggbb` as ASS writes it: `BBGGRR`.
fn colour(text: &str) -> Result<String, String> {
    let hex =
        text.strip_prefix('#').filter(|hex| hex.len() == 6 && hex.bytes().all(|b| b.is_ascii_hexdigit()));
    hex.map(|hex| format!("{}{}{}", &hex[4..6], &hex[2..4], &hex[0..2]).to_uppercase())
        .ok_or_else(|| format!("`{text}` is no colour; write it as #rrggbb, for example #ffcc00"))
}

/// The words of a cue as ASS text, one of them in another colour.
fn lines(cue: &Cue, spoken: Option<usize>, highlight: &str, base: &str) -> String {
    let mut index = 0;
    let mut text = String::new();
    for (number, line) in cue.lines.iter().enumerate() {
        if number > 0 {
            text.push_str("\\N");
        }
        for (place, word) in line.iter().enumerate() {
            if place > 0 && needs_space(&line[place - 1].text, &word.text) {
                text.push(' ');
            }
            let plain = literal(&word.text);
            if spoken == Some(index) {
                let _ = write!(text, "{{\\1c&H{highlight}&}}{plain}{{\\1c&H{base}&}}");
            } else {
                text.push_str(&plain);
            }
            index += 1;
        }
    }
    text
}

/// What a word says must not be taken for ASS commands.
fn literal(word: &str) -> String {
    let mut text = String::with_capacity(word.len());
    for c in word.chars() {
        match c {
            '{' => text.push_str("\\{"),
            '}' => text.push_str("\\}"),
            // A backslash only acts together with the letter after it; a joiner of no width keeps them apart.
            '\\' => text.push_str("\\\u{2060}"),
            c if c.is_control() => text.push(' '),
            c => text.push(c),
        }
    }
    text
}

fn is_wide(c: char) -> bool {
    matches!(u32::from(c), 0x1100..=0x11ff | 0x2e80..=0x9fff | 0xac00..=0xd7af | 0xf900..=0xfaff | 0xff00..=0xff60)
}

fn needs_space(before: &str, after: &str) -> bool {
    !(before.chars().next_back().is_some_and(is_wide) || after.chars().next().is_some_and(is_wide))
}

/// Width in units of the line's height, the space before it included.
fn width(word: &str) -> f64 {
    let letters: f64 = word.chars().map(|c| if is_wide(c) { WIDE_LETTER } else { LETTER }).sum();
    if word.chars().next().is_some_and(is_wide) { letters } else { letters + LETTER / 2.0 }
}

fn ends_sentence(word: &str) -> bool {
    word.trim_end_matches(['"', '\'', ')', '”', '’', '」']).ends_with(['.', '!', '?', '。', '！', '？', '…'])
}

/// Groups the words of a scene into cues, at the latest where the lines are full.
fn break_up(words: &[Word], start_ms: u64, limit_ms: u64, style: &CaptionStyle, room: f64) -> Vec<Cue> {
    let most = style.lines.max(1) as usize;
    let mut cues: Vec<Cue> = Vec::new();
    let mut group: Vec<Word> = Vec::new();
    for word in placed(words, start_ms, limit_ms, style) {
        let ends = group.last().is_some_and(|last| {
            ends_sentence(&last.text) || word.start_ms.saturating_sub(last.end_ms) > PAUSE_MS
        });
        let stands = group.first().is_some_and(|first| word.end_ms - first.start_ms > STAND_MS);
        group.push(word);
        if group.len() > 1 && (ends || stands || fill(&group, room).len() > most) {
            let next = group.split_off(group.len() - 1);
            cues.push(cue(&group, room));
            group = next;
        }
    }
    if !group.is_empty() {
        cues.push(cue(&group, room));
    }
    cues
}

/// Words in lines, each as full as it can be. A word wider than a line has one for itself.
fn fill(words: &[Word], room: f64) -> Vec<Vec<Word>> {
    let mut lines: Vec<Vec<Word>> = Vec::new();
    let mut used = f64::MAX;
    for word in words {
        let w = width(&word.text);
        if used + w > room {
            lines.push(Vec::new());
            used = 0.0;
        }
        used += w;
        if let Some(line) = lines.last_mut() {
            line.push(word.clone());
        }
    }
    lines
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

/// Spreads words over as few lines as they need, about evenly: in the narrowest column that needs no more.
fn cue(words: &[Word], room: f64) -> Cue {
    let start_ms = words.first().map_or(0, |word| word.start_ms);
    let end_ms = words.last().map_or(start_ms, |word| word.end_ms).max(start_ms + 200);
    let full = fill(words, room);
    let narrower = (4..=10).map(|tenths| fill(words, room * f64::from(tenths) / 10.0));
    let lines = narrower.into_iter().find(|lines| lines.len() <= full.len()).unwrap_or(full);
    Cue { start_ms, end_ms, lines }
}

#[cfg(test)]
mod tests {
    use super::{colour, subtitles};
    use crate::plan::{Canvas, Plan};
    use crate::timeline::{CaptionStyle, Clip, Timeline, Word};

    const CANVAS: Canvas = Canvas { width: 1_080, height: 1_920, fps: 30 };

    fn ass(text: &str, style: CaptionStyle) -> String {
        let words: Vec<Word> = (0u64..)
            .zip(text.split(' '))
            .map(|(i, w)| Word { text: w.into(), start_ms: i * 300, end_ms: i * 300 + 280 })
            .collect();
        let shot =
            serde_json::from_value(serde_json::json!({ "media": "/x.mp4", "duration_ms": 60_000 })).unwrap();
        let clip = Clip { duration_ms: 60_000, shots: vec![shot], sounds: Vec::new(), words };
        let timeline = Timeline {
            clips: vec![clip],
            transition: crate::timeline::Transition::default(),
            captions: Some(style),
            music: None,
            loudness: None,
        };
        let plan = Plan::new(&timeline, CANVAS).unwrap();
        subtitles(&timeline, &plan, CANVAS).unwrap().unwrap()
    }

    fn spoken(ass: &str) -> Vec<&str> {
        ass.lines().filter_map(|l| l.strip_prefix("Dialogue: 0,")).collect()
    }

    #[test]
    fn captions_break_at_sentences_and_fill_two_lines_at_most() {
        let text = ass(
            "Tides follow the moon. The sea rises twice a day and falls twice a day because the whole planet turns. \
             They run around the oceans twice a day, pulled by the moon and, less, by the sun.",
            CaptionStyle::default(),
        );
        let events = spoken(&text);
        assert!(events[0].ends_with("Tides follow the moon."), "{events:?}");
        assert!(events.iter().all(|e| e.matches("\\N").count() <= 1), "{events:?}");
        let longest =
            events.iter().flat_map(|e| e.rsplit(",,").next().unwrap().split("\\N")).map(str::len).max();
        assert!(longest.unwrap() <= 26, "{events:?}");
        assert!(events.windows(2).all(|w| w[0].split(',').nth(1) <= w[1].split(',').next()), "no overlap");
    }

    #[test]
    fn the_spoken_word_is_marked_in_turn() {
        let style = CaptionStyle { highlight: Some("#ffcc00".into()), ..CaptionStyle::default() };
        let text = ass("one two three", style);
        let events = spoken(&text);
        assert_eq!(events.len(), 3);
        assert!(events[1].ends_with("one {\\1c&H00CCFF&}two{\\1c&HFFFFFF&} three"), "{}", events[1]);
    }

    #[test]
    fn words_are_never_commands() {
        let text = ass("{\\b1}bold\\Nnot", CaptionStyle::default());
        let events = spoken(&text);
        assert!(events[0].contains("\\{\\\u{2060}b1\\}bold\\\u{2060}Nnot"), "{events:?}");
    }

    #[test]
    fn chinese_stands_without_spaces() {
        let text = ass("潮汐 跟随 月亮。", CaptionStyle::default());
        assert!(spoken(&text)[0].ends_with("潮汐跟随月亮。"));
    }

    #[test]
    fn colours_are_turned_round_and_checked() {
        assert_eq!(colour("#112233").unwrap(), "332211");
        assert!(colour("red").unwrap_err().contains("#rrggbb"));
    }
}
