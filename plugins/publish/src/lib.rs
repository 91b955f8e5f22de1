//! `publish.*`: the way out. YouTube, TikTok and Instagram; a presigned address of an object store, a folder, a
//! webhook. And `publish.youtube_delete`, which takes a video back.
//!
//! Uploads remember where they are in a folder that outlives attempts (`ledger.rs`): one that was killed goes on, and
//! one that is done is not done again. The platforms' clients were written after their documentation and run against
//! servers that answer as it says; no real account was ever used.

#![expect(clippy::doc_markdown, reason = "platforms are called what they are called")]

mod account;
mod api;
mod delete;
mod folder;
mod instagram;
mod ledger;
mod s3;
mod tiktok;
mod webhook;
mod youtube;

#[cfg(test)]
mod tests;

use reelmill_sdk::prelude::*;

pub use account::Auth;
pub use delete::{DeleteInput, Deleted, YoutubeDelete};
pub use folder::{Folder, FolderInput, FolderOutput};
pub use instagram::{Instagram, InstagramInput};
pub use s3::{S3, S3Input, S3Output};
pub use tiktok::{Tiktok, TiktokInput};
pub use webhook::{Webhook, WebhookInput, WebhookOutput};
pub use youtube::{Youtube, YoutubeInput};

/// What a platform made of a video.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Post {
    /// The platform.
    pub platform: String,
    /// Its number for the post; empty when it does not say.
    pub id: String,
    /// Where people see it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// What the platform says of it, in its own words.
    pub status: String,
    /// Whether this attempt found it done, or went on with what an earlier one had begun.
    pub resumed: bool,
    /// What is not as it was asked for, one sentence each.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// What stages that publish have in common.
fn traits(examples: Vec<Example>) -> StageTraits {
    StageTraits {
        effects: Effects::External,
        // What was done is remembered under the task's token.
        idempotent: true,
        needs: Needs { net: true, ..Needs::default() },
        examples,
        ..StageTraits::default()
    }
}

/// Finds a text that is too long for a platform, counted as it counts.
fn check_length(name: &str, text: &str, max: usize, count: impl Fn(&str) -> usize) -> Result<(), StageError> {
    let length = count(text);
    if length <= max {
        return Ok(());
    }
    Err(StageError::invalid_input(format!(
        "`{name}` has {length} characters, but the platform takes {max}; metadata.write cuts it to size"
    ))
    .code("too_long"))
}

/// Characters as programs in JavaScript and Java count them, and several platforms with them.
fn utf16(text: &str) -> usize {
    text.encode_utf16().count()
}

reelmill_sdk::export_plugin! {
    name: "publish",
    version: "1.0.0",
    license: "MIT OR Apache-2.0",
    description: "The way out: YouTube, TikTok, Instagram, presigned addresses, folders and webhooks",
    stages: [Youtube, YoutubeDelete, Tiktok, Instagram, S3, Folder, Webhook],
}
