//! How wide texts are, as libass sets them: each is drawn once, small, between two bars, whose distance is measured.
//! Guessing from counts of letters is wrong by a fifth and more for narrow fonts, capitals and joined scripts.

use super::FontsFolder;
use super::faces::Faces;
use super::letters::is_wide;
use reelmill_media::{Error, Graph, Plane, Pull, Result, VideoFrame, escape, plane};
use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;
use std::path::Path;

/// Height of a line that is measured, and the picture it is drawn into.
const SIZE: u32 = 64;
const PICTURE: (u32, u32) = (2_400, 128);
/// Where the first bar stands.
const LEFT: u32 = 16;
/// Brighter than this is ink.
const INK: u8 = 100;

/// The widths of texts, in heights of a line.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Widths(HashMap<String, f64>);

impl Widths {
    /// Measures texts; helper files go to `scratch`.
    pub fn measure(
        texts: &BTreeSet<&str>,
        faces: &Faces,
        bold: bool,
        fonts: Option<&FontsFolder>,
        scratch: &Path,
    ) -> Result<Self> {
        let texts: Vec<&str> = std::iter::once("").chain(texts.iter().copied()).collect();
        let sheet = sheet(&texts, faces, bold);
        let path = scratch.join("widths.ass");
        std::fs::write(&path, sheet).map_err(|e| Error::Output {
            path: path.clone(),
            reason: e.to_string(),
            log: Vec::new(),
        })?;
        let spans = spans(&path, &FontsFolder::option(fonts), texts.len());
        // What stays lies in scratch and goes with it.
        let _ = std::fs::remove_file(&path);
        let spans = spans?;
        let bars = spans.first().copied().flatten().ok_or_else(|| {
            Error::Setting(format!("captions: libass draws nothing in the font {}", faces.family))
        })?;
        let widths = texts.into_iter().zip(spans).map(|(text, span)| {
            // A text that does not fit the picture is so wide that a guess is as good.
            let width = span.map_or_else(|| guess(text), |span| (span - bars).max(0.0) / f64::from(SIZE));
            (text.to_owned(), width)
        });
        Ok(Self(widths.collect()))
    }

    /// How wide a text is, in heights of a line.
    #[must_use]
    pub fn of(&self, text: &str) -> f64 {
        self.0.get(text).copied().unwrap_or_else(|| guess(text))
    }
}

fn guess(text: &str) -> f64 {
    text.chars().map(|c| if is_wide(c) { 0.88 } else { 0.56 }).sum()
}

/// A file that shows one text in each hundredth of a second.
fn sheet(texts: &[&str], faces: &Faces, bold: bool) -> String {
    let (width, height) = PICTURE;
    let mut text = format!(
        "[Script Info]\nScriptType: v4.00+\nPlayResX: {width}\nPlayResY: {height}\nWrapStyle: 2\n\n[V4+ Styles]\n\
         Format: Name,Fontname,Fontsize,PrimaryColour,Bold,BorderStyle,Outline,Shadow,Alignment,MarginL,MarginR,MarginV,\
         Encoding\nStyle: M,{},{SIZE},&H00FFFFFF,{},1,0,0,4,{LEFT},0,0,-1\n\n[Events]\n\
         Format: Layer,Start,End,Style,Name,MarginL,MarginR,MarginV,Effect,Text\n",
        faces.family,
        if bold { -1 } else { 0 }
    );
    for (at, one) in (0u64..).zip(texts) {
        let (from, to) = (super::ass::clock(at * 10), super::ass::clock(at * 10 + 10));
        let _ = writeln!(text, "Dialogue: 0,{from},{to},M,,0,0,0,,|{}|", faces.ass(one));
    }
    text
}

/// How far apart the first and the last ink is, for each of so many texts; nothing where it leaves the picture.
fn spans(path: &Path, fonts: &str, count: usize) -> Result<Vec<Option<f64>>> {
    let (width, height) = PICTURE;
    let spec = format!(
        "color=c=black:s={width}x{height}:r=100:d={:.2},ass=filename={}{fonts},format=gray[out]",
        count as f64 / 100.0,
        escape(&path.to_string_lossy())
    );
    let mut graph = Graph::video(&spec, &[])?;
    let mut spans = Vec::new();
    let mut frame = VideoFrame::empty();
    while graph.pull(&mut frame)? == Pull::Frame {
        spans.push(span(plane(&frame, 0)));
        frame = VideoFrame::empty();
    }
    spans.resize(count, None);
    Ok(spans)
}

fn span(luma: Plane<'_>) -> Option<f64> {
    let rows = || (0..luma.height).map(|y| luma.row(y));
    let first = rows().filter_map(|row| row.iter().position(|v| *v > INK)).min()?;
    let last = rows().filter_map(|row| row.iter().rposition(|v| *v > INK)).max()?;
    (last + 1 < luma.width).then_some((last - first) as f64)
}

#[cfg(test)]
mod tests {
    use super::{Faces, Widths};
    use std::collections::BTreeSet;

    #[test]
    fn texts_are_as_wide_as_they_are_drawn() {
        let scratch = tempfile::tempdir().unwrap();
        let texts: BTreeSet<&str> = ["iiii", "MMMM", "MMMMMMMM", " ", "بحر"].into();
        let faces = Faces::all_in("DejaVu Sans");
        let widths = Widths::measure(&texts, &faces, true, None, scratch.path()).unwrap();
        let of = |text: &str| widths.of(text);
        assert!(of("MMMM") > 2.5 * of("iiii"), "{widths:?}");
        assert!((of("MMMMMMMM") - 2.0 * of("MMMM")).abs() < 0.05, "{widths:?}");
        assert!(of(" ") > 0.15 && of(" ") < 0.5 && of("بحر") > 0.5, "{widths:?}");
        assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0);
    }
}
