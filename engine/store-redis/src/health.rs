//! What there is to know of a fleet's servers before trusting them with runs. Looks, and changes nothing.

use crate::connect::{Address, Conn, shown};
use crate::error::Trouble;
use crate::keys::Keys;
use redis::{RedisResult, Script, cmd};
use reelmill_ports::StoreError;
use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What a user must be allowed, in the words of `ACL SETUSER`. A cluster is asked for its slots too, and a server
/// behind sentinels for its role.
pub const ACL_RULES: &str = "resetchannels ~rm:* -@all +@hash +@set +@sortedset +@string +@list +@stream \
     +@connection +@transaction -@dangerous +eval +evalsha +script|load +exists +del +expire +pexpireat +time \
     +info +role +cluster|slots";

/// Every command that the store sends, with words that make it one. `rm:{0}:x` is never written: they are only asked
/// about.
pub const COMMANDS: &[&str] = &[
    "append rm:{0}:x v",
    "blpop rm:{0}:x 1",
    "del rm:{0}:x",
    "exists rm:{0}:x",
    "expire rm:{0}:x 1",
    "get rm:{0}:x",
    "getdel rm:{0}:x",
    "hdel rm:{0}:x f",
    "hexists rm:{0}:x f",
    "hget rm:{0}:x f",
    "hgetall rm:{0}:x",
    "hincrby rm:{0}:x f 1",
    "hkeys rm:{0}:x",
    "hlen rm:{0}:x",
    "hmget rm:{0}:x f",
    "hset rm:{0}:x f v",
    "hsetnx rm:{0}:x f v",
    "incr rm:{0}:x",
    "incrby rm:{0}:x 1",
    "info server",
    "lindex rm:{0}:x 0",
    "llen rm:{0}:x",
    "lpop rm:{0}:x",
    "lpos rm:{0}:x v",
    "lpush rm:{0}:x v",
    "lrange rm:{0}:x 0 1",
    "lrem rm:{0}:x 1 v",
    "pexpireat rm:{0}:x 1",
    "rpush rm:{0}:x v",
    "sadd rm:{0}:x m",
    "set rm:{0}:x v",
    "sismember rm:{0}:x m",
    "smembers rm:{0}:x",
    "smismember rm:{0}:x m",
    "srandmember rm:{0}:x 1",
    "srem rm:{0}:x m",
    "time",
    "xadd rm:{0}:x * f v",
    "xdel rm:{0}:x 1-1",
    "xlen rm:{0}:x",
    "xrange rm:{0}:x - +",
    "xrevrange rm:{0}:x + -",
    "xtrim rm:{0}:x MAXLEN 1",
    "zadd rm:{0}:x 1 m",
    "zcard rm:{0}:x",
    "zcount rm:{0}:x 0 1",
    "zincrby rm:{0}:x 1 m",
    "zpopmax rm:{0}:x 1",
    "zpopmin rm:{0}:x 1",
    "zrandmember rm:{0}:x 1",
    "zrange rm:{0}:x 0 1",
    "zrangebylex rm:{0}:x - +",
    "zrangebyscore rm:{0}:x 0 1",
    "zrank rm:{0}:x m",
    "zrem rm:{0}:x m",
    "zrevrangebylex rm:{0}:x + -",
    "zscore rm:{0}:x m",
];

/// Of its arguments, commands with their words, those that the user may not send.
const REFUSED: &str = r"
local refused = {}
for _, line in ipairs(ARGV) do
  local words = {}
  for word in string.gmatch(line, '%S+') do words[#words + 1] = word end
  if not redis.acl_check_cmd(unpack(words)) then refused[#refused + 1] = words[1] end
end
return refused";

/// What one server says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Its address, without a password.
    pub server: String,
    /// `Redis` or `Valkey`.
    pub product: String,
    /// Its version; of a Valkey its own, not that of the Redis it is like. Empty when the user may not ask.
    pub version: String,
    /// Whether it is a replica, which takes no writes.
    pub replica: bool,
    /// Whether it writes what it is told to a file.
    pub append_only: bool,
    /// Whether its last write to that file went well.
    pub append_works: bool,
    /// What it does when it is full.
    pub eviction: String,
    /// Bytes it uses.
    pub used_bytes: u64,
    /// Bytes it may use: its limit, or the memory of its machine.
    pub room_bytes: u64,
    /// How far its clock is ahead of this machine's, in milliseconds.
    pub ahead_ms: i64,
    /// Commands that the user may not send.
    pub refused: Vec<String>,
}

/// Asks every server that an address names.
pub fn look(url: &str) -> Result<Vec<Health>, StoreError> {
    let tell = |error| Trouble::from(error).into_store_error(&shown(url));
    let address = Address::parse(url).map_err(tell)?;
    let servers = address.servers().map_err(tell)?;
    let looked = servers.iter().map(|server| {
        let health = server.connect().and_then(|mut conn| Health::ask(&mut conn));
        let health = health.map_err(|error| Trouble::from(error).into_store_error(server.shown()))?;
        Ok(Health { server: server.shown().to_owned(), ..health })
    });
    let looked = looked.collect::<Result<_, StoreError>>()?;
    // The nodes of a cluster may be well and still not be one.
    if address.is_cluster() {
        let key = Keys::of(0).named("counts");
        let asked = address.connect().and_then(|mut conn| cmd("EXISTS").arg(key).query::<()>(conn.as_mut()));
        asked.map_err(tell)?;
    }
    Ok(looked)
}

impl Health {
    fn ask(conn: &mut Conn) -> RedisResult<Self> {
        let ahead_ms = ahead_ms(conn)?;
        let scripts = Script::new(REFUSED);
        // Without a key, so that each node of a cluster runs it.
        let mut probe = scripts.prepare_invoke();
        for line in COMMANDS {
            probe.arg(*line);
        }
        let refused = match probe.invoke::<Vec<String>>(conn.as_mut()) {
            Err(error) if error.code() == Some("NOPERM") => vec!["eval".to_owned()],
            refused => refused?,
        };
        let info = match cmd("INFO").query::<String>(conn.as_mut()) {
            Err(error) if error.code() == Some("NOPERM") => String::new(),
            info => info?,
        };
        Ok(Self { ahead_ms, refused, ..Self::read(&info) })
    }

    /// Reads what `INFO` says.
    fn read(info: &str) -> Self {
        let fields: HashMap<&str, &str> = info.lines().filter_map(|line| line.split_once(':')).collect();
        let text = |name: &str| fields.get(name).map(|value| value.trim()).unwrap_or_default();
        let number = |name: &str| text(name).parse::<u64>().unwrap_or(0);
        let (product, version) = match text("valkey_version") {
            "" => ("Redis", text("redis_version")),
            version => ("Valkey", version),
        };
        let room_bytes = match number("maxmemory") {
            0 => number("total_system_memory"),
            limit => limit,
        };
        Self {
            product: product.to_owned(),
            version: version.to_owned(),
            replica: text("role") == "slave",
            append_only: text("aof_enabled") == "1",
            append_works: text("aof_last_write_status") != "err",
            eviction: text("maxmemory_policy").to_owned(),
            used_bytes: number("used_memory"),
            room_bytes,
            ..Self::default()
        }
    }
}

/// How far the server's clock is ahead of ours. Half of the way there and back is taken off.
fn ahead_ms(conn: &mut Conn) -> RedisResult<i64> {
    let before = now();
    let (seconds, micros): (u64, u64) = cmd("TIME").query(conn.as_mut())?;
    let ours = before + now().saturating_sub(before) / 2;
    let theirs = Duration::from_secs(seconds) + Duration::from_micros(micros);
    let ms = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    Ok(ms(theirs) - ms(ours))
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_valkey_is_told_by_its_own_version() {
        let health = Health::read(
            "redis_version:7.2.4\r\nvalkey_version:8.1.1\r\nrole:master\r\nmaxmemory:0\r\n\
             total_system_memory:1024\r\n",
        );
        assert_eq!((health.product.as_str(), health.version.as_str()), ("Valkey", "8.1.1"));
        assert_eq!((health.room_bytes, health.replica, health.append_works), (1024, false, true));
    }
}
