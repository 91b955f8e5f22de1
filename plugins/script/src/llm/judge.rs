//! Several candidates, and who chooses among them.

use super::answer::Draft;
use super::chat::{Chat, Verdict, add};
use super::{json, prompt};
use crate::extract::tenths;
use crate::source::Source;
use crate::types::{Candidate, Input, Judgement, TokenUsage};
use reelmill_sdk::prelude::*;
use reelmill_text::{Language, squeeze};

/// Characters kept of a reason.
const REASON_CHARS_MAX: usize = 500;

#[derive(Debug, PartialEq, Eq, Deserialize)]
struct Choice {
    choice: usize,
    #[serde(default)]
    reasons: Vec<Reason>,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
struct Reason {
    candidate: usize,
    reason: String,
}

/// Lets a model choose. A judge that gives no usable answer leaves the first; that is noted.
pub fn choose(
    input: &Input,
    source: &Source,
    drafts: &[Draft],
    writer: &mut Chat<'_>,
    usage: &mut TokenUsage,
    notes: &mut Vec<String>,
    cx: &Cx<'_>,
) -> Result<Judgement, StageError> {
    let question = prompt::judge(input, source, drafts);
    let read = |content: &str| read(content, drafts.len());
    let other = input.judge.as_ref().and_then(|judge| judge.llm.as_ref());
    let (answer, model) = match other {
        None => (writer.ask(question, read, cx), writer.usage().model),
        Some(llm) => {
            let mut judge = Chat::open(llm)?;
            let answer = judge.ask(question, read, cx);
            add(usage, &judge.usage());
            (answer, judge.usage().model)
        }
    };
    match answer {
        Ok((choice, _)) => Ok(judgement(&choice, model, drafts, &source.language)),
        Err(error) if error.failure().code == "malformed_answer" => {
            notes.push(format!(
                "the first candidate was taken, because the judge gave no usable answer: {error}"
            ));
            let first = Choice { choice: 1, reasons: Vec::new() };
            Ok(judgement(&first, String::new(), drafts, &source.language))
        }
        Err(error) => Err(error),
    }
}

fn read(content: &str, candidates: usize) -> Verdict<Choice> {
    let Some(json) = json::object(content) else {
        return Verdict::Bad("it holds no complete JSON object".into());
    };
    match serde_json::from_value::<Choice>(json) {
        Ok(choice) if (1..=candidates).contains(&choice.choice) => Verdict::Good(choice),
        Ok(choice) => Verdict::Bad(format!("there is no candidate {}, but 1 to {candidates}", choice.choice)),
        Err(error) => Verdict::Bad(format!("the JSON is not of the form asked for ({error})")),
    }
}

fn judgement(choice: &Choice, model: String, drafts: &[Draft], language: &Language) -> Judgement {
    let reason = |number: usize| {
        let given = choice.reasons.iter().find(|reason| reason.candidate == number);
        let text = given.map(|reason| squeeze(&reason.reason)).unwrap_or_default();
        text.chars().take(REASON_CHARS_MAX).collect()
    };
    Judgement {
        model,
        chosen: u32::try_from(choice.choice).unwrap_or(1),
        candidates: drafts
            .iter()
            .enumerate()
            .map(|(place, draft)| Candidate {
                title: squeeze(&draft.title),
                seconds_estimate: tenths(draft.seconds(language)),
                reason: reason(place + 1),
            })
            .collect(),
    }
}
