//! The apalis side of the queue: a `Backend` that hands leased tasks to the apalis worker, and the layer that
//! takes every attempt's end back to the pump. All of apalis that the worker touches is in this file and in
//! `worker.rs`. Never talks to the queue itself.

use crate::ends::Ends;
use crate::held::StopOrder;
use apalis::prelude::{Backend, BoxDynError, Task, WorkerContext};
use apalis_core::backend::BackendConfig;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use reelmill_model::{Failure, FailureClass, Outcome, TaskRef, Token, Usage};
use reelmill_ports::{Leased, Settle};
use std::convert::Infallible;
use std::task::{Context, Poll, ready};
use tokio::sync::mpsc;
use tower::{Layer, Service};

/// One leased task on its way through the worker.
#[derive(Clone, Debug)]
pub struct Job {
    /// What was leased.
    pub leased: Leased,
    /// How the attempt is told to stop.
    pub stop: StopOrder,
}

/// Hands over what the pump has leased.
#[derive(Debug)]
pub struct LeasedTasks {
    jobs: mpsc::UnboundedReceiver<Job>,
    ends: Ends,
}

impl LeasedTasks {
    /// A backend over the pump's two channels.
    #[must_use]
    pub fn new(jobs: mpsc::UnboundedReceiver<Job>, ends: Ends) -> Self {
        Self { jobs, ends }
    }
}

impl Backend for LeasedTasks {
    type Task = Task<Job>;
    type Error = Infallible;

    fn poll_ready(&mut self, _: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
        worker: &WorkerContext,
    ) -> Poll<Option<Result<Task<Job>, Infallible>>> {
        let job = ready!(self.jobs.poll_recv(cx));
        if job.is_none() {
            // The pump is done. A worker goes on although its tasks have ended, until it is told to stop; one that
            // was told already says so, which is no matter.
            let _ = worker.stop();
        }
        Poll::Ready(job.map(|job| Ok(Task::new(job))))
    }

    fn poll_close(&mut self, _: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), Infallible>> {
        // The ends of all attempts are with the pump by now; the worker's owner waits for the pump.
        Poll::Ready(Ok(()))
    }
}

impl BackendConfig for LeasedTasks {
    type Args = Job;
    type Id = apalis::prelude::RandomId;
    type Kind = apalis_core::backend::finalize::Ephemeral;
    type Config = ();
    type Layer = Acknowledge;

    fn config(&self) -> &() {
        &()
    }

    fn middleware(&mut self, _: &mut WorkerContext) -> Acknowledge {
        Acknowledge(self.ends.clone())
    }
}

/// Outermost layer: sees every end of an attempt, panics included. Nothing that was touched by a panicking attempt
/// is used again but the stores, which keep their own invariants.
#[derive(Clone, Debug)]
pub struct Acknowledge(Ends);

impl<S> Layer<S> for Acknowledge {
    type Service = Acknowledged<S>;

    fn layer(&self, inner: S) -> Acknowledged<S> {
        Acknowledged { inner, ends: self.0.clone() }
    }
}

/// A service whose ends are acknowledged.
#[derive(Clone, Debug)]
pub struct Acknowledged<S> {
    inner: S,
    ends: Ends,
}

impl<S> Service<Task<Job>> for Acknowledged<S>
where
    S: Service<Task<Job>, Response = (Outcome, Usage)>,
    S::Error: Into<BoxDynError>,
    S::Future: Send + 'static,
{
    type Response = ();
    type Error = BoxDynError;
    type Future = BoxFuture<'static, Result<(), BoxDynError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxDynError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, task: Task<Job>) -> Self::Future {
        let leased = &task.args.leased;
        let mut end = End::new(leased.task, leased.token, self.ends.clone());
        let attempt = self.inner.call(task);
        async move {
            let ended = std::panic::AssertUnwindSafe(attempt).catch_unwind().await;
            let (outcome, usage) = match ended {
                Ok(Ok(ended)) => ended,
                Ok(Err(error)) => own_failure(&error.into().to_string()),
                Err(panic) => own_failure(panic_text(&*panic)),
            };
            end.report(outcome, usage);
            Ok(())
        }
        .boxed()
    }
}

/// The end of an attempt that failed in the worker, not in its stage.
fn own_failure(what: &str) -> (Outcome, Usage) {
    let message = format!("the worker itself failed on this task: {what}");
    (Outcome::Failed(Failure::new(FailureClass::Internal, message).with_code("worker")), Usage::default())
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("it panicked")
}

/// Reports the end of an attempt exactly once; an attempt that is dropped unfinished gives its task back.
struct End {
    task: TaskRef,
    token: Token,
    ends: Ends,
    reported: bool,
}

impl End {
    fn new(task: TaskRef, token: Token, ends: Ends) -> Self {
        Self { task, token, ends, reported: false }
    }

    fn report(&mut self, outcome: Outcome, usage: Usage) {
        self.reported = true;
        self.ends.send(Settle { task: self.task, token: self.token, outcome, usage });
    }
}

impl Drop for End {
    fn drop(&mut self) {
        if !self.reported {
            self.report(Outcome::Released, Usage::default());
        }
    }
}
