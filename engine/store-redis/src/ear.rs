//! Where a worker that waits hears what it is handed, and the markers of its lanes. On a plain connection the runtime
//! wakes it by itself; over TLS, or in a cluster, a thread of the runtime blocks for it.

use crate::connect::Address;
use crate::error::Trouble;
use crate::keys::Keys;
use crate::socket::Socket;
use crate::wire::Wire;
use redis::{Cmd, ConnectionInfo, FromRedisValue as _, RedisError, cmd};
use reelmill_lifecycle::Damage;
use std::hash::{BuildHasher, RandomState};
use tokio::task::{JoinError, JoinHandle, spawn_blocking};

/// Seconds that one look may block: also how long a thread may outlive who waited.
pub const LOOK: f64 = 0.5;

/// What lay first in one of the lists: its key, and what it was.
pub type Found = Option<(String, Vec<u8>)>;

/// What is heard.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    /// What was leased for the wish of this number, as the script says it.
    Handed(u64, Vec<u8>),
    /// There may be something in one of the lanes.
    Marker,
    /// Nothing for a while; it does not listen any more.
    Nothing,
}

/// One that listens for one who waits at a time.
#[derive(Debug)]
pub struct Ear {
    line: Line,
    keys: Keys,
    /// The list that is handed into: its own.
    list: String,
    listens: bool,
}

/// How it blocks on lists.
#[derive(Debug)]
enum Line {
    Watched(Socket),
    Blocked(Box<Blocked>),
}

/// A connection that a thread of the runtime blocks on.
#[derive(Debug)]
struct Blocked {
    idle: Option<Wire>,
    look: Option<JoinHandle<(Wire, Result<Found, Trouble>)>>,
}

impl Ear {
    /// One with a connection of its own to a partition.
    pub async fn open(address: &Address, keys: &Keys) -> Result<Self, Trouble> {
        let line = match plain_server(address).await? {
            Some(server) => Line::Watched(Socket::connect(&server).await?),
            None => Line::Blocked(Box::new(Blocked { idle: Some(Wire::to(address.clone())), look: None })),
        };
        let name = format!("hand:{:016x}", RandomState::new().hash_one("hand"));
        Ok(Self { line, keys: keys.clone(), list: keys.named(&name), listens: false })
    }

    /// The key of the list that is handed into.
    pub fn list(&self) -> &str {
        &self.list
    }

    /// Begins to listen, also for markers of these lanes; goes on if it does.
    pub async fn listen(&mut self, lanes: &[String]) -> Result<(), Trouble> {
        if !self.listens {
            let lists = lanes.iter().map(|lane| self.keys.wake(lane));
            let question = blpop(std::iter::once(self.list.clone()).chain(lists));
            // Should this be dropped half way, it must not be asked again on the same connection.
            self.listens = true;
            self.line.ask(question).await?;
        }
        Ok(())
    }

    /// What is heard next. Nothing is lost when this is dropped and called again.
    pub async fn hear(&mut self) -> Result<Heard, Trouble> {
        let found = self.line.answer().await?;
        self.listens = false;
        let Some((list, bytes)) = found else { return Ok(Heard::Nothing) };
        if list != self.list {
            return Ok(Heard::Marker);
        }
        let (number, answer) =
            bytes.split_first_chunk().ok_or_else(|| Damage("what was handed has no number".into()))?;
        Ok(Heard::Handed(u64::from_be_bytes(*number), answer.to_vec()))
    }
}

impl Line {
    async fn ask(&mut self, question: Cmd) -> Result<(), Trouble> {
        match self {
            Self::Watched(socket) => socket.send(&question).await?,
            Self::Blocked(blocked) => blocked.ask(question),
        }
        Ok(())
    }

    async fn answer(&mut self) -> Result<Found, Trouble> {
        match self {
            Self::Watched(socket) => {
                Ok(Found::from_redis_value(socket.answer().await?).map_err(RedisError::from)?)
            }
            Self::Blocked(blocked) => blocked.answer().await,
        }
    }
}

impl Blocked {
    fn ask(&mut self, question: Cmd) {
        self.look = self.idle.take().map(|mut wire| {
            spawn_blocking(move || {
                let found = wire.query(&question);
                (wire, found)
            })
        });
    }

    async fn answer(&mut self) -> Result<Found, Trouble> {
        let Some(look) = &mut self.look else { return Ok(None) };
        let (wire, found) = look.await.map_err(ended)?;
        (self.look, self.idle) = (None, Some(wire));
        found
    }
}

/// The server to connect to, if that is done without TLS.
async fn plain_server(address: &Address) -> Result<Option<ConnectionInfo>, Trouble> {
    if address.sentinel_master().is_none() {
        return Ok(address.plain_server()?);
    }
    let asked = address.clone();
    Ok(spawn_blocking(move || asked.plain_server()).await.map_err(ended)??)
}

/// The question for the first that lies in one of these lists.
pub fn blpop(lists: impl Iterator<Item = String>) -> Cmd {
    let mut question = cmd("BLPOP");
    question.arg(lists.collect::<Vec<_>>()).arg(LOOK);
    question
}

/// The runtime stops, or the thread panicked.
fn ended(error: JoinError) -> Trouble {
    RedisError::from(std::io::Error::other(error)).into()
}
