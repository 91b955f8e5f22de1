//! A service against the scripted server.

use reelmill_http::testing::{Case, Played, Reply, Server, matrix};
use reelmill_http::{Body, Builder, Form, Guard, Method, Service, Settings};
use reelmill_sdk::prelude::*;
use reelmill_sdk::testing::Bench;
use reelmill_sdk::{FailureClass, StageError};
use std::path::Path;
use std::time::Duration;

const KEY: &str = "k-0123456789/+";

fn bench() -> Bench {
    Bench::new(Path::new("/nonexistent"))
}

fn service(base: &str) -> Builder {
    Service::new("the bank", format!("{base}/v1/"))
        .settings(Settings {
            address: "bank.url",
            key: "bank.key",
            timeout: "bank.timeout",
            ..Settings::default()
        })
        .bearer(KEY)
        .timeout(Duration::from_secs(20))
}

fn code(error: &StageError) -> (FailureClass, &str) {
    (error.class(), error.failure().code.as_str())
}

#[test]
fn every_way_of_failing_is_told_apart_and_no_key_is_seen() {
    let play = |case: &Case<'_>, builder: Builder| {
        let bench = bench();
        let timeout = Duration::from_secs(case.timeout_seconds.into());
        let result = (|| {
            let service = builder.secret(KEY).timeout(timeout).open()?;
            service.post("/things").json(&json!({ "key": KEY })).send(&bench.cx())?.json::<Value>()
        })();
        Played { result, logs: bench.logs().into_iter().map(|(_, text)| text).collect() }
    };
    let good = Reply::json(200, r#"{"fine":true}"#);
    matrix(KEY, &good, |case| play(case, service(case.base)));
    // A key in the address stands in what the client says of a failed connection.
    matrix(KEY, &good, |case| play(case, Service::new("the bank", case.base).secret_query("key", KEY)));
}

#[test]
fn a_request_carries_what_it_is_told() {
    let server = Server::always(Reply::json(200, "{}"));
    let bench = bench();
    let cx = bench.cx();
    let service = service(&server.base()).query("api", "2").header("x-own", "a").open().unwrap();
    service.get("/a b").query("q", "salt & sea").header("x-own", "b").send(&cx).unwrap();
    service.post("c").fields(&[("grant", "refresh me"), ("id", "1")]).send(&cx).unwrap();
    service.request(Method::DELETE, "?d=1").send(&cx).unwrap();
    service.post("e").send(&cx).unwrap();
    let versioned = Service::new("x", format!("{}/v1/?version=3", server.base())).open().unwrap();
    versioned.get("f?g=1").send(&cx).unwrap();
    let seen = server.requests();
    assert_eq!(
        (seen[0].method.as_str(), seen[0].target.as_str()),
        ("GET", "/v1/a%20b?api=2&q=salt%20%26%20sea")
    );
    assert_eq!(seen[0].header("authorization"), Some("Bearer k-0123456789/+"));
    assert_eq!(seen[0].header("x-own"), Some("b"));
    assert!(seen[0].header("user-agent").unwrap().starts_with("reelmill/"));
    assert_eq!(
        (seen[1].text().as_str(), seen[1].target.as_str()),
        ("grant=refresh%20me&id=1", "/v1/c?api=2")
    );
    assert_eq!(seen[1].header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!((seen[2].method.as_str(), seen[2].target.as_str()), ("DELETE", "/v1?d=1&api=2"));
    // A server may refuse a POST without a length.
    assert_eq!(seen[3].header("content-length"), Some("0"));
    assert_eq!(seen[4].target, "/v1/f?g=1&version=3");
}

#[test]
fn basic_credentials_are_sent_and_never_seen() {
    let echo = Reply::json(401, json!({ "message": "a:pass word or YTpwYXNzIHdvcmQ= is wrong" }));
    let server = Server::always(echo);
    let service = Service::new("x", server.base()).basic("a", "pass word").open().unwrap();
    let bench = bench();
    let error = service.get("/").send(&bench.cx()).err().unwrap();
    assert_eq!(server.requests()[0].header("authorization"), Some("Basic YTpwYXNzIHdvcmQ="));
    assert!(error.failure().message.ends_with("a:*** or *** is wrong"), "{error}");
}

#[test]
fn files_and_forms_are_sent_with_their_length() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clip.bin");
    std::fs::write(&path, "0123456789").unwrap();
    let server = Server::always(Reply::status(308).header("range", "bytes=0-5"));
    let bench = bench();
    let cx = bench.cx();
    let service = service(&server.base()).open().unwrap();
    let body = Body::File { media_type: "video/mp4".into(), path: path.clone(), from: 2, length: 4 };
    // 308 without an address is how a resumable upload says: go on.
    let answer = service.put("/up").header("content-range", "bytes 2-5/10").body(body).exchange(&cx).unwrap();
    assert_eq!((answer.status(), answer.header("range")), (308, Some("bytes=0-5")));
    service.post("/form").form(Form::new().file("f", "clip.bin", "x/y", &path)).exchange(&cx).unwrap();
    let seen = server.requests();
    assert_eq!((seen[0].text().as_str(), seen[0].header("content-length")), ("2345", Some("4")));
    assert_eq!(
        (seen[0].header("content-type"), seen[0].header("transfer-encoding")),
        (Some("video/mp4"), None)
    );
    assert!(seen[1].text().contains("\r\n\r\n0123456789\r\n--"), "{}", seen[1].text());
    // A file that became shorter fails here, and says where.
    let body = Body::File { media_type: "x/y".into(), path, from: 8, length: 4 };
    let error = service.put("/up").body(body).exchange(&cx).err().unwrap();
    assert!(error.to_string().contains("shorter"), "{error}");
}

#[test]
fn a_redirect_is_not_followed() {
    let elsewhere = Server::always(Reply::status(200));
    let server = Server::always(Reply::status(302).header("location", &elsewhere.base()));
    let bench = bench();
    let error = service(&server.base()).open().unwrap().get("/").send(&bench.cx()).err().unwrap();
    assert_eq!(code(&error), (FailureClass::InvalidConfig, "redirected"));
    assert!(elsewhere.requests().is_empty());
}

#[test]
fn another_host_that_the_service_names_gets_no_key_and_has_to_be_public() {
    let other = Server::always(Reply::json(200, "{}"));
    let bench = bench();
    let cx = bench.cx();
    let own = service("http://127.0.0.1:1").query("api", "2");
    let error = own.open().unwrap().put(&format!("{}/up", other.base())).send(&cx).err().unwrap();
    assert_eq!(code(&error), (FailureClass::InvalidInput, "refused_address"));
    assert!(other.requests().is_empty());
    let own = service("http://127.0.0.1:1").query("api", "2").guard(Guard::public().allow(["127.0.0.1"]));
    own.open().unwrap().put(&format!("{}/up", other.base())).send(&cx).unwrap();
    let seen = &other.requests()[0];
    assert_eq!((seen.target.as_str(), seen.header("authorization")), ("/up", None));
}

#[test]
fn a_guarded_service_has_to_be_public() {
    let bench = bench();
    for host in ["127.0.0.1", "[::1]", "localhost", "2130706433", "0x7f.1", "[::ffff:169.254.169.254]"] {
        let service = Service::new("the page", format!("http://{host}:9/")).guarded().open().unwrap();
        let error = service.get("/").send(&bench.cx()).err().unwrap();
        assert_eq!(code(&error), (FailureClass::InvalidInput, "refused_address"), "{host}: {error}");
    }
}

#[test]
fn addresses_and_keys_that_cannot_be_are_found_before_anything_is_sent() {
    for (builder, word) in [
        (Service::new("x", "ftp://x"), "the address of x must start with http://"),
        (Service::new("x", "http://a:b@x/"), "password"),
        (service("http://x").bearer("a\nb"), "`bank.key` holds"),
        (Service::new("x", "http://x").secret_query("key", "a\u{7}"), "the key for x holds"),
    ] {
        let error = builder.open().err().unwrap();
        assert_eq!(error.class(), FailureClass::InvalidConfig);
        assert!(error.failure().message.contains(word), "{error}");
    }
}

#[test]
fn nobody_listening_and_nobody_of_that_name_are_dependencies() {
    let bench = bench();
    let base = Server::always(Reply::status(200)).base();
    let error = service(&base).open().unwrap().get("/").send(&bench.cx()).err().unwrap();
    assert_eq!(code(&error), (FailureClass::Dependency, "connection"));
    let error =
        service("http://no-such-host.invalid").open().unwrap().get("/").send(&bench.cx()).err().unwrap();
    assert_eq!(code(&error), (FailureClass::Dependency, "no_such_host"), "{error}");
}

#[test]
fn an_answer_that_is_too_large_is_not_read() {
    let bench = bench();
    let server = Server::always(Reply::json(200, "[1,2,3,4]"));
    let service = service(&server.base()).answer_bytes_max(4).open().unwrap();
    let error = service.get("/").send(&bench.cx()).err().unwrap();
    assert_eq!(code(&error), (FailureClass::Permanent, "too_large"));
}

#[test]
fn an_answer_is_saved_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.wav");
    let bench = bench();
    let cx = bench.cx();
    let wave = || Reply::body(200, "audio/wav", "0123456789");
    let server =
        Server::in_turn([wave(), wave().cut_after(3), Reply::status(500), wave(), wave().silent_after(3)]);
    let service = service(&server.base()).timeout(Duration::from_secs(1)).open().unwrap();
    let (answer, saved) = service.get("/").save(&path, 10, &cx).unwrap();
    assert_eq!((answer.media_type().as_str(), saved.bytes), ("audio/wav", 10));
    assert_eq!(std::fs::read(&path).unwrap(), b"0123456789");
    for (max, code) in [(10, "connection"), (10, "endpoint_failed"), (9, "too_large"), (10, "timeout")] {
        let error = service.get("/").save(&path, max, &cx).err().unwrap();
        assert_eq!(error.failure().code, code);
        assert!(!path.exists(), "{code}");
    }
}

#[test]
fn a_cancel_does_not_wait_for_the_answer() {
    let server = Server::always(Reply::mute());
    let bench = bench().cancel_at_question(2);
    let error = service(&server.base()).open().unwrap().get("/").send(&bench.cx()).err().unwrap();
    assert_eq!(error.class(), FailureClass::Cancelled);
}
