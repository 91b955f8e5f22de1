//! Wishes that stand: whoever readies a task leases it for the worker that waits and hands it over in the same step.

#[path = "common/scene.rs"]
mod scene;

use futures_util::FutureExt as _;
use redis::{Commands as _, Connection};
use reelmill_model::WorkerId;
use reelmill_ports::{Fleet as _, StoreError, TaskQueue as _};
use reelmill_test_redis::RedisServer;
use scene::{LONG, leased, wish};
use std::future::pending;

type Scene = scene::Scene<RedisServer>;

async fn scene_of(stages: u32) -> Scene {
    let server = RedisServer::in_memory();
    let url = server.url();
    Scene::new(server, url, stages).await
}

fn ask(scene: &Scene) -> Connection {
    redis::Client::open(scene.server.url()).and_then(|client| client.get_connection()).expect("it answers")
}

fn markers(scene: &Scene) -> usize {
    ask(scene).llen("rm:{0}:wake:default").expect("it answers")
}

/// Connections on which somebody waits to be handed something.
fn ears(scene: &Scene) -> Vec<String> {
    let clients = scene.server.ask(&["CLIENT", "LIST"]);
    let waits = clients.lines().filter(|client| client.contains(" cmd=blpop "));
    waits.filter_map(|client| Some(client.strip_prefix("id=")?.split(' ').next()?.to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_becomes_ready_is_handed_over() {
    let scene = scene_of(1).await;
    let (first, _first) = scene.wait("w1").await;
    let (second, _second) = scene.wait("w2").await;
    scene.submit(1).await;
    // Who began to wait last is served first; the other's wish still stands, and nobody was woken in vain.
    assert_eq!(leased(second).await, Some(1));
    assert_eq!((scene.stands("w1"), scene.stands("w2"), markers(&scene)), (true, false, 0));
    scene.submit(2).await;
    assert_eq!(leased(first).await, Some(1));
    scene.submit(3).await;
    let reply = scene.works.step_when_ready(wish("w3"), LONG, pending().boxed()).await;
    assert_eq!(
        reply.expect("the store answers").map(|reply| reply.leased.len()),
        Some(1),
        "it was there already"
    );
    assert!(!scene.stands("w3"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wish_that_is_withdrawn_gets_nothing() {
    let scene = scene_of(1).await;
    let (waiting, withdraw) = scene.wait("w1").await;
    withdraw.send(()).expect("it waits");
    assert_eq!(leased(waiting).await, None);
    assert!(!scene.stands("w1"));
    scene.submit(1).await;
    let reply = scene.submits.step(wish("w2")).await.expect("the store answers");
    assert_eq!(reply.leased.len(), 1, "it was not handed to who does not wait");
}

/// A worker that is seen to be dead is handed nothing more, and what it was handed goes on elsewhere.
#[tokio::test(flavor = "multi_thread")]
async fn a_dead_worker_is_handed_nothing() {
    let scene = scene_of(1).await;
    let (waiting, _) = scene.wait("w1").await;
    waiting.abort();
    assert!(waiting.await.is_err(), "it is dead, and its wish stands");
    assert!(scene.stands("w1"));
    scene.submit(1).await;
    let lease = async || scene.submits.step(wish("w2")).await.expect("the store answers").leased.len();
    assert_eq!(lease().await, 0, "the dead one has it");
    let released = scene.submits.release_worker(&WorkerId("w1".into())).await;
    assert_eq!((released.expect("it is released"), lease().await), (1, 1));

    let (waiting, _) = scene.wait("w1").await;
    waiting.abort();
    assert!(waiting.await.is_err());
    scene.submits.release_worker(&WorkerId("w1".into())).await.expect("it is released");
    scene.submit(2).await;
    assert_eq!(lease().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_queue_hands_nothing_over() {
    let scene = scene_of(1).await;
    scene.submits.pause_lane("default", true).await.expect("it is paused");
    let (waiting, _withdraw) = scene.wait("w1").await;
    scene.submit(1).await;
    assert!(scene.stands("w1") && !waiting.is_finished());
    scene.submits.pause_lane("default", false).await.expect("it goes on");
    assert_eq!(leased(waiting).await, Some(1));
}

/// A replica that takes over may lack the last writes; tokens that were given are not given again.
#[tokio::test(flavor = "multi_thread")]
async fn tokens_grow_although_the_server_forgot_the_last() {
    let scene = scene_of(1).await;
    let token = async |no: u128| {
        scene.submit(no).await;
        scene.works.step(wish("w1")).await.expect("the store answers").leased[0].token
    };
    let first = token(1).await;
    let () = ask(&scene).setrange("rm:{0}:counts", 0, &7_u64.to_be_bytes()).expect("it answers");
    assert!(token(2).await > first);
}

/// Redis packs small sets, and walks a packed one from its head for every write; a guard that is no task prevents it.
#[tokio::test(flavor = "multi_thread")]
async fn few_leases_lie_in_a_skip_list() {
    let scene = scene_of(1).await;
    scene.submit(1).await;
    assert_eq!(scene.works.step(wish("w1")).await.expect("the store answers").leased.len(), 1);
    let encoding: String = ask(&scene).object_encoding("rm:{0}:leases").expect("it answers");
    assert_eq!(encoding, "skiplist");
    assert_eq!(scene.works.release_worker(&WorkerId("w1".into())).await.expect("the store answers"), 1);
    assert_eq!(ask(&scene).zcard::<_, u64>("rm:{0}:leases").expect("it answers"), 1, "the guard");
}

/// Only the first task of the run is told of; the rest of the run has to be asked for.
#[tokio::test(flavor = "multi_thread")]
async fn a_stage_of_a_larger_run_is_handed_over() {
    let scene = scene_of(3).await;
    let (waiting, _withdraw) = scene.wait("w1").await;
    scene.submit(1).await;
    let reply = waiting.await.expect("it ends well").expect("the store answers").expect("it has waited");
    let found: Vec<_> = reply.leased.iter().map(|leased| (leased.task.task.0, leased.attempt)).collect();
    assert_eq!(found, [(0, 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_again_waits_on_the_same_connection() {
    let scene = scene_of(1).await;
    let (waiting, _withdraw) = scene.wait("w1").await;
    let first = ears(&scene);
    assert_eq!(first.len(), 1);
    scene.submit(1).await;
    assert_eq!(leased(waiting).await, Some(1));
    let (waiting, _withdraw) = scene.wait("w1").await;
    assert_eq!(ears(&scene), first);
    scene.submit(2).await;
    assert_eq!(leased(waiting).await, Some(1));
}

/// A wish still stands when the connection breaks on which its worker waits: what is handed then is looked for.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_handed_to_a_broken_connection_is_found() {
    let scene = scene_of(1).await;
    let (waiting, _withdraw) = scene.wait("w1").await;
    let ears = ears(&scene);
    assert_eq!(scene.server.ask(&["CLIENT", "KILL", "ID", &ears[0]]), "1");
    let broken = waiting.await.expect("it ends well");
    assert!(matches!(broken, Err(StoreError::Unavailable { .. })), "{broken:?}");
    assert!(scene.stands("w1"));
    scene.submit(1).await;
    assert!(!scene.stands("w1"), "it was handed to nobody");
    let reply = scene.works.step(wish("w1")).await.expect("the store answers");
    assert_eq!(reply.leased.len(), 1);
}
