//! <https://pixabay.com/api/docs/>: 100 requests a minute for a key; answers have to be kept for 24 hours, files
//! downloaded instead of linked, and people shown where they are from.

use super::{KeyPlace, Question, address, given, milliseconds};
use crate::remote::candidate::{Candidate, Variant};
use crate::remote::licence::Licence;
use crate::types::{Kind, Orientation};
use serde::Deserialize;
use std::collections::BTreeMap;

const PER_PAGE: &str = "50";
const LANGUAGES: &[&str] = &[
    "cs", "da", "de", "en", "es", "fr", "id", "it", "hu", "nl", "no", "pl", "pt", "ro", "sk", "fi", "sv",
    "tr", "vi", "th", "bg", "ru", "el", "ja", "ko", "zh",
];

pub fn ask(base: &str, question: &Question<'_>, kind: Kind) -> (String, KeyPlace) {
    let path = if kind == Kind::Clip { "/api/videos/" } else { "/api/" };
    let text: String = question.text.chars().take(100).collect();
    let mut parameters = vec![("q", text.as_str()), ("per_page", PER_PAGE), ("safesearch", "true")];
    let first = question.language.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase();
    let first = if first == "nb" || first == "nn" { "no".to_owned() } else { first };
    if LANGUAGES.contains(&first.as_str()) {
        parameters.push(("lang", first.as_str()));
    }
    // Only the search for pictures knows shapes.
    if kind == Kind::Picture {
        match question.orientation {
            Orientation::Landscape => parameters.push(("orientation", "horizontal")),
            Orientation::Portrait => parameters.push(("orientation", "vertical")),
            Orientation::Any | Orientation::Square => {}
        }
        parameters.push(("image_type", "photo"));
    }
    (address(base, path, &parameters), KeyPlace::Parameter("key"))
}

#[derive(Deserialize)]
struct Answer {
    hits: Vec<Hit>,
}

#[derive(Deserialize)]
struct Hit {
    id: u64,
    #[serde(rename = "pageURL")]
    page: Option<String>,
    #[serde(default)]
    tags: String,
    #[serde(default)]
    duration: f64,
    user: Option<String>,
    user_id: Option<u64>,
    #[serde(default)]
    videos: BTreeMap<String, File>,
    #[serde(rename = "largeImageURL")]
    large: Option<String>,
    #[serde(rename = "imageURL")]
    original: Option<String>,
    #[serde(rename = "imageWidth", default)]
    width: u32,
    #[serde(rename = "imageHeight", default)]
    height: u32,
}

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    url: String,
    #[serde(default)]
    width: u32,
    #[serde(default)]
    height: u32,
    size: Option<u64>,
}

pub fn read(kind: Kind, body: &str) -> serde_json::Result<Vec<Candidate>> {
    let answer: Answer = serde_json::from_str(body)?;
    Ok(answer.hits.into_iter().map(|hit| candidate(hit, kind)).collect())
}

/// Pixels of the longer side of what `largeImageURL` gives.
const LARGE: u32 = 1280;

fn candidate(hit: Hit, kind: Kind) -> Candidate {
    let files: Vec<Variant> = if kind == Kind::Clip {
        // A size that there is not has an empty address.
        let there = hit.videos.into_values().filter(|file| !file.url.is_empty());
        there
            .map(|file| Variant {
                url: file.url,
                width: file.width,
                height: file.height,
                bytes: file.size.filter(|size| *size > 0),
            })
            .collect()
    } else {
        pictures(hit.large, hit.original, hit.width, hit.height)
    };
    let whole = files.iter().map(|file| (file.width, file.height)).max().unwrap_or((0, 0));
    let prefix = if kind == Kind::Clip { "" } else { "photo-" };
    let author_url = hit
        .user
        .as_ref()
        .zip(hit.user_id)
        .map(|(user, id)| format!("https://pixabay.com/users/{}-{id}/", reelmill_http::encode(user)));
    Candidate {
        name: format!("pixabay:{prefix}{}", hit.id),
        kind,
        width: whole.0,
        height: whole.1,
        duration_ms: if kind == Kind::Clip { milliseconds(hit.duration) } else { 0 },
        words: hit.tags,
        files,
        licence: Licence::of_service(
            "Pixabay Content License",
            "https://pixabay.com/service/license-summary/",
        ),
        author: given(hit.user),
        author_url,
        page: given(hit.page),
        title: None,
        attribution: None,
    }
}

fn pictures(large: Option<String>, original: Option<String>, width: u32, height: u32) -> Vec<Variant> {
    let longer = width.max(height).max(1);
    let scaled = |pixels: u32| {
        let pixels = u64::from(pixels) * u64::from(longer.min(LARGE)) / u64::from(longer);
        u32::try_from(pixels).unwrap_or(LARGE)
    };
    let file = |url: String, width, height| Variant { url, width, height, bytes: None };
    let large = large.map(|url| file(url, scaled(width), scaled(height)));
    // Only accounts with full access are told where the original is.
    large.into_iter().chain(original.map(|url| file(url, width, height))).collect()
}
