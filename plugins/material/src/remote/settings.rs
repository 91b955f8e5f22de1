//! What `with` says of services and addresses.

use super::candidate::{Candidate, Variant};
use super::licence::Licence;
use super::providers::Provider;
use crate::folder::kind_of;
use crate::types::Kind;
use reelmill_sdk::prelude::*;

/// Services of one stage at the most.
const SOURCES_MAX: usize = 10;
/// Keys of one service at the most.
const KEYS_MAX: usize = 20;
/// Addresses at the most.
const LINKS_MAX: usize = 200;

/// A service to search.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The service.
    pub provider: Provider,
    /// Keys for it, each a secret. When one has used up what it may ask, the next is tried.
    #[serde(default)]
    #[schemars(length(max = 20))]
    pub keys: Vec<String>,
    /// Where its interface is, in place of its own address: a proxy, or a server for tests. Its host may be private.
    #[serde(default)]
    pub base_url: Option<String>,
    /// Seconds to wait for one answer.
    #[serde(default = "default_timeout")]
    #[schemars(range(min = 1, max = 600))]
    pub timeout_seconds: u32,
}

const fn default_timeout() -> u32 {
    30
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Source({:?}, {} keys)", self.provider, self.keys.len())
    }
}

/// A file on the web.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Link {
    /// Its address.
    Address(String),
    /// Its address, with what is known of it.
    Known(Known),
}

/// What is known of a file on the web.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Known {
    /// Its address.
    pub url: String,
    /// Words it is to be found by.
    #[serde(default)]
    pub keywords: Vec<String>,
    /// Who made it.
    #[serde(default)]
    pub author: Option<String>,
    /// Its licence.
    #[serde(default)]
    pub licence: Option<String>,
    /// The page it is from.
    #[serde(default)]
    pub source: Option<String>,
}

/// Finds what the schema cannot say of sources.
pub fn check_sources(sources: &[Source]) -> Result<(), StageError> {
    if sources.len() > SOURCES_MAX {
        return Err(StageError::invalid_input(format!("`sources` has more than {SOURCES_MAX} services")));
    }
    for source in sources {
        let name = source.provider.name();
        if source.keys.len() > KEYS_MAX {
            return Err(StageError::invalid_input(format!("`keys` of {name} has more than {KEYS_MAX}")));
        }
        if source.provider.needs_key() && source.keys.iter().all(|key| key.trim().is_empty()) {
            return Err(StageError::invalid_config(format!(
                "{name} answers nobody without a key: declare a secret and write `keys: [\"${{{{ secrets.{name}_key }}}}\"]`"
            ))
            .code("no_key"));
        }
    }
    Ok(())
}

/// Finds what the schema cannot say of addresses.
pub fn check_links(links: &[Link]) -> Result<(), StageError> {
    if links.len() > LINKS_MAX {
        return Err(StageError::invalid_input(format!("`urls` has more than {LINKS_MAX} addresses")));
    }
    match links.iter().map(Link::url).find(|url| !url.starts_with("http://") && !url.starts_with("https://"))
    {
        Some(url) => {
            let start: String = url.chars().take(40).collect();
            Err(StageError::invalid_input(format!(
                "`{start}` in `urls` does not start with http:// or https://"
            )))
        }
        None => Ok(()),
    }
}

impl Link {
    /// The address.
    pub fn url(&self) -> &str {
        match self {
            Self::Address(url) => url,
            Self::Known(known) => &known.url,
        }
    }

    /// What may be downloaded there. Whoever names a file answers for its licence.
    pub fn candidate(&self) -> Candidate {
        let known = match self {
            Self::Address(url) => Known { url: url.clone(), ..Known::default() },
            Self::Known(known) => known.clone(),
        };
        // What follows the `?` may hold a key.
        let shown = known.url.split(['?', '#']).next().unwrap_or_default().to_owned();
        let last = shown.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        Candidate {
            kind: kind_of(last).unwrap_or(Kind::Clip),
            width: 0,
            height: 0,
            duration_ms: 0,
            words: format!("{} {}", known.keywords.join(" "), last.split('.').next().unwrap_or_default()),
            files: vec![Variant { url: known.url, width: 0, height: 0, bytes: None }],
            licence: Licence::named(known.licence.as_deref().unwrap_or_default(), None),
            author: known.author,
            author_url: None,
            page: known.source.or_else(|| Some(shown.clone())),
            title: None,
            attribution: None,
            name: name_of(&shown, self.url()),
        }
    }
}

/// The address without its query; where there is one, a number that tells it from others.
fn name_of(shown: &str, url: &str) -> String {
    if shown.len() == url.len() {
        return shown.to_owned();
    }
    let digest = blake3::hash(url.as_bytes()).to_hex();
    format!("{shown}#{}", &digest[..8])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_without_its_key_says_how_to_give_one() {
        let source = |provider, keys: &[&str]| Source {
            provider,
            keys: keys.iter().map(|key| (*key).to_owned()).collect(),
            base_url: None,
            timeout_seconds: 30,
        };
        for keys in [&[][..], &[" "]] {
            let error = check_sources(&[source(Provider::Pexels, keys)]).unwrap_err();
            assert!(error.failure().message.contains("secrets.pexels_key"), "{error}");
        }
        check_sources(&[source(Provider::Commons, &[]), source(Provider::Pexels, &["k"])]).unwrap();
        assert_eq!(format!("{:?}", source(Provider::Pexels, &["k3y"])), "Source(Pexels, 1 keys)");
    }

    #[test]
    fn a_link_is_known_by_its_address_without_what_may_be_a_key() {
        let link = Link::Address("https://x.org/a/big-wave.jpg?token=secret".into());
        let candidate = link.candidate();
        assert_eq!(
            (candidate.name.split_once('#').unwrap().0, candidate.kind),
            ("https://x.org/a/big-wave.jpg", Kind::Picture)
        );
        assert!(!candidate.name.contains("secret"));
        assert_eq!(candidate.words.trim(), "big-wave");
        assert!(check_links(&[Link::Address("file:///etc/passwd".into())]).is_err());
    }
}
