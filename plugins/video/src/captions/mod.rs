//! Captions: words with times become a few short lines at a time, drawn by libass or written for players.
//!
//! `letters` knows scripts, `atoms` where text may be broken, `cues` which words stand together and in which lines;
//! `draw` places them in an ASS file (`ass`, `boxes`, `embed`), `titles` does that for other texts; `srt` writes
//! captions for players. All of these are pure:
//! how wide a text is comes from `widths`, which asks libass, and what a font has from `faces`, which asks fontconfig.

mod ass;
mod atoms;
mod boxes;
mod cues;
mod draw;
mod embed;
mod faces;
mod letters;
mod srt;
mod titles;
mod widths;

pub use cues::Cue;
pub use srt::Soft;

use crate::overlay::Title;
use crate::plan::{Canvas, Plan};
use crate::style::CaptionStyle;
use crate::timeline::Timeline;
use ass::Sheet;
use draw::Painter;
use faces::Faces;
use reelmill_media::{Error, Result};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use widths::Widths;

/// The captions of a timeline on a canvas.
pub struct Captions {
    /// What is shown, and when.
    pub cues: Vec<Cue>,
    style: CaptionStyle,
    canvas: Canvas,
    faces: Faces,
    widths: Widths,
}

impl Captions {
    /// Sets the words of a timeline; nothing when it has no captions or nobody speaks. Helper files go to `scratch`.
    ///
    /// # Errors
    /// A font that is not there, a letter that none has: where captions are burnt in. For those that are only read, lines
    /// are then broken by guessed widths.
    pub fn set(timeline: &Timeline, plan: &Plan, canvas: Canvas, scratch: &Path) -> Result<Option<Self>> {
        let Some(style) = &timeline.captions else { return Ok(None) };
        let scenes = cues::spoken(timeline, plan, style);
        let mut texts: BTreeSet<&str> = scenes.iter().flatten().map(|atom| atom.text.as_str()).collect();
        if texts.is_empty() {
            return Ok(None);
        }
        let found = Faces::find(style, texts.iter().copied());
        texts.insert(" ");
        let (faces, widths) = match found {
            Ok(faces) => {
                let fonts = FontsFolder::make(&faces.given, scratch)?;
                let widths = Widths::measure(&texts, &faces, style.bold, fonts.as_ref(), scratch)?;
                (faces, widths)
            }
            Err(error) if style.burnt() => return Err(error),
            Err(_) => (Faces::default(), Widths::default()),
        };
        let width = |text: &str| widths.of(text);
        let cues = cues::cues(&scenes, style, draw::room(style, canvas), &width);
        Ok(Some(Self { cues, style: style.clone(), canvas, faces, widths }))
    }

    fn paint(&self, sheet: &mut Sheet) -> Result<()> {
        let width = |text: &str| self.widths.of(text);
        Painter::new(&self.style, self.canvas, &self.faces, &width)
            .and_then(|painter| painter.paint(sheet, &self.cues))
            .map_err(Error::Setting)
    }

    /// The ASS file; with its fonts in it where `embed` is set.
    pub fn ass(&self, embed: bool) -> Result<String> {
        let mut sheet = Sheet::new(self.canvas);
        self.paint(&mut sheet)?;
        let fonts = if embed { embed::fonts_section(&self.faces.files)? } else { String::new() };
        Ok(sheet.finish(&fonts))
    }

    /// The captions as a `SubRip` file.
    #[must_use]
    pub fn srt(&self) -> String {
        srt::srt(&self.cues)
    }

    /// The captions as a `WebVTT` file.
    #[must_use]
    pub fn vtt(&self) -> String {
        srt::vtt(&self.cues)
    }

    /// The captions as a track without gaps.
    #[must_use]
    pub fn soft(&self) -> Vec<Soft> {
        srt::soft(&self.cues)
    }

    /// Their language in three letters.
    #[must_use]
    pub fn language(&self) -> &str {
        srt::three_letters(self.style.language.as_deref().unwrap_or("und"))
    }
}

/// All texts that become part of the picture, ready for libass. Its files go when this does.
pub struct Lettering {
    file: PathBuf,
    fonts: Option<FontsFolder>,
}

impl Lettering {
    /// Writes captions (where they are burnt in), titles and the progress bar of a timeline; nothing when it has none.
    pub fn write(
        timeline: &Timeline,
        captions: Option<&Captions>,
        canvas: Canvas,
        scratch: &Path,
    ) -> Result<Option<Self>> {
        let captions = captions.filter(|captions| captions.style.burnt());
        if captions.is_none() && timeline.titles.is_empty() && timeline.progress.is_none() {
            return Ok(None);
        }
        let mut sheet = Sheet::new(canvas);
        let mut given: Vec<PathBuf> = Vec::new();
        if let Some(captions) = captions {
            captions.paint(&mut sheet)?;
            given.extend(captions.faces.given.iter().cloned());
        }
        for (number, title) in timeline.titles.iter().enumerate() {
            given.extend(add_title(&mut sheet, &format!("Title{number}"), title, canvas, scratch)?);
        }
        if let Some(bar) = &timeline.progress {
            titles::progress(&mut sheet, "Default", bar, canvas, timeline.duration_ms())
                .map_err(Error::Setting)?;
        }
        let lettering =
            Self { file: scratch.join("lettering.ass"), fonts: FontsFolder::make(&given, scratch)? };
        std::fs::write(&lettering.file, sheet.finish("")).map_err(|e| Error::Output {
            path: lettering.file.clone(),
            reason: e.to_string(),
            log: Vec::new(),
        })?;
        Ok(Some(lettering))
    }

    /// The filter of libav that draws it.
    #[must_use]
    pub fn filter(&self) -> String {
        let fonts = FontsFolder::option(self.fonts.as_ref());
        format!("ass=filename={}{fonts}", reelmill_media::escape(&self.file.to_string_lossy()))
    }
}

impl Drop for Lettering {
    fn drop(&mut self) {
        // What stays lies in scratch and goes with it.
        let _ = std::fs::remove_file(&self.file);
    }
}

/// Adds a title; the answer is the font files that are not installed.
fn add_title(
    sheet: &mut Sheet,
    name: &str,
    title: &Title,
    canvas: Canvas,
    scratch: &Path,
) -> Result<Vec<PathBuf>> {
    let (text, small) = titles::says(title);
    let style = titles::letters_of(title);
    let faces = Faces::find(&style, [text.as_str(), small.as_str()])?;
    let atoms = [cues::untimed(&text), cues::untimed(&small)].concat();
    let mut texts: BTreeSet<&str> = atoms.iter().map(|atom| atom.text.as_str()).collect();
    texts.insert(" ");
    let fonts = FontsFolder::make(&faces.given, scratch)?;
    let widths = Widths::measure(&texts, &faces, style.bold, fonts.as_ref(), scratch)?;
    titles::paint(sheet, name, title, canvas, &faces, &|text: &str| widths.of(text))
        .map_err(Error::Setting)?;
    Ok(faces.given)
}

/// Given font files in a folder of their own, because libass reads all files of a folder. It goes when this does.
pub struct FontsFolder(PathBuf);

impl FontsFolder {
    fn make(given: &[PathBuf], scratch: &Path) -> Result<Option<Self>> {
        if given.is_empty() {
            return Ok(None);
        }
        let folder = Self(scratch.join("fonts"));
        let failed = |e: std::io::Error| Error::Output {
            path: folder.0.clone(),
            reason: e.to_string(),
            log: Vec::new(),
        };
        std::fs::create_dir_all(&folder.0).map_err(failed)?;
        for (number, file) in given.iter().enumerate() {
            std::fs::copy(file, folder.0.join(format!("{number}.font"))).map_err(failed)?;
        }
        Ok(Some(folder))
    }

    /// The option of libav's filter `ass` that names it.
    #[must_use]
    pub fn option(folder: Option<&Self>) -> String {
        folder.map_or_else(String::new, |folder| {
            format!(":fontsdir={}", reelmill_media::escape(&folder.0.to_string_lossy()))
        })
    }
}

impl Drop for FontsFolder {
    fn drop(&mut self) {
        // What stays lies in scratch and goes with it.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
