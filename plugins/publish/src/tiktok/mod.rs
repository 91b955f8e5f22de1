//! `publish.tiktok`: the Content Posting API (<https://developers.tiktok.com/doc/content-posting-api-get-started>).
//!
//! A token may begin six posts a minute: `rate_limit: { key: tiktok, limit: 6, per: 1m }`. What apps that were not
//! audited post is seen by the account itself only.

mod parts;
mod post;
mod refusal;

use crate::account::{Account, Auth, Dialect};
use crate::api::{Api, TokenPlace};
use crate::ledger::Ledger;
use crate::{Post, check_length, traits, utf16};
use post::{Kept, Posting};
use reelmill_sdk::prelude::*;
use std::time::Duration;

const DIALECT: Dialect =
    Dialect { token_url: "https://open.tiktokapis.com/v2/oauth/token/", client_id: "client_key" };
const BASE: &str = "https://open.tiktokapis.com";
/// Units of UTF-16 of a caption at the most.
const TITLE_MAX: usize = 2_200;

/// Who may see a post. The account has to offer it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Audience {
    /// The account itself; all that apps may do that were not audited.
    #[default]
    SelfOnly,
    /// Friends.
    MutualFollowFriends,
    /// Followers of a private account.
    FollowerOfCreator,
    /// Everybody.
    PublicToEveryone,
}

impl Audience {
    const fn name(self) -> &'static str {
        match self {
            Self::SelfOnly => "SELF_ONLY",
            Self::MutualFollowFriends => "MUTUAL_FOLLOW_FRIENDS",
            Self::FollowerOfCreator => "FOLLOWER_OF_CREATOR",
            Self::PublicToEveryone => "PUBLIC_TO_EVERYONE",
        }
    }
}

/// `with` of `publish.tiktok`.
#[expect(clippy::struct_excessive_bools, reason = "each is an option of the platform's own")]
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TiktokInput {
    /// The video.
    #[schemars(extend("x-media-types" = ["video/*"]))]
    pub video: Artifact,
    /// The caption with its hashtags: 2,200 characters.
    #[serde(default)]
    pub title: String,
    /// Who may see it.
    #[serde(default)]
    pub audience: Audience,
    /// Nobody may comment.
    #[serde(default)]
    pub disable_comment: bool,
    /// Nobody may make a duet.
    #[serde(default)]
    pub disable_duet: bool,
    /// Nobody may stitch.
    #[serde(default)]
    pub disable_stitch: bool,
    /// Whether it was made by a machine, which the platform wants to be said.
    #[serde(default)]
    pub ai_generated: bool,
    /// Moment of the video that is its cover, in milliseconds.
    #[serde(default)]
    pub cover_ms: u64,
    /// Sends it to the account's inbox, where a person finishes the post; nothing but the video is said then.
    #[serde(default)]
    pub draft: bool,
    /// Who publishes.
    pub auth: Auth,
    /// A folder that remembers uploads and tokens; the same for all pipelines and workers.
    pub state: WritePath,
    /// Size of the parts in which it is sent, in MB.
    #[serde(default = "part")]
    #[schemars(range(min = 5, max = 64))]
    pub part_mb: u32,
    /// Seconds to wait until the platform has made a post of it; then the next attempt goes on waiting.
    #[serde(default = "wait")]
    #[schemars(range(min = 0, max = 7200))]
    pub wait_seconds: u32,
    /// Seconds between two looks.
    #[serde(default = "poll")]
    #[schemars(range(min = 0.0, max = 600.0))]
    pub poll_seconds: f64,
    /// Seconds for one part.
    #[serde(default = "timeout")]
    #[schemars(range(min = 1, max = 7200))]
    pub timeout_seconds: u32,
    /// Where the interface is, in place of the platform's own address.
    #[serde(default)]
    pub base_url: Option<String>,
}

const fn part() -> u32 {
    16
}

const fn wait() -> u32 {
    300
}

const fn poll() -> f64 {
    5.0
}

const fn timeout() -> u32 {
    600
}

/// The stage `publish.tiktok`.
pub struct Tiktok;

impl Stage for Tiktok {
    const ID: &'static str = "tiktok";
    const VERSION: &'static str = "1.0.0";
    const SUMMARY: &'static str = "Posts a video on TikTok, or puts it into the account's drafts, once";
    type Input = TiktokInput;
    type Output = Post;

    fn traits() -> StageTraits {
        traits(vec![Example {
            note: "A post that only the account sees".into(),
            with: json!({
                "video": { "$artifact": "0".repeat(64), "name": "video.mp4", "media_type": "video/mp4" },
                "title": "How tides work #tides", "state": "./state/publish",
                "auth": {
                    "refresh_token": "${{ secrets.tiktok_refresh }}", "client_id": "${{ secrets.tiktok_client }}",
                    "client_secret": "${{ secrets.tiktok_secret }}"
                }
            }),
        }])
    }

    fn open() -> Result<Self, StageError> {
        Ok(Self)
    }

    fn run(&mut self, input: TiktokInput, cx: &Cx<'_>) -> Result<Post, StageError> {
        check_length("title", &input.title, TITLE_MAX, utf16)?;
        if !(5..=64).contains(&input.part_mb) {
            return Err(StageError::invalid_input("`part_mb` must be 5 to 64"));
        }
        let ledger = Ledger::<Kept>::open(input.state.as_path(), "upload-tiktok", cx.idempotency_token())?;
        let account = Account::new(&input.auth, DIALECT, input.state.as_path())?;
        let base = input.base_url.clone().unwrap_or_else(|| BASE.to_owned());
        let timeout = Duration::from_secs(u64::from(input.timeout_seconds));
        let api = Api::new("TikTok", base, TokenPlace::Bearer, timeout, account);
        Posting::new(&input, ledger, api).run(cx)
    }
}
