//! The action interface of Wikimedia Commons (<https://www.mediawiki.org/wiki/API:Imageinfo>), with what the
//! extension `CommonsMetadata` says of licences. It wants a `User-Agent` that names the program.

use super::{KeyPlace, Question, address, given, milliseconds};
use crate::remote::candidate::{Candidate, Variant};
use crate::remote::licence::Licence;
use crate::types::Kind;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Pixels of the width to which it scales pictures: originals are scans and maps of any size.
const SCALED_WIDTH: &str = "2560";

pub fn ask(base: &str, question: &Question<'_>, kind: Kind) -> (String, KeyPlace) {
    let file_type = if kind == Kind::Clip { "video" } else { "bitmap" };
    let search = format!("filetype:{file_type} {}", question.text);
    let parameters = [
        ("action", "query"),
        ("format", "json"),
        ("formatversion", "2"),
        ("generator", "search"),
        ("gsrsearch", search.as_str()),
        // Files.
        ("gsrnamespace", "6"),
        ("gsrlimit", "30"),
        ("prop", "imageinfo"),
        ("iiprop", "url|size|mime|extmetadata"),
        ("iiurlwidth", SCALED_WIDTH),
        (
            "iiextmetadatafilter",
            "LicenseShortName|LicenseUrl|Artist|Credit|ObjectName|ImageDescription|Categories|UsageTerms",
        ),
    ];
    (address(base, "/w/api.php", &parameters), KeyPlace::None)
}

#[derive(Deserialize)]
struct Answer {
    // Nothing found gives an answer without `query`; an error gives one with `error`.
    query: Option<Query>,
    error: Option<Problem>,
}

#[derive(Deserialize)]
struct Problem {
    code: String,
}

#[derive(Deserialize)]
struct Query {
    pages: Vec<Page>,
}

#[derive(Deserialize)]
struct Page {
    pageid: u64,
    #[serde(default)]
    title: String,
    /// Place among the results; the list itself is in no order.
    #[serde(default)]
    index: u64,
    #[serde(default)]
    imageinfo: Vec<Info>,
}

#[derive(Deserialize)]
struct Info {
    url: String,
    descriptionurl: Option<String>,
    #[serde(default)]
    mime: String,
    size: Option<u64>,
    #[serde(default)]
    width: u32,
    #[serde(default)]
    height: u32,
    #[serde(default)]
    duration: f64,
    thumburl: Option<String>,
    thumbwidth: Option<u32>,
    thumbheight: Option<u32>,
    #[serde(default)]
    extmetadata: BTreeMap<String, Said>,
}

#[derive(Deserialize)]
struct Said {
    value: Value,
}

pub fn read(body: &str) -> serde_json::Result<Vec<Candidate>> {
    use serde::de::Error as _;
    let answer: Answer = serde_json::from_str(body)?;
    if let Some(problem) = answer.error {
        return Err(serde_json::Error::custom(format!("the service says `{}`", problem.code)));
    }
    let mut pages = answer.query.map(|query| query.pages).unwrap_or_default();
    pages.sort_by_key(|page| page.index);
    Ok(pages.into_iter().filter_map(candidate).collect())
}

fn candidate(page: Page) -> Option<Candidate> {
    let info = page.imageinfo.into_iter().next()?;
    let kind = if info.mime.starts_with("video/") {
        Kind::Clip
    } else if matches!(info.mime.as_str(), "image/jpeg" | "image/png" | "image/webp") {
        Kind::Picture
    } else {
        return None;
    };
    let said = |name: &str| -> Option<String> {
        let text = match &info.extmetadata.get(name)?.value {
            Value::String(text) => plain(text),
            other => other.to_string(),
        };
        given(Some(text))
    };
    let file_name = page.title.split_once(':').map_or(page.title.as_str(), |(_, name)| name);
    let stem = file_name.rsplit_once('.').map_or(file_name, |(stem, _)| stem);
    let words = [said("ObjectName"), said("ImageDescription"), said("Categories")];
    let words: Vec<String> = words.into_iter().flatten().collect();
    let licence = said("LicenseShortName").or_else(|| said("UsageTerms")).unwrap_or_default();
    let mut files =
        vec![Variant { url: info.url.clone(), width: info.width, height: info.height, bytes: info.size }];
    if let (Kind::Picture, Some(url), Some(width), Some(height)) =
        (kind, info.thumburl.clone(), info.thumbwidth, info.thumbheight)
        && width < info.width
    {
        files.push(Variant { url, width, height, bytes: None });
    }
    Some(Candidate {
        name: format!("commons:{}", page.pageid),
        kind,
        width: info.width,
        height: info.height,
        duration_ms: if kind == Kind::Clip { milliseconds(info.duration) } else { 0 },
        words: format!("{stem} {}", words.join(" ")),
        files,
        licence: Licence::named(&licence, said("LicenseUrl").as_deref()),
        author: said("Artist").or_else(|| said("Credit")),
        author_url: None,
        page: info.descriptionurl.clone(),
        title: Some(stem.to_owned()),
        attribution: None,
    })
}

/// Text of a piece of HTML: authors are given as links.
fn plain(html: &str) -> String {
    let mut text = String::with_capacity(html.len());
    let mut inside = false;
    for mark in html.chars() {
        match mark {
            '<' => inside = true,
            '>' if inside => {
                inside = false;
                text.push(' ');
            }
            _ if !inside => text.push(mark),
            _ => {}
        }
    }
    let text = text
        .replace("&amp;", "&")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#039;", "'")
        .replace("&nbsp;", " ");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
