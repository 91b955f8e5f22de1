//! Marks: one hash, `rm:marks`, a field for each key.

use crate::keys::MARKS;
use crate::store::RedisStore;
use async_trait::async_trait;
use redis::{Script, cmd};
use reelmill_ports::{Marks, StoreError};

/// Sets field `ARGV[1]` to `ARGV[4]` if it is `ARGV[3]`, or missing where `ARGV[2]` is 0; says whether it was.
const SET: &str = r"
local held = redis.call('HGET', KEYS[1], ARGV[1])
if (ARGV[2] == '0' and not held) or (ARGV[2] == '1' and held == ARGV[3]) then
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[4])
  return 1
end
return 0";

#[async_trait]
impl Marks for RedisStore {
    async fn mark(&self, key: &str) -> Result<Option<String>, StoreError> {
        let key = key.to_owned();
        self.readers.read(move |wire| wire.query(cmd("HGET").arg(MARKS).arg(&key))).await
    }

    async fn set_mark(&self, key: &str, before: Option<&str>, after: &str) -> Result<bool, StoreError> {
        let (key, before, after) = (key.to_owned(), before.map(str::to_owned), after.to_owned());
        self.readers
            .read(move |wire| {
                let script = Script::new(SET);
                let mut call = script.key(MARKS);
                call.arg(&key).arg(u8::from(before.is_some())).arg(before.as_deref().unwrap_or_default());
                call.arg(&after);
                wire.ask(|conn| call.invoke(conn.as_mut()))
            })
            .await
    }

    async fn drop_mark(&self, key: &str) -> Result<(), StoreError> {
        let key = key.to_owned();
        self.readers.read(move |wire| wire.query(cmd("HDEL").arg(MARKS).arg(&key))).await
    }
}
