//! Events as they happen (server-sent events): numbered by their cursors, so that whoever was cut off goes on where it
//! was. Progress has no number: only the latest counts. The last event, `end`, says how the run ended.

use crate::answer::{Body, with_body};
use crate::asked::{Answered, Asked};
use crate::problem::Problem;
use crate::site::Site;
use futures_util::stream;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::StatusCode;
use hyper::body::{Bytes, Frame};
use reelmill_control::Paths;
use reelmill_model::{Event, EventKind, RunId, TaskNo, TaskState, limits};
use reelmill_ports::{EventQuery, StoreError, TaskFilter};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::Instant;

/// Events read at once.
const PAGE: usize = limits::PAGE_ROWS_MAX;
/// Time after which it is looked again although nothing woke it: progress wakes nobody.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Time between two looks: what happens in between comes together.
const TOGETHER: Duration = Duration::from_millis(100);
/// Silence after which a line is sent that means nothing, so that nobody in between takes the connection for dead.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Pieces that wait for a slow reader.
const WAITING: usize = 16;
/// Tasks whose progress is told.
const PROGRESS_SHOWN_MAX: usize = 20;

/// Listens to a run.
pub async fn listen(asked: Asked) -> Answered {
    let run = asked.run()?;
    asked.site.control.view(run).await?;
    let with_logs = asked.flag("logs")?;
    let after = after(&asked)?;
    let Ok(permit) = asked.site.listeners.clone().try_acquire_owned() else {
        let problem =
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_listeners", "too many are listening");
        return Err(problem.later(10));
    };
    let (tell, told) = mpsc::channel(WAITING);
    let listener = Listener {
        site: asked.site,
        run,
        kinds: if with_logs { with_lines() } else { Vec::new() },
        after,
        tell,
        told: Instant::now(),
        progress: Value::Null,
        paths: Paths::default(),
        _permit: permit,
    };
    tokio::spawn(listener.follow());
    let pieces = stream::unfold(told, |mut told| async {
        let piece: Bytes = told.recv().await?;
        Some((Ok::<_, io::Error>(Frame::data(piece)), told))
    });
    let body: Body = StreamBody::new(pieces).boxed_unsync();
    Ok(with_body(StatusCode::OK, "text/event-stream; charset=utf-8", body))
}

/// The event after which it goes on.
fn after(asked: &Asked) -> Result<u64, Problem> {
    match asked.headers.get("last-event-id") {
        None => Ok(asked.number("after")?.unwrap_or(0)),
        Some(id) => id
            .to_str()
            .ok()
            .and_then(|id| id.parse().ok())
            .ok_or_else(|| Problem::bad("bad_event_id", "Last-Event-ID is none that this server gave")),
    }
}

/// All kinds but progress.
fn with_lines() -> Vec<EventKind> {
    EventKind::ALL.iter().copied().filter(|kind| *kind != EventKind::TaskProgress).collect()
}

/// Whoever went away is not told anything any more.
struct Gone;

impl From<StoreError> for Gone {
    fn from(error: StoreError) -> Self {
        // Its browser asks again, with the last number that it has.
        tracing::warn!(%error, "events are not told any further for now");
        Self
    }
}

struct Listener {
    site: Arc<Site>,
    run: RunId,
    kinds: Vec<EventKind>,
    after: u64,
    tell: mpsc::Sender<Bytes>,
    /// When something was told last.
    told: Instant,
    /// What was told of progress last.
    progress: Value,
    paths: Paths,
    _permit: OwnedSemaphorePermit,
}

impl Listener {
    async fn follow(mut self) {
        // Nobody is left to be told why it ended.
        let _ = self.tell_all().await;
    }

    async fn tell_all(&mut self) -> Result<(), Gone> {
        let mut seen = 0;
        // At once, so that a browser knows that it is connected.
        self.send(": welcome\n\n".to_owned()).await?;
        loop {
            // The run is read before its events: an ended one has said everything, so nothing is missed.
            let view = self.site.store.run(self.run).await?.ok_or(Gone)?;
            self.tell_new().await?;
            if view.state.is_terminal() {
                let end = json!({ "run": self.run, "state": view.state });
                return self.send(format!("event: end\ndata: {end}\n\n")).await;
            }
            self.tell_progress().await?;
            if self.told.elapsed() >= HEARTBEAT {
                self.send(": still here\n\n".to_owned()).await?;
            }
            tokio::time::sleep(TOGETHER).await;
            let store = self.site.store.clone();
            tokio::select! {
                () = self.tell.closed() => return Err(Gone),
                newest = store.wait_event(seen.max(self.after), LOOK_AGAIN) => seen = newest,
            }
        }
    }

    /// What has happened since it was told last.
    async fn tell_new(&mut self) -> Result<(), Gone> {
        loop {
            let (run, kinds, after) = (Some(self.run), self.kinds.clone(), self.after);
            let query = EventQuery { run, kinds, after, limit: PAGE, ..EventQuery::default() };
            let events = self.site.store.events(query).await?;
            for event in &events {
                self.after = event.cursor;
                let path = self.paths.of(&*self.site.store, event).await?;
                self.send(numbered(event, &path)).await?;
            }
            if events.len() < PAGE {
                return Ok(());
            }
        }
    }

    /// How far tasks are that are at work, if that is something else than before.
    async fn tell_progress(&mut self) -> Result<(), Gone> {
        let filter = TaskFilter {
            states: vec![TaskState::Leased],
            limit: PROGRESS_SHOWN_MAX,
            ..TaskFilter::default()
        };
        let said: HashMap<TaskNo, Value> =
            self.site.store.latest_progress(self.run).await?.into_iter().collect();
        let tasks = self.site.store.tasks(self.run, filter).await?.into_iter();
        let tasks: Value =
            tasks.map(|task| json!({ "path": task.path, "progress": said.get(&task.task) })).collect();
        if tasks == self.progress {
            return Ok(());
        }
        self.progress = tasks;
        self.send(format!("event: progress\ndata: {}\n\n", self.progress)).await
    }

    async fn send(&mut self, text: String) -> Result<(), Gone> {
        self.told = Instant::now();
        self.tell.send(Bytes::from(text)).await.map_err(|_| Gone)
    }
}

/// An event as it is told. JSON has no line breaks of its own, so it is one line.
fn numbered(event: &Event, path: &str) -> String {
    let mut told = serde_json::to_value(event).unwrap_or_default();
    told["path"] = path.into();
    format!("id: {}\ndata: {told}\n\n", event.cursor)
}
