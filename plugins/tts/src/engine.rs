//! What the engines have in common, and which one speaks.

#![expect(unsafe_code, reason = "engines are shared libraries")]

use crate::espeak::Espeak;
use crate::flite::{self, Flite};
use crate::timing::Mark;
use crate::types::AUTO;
use libloading::Library;
use reelmill_sdk::StageError;
use reelmill_text::Language;
use std::sync::{Mutex, PoisonError};

/// An engine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// English voices.
    Flite,
    /// Some hundred languages.
    Espeak,
}

impl Kind {
    /// Its name in outputs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Flite => "flite",
            Self::Espeak => "espeak-ng",
        }
    }
}

/// A chosen voice.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OfflineVoice {
    /// Its engine.
    pub kind: Kind,
    /// Its name within the engine.
    pub name: String,
}

/// How to speak, as factors of the voice's own way.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// Speed.
    pub rate: f32,
    /// Pitch.
    pub pitch: f32,
}

/// What an engine said.
#[derive(Debug)]
pub struct Spoken {
    /// Mono samples.
    pub samples: Vec<i16>,
    /// Samples a second.
    pub sample_rate: u32,
    /// When the tokens were heard.
    pub marks: Vec<Mark>,
}

/// Something that speaks. One piece at a time; state set by one call does not leak into the next.
pub trait Engine {
    /// Says the tokens of one piece. An empty answer means that the voice cannot read any of them.
    fn say(&mut self, voice: &str, manner: Manner, tokens: &[&str]) -> Result<Spoken, StageError>;
}

/// The engines, opened when they are first needed and never closed: both keep state of their own for the whole
/// process, so there is one of each, and one caller at a time.
struct Engines {
    flite: Option<Flite>,
    espeak: Option<Espeak>,
}

static ENGINES: Mutex<Engines> = Mutex::new(Engines { flite: None, espeak: None });

/// Does something with the engine of a kind, alone.
pub fn with<T>(
    kind: Kind,
    work: impl FnOnce(&mut dyn Engine) -> Result<T, StageError>,
) -> Result<T, StageError> {
    // A panic within a call leaves nothing half done here: each call sets all it needs.
    let mut engines = ENGINES.lock().unwrap_or_else(PoisonError::into_inner);
    match kind {
        Kind::Flite => work(opened(&mut engines.flite, Flite::open)?),
        Kind::Espeak => work(opened(&mut engines.espeak, Espeak::open)?),
    }
}

fn opened<T>(
    slot: &mut Option<T>,
    open: impl FnOnce() -> Result<T, StageError>,
) -> Result<&mut T, StageError> {
    match slot {
        Some(engine) => Ok(engine),
        None => Ok(slot.insert(open()?)),
    }
}

/// Which voice a name means.
pub fn choose(name: &str, tag: &str) -> Result<OfflineVoice, StageError> {
    let asked = name.trim();
    if asked.eq_ignore_ascii_case(AUTO) {
        return Ok(if Language::of(tag).tag() == "en" {
            OfflineVoice { kind: Kind::Flite, name: flite::DEFAULT_VOICE.to_owned() }
        } else {
            OfflineVoice { kind: Kind::Espeak, name: espeak_language(tag) }
        });
    }
    let (engine, name) = asked.split_once('/').unwrap_or(("", asked));
    let kind = match engine {
        "flite" => Kind::Flite,
        // A bare name is flite's when flite has it.
        "" if flite::VOICES.contains(&name) => Kind::Flite,
        "" | "espeak" | "espeak-ng" => Kind::Espeak,
        _ => {
            return Err(StageError::invalid_input(format!(
                "there is no speech engine `{engine}`; names are `auto`, `none`, `flite/NAME` and `espeak/NAME`, and \
                 services are given as `{{ provider: {engine}, … }}`"
            ))
            .code("no_such_engine"));
        }
    };
    if kind == Kind::Flite && !flite::VOICES.contains(&name) {
        return Err(StageError::invalid_input(format!(
            "flite has no voice `{name}`; it has {}",
            flite::VOICES.join(", ")
        ))
        .code("no_such_voice"));
    }
    Ok(OfflineVoice { kind, name: name.to_owned() })
}

/// espeak-ng's name of a language where it differs from the tag.
fn espeak_language(tag: &str) -> String {
    match Language::of(tag).tag() {
        "no" => "nb".to_owned(),
        "zh" => "cmn".to_owned(),
        _ => tag.replace('_', "-").to_ascii_lowercase(),
    }
}

/// Versions of the engines for the cache key. Their libraries may be missing where a manifest is written, so these
/// are the interfaces this plugin is written for.
pub fn versions() -> Vec<String> {
    vec!["libflite.so.1".to_owned(), "libespeak-ng.so.1".to_owned()]
}

/// Opens an engine's library.
pub fn load(library: &str, package: &str) -> Result<Library, StageError> {
    // SAFETY: the libraries of flite and espeak-ng run no code of their own when they are loaded.
    unsafe { Library::new(library) }.map_err(|error| missing(library, package, &error))
}

/// The failure of a library that is not installed, or not the one this was written for.
pub fn missing(library: &str, package: &str, error: &libloading::Error) -> StageError {
    StageError::invalid_config(format!(
        "the speech library {library} cannot be loaded; install it with `apt install {package}`"
    ))
    .code("missing_library")
    .cause(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(language: &str, voice: &str) -> Result<(Kind, String), String> {
        choose(voice, language).map(|voice| (voice.kind, voice.name)).map_err(|error| error.to_string())
    }

    #[test]
    fn voices_are_found_by_language_and_by_name() {
        for (language, voice, kind, name) in [
            ("en-US", "auto", Kind::Flite, "slt"),
            ("no", "auto", Kind::Espeak, "nb"),
            ("zh-CN", "auto", Kind::Espeak, "cmn"),
            ("de_AT", "auto", Kind::Espeak, "de-at"),
            ("en", "rms", Kind::Flite, "rms"),
            ("en", "flite/kal", Kind::Flite, "kal"),
            ("en", "espeak/en-gb", Kind::Espeak, "en-gb"),
            ("fr", "fr+f2", Kind::Espeak, "fr+f2"),
        ] {
            assert_eq!(chosen(language, voice), Ok((kind, name.to_owned())), "{language} {voice}");
        }
    }

    #[test]
    fn unknown_voices_name_the_known() {
        assert!(chosen("en", "flite/nobody").unwrap_err().contains("slt"));
        assert!(chosen("en", "azure/x").unwrap_err().contains("`espeak/NAME`"));
    }
}
