//! Whatever connection a worker waits on, it hears what it is handed.

#[path = "common/scene.rs"]
mod scene;

use reelmill_store_redis::ACL_RULES;
use reelmill_test_redis::{Certificates, RedisCluster, RedisSentinel, RedisServer};
use scene::{Scene, leased};

async fn is_heard<S>(server: S, url: String) {
    let scene = Scene::new(server, url, 1).await;
    for no in 0..3 {
        let (waiting, _withdraw) = scene.wait("w1").await;
        scene.submit(no).await;
        assert_eq!((leased(waiting).await, scene.stands("w1")), (Some(1), false), "run {no}");
    }
    drop(scene.server);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_with_a_password_in_another_database() {
    let server = RedisServer::in_memory();
    let user = ["ACL", "SETUSER", "mill", "on", ">secret", "+select"];
    let user: Vec<&str> = user.into_iter().chain(ACL_RULES.split(' ')).collect();
    assert_eq!(server.ask(&user), "OK");
    let url = server.url_of("mill", "secret").replace("/0", "/3");
    is_heard(server, url).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unix_socket() {
    let server = RedisServer::in_memory();
    let url = server.socket_url();
    is_heard(server, url).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tls() {
    let server = RedisServer::with_tls(Certificates::make());
    let url = server.url();
    is_heard(server, url).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sentinels() {
    let server = RedisSentinel::start();
    let url = server.url();
    is_heard(server, url).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_of_one_partition() {
    let server = RedisCluster::start();
    let url = server.url();
    is_heard(server, url).await;
}
