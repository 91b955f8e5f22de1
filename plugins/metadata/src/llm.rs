//! Words by a language model behind an OpenAI-compatible endpoint. What it writes is cut like anything else, and what
//! it leaves out is filled in from the script.

use crate::types::Input;
use crate::write::{Words, own_words};
use reelmill_http::{Endpoint, Settings};
use reelmill_sdk::prelude::*;

/// Bytes of the script that the model is shown.
const SCRIPT_BYTES_MAX: usize = 12_000;

#[derive(Deserialize)]
struct Reply {
    choices: Vec<Choice>,
}

#[derive(Deserialize)]
struct Choice {
    message: Message,
}

#[derive(Deserialize)]
struct Message {
    content: Option<String>,
}

#[derive(Deserialize)]
struct Draft {
    title: String,
    description: String,
    #[serde(default)]
    hashtags: Vec<String>,
    #[serde(default)]
    tags: Vec<String>,
}

/// Asks the model.
pub fn ask(model: &Endpoint<120>, input: &Input, cx: &Cx<'_>) -> Result<Words, StageError> {
    let settings = Settings {
        address: "llm.base_url",
        key: "llm.api_key",
        timeout: "llm.timeout_seconds",
        subject: "llm.model",
        ..Settings::default()
    };
    let service = model.service("the model endpoint", settings).bearer(model.key()).open()?;
    cx.progress(&Progress { phase: "asking the model".into(), ..Progress::default() });
    let body = json!({ "model": model.model, "messages": messages(input) });
    let answer = service.post(model.path("/chat/completions")).json(&body).send(cx)?;
    let reply: Reply = answer.json()?;
    let content =
        reply.choices.into_iter().next().and_then(|choice| choice.message.content).unwrap_or_default();
    let draft = read(&content).map_err(|why| answer.malformed(&why))?;
    let own = own_words(input);
    let or_own =
        |text: String, own: String| if text.trim().is_empty() { own } else { text.trim().to_owned() };
    let all = |mut given: Vec<String>, more: Vec<String>| {
        given.extend(more);
        given
    };
    Ok(Words {
        title: or_own(draft.title, own.title),
        description: or_own(draft.description, own.description),
        keywords: all(draft.tags, own.keywords),
        // Whoever gave hashtags wants them first.
        hashtags: all(own.hashtags, draft.hashtags),
    })
}

fn messages(input: &Input) -> Value {
    let script = input.scenes.iter().map(|scene| scene.narration.as_str()).collect::<Vec<_>>().join("\n");
    let script = &script[..script.floor_char_boundary(SCRIPT_BYTES_MAX)];
    let task = format!(
        "You write what stands beside a short video on the web. Answer with one JSON object and nothing else: \
         {{\"title\": at most 90 characters, \"description\": two to four sentences, \"hashtags\": up to {} single words, \
         \"tags\": up to 15 words or short phrases that people search for}}. Write in the language `{}`. Say nothing that \
         the script does not say.",
        input.hashtag_count, input.language
    );
    let summary = input.summary.as_deref().unwrap_or_default();
    json!([
        { "role": "system", "content": task },
        { "role": "user", "content": format!("Title: {}\n{summary}\n\nScript:\n{script}", input.title) }
    ])
}

/// The object within an answer, whatever stands around it.
fn read(content: &str) -> Result<Draft, String> {
    let object = content.find('{').zip(content.rfind('}')).and_then(|(start, end)| content.get(start..=end));
    serde_json::from_str(object.ok_or("the model wrote no JSON object")?)
        .map_err(|error| format!("the model's JSON cannot be used: {error}"))
}
