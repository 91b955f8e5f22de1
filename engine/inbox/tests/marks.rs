//! Marks in Redis: compared and set as one, and there again after the server was killed.

use reelmill_inbox::RedisMarks;
use reelmill_ports::{Marks, MemoryMarks};
use reelmill_tests::RedisServer;

async fn compare_and_set(marks: &dyn Marks) {
    assert_eq!(marks.get("a").await.expect("it answers"), None);
    assert!(!marks.replace("a", Some(""), "1").await.expect("it answers"), "missing is not empty");
    assert!(marks.replace("a", None, "").await.expect("it answers"));
    assert!(!marks.replace("a", None, "1").await.expect("it answers"), "empty is not missing");
    assert!(marks.replace("a", Some(""), "1").await.expect("it answers"));
    assert!(!marks.replace("a", Some("0"), "2").await.expect("it answers"));
    assert_eq!(marks.get("a").await.expect("it answers").as_deref(), Some("1"));
    assert_eq!(marks.get("b").await.expect("it answers"), None);
}

#[tokio::test]
async fn in_memory() {
    compare_and_set(&MemoryMarks::default()).await;
}

#[tokio::test]
async fn in_redis() {
    let mut server = RedisServer::start();
    let marks = RedisMarks::new(&server.url()).expect("the URL is good");
    compare_and_set(&marks).await;
    server.kill();
    assert!(marks.get("a").await.is_err(), "the server is away");
    server.start_again();
    assert_eq!(marks.get("a").await.expect("it is there again").as_deref(), Some("1"));
    server.stop();
    server.start_again();
    assert_eq!(marks.get("a").await.or(marks.get("a").await).expect("it is there").as_deref(), Some("1"));
}
