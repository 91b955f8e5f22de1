//! What language models behind OpenAI-compatible endpoints do: write scripts, choose among them, find search terms.
//! Every answer is checked here, and sent back with what is wrong with it. A key is in requests and nowhere else.

mod answer;
mod chat;
mod endpoint;
mod json;
mod judge;
mod prompt;

use crate::extract::tenths;
use crate::keywords;
use crate::source::Source;
use crate::types::{Input, Llm, Method, Scene, Script, TokenUsage};
use answer::{Draft, Wish};
use chat::{Chat, Verdict, add};
use reelmill_sdk::prelude::*;
use reelmill_text::{Language, spoken_seconds, squeeze};

/// Has a model write the script.
pub fn write(input: &Input, source: &Source, cx: &Cx<'_>) -> Result<Script, StageError> {
    let Some(llm) = &input.llm else {
        return Err(StageError::internal("a model was chosen without an endpoint"));
    };
    let mut writer = Chat::open(llm)?;
    let mut notes = Vec::new();
    let (drafts, faults) = drafts(input, source, &mut writer, &mut notes, cx)?;
    let mut judged = TokenUsage { cost: Some(0.0), ..TokenUsage::default() };
    let judgement = if drafts.len() > 1 {
        Some(judge::choose(input, source, &drafts, &mut writer, &mut judged, &mut notes, cx)?)
    } else {
        None
    };
    let chosen = judgement.as_ref().map_or(0, |judgement| judgement.chosen as usize - 1);
    notes.extend(
        faults[chosen].as_ref().map(|fault| format!("the model kept to a script of its own way: {fault}")),
    );
    let mut usage = writer.usage();
    add(&mut usage, &judged);
    Ok(Script { notes, usage: Some(usage), judgement, ..script(source, &drafts[chosen]) })
}

/// As many drafts as candidates are wanted, each with what is other than it was asked for. One that cannot be used is
/// noted where there are others.
fn drafts(
    input: &Input,
    source: &Source,
    writer: &mut Chat<'_>,
    notes: &mut Vec<String>,
    cx: &Cx<'_>,
) -> Result<(Vec<Draft>, Vec<Option<String>>), StageError> {
    let wish = Wish { scenes: input.scenes, seconds: input.seconds, language: source.language.clone() };
    let (mut drafts, mut faults, mut failure) = (Vec::new(), Vec::new(), None);
    for number in 1..=input.candidates {
        match writer.ask(prompt::script(input, source), |content| answer::read(content, &wish), cx) {
            Ok((draft, fault)) => {
                drafts.push(draft);
                faults.push(fault);
            }
            Err(error) if error.failure().code == "malformed_answer" && input.candidates > 1 => {
                notes.push(format!("candidate {number} could not be used: {error}"));
                failure = Some(error);
            }
            Err(error) => return Err(error),
        }
    }
    match failure {
        Some(error) if drafts.is_empty() => Err(error),
        _ => Ok((drafts, faults)),
    }
}

/// A draft as a script; what its model left out is found in its words.
fn script(source: &Source, draft: &Draft) -> Script {
    let chosen = draft.language.as_deref().map(str::trim).filter(|tag| (2..=35).contains(&tag.len()));
    let tag = source.tag.as_deref().or(chosen).unwrap_or("en");
    let language = Language::of(tag);
    let narrations: Vec<String> = draft.scenes.iter().map(|scene| squeeze(&scene.narration)).collect();
    let texts: Vec<&str> = narrations.iter().map(String::as_str).collect();
    let own = keywords::of_each(&texts, &language);
    let scenes: Vec<Scene> = draft
        .scenes
        .iter()
        .zip(&narrations)
        .zip(own)
        .enumerate()
        .map(|(place, ((scene, narration), own))| {
            let keywords = if scene.keywords.is_empty() { own } else { scene.keywords.clone() };
            let terms = &scene.search_terms;
            Scene {
                id: format!("s{}", place + 1),
                seconds_estimate: tenths(spoken_seconds(narration, &language)),
                narration: narration.clone(),
                search_terms: if terms.is_empty() { keywords.clone() } else { terms.clone() },
                keywords,
            }
        })
        .collect();
    Script {
        title: source.title.clone().unwrap_or_else(|| squeeze(&draft.title)),
        language: tag.to_owned(),
        method: Method::Llm,
        seconds_estimate: tenths(scenes.iter().map(|scene| scene.seconds_estimate).sum()),
        scenes,
        notes: Vec::new(),
        usage: None,
        judgement: None,
    }
}

#[derive(Deserialize)]
struct TermsOfScenes {
    scenes: Vec<TermsOfScene>,
}

#[derive(Deserialize)]
struct TermsOfScene {
    search_terms: Vec<String>,
}

/// Has a model find search terms for a script that was not written by one. Without a usable answer the keywords stay;
/// that is noted.
pub fn find_terms(
    llm: &Llm,
    input: &Input,
    source: &Source,
    script: &mut Script,
    cx: &Cx<'_>,
) -> Result<(), StageError> {
    let narrations: Vec<&str> = script.scenes.iter().map(|scene| scene.narration.as_str()).collect();
    let language = input.terms_language.as_deref().unwrap_or(&script.language);
    let question = prompt::terms(&narrations, language, source.topic.as_deref());
    let mut chat = Chat::open(llm)?;
    match chat.ask(question, |content| read_terms(content, narrations.len()), cx) {
        Ok((terms, _)) => {
            for (scene, terms) in script.scenes.iter_mut().zip(terms) {
                if !terms.is_empty() {
                    scene.search_terms = terms;
                }
            }
        }
        Err(error) if error.failure().code == "malformed_answer" => {
            script.notes.push(format!("the search terms are the keywords: {error}"));
        }
        Err(error) => return Err(error),
    }
    script.usage = Some(chat.usage());
    Ok(())
}

fn read_terms(content: &str, scenes: usize) -> Verdict<Vec<Vec<String>>> {
    let Some(json) = json::object(content) else {
        return Verdict::Bad("it holds no complete JSON object".into());
    };
    match serde_json::from_value::<TermsOfScenes>(json) {
        Ok(found) if found.scenes.len() == scenes => Verdict::Good(
            found
                .scenes
                .into_iter()
                .map(|scene| {
                    let mut terms = scene.search_terms;
                    answer::tidy(&mut terms);
                    terms
                })
                .collect(),
        ),
        Ok(found) => Verdict::Bad(format!("it has {} scenes, but there are {scenes}", found.scenes.len())),
        Err(error) => Verdict::Bad(format!("the JSON is not of the form asked for ({error})")),
    }
}

#[cfg(test)]
mod tests;
