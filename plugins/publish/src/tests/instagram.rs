//! `publish.instagram`.

use super::{Place, TOKEN, bytes, serve, shared};
use crate::Instagram;
use reelmill_http::testing::{Case, Played, Reply, Seen, matrix};
use reelmill_sdk::FailureClass;
use reelmill_sdk::prelude::*;
use reelmill_sdk::testing::Bench;
use std::sync::{Arc, Mutex};

fn with(place: &Place, base: &str, video: &[u8]) -> Value {
    json!({
        "video": place.file("video.mp4", "video/mp4", video), "user_id": "178", "caption": "Tides #sea",
        "poll_seconds": 0.0, "wait_seconds": 20, "timeout_seconds": 20, "base_url": base, "state": place.state(),
        "auth": { "access_token": TOKEN }
    })
}

fn no(status: u16, code: i64, subcode: i64) -> Reply {
    let error = json!({ "message": format!("no: {TOKEN}"), "type": "OAuthException", "code": code, "error_subcode": subcode });
    Reply::json(status, json!({ "error": error }))
}

#[derive(Clone, Default)]
struct Platform(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    containers: usize,
    stored: Vec<u8>,
    looks: usize,
    published: usize,
}

impl Platform {
    fn answer(&self, seen: &Seen, base: &str) -> Reply {
        let mut state = self.0.lock().unwrap();
        if seen.path() != "/up/c-1" {
            assert!(seen.target.contains(&format!("access_token={TOKEN}")), "{}", seen.target);
        }
        match (seen.method.as_str(), seen.path()) {
            ("GET", "/178/content_publishing_limit") => {
                Reply::json(200, json!({ "data": [{ "quota_usage": 3, "config": { "quota_total": 50 } }] }))
            }
            ("POST", "/178/media") => {
                state.containers += 1;
                state.stored.clear();
                Reply::json(200, json!({ "id": "c-1", "uri": format!("{base}/up/c-1") }))
            }
            ("POST", "/up/c-1") => {
                assert_eq!(seen.header("authorization"), Some(format!("OAuth {TOKEN}").as_str()));
                assert_eq!(seen.header("offset"), Some(state.stored.len().to_string().as_str()));
                state.stored.extend(&seen.body);
                Reply::json(200, json!({ "success": true }))
            }
            ("GET", "/c-1") => {
                state.looks += 1;
                let code = if state.published > 0 {
                    "PUBLISHED"
                } else if state.looks < 2 {
                    "IN_PROGRESS"
                } else {
                    "FINISHED"
                };
                Reply::json(
                    200,
                    json!({
                        "status_code": code, "status": "s", "id": "c-1",
                        "video_status": { "uploading_phase": { "status": "in_progress", "bytes_transferred": state.stored.len() } }
                    }),
                )
            }
            ("POST", "/178/media_publish") => {
                assert_eq!(seen.text(), "creation_id=c-1");
                state.published += 1;
                Reply::json(200, json!({ "id": "m-9" }))
            }
            ("GET", "/m-9") => {
                Reply::json(200, json!({ "permalink": "https://www.instagram.com/reel/x/", "id": "m-9" }))
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_reel_is_uploaded_looked_after_and_published_once() {
    let (place, platform) = (Place::new(), Platform::default());
    let server = serve({
        let platform = platform.clone();
        move |seen, base| platform.answer(seen, base)
    });
    let video = bytes(3_000);
    let with = with(&place, &server.base(), &video);
    let output = place.run::<Instagram>(with.clone()).unwrap();
    assert_eq!((&output["id"], &output["url"]), (&json!("m-9"), &json!("https://www.instagram.com/reel/x/")));
    let fields = server.requests()[1].text();
    assert_eq!(fields, "media_type=REELS&caption=Tides%20%23sea&share_to_feed=true&upload_type=resumable");
    assert_eq!(platform.0.lock().unwrap().stored, video);
    assert_eq!(place.run::<Instagram>(with).unwrap()["resumed"], true);
    assert_eq!(platform.0.lock().unwrap().published, 1);
}

#[test]
fn a_lost_answer_to_publishing_does_not_publish_twice() {
    let (place, platform) = (Place::new(), Platform::default());
    let server = serve({
        let platform = platform.clone();
        move |seen, base| {
            let reply = platform.answer(seen, base);
            if seen.path() == "/178/media_publish" { reply.cut_after(3) } else { reply }
        }
    });
    let with = with(&place, &server.base(), &bytes(50));
    assert_eq!(place.run::<Instagram>(with.clone()).unwrap_err().failure().code, "connection");
    let output = place.run::<Instagram>(with).unwrap();
    assert_eq!(
        (&output["status"], &output["id"], platform.0.lock().unwrap().published),
        (&json!("PUBLISHED"), &json!(""), 1)
    );
}

#[test]
fn an_upload_goes_on_where_it_was_cut() {
    let (place, platform, count) = (Place::new(), Platform::default(), shared(0));
    let server = serve({
        let platform = platform.clone();
        move |seen, base| {
            if seen.path() != "/up/c-1" {
                return platform.answer(seen, base);
            }
            let mut count = count.lock().unwrap();
            *count += 1;
            match *count {
                1 => {
                    platform.0.lock().unwrap().stored.extend(&seen.body[..700]);
                    Reply::json(
                        500,
                        json!({ "debug_info": { "retriable": true, "type": "x", "message": "again" } }),
                    )
                }
                _ => platform.answer(seen, base),
            }
        }
    });
    let video = bytes(3_000);
    place.run::<Instagram>(with(&place, &server.base(), &video)).unwrap();
    assert_eq!(platform.0.lock().unwrap().stored, video);
}

#[test]
fn a_public_address_needs_no_upload() {
    let (place, platform) = (Place::new(), Platform::default());
    let server = serve(move |seen, base| platform.answer(seen, base));
    let mut with = with(&place, &server.base(), b"x");
    with.as_object_mut().unwrap().remove("video");
    with["video_url"] = json!("https://example.org/v.mp4");
    place.run::<Instagram>(with).unwrap();
    let requests = server.requests();
    assert!(requests[1].text().ends_with("video_url=https%3A%2F%2Fexample.org%2Fv.mp4"));
    assert!(requests.iter().all(|seen| !seen.path().starts_with("/up")));
}

#[test]
fn refusals_are_told_apart() {
    use FailureClass::{Dependency, InvalidConfig, InvalidInput, Resource, Transient};
    for (status, code, subcode, class, own) in [
        (400, 190, 0, InvalidConfig, "unauthorized"),
        (403, 4, 0, Transient, "rate_limited"),
        (400, 80_002, 0, Transient, "rate_limited"),
        (403, 9, 2_207_042, Resource, "quota_exceeded"),
        (403, 10, 0, InvalidConfig, "not_permitted"),
        (500, 2, 0, Dependency, "endpoint_failed"),
        (400, 100, 0, InvalidInput, "refused_request"),
        (200, 100, 0, InvalidInput, "refused_request"),
    ] {
        let place = Place::new();
        let server = serve(move |_, _| no(status, code, subcode));
        let error = place.run::<Instagram>(with(&place, &server.base(), &bytes(9))).unwrap_err();
        assert_eq!((error.class(), error.failure().code.as_str()), (class, own), "{code}");
        assert!(!error.to_string().contains(TOKEN), "{error}");
    }
}

#[test]
fn a_full_day_is_known_before_a_container_is_made() {
    let place = Place::new();
    let server = serve(|_, _| {
        Reply::json(200, json!({ "data": [{ "quota_usage": 50, "config": { "quota_total": 50 } }] }))
    });
    let error = place.run::<Instagram>(with(&place, &server.base(), &bytes(9))).unwrap_err();
    assert_eq!((error.class(), error.failure().code.as_str()), (FailureClass::Resource, "quota_exceeded"));
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_video_that_is_not_taken_is_not_gone_on_with() {
    for (code, class) in [("ERROR", FailureClass::Permanent), ("EXPIRED", FailureClass::Dependency)] {
        let (place, platform) = (Place::new(), Platform::default());
        let server = serve({
            let platform = platform.clone();
            move |seen, base| match seen.path() {
                "/c-1" => Reply::json(
                    200,
                    json!({ "status_code": code, "status": format!("Error: 2207026 {TOKEN}") }),
                ),
                _ => platform.answer(seen, base),
            }
        });
        let with = with(&place, &server.base(), &bytes(9));
        let error = place.run::<Instagram>(with.clone()).unwrap_err();
        assert_eq!(error.class(), class);
        assert!(!error.to_string().contains(TOKEN), "{error}");
        let _ = place.run::<Instagram>(with);
        assert_eq!(platform.0.lock().unwrap().containers, 2);
    }
}

#[test]
fn every_way_of_failing_is_known() {
    let good = json!({ "id": "c-1", "data": [], "status_code": "FINISHED" });
    matrix(TOKEN, &Reply::json(200, &good), |case: &Case<'_>| {
        let place = Place::new();
        let mut with = with(&place, case.base, b"x");
        with.as_object_mut().unwrap().remove("video");
        with["video_url"] = json!("https://example.org/v.mp4");
        with["timeout_seconds"] = json!(case.timeout_seconds);
        Played::stage::<Instagram>(&Bench::new(place.folder.path()), with)
    });
}
