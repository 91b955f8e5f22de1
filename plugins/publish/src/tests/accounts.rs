//! Tokens: refreshed before they end, once when they are refused, and kept when they are replaced.

use super::{Place, bytes, content, serve, shared};
use crate::Youtube;
use reelmill_http::testing::{Case, Played, Reply, Server, matrix};
use reelmill_sdk::FailureClass;
use reelmill_sdk::prelude::*;

const REFRESH: &str = "1//refresh-secret-0";
const SECRET: &str = "app-secret-55";

fn with(place: &Place, base: &str) -> Value {
    json!({
        "video": place.file("video.mp4", "video/mp4", &bytes(9)), "title": "T", "base_url": base,
        "state": place.state(),
        "auth": {
            "refresh_token": REFRESH, "client_id": "app", "client_secret": SECRET, "token_url": format!("{base}/token")
        }
    })
}

/// A platform that takes one access token, and a token endpoint that gives out `at-N` and replaces refresh tokens.
fn platform(good: fn(usize) -> bool) -> Server {
    let issued = shared(0_usize);
    serve(move |seen, base| {
        let mut issued = issued.lock().unwrap();
        if seen.path() == "/token" {
            let expected = if *issued == 0 { REFRESH.to_owned() } else { format!("rt-secret-{issued}") };
            assert_eq!(
                seen.text(),
                format!(
                    "grant_type=refresh_token&refresh_token={}&client_id=app&client_secret={SECRET}",
                    reelmill_http::encode(&expected)
                )
            );
            *issued += 1;
            return Reply::json(
                200,
                json!({
                    "access_token": format!("at-secret-{issued}"), "expires_in": 3600, "refresh_token": format!("rt-secret-{issued}")
                }),
            );
        }
        let number = seen.header("authorization").and_then(|text| text.rsplit('-').next()?.parse().ok());
        match number {
            Some(number) if good(number) && seen.method == "POST" => {
                Reply::status(200).header("location", &format!("{base}/session"))
            }
            Some(number) if good(number) => Reply::json(200, json!({ "id": "vid" })),
            _ => Reply::json(
                401,
                json!({ "error": { "message": format!("{:?}", seen.header("authorization")) } }),
            ),
        }
    })
}

fn refreshes(server: &Server) -> usize {
    server.requests().iter().filter(|seen| seen.path() == "/token").count()
}

#[test]
fn a_token_is_got_once_and_the_replaced_refresh_token_is_used_afterwards() {
    let (place, server) = (Place::new(), platform(|_| true));
    for task in ["a", "b"] {
        place.attempt::<Youtube>(task, with(&place, &server.base())).0.unwrap();
    }
    assert_eq!(refreshes(&server), 1, "the second upload has the token of the first");
    // The access token is near its end: the next refresh is made with the token that replaced the given one.
    let state = place.state();
    let file = std::fs::read_dir(&state).unwrap().flatten().map(|entry| entry.path());
    let file = file
        .into_iter()
        .find(|path| path.to_string_lossy().contains("account") && path.extension().unwrap() == "json");
    let file = file.unwrap();
    let mut kept: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    kept["expires_at"] = json!(1);
    std::fs::write(&file, kept.to_string()).unwrap();
    place.attempt::<Youtube>("c", with(&place, &server.base())).0.unwrap();
    assert_eq!(refreshes(&server), 2);
    assert!(content(&state).contains("rt-secret-2"), "it is kept");
}

#[test]
fn a_refused_token_is_replaced_once() {
    let (place, server) = (Place::new(), platform(|number| number == 2));
    let (result, logs) = place.attempt::<Youtube>("a", with(&place, &server.base()));
    assert_eq!(result.unwrap()["id"], "vid");
    assert_eq!(refreshes(&server), 2);
    let (place, server) = (Place::new(), platform(|_| false));
    let (result, more) = place.attempt::<Youtube>("a", with(&place, &server.base()));
    let error = result.unwrap_err();
    assert_eq!((error.class(), refreshes(&server)), (FailureClass::InvalidConfig, 2));
    let shown = format!("{logs} {more} {}", serde_json::to_string(error.failure()).unwrap());
    for secret in ["at-secret", "rt-secret", "refresh-secret", SECRET] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn a_withdrawn_refresh_token_says_what_to_do() {
    for (reply, class, code) in [
        (
            Reply::json(
                400,
                json!({ "error": "invalid_grant", "error_description": format!("{REFRESH} expired") }),
            ),
            FailureClass::InvalidConfig,
            "invalid_grant",
        ),
        (
            Reply::json(200, json!({ "error": "invalid_grant", "error_description": "replaced" })),
            FailureClass::InvalidConfig,
            "invalid_grant",
        ),
        (
            Reply::json(401, json!({ "error": "invalid_client" })),
            FailureClass::InvalidConfig,
            "invalid_client",
        ),
        (Reply::status(503), FailureClass::Dependency, "endpoint_failed"),
        (Reply::status(429).header("retry-after", "3"), FailureClass::Transient, "rate_limited"),
        (Reply::json(200, json!({ "expires_in": 3 })), FailureClass::Dependency, "malformed_answer"),
        (Reply::body(200, "text/html", "<html>"), FailureClass::Dependency, "malformed_answer"),
        (
            Reply::json(200, json!({ "access_token": "x" })).cut_after(4),
            FailureClass::Dependency,
            "connection",
        ),
    ] {
        let place = Place::new();
        let server = Server::always(reply);
        let error = place.run::<Youtube>(with(&place, &server.base())).unwrap_err();
        assert_eq!((error.class(), error.failure().code.as_str()), (class, code), "{error}");
        assert!(!error.to_string().contains(REFRESH) && server.requests().len() == 1, "{error}");
    }
}

#[test]
fn the_token_endpoint_tells_its_failures_apart_and_no_token_is_seen() {
    let platform = platform(|_| true);
    let good = Reply::json(200, json!({ "access_token": "at-secret-1", "expires_in": 3600 }));
    matrix(REFRESH, &good, |case: &Case<'_>| {
        let place = Place::new();
        let mut with = with(&place, &platform.base());
        with["auth"]["token_url"] = json!(format!("{}/token", case.base));
        with["auth"]["timeout_seconds"] = json!(case.timeout_seconds);
        let (result, logs) = place.attempt::<Youtube>("a", with);
        let shown = format!("{logs} {result:?}");
        assert!(!shown.contains("at-secret") && !shown.contains(SECRET), "{}: {shown}", case.name);
        Played { result, logs: vec![logs] }
    });
}

#[test]
fn two_uploads_of_one_task_do_not_run_at_once() {
    let place = Place::new();
    let ledger = crate::ledger::Ledger::<Vec<u8>>::open(&place.state(), "upload-youtube", "t").unwrap();
    let error = place.attempt::<Youtube>("t", with(&place, "http://127.0.0.1:9")).0.unwrap_err();
    assert_eq!((error.class(), error.failure().code.as_str()), (FailureClass::Transient, "busy"));
    drop(ledger);
}
