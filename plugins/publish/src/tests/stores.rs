//! `publish.s3` and `publish.webhook`.

use super::{Place, TOKEN, bytes};
use crate::{S3, Webhook};
use reelmill_http::testing::{Reply, Server};
use reelmill_sdk::FailureClass;
use reelmill_sdk::prelude::*;

const SIGNATURE: &str = "5d672d79c15b13162d9279b0855cfba6";

fn host(base: &str) -> &str {
    base.strip_prefix("http://").unwrap()
}

fn object(place: &Place, base: &str) -> Value {
    json!({
        "file": place.file("v.mp4", "video/mp4", &bytes(5_000)), "allow_hosts": [host(base)], "timeout_seconds": 20,
        "url": format!("{base}/bucket/v.mp4?X-Amz-Expires=900&X-Amz-Signature={SIGNATURE}"),
        "headers": { "x-amz-acl": "public-read" }
    })
}

#[test]
fn a_file_goes_to_a_presigned_address() {
    let place = Place::new();
    let server = Server::always(Reply::status(200).header("etag", "\"abc\""));
    let output = place.run::<S3>(object(&place, &server.base())).unwrap();
    assert_eq!(
        output,
        json!({ "url": format!("{}/bucket/v.mp4", server.base()), "etag": "abc", "bytes": 5_000 })
    );
    let seen = &server.requests()[0];
    assert_eq!((seen.method.as_str(), seen.body.len()), ("PUT", 5_000));
    assert!(seen.target.ends_with(SIGNATURE));
    assert_eq!(
        (seen.header("x-amz-acl"), seen.header("content-type")),
        (Some("public-read"), Some("video/mp4"))
    );
}

#[test]
fn a_store_fails_in_its_own_words_and_without_the_signature() {
    for (reply, class, code) in [
        (
            Reply::body(403, "application/xml", format!("<Error>{SIGNATURE} expired</Error>")),
            FailureClass::InvalidConfig,
            "refused_signature",
        ),
        (Reply::status(401), FailureClass::InvalidConfig, "unauthorized"),
        (Reply::status(429).header("retry-after", "4"), FailureClass::Transient, "rate_limited"),
        (Reply::status(503), FailureClass::Dependency, "endpoint_failed"),
        (Reply::body(200, "text/plain", "12345").cut_after(1), FailureClass::Dependency, "connection"),
    ] {
        let place = Place::new();
        let server = Server::always(reply);
        let error = place.run::<S3>(object(&place, &server.base())).unwrap_err();
        assert_eq!((error.class(), error.failure().code.as_str()), (class, code));
        assert!(!serde_json::to_string(error.failure()).unwrap().contains(SIGNATURE), "{error}");
    }
    let place = Place::new();
    let server = Server::always(Reply::mute());
    let mut with = object(&place, &server.base());
    with["timeout_seconds"] = json!(1);
    assert_eq!(place.run::<S3>(with.clone()).unwrap_err().failure().code, "timeout");
    with["allow_hosts"] = json!([]);
    let error = place.run::<S3>(with).unwrap_err();
    assert_eq!(error.failure().code, "refused_address");
    assert!(!error.to_string().contains(SIGNATURE));
}

fn call(base: &str) -> Value {
    json!({
        "url": format!("{base}/hook"), "body": { "event": "video.published", "n": 1 }, "secret": "hook-secret-9",
        "token": TOKEN, "allow_hosts": [host(base)], "timeout_seconds": 20
    })
}

#[test]
fn a_call_is_signed_as_triggers_take_it_and_carries_the_task_s_token() {
    let place = Place::new();
    let server = Server::always(Reply::json(202, r#"{"run":"r1"}"#));
    let output = place.attempt::<Webhook>("run-7", call(&server.base())).0.unwrap();
    assert_eq!(output, json!({ "status": 202, "answer": { "run": "r1" }, "known": false }));
    let seen = &server.requests()[0];
    assert_eq!(seen.header("idempotency-key"), Some("run-7"));
    assert_eq!(seen.text(), r#"{"event":"video.published","n":1}"#);
    let time = seen.header("x-reelmill-timestamp").unwrap();
    let sign = seen.header("x-reelmill-signature").unwrap();
    let signed = std::process::Command::new("openssl")
        .args(["dgst", "-sha256", "-hmac", "hook-secret-9", "-hex"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn();
    // What the README shows for calls in.
    if let Ok(mut openssl) = signed {
        use std::io::Write as _;
        let text = format!("v1:{time}:{}", seen.text());
        openssl.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let said = String::from_utf8(openssl.wait_with_output().unwrap().stdout).unwrap();
        assert_eq!(sign, format!("sha256={}", said.trim().rsplit(' ').next().unwrap()));
    }
    assert_eq!(sign.len(), 71);
}

#[test]
fn whoever_knows_it_already_is_told_enough() {
    let place = Place::new();
    let server = Server::always(Reply::body(409, "text/plain", format!("seen {TOKEN}")));
    let output = place.run::<Webhook>(call(&server.base())).unwrap();
    assert_eq!(output, json!({ "status": 409, "answer": "seen ***", "known": true }));
}

#[test]
fn every_way_of_failing_is_known() {
    // An answer of any form is an answer: only what the line does can be wrong with it.
    for (reply, class, code) in [
        (
            Reply::json(401, json!({ "message": format!("no {TOKEN}") })),
            FailureClass::InvalidConfig,
            "unauthorized",
        ),
        (Reply::status(429).header("retry-after", "7"), FailureClass::Transient, "rate_limited"),
        (Reply::status(500), FailureClass::Dependency, "endpoint_failed"),
        (
            Reply::status(302).header("location", "http://169.254.169.254/"),
            FailureClass::InvalidConfig,
            "redirected",
        ),
        (Reply::body(200, "text/plain", "12345").cut_after(1), FailureClass::Dependency, "connection"),
        (Reply::body(200, "text/plain", "x".repeat(5 << 20)), FailureClass::Permanent, "too_large"),
    ] {
        let place = Place::new();
        let server = Server::always(reply);
        let error = place.run::<Webhook>(call(&server.base())).unwrap_err();
        assert_eq!((error.class(), error.failure().code.as_str()), (class, code));
        assert!(!error.to_string().contains(TOKEN) && !error.to_string().contains("hook-secret"), "{error}");
    }
    let place = Place::new();
    let server = Server::always(Reply::mute());
    let mut with = call(&server.base());
    with["timeout_seconds"] = json!(1);
    assert_eq!(place.run::<Webhook>(with.clone()).unwrap_err().failure().code, "timeout");
    with["allow_hosts"] = json!([]);
    assert_eq!(place.run::<Webhook>(with).unwrap_err().failure().code, "refused_address");
}

#[test]
fn answers_are_put_out_in_part() {
    let place = Place::new();
    let server = Server::always(Reply::body(200, "text/plain", "\u{e9}".repeat(20_000)));
    let output = place.run::<Webhook>(call(&server.base())).unwrap();
    assert!(output["answer"].as_str().unwrap().len() <= 16 << 10);
}
