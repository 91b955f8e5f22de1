//! Azure Speech, by its REST interface for short texts: SSML in, WAV out.

use super::{Heard, Provider, common, sound};
use crate::types::Input;
use crate::voices;
use reelmill_http::{Service, Settings};
use reelmill_sdk::prelude::*;

const SETTINGS: Settings = Settings {
    address: "voice.region",
    key: "voice.key",
    timeout: "timeout_seconds",
    subject: "voice.voice",
    allow: "",
};

pub struct Azure {
    service: Service,
    /// What stands before and after the text.
    frame: (String, String),
}

impl Azure {
    pub fn open(azure: &voices::Azure, input: &Input) -> Result<Self, StageError> {
        let address = match (&azure.base_url, &azure.region) {
            (Some(address), _) => address.clone(),
            (None, Some(region)) if is_name(region) => {
                format!("https://{region}.tts.speech.microsoft.com/cognitiveservices/v1")
            }
            _ => {
                return Err(StageError::invalid_config(
                    "a voice of Azure needs `region` (letters and digits: `westeurope`) or `base_url`",
                )
                .code("no_region"));
            }
        };
        let service = common(Service::new("Azure Speech", address), input)
            .settings(SETTINGS)
            .secret_header("ocp-apim-subscription-key", &azure.key)
            .header("x-microsoft-outputformat", "riff-24khz-16bit-mono-pcm")
            .open()?;
        Ok(Self { service, frame: frame(azure, input) })
    }
}

impl Provider for Azure {
    fn say(&self, text: &str, cx: &Cx<'_>) -> Result<Heard, StageError> {
        let ssml = format!("{}{}{}", self.frame.0, escape(text), self.frame.1);
        let answer = self.service.post("").bytes("application/ssml+xml", ssml).send(cx)?;
        sound(&answer, cx)
    }

    fn notes(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Whether a region is a name and nothing that would make another host of the address.
fn is_name(region: &str) -> bool {
    !region.is_empty() && region.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn frame(azure: &voices::Azure, input: &Input) -> (String, String) {
    // A voice's name begins with the language that it speaks.
    let parts: Vec<&str> = azure.voice.splitn(3, '-').collect();
    let language = match parts.as_slice() {
        [language, region, _] if (2..=3).contains(&language.len()) => format!("{language}-{region}"),
        _ => input.language.clone(),
    };
    let style = azure.style.as_ref().map(|style| {
        let degree =
            azure.style_degree.map(|degree| format!(" styledegree=\"{degree}\"")).unwrap_or_default();
        format!("<mstts:express-as style=\"{}\"{degree}>", escape(style))
    });
    let percent = |factor: f32| format!("{:+.0}%", (factor - 1.0) * 100.0);
    let before = format!(
        "<speak version=\"1.0\" xmlns=\"http://www.w3.org/2001/10/synthesis\" \
         xmlns:mstts=\"http://www.w3.org/2001/mstts\" xml:lang=\"{}\"><voice name=\"{}\">{}<prosody rate=\"{}\" \
         pitch=\"{}\">",
        escape(&language),
        escape(&azure.voice),
        style.as_deref().unwrap_or_default(),
        percent(input.rate),
        percent(input.pitch)
    );
    let close = if style.is_some() { "</mstts:express-as>" } else { "" };
    (before, format!("</prosody>{close}</voice></speak>"))
}

/// A text within XML.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for mark in text.chars() {
        match mark {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            '\u{fffe}' | '\u{ffff}' => {}
            _ => escaped.push(mark),
        }
    }
    escaped
}
