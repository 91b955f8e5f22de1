//! What becomes of services and servers that fail.

use super::{KEY, file, names, photos, pictures, run, serve};
use crate::Fetch;
use reelmill_http::testing::{Case, Played, Reply, Server, matrix};
use reelmill_sdk::FailureClass;
use reelmill_sdk::prelude::*;
use reelmill_sdk::testing::Bench;

#[test]
fn every_service_fails_in_its_own_words_and_without_its_key() {
    for (provider, good) in [
        ("pexels", json!({ "photos": [] })),
        ("pixabay", json!({ "hits": [] })),
        ("openverse", json!({ "results": [] })),
    ] {
        matrix(KEY, &Reply::json(200, &good), |case: &Case<'_>| {
            let scratch = tempfile::tempdir().unwrap();
            let mut with = pictures(provider, case.base);
            with["sources"][0]["timeout_seconds"] = json!(case.timeout_seconds);
            Played::stage::<Fetch>(&Bench::new(scratch.path()), with)
        });
    }
    matrix(KEY, &Reply::json(200, json!({ "hits": [] })), |case: &Case<'_>| {
        let scratch = tempfile::tempdir().unwrap();
        let mut with = pictures("coverr", case.base);
        with["kinds"] = json!("clips");
        with["sources"][0]["timeout_seconds"] = json!(case.timeout_seconds);
        Played::stage::<Fetch>(&Bench::new(scratch.path()), with)
    });
}

#[test]
fn commons_is_asked_without_a_key_and_by_name() {
    for (reply, class, code) in [
        (Reply::status(429).header("retry-after", "9"), FailureClass::Transient, "rate_limited"),
        (Reply::status(503), FailureClass::Dependency, "endpoint_failed"),
        (
            Reply::json(200, json!({ "error": { "code": "internal_api_error" } })),
            FailureClass::Dependency,
            "malformed_answer",
        ),
        (Reply::body(200, "text/html", "<html>"), FailureClass::Dependency, "malformed_answer"),
        (Reply::body(200, "text/plain", vec![b' '; 99]).cut_after(3), FailureClass::Dependency, "connection"),
    ] {
        let server = Server::always(reply);
        let mut with = pictures("commons", &server.base());
        with["sources"][0]["keys"] = json!([]);
        let error = run::<Fetch>(with).result.unwrap_err();
        assert_eq!((error.class(), error.failure().code.as_str()), (class, code));
        let agent = server.requests()[0].header("user-agent").unwrap().to_owned();
        assert!(agent.starts_with("reelmill/") && agent.contains("footage"), "{agent}");
    }
}

#[test]
fn keys_take_turns_and_a_spent_one_is_left_alone() {
    let server = serve(|seen, base| match (seen.path(), seen.header("authorization")) {
        ("/v1/search", Some("k1")) => Reply::status(429).header("retry-after", "600"),
        ("/v1/search", Some("k2")) => Reply::status(401),
        ("/v1/search", Some("k3")) if seen.target.contains("query=sea") => photos(base, &[3]),
        ("/v1/search", _) => photos(base, &[]),
        _ => file(seen),
    });
    let mut with = pictures("pexels", &server.base());
    with["query"] = json!(["boat", "sea"]);
    with["sources"][0]["keys"] = json!(["k1", "k2", "k3"]);
    assert_eq!(names(&run::<Fetch>(with).result.unwrap()["items"]), ["pexels:photo-3"]);
    let used: Vec<String> =
        server.requests().iter().filter_map(|seen| seen.header("authorization").map(str::to_owned)).collect();
    assert_eq!(used, ["k1", "k2", "k3", "k3", "k3"]);
}

#[test]
fn when_all_keys_are_spent_the_shortest_pause_is_asked_for() {
    let server = Server::answering(|seen| {
        let pause = if seen.target.contains("key=k1") { "50" } else { "20" };
        if seen.target.contains("key=k3") {
            Reply::body(400, "text/plain", "[ERROR 400] Invalid or missing API key")
        } else {
            Reply::body(429, "text/plain", "API rate limit exceeded").header("x-ratelimit-reset", pause)
        }
    });
    let mut with = pictures("pixabay", &server.base());
    with["sources"][0]["keys"] = json!(["k1", "k2", "k3"]);
    let error = run::<Fetch>(with.clone()).result.unwrap_err();
    assert_eq!((error.class(), error.failure().retry_after_ms), (FailureClass::Transient, Some(20_000)));
    with["sources"][0]["keys"] = json!(["k3"]);
    let error = run::<Fetch>(with).result.unwrap_err();
    assert_eq!((error.class(), error.failure().code.as_str()), (FailureClass::InvalidConfig, "unauthorized"));
}

#[test]
fn what_one_service_lacks_another_may_have() {
    let server = serve(|seen, base| match seen.path() {
        "/v1/search" => Reply::status(503),
        "/api/" => Reply::json(
            200,
            json!({ "hits": [{
                "id": 8, "tags": "wave", "largeImageURL": format!("{base}/file/8"), "imageWidth": 64, "imageHeight": 48, "user": "U"
            }]}),
        ),
        _ => file(seen),
    });
    let mut with = pictures("pexels", &server.base());
    let other = pictures("pixabay", &server.base())["sources"][0].clone();
    with["sources"].as_array_mut().unwrap().push(other);
    let output = run::<Fetch>(with).result.unwrap();
    assert_eq!(names(&output["items"]), ["pixabay:photo-8"]);
    assert!(output["notes"][0].as_str().unwrap().contains("pexels failed (HTTP 503)"), "{output}");
}

#[test]
fn what_cannot_be_had_gives_way_to_the_next() {
    let server = serve(|seen, base| match seen.path() {
        "/v1/search" => photos(base, &[1, 2, 3, 4]),
        "/file/1" => Reply::status(404),
        "/file/2" => Reply::body(200, "image/jpeg", "<html>gone</html>"),
        "/file/3" => Reply::body(200, "image/png", &b"\x89PNG\r\n\x1a\nbut no picture"[..]),
        _ => file(seen),
    });
    let run = run::<Fetch>(pictures("pexels", &server.base()));
    assert_eq!(names(&run.result.unwrap()["items"]), ["pexels:photo-4"]);
    assert!(run.logs.contains("pexels:photo-2 is no clip or picture by its content"), "{}", run.logs);
    assert!(run.logs.contains("pexels:photo-3 is not used"), "{}", run.logs);
}

#[test]
fn a_cut_download_goes_on_where_it_was() {
    let server = serve(|seen, base| match seen.path() {
        "/v1/search" => photos(base, &[7]),
        _ if seen.header("range").is_none() => file(seen).cut_after(2000),
        _ => file(seen),
    });
    let run = run::<Fetch>(pictures("pexels", &server.base()));
    assert_eq!(names(&run.result.unwrap()["items"]), ["pexels:photo-7"]);
    assert_eq!(server.requests().last().unwrap().header("range"), Some("bytes=2000-"));
}

#[test]
fn nobody_leads_a_download_into_the_private_network() {
    let inside = Server::answering(file);
    let place = inside.base();
    let server = serve(move |seen, base| match seen.path() {
        "/v1/search" => photos(base, &[1]),
        _ => Reply::status(302).header("location", &format!("{place}/file/1")),
    });
    let error = run::<Fetch>(pictures("pexels", &server.base())).result.unwrap_err();
    assert_eq!(error.failure().code, "refused_address");
    let with = json!({ "query": "wave", "urls": [format!("{}/file/1", inside.base())] });
    let error = run::<Fetch>(with).result.unwrap_err();
    assert!(error.failure().message.contains("`allow_hosts`"), "{error}");
    assert!(inside.requests().is_empty(), "the private server was reached");
}
