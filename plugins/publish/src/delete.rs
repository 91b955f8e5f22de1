//! `publish.youtube_delete`: takes a video back, for `compensate`.

use crate::account::Auth;
use crate::api::is_unauthorized;
use crate::ledger::Ledger;
use crate::traits;
use crate::youtube::{api, refusal::refusal};
use reelmill_http::Service;
use reelmill_sdk::prelude::*;
use std::time::SystemTime;

/// `with` of `publish.youtube_delete`.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeleteInput {
    /// The video's id, as `publish.youtube` puts it out.
    #[schemars(length(min = 1, max = 100))]
    pub id: String,
    /// Who publishes; with the scope `youtube`, that of uploading is not enough.
    pub auth: Auth,
    /// The folder that remembers tokens.
    pub state: WritePath,
    /// Where the interface is, in place of the platform's own address.
    #[serde(default)]
    pub base_url: Option<String>,
    /// Seconds to wait for the answer.
    #[serde(default = "timeout")]
    #[schemars(range(min = 1, max = 600))]
    pub timeout_seconds: u32,
}

const fn timeout() -> u32 {
    60
}

/// What `publish.youtube_delete` puts out.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Deleted {
    /// The video's id.
    pub id: String,
    /// Whether it was there to be deleted.
    pub was_there: bool,
}

/// The stage `publish.youtube_delete`.
pub struct YoutubeDelete;

impl Stage for YoutubeDelete {
    const ID: &'static str = "youtube_delete";
    const VERSION: &'static str = "1.0.0";
    const SUMMARY: &'static str = "Deletes a video from YouTube; one that is gone already is no error";
    type Input = DeleteInput;
    type Output = Deleted;

    fn traits() -> StageTraits {
        traits(vec![Example {
            note: "To undo publish.youtube: `compensate: { uses: publish.youtube_delete@1, … }`".into(),
            with: json!({
                "id": "dQw4w9WgXcQ", "state": "./state/publish",
                "auth": { "access_token": "${{ secrets.youtube_token }}" }
            }),
        }])
    }

    fn open() -> Result<Self, StageError> {
        Ok(Self)
    }

    fn run(&mut self, input: DeleteInput, cx: &Cx<'_>) -> Result<Deleted, StageError> {
        let mut api = api(&input.auth, &input.state, input.base_url.as_deref(), input.timeout_seconds)?;
        let id = input.id;
        let answer = api.call(cx, is_unauthorized, |service: &Service| {
            service
                .request(reelmill_http::Method::DELETE, "/youtube/v3/videos")
                .query("id", id.as_str())
                .exchange(cx)
        })?;
        let was_there = match answer.status() {
            200 | 204 => true,
            404 => false,
            _ => return Err(refusal(&answer, SystemTime::now())),
        };
        gone(&input.state, &id, cx)?.set(true)?;
        Ok(Deleted { id, was_there })
    }
}

/// Whether a video was taken back. Whoever has uploaded it remembers that it is done, and would find it so when the run
/// is retried after its compensation.
pub fn gone(state: &WritePath, id: &str, cx: &Cx<'_>) -> Result<Ledger<bool>, StageError> {
    Ledger::wait(state.as_path(), "upload-gone", id, cx)
}
