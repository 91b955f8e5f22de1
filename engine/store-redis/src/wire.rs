//! A connection that is made when it is needed, and made again when it broke.

use crate::connect::{Address, Conn};
use crate::error::Trouble;
use crate::keys::Keys;
use redis::{Cmd, FromRedisValue, Pipeline, Script, Value};
use reelmill_lifecycle::Damage;

/// A connection to come.
pub struct Wire {
    address: Address,
    conn: Option<Conn>,
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wire").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Wire {
    /// Not connected yet.
    pub fn to(address: Address) -> Self {
        Self { address, conn: None }
    }

    /// Asks something. After an error that ends the connection, the next question makes a new one.
    pub fn ask<T>(
        &mut self,
        question: impl FnOnce(&mut Conn) -> Result<T, redis::RedisError>,
    ) -> Result<T, Trouble> {
        let conn = match self.conn.take() {
            Some(conn) => self.conn.insert(conn),
            None => self.conn.insert(self.address.connect()?),
        };
        let answer = question(conn).map_err(Trouble::from);
        if answer.as_ref().is_err_and(Trouble::ends_connection) {
            self.conn = None;
        }
        answer
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
        call.key(keys.named("cursor")).arg(keys.prefix()).arg(request);
        self.ask(|conn| call.invoke(conn.as_mut()))
    }
}
