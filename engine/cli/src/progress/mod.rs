//! Following a run: what the store and the event log say becomes a picture that is drawn as bars on a terminal and
//! as lines elsewhere. Nothing here changes a run.

mod bars;
mod batch;
mod lines;
mod rate;
mod wording;

pub use bars::Bars;
pub use batch::follow_batch;
pub use lines::{JsonLines, Lines};
pub use wording::sentence;

use crate::words;
use reelmill_control::path_of;
use reelmill_model::{Event, EventKind, Progress, RunId, TaskNo, TaskState};
use reelmill_ports::{EventLog, EventQuery, RunStore, RunView, StoreError, TaskFilter};
use std::time::Duration;

/// Events that are told about; logs and progress have their own ways.
const KINDS: [EventKind; 14] = [
    EventKind::RunSubmitted,
    EventKind::RunPhase,
    EventKind::RunEnded,
    EventKind::RunCancelRequested,
    EventKind::RunRetried,
    EventKind::RunPaused,
    EventKind::RunResumed,
    EventKind::TaskExpanded,
    EventKind::TaskSettled,
    EventKind::TaskRetried,
    EventKind::TaskLeaseExpired,
    EventKind::TaskReleased,
    EventKind::TaskAwaits,
    EventKind::TaskParked,
];

/// Events read at once.
const EVENTS_PAGE: usize = 200;
/// Longest time between two pictures.
const TICK: Duration = Duration::from_millis(200);
/// Shortest time between two pictures, however much happens.
const PICTURE_PAUSE: Duration = Duration::from_millis(40);
/// Running tasks that are drawn; the others are counted.
const RUNNING_SHOWN_MAX: usize = 8;

/// One task that is being worked on.
#[derive(Clone, Debug)]
pub struct Running {
    /// Which.
    pub task: TaskNo,
    /// Its path.
    pub path: String,
    /// How far it is, as its plugin says.
    pub progress: Progress,
}

/// A run at one moment.
#[derive(Clone, Debug)]
pub struct Picture {
    /// The run.
    pub run: RunView,
    /// Some of the tasks that are being worked on.
    pub running: Vec<Running>,
    /// When it was taken, in milliseconds since the epoch.
    pub at_ms: u64,
}

impl Picture {
    /// Tasks that have ended, and tasks there are so far.
    pub fn tasks(&self) -> (u64, u64) {
        let ended = TaskState::ALL
            .iter()
            .zip(self.run.counts)
            .filter(|(state, _)| state.is_terminal())
            .map(|(_, count)| count)
            .sum();
        (ended, self.run.counts.iter().sum())
    }

    /// Milliseconds until the end, from how long the tasks so far took.
    pub fn left_ms(&self) -> Option<u64> {
        let (ended, total) = self.tasks();
        let parts: f64 = self.running.iter().filter_map(|running| rate::fraction(&running.progress)).sum();
        let elapsed_ms = self.at_ms.saturating_sub(self.run.started_ms?);
        rate::run_left_ms(elapsed_ms, ended as f64 + parts, total as f64)
    }
}

/// Something that shows a run.
pub trait Show: Send {
    /// An event, with the path of the task it is about; empty where it is about the run.
    fn event(&mut self, event: &Event, path: &str);
    /// The run as it is now.
    fn picture(&mut self, picture: &Picture);
    /// The last picture was shown.
    fn end(&mut self);
}

/// Where a run is read from.
#[derive(Clone, Copy)]
pub struct Reader<'a> {
    /// Runs and tasks.
    pub store: &'a dyn RunStore,
    /// Events and progress.
    pub log: &'a dyn EventLog,
}

/// From when on events are told about.
#[derive(Clone, Copy, Debug)]
pub enum Since {
    /// After this event.
    Cursor(u64),
    /// From this moment on, in milliseconds since the epoch.
    Time(u64),
}

/// Shows a run until it has ended; says how it ended.
pub async fn follow(
    reader: Reader<'_>,
    id: RunId,
    since: Since,
    show: &mut dyn Show,
) -> Result<RunView, StoreError> {
    let (mut after, since_ms) = match since {
        Since::Cursor(cursor) => (cursor, 0),
        Since::Time(ms) => (0, ms),
    };
    let mut seen = after;
    loop {
        let soonest = tokio::time::Instant::now() + PICTURE_PAUSE;
        // The run is read before its events: an ended run has all its events written, so none is missed.
        let run = reader.store.run(id).await?.ok_or(StoreError::NoSuchRun(id))?;
        let ended = run.state.is_terminal();
        after = tell(reader, id, after, since_ms, show).await?;
        let picture = Picture { running: running(reader, id).await?, run, at_ms: words::now_ms() };
        show.picture(&picture);
        if ended {
            show.end();
            return Ok(picture.run);
        }
        seen = reader.log.wait_event(seen.max(after), TICK).await;
        tokio::time::sleep_until(soonest).await;
    }
}

/// Tells all events after a cursor and from a moment on; says the new cursor.
async fn tell(
    reader: Reader<'_>,
    id: RunId,
    mut after: u64,
    since_ms: u64,
    show: &mut dyn Show,
) -> Result<u64, StoreError> {
    loop {
        let query = EventQuery {
            run: Some(id),
            kinds: KINDS.to_vec(),
            after,
            limit: EVENTS_PAGE,
            ..EventQuery::default()
        };
        let events = reader.log.events(query).await?;
        for event in &events {
            after = event.cursor;
            if event.at_ms >= since_ms {
                show.event(event, &path_of(reader.store, event).await?);
            }
        }
        if events.len() < EVENTS_PAGE {
            return Ok(after);
        }
    }
}

/// The first tasks of a run that are being worked on.
async fn running(reader: Reader<'_>, id: RunId) -> Result<Vec<Running>, StoreError> {
    let filter =
        TaskFilter { states: vec![TaskState::Leased], limit: RUNNING_SHOWN_MAX, ..TaskFilter::default() };
    let tasks = reader.store.tasks(id, filter).await?;
    let said = reader.log.latest_progress(id).await?;
    let progress_of = |no: TaskNo| said.iter().find(|(task, _)| *task == no).map(|(_, value)| value);
    Ok(tasks
        .into_iter()
        .map(|task| Running {
            task: task.task,
            progress: progress_of(task.task).map(rate::read).unwrap_or_default(),
            path: task.path,
        })
        .collect())
}
