//! Cues as events of an ASS file: text at its place, the box behind it, the word being said. Pure.

use super::ass::{Letters, Sheet, colour, shape};
use super::atoms::Atom;
use super::boxes::{Area, drawing};
use super::cues::{Cue, line_text, line_width};
use super::faces::Faces;
use super::letters::is_right_to_left;
use crate::plan::Canvas;
use crate::style::{CaptionStyle, Corners, Karaoke, Place, Position};
use std::fmt::Write as _;

/// What surrounds letters in a box, in heights of a line: at the sides, and above and below.
const PAD: (f64, f64) = (0.32, 0.10);
/// Radius of round corners, in heights of a line.
const RADIUS: f64 = 0.30;
/// The name of the captions' style.
const STYLE: &str = "Caption";
/// How near a percentage may bring captions to the picture's edge, as a part of its height.
const EDGE: f64 = 0.02;

/// Where captions of a canvas go.
pub struct Painter<'a> {
    style: &'a CaptionStyle,
    canvas: Canvas,
    faces: &'a Faces,
    width: &'a dyn Fn(&str) -> f64,
    colour: String,
    highlight: Option<String>,
    background: Option<String>,
}

/// A caption's place, in pixels.
struct Block {
    size: f64,
    /// The middle of its lines.
    x: f64,
    /// Its upper side.
    y: f64,
}

/// Height of a line, in pixels.
pub fn size(style: &CaptionStyle, canvas: Canvas) -> f64 {
    f64::from(canvas.short_side()) * style.size_percent / 100.0
}

/// How wide a line may be, in heights of a line.
pub fn room(style: &CaptionStyle, canvas: Canvas) -> f64 {
    let safe = style.platform.safe(canvas.width, canvas.height);
    let pad = if style.background.is_some() { 2.0 * PAD.0 } else { 0.0 };
    (f64::from(canvas.width) * (1.0 - safe.left - safe.right) / size(style, canvas) - pad).max(1.0)
}

impl<'a> Painter<'a> {
    /// Checks the colours.
    ///
    /// # Errors
    /// In words: a colour that is none.
    pub fn new(
        style: &'a CaptionStyle,
        canvas: Canvas,
        faces: &'a Faces,
        width: &'a dyn Fn(&str) -> f64,
    ) -> Result<Self, String> {
        Ok(Self {
            style,
            canvas,
            faces,
            width,
            colour: colour(&style.colour)?,
            highlight: style.highlight.as_deref().map(colour).transpose()?,
            background: style.background.as_deref().map(colour).transpose()?,
        })
    }

    /// Adds all cues to a sheet.
    ///
    /// # Errors
    /// In words: a colour that is none.
    pub fn paint(&self, sheet: &mut Sheet, cues: &[Cue]) -> Result<(), String> {
        let letters = Letters {
            family: self.faces.family.clone(),
            size: size(self.style, self.canvas),
            bold: self.style.bold,
            colour: self.style.colour.clone(),
            stroke_colour: self.style.stroke_colour.clone(),
            stroke: f64::from(self.canvas.short_side()) * self.style.stroke_percent / 100.0,
        };
        sheet.style(STYLE, &letters)?;
        for cue in cues {
            self.cue(sheet, cue);
        }
        Ok(())
    }

    fn cue(&self, sheet: &mut Sheet, cue: &Cue) {
        let block = self.block(cue);
        if let Some(background) = &self.background {
            let boxes: Vec<Area> =
                (0..cue.lines.len()).map(|line| self.line_box(cue, &block, line)).collect();
            let text =
                shape(&drawing(&boxes, self.radius(&block)), background, self.style.background_opacity);
            sheet.event(0, STYLE, cue.start_ms, cue.end_ms, &text);
        }
        let rtl = cue.lines.iter().any(|line| is_right_to_left(&line_text(line)));
        match (&self.highlight, self.style.karaoke) {
            (None, _) => sheet.event(2, STYLE, cue.start_ms, cue.end_ms, &self.text(cue, &block, None)),
            // libass fills from left to right, whichever way the words go.
            (Some(highlight), Karaoke::Fill) if !rtl => {
                sheet.event(2, STYLE, cue.start_ms, cue.end_ms, &self.filling(cue, &block, highlight));
            }
            (Some(highlight), Karaoke::Box) => {
                sheet.event(2, STYLE, cue.start_ms, cue.end_ms, &self.text(cue, &block, None));
                self.marks(sheet, cue, &block, highlight, rtl);
            }
            (Some(highlight), _) => self.word_by_word(sheet, cue, &block, highlight),
        }
    }

    /// The place of a cue. One that is wider than its room although it could not be broken is made smaller.
    fn block(&self, cue: &Cue) -> Block {
        let (width, height) = (f64::from(self.canvas.width), f64::from(self.canvas.height));
        let room = room(self.style, self.canvas);
        let widest = cue.lines.iter().map(|line| line_width(line, self.width)).fold(0.0, f64::max);
        let size = size(self.style, self.canvas) * if widest > room { room / widest } else { 1.0 };
        let tall = size * cue.lines.len() as f64;
        let safe = self.style.platform.safe(self.canvas.width, self.canvas.height);
        let y = match self.style.position {
            Position::Named(Place::Bottom) => height * (1.0 - safe.bottom) - tall,
            Position::Named(Place::Middle) => (height - tall) / 2.0,
            Position::Named(Place::Top) => height * safe.top,
            Position::Percent(percent) => {
                let highest = height * (1.0 - EDGE) - tall;
                (height * percent / 100.0 - tall / 2.0).min(highest).max(height * EDGE)
            }
        };
        Block { size, x: width * (1.0 + safe.left - safe.right) / 2.0, y }
    }

    fn radius(&self, block: &Block) -> f64 {
        if self.style.corners == Corners::Rounded { RADIUS * block.size } else { 0.0 }
    }

    fn line_box(&self, cue: &Cue, block: &Block, line: usize) -> Area {
        let wide = line_width(&cue.lines[line], self.width) * block.size;
        let (side, above) = (PAD.0 * block.size, PAD.1 * block.size);
        Area {
            x: block.x - wide / 2.0 - side,
            y: block.y + line as f64 * block.size - above,
            width: wide + 2.0 * side,
            height: block.size + 2.0 * above,
        }
    }

    /// What every event of a cue begins with.
    fn start(&self, block: &Block) -> String {
        let smaller = size(self.style, self.canvas) - block.size > 0.05;
        let resize = if smaller { format!("\\fs{:.1}", block.size) } else { String::new() };
        format!("{{\\an8\\pos({:.1},{:.1}){resize}}}", block.x, block.y)
    }

    /// The words, one of them in another colour.
    fn text(&self, cue: &Cue, block: &Block, spoken: Option<(usize, &str)>) -> String {
        let mut text = self.start(block);
        let mut index = 0;
        each(cue, |before, atom| {
            text.push_str(before);
            let plain = self.faces.ass(&atom.text);
            match spoken {
                Some((at, highlight)) if at == index => {
                    let _ = write!(text, "{{\\1c&H{highlight}&}}{plain}{{\\1c&H{}&}}", self.colour);
                }
                _ => text.push_str(&plain),
            }
            index += 1;
        });
        text
    }

    /// The colour runs through the words and stays.
    fn filling(&self, cue: &Cue, block: &Block, highlight: &str) -> String {
        let mut text = self.start(block);
        let _ = write!(text, "{{\\1c&H{highlight}&\\2c&H{}&}}", self.colour);
        let mut now = cue.start_ms;
        each(cue, |before, atom| {
            let (gap, length) = (centi(now, atom.start_ms), centi(atom.start_ms.max(now), atom.end_ms));
            now = now.max(atom.end_ms);
            let _ = write!(text, "{before}{{\\k{gap}}}{{\\kf{length}}}{}", self.faces.ass(&atom.text));
        });
        text
    }

    /// One event for each word, in which that word has another colour.
    fn word_by_word(&self, sheet: &mut Sheet, cue: &Cue, block: &Block, highlight: &str) {
        for (index, (start_ms, end_ms)) in spans(cue).into_iter().enumerate() {
            if end_ms > start_ms {
                sheet.event(2, STYLE, start_ms, end_ms, &self.text(cue, block, Some((index, highlight))));
            }
        }
    }

    /// A box under the word being said.
    fn marks(&self, sheet: &mut Sheet, cue: &Cue, block: &Block, highlight: &str, rtl: bool) {
        let mut spans = spans(cue).into_iter();
        for (number, line) in cue.lines.iter().enumerate() {
            let row = self.line_box(cue, block, number);
            let side = 0.16 * block.size;
            let mut at = PAD.0 * block.size;
            for (index, atom) in line.iter().enumerate() {
                at += if index > 0 && atom.space { (self.width)(" ") * block.size } else { 0.0 };
                let wide = (self.width)(&atom.text) * block.size;
                let left = if rtl { row.width - at - wide } else { at };
                at += wide;
                let area = Area { x: row.x + left - side, width: wide + 2.0 * side, ..row };
                let Some((start_ms, end_ms)) = spans.next().filter(|(start, end)| end > start) else {
                    continue;
                };
                let text = shape(&drawing(&[area], self.radius(block) * 0.7), highlight, 1.0);
                sheet.event(1, STYLE, start_ms, end_ms, &text);
            }
        }
    }
}

/// Calls with what stands before each atom (a space, a new line) and the atom.
fn each(cue: &Cue, mut take: impl FnMut(&str, &Atom)) {
    for (number, line) in cue.lines.iter().enumerate() {
        for (place, atom) in line.iter().enumerate() {
            let before = match (number, place) {
                (1.., 0) => "\\N",
                (_, 1..) if atom.space => " ",
                _ => "",
            };
            take(before, atom);
        }
    }
}

/// When each atom of a cue is marked: from its start to that of the next one, and the first from the cue's start.
fn spans(cue: &Cue) -> Vec<(u64, u64)> {
    let starts: Vec<u64> = cue.lines.iter().flatten().map(|atom| atom.start_ms).collect();
    let ends = starts.iter().skip(1).copied().chain([cue.end_ms]);
    let starts = std::iter::once(cue.start_ms).chain(starts.iter().skip(1).copied());
    starts.zip(ends).map(|(start, end)| (start.max(cue.start_ms), end.min(cue.end_ms))).collect()
}

/// Hundredths of a second between two times.
fn centi(from_ms: u64, to_ms: u64) -> u64 {
    to_ms.saturating_sub(from_ms) / 10
}

#[cfg(test)]
mod tests {
    use super::super::cues::tests::{captions, width};
    use super::{Faces, Painter, Sheet};
    use crate::plan::Canvas;
    use crate::style::{CaptionStyle, Karaoke, Platform, Position};

    const CANVAS: Canvas = Canvas { width: 1_080, height: 1_920, fps: 30 };

    fn events(words: &str, style: &CaptionStyle) -> Vec<String> {
        let (faces, cues) = (Faces::all_in("X"), captions(words, style));
        let mut sheet = Sheet::new(CANVAS);
        Painter::new(style, CANVAS, &faces, &width).unwrap().paint(&mut sheet, &cues).unwrap();
        let text = sheet.finish("");
        text.lines().filter_map(|l| l.strip_prefix("Dialogue: ")).map(str::to_owned).collect()
    }

    fn marked() -> CaptionStyle {
        CaptionStyle { highlight: Some("#ffcc00".into()), ..CaptionStyle::default() }
    }

    #[test]
    fn the_spoken_word_is_marked_in_turn() {
        let events = events("one two three", &marked());
        assert_eq!(events.len(), 3);
        assert!(events[1].ends_with("}one {\\1c&H00CCFF&}two{\\1c&HFFFFFF&} three"), "{}", events[1]);
        assert!(events[1].starts_with("2,0:00:00.30,0:00:00.60,"), "{}", events[1]);
    }

    #[test]
    fn a_fill_runs_through_one_event() {
        let style = CaptionStyle { karaoke: Karaoke::Fill, ..marked() };
        let events = events("one two", &style);
        assert_eq!(events.len(), 1);
        assert!(events[0].ends_with("{\\k0}{\\kf28}one {\\k2}{\\kf28}two"), "{}", events[0]);
    }

    #[test]
    fn a_box_stands_under_each_word_and_one_behind_all() {
        let style = CaptionStyle { karaoke: Karaoke::Box, background: Some("#000000".into()), ..marked() };
        let events = events("one two", &style);
        let layers: Vec<&str> = events.iter().map(|e| &e[..1]).collect();
        assert_eq!(layers, ["0", "2", "1", "1"]);
        assert!(events[0].contains("\\1a&H4F&") && events[2].contains("&H00CCFF&"), "{events:?}");
    }

    #[test]
    fn places_are_kept_and_covered_ones_avoided() {
        let place = |style: &CaptionStyle| {
            let text = events("one", style).remove(0);
            let inner = text.split("\\pos(").nth(1).unwrap().split(')').next().unwrap().to_owned();
            let (x, y) = inner.split_once(',').unwrap();
            (x.parse::<f64>().unwrap(), y.parse::<f64>().unwrap())
        };
        let at = |position| CaptionStyle { position, ..CaptionStyle::default() };
        let line = 1_080.0 * 0.065;
        assert!((place(&at(Position::Percent(50.0))).1 - (960.0 - line / 2.0)).abs() < 0.06);
        assert!(place(&at(Position::Percent(100.0))).1 + line < 1_920.0);
        let tiktok = place(&CaptionStyle { platform: Platform::Tiktok, ..CaptionStyle::default() });
        assert!(tiktok.0 < 540.0 && tiktok.1 < 1_920.0 * 0.79, "{tiktok:?}");
    }

    #[test]
    fn what_cannot_be_broken_is_made_smaller() {
        let text = events(&"W".repeat(60), &CaptionStyle::default()).remove(0);
        let size: f64 = text.split("\\fs").nth(1).unwrap().split('}').next().unwrap().parse().unwrap();
        assert!(size * 30.0 <= 1_080.0 * 0.88 + 1.0, "{size}");
    }
}
