//! The inbox in Redis: every command that is sent, and no decision. Blocking; `link` keeps it off the runtime.
//!
//! | key | type | use |
//! |---|---|---|
//! | `rm:inbox` | STREAM | envelopes that wait; an entry is deleted when its run is durable |
//! | `rm:inbox:dead` | STREAM | bad envelopes, capped: `envelope` as far as kept, `bytes`, `problems`, `entry`, `at_ms` |
//! | `rm:inbox:id:<hash>` | STRING | when an id was first seen, in milliseconds; expires |

use redis::{ErrorKind, RedisError, RedisResult, Value, cmd, pipe};
use reelmill_model::limits::{INBOX_DEAD_BYTES_MAX, INBOX_DEAD_KEPT_MAX, INBOX_ID_KEPT_MS_MAX};
use reelmill_store_redis::{Address, Conn};
use std::time::Duration;

/// The stream that producers add to.
pub const STREAM: &str = "rm:inbox";
/// The field of an entry that holds the envelope.
pub const FIELD: &str = "envelope";
/// The stream of what could not be submitted ever.
pub const DEAD_STREAM: &str = "rm:inbox:dead";
/// Before the hash of an id that was seen.
pub const ID_PREFIX: &str = "rm:inbox:id:";
/// The group that all consumers are in.
pub const GROUP: &str = "reelmill";

/// Removes a consumer that holds nothing and was not seen for `ARGV[2]` milliseconds. Asked and done in one, because
/// what a consumer holds when it is removed would be lost.
const REMOVE_IDLE: &str = r"
for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local about = {}
  for i = 1, #consumer, 2 do about[consumer[i]] = consumer[i + 1] end
  if about.pending == 0 and about.idle >= tonumber(ARGV[2]) and (ARGV[3] == '' or ARGV[3] == about.name) then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], about.name)
  end
end";

/// An entry of the inbox.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Its id in the stream.
    pub id: String,
    /// Its field `envelope`; none when it has no such field.
    pub envelope: Option<Vec<u8>>,
}

impl Entry {
    /// When it was added, in milliseconds since the epoch, as its id says.
    pub fn added_ms(&self) -> u64 {
        self.id.split('-').next().and_then(|ms| ms.parse().ok()).unwrap_or(0)
    }
}

/// A bad envelope on its way to the dead stream.
#[derive(Clone, Debug)]
pub struct Dead {
    /// What came.
    pub entry: Entry,
    /// JSON of all that is wrong with it.
    pub problems: String,
    /// Milliseconds since the epoch.
    pub at_ms: u64,
}

/// A connection to the inbox, as one consumer of the group.
pub struct Stream {
    connection: Conn,
    consumer: String,
}

impl Stream {
    /// Connects, and makes the stream and its group where they are not there yet.
    pub fn open(address: &Address, consumer: &str) -> RedisResult<Self> {
        let mut connection = address.connect()?;
        // From the first entry on: what producers added before any consumer was there counts too.
        let made: RedisResult<()> = cmd("XGROUP")
            .arg("CREATE")
            .arg(STREAM)
            .arg(GROUP)
            .arg("0")
            .arg("MKSTREAM")
            .query(connection.as_mut());
        match made {
            Err(error) if error.code() != Some("BUSYGROUP") => Err(error),
            _ => Ok(Self { connection, consumer: consumer.to_owned() }),
        }
    }

    /// The next entries that no consumer has taken yet; none after `block`.
    pub fn read(&mut self, count: usize, block: Duration) -> RedisResult<Vec<Entry>> {
        // Zero would block forever.
        let block_ms = u64::try_from(block.as_millis()).unwrap_or(u64::MAX).max(1);
        let mut read = cmd("XREADGROUP");
        read.arg("GROUP").arg(GROUP).arg(&self.consumer).arg("COUNT").arg(count).arg("BLOCK").arg(block_ms);
        let reply: Value = read.arg("STREAMS").arg(STREAM).arg(">").query(self.connection.as_mut())?;
        match reply {
            Value::Nil => Ok(Vec::new()),
            Value::Array(streams) => match streams.into_iter().next() {
                Some(Value::Array(stream)) => entries(stream.into_iter().nth(1).unwrap_or(Value::Nil)),
                _ => Err(unexpected("XREADGROUP")),
            },
            _ => Err(unexpected("XREADGROUP")),
        }
    }

    /// Takes over entries that their consumers left lying for `idle`: they are dead. Says how often each was taken,
    /// this time included.
    pub fn take_over(&mut self, idle: Duration, count: usize) -> RedisResult<Vec<(Entry, u64)>> {
        let idle_ms = u64::try_from(idle.as_millis()).unwrap_or(u64::MAX);
        let mut claim = cmd("XAUTOCLAIM");
        claim.arg(STREAM).arg(GROUP).arg(&self.consumer).arg(idle_ms).arg("0-0").arg("COUNT").arg(count);
        let Value::Array(reply) = claim.query(self.connection.as_mut())? else {
            return Err(unexpected("XAUTOCLAIM"));
        };
        let taken = entries(reply.into_iter().nth(1).unwrap_or(Value::Nil))?;
        if taken.is_empty() {
            return Ok(Vec::new());
        }
        let mut ask = pipe();
        for entry in &taken {
            ask.cmd("XPENDING").arg(STREAM).arg(GROUP).arg(&entry.id).arg(&entry.id).arg(1);
        }
        // Id, consumer, idle time, count.
        let known: Vec<Vec<(String, String, u64, u64)>> = ask.query(self.connection.as_mut())?;
        let times = known.into_iter().map(|rows| rows.first().map_or(1, |row| row.3));
        Ok(taken.into_iter().zip(times).collect())
    }

    /// Entries that this consumer holds, once more. One that another consumer took over is not there.
    pub fn reload(&mut self, ids: &[String]) -> RedisResult<Vec<Entry>> {
        let held = self.held(ids)?;
        if held.is_empty() {
            return Ok(Vec::new());
        }
        // JUSTID: trying again is no delivery. RETRYCOUNT: an entry that was tried by a consumer that lives does not
        // kill consumers.
        let mut claim = cmd("XCLAIM");
        claim
            .arg(STREAM)
            .arg(GROUP)
            .arg(&self.consumer)
            .arg(0)
            .arg(&held)
            .arg("RETRYCOUNT")
            .arg(1)
            .arg("JUSTID");
        let _: Value = claim.query(self.connection.as_mut())?;
        let mut ask = pipe();
        for id in &held {
            ask.cmd("XRANGE").arg(STREAM).arg(id).arg(id);
        }
        let replies: Vec<Value> = ask.query(self.connection.as_mut())?;
        let found: Vec<Vec<Entry>> = replies.into_iter().map(entries).collect::<RedisResult<_>>()?;
        Ok(found.into_iter().flatten().collect())
    }

    /// Which of these entries are this consumer's.
    fn held(&mut self, ids: &[String]) -> RedisResult<Vec<String>> {
        let mut ask = pipe();
        for id in ids {
            ask.cmd("XPENDING").arg(STREAM).arg(GROUP).arg(id).arg(id).arg(1).arg(&self.consumer);
        }
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let known: Vec<Vec<(String, String, u64, u64)>> = ask.query(self.connection.as_mut())?;
        Ok(known.into_iter().flatten().map(|(id, ..)| id).collect())
    }

    /// When each of these ids was first seen: the time given beside it, unless it is known from before.
    pub fn first_seen(&mut self, seen: &[(String, u64)]) -> RedisResult<Vec<u64>> {
        let mut ask = pipe();
        for (hash, ms) in seen {
            let key = format!("{ID_PREFIX}{hash}");
            ask.cmd("SET").arg(&key).arg(*ms).arg("NX").arg("PX").arg(INBOX_ID_KEPT_MS_MAX).ignore();
            ask.cmd("GET").arg(&key);
        }
        if seen.is_empty() { Ok(Vec::new()) } else { ask.query(self.connection.as_mut()) }
    }

    /// Deletes entries whose runs are durable, and buries bad ones, in one transaction.
    pub fn settle(&mut self, done: &[String], dead: &[Dead]) -> RedisResult<()> {
        let mut all = pipe();
        all.atomic();
        for dead in dead {
            let envelope = dead.entry.envelope.as_deref().unwrap_or_default();
            all.cmd("XADD").arg(DEAD_STREAM).arg("MAXLEN").arg(INBOX_DEAD_KEPT_MAX).arg("*");
            all.arg(FIELD).arg(&envelope[..envelope.len().min(INBOX_DEAD_BYTES_MAX)]);
            all.arg("bytes").arg(envelope.len()).arg("problems").arg(&dead.problems);
            all.arg("entry").arg(&dead.entry.id).arg("at_ms").arg(dead.at_ms).ignore();
        }
        let gone: Vec<&String> = done.iter().chain(dead.iter().map(|dead| &dead.entry.id)).collect();
        if gone.is_empty() {
            return Ok(());
        }
        all.cmd("XACK").arg(STREAM).arg(GROUP).arg(&gone).ignore();
        all.cmd("XDEL").arg(STREAM).arg(&gone).ignore();
        all.query(self.connection.as_mut())
    }

    /// Forgets consumers that hold nothing and were not seen for so long.
    pub fn forget_idle(&mut self, idle: Duration) -> RedisResult<()> {
        self.remove(u64::try_from(idle.as_millis()).unwrap_or(u64::MAX), "")
    }

    /// Leaves the group, unless this consumer still holds entries: another one takes those over first.
    pub fn leave(&mut self) -> RedisResult<()> {
        let consumer = self.consumer.clone();
        self.remove(0, &consumer)
    }

    fn remove(&mut self, idle_ms: u64, only: &str) -> RedisResult<()> {
        redis::Script::new(REMOVE_IDLE)
            .key(STREAM)
            .arg(GROUP)
            .arg(idle_ms)
            .arg(only)
            .invoke(self.connection.as_mut())
    }
}

/// Entries of a reply, read by hand: a field name that is no text must not make the whole reply unreadable.
fn entries(reply: Value) -> RedisResult<Vec<Entry>> {
    match reply {
        Value::Nil => Ok(Vec::new()),
        Value::Array(rows) => rows.into_iter().filter_map(|row| entry(row).transpose()).collect(),
        _ => Err(unexpected("a stream")),
    }
}

/// An entry; none for one that was deleted under the eyes of its consumer.
fn entry(row: Value) -> RedisResult<Option<Entry>> {
    let Value::Array(parts) = row else {
        return if row == Value::Nil { Ok(None) } else { Err(unexpected("an entry")) };
    };
    let mut parts = parts.into_iter();
    let (Some(Value::BulkString(id)), Some(fields)) = (parts.next(), parts.next()) else {
        return Err(unexpected("an entry"));
    };
    let id = String::from_utf8_lossy(&id).into_owned();
    let Value::Array(fields) = fields else { return Ok(Some(Entry { id, envelope: None })) };
    let mut fields = fields.into_iter();
    while let (Some(name), Some(value)) = (fields.next(), fields.next()) {
        if let (Value::BulkString(name), Value::BulkString(value)) = (name, value)
            && name == FIELD.as_bytes()
        {
            return Ok(Some(Entry { id, envelope: Some(value) }));
        }
    }
    Ok(Some(Entry { id, envelope: None }))
}

fn unexpected(what: &'static str) -> RedisError {
    RedisError::from((
        ErrorKind::UnexpectedReturnType,
        "the server's answer is not what it should be",
        what.to_owned(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &[u8]) -> Value {
        Value::BulkString(text.to_vec())
    }

    #[test]
    fn fields_that_are_no_text_harm_nobody() {
        let odd = Value::Array(vec![bulk(b"5-0"), Value::Array(vec![bulk(b"\xff"), bulk(b"\xfe")])]);
        let fields = vec![bulk(b"x"), bulk(b"1"), bulk(b"envelope"), bulk(b"{}")];
        let good = Value::Array(vec![bulk(b"6-1"), Value::Array(fields)]);
        let gone = Value::Array(vec![bulk(b"7-0"), Value::Nil]);
        let read = entries(Value::Array(vec![odd, good, gone, Value::Nil])).expect("it is a stream");
        let expected = [("5-0", None), ("6-1", Some(b"{}".to_vec())), ("7-0", None)];
        assert_eq!(read, expected.map(|(id, envelope)| Entry { id: id.to_owned(), envelope }));
        assert_eq!(read[1].added_ms(), 6);
    }
}
