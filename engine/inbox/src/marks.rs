//! Marks in Redis: one hash, `rm:marks`, a field for each key.

use async_trait::async_trait;
use redis::{Connection, RedisError, RedisResult};
use reelmill_ports::{Marks, StoreError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The hash.
pub const MARKS: &str = "rm:marks";

/// Time for a connection to be made, and for an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Sets field `ARGV[1]` to `ARGV[4]` if it is `ARGV[3]`, or missing where `ARGV[2]` is 0; says whether it was.
const REPLACE: &str = r"
local held = redis.call('HGET', KEYS[1], ARGV[1])
if (ARGV[2] == '0' and not held) or (ARGV[2] == '1' and held == ARGV[3]) then
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[4])
  return 1
end
return 0";

/// Marks that the whole fleet shares.
pub struct RedisMarks {
    client: redis::Client,
    // None: the next call connects.
    held: Arc<Mutex<Option<Connection>>>,
}

impl RedisMarks {
    /// Marks on a server. An error is one of the URL; nothing is connected yet.
    pub fn new(url: &str) -> Result<Self, StoreError> {
        let client = redis::Client::open(url).map_err(unavailable)?;
        Ok(Self { client, held: Arc::default() })
    }

    async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> RedisResult<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (client, held) = (self.client.clone(), Arc::clone(&self.held));
        let worked = tokio::task::spawn_blocking(move || {
            let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
            let mut connection = match held.take() {
                Some(connection) => connection,
                None => connect(&client)?,
            };
            let result = work(&mut connection)?;
            *held = Some(connection);
            Ok(result)
        });
        worked.await.map_err(|error| unavailable(std::io::Error::other(error).into()))?.map_err(unavailable)
    }
}

fn connect(client: &redis::Client) -> RedisResult<Connection> {
    let connection = client.get_connection_with_timeout(PATIENCE)?;
    connection.set_read_timeout(Some(PATIENCE))?;
    connection.set_write_timeout(Some(PATIENCE))?;
    Ok(connection)
}

fn unavailable(error: RedisError) -> StoreError {
    StoreError::Unavailable { message: error.to_string(), source: Some(Box::new(error)) }
}

#[async_trait]
impl Marks for RedisMarks {
    async fn get(&self, key: &str) -> Result<Option<String>, StoreError> {
        let key = key.to_owned();
        self.call(move |connection| redis::cmd("HGET").arg(MARKS).arg(key).query(connection)).await
    }

    async fn replace(&self, key: &str, before: Option<&str>, after: &str) -> Result<bool, StoreError> {
        let (key, before, after) = (key.to_owned(), before.map(str::to_owned), after.to_owned());
        self.call(move |connection| {
            let script = redis::Script::new(REPLACE);
            let mut call = script.key(MARKS);
            call.arg(key).arg(u8::from(before.is_some())).arg(before.unwrap_or_default()).arg(after);
            call.invoke(connection)
        })
        .await
    }
}
