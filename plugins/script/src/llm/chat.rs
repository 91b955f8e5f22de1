//! A conversation with one model: asks, checks, sends back what cannot be used, and counts what it costs.

use super::endpoint::{Endpoint, Refusal, Reply};
use crate::types::{AnswerFormat, Llm, TokenUsage};
use reelmill_sdk::prelude::*;

/// Characters of a bad answer that are sent back: enough to mend it, and not enough to fill a prompt.
const RETURNED_CHARS: usize = 20_000;
/// Characters of a bad answer that people are shown.
const SHOWN_CHARS: usize = 500;

/// How the endpoint is asked to shape its answer, strictest first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Format {
    Schema,
    Object,
    Words,
}

/// What an answer is to a reader.
pub enum Verdict<T> {
    /// It is as it was asked for.
    Good(T),
    /// It can be used where no better one comes; the text is what is wrong with it.
    Usable(T, String),
    /// It cannot be used; the text is why.
    Bad(String),
}

/// A question: its messages, the schema of its answer, and what it is called.
pub struct Question {
    pub messages: Vec<Value>,
    pub schema: Value,
    pub name: &'static str,
    /// Said again to who answered otherwise.
    pub form: String,
}

/// One model, over all questions to it.
pub struct Chat<'a> {
    llm: &'a Llm,
    endpoint: Endpoint,
    formats: Vec<Format>,
    /// The endpoint's word for the limit of tokens.
    tokens_name: &'static str,
    takes_temperature: bool,
    usage: TokenUsage,
    is_priced: bool,
}

impl<'a> Chat<'a> {
    pub fn open(llm: &'a Llm) -> Result<Self, StageError> {
        let formats = match llm.answer {
            AnswerFormat::Auto => vec![Format::Words, Format::Object, Format::Schema],
            AnswerFormat::JsonSchema => vec![Format::Schema],
            AnswerFormat::JsonObject => vec![Format::Object],
            AnswerFormat::Text => vec![Format::Words],
        };
        Ok(Self {
            llm,
            endpoint: Endpoint::open(llm)?,
            formats,
            tokens_name: "max_tokens",
            takes_temperature: true,
            usage: TokenUsage { model: llm.endpoint.model.clone(), cost: Some(0.0), ..TokenUsage::default() },
            is_priced: llm.price.is_some(),
        })
    }

    /// What was used so far.
    pub fn usage(&self) -> TokenUsage {
        let cost = self.usage.cost.filter(|_| self.is_priced).map(nano);
        TokenUsage { cost, ..self.usage.clone() }
    }

    /// Asks until an answer is good, as often as repairs are allowed; then the best of what came, with what is wrong
    /// with it.
    pub fn ask<T>(
        &mut self,
        mut question: Question,
        read: impl Fn(&str) -> Verdict<T>,
        cx: &Cx<'_>,
    ) -> Result<(T, Option<String>), StageError> {
        let mut usable = None;
        let mut answers = 0;
        loop {
            let reply = self.reply(&question, cx)?;
            answers += 1;
            let complaint = match read(&reply.content) {
                Verdict::Good(value) => return Ok((value, None)),
                Verdict::Usable(value, why) => {
                    // Two answers with the same fault: the model cannot do better.
                    if usable.is_some() || answers > self.llm.repairs {
                        return Ok((value, Some(why)));
                    }
                    usable = Some((value, why.clone()));
                    why
                }
                Verdict::Bad(why) => why,
            };
            if answers > self.llm.repairs {
                return usable.map(|(value, why)| (value, Some(why))).ok_or_else(|| {
                    StageError::dependency(format!(
                        "the model `{}` gave no usable {} in {answers} answers: {complaint}",
                        self.llm.endpoint.model, question.name
                    ))
                    .code("malformed_answer")
                    .detail(
                        json!({ "answer_start": self.endpoint.redact(&start(&reply.content, SHOWN_CHARS)) }),
                    )
                });
            }
            cx.warn(format!("the model's answer is sent back: {complaint}"));
            let again = format!("That answer cannot be used: {complaint}. Answer again. {}", question.form);
            question
                .messages
                .push(json!({ "role": "assistant", "content": start(&reply.content, RETURNED_CHARS) }));
            question.messages.push(json!({ "role": "user", "content": again }));
        }
    }

    /// One answer; an endpoint that refuses a form is asked in another one.
    fn reply(&mut self, question: &Question, cx: &Cx<'_>) -> Result<Reply, StageError> {
        loop {
            cx.progress(&Progress {
                phase: format!("asking for a {}", question.name),
                ..Progress::default()
            });
            self.usage.requests += 1;
            match self.endpoint.ask(&self.body(question), cx) {
                Ok(reply) => {
                    self.count(&reply);
                    return Ok(reply);
                }
                Err(Refusal::Form(why)) => self.give_way(&why, cx)?,
                Err(Refusal::Final(error)) => return Err(error),
            }
        }
    }

    fn count(&mut self, reply: &Reply) {
        self.usage.prompt_tokens += reply.prompt_tokens;
        self.usage.completion_tokens += reply.completion_tokens;
        self.usage.cost = self.usage.cost.zip(reply.cost(self.llm.price)).map(|(sum, cost)| sum + cost);
        if let Some(model) = &reply.model {
            self.usage.model.clone_from(model);
        }
    }

    /// Leaves out what the endpoint has refused: an option that its words name, or else the strictest format.
    fn give_way(&mut self, why: &str, cx: &Cx<'_>) -> Result<(), StageError> {
        let given = if why.contains("max_completion_tokens") && self.tokens_name == "max_tokens" {
            self.tokens_name = "max_completion_tokens";
            "max_tokens"
        } else if why.contains("temperature") && self.takes_temperature && self.llm.temperature.is_some() {
            self.takes_temperature = false;
            "temperature"
        } else if self.formats.len() > 1 {
            match self.formats.pop() {
                Some(Format::Schema) => "response_format json_schema",
                _ => "response_format json_object",
            }
        } else {
            return Err(StageError::invalid_config(format!("the model endpoint refuses the request: {why}"))
                .code("refused_request"));
        };
        cx.info(format!("the model endpoint refuses {given}: {why}"));
        Ok(())
    }

    fn body(&self, question: &Question) -> Value {
        let mut body =
            json!({ "model": self.llm.endpoint.model, "messages": question.messages, "stream": false });
        if let Some(temperature) = self.llm.temperature.filter(|_| self.takes_temperature) {
            body["temperature"] = json!(temperature);
        }
        if let Some(tokens) = self.llm.max_tokens {
            body[self.tokens_name] = json!(tokens);
        }
        match self.formats.last() {
            Some(Format::Schema) => {
                body["response_format"] = json!({
                    "type": "json_schema",
                    "json_schema": { "name": "answer", "strict": true, "schema": question.schema }
                });
            }
            Some(Format::Object) => body["response_format"] = json!({ "type": "json_object" }),
            Some(Format::Words) | None => {}
        }
        body
    }
}

/// Adds what another model used.
pub fn add(sum: &mut TokenUsage, other: &TokenUsage) {
    sum.requests += other.requests;
    sum.prompt_tokens += other.prompt_tokens;
    sum.completion_tokens += other.completion_tokens;
    sum.cost = sum.cost.zip(other.cost).map(|(one, two)| nano(one + two));
}

/// A sum of money without the dust of floating point.
fn nano(cost: f64) -> f64 {
    (cost * 1e9).round() / 1e9
}

fn start(text: &str, chars: usize) -> String {
    text.chars().take(chars).collect()
}
