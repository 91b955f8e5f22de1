//! The ASS format: a file of styles and timed events, which libass draws. Pure.

use crate::plan::Canvas;
use std::fmt::Write as _;

/// How letters of a style look, sizes in pixels.
#[derive(Clone, PartialEq, Debug)]
pub struct Letters {
    /// Font family.
    pub family: String,
    /// Height of a line.
    pub size: f64,
    /// Whether they are bold.
    pub bold: bool,
    /// Their colour, `#rrggbb`.
    pub colour: String,
    /// Colour of their edge.
    pub stroke_colour: String,
    /// Width of the edge.
    pub stroke: f64,
}

/// An ASS file being written.
pub struct Sheet {
    canvas: Canvas,
    styles: String,
    events: String,
}

impl Sheet {
    /// An empty one.
    #[must_use]
    pub fn new(canvas: Canvas) -> Self {
        Self { canvas, styles: String::new(), events: String::new() }
    }

    /// Adds a style; its texts are placed by their own commands.
    ///
    /// # Errors
    /// In words: a colour that is none.
    pub fn style(&mut self, name: &str, letters: &Letters) -> Result<(), String> {
        let (primary, outline) = (colour(&letters.colour)?, colour(&letters.stroke_colour)?);
        let bold = if letters.bold { -1 } else { 0 };
        // Encoding -1 lets the text itself say from which side it is written.
        let _ = writeln!(
            self.styles,
            "Style: {name},{},{:.1},&H00{primary},&H00{primary},&H00{outline},&H00000000,{bold},0,0,0,100,100,0,0,1,\
             {:.1},0,8,0,0,0,-1",
            family(&letters.family),
            letters.size,
            letters.stroke
        );
        Ok(())
    }

    /// Adds what is shown from one time to another; a higher layer lies above.
    pub fn event(&mut self, layer: u8, style: &str, start_ms: u64, end_ms: u64, text: &str) {
        let (from, to) = (clock(start_ms), clock(end_ms));
        let _ = writeln!(self.events, "Dialogue: {layer},{from},{to},{style},,0,0,0,,{text}");
    }

    /// The file, with a section of embedded fonts.
    #[must_use]
    pub fn finish(self, fonts: &str) -> String {
        let Canvas { width, height, .. } = self.canvas;
        format!(
            "[Script Info]\nScriptType: v4.00+\nPlayResX: {width}\nPlayResY: {height}\nWrapStyle: 2\n\
             ScaledBorderAndShadow: yes\nYCbCr Matrix: TV.709\n\n[V4+ Styles]\n\
             Format: Name,Fontname,Fontsize,PrimaryColour,SecondaryColour,OutlineColour,BackColour,Bold,Italic,\
             Underline,StrikeOut,ScaleX,ScaleY,Spacing,Angle,BorderStyle,Outline,Shadow,Alignment,MarginL,MarginR,\
             MarginV,Encoding\n{}\n{fonts}[Events]\n\
             Format: Layer,Start,End,Style,Name,MarginL,MarginR,MarginV,Effect,Text\n{}",
            self.styles, self.events
        )
    }
}

/// A family's name, of which a comma would be the end.
fn family(name: &str) -> String {
    name.chars().filter(|c| *c != ',' && !c.is_control()).collect()
}

/// `h:mm:ss.cc`, as ASS wants it.
pub fn clock(ms: u64) -> String {
    let hundredths = (ms + 5) / 10;
    let seconds = hundredths / 100;
    format!("{}:{:02}:{:02}.{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60, hundredths % 100)
}

/// `#rrggbb` as ASS writes it: `BBGGRR`.
///
/// # Errors
/// In words: it is no colour.
pub fn colour(text: &str) -> Result<String, String> {
    let hex =
        text.strip_prefix('#').filter(|hex| hex.len() == 6 && hex.bytes().all(|b| b.is_ascii_hexdigit()));
    hex.map(|hex| format!("{}{}{}", &hex[4..6], &hex[2..4], &hex[0..2]).to_uppercase())
        .ok_or_else(|| format!("`{text}` is no colour; write it as #rrggbb, for example #ffcc00"))
}

/// Opacity (0 to 1) as ASS writes it: `00` is opaque.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to a byte")]
pub fn alpha(opacity: f64) -> String {
    format!("{:02X}", (255.0 * (1.0 - opacity.clamp(0.0, 1.0))).round() as u8)
}

/// A filled shape of boxes as a text of an event.
pub fn shape(drawing: &str, bgr: &str, opacity: f64) -> String {
    format!("{{\\an7\\pos(0,0)\\bord0\\shad0\\1c&H{bgr}&\\1a&H{}&\\p1}}{drawing}{{\\p0}}", alpha(opacity))
}

#[cfg(test)]
mod tests {
    use super::{alpha, clock, colour};

    #[test]
    fn colours_are_turned_round_and_checked() {
        assert_eq!(colour("#112233").unwrap(), "332211");
        assert!(colour("red").unwrap_err().contains("#rrggbb"));
        assert_eq!((alpha(1.0), alpha(0.0), alpha(0.69)), ("00".into(), "FF".into(), "4F".into()));
    }

    #[test]
    fn times_are_rounded_to_hundredths() {
        assert_eq!(clock(3_723_456), "1:02:03.46");
    }
}
