//! Scripts by a language model behind an OpenAI-compatible endpoint: ask, check the answer here, and ask once more
//! with what was wrong. The endpoint's key is in the request and nowhere else.

mod answer;
mod client;
mod prompt;

use crate::extract::tenths;
use crate::keywords;
use crate::source::Source;
use crate::types::{Input, Llm, Method, Scene, Script, TokenUsage};
use answer::Draft;
use client::{Client, Reply};
use prompt::Format;
use reelmill_sdk::prelude::*;
use reelmill_text::{spoken_seconds, squeeze};

/// Asks the model for the script.
pub fn write(input: &Input, source: &Source, cx: &Cx<'_>) -> Result<Script, StageError> {
    let Some(llm) = &input.llm else {
        return Err(StageError::internal("a model was chosen without an endpoint"));
    };
    let mut conversation = Conversation::open(input, source, llm, cx)?;
    let first = conversation.ask()?;
    let complaint = match answer::read(&first.content, input.scenes, answer::Patience::Strict) {
        Ok(draft) => return Ok(conversation.close(draft)),
        Err(complaint) => complaint,
    };
    cx.warn(format!("the model's answer was refused, asking once more: {complaint}"));
    conversation.complain(&first.content, &complaint);
    let second = conversation.ask()?;
    match answer::read(&second.content, input.scenes, answer::Patience::Lenient) {
        Ok(draft) => Ok(conversation.close(draft)),
        Err(complaint) => Err(StageError::dependency(format!(
            "the model `{}` gave no usable script in two answers: {complaint}",
            llm.model
        ))
        .code("malformed_answer")
        .detail(json!({ "answer_start": conversation.client.redact(&start(&second.content)) }))),
    }
}

/// The first characters of an answer, for people.
fn start(text: &str) -> String {
    text.chars().take(500).collect()
}

struct Conversation<'a> {
    input: &'a Input,
    source: &'a Source,
    llm: &'a Llm,
    cx: &'a Cx<'a>,
    client: Client,
    messages: Vec<Value>,
    format: Format,
    usage: TokenUsage,
}

impl<'a> Conversation<'a> {
    fn open(input: &'a Input, source: &'a Source, llm: &'a Llm, cx: &'a Cx<'a>) -> Result<Self, StageError> {
        Ok(Self {
            input,
            source,
            llm,
            cx,
            client: Client::new(llm)?,
            messages: prompt::opening(input, source),
            format: Format::Schema,
            usage: TokenUsage { model: llm.model.clone(), ..TokenUsage::default() },
        })
    }

    /// One answer; an endpoint that refuses a format is asked in the next simpler one.
    fn ask(&mut self) -> Result<Reply, StageError> {
        loop {
            self.cx.progress(&Progress { phase: "asking the model".into(), ..Progress::default() });
            self.usage.requests += 1;
            let body = prompt::request(self.llm, &self.messages, self.format, self.input.scenes);
            let reply = match self.client.post(&body, self.cx) {
                Ok(reply) => reply,
                Err(client::Refusal::Format(why)) => match self.format.simpler() {
                    Some(simpler) => {
                        self.cx.info(format!("the endpoint refuses {}: {why}", self.format.name()));
                        self.format = simpler;
                        continue;
                    }
                    None => {
                        return Err(StageError::invalid_config(format!(
                            "the endpoint refuses the request: {why}"
                        ))
                        .code("refused_request"));
                    }
                },
                Err(client::Refusal::Final(error)) => return Err(error),
            };
            self.usage.prompt_tokens += reply.prompt_tokens;
            self.usage.completion_tokens += reply.completion_tokens;
            if let Some(model) = &reply.model {
                self.usage.model.clone_from(model);
            }
            return Ok(reply);
        }
    }

    fn complain(&mut self, answer: &str, complaint: &str) {
        self.messages.push(json!({ "role": "assistant", "content": answer }));
        self.messages
            .push(json!({ "role": "user", "content": prompt::complaint(complaint, self.input.scenes) }));
    }

    fn close(self, draft: Draft) -> Script {
        let narrations: Vec<String> = draft.scenes.iter().map(|scene| squeeze(&scene.narration)).collect();
        let texts: Vec<&str> = narrations.iter().map(String::as_str).collect();
        let own = keywords::of_each(&texts, &self.source.language);
        let scenes: Vec<Scene> = draft
            .scenes
            .into_iter()
            .zip(narrations)
            .zip(own)
            .enumerate()
            .map(|(place, ((scene, narration), own))| Scene {
                id: format!("s{}", place + 1),
                seconds_estimate: tenths(spoken_seconds(&narration)),
                narration,
                keywords: if scene.keywords.is_empty() { own } else { scene.keywords },
            })
            .collect();
        let mut notes = Vec::new();
        if scenes.len() != self.input.scenes as usize {
            notes.push(format!(
                "{} scenes were asked for, the model wrote {}",
                self.input.scenes,
                scenes.len()
            ));
        }
        Script {
            title: self.source.title.clone().unwrap_or_else(|| squeeze(&draft.title)),
            language: self.input.language.clone(),
            method: Method::Llm,
            seconds_estimate: tenths(scenes.iter().map(|scene| scene.seconds_estimate).sum()),
            scenes,
            notes,
            usage: Some(self.usage),
        }
    }
}

#[cfg(test)]
mod tests;
