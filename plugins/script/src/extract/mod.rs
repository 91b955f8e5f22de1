//! Scripts from the user's own text. Sentences are kept word for word; only which of them stay is decided here.

mod group;
mod rank;

use crate::keywords;
use crate::source::{self, Source};
use crate::types::{Input, Method, Scene, Script};
use reelmill_sdk::{Cx, StageError};
use reelmill_text::{sentences, spoken_seconds};

/// Sentences that are ranked; a longer text is ranked by its first ones.
const SENTENCES_MAX: usize = 2_000;

/// One sentence of the text.
pub(crate) struct Sentence<'a> {
    pub text: &'a str,
    pub paragraph: usize,
    /// Whether it opens its paragraph.
    pub opens: bool,
    pub seconds: f64,
}

fn all_sentences(source: &Source) -> Vec<Sentence<'_>> {
    let mut all = Vec::new();
    for (paragraph, text) in source.paragraphs.iter().enumerate() {
        for (place, text) in sentences(text).into_iter().enumerate() {
            all.push(Sentence {
                text,
                paragraph,
                opens: place == 0,
                seconds: spoken_seconds(text, &source.language),
            });
        }
    }
    all
}

/// The whole text, cut into scenes: at its paragraphs when there are as many as scenes wanted.
pub fn verbatim(input: &Input, source: &Source) -> Script {
    let all = all_sentences(source);
    let groups = if source.paragraphs.len() == input.scenes as usize {
        group::by_paragraph(&all)
    } else {
        group::balanced(&all, input.scenes as usize)
    };
    assemble(input, source, Method::Verbatim, &groups, Vec::new())
}

/// The most telling sentences that fit into the time, in the order of the text.
pub fn shorten(input: &Input, source: &Source, cx: &Cx<'_>) -> Result<Script, StageError> {
    let mut all = all_sentences(source);
    let mut notes = Vec::new();
    if all.len() > SENTENCES_MAX {
        notes.push(format!("only the first {SENTENCES_MAX} of {} sentences were considered", all.len()));
        all.truncate(SENTENCES_MAX);
    }
    let scores = rank::scores(&all, &source.language);
    cx.check()?;
    let chosen = choose(all, &scores, input, source);
    let groups = group::balanced(&chosen, input.scenes as usize);
    Ok(assemble(input, source, Method::Extractive, &groups, notes))
}

/// Takes sentences by score while time is left, leaving out those that repeat one taken before. A long sentence
/// that would leave too little time for one sentence a scene has to stand back.
fn choose<'a>(all: Vec<Sentence<'a>>, scores: &[f64], input: &Input, source: &Source) -> Vec<Sentence<'a>> {
    const ALIKE: f64 = 0.6;
    let mut order: Vec<usize> = (0..all.len()).collect();
    order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]).then(a.cmp(b)));
    let terms: Vec<_> = all.iter().map(|sentence| rank::terms(sentence.text, &source.language)).collect();
    let mut shortest: Vec<f64> = all.iter().map(|sentence| sentence.seconds).collect();
    shortest.sort_by(f64::total_cmp);
    let mut taken: Vec<usize> = Vec::new();
    let mut left = input.budget_seconds();
    for place in order {
        let wanted = (input.scenes as usize).saturating_sub(taken.len() + 1);
        let reserve: f64 = shortest.iter().take(wanted).sum();
        let fits = all[place].seconds + reserve <= left || taken.is_empty();
        if fits && taken.iter().all(|other| rank::likeness(&terms[place], &terms[*other]) < ALIKE) {
            left -= all[place].seconds;
            taken.push(place);
        }
    }
    let mut is_taken = vec![false; all.len()];
    for place in taken {
        is_taken[place] = true;
    }
    all.into_iter().zip(is_taken).filter_map(|(sentence, taken)| taken.then_some(sentence)).collect()
}

fn assemble(
    input: &Input,
    source: &Source,
    method: Method,
    groups: &[String],
    mut notes: Vec<String>,
) -> Script {
    if groups.len() < input.scenes as usize {
        notes.push(format!(
            "{} scenes were asked for, but the text gives {}: a scene holds at least one sentence",
            input.scenes,
            groups.len()
        ));
    }
    let title = source.title.clone().or_else(|| source.topic.clone());
    let title = title.unwrap_or_else(|| short_title(groups.first().map_or("", String::as_str)));
    script(title, source, method, groups, notes)
}

/// The parts that are the same for every method without a model.
pub(crate) fn script(
    title: String,
    source: &Source,
    method: Method,
    narrations: &[String],
    notes: Vec<String>,
) -> Script {
    let texts: Vec<&str> = narrations.iter().map(String::as_str).collect();
    let keywords = keywords::of_each(&texts, &source.language);
    let scenes: Vec<Scene> = narrations
        .iter()
        .zip(keywords)
        .enumerate()
        .map(|(place, (narration, keywords))| Scene {
            id: format!("s{}", place + 1),
            narration: narration.clone(),
            search_terms: keywords.clone(),
            keywords,
            seconds_estimate: tenths(spoken_seconds(narration, &source.language)),
        })
        .collect();
    let seconds_estimate = tenths(scenes.iter().map(|scene| scene.seconds_estimate).sum());
    let language = source.tag.clone().unwrap_or_else(|| source::UNTOLD.to_owned());
    Script { title, language, method, scenes, seconds_estimate, notes, usage: None, judgement: None }
}

/// Tenths of a second are finer than the estimate is true.
pub(crate) fn tenths(seconds: f64) -> f64 {
    (seconds * 10.0).round() / 10.0
}

/// The start of a sentence, up to eight words.
fn short_title(narration: &str) -> String {
    const WORDS_MAX: usize = 8;
    const CHARS_MAX: usize = 60;
    let first = sentences(narration).first().copied().unwrap_or_default();
    let mut title = String::new();
    for word in first.split_whitespace().take(WORDS_MAX) {
        if !title.is_empty() && title.chars().count() + word.chars().count() >= CHARS_MAX {
            break;
        }
        if !title.is_empty() {
            title.push(' ');
        }
        title.extend(word.chars().take(CHARS_MAX));
    }
    let is_cut = title.len() < first.len();
    let title = title.trim_end_matches(|mark: char| !mark.is_alphanumeric());
    if is_cut { format!("{title} …") } else { title.to_owned() }
}

#[cfg(test)]
mod tests;
