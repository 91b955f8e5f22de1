//! The Redis of a fleet: whether it answers, keeps what it is told, has room, and lets the store do its work. Without
//! `--redis` none is asked: one machine needs none.

use super::{Check, Status};
use crate::words::bytes;
use reelmill_ports::StoreError;
use reelmill_store_redis::{ACL_RULES, Health};

/// The oldest version that does; Valkey began with 7.2.
const VERSION_MIN: u32 = 7;
/// Part of its memory, in percent, from which on a server is nearly full.
const FULL_PERCENT: u64 = 80;
/// How far clocks may be apart, in milliseconds.
const APART_MS_MAX: u64 = 1_000;

/// Asks the servers of this address.
pub(super) fn checks(url: Option<&str>) -> Vec<Check> {
    let Some(url) = url else {
        return vec![Check::none("redis", "not asked; only a fleet needs one, and --redis names it")];
    };
    match reelmill_store_redis::look(url) {
        Ok(servers) => judge(how(url), &servers),
        Err(error) => vec![silent(&error)],
    }
}

/// How the servers of an address work together.
fn how(url: &str) -> &'static str {
    match url.split_once("://").map(|(scheme, _)| scheme) {
        Some("redis-cluster" | "rediss-cluster") => " Cluster",
        Some("redis-sentinel" | "rediss-sentinel") => " behind sentinels",
        _ => "",
    }
}

fn silent(error: &StoreError) -> Check {
    let remedy = "start it, or correct --redis or $REELMILL_REDIS; one machine needs none";
    Check::bad("redis", Status::Missing, error.to_string(), remedy)
}

fn judge(how: &str, servers: &[Health]) -> Vec<Check> {
    let greeting = servers.first().map(|first| greeting(how, first, servers.len()));
    greeting.into_iter().chain(servers.iter().flat_map(problems)).collect()
}

fn greeting(how: &str, server: &Health, count: usize) -> Check {
    let Health { server: place, product, version, used_bytes, room_bytes, .. } = server;
    if version.is_empty() {
        return Check::ok("redis", format!("{place} answers, and does not say what it is"));
    }
    let more = if count > 1 { format!(" and {} more", count - 1) } else { String::new() };
    let memory = format!("{} of {} used", bytes(*used_bytes), bytes(*room_bytes));
    Check::ok("redis", format!("{product}{how} {version} at {place}{more}, {memory}"))
}

/// Everything about a server that somebody should change.
fn problems(server: &Health) -> Vec<Check> {
    let all: &[fn(&Health) -> Option<Check>] = if server.version.is_empty() {
        &[rights, clock]
    } else {
        &[rights, version, role, keeps, writes, eviction, memory, clock]
    };
    all.iter().filter_map(|look| look(server)).collect()
}

fn rights(server: &Health) -> Option<Check> {
    let found = format!("its user may not send {}", server.refused.join(", "));
    let remedy = format!("redis-cli ACL SETUSER <user> {ACL_RULES}");
    (!server.refused.is_empty()).then(|| Check::bad("redis rights", Status::Missing, found, remedy))
}

fn version(server: &Health) -> Option<Check> {
    let major = server.version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    major.filter(|major| *major < VERSION_MIN).map(|_| {
        let found = format!("{} {} is too old", server.product, server.version);
        Check::bad("redis version", Status::Missing, found, "install Redis 7.0 or Valkey 7.2, or a newer one")
    })
}

fn role(server: &Health) -> Option<Check> {
    let found = format!("{} is a replica, which takes no writes", server.server);
    let remedy = "name its master, or the sentinels that know it: redis-sentinel://HOST:PORT/MASTER";
    server.replica.then(|| Check::bad("redis role", Status::Missing, found, remedy))
}

fn keeps(server: &Health) -> Option<Check> {
    let found = format!("{} has `appendonly no`: when it ends, runs are lost", server.server);
    let remedy = "redis-cli CONFIG SET appendonly yes, and the same in its configuration file";
    (!server.append_only).then(|| Check::bad("redis durability", Status::Warn, found, remedy))
}

fn writes(server: &Health) -> Option<Check> {
    let found = format!("{} failed to write its append-only file", server.server);
    let remedy = "look at its log and its disk; while that lasts it takes no writes";
    (!server.append_works).then(|| Check::bad("redis disk", Status::Missing, found, remedy))
}

fn eviction(server: &Health) -> Option<Check> {
    let Health { server: place, eviction, .. } = server;
    let found =
        format!("{place} has `maxmemory-policy {eviction}`: when it is full, it forgets parts of runs");
    let remedy = "redis-cli CONFIG SET maxmemory-policy noeviction, and the same in its configuration file";
    (eviction != "noeviction").then(|| Check::bad("redis eviction", Status::Warn, found, remedy))
}

fn memory(server: &Health) -> Option<Check> {
    let (used, room) = (server.used_bytes, server.room_bytes);
    let found = format!("{} uses {} of {}", server.server, bytes(used), bytes(room));
    let remedy = "raise `maxmemory`, or let ended runs leave earlier: reelmill worker --keep 10m";
    let full = room > 0 && used >= room / 100 * FULL_PERCENT;
    full.then(|| Check::bad("redis memory", Status::Warn, found, remedy))
}

fn clock(server: &Health) -> Option<Check> {
    let apart = server.ahead_ms.unsigned_abs();
    let side = if server.ahead_ms < 0 { "behind" } else { "ahead of" };
    let found = format!("the clock of {} is {} s {side} this machine's", server.server, apart / 1_000);
    let remedy = "let both machines ask a time server: runs are ordered by when they were submitted";
    (apart > APART_MS_MAX).then(|| Check::bad("redis clock", Status::Warn, found, remedy))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::render;
    use crate::output::{Format, Output};
    use expect_test::{Expect, expect};

    fn healthy() -> Health {
        Health {
            server: "redis://db:6379".into(),
            product: "Redis".into(),
            version: "7.0.15".into(),
            replica: false,
            append_only: true,
            append_works: true,
            eviction: "noeviction".into(),
            used_bytes: 12 << 20,
            room_bytes: 1 << 30,
            ahead_ms: -20,
            refused: Vec::new(),
        }
    }

    fn told(how: &str, servers: &[Health], expected: &Expect) {
        let text = render(&judge(how, servers), Output { format: Format::Text, color: false });
        expected.assert_eq(&text);
    }

    #[test]
    fn a_good_server_is_one_line() {
        told(
            "",
            &[healthy()],
            &expect![[r"
            ok  redis  Redis 7.0.15 at redis://db:6379, 12.0 MiB of 1.0 GiB used
        "]],
        );
        told(
            " Cluster",
            &[healthy(), healthy()],
            &expect![[r"
            ok  redis  Redis Cluster 7.0.15 at redis://db:6379 and 1 more, 12.0 MiB of 1.0 GiB used
        "]],
        );
    }

    #[test]
    fn everything_that_is_wrong_is_told_with_its_remedy() {
        let ill = Health {
            version: "6.2.1".into(),
            replica: true,
            append_only: false,
            append_works: false,
            eviction: "allkeys-lru".into(),
            used_bytes: 900 << 20,
            ahead_ms: -12_345,
            refused: vec!["eval".into(), "hset".into()],
            ..healthy()
        };
        told(
            "",
            &[ill],
            &expect![[r"
            ok       redis             Redis 6.2.1 at redis://db:6379, 900.0 MiB of 1.0 GiB used
            missing  redis rights      its user may not send eval, hset
            missing  redis version     Redis 6.2.1 is too old
            missing  redis role        redis://db:6379 is a replica, which takes no writes
            warn     redis durability  redis://db:6379 has `appendonly no`: when it ends, runs are lost
            missing  redis disk        redis://db:6379 failed to write its append-only file
            warn     redis eviction    redis://db:6379 has `maxmemory-policy allkeys-lru`: when it is full, it forgets parts of runs
            warn     redis memory      redis://db:6379 uses 900.0 MiB of 1.0 GiB
            warn     redis clock       the clock of redis://db:6379 is 12 s behind this machine's

            What to do:
              redis rights: redis-cli ACL SETUSER <user> resetchannels ~rm:* -@all +@hash +@set +@sortedset +@string +@list +@stream +@connection +@transaction -@dangerous +eval +evalsha +script|load +exists +del +expire +pexpireat +time +info +role +cluster|slots
              redis version: install Redis 7.0 or Valkey 7.2, or a newer one
              redis role: name its master, or the sentinels that know it: redis-sentinel://HOST:PORT/MASTER
              redis durability: redis-cli CONFIG SET appendonly yes, and the same in its configuration file
              redis disk: look at its log and its disk; while that lasts it takes no writes
              redis eviction: redis-cli CONFIG SET maxmemory-policy noeviction, and the same in its configuration file
              redis memory: raise `maxmemory`, or let ended runs leave earlier: reelmill worker --keep 10m
              redis clock: let both machines ask a time server: runs are ordered by when they were submitted
        "]],
        );
    }

    #[test]
    fn a_server_that_says_nothing_of_itself_is_not_accused() {
        let closed =
            Health { server: "redis://db:6379".into(), refused: vec!["info".into()], ..Health::default() };
        told(
            "",
            &[closed],
            &expect![[r"
            ok       redis         redis://db:6379 answers, and does not say what it is
            missing  redis rights  its user may not send info

            What to do:
              redis rights: redis-cli ACL SETUSER <user> resetchannels ~rm:* -@all +@hash +@set +@sortedset +@string +@list +@stream +@connection +@transaction -@dangerous +eval +evalsha +script|load +exists +del +expire +pexpireat +time +info +role +cluster|slots
        "]],
        );
    }
}
