//! What each service is asked, and how its answer is read. Pure: requests and answers are data.
//!
//! Written after the services' documentation, as far as it can be read without an account; none of it has been run
//! against the services themselves.

mod commons;
mod coverr;
mod openverse;
mod pexels;
mod pixabay;

use super::candidate::Candidate;
use crate::types::{Kind, Kinds, Orientation};
use reelmill_http::encode;
use reelmill_sdk::prelude::*;

/// A service that is asked for footage.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// Clips and pictures; needs a key.
    Pexels,
    /// Clips and pictures; needs a key. Its answers have to be kept for a day: give `cache`.
    Pixabay,
    /// Pictures under open licences; a key is optional.
    Openverse,
    /// Pictures and clips of Wikimedia Commons; no key.
    Commons,
    /// Clips; needs a key.
    Coverr,
}

/// A question, in no service's words.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Question<'a> {
    /// The words.
    pub text: &'a str,
    /// Which shape is preferred.
    pub orientation: Orientation,
    /// Which kinds may be used.
    pub kinds: Kinds,
    /// Language of the words: a tag.
    pub language: &'a str,
    /// Pixels of the shorter side that are wanted at least.
    pub min_side: u32,
}

/// Where a service wants its key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyPlace {
    /// In no place.
    None,
    /// In `Authorization`, after this word.
    Header(&'static str),
    /// In a parameter of the address.
    Parameter(&'static str),
}

/// A request, without the key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ask {
    /// The address; the key is added only when it is sent.
    pub url: String,
    /// Where the key goes.
    pub key: KeyPlace,
    /// What the answer lists.
    pub kind: Kind,
}

impl Provider {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pexels => "pexels",
            Self::Pixabay => "pixabay",
            Self::Openverse => "openverse",
            Self::Commons => "commons",
            Self::Coverr => "coverr",
        }
    }

    /// Where its interface is.
    pub const fn base_url(self) -> &'static str {
        match self {
            Self::Pexels => "https://api.pexels.com",
            Self::Pixabay => "https://pixabay.com",
            Self::Openverse => "https://api.openverse.org",
            Self::Commons => "https://commons.wikimedia.org",
            Self::Coverr => "https://api.coverr.co",
        }
    }

    /// Whether it answers nobody without a key.
    pub const fn needs_key(self) -> bool {
        matches!(self, Self::Pexels | Self::Pixabay | Self::Coverr)
    }

    /// The requests for a question, one for each kind of file that it has.
    pub fn asks(self, base: &str, question: &Question<'_>) -> Vec<Ask> {
        let kinds = [(Kind::Clip, Kinds::Pictures), (Kind::Picture, Kinds::Clips)];
        let wanted = kinds.into_iter().filter(|(_, other)| question.kinds != *other).map(|(kind, _)| kind);
        wanted
            .filter_map(|kind| {
                let (url, key) = match self {
                    Self::Pexels => pexels::ask(base, question, kind),
                    Self::Pixabay => pixabay::ask(base, question, kind),
                    Self::Openverse => openverse::ask(base, question, kind)?,
                    Self::Commons => commons::ask(base, question, kind),
                    Self::Coverr => coverr::ask(base, question, kind)?,
                };
                Some(Ask { url, key, kind })
            })
            .collect()
    }

    /// What an answer lists, in its order; the error says what is wrong with it.
    pub fn read(self, kind: Kind, body: &str) -> Result<Vec<Candidate>, String> {
        let read = match self {
            Self::Pexels => pexels::read(kind, body),
            Self::Pixabay => pixabay::read(kind, body),
            Self::Openverse => openverse::read(body),
            Self::Commons => commons::read(body),
            Self::Coverr => coverr::read(body),
        };
        let mut found = read.map_err(|error| error.to_string())?;
        found.retain(|candidate| !candidate.files.is_empty());
        Ok(found)
    }
}

/// An address with parameters.
fn address(base: &str, path: &str, parameters: &[(&str, &str)]) -> String {
    let mut url = format!("{}{path}", base.trim_end_matches('/'));
    for (place, (name, value)) in parameters.iter().enumerate() {
        url.push(if place == 0 { '?' } else { '&' });
        url.push_str(name);
        url.push('=');
        url.push_str(&encode(value));
    }
    url
}

/// Words of the last part of an address (`/video/waves-on-a-beach-857251/`), which say what it shows.
fn words_of_address(url: &str) -> String {
    let last = url.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    last.split(['-', '_']).filter(|part| !part.chars().all(char::is_numeric)).collect::<Vec<_>>().join(" ")
}

/// Milliseconds of seconds that a service said.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to be neither")]
const fn milliseconds(seconds: f64) -> u64 {
    (seconds * 1000.0).clamp(0.0, 1e9) as u64
}

/// A text, when there is one.
fn given(text: Option<String>) -> Option<String> {
    text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests;
