//! What is asked of a model, and in which form it has to answer.

use super::answer::{Draft, name};
use super::chat::Question;
use crate::source::Source;
use crate::types::Input;
use reelmill_sdk::prelude::*;
use reelmill_text::speech_rate;
use std::fmt::Write as _;

/// Characters of a text that are sent; models lose the thread long before their windows end.
const TEXT_CHARS_MAX: usize = 60_000;

/// For the script.
pub fn script(input: &Input, source: &Source) -> Question {
    let form = script_form(input, source);
    let (unit, rate) = speech_rate(&source.language);
    let (scenes, seconds) = (input.scenes, input.budget_seconds());
    let tone = input.tone.as_deref().unwrap_or("clear and friendly");
    let built_in = format!(
        "You write narration for short videos. Tone: {tone}. Each narration is plain prose to be read aloud: no \
         headings, no stage directions, no emoji, no markup. Begin with something that makes people stay."
    );
    let system = input.system_prompt.as_deref().unwrap_or(&built_in);
    let size = format!(
        "Write {scenes} scenes for {seconds:.0} seconds of speech in all, which is about {amount:.0} {unit}.",
        amount = seconds * rate,
        unit = name(unit)
    );
    let language = match &source.tag {
        Some(tag) => format!("Write in the language with the tag \"{tag}\"."),
        None => "Write in the language in which the topic is given.".to_owned(),
    };
    let mut user = String::new();
    if let Some(topic) = &source.topic {
        let _ = writeln!(user, "Topic: {topic}");
    }
    if let Some(instructions) = input.instructions.as_deref().map(str::trim).filter(|text| !text.is_empty()) {
        let _ = writeln!(user, "Heed this too: {instructions}");
    }
    if !source.paragraphs.is_empty() {
        user.push_str("Use only what this text says:\n<text>\n");
        user.extend(source.paragraphs.join("\n\n").chars().take(TEXT_CHARS_MAX));
        user.push_str("\n</text>\n");
    }
    Question {
        messages: vec![
            json!({ "role": "system", "content": format!("{system}\n\n{language} {size} {form}") }),
            json!({ "role": "user", "content": user }),
        ],
        schema: script_schema(input, source),
        name: "script",
        form,
    }
}

fn script_form(input: &Input, source: &Source) -> String {
    let terms = input.terms_language.as_deref().or(source.tag.as_deref());
    let terms =
        terms.map_or("the same language".to_owned(), |tag| format!("the language with the tag \"{tag}\""));
    let language = if source.tag.is_none() { "\"language\": string (its tag, such as en), " } else { "" };
    format!(
        "For each scene give three to six keywords, in the language of the script, that name things one could film, \
         and two or three search terms of one to three words, in {terms}, that find footage for it on a stock site. \
         Answer with one JSON object and nothing else: {{\"title\": string, {language}\"scenes\": [{{\"narration\": \
         string, \"keywords\": [string], \"search_terms\": [string]}}]}}, with exactly {} scenes.",
        input.scenes
    )
}

/// An object of which strict mode wants every field; it knows no lengths, so counts stand in descriptions and are
/// checked here.
fn object(fields: &Value) -> Value {
    let names: Vec<&String> = fields.as_object().map(|map| map.keys().collect()).unwrap_or_default();
    json!({ "type": "object", "additionalProperties": false, "required": names, "properties": fields })
}

fn texts() -> Value {
    json!({ "type": "array", "items": { "type": "string" } })
}

fn script_schema(input: &Input, source: &Source) -> Value {
    let scene =
        object(&json!({ "narration": { "type": "string" }, "keywords": texts(), "search_terms": texts() }));
    let count = format!("exactly {} scenes", input.scenes);
    let mut fields = json!({
        "title": { "type": "string" },
        "scenes": { "type": "array", "description": count, "items": scene }
    });
    if source.tag.is_none() {
        fields["language"] =
            json!({ "type": "string", "description": "the tag of the language, such as en" });
    }
    object(&fields)
}

/// For search terms of scenes that are written already.
pub fn terms(narrations: &[&str], language: &str, topic: Option<&str>) -> Question {
    let count = narrations.len();
    let form = format!(
        "Answer with one JSON object and nothing else: {{\"scenes\": [{{\"search_terms\": [string]}}]}}, with exactly \
         {count} scenes in the order given."
    );
    let system = format!(
        "You find footage for videos. For each scene give two or three search terms of one to three words, in the \
         language with the tag \"{language}\", that find footage for it on a stock site: things that can be seen, not \
         ideas. {form}"
    );
    let mut user = topic.map(|topic| format!("The video is about: {topic}\n")).unwrap_or_default();
    for (place, narration) in narrations.iter().enumerate() {
        let _ = writeln!(user, "Scene {}: {narration}", place + 1);
    }
    Question {
        messages: vec![
            json!({ "role": "system", "content": system }),
            json!({ "role": "user", "content": user.chars().take(TEXT_CHARS_MAX).collect::<String>() }),
        ],
        schema: object(&json!({ "scenes": {
            "type": "array",
            "description": format!("exactly {count} scenes"),
            "items": object(&json!({ "search_terms": texts() }))
        } })),
        name: "list of search terms",
        form,
    }
}

/// For a choice among candidates.
pub fn judge(input: &Input, source: &Source, drafts: &[Draft]) -> Question {
    let criteria = input.judge.as_ref().and_then(|judge| judge.criteria.as_deref()).unwrap_or(
        "It keeps to the topic and to what it was asked for, is true, has a beginning that makes people stay, says \
         something in every scene, and sounds like a person.",
    );
    let form = format!(
        "Answer with one JSON object and nothing else: {{\"reasons\": [{{\"candidate\": number, \"reason\": string}}], \
         \"choice\": number}}, with one sentence of reason for each of the {} candidates.",
        drafts.len()
    );
    let system =
        format!("You choose among scripts of short videos. What makes a good one: {criteria} {form}");
    let mut user = source.topic.as_ref().map(|topic| format!("Topic: {topic}\n")).unwrap_or_default();
    if let Some(instructions) = &input.instructions {
        let _ = writeln!(user, "What the writers were told: {instructions}");
    }
    for (place, draft) in drafts.iter().enumerate() {
        let _ = writeln!(user, "\nCandidate {}: {}", place + 1, draft.title);
        for scene in &draft.scenes {
            let _ = writeln!(user, "{}", scene.narration);
        }
    }
    let reason = object(&json!({ "candidate": { "type": "integer" }, "reason": { "type": "string" } }));
    Question {
        messages: vec![
            json!({ "role": "system", "content": system }),
            json!({ "role": "user", "content": user.chars().take(TEXT_CHARS_MAX).collect::<String>() }),
        ],
        // Reasons come first, so that the choice follows from them.
        schema: object(&json!({
            "reasons": { "type": "array", "items": reason },
            "choice": { "type": "integer", "description": format!("1 to {}", drafts.len()) }
        })),
        name: "choice",
        form,
    }
}
