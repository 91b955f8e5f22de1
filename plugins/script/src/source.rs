//! Where the script's words come from: reads the topic, the text or the article file, and nothing else.

use crate::article;
use crate::types::{Input, TEXT_CHARS_MAX};
use reelmill_sdk::prelude::*;
use reelmill_text::{Language, squeeze};
use std::io::Read;
use std::path::Path;

/// The language where nothing tells it.
pub const UNTOLD: &str = "en";

/// What was given to write about.
#[derive(Debug)]
pub struct Source {
    /// The topic, squeezed.
    pub topic: Option<String>,
    /// The title given or found.
    pub title: Option<String>,
    /// The text's paragraphs; empty when only a topic was given.
    pub paragraphs: Vec<String>,
    /// The language's tag; `None` when it is to be found and nothing given tells it, which a model may.
    pub tag: Option<String>,
    /// The language's rules; English where the tag is not known.
    pub language: Language,
}

/// Reads it.
pub fn read(input: &Input) -> Result<Source, StageError> {
    let given = |text: &Option<String>| text.as_deref().map(squeeze).filter(|text| !text.is_empty());
    let topic = given(&input.topic);
    let (body, is_html) = match (&input.text, &input.article) {
        (Some(_), Some(_)) => {
            return Err(StageError::invalid_input("both `text` and `article` are given; leave one out"));
        }
        (Some(text), None) => (text.clone(), false),
        (None, Some(file)) => {
            let (path, name) = file.place();
            (read_file(path, name)?, article::is_html_name(Path::new(name)))
        }
        (None, None) => (String::new(), false),
    };
    if body.chars().count() > TEXT_CHARS_MAX {
        return Err(StageError::invalid_input(format!(
            "the text has more than {TEXT_CHARS_MAX} characters; give a part of it"
        )));
    }
    let article = article::parse(&body, is_html);
    if article.paragraphs.is_empty() && topic.is_none() {
        return Err(StageError::invalid_input(
            "there is nothing to write about: give one of `topic`, `text` and `article`",
        )
        .code("nothing_given"));
    }
    let tag = tag(&input.language, topic.as_deref(), &article.paragraphs);
    Ok(Source {
        title: given(&input.title).or(article.title),
        topic,
        paragraphs: article.paragraphs,
        language: Language::of(tag.as_deref().unwrap_or(UNTOLD)),
        tag,
    })
}

/// The tag asked for, or that of what is given.
fn tag(asked: &str, topic: Option<&str>, paragraphs: &[String]) -> Option<String> {
    if !asked.eq_ignore_ascii_case("auto") {
        return Some(asked.to_owned());
    }
    let given: Vec<&str> = topic.into_iter().chain(paragraphs.iter().map(String::as_str).take(20)).collect();
    Language::detect(&given.join(" ")).map(|language| language.tag().to_owned())
}

fn read_file(path: &Path, shown: &str) -> Result<String, StageError> {
    let file = std::fs::File::open(path)
        .map_err(|error| StageError::invalid_input(format!("cannot open the article {shown}: {error}")))?;
    // A character takes up to four bytes; one byte more tells a file that is too long from one that just fits.
    let limit = TEXT_CHARS_MAX as u64 * 4 + 1;
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes).context(format!("read the article {shown}"))?;
    let text = String::from_utf8(bytes).map_err(|_| {
        StageError::invalid_input(format!("the article {shown} is not UTF-8 text; convert it first"))
            .code("not_utf8")
    })?;
    Ok(text.trim_start_matches('\u{feff}').to_owned())
}
