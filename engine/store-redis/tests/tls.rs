//! The store over TLS, to a server that has a certificate of its own authority and asks clients for one.

use reelmill_ports::conformance::simulation::play;
use reelmill_ports::conformance::{self, ManualClock, Store};
use reelmill_store_redis::{Config, RedisStore, look};
use reelmill_test_redis::{Certificates, RedisServer};
use std::sync::Arc;

/// Such a server, and the store's clock.
struct TlsBed {
    server: RedisServer,
    clock: ManualClock,
}

impl Default for TlsBed {
    fn default() -> Self {
        Self { server: RedisServer::with_tls(Certificates::make()), clock: ManualClock::default() }
    }
}

impl conformance::Bed for TlsBed {
    fn open(&self) -> Arc<dyn Store> {
        let config = Config { clock: Some(Arc::new(self.clock.clone())), ..Config::new(self.server.url()) };
        Arc::new(RedisStore::open(&config).expect("the store opens"))
    }

    fn clock(&self) -> &ManualClock {
        &self.clock
    }
}

#[test]
fn worlds_behind_tls_keep_their_invariants() {
    play(3, 60, TlsBed::default);
}

#[test]
fn a_server_that_nobody_vouches_for_is_refused_and_so_is_a_client() {
    let bed = TlsBed::default();
    let url = bed.server.url();
    let (bare, files) = url.split_once('?').expect("it names files");
    let refused = |url: &str| look(url).expect_err("it is refused").to_string();
    let stranger = refused(bare);
    assert!(stranger.contains("certificate"), "{stranger}");
    let ca = files.split('&').next().expect("the first is the authority");
    let nobody = refused(&format!("{bare}?{ca}"));
    assert!(nobody.contains("rediss://127.0.0.1"), "{nobody}");
    assert_eq!(look(&url).expect("it answers").len(), 1);
}
