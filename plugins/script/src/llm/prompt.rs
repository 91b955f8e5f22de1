//! What is sent to a model.

use crate::source::Source;
use crate::types::{Input, Llm};
use reelmill_sdk::prelude::*;

/// Characters of a text that are sent; models lose the thread long before their windows end.
const TEXT_CHARS_MAX: usize = 60_000;

/// How the endpoint is asked to shape its answer, strictest first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// `response_format: json_schema`.
    Schema,
    /// `response_format: json_object`.
    Object,
    /// Only the words of the prompt.
    Words,
}

impl Format {
    /// The next one to try.
    pub const fn simpler(self) -> Option<Self> {
        match self {
            Self::Schema => Some(Self::Object),
            Self::Object => Some(Self::Words),
            Self::Words => None,
        }
    }

    /// Its name in the log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Schema => "response_format json_schema",
            Self::Object => "response_format json_object",
            Self::Words => "a plain request",
        }
    }
}

/// The messages of the first request.
pub fn opening(input: &Input, source: &Source) -> Vec<Value> {
    let tone = input.tone.as_deref().unwrap_or("clear and friendly");
    let scenes = input.scenes;
    let seconds = input.budget_seconds();
    let system = format!(
        "You write narration for short videos. Write in the language with the tag \"{language}\". Tone: {tone}. \
         Write exactly {scenes} scenes for about {seconds:.0} seconds of speech in all, which is about {words:.0} \
         words. Each narration is plain prose to be read aloud: no headings, no stage directions, no emoji, no \
         markup. For each scene give three to six keywords in the same language that name things one could film. \
         Answer with one JSON object and nothing else: {{\"title\": string, \"scenes\": [{{\"narration\": string, \
         \"keywords\": [string]}}]}}.",
        language = input.language,
        words = seconds * 2.5,
    );
    let mut user = String::new();
    if let Some(topic) = &source.topic {
        user.push_str("Topic: ");
        user.push_str(topic);
        user.push('\n');
    }
    if !source.paragraphs.is_empty() {
        user.push_str("Use only what this text says:\n<text>\n");
        user.extend(source.paragraphs.join("\n\n").chars().take(TEXT_CHARS_MAX));
        user.push_str("\n</text>\n");
    }
    vec![json!({ "role": "system", "content": system }), json!({ "role": "user", "content": user })]
}

/// The message after an answer that was refused.
pub fn complaint(complaint: &str, scenes: u32) -> String {
    format!(
        "That answer cannot be used: {complaint}. Answer again with one JSON object with `title` and exactly \
         {scenes} `scenes`, each with `narration` and `keywords`, and nothing else."
    )
}

/// The body of a request.
pub fn request(llm: &Llm, messages: &[Value], format: Format, scenes: u32) -> Value {
    let mut body = json!({ "model": llm.model, "messages": messages, "stream": false });
    if let Some(temperature) = llm.temperature {
        body["temperature"] = json!(temperature);
    }
    if let Some(tokens) = llm.max_tokens {
        body["max_tokens"] = json!(tokens);
    }
    match format {
        Format::Schema => {
            body["response_format"] = json!({
                "type": "json_schema",
                "json_schema": { "name": "script", "strict": true, "schema": schema(scenes) }
            });
        }
        Format::Object => body["response_format"] = json!({ "type": "json_object" }),
        Format::Words => {}
    }
    body
}

/// Strict mode knows no lengths, so the count stands in the description and is checked here.
fn schema(scenes: u32) -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["title", "scenes"],
        "properties": {
            "title": { "type": "string" },
            "scenes": {
                "type": "array",
                "description": format!("exactly {scenes} scenes"),
                "items": {
                    "type": "object",
                    "additionalProperties": false,
                    "required": ["narration", "keywords"],
                    "properties": {
                        "narration": { "type": "string" },
                        "keywords": { "type": "array", "items": { "type": "string" } }
                    }
                }
            }
        }
    })
}
