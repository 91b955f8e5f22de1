//! `publish.instagram`: a reel, by a container that is filled, looked after and published
//! (<https://developers.facebook.com/docs/instagram-platform/content-publishing>).
//!
//! A file is uploaded resumably, which needs a token of Facebook Login for Business; with a token of Instagram Login
//! the video has to lie at a public address (`video_url`).

mod reel;
mod refusal;

use crate::account::{Account, Auth, Dialect};
use crate::api::{Api, TokenPlace};
use crate::ledger::Ledger;
use crate::{Post, check_length, traits, utf16};
use reel::{Kept, Reel};
use reelmill_sdk::prelude::*;
use std::time::Duration;

/// Meta has no refresh tokens: long-lived tokens are exchanged by people, or those of a page do not end.
const DIALECT: Dialect =
    Dialect { token_url: "https://graph.facebook.com/oauth/access_token", client_id: "client_id" };
const BASE: &str = "https://graph.facebook.com/v23.0";
const CAPTION_MAX: usize = 2_200;
const HASHTAGS_MAX: usize = 30;

/// `with` of `publish.instagram`.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InstagramInput {
    /// The video.
    #[serde(default)]
    #[schemars(extend("x-media-types" = ["video/*"]))]
    pub video: Option<Artifact>,
    /// A public address of the video, in place of `video`.
    #[serde(default)]
    pub video_url: Option<String>,
    /// The account's number (`IG_USER_ID`).
    #[schemars(length(min = 1, max = 100))]
    pub user_id: String,
    /// The caption with its hashtags: 2,200 characters, 30 hashtags.
    #[serde(default)]
    pub caption: String,
    /// Whether it is shown among the account's posts too.
    #[serde(default = "yes")]
    pub share_to_feed: bool,
    /// Moment of the video that is its cover, in milliseconds.
    #[serde(default)]
    pub cover_ms: Option<u64>,
    /// Who publishes: `access_token`.
    pub auth: Auth,
    /// A folder that remembers uploads; the same for all pipelines and workers.
    pub state: WritePath,
    /// Seconds to wait until the platform has read the video; then the next attempt goes on waiting.
    #[serde(default = "wait")]
    #[schemars(range(min = 0, max = 7200))]
    pub wait_seconds: u32,
    /// Seconds between two looks; the platform asks for one a minute at the most, for five minutes.
    #[serde(default = "poll")]
    #[schemars(range(min = 0.0, max = 600.0))]
    pub poll_seconds: f64,
    /// Seconds for the upload.
    #[serde(default = "timeout")]
    #[schemars(range(min = 1, max = 7200))]
    pub timeout_seconds: u32,
    /// Where the interface is, with its version, in place of the platform's own address.
    #[serde(default)]
    pub base_url: Option<String>,
}

const fn yes() -> bool {
    true
}

const fn wait() -> u32 {
    300
}

const fn poll() -> f64 {
    30.0
}

const fn timeout() -> u32 {
    1_800
}

impl InstagramInput {
    fn check(&self) -> Result<(), StageError> {
        check_length("caption", &self.caption, CAPTION_MAX, utf16)?;
        let hashtags = self.caption.matches('#').count();
        if hashtags > HASHTAGS_MAX {
            return Err(StageError::invalid_input(format!(
                "`caption` has {hashtags} hashtags, but the platform takes {HASHTAGS_MAX}"
            ))
            .code("too_long"));
        }
        if !self.user_id.chars().all(|mark| mark.is_ascii_alphanumeric()) {
            return Err(StageError::invalid_input("`user_id` is a number"));
        }
        match (&self.video, &self.video_url) {
            (Some(video), None) if video.reference.size == 0 => {
                Err(StageError::invalid_input("`video` is empty"))
            }
            (Some(_), None) => Ok(()),
            (None, Some(url)) if url.starts_with("https://") || url.starts_with("http://") => Ok(()),
            (None, Some(_)) => Err(StageError::invalid_input("`video_url` is no http address")),
            _ => Err(StageError::invalid_input("give one of `video` and `video_url`")),
        }
    }
}

/// The stage `publish.instagram`.
pub struct Instagram;

impl Stage for Instagram {
    const ID: &'static str = "instagram";
    const VERSION: &'static str = "1.0.0";
    const SUMMARY: &'static str = "Publishes a reel on Instagram, once";
    type Input = InstagramInput;
    type Output = Post;

    fn traits() -> StageTraits {
        traits(vec![Example {
            note: "A reel from a file".into(),
            with: json!({
                "video": { "$artifact": "0".repeat(64), "name": "video.mp4", "media_type": "video/mp4" },
                "user_id": "17841400008460056", "caption": "How tides work #tides", "state": "./state/publish",
                "auth": { "access_token": "${{ secrets.instagram_token }}" }
            }),
        }])
    }

    fn open() -> Result<Self, StageError> {
        Ok(Self)
    }

    fn run(&mut self, input: InstagramInput, cx: &Cx<'_>) -> Result<Post, StageError> {
        input.check()?;
        let ledger = Ledger::<Kept>::open(input.state.as_path(), "upload-instagram", cx.idempotency_token())?;
        let account = Account::new(&input.auth, DIALECT, input.state.as_path())?;
        let base = input.base_url.clone().unwrap_or_else(|| BASE.to_owned());
        let timeout = Duration::from_secs(u64::from(input.timeout_seconds));
        let api = Api::new("Instagram", base, TokenPlace::Parameter("access_token"), timeout, account);
        Reel::new(&input, ledger, api).run(cx)
    }
}
