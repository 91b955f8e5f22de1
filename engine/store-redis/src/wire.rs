//! A connection that is made when it is needed, and made again when it broke. Scripts may be under way on it while their
//! caller does something else.

use crate::connect::{Address, Conn};
use crate::error::{Trouble, breaks};
use crate::keys::Keys;
use redis::{
    Cmd, ConnectionLike as _, ErrorKind, FromRedisValue, Pipeline, RedisError, Script, ServerErrorKind,
    Value, cmd,
};
use reelmill_lifecycle::Damage;
use std::collections::VecDeque;

/// A connection to come.
pub struct Wire {
    address: Address,
    conn: Option<Conn>,
    /// The oldest first, as they are answered.
    posted: VecDeque<Posted>,
    silent: bool,
}

/// A script that was sent.
struct Posted {
    script: &'static Script,
    command: Cmd,
    /// What came back, if somebody had to wait for it to ask something else.
    answer: Option<Result<Value, RedisError>>,
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wire").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Wire {
    /// Not connected yet.
    pub fn to(address: Address) -> Self {
        Self { address, conn: None, posted: VecDeque::new(), silent: false }
    }

    /// While it is silent, whatever would have to be asked fails at once.
    pub fn keep_silent(&mut self, silent: bool) {
        self.silent = silent;
    }

    /// Asks something. After an error that ends the connection, the next question makes a new one.
    pub fn ask<T>(
        &mut self,
        question: impl FnOnce(&mut Conn) -> Result<T, RedisError>,
    ) -> Result<T, Trouble> {
        if !self.silent {
            self.hear();
        }
        self.talk(question)
    }

    fn talk<T>(&mut self, talk: impl FnOnce(&mut Conn) -> Result<T, RedisError>) -> Result<T, Trouble> {
        if self.silent {
            return Err(RedisError::from(std::io::Error::from(std::io::ErrorKind::WouldBlock)).into());
        }
        let conn = match self.conn.take() {
            Some(conn) => self.conn.insert(conn),
            None => self.conn.insert(self.address.connect()?),
        };
        let answer = talk(conn).map_err(Trouble::from);
        self.end_if_broken(answer)
    }

    fn end_if_broken<T>(&mut self, answer: Result<T, Trouble>) -> Result<T, Trouble> {
        if answer.as_ref().is_err_and(Trouble::ends_connection) {
            self.hang_up();
        }
        answer
    }

    /// Ends the connection: what it has not answered will not be.
    fn hang_up(&mut self) {
        self.conn = None;
        for posted in &mut self.posted {
            posted.answer.get_or_insert_with(dropped);
        }
    }

    /// Sends a command.
    pub fn query<T: FromRedisValue>(&mut self, command: &Cmd) -> Result<T, Trouble> {
        self.ask(|conn| command.query(conn.as_mut()))
    }

    /// Sends commands at once; to a cluster, whose connections know no such thing, one after another.
    pub fn all<T: FromRedisValue>(&mut self, commands: &Pipeline) -> Result<T, Trouble> {
        if !self.address.is_cluster() {
            return self.ask(|conn| commands.query(conn.as_mut()));
        }
        let answers: Result<Vec<Value>, Trouble> =
            commands.cmd_iter().map(|command| self.query(command)).collect();
        let answers = T::from_redis_value(Value::Array(answers?));
        answers.map_err(|error| Damage(format!("Redis answered oddly: {error}")).into())
    }

    /// Runs a script of the store on a partition. A server that does not know it is taught.
    pub fn run<T: FromRedisValue>(
        &mut self,
        script: &Script,
        keys: &Keys,
        request: &[u8],
    ) -> Result<T, Trouble> {
        let mut call = script.prepare_invoke();
        call.key(keys.named("counts")).arg(keys.prefix()).arg(request);
        self.ask(|conn| call.invoke(conn.as_mut()))
    }

    /// Sends a script to a partition without waiting for what it comes to, which [`answer`](Self::answer) tells, of one
    /// after the other. To a cluster, whose connections cannot do that, it is asked at once.
    pub fn post(&mut self, script: &'static Script, keys: &Keys, request: &[u8]) -> Result<(), Trouble> {
        let mut command = cmd("EVALSHA");
        command.arg(script.get_hash()).arg(1).arg(keys.named("counts")).arg(keys.prefix()).arg(request);
        let answer = self.talk(|conn| match conn {
            Conn::One(conn) => conn.send_packed_command(&command.get_packed_command()).map(|()| None),
            Conn::Cluster(conn) => Ok(Some(conn.req_command(&command).and_then(Value::extract_error))),
        })?;
        self.posted.push_back(Posted { script, command, answer });
        Ok(())
    }

    /// Whether it is connected to one server and nothing is under way, so that a script can be sent at once.
    pub fn is_ready(&self) -> bool {
        matches!(self.conn, Some(Conn::One(_))) && !self.is_busy()
    }

    /// Whether a script is under way.
    pub fn is_busy(&self) -> bool {
        !self.posted.is_empty()
    }

    /// Waits until what was sent has been answered, so that the connection is free.
    fn hear(&mut self) {
        for at in 0..self.posted.len() {
            self.hear_one(at);
        }
    }

    fn hear_one(&mut self, at: usize) {
        let Some(posted) = self.posted.get_mut(at).filter(|posted| posted.answer.is_none()) else { return };
        let heard = self.conn.as_mut().map_or_else(dropped, receive).and_then(Value::extract_error);
        let is_broken = heard.as_ref().is_err_and(breaks);
        posted.answer = Some(heard);
        if is_broken {
            self.hang_up();
        }
    }

    /// What the script that was sent first came to.
    pub fn answer<T: FromRedisValue>(&mut self) -> Result<T, Trouble> {
        self.hear_one(0);
        let Some(Posted { script, command, answer: Some(answer) }) = self.posted.pop_front() else {
            return dropped().map_err(Trouble::from);
        };
        let answer = match answer {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                self.ask(|conn| {
                    script.load(conn.as_mut())?;
                    command.query(conn.as_mut())
                })?
            }
            answer => answer?,
        };
        let answer = T::from_redis_value(answer);
        answer.map_err(|error| Damage(format!("Redis answered oddly: {error}")).into())
    }
}

fn receive(conn: &mut Conn) -> Result<Value, RedisError> {
    match conn {
        Conn::One(conn) => conn.recv_response(),
        Conn::Cluster(_) => dropped(),
    }
}

/// The connection broke before an answer came.
fn dropped<T>() -> Result<T, RedisError> {
    Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset).into())
}
