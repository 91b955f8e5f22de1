//! `publish.tiktok`.

use super::{Place, TOKEN, bytes, range, serve, shared};
use crate::Tiktok;
use reelmill_http::testing::{Case, Played, Reply, Seen, matrix};
use reelmill_sdk::FailureClass;
use reelmill_sdk::prelude::*;
use reelmill_sdk::testing::Bench;
use std::sync::{Arc, Mutex};

const MB: usize = 1_000_000;

fn with(place: &Place, base: &str, video: &[u8]) -> Value {
    json!({
        "video": place.file("video.mp4", "video/mp4", video), "title": "Tides #sea", "part_mb": 5, "poll_seconds": 0.0,
        "wait_seconds": 20, "timeout_seconds": 20, "base_url": base, "state": place.state(),
        "auth": { "access_token": TOKEN }
    })
}

fn ok(data: &Value) -> Reply {
    Reply::json(200, json!({ "data": data, "error": { "code": "ok", "message": "", "log_id": "l" } }))
}

fn no(status: u16, code: &str) -> Reply {
    Reply::json(
        status,
        json!({ "data": {}, "error": { "code": code, "message": format!("no: {TOKEN}"), "log_id": "l" } }),
    )
}

/// The platform: begins posts, takes parts, and has a post after the second look.
#[derive(Clone, Default)]
struct Platform(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    begun: usize,
    stored: Vec<u8>,
    size: usize,
    looks: usize,
}

impl Platform {
    fn answer(&self, seen: &Seen, base: &str) -> Reply {
        let mut state = self.0.lock().unwrap();
        match seen.path() {
            "/v2/post/publish/video/init/" | "/v2/post/publish/inbox/video/init/" => {
                state.begun += 1;
                state.stored.clear();
                let source = &seen.json()["source_info"];
                let number = |name: &str| usize::try_from(source[name].as_u64().unwrap()).unwrap();
                state.size = number("video_size");
                assert_eq!(number("total_chunk_count"), (state.size / number("chunk_size")).max(1));
                ok(
                    &json!({ "publish_id": format!("p-{}", state.begun), "upload_url": format!("{base}/up?sig=up-secret") }),
                )
            }
            "/up" => {
                let (first, last, size) = range(seen).unwrap();
                if first != state.stored.len() {
                    return Reply::status(416);
                }
                assert_eq!((last - first + 1, size), (seen.body.len(), state.size));
                state.stored.extend(&seen.body);
                Reply::status(if state.stored.len() == size { 201 } else { 206 })
            }
            "/v2/post/publish/status/fetch/" => {
                assert_eq!(seen.json()["publish_id"], format!("p-{}", state.begun));
                if state.stored.len() < state.size {
                    return ok(
                        &json!({ "status": "PROCESSING_UPLOAD", "uploaded_bytes": state.stored.len() }),
                    );
                }
                state.looks += 1;
                if state.looks < 2 {
                    return ok(&json!({ "status": "PROCESSING_UPLOAD", "uploaded_bytes": state.size }));
                }
                ok(
                    &json!({ "status": "PUBLISH_COMPLETE", "publicaly_available_post_id": [7_350_000_000_000_000_001_u64] }),
                )
            }
            other => panic!("{other}"),
        }
    }
}

#[test]
fn a_video_is_sent_in_parts_and_posted_once() {
    let (place, platform) = (Place::new(), Platform::default());
    let server = serve({
        let platform = platform.clone();
        move |seen, base| platform.answer(seen, base)
    });
    let video = bytes(12 * MB);
    let with = with(&place, &server.base(), &video);
    let (result, logs) = place.attempt::<Tiktok>("t", with.clone());
    let output = result.unwrap();
    assert_eq!(
        (&output["id"], &output["status"]),
        (&json!("7350000000000000001"), &json!("PUBLISH_COMPLETE"))
    );
    assert_eq!(platform.0.lock().unwrap().stored, video);
    let requests = server.requests();
    let parts: Vec<_> = requests.iter().filter_map(range).map(|(first, last, _)| last - first + 1).collect();
    assert_eq!(parts, [5 * MB, 7 * MB], "the last part takes what is left");
    let info = &requests[0].json()["post_info"];
    assert_eq!((&info["title"], &info["privacy_level"]), (&json!("Tides #sea"), &json!("SELF_ONLY")));
    let sent = requests.len();
    assert_eq!(place.attempt::<Tiktok>("t", with).0.unwrap()["resumed"], true);
    assert_eq!(server.requests().len(), sent);
    assert!(!logs.contains("up-secret") && !output.to_string().contains("up-secret"));
}

#[test]
fn a_part_that_was_lost_is_sent_again_and_one_that_arrived_is_not() {
    let (place, platform, count) = (Place::new(), Platform::default(), shared(0));
    let server = serve({
        let platform = platform.clone();
        move |seen, base| {
            if seen.path() != "/up" {
                return platform.answer(seen, base);
            }
            let mut count = count.lock().unwrap();
            *count += 1;
            match *count {
                1 => Reply::status(500),
                // It arrives, and the line breaks before the answer.
                2 => {
                    platform.answer(seen, base);
                    Reply::body(206, "text/plain", "x").cut_after(0)
                }
                _ => platform.answer(seen, base),
            }
        }
    });
    let video = bytes(11 * MB);
    place.run::<Tiktok>(with(&place, &server.base(), &video)).unwrap();
    assert_eq!(platform.0.lock().unwrap().stored, video);
}

#[test]
fn an_attempt_that_ran_out_of_patience_is_gone_on_with() {
    let (place, platform) = (Place::new(), Platform::default());
    let server = serve({
        let platform = platform.clone();
        move |seen, base| platform.answer(seen, base)
    });
    let mut with = with(&place, &server.base(), &bytes(9));
    with["wait_seconds"] = json!(0);
    let error = place.run::<Tiktok>(with.clone()).unwrap_err();
    assert_eq!((error.class(), error.failure().code.as_str()), (FailureClass::Transient, "still_processing"));
    let output = place.run::<Tiktok>(with).unwrap();
    assert_eq!((&output["resumed"], platform.0.lock().unwrap().begun), (&json!(true), 1));
}

#[test]
fn a_place_to_upload_that_is_no_more_begins_anew() {
    let (place, platform) = (Place::new(), Platform::default());
    let is_first = shared(true);
    let server = serve({
        let platform = platform.clone();
        move |seen, base| {
            if seen.path() == "/up" && std::mem::take(&mut *is_first.lock().unwrap()) {
                return Reply::status(403);
            }
            platform.answer(seen, base)
        }
    });
    place.run::<Tiktok>(with(&place, &server.base(), &bytes(9))).unwrap();
    assert_eq!(platform.0.lock().unwrap().begun, 2);
}

#[test]
fn refusals_are_told_apart() {
    use FailureClass::{Dependency, InvalidConfig, InvalidInput, Permanent, Resource, Transient};
    for (status, code, class, own) in [
        (429, "rate_limit_exceeded", Transient, "rate_limited"),
        (403, "spam_risk_too_many_posts", Resource, "quota_exceeded"),
        (403, "reached_active_user_cap", Resource, "quota_exceeded"),
        (403, "unaudited_client_can_only_post_to_private_accounts", InvalidConfig, "not_audited"),
        (401, "scope_not_authorized", InvalidConfig, "not_permitted"),
        (200, "access_token_invalid", InvalidConfig, "unauthorized"),
        (403, "privacy_level_option_mismatch", InvalidInput, "audience"),
        (403, "spam_risk_user_banned_from_posting", Permanent, "banned"),
        (500, "internal_error", Dependency, "endpoint_failed"),
        (400, "invalid_param", InvalidInput, "refused_request"),
        (200, "something_new", InvalidInput, "refused_request"),
    ] {
        let place = Place::new();
        let server = serve(move |_, _| no(status, code));
        let error = place.run::<Tiktok>(with(&place, &server.base(), &bytes(9))).unwrap_err();
        assert_eq!((error.class(), error.failure().code.as_str()), (class, own), "{code}");
        assert!(!error.to_string().contains(TOKEN), "{error}");
    }
}

#[test]
fn a_post_that_is_given_up_says_why_and_is_not_gone_on_with() {
    use FailureClass::{Dependency, Permanent, Resource};
    for (reason, class) in [
        ("file_format_check_failed", Permanent),
        ("internal", Dependency),
        ("spam_risk_too_many_posts", Resource),
    ] {
        let (place, platform) = (Place::new(), Platform::default());
        let server = serve({
            let platform = platform.clone();
            move |seen, base| match seen.path() {
                "/v2/post/publish/status/fetch/" => ok(&json!({ "status": "FAILED", "fail_reason": reason })),
                _ => platform.answer(seen, base),
            }
        });
        let with = with(&place, &server.base(), &bytes(9));
        let error = place.run::<Tiktok>(with.clone()).unwrap_err();
        assert_eq!(error.class(), class, "{reason}");
        assert!(error.to_string().contains(reason));
        let _ = place.run::<Tiktok>(with);
        assert_eq!(platform.0.lock().unwrap().begun, 2, "{reason}");
    }
}

#[test]
fn every_way_of_failing_is_known() {
    let data = json!({ "publish_id": "p", "upload_url": "http://127.0.0.1:9/never", "status": "SEND_TO_USER_INBOX" });
    matrix(TOKEN, &ok(&data), |case: &Case<'_>| {
        let place = Place::new();
        let mut with = with(&place, case.base, &bytes(9));
        with["timeout_seconds"] = json!(case.timeout_seconds);
        with["draft"] = json!(true);
        let played = Played::stage::<Tiktok>(&Bench::new(place.folder.path()), with);
        if case.name != "success" {
            return played;
        }
        // The place to upload to lies where nobody may be led.
        assert_eq!(played.result.as_ref().unwrap_err().failure().code, "refused_address");
        Played { result: Ok(Value::Null), logs: played.logs }
    });
}
