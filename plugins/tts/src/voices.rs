//! Voices as `with` names them: by a name for the offline ones, by options for services.

use reelmill_sdk::prelude::*;
use serde::de::{Deserializer, Error};

/// A voice: a name (`auto`, `flite/slt`, `espeak/nb`, `none`), or a service with its options.
#[derive(Clone, JsonSchema)]
#[schemars(untagged)]
pub enum Voice {
    /// An offline voice, or `none`.
    Name(#[schemars(length(min = 1, max = 80))] String),
    /// A service.
    Service(Box<Service>),
}

/// By hand, so that a mistake in an option is told as one, and not as "no variant matches".
impl<'de> Deserialize<'de> for Voice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(name) => Ok(Self::Name(name)),
            options => serde_json::from_value(options)
                .map(|service| Self::Service(Box::new(service)))
                .map_err(|error| D::Error::custom(format!("a voice is a name or a service: {error}"))),
        }
    }
}

/// A service that speaks.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(tag = "provider", rename_all = "kebab-case")]
pub enum Service {
    /// Azure Speech.
    Azure(Azure),
    /// Anything with `OpenAI`'s `/audio/speech`.
    Openai(OpenAi),
    /// `ElevenLabs`, which says when each character is heard.
    Elevenlabs(ElevenLabs),
    /// A GPT-SoVITS server (`api_v2.py`).
    GptSovits(GptSovits),
    /// Google's Gemini.
    Gemini(Gemini),
    /// `MiniMax`, which says when each word is heard.
    Minimax(MiniMax),
    /// Xiaomi's `MiMo`.
    Mimo(MiMo),
}

/// Azure Speech, by its REST interface. It says no times; they are aligned.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Azure {
    /// The resource's region: `westeurope`.
    #[serde(default)]
    #[schemars(length(min = 1, max = 60))]
    pub region: Option<String>,
    /// The whole address, for other clouds and containers, in place of `region`.
    #[serde(default)]
    #[schemars(length(min = 1, max = 2000))]
    pub base_url: Option<String>,
    /// The resource's key; use a secret.
    pub key: String,
    /// The voice's name: `nb-NO-PernilleNeural`.
    #[schemars(length(min = 1, max = 200))]
    pub voice: String,
    /// A style that the voice has: `cheerful`.
    #[serde(default)]
    #[schemars(length(min = 1, max = 60))]
    pub style: Option<String>,
    /// How much of the style, 0.01 to 2.
    #[serde(default)]
    #[schemars(range(min = 0.01, max = 2.0))]
    pub style_degree: Option<f32>,
}

/// Anything with `OpenAI`'s `/audio/speech`. It says no times; they are aligned.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OpenAi {
    /// Everything before `/audio/speech`.
    #[serde(default = "openai_url")]
    #[schemars(length(min = 1, max = 2000))]
    pub base_url: String,
    /// Sent as a bearer token; use a secret. Local servers often need none.
    #[serde(default)]
    pub key: Option<String>,
    /// The model.
    #[serde(default = "openai_model")]
    #[schemars(length(min = 1, max = 200))]
    pub model: String,
    /// The voice.
    #[schemars(length(min = 1, max = 200))]
    pub voice: String,
    /// How to speak, in words, for models that heed it.
    #[serde(default)]
    #[schemars(length(max = 2000))]
    pub instructions: Option<String>,
    /// The form of sound to ask for: `wav`, or one that the server has.
    #[serde(default = "wav")]
    #[schemars(length(min = 1, max = 20))]
    pub format: String,
}

/// `ElevenLabs`, which says when each character is heard.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ElevenLabs {
    /// The service's address.
    #[serde(default = "elevenlabs_url")]
    #[schemars(length(min = 1, max = 2000))]
    pub base_url: String,
    /// The key; use a secret.
    pub key: String,
    /// The voice's id.
    #[schemars(length(min = 1, max = 100))]
    pub voice: String,
    /// The model.
    #[serde(default = "elevenlabs_model")]
    #[schemars(length(min = 1, max = 100))]
    pub model: String,
    /// The form of sound to ask for; plans have different ones.
    #[serde(default = "elevenlabs_format")]
    #[schemars(length(min = 1, max = 40))]
    pub format: String,
    /// How alike every reading is, 0 to 1.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub stability: Option<f32>,
    /// How close to the voice that was cloned, 0 to 1.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub similarity: Option<f32>,
    /// How expressive, 0 to 1.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub style: Option<f32>,
}

/// A GPT-SoVITS server (`api_v2.py`). It says no times; they are aligned.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GptSovits {
    /// The server's address.
    #[serde(default = "sovits_url")]
    #[schemars(length(min = 1, max = 2000))]
    pub base_url: String,
    /// The recording whose voice is taken, as a path on the server.
    #[schemars(length(min = 1, max = 1000))]
    pub reference_audio: String,
    /// What is said in the recording.
    #[serde(default)]
    #[schemars(length(max = 1000))]
    pub reference_text: String,
    /// The language of the recording: `zh`, `en`, `ja`, `ko`, `yue`; that of the text when left out.
    #[serde(default)]
    #[schemars(length(min = 2, max = 20))]
    pub reference_language: Option<String>,
}

/// Gemini, by `generateContent`. It says no times; they are aligned.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gemini {
    /// The service's address.
    #[serde(default = "gemini_url")]
    #[schemars(length(min = 1, max = 2000))]
    pub base_url: String,
    /// The key; use a secret.
    pub key: String,
    /// The model; one that speaks.
    #[serde(default = "gemini_model")]
    #[schemars(length(min = 1, max = 100))]
    pub model: String,
    /// The name of a prebuilt voice: `Kore`.
    #[schemars(length(min = 1, max = 100))]
    pub voice: String,
    /// How to speak, in words: `warmly, in no hurry`.
    #[serde(default)]
    #[schemars(length(max = 2000))]
    pub instructions: Option<String>,
}

/// `MiniMax`, by its T2A v2, which says when each word is heard.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MiniMax {
    /// The service's address; in China `https://api.minimaxi.com`.
    #[serde(default = "minimax_url")]
    #[schemars(length(min = 1, max = 2000))]
    pub base_url: String,
    /// The key; use a secret.
    pub key: String,
    /// The group, for keys that need it said.
    #[serde(default)]
    #[schemars(length(min = 1, max = 100))]
    pub group_id: Option<String>,
    /// The model.
    #[serde(default = "minimax_model")]
    #[schemars(length(min = 1, max = 100))]
    pub model: String,
    /// The voice's id: `English_expressive_narrator`.
    #[schemars(length(min = 1, max = 200))]
    pub voice: String,
    /// A mood that the model knows: `happy`, `calm`.
    #[serde(default)]
    #[schemars(length(min = 1, max = 40))]
    pub emotion: Option<String>,
    /// The language to read in, by the service's name of it: `English`, `Norwegian`, `auto`.
    #[serde(default)]
    #[schemars(length(min = 1, max = 40))]
    pub language_boost: Option<String>,
}

/// Xiaomi's `MiMo`, by chat completions that answer with sound. It says no times; they are aligned.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MiMo {
    /// Everything before `/chat/completions`.
    #[serde(default = "mimo_url")]
    #[schemars(length(min = 1, max = 2000))]
    pub base_url: String,
    /// The key; use a secret.
    pub key: String,
    /// The model; one that speaks with built-in voices.
    #[serde(default = "mimo_model")]
    #[schemars(length(min = 1, max = 100))]
    pub model: String,
    /// The voice.
    #[serde(default = "mimo_voice")]
    #[schemars(length(min = 1, max = 100))]
    pub voice: String,
    /// How to speak, in words.
    #[serde(default)]
    #[schemars(length(max = 2000))]
    pub instructions: Option<String>,
}

fn openai_url() -> String {
    "https://api.openai.com/v1".to_owned()
}

fn openai_model() -> String {
    "gpt-4o-mini-tts".to_owned()
}

fn wav() -> String {
    "wav".to_owned()
}

fn elevenlabs_url() -> String {
    "https://api.elevenlabs.io".to_owned()
}

fn elevenlabs_model() -> String {
    "eleven_multilingual_v2".to_owned()
}

fn elevenlabs_format() -> String {
    "pcm_24000".to_owned()
}

fn sovits_url() -> String {
    "http://127.0.0.1:9880".to_owned()
}

fn gemini_url() -> String {
    "https://generativelanguage.googleapis.com".to_owned()
}

fn gemini_model() -> String {
    "gemini-3.8-flash-tts".to_owned()
}

fn minimax_url() -> String {
    "https://api.minimax.io".to_owned()
}

fn minimax_model() -> String {
    "speech-2.8-hd".to_owned()
}

fn mimo_url() -> String {
    "https://api.xiaomimimo.com/v1".to_owned()
}

fn mimo_model() -> String {
    "mimo-v2.5-tts".to_owned()
}

fn mimo_voice() -> String {
    "mimo_default".to_owned()
}

impl Voice {
    /// What people call it: `azure/nb-NO-PernilleNeural`.
    pub(crate) fn label(&self) -> String {
        match self {
            Self::Name(name) => name.trim().to_owned(),
            Self::Service(service) => format!("{}/{}", service.provider(), service.voice()),
        }
    }
}

impl Service {
    /// The provider's name.
    pub(crate) const fn provider(&self) -> &'static str {
        match self {
            Self::Azure(_) => "azure",
            Self::Openai(_) => "openai",
            Self::Elevenlabs(_) => "elevenlabs",
            Self::GptSovits(_) => "gpt-sovits",
            Self::Gemini(_) => "gemini",
            Self::Minimax(_) => "minimax",
            Self::Mimo(_) => "mimo",
        }
    }

    /// The voice's name there.
    pub(crate) fn voice(&self) -> &str {
        match self {
            Self::Azure(azure) => &azure.voice,
            Self::Openai(openai) => &openai.voice,
            Self::Elevenlabs(elevenlabs) => &elevenlabs.voice,
            Self::GptSovits(sovits) => sovits.reference_audio.rsplit(['/', '\\']).next().unwrap_or_default(),
            Self::Gemini(gemini) => &gemini.voice,
            Self::Minimax(minimax) => &minimax.voice,
            Self::Mimo(mimo) => &mimo.voice,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_in_a_service_is_told_as_one() {
        let read = |value: Value| serde_json::from_value::<Voice>(value).map(|voice| voice.label());
        assert_eq!(read(json!("flite/slt")).unwrap(), "flite/slt");
        let azure = json!({ "provider": "azure", "region": "x", "key": "k", "voice": "v" });
        assert_eq!(read(azure).unwrap(), "azure/v");
        for (value, word) in [
            (json!({ "provider": "azure", "key": "k" }), "missing field `voice`"),
            (json!({ "provider": "azure", "key": "k", "voice": "v", "stlye": "x" }), "unknown field `stlye`"),
            (json!({ "provider": "nobody" }), "unknown variant `nobody`"),
            (json!({ "voice": "v" }), "provider"),
            (json!(3), "a voice is a name or a service"),
        ] {
            let error = read(value).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}
