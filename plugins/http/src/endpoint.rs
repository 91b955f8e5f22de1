//! A model behind an address, as `with` names it: the record that all stages share which ask models.

use crate::builder::Builder;
use crate::service::{Service, Settings};
use reelmill_sdk::prelude::*;
use std::time::Duration;

/// A model behind an OpenAI-compatible address. `SECONDS` is how long an answer is waited for unless it is said.
#[derive(Clone, Deserialize, JsonSchema)]
#[schemars(crate = "reelmill_sdk::schemars")]
#[serde(deny_unknown_fields)]
pub struct Endpoint<const SECONDS: u32> {
    /// Everything before the path of a call (`/chat/completions`, `/embeddings`, `/audio/transcriptions`), for example
    /// `https://api.openai.com/v1`, with a query if there is one.
    #[schemars(length(min = 1, max = 2000))]
    pub base_url: String,
    /// The model's name there.
    #[schemars(length(min = 1, max = 200))]
    pub model: String,
    /// Sent as a bearer token; use a secret. Local servers often need none.
    #[serde(default)]
    pub api_key: Option<String>,
    /// Seconds to wait for one answer.
    #[serde(default = "seconds::<SECONDS>")]
    #[schemars(range(min = 1, max = 3600))]
    pub timeout_seconds: u32,
}

const fn seconds<const SECONDS: u32>() -> u32 {
    SECONDS
}

impl<const SECONDS: u32> Endpoint<SECONDS> {
    /// Begins its service, without its key: not everybody wants it in the same place.
    pub fn service(&self, name: &str, settings: Settings) -> Builder {
        Service::new(name, self.base_url.trim())
            .settings(settings)
            .timeout(Duration::from_secs(self.timeout_seconds.into()))
    }

    /// Its key; empty without one.
    #[must_use]
    pub fn key(&self) -> &str {
        self.api_key.as_deref().unwrap_or_default()
    }

    /// What has to follow the address for a call: nothing where somebody copied the whole address.
    #[must_use]
    pub fn path<'a>(&self, call: &'a str) -> &'a str {
        let address = self.base_url.split('?').next().unwrap_or_default();
        if address.trim().trim_end_matches('/').ends_with(call) { "" } else { call }
    }
}

/// Without the key.
impl<const SECONDS: u32> std::fmt::Debug for Endpoint<SECONDS> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Endpoint({})", self.model)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize, JsonSchema)]
    #[schemars(crate = "reelmill_sdk::schemars")]
    #[serde(deny_unknown_fields)]
    struct Around {
        #[serde(flatten)]
        endpoint: Endpoint<60>,
        #[serde(default)]
        more: u32,
    }

    #[test]
    fn a_record_within_another_is_as_if_it_were_written_there() {
        let read = |value: Value| serde_json::from_value::<Around>(value).map_err(|error| error.to_string());
        let around = read(json!({ "base_url": "http://x/v1/", "model": "m", "more": 3 })).unwrap();
        assert_eq!((around.more, around.endpoint.timeout_seconds, around.endpoint.key()), (3, 60, ""));
        assert!(
            read(json!({ "base_url": "x", "model": "m", "modle": "m" })).unwrap_err().contains("`modle`")
        );
        assert!(read(json!({ "base_url": "x" })).unwrap_err().contains("`model`"));
        let schema = serde_json::to_value(reelmill_sdk::schemars::schema_for!(Around)).unwrap();
        assert_eq!(schema["required"], json!(["base_url", "model"]), "{schema}");
        assert_eq!(schema["properties"]["timeout_seconds"]["default"], 60);
        assert_eq!(schema["additionalProperties"], false, "{schema}");
        assert!(schema["properties"]["more"].is_object());
    }

    #[test]
    fn whoever_copies_the_whole_address_means_the_same() {
        let of = |base_url: &str| {
            let value = json!({ "base_url": base_url, "model": "m" });
            serde_json::from_value::<Endpoint<1>>(value).unwrap().path("/embeddings").to_owned()
        };
        assert_eq!(of("http://x/v1"), "/embeddings");
        assert_eq!(of(" http://x/v1/embeddings/?a=b "), "");
    }
}
