//! Which method writes the script: decided here and nowhere else.

use crate::source::Source;
use crate::types::{Input, Method, Mode};
use reelmill_sdk::StageError;
use reelmill_text::{Language, spoken_seconds};

/// Speech may be this much longer than asked for before sentences are left out.
const SLACK: f64 = 1.25;

/// Chooses the method for what was asked and given.
pub fn method(input: &Input, source: &Source) -> Result<Method, StageError> {
    let method = by_mode(input, source)?;
    let wants_model = if method != Method::Llm && input.candidates > 1 {
        "several `candidates` are"
    } else if input.llm.is_none() && has_other_terms(input, source) {
        "search terms in another language than the script's are"
    } else {
        return Ok(method);
    };
    Err(StageError::invalid_config(format!(
        "{wants_model} made by a model only: give `llm: {{base_url, model}}`, or leave that option out"
    ))
    .code("no_llm"))
}

fn has_other_terms(input: &Input, source: &Source) -> bool {
    let wanted = input.terms_language.as_deref().map(Language::of);
    wanted.is_some_and(|wanted| wanted != source.language)
}

fn by_mode(input: &Input, source: &Source) -> Result<Method, StageError> {
    let has_text = !source.paragraphs.is_empty();
    let needs_text = |method, mode: &str| {
        if has_text {
            return Ok(method);
        }
        Err(StageError::invalid_input(format!(
            "`mode: {mode}` needs `text` or `article`, but only a topic is given"
        )))
    };
    match input.mode {
        Mode::Llm if input.llm.is_none() => Err(StageError::invalid_config(
            "`mode: llm` needs `llm: {base_url, model}`, the endpoint that writes the script",
        )
        .code("no_llm")),
        Mode::Llm => Ok(Method::Llm),
        Mode::Extract => needs_text(Method::Extractive, "extract"),
        Mode::Verbatim => needs_text(Method::Verbatim, "verbatim"),
        Mode::Template if source.topic.is_none() => {
            Err(StageError::invalid_input("`mode: template` needs a `topic`"))
        }
        Mode::Template => Ok(Method::Template),
        Mode::Auto if input.llm.is_some() => Ok(Method::Llm),
        Mode::Auto if !has_text => Ok(Method::Template),
        Mode::Auto if is_fitting(input, source) => Ok(Method::Verbatim),
        Mode::Auto => Ok(Method::Extractive),
    }
}

/// Whether the text can be used as it is: it is short enough, or its author cut it into scenes already.
fn is_fitting(input: &Input, source: &Source) -> bool {
    let seconds: f64 =
        source.paragraphs.iter().map(|paragraph| spoken_seconds(paragraph, &source.language)).sum();
    let is_cut = source.paragraphs.len() == input.scenes as usize && input.seconds.is_none();
    is_cut || seconds <= input.budget_seconds() * SLACK
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source;
    use crate::types::Llm;

    fn chosen(change: impl FnOnce(&mut Input)) -> Result<Method, String> {
        let mut input = Input::default();
        change(&mut input);
        let source = source::read(&input).map_err(|error| error.to_string())?;
        method(&input, &source).map_err(|error| error.to_string())
    }

    fn prose(sentences: usize) -> String {
        "The slow tide lifts the small boats in the old harbour again. ".repeat(sentences)
    }

    #[test]
    fn auto_takes_the_gentlest_method_that_works() {
        assert_eq!(chosen(|i| i.topic = Some("tides".into())), Ok(Method::Template));
        assert_eq!(chosen(|i| i.text = Some(prose(3))), Ok(Method::Verbatim));
        assert_eq!(chosen(|i| i.text = Some(prose(60))), Ok(Method::Extractive));
        let paragraphs = vec![prose(9); 4].join("\n\n");
        let cut = |i: &mut Input| (i.text, i.scenes) = (Some(paragraphs.clone()), 4);
        assert_eq!(chosen(cut), Ok(Method::Verbatim));
        let cut_to_time = |i: &mut Input| (i.text, i.scenes, i.seconds) = (Some(paragraphs), 4, Some(20.0));
        assert_eq!(chosen(cut_to_time), Ok(Method::Extractive));
        let llm: Llm =
            serde_json::from_str(r#"{"base_url":"http://127.0.0.1:1","model":"m"}"#).expect("defaults do");
        assert_eq!(chosen(|i| (i.topic, i.llm) = (Some("tides".into()), Some(llm))), Ok(Method::Llm));
    }

    #[test]
    fn what_cannot_work_says_what_is_missing() {
        let missing = [
            chosen(|i| i.mode = Mode::Extract).unwrap_err(),
            chosen(|i| (i.topic, i.mode) = (Some("tides".into()), Mode::Extract)).unwrap_err(),
            chosen(|i| (i.topic, i.mode) = (Some("tides".into()), Mode::Llm)).unwrap_err(),
            chosen(|i| (i.text, i.mode) = (Some(prose(1)), Mode::Template)).unwrap_err(),
            chosen(|i| (i.text, i.candidates) = (Some(prose(1)), 2)).unwrap_err(),
            chosen(|i| (i.text, i.terms_language) = (Some(prose(1)), Some("no".into()))).unwrap_err(),
        ];
        let words = [
            "nothing to write about",
            "`text` or `article`",
            "`llm:",
            "`topic`",
            "`candidates`",
            "search terms",
        ];
        assert_eq!(missing.len(), words.len());
        for (error, word) in missing.iter().zip(words) {
            assert!(error.contains(word), "{error}");
        }
    }
}
