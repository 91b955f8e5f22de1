//! How a caller watches and stops work: asked between frames, never from libav's threads.

/// How far a piece of work is.
#[derive(Clone, PartialEq, Debug)]
pub struct Progress {
    /// Units done.
    pub done: u64,
    /// Units in all.
    pub total: u64,
    /// What is counted, for example `frames`.
    pub unit: &'static str,
    /// What is being done, for example `encode`.
    pub phase: &'static str,
    /// Units done per second so far; 0 while unknown.
    pub rate: f64,
}

/// The caller's side of a piece of work.
pub trait Control {
    /// Whether the work is to stop; asked at least once for every frame.
    fn cancelled(&self) -> bool;
    /// Hears how far the work is; called for every frame, so it must be cheap.
    fn progress(&self, progress: &Progress);
    /// [`Error::Cancelled`](crate::Error::Cancelled) when the work is to stop.
    fn check(&self) -> crate::Result<()> {
        if self.cancelled() { Err(crate::Error::Cancelled) } else { Ok(()) }
    }
}

/// Nobody watches and nobody stops the work.
#[derive(Clone, Copy, Debug)]
pub struct Unwatched;

impl Control for Unwatched {
    fn cancelled(&self) -> bool {
        false
    }
    fn progress(&self, _: &Progress) {}
}
