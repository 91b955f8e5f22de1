//! <https://api.openverse.org/v1/>: pictures under open licences from many collections. Without a token few requests
//! a day are answered, and at most twenty things a page.

use super::{KeyPlace, Question, address, given};
use crate::remote::candidate::{Candidate, Variant};
use crate::remote::licence::Licence;
use crate::types::{Kind, Orientation};
use serde::Deserialize;

pub fn ask(base: &str, question: &Question<'_>, kind: Kind) -> Option<(String, KeyPlace)> {
    // It has no clips.
    (kind == Kind::Picture).then_some(())?;
    let mut parameters = vec![("q", question.text), ("page_size", "20"), ("mature", "false")];
    match question.orientation {
        Orientation::Any => {}
        Orientation::Landscape => parameters.push(("aspect_ratio", "wide")),
        Orientation::Portrait => parameters.push(("aspect_ratio", "tall")),
        Orientation::Square => parameters.push(("aspect_ratio", "square")),
    }
    Some((address(base, "/v1/images/", &parameters), KeyPlace::Header("Bearer ")))
}

#[derive(Deserialize)]
struct Answer {
    results: Vec<Image>,
}

#[derive(Deserialize)]
struct Image {
    id: String,
    title: Option<String>,
    url: Option<String>,
    foreign_landing_url: Option<String>,
    creator: Option<String>,
    creator_url: Option<String>,
    #[serde(default)]
    license: String,
    license_version: Option<String>,
    license_url: Option<String>,
    attribution: Option<String>,
    width: Option<u32>,
    height: Option<u32>,
    filesize: Option<u64>,
    tags: Option<Vec<Tag>>,
}

#[derive(Deserialize)]
struct Tag {
    name: String,
}

pub fn read(body: &str) -> serde_json::Result<Vec<Candidate>> {
    let answer: Answer = serde_json::from_str(body)?;
    Ok(answer.results.into_iter().map(candidate).collect())
}

fn candidate(image: Image) -> Candidate {
    let (width, height) = (image.width.unwrap_or(0), image.height.unwrap_or(0));
    let file = |url| Variant { url, width, height, bytes: image.filesize.filter(|size| *size > 0) };
    let tags: Vec<String> = image.tags.into_iter().flatten().map(|tag| tag.name).collect();
    let title = given(image.title);
    Candidate {
        name: format!("openverse:{}", image.id),
        kind: Kind::Picture,
        width,
        height,
        duration_ms: 0,
        words: format!("{} {}", title.clone().unwrap_or_default(), tags.join(" ")),
        files: given(image.url).map(file).into_iter().collect(),
        licence: Licence::named(
            &licence_name(&image.license, image.license_version.as_deref()),
            image.license_url.as_deref(),
        ),
        author: given(image.creator),
        author_url: given(image.creator_url),
        page: given(image.foreign_landing_url),
        title,
        attribution: given(image.attribution),
    }
}

/// `by-sa` of version 4.0 is `CC BY-SA 4.0`.
fn licence_name(code: &str, version: Option<&str>) -> String {
    let version = version.filter(|version| !version.is_empty()).map_or_else(String::new, |v| format!(" {v}"));
    match code.to_ascii_lowercase().as_str() {
        "" => String::new(),
        "cc0" => format!("CC0{version}"),
        "pdm" => "Public domain (PDM)".to_owned(),
        code => format!("CC {}{version}", code.to_ascii_uppercase()),
    }
}
