//! The thread of a partition: requests gather while a step is under way and share the next one, as far as they can.

use crate::deed::{Deed, Done};
use crate::error::Trouble;
use crate::link::{Link, Outcome};
use reelmill_model::WorkerId;
use reelmill_model::limits::STEP_BATCH_MAX;
use reelmill_ports::StoreError;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use tokio::sync::oneshot;

type Reply<T> = oneshot::Sender<Result<T, StoreError>>;
type Work = Box<dyn FnMut(&mut Link) -> Result<(), Trouble> + Send>;

/// A request to the thread.
enum Errand {
    /// Deeds that share a step with others'.
    Deeds(Vec<Deed>, Reply<Vec<Done>>),
    /// Anything else. It may be called twice, when the connection broke.
    Call(Work, Box<dyn FnOnce(Option<Trouble>) + Send>),
}

/// The way to the thread of a partition. It ends when this is dropped, after what was already asked.
#[derive(Debug)]
pub struct Desk {
    errands: Option<Sender<Errand>>,
    thread: Option<JoinHandle<()>>,
    server: String,
}

impl Desk {
    /// Starts the thread.
    pub fn start(link: Link, server: String) -> Result<Self, StoreError> {
        let (errands, inbox) = channel();
        let shown = server.clone();
        let thread = std::thread::Builder::new()
            .name("store-redis".into())
            .spawn(move || serve(link, &inbox, &shown))
            .map_err(|error| StoreError::Unavailable {
                message: "the store's thread did not start; too many threads or too little memory".into(),
                source: Some(Box::new(error)),
            })?;
        Ok(Self { errands: Some(errands), thread: Some(thread), server })
    }

    /// Does deeds, each whole or not at all.
    pub async fn deeds(&self, deeds: Vec<Deed>) -> Result<Vec<Done>, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.send(Errand::Deeds(deeds, reply))?;
        answer.await.map_err(|_| gone())?
    }

    /// Does one deed.
    pub async fn deed(&self, deed: Deed) -> Result<Done, StoreError> {
        self.deeds(vec![deed]).await?.pop().ok_or_else(gone)
    }

    /// Lets a closure work with the link. It is called a second time when the connection broke the first.
    pub async fn call<T: Send + 'static>(
        &self,
        mut work: impl FnMut(&mut Link) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let (result_in, result_out) = channel();
        let server = self.server.clone();
        let work: Work = Box::new(move |link| {
            let result = work(link)?;
            // The other end waits in this very errand.
            let _ = result_in.send(result);
            Ok(())
        });
        let finish = Box::new(move |trouble: Option<Trouble>| {
            let result = match trouble {
                Some(trouble) => Err(trouble.into_store_error(&server)),
                None => result_out.try_recv().map_err(|_| gone()),
            };
            // A caller that is gone needs no answer.
            let _ = reply.send(result);
        });
        self.send(Errand::Call(work, finish))?;
        answer.await.map_err(|_| gone())?
    }

    fn send(&self, errand: Errand) -> Result<(), StoreError> {
        self.errands.as_ref().ok_or_else(gone)?.send(errand).map_err(|_| gone())
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.errands = None;
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has already failed its callers.
            let _ = thread.join();
        }
    }
}

fn gone() -> StoreError {
    StoreError::Unavailable { message: "the store's thread has stopped".into(), source: None }
}

fn serve(mut link: Link, inbox: &Receiver<Errand>, server: &str) {
    let mut next = None;
    loop {
        let Some(errand) = next.take().or_else(|| inbox.recv().ok()) else { return };
        match errand {
            Errand::Call(mut work, finish) => finish(twice(&mut link, |link| work(link)).err()),
            Errand::Deeds(deeds, reply) => {
                let mut group = vec![(deeds, reply)];
                let mut count = group[0].0.len();
                while count < STEP_BATCH_MAX {
                    match inbox.try_recv() {
                        Ok(Errand::Deeds(deeds, reply)) => {
                            count += deeds.len();
                            group.push((deeds, reply));
                        }
                        Ok(other) => {
                            next = Some(other);
                            break;
                        }
                        Err(_) => break,
                    }
                }
                commit(&mut link, group, server);
            }
        }
    }
}

/// Does the deeds of several callers in one step.
fn commit(link: &mut Link, group: Vec<(Vec<Deed>, Reply<Vec<Done>>)>, server: &str) {
    let all: Vec<Deed> = group.iter().flat_map(|(deeds, _)| deeds.iter().cloned()).collect();
    let nobody = WorkerId(String::new());
    let result = twice(link, |link| link.commit(&all, &nobody, &[]));
    match result {
        Ok(Outcome { done, .. }) => {
            let mut done = done.into_iter();
            for (deeds, reply) in group {
                // A caller that is gone needs no answer.
                let _ = reply.send(Ok(done.by_ref().take(deeds.len()).collect()));
            }
        }
        Err(trouble) => {
            let mut first = Some(trouble.into_store_error(server));
            let message = first.as_ref().map(ToString::to_string).unwrap_or_default();
            for (_, reply) in group {
                let shared = || StoreError::Unavailable { message: message.clone(), source: None };
                let _ = reply.send(Err(first.take().unwrap_or_else(shared)));
            }
        }
    }
}

/// Tries again at once when the connection broke: it may have been idle while the server was restarted. Tokens and
/// versions make that safe.
fn twice<T>(link: &mut Link, mut work: impl FnMut(&mut Link) -> Result<T, Trouble>) -> Result<T, Trouble> {
    match work(link) {
        Err(trouble) if trouble.ends_connection() => work(link),
        result => result,
    }
}
