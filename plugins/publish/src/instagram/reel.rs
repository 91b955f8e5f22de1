//! One reel, from wherever it is to its end.

use super::InstagramInput;
use super::refusal::{quota, read, refusal};
use crate::Post;
use crate::api::{Api, is_unauthorized};
use crate::ledger::Ledger;
use crate::youtube::is_broken_line;
use reelmill_http::Body;
use reelmill_sdk::prelude::*;
use std::time::{Duration, Instant};

/// Interruptions of one attempt that are gone over at once; after more, the next attempt goes on, later.
const INTERRUPTIONS_MAX: u32 = 4;
/// When the next attempt looks after a video that the platform is still reading.
const NEXT_LOOK: Duration = Duration::from_mins(1);

/// What is remembered of a reel.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Kept {
    /// What is published, with all that is said of it.
    subject: String,
    /// The container.
    container: Option<String>,
    /// Where its content goes.
    upload_url: Option<String>,
    /// What came of it.
    post: Option<Post>,
}

/// A reel.
pub struct Reel<'a> {
    input: &'a InstagramInput,
    ledger: Ledger<Kept>,
    api: Api,
    subject: String,
    interruptions: u32,
    resumed: bool,
}

#[derive(Deserialize)]
struct Made {
    id: String,
    uri: Option<String>,
}

#[derive(Deserialize)]
struct Container {
    status_code: String,
    status: Option<String>,
    video_status: Option<VideoStatus>,
}

#[derive(Deserialize)]
struct VideoStatus {
    uploading_phase: Option<Uploading>,
}

#[derive(Deserialize)]
struct Uploading {
    #[serde(default)]
    bytes_transferred: u64,
}

#[derive(Deserialize)]
struct Limits {
    #[serde(default)]
    data: Vec<Limit>,
}

#[derive(Deserialize)]
struct Limit {
    #[serde(default)]
    quota_usage: u64,
    config: Option<LimitConfig>,
}

#[derive(Deserialize)]
struct LimitConfig {
    quota_total: Option<u64>,
}

impl<'a> Reel<'a> {
    pub fn new(input: &'a InstagramInput, ledger: Ledger<Kept>, api: Api) -> Self {
        let video = input.video.as_ref().map(|video| video.reference.digest.to_string());
        let subject = format!(
            "{video:?} {:?} {} {} {} {:?}",
            input.video_url, input.user_id, input.caption, input.share_to_feed, input.cover_ms
        );
        let subject = blake3::hash(subject.as_bytes()).to_hex().to_string();
        Self { input, ledger, api, subject, interruptions: 0, resumed: false }
    }

    /// Goes to the end.
    pub fn run(mut self, cx: &Cx<'_>) -> Result<Post, StageError> {
        if let Some(post) = self.ledger.get().post.clone() {
            cx.info("the reel was published by an earlier attempt");
            return Ok(Post { resumed: true, ..post });
        }
        let kept = self.ledger.get();
        if kept.container.is_some() && kept.subject == self.subject {
            self.resumed = true;
            cx.info("a reel that was begun before goes on");
        } else {
            self.check_quota(cx)?;
            self.begin(cx)?;
        }
        self.fill(cx)?;
        if self.wait(cx)? {
            // It was published, and the answer was lost: there is no way to ask for its number.
            return self.done(None, cx);
        }
        let id = self.publish(cx)?;
        self.done(Some(id), cx)
    }

    /// Asks how many posts are left, before a container is made in vain.
    fn check_quota(&mut self, cx: &Cx<'_>) -> Result<(), StageError> {
        let path = format!("/{}/content_publishing_limit", self.input.user_id);
        let answer = self.api.call(cx, is_unauthorized, |service| {
            service.get(&path).query("fields", "config,quota_usage").exchange(cx)
        })?;
        let limits: Limits = read(&answer)?;
        let Some(limit) = limits.data.first() else { return Ok(()) };
        match limit.config.as_ref().and_then(|config| config.quota_total) {
            Some(total) if limit.quota_usage >= total => {
                Err(quota(&format!("{} of {total}", limit.quota_usage), None))
            }
            _ => Ok(()),
        }
    }

    /// Makes a container, and remembers it before anything is done with it.
    fn begin(&mut self, cx: &Cx<'_>) -> Result<(), StageError> {
        let path = format!("/{}/media", self.input.user_id);
        let (share, cover) =
            (self.input.share_to_feed.to_string(), self.input.cover_ms.map(|ms| ms.to_string()));
        let mut fields = vec![
            ("media_type", "REELS"),
            ("caption", self.input.caption.as_str()),
            ("share_to_feed", share.as_str()),
        ];
        match &self.input.video_url {
            Some(url) => fields.push(("video_url", url)),
            None => fields.push(("upload_type", "resumable")),
        }
        fields.extend(cover.as_deref().map(|cover| ("thumb_offset", cover)));
        let answer =
            self.api.call(cx, is_unauthorized, |service| service.post(&path).fields(&fields).exchange(cx))?;
        let made: Made = read(&answer)?;
        if self.input.video.is_some() && made.uri.is_none() {
            return Err(answer.malformed("it names no place to upload to"));
        }
        let upload_url = made.uri.filter(|_| self.input.video.is_some());
        self.ledger.set(Kept {
            subject: self.subject.clone(),
            container: Some(made.id),
            upload_url,
            post: None,
        })
    }

    /// Sends what the platform does not have yet.
    fn fill(&mut self, cx: &Cx<'_>) -> Result<(), StageError> {
        let Some(video) = &self.input.video else { return Ok(()) };
        let size = video.reference.size;
        let mut from = if self.resumed { self.arrived(size, cx)? } else { 0 };
        while from < size {
            let Some(url) = self.ledger.get().upload_url.clone() else { return Ok(()) };
            let token = self.api.token(cx)?;
            let body = Body::File {
                media_type: "application/octet-stream".into(),
                path: video.path().to_owned(),
                from,
                length: size - from,
            };
            let sent = self
                .api
                .service(cx)?
                .post(&url)
                .header("authorization", format!("OAuth {token}"))
                .header("offset", from.to_string())
                .header("file_size", size.to_string())
                .body(body)
                .progress("uploading")
                .exchange(cx);
            match sent {
                Ok(answer) if answer.status() == 200 => return Ok(()),
                Ok(answer) => {
                    let error = upload_refusal(&answer);
                    if !error.class().is_retryable() || answer.header("retry-after").is_some() {
                        return Err(error);
                    }
                    self.interrupted(error, cx)?;
                }
                Err(error) if is_broken_line(&error) => self.interrupted(error, cx)?,
                Err(error) => return Err(error),
            }
            from = self.arrived(size, cx)?;
        }
        Ok(())
    }

    /// Bytes that the platform has.
    fn arrived(&mut self, size: u64, cx: &Cx<'_>) -> Result<u64, StageError> {
        let container = self.container(cx)?;
        if matches!(container.status_code.as_str(), "FINISHED" | "PUBLISHED") {
            return Ok(size);
        }
        let phase = container.video_status.and_then(|status| status.uploading_phase);
        Ok(phase.map_or(0, |phase| phase.bytes_transferred.min(size)))
    }

    /// Counts; the container stays, so that the next attempt goes on.
    fn interrupted(&mut self, error: StageError, cx: &Cx<'_>) -> Result<(), StageError> {
        self.interruptions += 1;
        if self.interruptions > INTERRUPTIONS_MAX {
            return Err(error);
        }
        cx.warn(format!("{error}; asking how much arrived"));
        Ok(())
    }

    fn container(&mut self, cx: &Cx<'_>) -> Result<Container, StageError> {
        let path = format!("/{}", self.ledger.get().container.clone().unwrap_or_default());
        let answer = self.api.call(cx, is_unauthorized, |service| {
            service.get(&path).query("fields", "status_code,status,video_status").exchange(cx)
        })?;
        read(&answer)
    }

    /// Waits until the platform has read the video; whether it is published already.
    fn wait(&mut self, cx: &Cx<'_>) -> Result<bool, StageError> {
        let begun = Instant::now();
        loop {
            let container = self.container(cx)?;
            match container.status_code.as_str() {
                "FINISHED" => return Ok(false),
                "PUBLISHED" => return Ok(true),
                "EXPIRED" => {
                    self.ledger.set(Kept::default())?;
                    return Err(StageError::dependency(
                        "the container was not published within a day; the next attempt makes another",
                    )
                    .code("expired"));
                }
                "ERROR" => {
                    self.ledger.set(Kept::default())?;
                    let said = self.api.redact(container.status.as_deref().unwrap_or("no reason given"));
                    return Err(StageError::permanent(format!("Instagram does not take the video: {said}"))
                        .code("rejected"));
                }
                _ => {}
            }
            if begun.elapsed() >= Duration::from_secs(u64::from(self.input.wait_seconds)) {
                return Err(StageError::transient(
                    "Instagram is still reading the video; the next attempt looks again",
                )
                .code("still_processing")
                .retry_after(NEXT_LOOK));
            }
            cx.progress(&Progress { phase: "waiting for Instagram".into(), ..Progress::default() });
            cx.pause(Duration::from_secs_f64(self.input.poll_seconds.clamp(0.0, 600.0)))?;
        }
    }

    fn publish(&mut self, cx: &Cx<'_>) -> Result<String, StageError> {
        let path = format!("/{}/media_publish", self.input.user_id);
        let container = self.ledger.get().container.clone().unwrap_or_default();
        let answer = self.api.call(cx, is_unauthorized, |service| {
            service.post(&path).fields(&[("creation_id", container.as_str())]).exchange(cx)
        })?;
        Ok(read::<Made>(&answer)?.id)
    }

    fn done(&mut self, id: Option<String>, cx: &Cx<'_>) -> Result<Post, StageError> {
        let mut post = Post {
            platform: "instagram".into(),
            id: id.clone().unwrap_or_default(),
            url: None,
            status: "PUBLISHED".into(),
            resumed: self.resumed,
            notes: Vec::new(),
        };
        if id.is_none() {
            post.notes.push("it was published before its answer was lost, so its number is not known".into());
        }
        self.ledger.set(self.kept(&post))?;
        if let Some(id) = id {
            match self.permalink(&id, cx) {
                Ok(url) => post.url = url,
                Err(error) => {
                    post.notes.push(format!("its address is not known: {}", error.failure().message));
                }
            }
            self.ledger.set(self.kept(&post))?;
        }
        Ok(post)
    }

    fn kept(&self, post: &Post) -> Kept {
        Kept { subject: self.subject.clone(), post: Some(post.clone()), ..Kept::default() }
    }

    fn permalink(&mut self, id: &str, cx: &Cx<'_>) -> Result<Option<String>, StageError> {
        #[derive(Deserialize)]
        struct Media {
            permalink: Option<String>,
        }
        let path = format!("/{id}");
        let answer = self.api.call(cx, is_unauthorized, |service| {
            service.get(&path).query("fields", "permalink").exchange(cx)
        })?;
        Ok(read::<Media>(&answer)?.permalink)
    }
}

/// Why the upload server refuses: it has a form of its own for that.
fn upload_refusal(answer: &reelmill_http::Answer) -> StageError {
    #[derive(Deserialize)]
    struct Body {
        debug_info: Debug,
    }
    #[derive(Deserialize)]
    struct Debug {
        #[serde(default)]
        retriable: bool,
    }
    match answer.json::<Body>() {
        Ok(body) if body.debug_info.retriable => {
            StageError::dependency(format!("Instagram failed to take the video: {}", answer.quote()))
                .code("endpoint_failed")
        }
        _ => refusal(answer),
    }
}
