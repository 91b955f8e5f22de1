//! <https://api.coverr.co/docs/>: clips; a key in `Authorization`.

use super::{KeyPlace, Question, address, given, milliseconds};
use crate::remote::candidate::{Candidate, Variant};
use crate::remote::licence::Licence;
use crate::types::Kind;
use serde::Deserialize;

pub fn ask(base: &str, question: &Question<'_>, kind: Kind) -> Option<(String, KeyPlace)> {
    (kind == Kind::Clip).then_some(())?;
    let parameters = [("query", question.text), ("page_size", "30"), ("urls", "true")];
    Some((address(base, "/videos", &parameters), KeyPlace::Header("Bearer ")))
}

#[derive(Deserialize)]
struct Answer {
    hits: Vec<Hit>,
}

#[derive(Deserialize)]
struct Hit {
    id: String,
    title: Option<String>,
    description: Option<String>,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    duration: Number,
    #[serde(default)]
    max_width: Number,
    #[serde(default)]
    max_height: Number,
    urls: Option<Urls>,
}

/// It writes some numbers as texts.
#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Plain(f64),
    Text(String),
    None(()),
}

impl Default for Number {
    fn default() -> Self {
        Self::None(())
    }
}

impl Number {
    fn value(&self) -> f64 {
        match self {
            Self::Plain(value) => *value,
            Self::Text(text) => text.trim().parse().unwrap_or(0.0),
            Self::None(()) => 0.0,
        }
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to be neither")]
    fn pixels(&self) -> u32 {
        self.value().clamp(0.0, 1e6) as u32
    }
}

#[derive(Deserialize)]
struct Urls {
    mp4: Option<String>,
    /// Counts as a download for who made it, which the terms ask for.
    mp4_download: Option<String>,
}

pub fn read(body: &str) -> serde_json::Result<Vec<Candidate>> {
    let answer: Answer = serde_json::from_str(body)?;
    Ok(answer.hits.into_iter().map(candidate).collect())
}

fn candidate(hit: Hit) -> Candidate {
    let (width, height) = (hit.max_width.pixels(), hit.max_height.pixels());
    // The file's name stands in its address as it is, spaces and all.
    let url = hit.urls.and_then(|urls| urls.mp4_download.or(urls.mp4)).map(|url| url.replace(' ', "%20"));
    let title = given(hit.title);
    let words = [title.clone(), given(hit.description), given(Some(hit.tags.join(" ")))];
    Candidate {
        name: format!("coverr:{}", hit.id),
        kind: Kind::Clip,
        width,
        height,
        duration_ms: milliseconds(hit.duration.value()),
        words: words.into_iter().flatten().collect::<Vec<_>>().join(" "),
        files: given(url).map(|url| Variant { url, width, height, bytes: None }).into_iter().collect(),
        licence: Licence::of_service("Coverr License", "https://coverr.co/license"),
        author: None,
        author_url: None,
        page: Some(format!("https://coverr.co/videos/{}", hit.id)),
        title,
        attribution: None,
    }
}
