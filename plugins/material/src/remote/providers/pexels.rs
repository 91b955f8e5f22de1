//! <https://www.pexels.com/api/documentation/>: 200 requests an hour and 20,000 a month for a key, unless raised;
//! results are to be shown with a link to Pexels and to who made them.

use super::{KeyPlace, Question, address, given, milliseconds, words_of_address};
use crate::remote::candidate::{Candidate, Variant};
use crate::remote::licence::Licence;
use crate::types::{Kind, Orientation};
use serde::Deserialize;

const PER_PAGE: &str = "40";
/// Locales that it knows, by the language they begin with.
const LOCALES: &[&str] = &[
    "en-US", "pt-BR", "es-ES", "ca-ES", "de-DE", "it-IT", "fr-FR", "sv-SE", "id-ID", "pl-PL", "ja-JP",
    "zh-CN", "zh-TW", "ko-KR", "th-TH", "nl-NL", "hu-HU", "vi-VN", "cs-CZ", "da-DK", "fi-FI", "uk-UA",
    "el-GR", "ro-RO", "nb-NO", "sk-SK", "tr-TR", "ru-RU",
];

pub fn ask(base: &str, question: &Question<'_>, kind: Kind) -> (String, KeyPlace) {
    let path = if kind == Kind::Clip { "/videos/search" } else { "/v1/search" };
    let mut parameters = vec![("query", question.text), ("per_page", PER_PAGE)];
    match question.orientation {
        Orientation::Any => {}
        Orientation::Landscape => parameters.push(("orientation", "landscape")),
        Orientation::Portrait => parameters.push(("orientation", "portrait")),
        Orientation::Square => parameters.push(("orientation", "square")),
    }
    // For clips the words mean 4K, full HD and HD; of pictures, megapixels.
    if kind == Kind::Clip && question.min_side > 1080 {
        parameters.push(("size", "large"));
    } else if kind == Kind::Clip && question.min_side > 720 {
        parameters.push(("size", "medium"));
    }
    if let Some(locale) = locale(question.language) {
        parameters.push(("locale", locale));
    }
    (address(base, path, &parameters), KeyPlace::Header(""))
}

fn locale(language: &str) -> Option<&'static str> {
    let wanted = language.to_ascii_lowercase().replace('_', "-");
    let exact = LOCALES.iter().find(|locale| locale.eq_ignore_ascii_case(&wanted));
    let first = wanted.split('-').next().unwrap_or_default();
    let first = if first == "no" { "nb" } else { first };
    exact.or_else(|| LOCALES.iter().find(|locale| locale.split('-').next() == Some(first))).copied()
}

#[derive(Deserialize)]
struct Videos {
    videos: Vec<Video>,
}

#[derive(Deserialize)]
struct Video {
    id: u64,
    #[serde(default)]
    width: u32,
    #[serde(default)]
    height: u32,
    #[serde(default)]
    url: String,
    #[serde(default)]
    duration: f64,
    user: Option<User>,
    #[serde(default, rename = "video_files")]
    files: Vec<File>,
}

#[derive(Deserialize)]
struct User {
    name: Option<String>,
    url: Option<String>,
}

#[derive(Deserialize)]
struct File {
    link: String,
    width: Option<u32>,
    height: Option<u32>,
    #[serde(rename = "file_type")]
    media_type: Option<String>,
}

#[derive(Deserialize)]
struct Photos {
    photos: Vec<Photo>,
}

#[derive(Deserialize)]
struct Photo {
    id: u64,
    #[serde(default)]
    width: u32,
    #[serde(default)]
    height: u32,
    #[serde(default)]
    url: String,
    photographer: Option<String>,
    photographer_url: Option<String>,
    alt: Option<String>,
    src: Sources,
}

#[derive(Deserialize)]
struct Sources {
    original: String,
}

pub fn read(kind: Kind, body: &str) -> serde_json::Result<Vec<Candidate>> {
    if kind == Kind::Clip {
        let answer: Videos = serde_json::from_str(body)?;
        Ok(answer.videos.into_iter().map(clip).collect())
    } else {
        let answer: Photos = serde_json::from_str(body)?;
        Ok(answer.photos.into_iter().map(picture).collect())
    }
}

fn clip(video: Video) -> Candidate {
    let files = video
        .files
        .into_iter()
        .filter(|file| file.media_type.as_deref().is_none_or(|kind| kind.starts_with("video/")));
    let files = files.map(|file| Variant {
        url: file.link,
        width: file.width.unwrap_or(0),
        height: file.height.unwrap_or(0),
        bytes: None,
    });
    let user = video.user.unwrap_or(User { name: None, url: None });
    Candidate {
        name: format!("pexels:{}", video.id),
        kind: Kind::Clip,
        width: video.width,
        height: video.height,
        duration_ms: milliseconds(video.duration),
        words: words_of_address(&video.url),
        files: files.collect(),
        licence: licence(),
        author: given(user.name),
        author_url: given(user.url),
        page: given(Some(video.url)),
        title: None,
        attribution: None,
    }
}

fn picture(photo: Photo) -> Candidate {
    let alt = given(photo.alt);
    let file = |url: String, width, height| Variant { url, width, height, bytes: None };
    let mut files = vec![file(photo.src.original.clone(), photo.width, photo.height)];
    // The service scales its originals, which may have a hundred megapixels.
    let side = photo.width.min(photo.height);
    if side > 1440 {
        let scaled =
            |pixels: u32| u32::try_from(u64::from(pixels) * 1440 / u64::from(side)).unwrap_or(pixels);
        let (width, height) = (scaled(photo.width), scaled(photo.height));
        let url = format!("{}?auto=compress&cs=tinysrgb&w={width}&h={height}", photo.src.original);
        files.push(file(url, width, height));
    }
    Candidate {
        name: format!("pexels:photo-{}", photo.id),
        kind: Kind::Picture,
        width: photo.width,
        height: photo.height,
        duration_ms: 0,
        words: format!("{} {}", alt.clone().unwrap_or_default(), words_of_address(&photo.url)),
        files,
        licence: licence(),
        author: given(photo.photographer),
        author_url: given(photo.photographer_url),
        page: given(Some(photo.url)),
        title: alt,
        attribution: None,
    }
}

fn licence() -> Licence {
    Licence::of_service("Pexels License", "https://www.pexels.com/license/")
}
