//! One upload, from wherever it is to its end.

use super::YoutubeInput;
use super::refusal::refusal;
use super::session::{Next, next, part};
use crate::Post;
use crate::api::{Api, is_unauthorized};
use crate::delete::gone;
use crate::ledger::Ledger;
use reelmill_http::{Answer, Body};
use reelmill_sdk::prelude::*;
use std::time::SystemTime;

/// Interruptions of one attempt that are gone over at once; after more, the next attempt goes on, later.
const INTERRUPTIONS_MAX: u32 = 4;

/// What is remembered of an upload.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Kept {
    /// What is uploaded, with all that is said of it: another content is another upload.
    subject: String,
    /// The address of the session; it lets whoever has it write.
    session: Option<String>,
    /// What came of it.
    post: Option<Post>,
}

/// An upload.
pub struct Upload<'a> {
    input: &'a YoutubeInput,
    resource: Value,
    ledger: Ledger<Kept>,
    api: Api,
    subject: String,
    size: u64,
    interruptions: u32,
    resumed: bool,
}

#[derive(Deserialize)]
struct Video {
    id: String,
    status: Option<Status>,
}

#[derive(Deserialize)]
struct Status {
    #[serde(rename = "uploadStatus")]
    upload: Option<String>,
    #[serde(rename = "privacyStatus")]
    privacy: Option<String>,
}

impl<'a> Upload<'a> {
    pub fn new(input: &'a YoutubeInput, resource: Value, ledger: Ledger<Kept>, api: Api) -> Self {
        let subject = format!("{} {resource}", input.video.reference.digest);
        let subject = blake3::hash(subject.as_bytes()).to_hex().to_string();
        let size = input.video.reference.size;
        Self { input, resource, ledger, api, subject, size, interruptions: 0, resumed: false }
    }

    /// Goes to the end.
    pub fn run(mut self, cx: &Cx<'_>) -> Result<Post, StageError> {
        if let Some(post) = self.ledger.get().post.clone() {
            if !*gone(&self.input.state, &post.id, cx)?.get() {
                cx.info(format!("the video {} was uploaded by an earlier attempt", post.id));
                return Ok(Post { resumed: true, ..post });
            }
            cx.info(format!("the video {} was deleted since; it is uploaded anew", post.id));
        }
        if self.size == 0 {
            return Err(StageError::invalid_input("`video` is empty"));
        }
        let mut from = self.place(cx)?;
        loop {
            let answer = match from {
                Some(from) => self.send(from, cx)?,
                None => self.ask(cx)?,
            };
            match next(answer.status(), answer.header("range"), self.size) {
                Next::Done => return self.done(&answer, cx),
                Next::From(place) => {
                    // A part of which nothing arrives is an interruption too.
                    if from.is_some_and(|from| place <= from) {
                        self.interrupted(&answer)?;
                    }
                    from = Some(place);
                }
                Next::Gone => {
                    self.interrupted(&answer)?;
                    cx.warn("the upload session is no more; another one is begun");
                    self.begin(cx)?;
                    from = Some(0);
                }
                Next::Ask => {
                    self.interrupted(&answer)?;
                    from = None;
                }
                Next::Refused => return Err(refusal(&answer, SystemTime::now())),
            }
        }
    }

    /// Where to go on: nothing when only the service knows.
    fn place(&mut self, cx: &Cx<'_>) -> Result<Option<u64>, StageError> {
        let kept = self.ledger.get();
        if kept.session.is_some() && kept.subject == self.subject {
            self.resumed = true;
            cx.info("an upload that was begun before goes on");
            return Ok(None);
        }
        self.begin(cx)?;
        Ok(Some(0))
    }

    /// Opens a session, and remembers it before anything is sent to it.
    fn begin(&mut self, cx: &Cx<'_>) -> Result<(), StageError> {
        let (size, kind) = (self.size.to_string(), self.input.video.media_type().to_owned());
        let (resource, notify) = (&self.resource, self.input.notify.to_string());
        let answer = self.api.call(cx, is_unauthorized, |service| {
            service
                .post("/upload/youtube/v3/videos")
                .query("uploadType", "resumable")
                .query("part", "snippet,status")
                .query("notifySubscribers", notify.as_str())
                .header("x-upload-content-length", size.as_str())
                .header("x-upload-content-type", kind.as_str())
                .json(resource)
                .exchange(cx)
        })?;
        if answer.status() != 200 {
            return Err(refusal(&answer, SystemTime::now()));
        }
        let session = answer.header("location").filter(|place| place.starts_with("http"));
        let session = session.ok_or_else(|| answer.malformed("it names no place to upload to"))?.to_owned();
        self.ledger.set(Kept { subject: self.subject.clone(), session: Some(session), post: None })
    }

    /// How far the service is.
    fn ask(&mut self, cx: &Cx<'_>) -> Result<Answer, StageError> {
        let (session, range) = (self.session()?, format!("bytes */{}", self.size));
        self.api.call(cx, is_unauthorized, |service| {
            service.put(&session).header("content-range", range.as_str()).exchange(cx)
        })
    }

    /// Sends the next part. A line that broke is an answer to nothing: the service is asked how far it is.
    fn send(&mut self, from: u64, cx: &Cx<'_>) -> Result<Answer, StageError> {
        let session = self.session()?;
        let (length, range) = part(from, self.size, u64::from(self.input.part_mib) << 20);
        cx.progress(&Progress {
            done: from as f64,
            total: Some(self.size as f64),
            unit: "bytes".into(),
            phase: "uploading".into(),
            ..Progress::default()
        });
        let body = || Body::File {
            media_type: self.input.video.media_type().to_owned(),
            path: self.input.video.path().to_owned(),
            from,
            length,
        };
        let sent = self.api.call(cx, is_unauthorized, |service| {
            service.put(&session).header("content-range", range.as_str()).body(body()).exchange(cx)
        });
        match sent {
            Err(error) if is_broken_line(&error) && self.interruptions < INTERRUPTIONS_MAX => {
                self.interruptions += 1;
                cx.warn(format!("{error}; asking how much arrived"));
                self.ask(cx)
            }
            other => other,
        }
    }

    fn session(&self) -> Result<String, StageError> {
        self.ledger.get().session.clone().ok_or_else(|| StageError::internal("an upload without a session"))
    }

    /// Counts; the session stays, so that the next attempt goes on.
    fn interrupted(&mut self, answer: &Answer) -> Result<(), StageError> {
        self.interruptions += 1;
        let wants_pause = answer.header("retry-after").is_some();
        if self.interruptions <= INTERRUPTIONS_MAX && !wants_pause {
            return Ok(());
        }
        Err(match answer.status() {
            408 | 500..=599 => answer.refused(),
            _ => StageError::dependency("YouTube does not take the video: the upload does not get on")
                .code("stalled"),
        })
    }

    fn done(mut self, answer: &Answer, cx: &Cx<'_>) -> Result<Post, StageError> {
        let video: Video = answer.json()?;
        let status = video.status.as_ref();
        let mut post = Post {
            platform: "youtube".into(),
            url: Some(format!("https://youtu.be/{}", video.id)),
            id: video.id,
            status: status.and_then(|status| status.upload.clone()).unwrap_or_else(|| "uploaded".into()),
            resumed: self.resumed,
            notes: Vec::new(),
        };
        let wanted = json!(self.input.privacy);
        if let Some(privacy) = status.and_then(|status| status.privacy.as_deref())
            && wanted != privacy
        {
            post.notes.push(format!("the video is {privacy}, not {}", wanted.as_str().unwrap_or_default()));
        }
        // From here on a repetition finds it, whatever becomes of the thumbnail.
        self.ledger.set(self.kept(&post))?;
        if let Err(error) = set_thumbnail(&mut self.api, self.input, &post.id, cx) {
            cx.warn(format!("the thumbnail was not set: {error}"));
            post.notes.push(format!("the thumbnail was not set: {}", error.failure().message));
            self.ledger.set(self.kept(&post))?;
        }
        for note in &post.notes {
            cx.warn(note);
        }
        Ok(post)
    }

    fn kept(&self, post: &Post) -> Kept {
        Kept { subject: self.subject.clone(), session: None, post: Some(post.clone()) }
    }
}

fn set_thumbnail(api: &mut Api, input: &YoutubeInput, id: &str, cx: &Cx<'_>) -> Result<(), StageError> {
    let Some(picture) = &input.thumbnail else { return Ok(()) };
    let answer = api.call(cx, is_unauthorized, |service| {
        let body = Body::file(picture.path(), picture.media_type())?;
        service.post("/upload/youtube/v3/thumbnails/set").query("videoId", id).body(body).exchange(cx)
    })?;
    if answer.status() == 200 { Ok(()) } else { Err(refusal(&answer, SystemTime::now())) }
}

/// Whether nobody knows what arrived.
pub fn is_broken_line(error: &StageError) -> bool {
    matches!(error.failure().code.as_str(), "connection" | "timeout")
}
