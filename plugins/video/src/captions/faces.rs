//! Which font each letter comes from. A letter that the chosen fonts lack is an error with a way out; where nothing
//! was chosen, installed fonts stand in for each other.

use super::letters::{is_emoji, is_unseen};
use crate::style::CaptionStyle;
use reelmill_media::{
    Error, Font, Result, font_families, font_of_family, font_of_file, font_with, usual_font,
};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// The family that is taken where none is named, when it is installed.
const USUAL: &str = "DejaVu Sans";
/// Letters that an error names at most.
const NAMED: usize = 5;

/// The fonts of a text.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Faces {
    /// The family of most letters.
    pub family: String,
    /// Families of the letters that it lacks.
    odd: BTreeMap<char, String>,
    /// Font files that fontconfig does not know.
    pub given: Vec<PathBuf>,
    /// All files that letters come from.
    pub files: Vec<PathBuf>,
}

impl Faces {
    /// Finds the fonts for all letters of `texts`.
    pub fn find<'a>(style: &CaptionStyle, texts: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let main = main_font(style)?;
        let mut faces = Self {
            family: main.family.clone(),
            odd: BTreeMap::new(),
            given: style.font_file.iter().map(|file| file.path().to_owned()).collect(),
            files: vec![main.file.clone()],
        };
        let mut others = Vec::new();
        for family in &style.fallback_fonts {
            others.push(font_of_family(family, style.bold)?.ok_or_else(|| unknown_family(family))?);
        }
        let chosen = style.font.is_some() || style.font_file.is_some();
        let letters: BTreeSet<char> = texts.into_iter().flat_map(str::chars).collect();
        let mut missing = Vec::new();
        for letter in letters.into_iter().filter(|c| !is_unseen(*c) && !main.has(*c)) {
            if !others.iter().any(|font| font.has(letter)) && (!chosen || is_emoji(letter)) {
                others.extend(font_with(letter, style.language.as_deref(), style.bold)?);
            }
            match others.iter().find(|font| font.has(letter)) {
                Some(font) => faces.take(letter, font),
                None => missing.push(letter),
            }
        }
        if missing.is_empty() { Ok(faces) } else { Err(lacking(&missing, &main.family, style)) }
    }

    fn take(&mut self, letter: char, font: &Font) {
        self.odd.insert(letter, font.family.clone());
        if !self.files.contains(&font.file) {
            self.files.push(font.file.clone());
        }
    }

    /// A text for ASS: no command in it, and letters of other fonts marked.
    #[must_use]
    pub fn ass(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut now: Option<&String> = None;
        for c in text.chars() {
            // Spaces and joiners stay with the letters before them.
            if !is_unseen(c) && self.odd.get(&c) != now {
                now = self.odd.get(&c);
                out.push_str(&now.map_or_else(|| "{\\fn}".to_owned(), |family| format!("{{\\fn{family}}}")));
            }
            push_literal(&mut out, c);
        }
        if now.is_some() {
            out.push_str("{\\fn}");
        }
        out
    }

    /// One family with every letter, for tests.
    #[cfg(test)]
    pub fn all_in(family: &str) -> Self {
        Self { family: family.into(), ..Self::default() }
    }
}

/// What a text says must not be taken for ASS commands.
fn push_literal(out: &mut String, c: char) {
    match c {
        '{' => out.push_str("\\{"),
        '}' => out.push_str("\\}"),
        // A backslash only acts together with the letter after it; a joiner of no width keeps them apart.
        '\\' => out.push_str("\\\u{2060}"),
        // It asks for emoji in colour, which libass cannot draw.
        '\u{fe0f}' => {}
        c if c.is_control() => out.push(' '),
        c => out.push(c),
    }
}

fn main_font(style: &CaptionStyle) -> Result<Font> {
    if let Some(file) = &style.font_file {
        return font_of_file(file.path());
    }
    if let Some(family) = &style.font {
        return font_of_family(family, style.bold)?.ok_or_else(|| unknown_family(family));
    }
    let usual = font_of_family(USUAL, style.bold)?.map_or_else(|| usual_font(style.bold), |f| Ok(Some(f)))?;
    usual.ok_or_else(|| {
        Error::Setting(
            "no font is installed for captions; install Debian's fonts-dejavu-core or give `font_file`"
                .into(),
        )
    })
}

fn unknown_family(family: &str) -> Error {
    let installed = font_families().unwrap_or_default();
    let named: Vec<&str> = installed.iter().take(12).map(String::as_str).collect();
    let more = if installed.len() > named.len() { ", …" } else { "" };
    Error::Setting(format!(
        "the font `{family}` is not installed on this worker; installed are {}{more}; or give a `font_file`",
        named.join(", ")
    ))
}

/// Says which letters are missing, and which installed font has the first of them.
fn lacking(missing: &[char], family: &str, style: &CaptionStyle) -> Error {
    let named: Vec<String> =
        missing.iter().take(NAMED).map(|c| format!("`{c}` (U+{:04X})", u32::from(*c))).collect();
    let more = missing.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more letters") } else { String::new() };
    let has = font_with(missing[0], style.language.as_deref(), style.bold).ok().flatten();
    let remedy = match has {
        Some(font) => format!(
            "{} has {}: name it as `font`, or in `fallback_fonts`",
            font.family,
            if missing.len() == 1 { "it" } else { "the first of them" }
        ),
        None => "no installed font that can be drawn has it; install one (Debian: fonts-noto-core, fonts-noto-cjk, \
                 fonts-symbola) or give a `font_file`"
            .to_owned(),
    };
    Error::Setting(format!("captions: the font {family} has no {}{more}; {remedy}", named.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::Faces;
    use crate::style::CaptionStyle;

    fn style(font: Option<&str>) -> CaptionStyle {
        CaptionStyle { font: font.map(str::to_owned), ..CaptionStyle::default() }
    }

    #[test]
    fn a_missing_letter_is_named_with_a_font_that_has_it() {
        let error = Faces::find(&style(Some("DejaVu Serif")), ["sea ع"]).unwrap_err().to_string();
        assert!(error.contains("`ع` (U+0639)") && error.contains("DejaVu Sans"), "{error}");
        let error = Faces::find(&style(None), ["\u{e7f3}"]).unwrap_err().to_string();
        assert!(error.contains("U+E7F3") && error.contains("no installed font"), "{error}");
    }

    #[test]
    fn letters_come_from_fallbacks_that_are_marked() {
        let mut chosen = style(Some("DejaVu Serif"));
        chosen.fallback_fonts = vec!["DejaVu Sans".into()];
        let faces = Faces::find(&chosen, ["sea ع sea"]).unwrap();
        assert_eq!(faces.ass("sea ع sea"), "sea {\\fnDejaVu Sans}ع {\\fn}sea");
        assert_eq!(faces.files.len(), 2);
    }

    #[test]
    fn an_unknown_family_is_refused_with_those_that_are_there() {
        let error = Faces::find(&style(Some("Nothing Sans")), ["a"]).unwrap_err().to_string();
        assert!(error.contains("Nothing Sans") && error.contains("DejaVu Sans Mono"), "{error}");
    }

    #[test]
    fn words_are_never_commands() {
        let faces = Faces::all_in("X");
        assert_eq!(faces.ass("{\\b1}bold\\Nnot"), "\\{\\\u{2060}b1\\}bold\\\u{2060}Nnot");
    }
}
