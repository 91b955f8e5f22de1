//! What `music.generate` takes and puts out.

use reelmill_sdk::prelude::*;
use serde::de::{Deserializer, Error};

/// Characters of a prompt, and of words to sing, at the most.
const PROMPT_CHARS_MAX: usize = 2_000;
const LYRICS_CHARS_MAX: usize = 3_500;
/// Sources of one chain at the most.
const SOURCES_MAX: usize = 10;
/// Seconds of music.
const SECONDS: std::ops::RangeInclusive<u32> = 3..=600;

/// `with` of `music.generate`.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-secrets" = "credentials"))]
pub struct Input {
    /// What it is to sound like, in words, for services. Without it they are told the mood.
    #[serde(default)]
    #[schemars(length(min = 1, max = 2000))]
    pub prompt: Option<String>,
    /// What it is to feel like.
    #[serde(default)]
    pub mood: Mood,
    /// How long it is to be. Services that choose by themselves say so in `notes`.
    #[serde(default = "default_seconds")]
    #[schemars(range(min = 3, max = 600))]
    pub seconds: u32,
    /// Without a voice.
    #[serde(default = "yes")]
    pub instrumental: bool,
    /// What is sung where it is not instrumental, for services that take it.
    #[serde(default)]
    #[schemars(length(min = 1, max = 3500))]
    pub lyrics: Option<String>,
    /// Another number is other music, where it is made here.
    #[serde(default)]
    pub seed: u64,
    /// Who makes it: the first that can; `fallbacks` says why those before it did not. `offline` is music made here.
    #[serde(default = "default_sources")]
    #[schemars(length(min = 1, max = 10))]
    pub sources: Vec<Source>,
    /// Seconds to wait for one answer of a service.
    #[serde(default = "default_timeout")]
    #[schemars(range(min = 1, max = 1800))]
    pub timeout_seconds: u32,
    /// Seconds that a service of a chain may ask to wait (`Retry-After`) before the next is tried instead.
    #[serde(default = "default_patience")]
    #[schemars(range(max = 300))]
    pub patience_seconds: u32,
}

/// What music feels like.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mood {
    /// Slow and warm.
    #[default]
    Calm,
    /// Quick and friendly.
    Bright,
    /// Slow, in minor.
    Sad,
    /// Low and slow.
    Dark,
    /// Waiting for something.
    Tense,
    /// Large, with a strong bass.
    Epic,
    /// With a beat.
    Driving,
}

impl Mood {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Calm => "calm",
            Self::Bright => "bright",
            Self::Sad => "sad",
            Self::Dark => "dark",
            Self::Tense => "tense",
            Self::Epic => "epic",
            Self::Driving => "driving",
        }
    }
}

/// Who makes music: `offline`, or a service with its options.
#[derive(Clone, JsonSchema)]
#[schemars(untagged)]
pub enum Source {
    /// `offline`.
    Name(#[schemars(extend("enum" = ["offline"]))] String),
    /// A service.
    Service(Box<Service>),
}

/// By hand, so that a mistake in an option is told as one, and not as "no variant matches".
impl<'de> Deserialize<'de> for Source {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(name) if name == "offline" => Ok(Self::Name(name)),
            options => serde_json::from_value(options)
                .map(|service| Self::Service(Box::new(service)))
                .map_err(|error| D::Error::custom(format!("a source is `offline` or a service: {error}"))),
        }
    }
}

/// A service that makes music.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(tag = "provider", rename_all = "kebab-case")]
pub enum Service {
    /// `ElevenLabs`.
    Elevenlabs(ElevenLabs),
    /// `MiniMax`.
    Minimax(MiniMax),
}

/// `ElevenLabs` Music.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ElevenLabs {
    /// The service's address.
    #[serde(default = "elevenlabs_url")]
    #[schemars(length(min = 1, max = 2000))]
    pub base_url: String,
    /// The key; use a secret.
    pub key: String,
    /// The model.
    #[serde(default = "elevenlabs_model")]
    #[schemars(length(min = 1, max = 100))]
    pub model: String,
    /// The form of sound to ask for, one with a head of its own (`mp3_…`, `opus_…`); plans have different ones.
    #[serde(default = "elevenlabs_format")]
    #[schemars(length(min = 1, max = 40))]
    pub format: String,
}

/// `MiniMax` music.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MiniMax {
    /// The service's address; in China `https://api.minimaxi.com`.
    #[serde(default = "minimax_url")]
    #[schemars(length(min = 1, max = 2000))]
    pub base_url: String,
    /// The key; use a secret.
    pub key: String,
    /// The model.
    #[serde(default = "minimax_model")]
    #[schemars(length(min = 1, max = 100))]
    pub model: String,
}

const fn default_seconds() -> u32 {
    30
}

const fn yes() -> bool {
    true
}

fn default_sources() -> Vec<Source> {
    vec![Source::Name("offline".to_owned())]
}

const fn default_timeout() -> u32 {
    300
}

const fn default_patience() -> u32 {
    10
}

fn elevenlabs_url() -> String {
    "https://api.elevenlabs.io".to_owned()
}

fn elevenlabs_model() -> String {
    "music_v1".to_owned()
}

fn elevenlabs_format() -> String {
    "mp3_44100_128".to_owned()
}

fn minimax_url() -> String {
    "https://api.minimax.io".to_owned()
}

fn minimax_model() -> String {
    "music-2.6".to_owned()
}

impl Input {
    /// Checks what an expression may have got wrong.
    pub(crate) fn check(&self) -> Result<(), StageError> {
        let refuse = |message: String| Err(StageError::invalid_input(message));
        if !SECONDS.contains(&self.seconds) {
            return refuse(format!("`seconds` is {}, but must be 3 to 600", self.seconds));
        }
        for (name, value, least, most) in [
            ("timeout_seconds", self.timeout_seconds, 1, 1800),
            ("patience_seconds", self.patience_seconds, 0, 300),
        ] {
            if !(least..=most).contains(&value) {
                return refuse(format!("`{name}` is {value}, but must be {least} to {most}"));
            }
        }
        for (name, text, most) in
            [("prompt", &self.prompt, PROMPT_CHARS_MAX), ("lyrics", &self.lyrics, LYRICS_CHARS_MAX)]
        {
            if text.as_ref().is_some_and(|text| text.chars().count() > most) {
                return refuse(format!("`{name}` has more than {most} characters"));
            }
        }
        if self.sources.is_empty() || self.sources.len() > SOURCES_MAX {
            return refuse(format!("`sources` has {}, but must have 1 to {SOURCES_MAX}", self.sources.len()));
        }
        Ok(())
    }

    /// What a service is told.
    pub(crate) fn wish(&self) -> String {
        let own = self.prompt.as_deref().map(str::trim).filter(|prompt| !prompt.is_empty());
        own.map_or_else(
            || format!("{} background music for a short video, simple and unobtrusive", self.mood.name()),
            str::to_owned,
        )
    }
}

impl Source {
    /// What people call it: `offline`, `elevenlabs/music_v1`.
    pub(crate) fn label(&self) -> String {
        match self {
            Self::Name(name) => name.clone(),
            Self::Service(service) => match service.as_ref() {
                Service::Elevenlabs(elevenlabs) => format!("elevenlabs/{}", elevenlabs.model),
                Service::Minimax(minimax) => format!("minimax/{}", minimax.model),
            },
        }
    }
}

/// A source that made no music.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct Fallback {
    /// The source: `elevenlabs/music_v1`.
    pub source: String,
    /// A short word for why: `rate_limited`.
    pub code: String,
    /// Why.
    pub reason: String,
}

/// What `music.generate` puts out. With fallbacks it is not kept in the cache: the next run asks the first source again.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(extend("x-provisional" = "fallbacks"))]
pub struct Output {
    /// The music, for `music` of `video.compose`.
    pub music: OutputFile,
    /// Its length, in milliseconds.
    pub duration_ms: u64,
    /// `offline`, `elevenlabs` or `minimax`.
    pub source: String,
    /// The sources before it in the chain, and why they made none.
    pub fallbacks: Vec<Fallback>,
    /// What is not as it was asked for, one sentence each.
    pub notes: Vec<String>,
}
