//! `publish.s3`: a file to a presigned address of an object store. Sending it twice is sending it once.

use crate::traits;
use reelmill_http::{Body, Guard, Service, Settings};
use reelmill_sdk::prelude::*;
use std::collections::BTreeMap;
use std::time::Duration;

/// `with` of `publish.s3`.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct S3Input {
    /// The file.
    pub file: Artifact,
    /// The presigned address for `PUT`: a secret, because it lets whoever has it write.
    #[schemars(length(min = 1, max = 8000))]
    pub url: String,
    /// Headers that were signed along: `{ x-amz-acl: public-read }`.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Its media type, if another one was signed than the file has.
    #[serde(default)]
    pub media_type: Option<String>,
    /// Hosts that may be written to although they are not on the public internet.
    #[serde(default)]
    pub allow_hosts: Vec<String>,
    /// Seconds for the upload.
    #[serde(default = "timeout")]
    #[schemars(range(min = 1, max = 86400))]
    pub timeout_seconds: u32,
}

const fn timeout() -> u32 {
    1_800
}

/// What `publish.s3` puts out.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct S3Output {
    /// Where it lies, without what was signed.
    pub url: String,
    /// What the store calls this content.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// Its length in bytes.
    pub bytes: u64,
}

/// The stage `publish.s3`.
pub struct S3;

impl Stage for S3 {
    const ID: &'static str = "s3";
    const VERSION: &'static str = "1.0.0";
    const SUMMARY: &'static str = "Puts a file at a presigned address of an object store";
    type Input = S3Input;
    type Output = S3Output;

    fn traits() -> StageTraits {
        traits(vec![Example {
            note: "The address was presigned for PUT by whoever has the store's keys".into(),
            with: json!({
                "file": { "$artifact": "0".repeat(64), "name": "video.mp4", "media_type": "video/mp4" },
                "url": "${{ secrets.upload_url }}"
            }),
        }])
    }

    fn open() -> Result<Self, StageError> {
        Ok(Self)
    }

    fn run(&mut self, input: S3Input, cx: &Cx<'_>) -> Result<S3Output, StageError> {
        let (shown, signed) = input.url.split_once('?').unwrap_or((&input.url, ""));
        let settings = Settings {
            address: "url",
            key: "url",
            timeout: "timeout_seconds",
            allow: "allow_hosts",
            ..Settings::default()
        };
        let mut builder = Service::new("the object store", shown)
            .settings(settings)
            .timeout(Duration::from_secs(u64::from(input.timeout_seconds)))
            .guarded()
            .guard(Guard::public().allow(&input.allow_hosts))
            .secret(&input.url)
            .secret(signed);
        for part in signed.split('&').filter_map(|part| part.split_once('=')) {
            // Short values are words, not keys.
            if part.1.len() >= 16 {
                builder = builder.secret(part.1);
            }
        }
        let service = builder.open()?;
        let kind = input.media_type.as_deref().unwrap_or_else(|| input.file.media_type());
        let mut request =
            service.put(&input.url).body(Body::file(input.file.path(), kind)?).progress("uploading");
        for (name, value) in &input.headers {
            request = request.header(name, value.as_str());
        }
        let answer = request.exchange(cx)?;
        if answer.status() == 403 {
            return Err(StageError::invalid_config(format!(
                "the object store refuses the address: it has expired, or was signed for another method, host or header: \
                 {}",
                answer.quote()
            ))
            .code("refused_signature"));
        }
        let answer = answer.good()?;
        let etag = answer.header("etag").map(|tag| tag.trim_matches('"').to_owned());
        Ok(S3Output { url: shown.to_owned(), etag, bytes: input.file.reference.size })
    }
}
