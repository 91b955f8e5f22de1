//! The smallest user that the readme names is enough: the suite of all stores, as that user.

use reelmill_ports::conformance::{self, ManualClock, Store};
use reelmill_store_redis::{ACL_RULES, COMMANDS, Config, RedisStore, look};
use reelmill_test_redis::RedisServer;
use std::sync::Arc;

/// A server with such a user, and the store's clock.
struct AclBed {
    server: RedisServer,
    clock: ManualClock,
}

impl Default for AclBed {
    fn default() -> Self {
        let server = RedisServer::in_memory();
        let user: Vec<&str> =
            ["ACL", "SETUSER", "mill", "on", ">secret"].into_iter().chain(ACL_RULES.split(' ')).collect();
        assert_eq!(server.ask(&user), "OK");
        Self { server, clock: ManualClock::default() }
    }
}

impl conformance::Bed for AclBed {
    fn open(&self) -> Arc<dyn Store> {
        let config = Config {
            clock: Some(Arc::new(self.clock.clone())),
            ..Config::new(self.server.url_of("mill", "secret"))
        };
        Arc::new(RedisStore::open(&config).expect("the store opens"))
    }

    fn clock(&self) -> &ManualClock {
        &self.clock
    }
}

/// Whatever the store sent must be what `doctor` asks about.
impl Drop for AclBed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let stats = self.server.ask(&["INFO", "commandstats"]);
        let sent = stats.lines().filter_map(|line| line.strip_prefix("cmdstat_")?.split(':').next());
        let known = |name: &str| COMMANDS.iter().any(|line| line.split(' ').next() == Some(name));
        let of_connections =
            ["acl|setuser", "auth", "client|setinfo", "eval", "evalsha", "hello", "script|load"];
        let strange: Vec<&str> = sent.filter(|name| !known(name) && !of_connections.contains(name)).collect();
        assert_eq!(strange, [""; 0], "`COMMANDS` does not name what the store sends");
    }
}

reelmill_ports::conformance_suite!(crate::AclBed::default());

#[test]
fn what_a_user_may_not_do_is_found() {
    let bed = AclBed::default();
    let found = look(&bed.server.url_of("mill", "secret")).expect("it answers");
    assert_eq!((found.len(), &found[0].refused), (1, &Vec::new()));
    assert_eq!((found[0].product.as_str(), found[0].append_only), ("Redis", false));
    let deny = |rule: &str| assert_eq!(bed.server.ask(&["ACL", "SETUSER", "mill", rule]), "OK");
    let refused = || look(&bed.server.url_of("mill", "secret")).expect("it answers").remove(0).refused;
    deny("-zadd");
    assert_eq!(refused(), ["zadd"]);
    deny("-eval");
    deny("-evalsha");
    assert_eq!(refused(), ["eval"]);
}

#[test]
fn the_readme_names_these_rules() {
    let readme = include_str!("../../../README.md");
    assert!(readme.contains(&format!("ACL SETUSER mill on '>SECRET' {ACL_RULES}\n")), "{ACL_RULES}");
}
