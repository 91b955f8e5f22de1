//! The store on Valkey passes the suite of all stores, and is told from Redis.

use reelmill_ports::conformance::simulation::play;
use reelmill_ports::conformance::{self, ManualClock, Store};
use reelmill_store_redis::{Config, RedisStore, look};
use reelmill_test_redis::RedisServer;
use std::sync::Arc;

/// A Valkey of its own, and the store's clock.
struct ValkeyBed {
    server: RedisServer,
    clock: ManualClock,
}

impl Default for ValkeyBed {
    fn default() -> Self {
        Self { server: RedisServer::valkey(), clock: ManualClock::default() }
    }
}

impl conformance::Bed for ValkeyBed {
    fn open(&self) -> Arc<dyn Store> {
        let config = Config { clock: Some(Arc::new(self.clock.clone())), ..Config::new(self.server.url()) };
        Arc::new(RedisStore::open(&config).expect("the store opens"))
    }

    fn clock(&self) -> &ManualClock {
        &self.clock
    }
}

reelmill_ports::conformance_suite!(crate::ValkeyBed::default());

#[test]
fn worlds_on_valkey_keep_their_invariants() {
    play(10, 100, ValkeyBed::default);
}

#[test]
fn a_look_says_that_it_is_valkey() {
    let bed = ValkeyBed::default();
    let found = look(&bed.server.url()).expect("it answers");
    assert_eq!((found.len(), found[0].product.as_str(), &found[0].refused), (1, "Valkey", &Vec::new()));
}
