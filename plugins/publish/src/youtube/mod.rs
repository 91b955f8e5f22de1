//! `publish.youtube`: a resumable upload, as
//! <https://developers.google.com/youtube/v3/guides/using_resumable_upload_protocol> has it.

pub mod refusal;
mod session;
mod upload;

use crate::account::{Account, Auth, Dialect};
use crate::api::{Api, TokenPlace};
use crate::ledger::Ledger;
use crate::{Post, check_length, traits};
use reelmill_sdk::prelude::*;
use std::time::Duration;
pub use upload::is_broken_line;
use upload::{Kept, Upload};

/// Where Google refreshes tokens.
pub const GOOGLE: Dialect =
    Dialect { token_url: "https://oauth2.googleapis.com/token", client_id: "client_id" };
/// Where its interface is.
pub const BASE: &str = "https://www.googleapis.com";
/// Characters of all tags at the most, with commas, and quotes around those with spaces.
const TAGS_MAX: usize = 500;
/// Bytes of a description at the most.
const DESCRIPTION_MAX: usize = 5_000;
/// Bytes of a thumbnail at the most.
const THUMBNAIL_MAX: u64 = 2 << 20;

/// Who may see a video.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Privacy {
    /// Whoever owns the channel, and whom they invite.
    #[default]
    Private,
    /// Whoever has the address.
    Unlisted,
    /// Everybody. Apps that were not audited by the platform get private videos nevertheless.
    Public,
}

/// `with` of `publish.youtube`.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct YoutubeInput {
    /// The video.
    #[schemars(extend("x-media-types" = ["video/*"]))]
    pub video: Artifact,
    /// Its title: 100 characters, without `<` and `>`.
    #[schemars(length(min = 1))]
    pub title: String,
    /// Its description: 5,000 bytes.
    #[serde(default)]
    pub description: String,
    /// Its tags: 500 characters together.
    #[serde(default)]
    pub tags: Vec<String>,
    /// The number of its category; 22 is "People & Blogs".
    #[serde(default = "category")]
    pub category: String,
    /// Who may see it.
    #[serde(default)]
    pub privacy: Privacy,
    /// When a private video becomes public: `2027-01-31T18:00:00Z`.
    #[serde(default)]
    pub publish_at: Option<String>,
    /// Whether it is made for children, which the law wants to be said.
    #[serde(default)]
    pub made_for_kids: bool,
    /// Whether it shows what looks real and is not, which the platform wants to be said.
    #[serde(default)]
    pub synthetic: bool,
    /// Language of title and description: a tag.
    #[serde(default)]
    pub language: Option<String>,
    /// Whether subscribers are told.
    #[serde(default = "yes")]
    pub notify: bool,
    /// A picture for it: PNG or JPEG, 2 MB at the most. The channel has to be verified.
    #[serde(default)]
    #[schemars(extend("x-media-types" = ["image/*"]))]
    pub thumbnail: Option<Artifact>,
    /// Who publishes.
    pub auth: Auth,
    /// A folder that remembers uploads and tokens; the same for all pipelines and workers.
    pub state: WritePath,
    /// Size of the parts in which it is sent, in MiB: what is lost when a connection breaks.
    #[serde(default = "part")]
    #[schemars(range(min = 1, max = 256))]
    pub part_mib: u32,
    /// Seconds for one part.
    #[serde(default = "timeout")]
    #[schemars(range(min = 1, max = 7200))]
    pub timeout_seconds: u32,
    /// Where the interface is, in place of the platform's own address.
    #[serde(default)]
    pub base_url: Option<String>,
}

fn category() -> String {
    "22".to_owned()
}

const fn yes() -> bool {
    true
}

const fn part() -> u32 {
    16
}

const fn timeout() -> u32 {
    600
}

impl YoutubeInput {
    fn check(&self) -> Result<(), StageError> {
        check_length("title", &self.title, 100, |text| text.chars().count())?;
        check_length("description", &self.description, DESCRIPTION_MAX, str::len)?;
        let of_tag = |tag: &String| tag.chars().count() + if tag.contains(' ') { 2 } else { 0 };
        let tags = self.tags.iter().map(of_tag).sum::<usize>() + self.tags.len().saturating_sub(1);
        if tags > TAGS_MAX {
            return Err(StageError::invalid_input(format!(
                "`tags` have {tags} characters together, but the platform takes {TAGS_MAX}"
            ))
            .code("too_long"));
        }
        if [&self.title, &self.description].iter().any(|text| text.contains(['<', '>'])) {
            return Err(StageError::invalid_input("`title` and `description` must not hold < and >"));
        }
        if self.title.trim().is_empty() {
            return Err(StageError::invalid_input("`title` is empty"));
        }
        if self.publish_at.is_some() && self.privacy != Privacy::Private {
            return Err(StageError::invalid_input("`publish_at` is for private videos; leave `privacy` out"));
        }
        if self.thumbnail.as_ref().is_some_and(|picture| picture.reference.size > THUMBNAIL_MAX) {
            return Err(StageError::invalid_input("`thumbnail` has more than 2 MB"));
        }
        Ok(())
    }

    /// The `video` resource of the interface.
    fn resource(&self) -> Value {
        let mut snippet = json!({
            "title": self.title, "description": self.description, "tags": self.tags, "categoryId": self.category,
        });
        if let Some(language) = &self.language {
            snippet["defaultLanguage"] = json!(language);
        }
        let mut status = json!({
            "privacyStatus": self.privacy, "selfDeclaredMadeForKids": self.made_for_kids,
            "containsSyntheticMedia": self.synthetic,
        });
        if let Some(moment) = &self.publish_at {
            status["publishAt"] = json!(moment);
        }
        json!({ "snippet": snippet, "status": status })
    }
}

/// The stage `publish.youtube`.
pub struct Youtube;

impl Stage for Youtube {
    const ID: &'static str = "youtube";
    const VERSION: &'static str = "1.0.0";
    const SUMMARY: &'static str = "Uploads a video to YouTube, goes on after interruptions, and does it once";
    type Input = YoutubeInput;
    type Output = Post;

    fn traits() -> StageTraits {
        traits(vec![Example {
            note: "A private video; tokens are refreshed and kept in `state`".into(),
            with: json!({
                "video": { "$artifact": format!("b3:{}", "0".repeat(64)), "name": "video.mp4", "media_type": "video/mp4" },
                "title": "How tides work", "description": "Twice a day.", "tags": ["tides", "sea"],
                "state": "./state/publish",
                "auth": {
                    "refresh_token": "${{ secrets.youtube_refresh }}", "client_id": "${{ secrets.youtube_client }}",
                    "client_secret": "${{ secrets.youtube_secret }}"
                }
            }),
        }])
    }

    fn open() -> Result<Self, StageError> {
        Ok(Self)
    }

    fn run(&mut self, input: YoutubeInput, cx: &Cx<'_>) -> Result<Post, StageError> {
        input.check()?;
        let ledger = Ledger::<Kept>::open(input.state.as_path(), "upload-youtube", cx.idempotency_token())?;
        let api = api(&input.auth, &input.state, input.base_url.as_deref(), input.timeout_seconds)?;
        Upload::new(&input, input.resource(), ledger, api).run(cx)
    }
}

/// The platform's interface.
pub fn api(
    auth: &Auth,
    state: &WritePath,
    base: Option<&str>,
    timeout_seconds: u32,
) -> Result<Api, StageError> {
    let account = Account::new(auth, GOOGLE, state.as_path())?;
    let timeout = Duration::from_secs(u64::from(timeout_seconds));
    Ok(Api::new("YouTube", base.unwrap_or(BASE).to_owned(), TokenPlace::Bearer, timeout, account))
}
