//! What a memory does, of both kinds of it: a file, and a real server of PostgreSQL.

use reelmill_learn::{Outcome, Summary};
use reelmill_memory::{
    Agent, Entry, EntryQuery, Event, HistoryQuery, Memory, MemoryError, OutcomeQuery, Remembered, Session,
    open,
};
use reelmill_model::limits::{
    MEMORY_BATCH_MAX, MEMORY_CLEANED_AT_ONCE, MEMORY_NAME_BYTES_MAX, MEMORY_VALUE_BYTES_MAX, PAGE_ROWS_MAX,
};
use reelmill_test_postgres::PostgresServer;
use serde_json::{Value, json};
use std::path::Path;

#[tokio::test]
async fn a_file_does_everything() {
    let folder = tempfile::tempdir().unwrap();
    everything(&open(None, &folder.path().join("memory.db")).unwrap()).await;
}

#[tokio::test]
async fn a_database_does_everything() {
    let server = PostgresServer::start();
    everything(&open(Some(&server.url()), Path::new("none")).unwrap()).await;
}

async fn everything(memory: &Memory) {
    values_come_and_go(memory).await;
    values_are_found(memory).await;
    too_much_is_refused(memory).await;
    sessions_have_events(memory).await;
    agents_are_there_while_they_say_so(memory).await;
    outcomes_are_summed_up(memory).await;
    what_is_old_is_cleaned(memory).await;
}

fn entry(namespace: &str, key: &str, tags: &[&str], value: Value) -> Entry {
    let tags = tags.iter().map(|&tag| tag.to_owned()).collect();
    Entry { namespace: namespace.into(), key: key.into(), value, tags, put_ms: 1_000, expires_ms: 2_000 }
}

async fn values_come_and_go(memory: &Memory) {
    let first = entry("voices", "anna", &["warm", "slow"], json!({ "pitch": 1.5, "odd": "\0'\"\\ 声" }));
    memory.put(&first).await.unwrap();
    assert_eq!(memory.get("voices", "anna", 1_999).await.unwrap(), Some(first.clone()));
    assert_eq!(memory.get("voices", "anna", 2_000).await.unwrap(), None, "its time has come");
    assert_eq!(memory.get("other", "anna", 1_000).await.unwrap(), None);
    let second = Entry { put_ms: 1_500, expires_ms: 9_000, ..entry("voices", "anna", &[], json!(null)) };
    memory.put(&second).await.unwrap();
    assert_eq!(memory.get("voices", "anna", 8_999).await.unwrap(), Some(second));
    assert!(memory.remove("voices", "anna").await.unwrap());
    assert!(!memory.remove("voices", "anna").await.unwrap());
    assert_eq!(memory.get("voices", "anna", 1_000).await.unwrap(), None);
}

async fn keys(memory: &Memory, query: EntryQuery) -> Vec<String> {
    let found = memory.entries(&query, 1_500).await.unwrap();
    found.into_iter().map(|entry| format!("{}/{}", entry.namespace, entry.key)).collect()
}

async fn values_are_found(memory: &Memory) {
    for (namespace, key, tags) in [
        ("a", "clip-1", &["red", "re"] as &[&str]),
        ("a", "clip-2", &["blue", "red"]),
        ("a", "Clip-3", &[]),
        ("a", "100%", &["Red"]),
        ("a", "1000", &[]),
        ("a", "x_y", &[]),
        ("a", "xzy", &[]),
        ("a", "[ab]", &[]),
        ("a", "a", &["reddish"]),
        ("a", "b\\c", &[]),
        ("b", "clip-1", &["red"]),
    ] {
        memory.put(&entry(namespace, key, tags, json!(1))).await.unwrap();
    }
    memory.put(&Entry { expires_ms: 1_500, ..entry("a", "clip-0", &["red"], json!(1)) }).await.unwrap();
    let in_a = |pattern: &str| EntryQuery {
        namespace: Some("a".into()),
        pattern: Some(pattern.into()),
        ..EntryQuery::default()
    };
    for (pattern, expected) in [
        ("clip-*", &["a/clip-1", "a/clip-2"] as &[&str]),
        ("clip-?", &["a/clip-1", "a/clip-2"]),
        ("100%", &["a/100%"]),
        ("x_y", &["a/x_y"]),
        ("x?y", &["a/x_y", "a/xzy"]),
        ("[ab]", &["a/[ab]"]),
        ("b\\*", &["a/b\\c"]),
        (
            "*",
            &[
                "a/100%", "a/1000", "a/Clip-3", "a/[ab]", "a/a", "a/b\\c", "a/clip-1", "a/clip-2", "a/x_y",
                "a/xzy",
            ],
        ),
    ] {
        assert_eq!(keys(memory, in_a(pattern)).await, expected, "{pattern}");
    }
    let red = EntryQuery { tag: Some("red".into()), ..EntryQuery::default() };
    assert_eq!(keys(memory, red.clone()).await, ["a/clip-1", "a/clip-2", "b/clip-1"]);
    let mut paged = Vec::new();
    let mut page = EntryQuery { limit: 2, ..red };
    loop {
        let found = memory.entries(&page, 1_500).await.unwrap();
        let Some(last) = found.last() else { break };
        assert!(found.len() <= 2);
        page.after = Some((last.namespace.clone(), last.key.clone()));
        paged.extend(found.into_iter().map(|entry| entry.key));
    }
    assert_eq!(paged, ["clip-1", "clip-2", "clip-1"]);
}

/// What is refused says why.
fn refused<T: std::fmt::Debug>(result: Result<T, MemoryError>, why: &str) {
    match result {
        Err(MemoryError::Refused(message)) => assert!(message.contains(why), "{message}"),
        other => panic!("{why}: {other:?}"),
    }
}

async fn too_much_is_refused(memory: &Memory) {
    let long = "x".repeat(MEMORY_NAME_BYTES_MAX + 1);
    refused(memory.put(&entry("a", &long, &[], json!(1))).await, "257 bytes, over the limit of 256");
    refused(memory.put(&entry("", "k", &[], json!(1))).await, "the namespace is empty");
    refused(memory.put(&entry("a", "k\n", &[], json!(1))).await, "control characters");
    refused(memory.put(&entry("a", "k", &["two\nlines"], json!(1))).await, "control characters");
    let large = json!("x".repeat(MEMORY_VALUE_BYTES_MAX));
    refused(memory.put(&entry("a", "k", &[], large)).await, "keep large data in a file");
    let for_ever = Entry { expires_ms: u64::MAX, ..entry("a", "k", &[], json!(1)) };
    refused(memory.put(&for_ever).await, "keep it for less");
    refused(
        memory.record(&vec![outcome("x", "here", 1, "", 1.0); MEMORY_BATCH_MAX + 1]).await,
        "hand over fewer",
    );
    let endless = outcome("x", "here", 1, &long, 1.0);
    refused(memory.record(&[endless]).await, "the context has");
    assert!(memory.get("a", "k", 1_500).await.unwrap().is_none());
}

async fn sessions_have_events(memory: &Memory) {
    let session = |id: &str, at| Session {
        id: id.into(),
        kind: "worker".into(),
        data: json!({ "cpus": 2 }),
        began_ms: at,
        ended_ms: None,
    };
    for (id, at) in [("01", 10), ("03", 30), ("02", 20)] {
        memory.begin(&session(id, at)).await.unwrap();
    }
    assert!(memory.end("02", 25).await.unwrap() && !memory.end("04", 25).await.unwrap());
    let all = memory.sessions(None, 0).await.unwrap();
    assert_eq!(
        all,
        [session("03", 30), Session { ended_ms: Some(25), ..session("02", 20) }, session("01", 10)]
    );
    assert_eq!(memory.sessions(Some("03"), 1).await.unwrap(), all[1..2]);
    memory.begin(&session("02", 40)).await.unwrap();
    let again = memory.sessions(Some("03"), 1).await.unwrap();
    assert_eq!(again, [session("02", 20)], "it goes on, and began when it began");
    let event = |session: &str, at_ms| Event {
        session: session.into(),
        at_ms,
        kind: "chose".into(),
        data: json!({ "at": at_ms }),
    };
    memory.note(&[event("01", 11), event("03", 31), event("01", 12)]).await.unwrap();
    memory.note(&[event("01", 13)]).await.unwrap();
    let first = memory.events("01", 0, 2).await.unwrap();
    let rest = memory.events("01", first[1].0, 2).await.unwrap();
    let told: Vec<Event> = first.into_iter().chain(rest).map(|(_, event)| event).collect();
    assert_eq!(told, [event("01", 11), event("01", 12), event("01", 13)]);
}

async fn agents_are_there_while_they_say_so(memory: &Memory) {
    let agent = |id: &str, beat_ms| Agent {
        id: id.into(),
        role: "worker".into(),
        data: json!([]),
        beat_ms,
        until_ms: beat_ms + 30,
    };
    memory.beat(&agent("b", 100)).await.unwrap();
    memory.beat(&agent("a", 120)).await.unwrap();
    assert_eq!(memory.agents(129).await.unwrap(), [agent("a", 120), agent("b", 100)]);
    assert_eq!(memory.agents(130).await.unwrap(), [agent("a", 120)], "b has said nothing for too long");
    memory.beat(&agent("b", 140)).await.unwrap();
    assert_eq!(memory.agents(150).await.unwrap(), [agent("b", 140)]);
}

fn outcome(kind: &str, host: &str, at_ms: u64, context: &str, seconds: f64) -> Remembered {
    let outcome = Outcome {
        context: context.into(),
        arm: "fast".into(),
        units: 2.0,
        seconds: Some(seconds),
        score: Some(0.5),
        ..Outcome::default()
    };
    Remembered { kind: kind.into(), host: host.into(), at_ms, outcome }
}

async fn outcomes_are_summed_up(memory: &Memory) {
    let mut told = [
        outcome("encode", "here", 100, "slides", 2.0),
        outcome("encode", "here", 200, "slides", 4.0),
        outcome("encode", "there", 200, "slides", 8.0),
        outcome("encode", "here", 300, "motion", 16.0),
        outcome("attempt", "here", 300, "slides", 1.0),
    ];
    told[3].outcome.seconds = None;
    memory.record(&told[..2]).await.unwrap();
    memory.record(&told[2..]).await.unwrap();
    let query = |since_ms| HistoryQuery { kind: "encode".into(), host: "here".into(), since_ms };
    let advice = memory.history(&query(0)).await.unwrap();
    let known: Vec<_> = advice.arms.iter().map(|arm| (arm.context.as_str(), arm.here, arm.score.n)).collect();
    let mut sorted = known.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, [("motion", true, 1), ("slides", false, 1), ("slides", true, 2)]);
    assert_eq!(known[0], ("slides", true, 2), "what is known best comes first");
    let expected = Summary::of(&[1.0_f64.ln(), 2.0_f64.ln()]);
    let found = advice.arms[0].seconds;
    assert!(
        (found.mean - expected.mean).abs() < 1e-12 && (found.off2 - expected.off2).abs() < 1e-12,
        "{found:?}"
    );
    assert_eq!((found.n, advice.arms[0].bytes, advice.arms[0].arm.as_str()), (2, Summary::default(), "fast"));
    let motion = advice.arms.iter().find(|arm| arm.context == "motion").unwrap();
    assert_eq!(motion.seconds.n, 0, "what was not told is not counted");
    assert_eq!(memory.history(&query(250)).await.unwrap().arms.len(), 1, "what is older is left out");

    let newest = |query: OutcomeQuery| async move { memory.outcomes(&query).await.unwrap() };
    let all = newest(OutcomeQuery::default()).await;
    assert_eq!(all.iter().map(|(_, one)| one.clone()).collect::<Vec<_>>(), {
        told.reverse();
        told.to_vec()
    });
    let before = Some(all[1].0);
    let page = newest(OutcomeQuery { before, limit: 2, ..OutcomeQuery::default() }).await;
    assert_eq!(page, all[2..4]);
    let some = newest(OutcomeQuery {
        kind: Some("encode".into()),
        context: Some("sl*".into()),
        arm: Some("fast".into()),
        ..OutcomeQuery::default()
    });
    assert_eq!(some.await.len(), 3);
    assert!(newest(OutcomeQuery { arm: Some("slow".into()), ..OutcomeQuery::default() }).await.is_empty());
}

async fn what_is_old_is_cleaned(memory: &Memory) {
    let many = vec![outcome("old", "here", 50, "x", 1.0); MEMORY_BATCH_MAX];
    let batches = MEMORY_CLEANED_AT_ONCE / MEMORY_BATCH_MAX + 1;
    for _ in 0..batches {
        memory.record(&many).await.unwrap();
    }
    let before = memory.stats(1_600).await.unwrap();
    assert_eq!((before.entries, before.sessions, before.events, before.agents), (11, 3, 4, 0));
    assert_eq!((before.outcomes, before.oldest_ms), (5 + (batches * MEMORY_BATCH_MAX) as u64, Some(50)));
    let first = memory.clean(26, 1_600).await.unwrap();
    assert_eq!((first.entries, first.sessions, first.events, first.agents, first.outcomes), (1, 1, 3, 2, 0));
    assert!(!first.more);
    let second = memory.clean(150, 1_600).await.unwrap();
    assert_eq!((second.outcomes, second.more), (MEMORY_CLEANED_AT_ONCE as u64, true), "some in one go");
    let third = memory.clean(150, 2_000).await.unwrap();
    let rest = (batches * MEMORY_BATCH_MAX - MEMORY_CLEANED_AT_ONCE + 1) as u64;
    assert_eq!((third.outcomes, third.entries, third.more), (rest, 11, false));
    let left = memory.stats(1_000).await.unwrap();
    assert_eq!((left.entries, left.sessions, left.outcomes, left.oldest_ms), (0, 0, 4, Some(200)));
    let pages = memory.outcomes(&OutcomeQuery { limit: 10 * PAGE_ROWS_MAX, ..OutcomeQuery::default() }).await;
    assert_eq!(pages.unwrap().len(), 4);
}

#[tokio::test]
async fn a_file_is_shared_and_outlives_whoever_had_it_open() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("memory.db");
    let (one, other) = (open(None, &file).unwrap(), open(None, &file).unwrap());
    one.put(&entry("a", "k", &[], json!("said"))).await.unwrap();
    assert_eq!(other.get("a", "k", 1_000).await.unwrap().unwrap().value, "said");
    drop((one, other));
    assert!(open(None, &file).unwrap().remove("a", "k").await.unwrap());
    std::fs::write(&file, "this was never a database of any kind, whatever its name says about it").unwrap();
    let _ = std::fs::remove_file(folder.path().join("memory.db-wal"));
    let error = open(None, &file).unwrap_err().to_string();
    assert!(error.contains("memory.db is no memory that can be read"), "{error}");
}

#[tokio::test]
async fn a_database_that_was_away_is_found_again() {
    let mut server = PostgresServer::start();
    let memory = open(Some(&server.url()), Path::new("none")).unwrap();
    memory.put(&entry("a", "k", &[], json!(1))).await.unwrap();
    server.stop();
    let error = memory.get("a", "k", 1_000).await.unwrap_err();
    assert!(matches!(error, MemoryError::Away { .. }), "{error:?}");
    assert!(error.to_string().contains("--memory-store (REELMILL_MEMORY)"), "{error}");
    server.start_again();
    assert!(memory.get("a", "k", 1_000).await.unwrap().is_some());
    refused(open(Some("mysql://db"), Path::new("none")), "the address of the memory is not understood");
    let newer = server.ask("INSERT INTO reelmill_memory.version VALUES (99) RETURNING number");
    assert!(newer.starts_with("99"), "{newer}");
    let error = open(Some(&server.url()), Path::new("none")).unwrap().stats(0).await.unwrap_err();
    assert!(matches!(error, MemoryError::Corrupt(_)), "{error:?}");
}
