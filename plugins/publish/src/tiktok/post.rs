//! One post, from wherever it is to its end.

use super::TiktokInput;
use super::parts::Parts;
use super::refusal::{is_unauthorized, of_post, read};
use crate::Post;
use crate::api::Api;
use crate::ledger::Ledger;
use crate::youtube::is_broken_line;
use reelmill_http::Body;
use reelmill_sdk::prelude::*;
use std::time::{Duration, Instant};

/// Interruptions of one attempt that are gone over at once; after more, the next attempt goes on, later.
const INTERRUPTIONS_MAX: u32 = 4;
/// When the next attempt looks after a video that the platform is still working on.
const NEXT_LOOK: Duration = Duration::from_mins(1);

/// What is remembered of a post.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Kept {
    /// What is posted, with all that is said of it.
    subject: String,
    /// The platform's number for what was begun.
    publish_id: Option<String>,
    /// Where its parts go; whoever has it can write.
    upload_url: Option<String>,
    /// Bytes of a part.
    part: u64,
    /// All parts are there.
    is_sent: bool,
    /// What came of it.
    post: Option<Post>,
}

/// A post.
pub struct Posting<'a> {
    input: &'a TiktokInput,
    ledger: Ledger<Kept>,
    api: Api,
    subject: String,
    interruptions: u32,
    resumed: bool,
}

#[derive(Deserialize)]
struct Begun {
    publish_id: String,
    upload_url: String,
}

#[derive(Deserialize)]
struct Status {
    #[serde(rename = "status")]
    phase: String,
    #[serde(default)]
    fail_reason: String,
    #[serde(default)]
    uploaded_bytes: u64,
    /// The platform spells it so.
    #[serde(default, rename = "publicaly_available_post_id")]
    posts: Vec<Value>,
}

/// How far a part got.
enum Sent {
    Arrived,
    /// Only the platform knows how far it is.
    Unknown,
    /// The place to send to is no more.
    Gone,
}

impl<'a> Posting<'a> {
    pub fn new(input: &'a TiktokInput, ledger: Ledger<Kept>, api: Api) -> Self {
        let subject = format!("{} {}", input.video.reference.digest, info(input));
        let subject = blake3::hash(subject.as_bytes()).to_hex().to_string();
        Self { input, ledger, api, subject, interruptions: 0, resumed: false }
    }

    /// Goes to the end.
    pub fn run(mut self, cx: &Cx<'_>) -> Result<Post, StageError> {
        if let Some(post) = self.ledger.get().post.clone() {
            cx.info("the video was posted by an earlier attempt");
            return Ok(Post { resumed: true, ..post });
        }
        if self.input.video.reference.size == 0 {
            return Err(StageError::invalid_input("`video` is empty"));
        }
        self.upload(cx)?;
        self.wait(cx)
    }

    /// Sends what is not there yet.
    fn upload(&mut self, cx: &Cx<'_>) -> Result<(), StageError> {
        let kept = self.ledger.get();
        let mut number = if kept.publish_id.is_some() && kept.subject == self.subject {
            self.resumed = true;
            cx.info("a post that was begun before goes on");
            if kept.is_sent {
                return Ok(());
            }
            self.arrived(cx)?
        } else {
            self.begin(cx)?;
            0
        };
        loop {
            let parts = Parts::of(self.input.video.reference.size, self.ledger.get().part);
            if number >= parts.count {
                let sent = Kept { is_sent: true, ..self.ledger.get().clone() };
                return self.ledger.set(sent);
            }
            number = match self.send(&parts, number, cx)? {
                Sent::Arrived => number + 1,
                Sent::Unknown => self.arrived(cx)?,
                Sent::Gone => {
                    self.interrupted("the place to upload to is no more")?;
                    cx.warn("the place to upload to is no more; the post is begun anew");
                    self.begin(cx)?;
                    0
                }
            };
        }
    }

    /// Begins a post, and remembers where it goes before anything is sent there.
    fn begin(&mut self, cx: &Cx<'_>) -> Result<(), StageError> {
        let size = self.input.video.reference.size;
        let parts = Parts::of(size, u64::from(self.input.part_mb) * 1_000_000);
        let mut body = json!({ "source_info": {
            "source": "FILE_UPLOAD", "video_size": size, "chunk_size": parts.part, "total_chunk_count": parts.count,
        }});
        let path = if self.input.draft {
            "/v2/post/publish/inbox/video/init/"
        } else {
            body["post_info"] = info(self.input);
            "/v2/post/publish/video/init/"
        };
        let answer =
            self.api.call(cx, is_unauthorized, |service| service.post(path).json(&body).exchange(cx))?;
        let begun: Begun =
            serde_json::from_value(read(&answer)?).map_err(|error| answer.malformed(&error.to_string()))?;
        self.ledger.set(Kept {
            subject: self.subject.clone(),
            publish_id: Some(begun.publish_id),
            upload_url: Some(begun.upload_url),
            part: parts.part,
            is_sent: false,
            post: None,
        })
    }

    fn send(&mut self, parts: &Parts, number: u64, cx: &Cx<'_>) -> Result<Sent, StageError> {
        let url = self.ledger.get().upload_url.clone().unwrap_or_default();
        let (first, last) = parts.range(number);
        cx.progress(&Progress {
            done: first as f64,
            total: Some(parts.size as f64),
            unit: "bytes".into(),
            phase: "uploading".into(),
            ..Progress::default()
        });
        let body = Body::File {
            media_type: self.input.video.media_type().to_owned(),
            path: self.input.video.path().to_owned(),
            from: first,
            length: last - first + 1,
        };
        let range = format!("bytes {first}-{last}/{}", parts.size);
        // The address itself is what lets one write there.
        let sent = self.api.service(cx)?.put(&url).header("content-range", range).body(body).exchange(cx);
        let answer = match sent {
            Err(error) if is_broken_line(&error) => {
                self.interrupted(&error.failure().message)?;
                cx.warn(format!("{error}; asking how much arrived"));
                return Ok(Sent::Unknown);
            }
            other => other?,
        };
        match answer.status() {
            200 | 201 | 206 => Ok(Sent::Arrived),
            // Not the part that it waits for.
            416 => self.interrupted("the parts are out of step").map(|()| Sent::Unknown),
            403 | 404 | 410 => Ok(Sent::Gone),
            408 | 500..=599 if answer.header("retry-after").is_none() => {
                self.interrupted(&answer.refused().failure().message).map(|()| Sent::Unknown)
            }
            _ => Err(answer.refused()),
        }
    }

    /// The part to go on with, as the platform says.
    fn arrived(&mut self, cx: &Cx<'_>) -> Result<u64, StageError> {
        let status = self.status(cx)?;
        let parts = Parts::of(self.input.video.reference.size, self.ledger.get().part);
        if status.phase == "PROCESSING_UPLOAD" {
            return Ok(parts.after(status.uploaded_bytes));
        }
        if status.phase == "FAILED" {
            self.forget()?;
            return Err(of_post(&status.fail_reason));
        }
        Ok(parts.count)
    }

    /// Counts; what was begun stays, so that the next attempt goes on.
    fn interrupted(&mut self, why: &str) -> Result<(), StageError> {
        self.interruptions += 1;
        if self.interruptions <= INTERRUPTIONS_MAX {
            return Ok(());
        }
        Err(StageError::dependency(format!("TikTok does not take the video: {why}")).code("stalled"))
    }

    /// What failed is begun anew by the next attempt.
    fn forget(&mut self) -> Result<(), StageError> {
        self.ledger.set(Kept::default())
    }

    fn status(&mut self, cx: &Cx<'_>) -> Result<Status, StageError> {
        let body = json!({ "publish_id": self.ledger.get().publish_id });
        let answer = self.api.call(cx, is_unauthorized, |service| {
            service.post("/v2/post/publish/status/fetch/").json(&body).exchange(cx)
        })?;
        serde_json::from_value(read(&answer)?).map_err(|error| answer.malformed(&error.to_string()))
    }

    /// Waits until the platform has made a post of it, or put it into the inbox.
    fn wait(&mut self, cx: &Cx<'_>) -> Result<Post, StageError> {
        let begun = Instant::now();
        loop {
            let status = self.status(cx)?;
            match status.phase.as_str() {
                "PUBLISH_COMPLETE" | "SEND_TO_USER_INBOX" => return self.done(&status),
                "FAILED" => {
                    self.forget()?;
                    return Err(of_post(&status.fail_reason));
                }
                _ => {}
            }
            if begun.elapsed() >= Duration::from_secs(u64::from(self.input.wait_seconds)) {
                return Err(StageError::transient(format!(
                    "TikTok is still working on the video ({}); the next attempt looks again",
                    status.phase
                ))
                .code("still_processing")
                .retry_after(NEXT_LOOK));
            }
            cx.progress(&Progress { phase: "waiting for TikTok".into(), ..Progress::default() });
            cx.pause(Duration::from_secs_f64(self.input.poll_seconds.clamp(0.0, 600.0)))?;
        }
    }

    fn done(&mut self, status: &Status) -> Result<Post, StageError> {
        let id = status.posts.first().map(|id| id.as_str().map_or_else(|| id.to_string(), str::to_owned));
        let mut post = Post {
            platform: "tiktok".into(),
            id: id.or_else(|| self.ledger.get().publish_id.clone()).unwrap_or_default(),
            url: None,
            status: status.phase.clone(),
            resumed: self.resumed,
            notes: Vec::new(),
        };
        if status.posts.is_empty() {
            post.notes.push("the platform names no post: `id` is its number for the upload".into());
        }
        self.ledger.set(Kept {
            subject: self.subject.clone(),
            post: Some(post.clone()),
            ..Kept::default()
        })?;
        Ok(post)
    }
}

/// What is said of the video.
fn info(input: &TiktokInput) -> Value {
    json!({
        "title": input.title, "privacy_level": input.audience.name(), "disable_comment": input.disable_comment,
        "disable_duet": input.disable_duet, "disable_stitch": input.disable_stitch,
        "video_cover_timestamp_ms": input.cover_ms, "is_aigc": input.ai_generated,
    })
}
