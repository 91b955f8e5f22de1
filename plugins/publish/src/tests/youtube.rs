//! `publish.youtube` and `publish.youtube_delete`.

use super::{Place, TOKEN, bytes, range, serve, shared};
use crate::{Youtube, YoutubeDelete};
use reelmill_http::testing::{Case, Played, Reply, Seen, Server, matrix};
use reelmill_sdk::FailureClass;
use reelmill_sdk::prelude::*;
use reelmill_sdk::testing::Bench;
use std::sync::{Arc, Mutex};

const MIB: usize = 1 << 20;

fn with(place: &Place, base: &str, video: &[u8]) -> Value {
    json!({
        "video": place.file("video.mp4", "video/mp4", video), "title": "Tides", "description": "Twice a day.",
        "tags": ["sea", "tides"], "privacy": "unlisted", "part_mib": 1, "timeout_seconds": 20, "base_url": base,
        "state": place.state(), "auth": { "access_token": TOKEN }
    })
}

/// A session as the protocol has it: it takes parts in order and says how far it is.
#[derive(Clone, Default)]
struct Session(Arc<Mutex<Vec<u8>>>);

impl Session {
    fn put(&self, seen: &Seen) -> Reply {
        let mut stored = self.0.lock().unwrap();
        let size = match range(seen) {
            Some((first, last, size)) => {
                assert_eq!(first, stored.len(), "parts come in order");
                assert_eq!(last - first + 1, seen.body.len());
                stored.extend(&seen.body);
                size
            }
            None => seen.header("content-range").unwrap().strip_prefix("bytes */").unwrap().parse().unwrap(),
        };
        Self::far(&stored, size)
    }

    fn far(stored: &[u8], size: usize) -> Reply {
        if stored.len() == size {
            return Reply::json(
                200,
                json!({ "id": "vid-1", "status": { "uploadStatus": "uploaded", "privacyStatus": "unlisted" } }),
            );
        }
        let reply = Reply::status(308);
        if stored.is_empty() {
            reply
        } else {
            reply.header("range", &format!("bytes=0-{}", stored.len() - 1))
        }
    }
}

fn opened(base: &str, number: usize) -> Reply {
    Reply::status(200).header("location", &format!("{base}/session/{number}?upload_id=up-secret-{number}"))
}

#[test]
fn a_video_is_uploaded_in_parts_and_once() {
    let (place, session) = (Place::new(), Session::default());
    let server = serve({
        let session = session.clone();
        move |seen, base| if seen.method == "POST" { opened(base, 1) } else { session.put(seen) }
    });
    let video = bytes(2 * MIB + 5);
    let with = with(&place, &server.base(), &video);
    let (result, logs) = place.attempt::<Youtube>("t", with.clone());
    let output = result.unwrap();
    assert_eq!(
        output,
        json!({
            "platform": "youtube", "id": "vid-1", "url": "https://youtu.be/vid-1", "status": "uploaded",
            "resumed": false, "notes": []
        })
    );
    assert_eq!(*session.0.lock().unwrap(), video);
    let requests = server.requests();
    assert_eq!(requests.len(), 4);
    let begin = &requests[0];
    assert_eq!(
        begin.target,
        "/upload/youtube/v3/videos?uploadType=resumable&part=snippet%2Cstatus&notifySubscribers=true"
    );
    assert_eq!(begin.header("x-upload-content-length"), Some("2097157"));
    assert_eq!(begin.header("x-upload-content-type"), Some("video/mp4"));
    assert_eq!(begin.header("authorization"), Some(format!("Bearer {TOKEN}").as_str()));
    assert_eq!(begin.json()["snippet"]["tags"], json!(["sea", "tides"]));
    assert_eq!(begin.json()["status"]["privacyStatus"], "unlisted");
    // Another attempt of the task, as after a lost worker, finds it done; another task does not.
    let again = place.attempt::<Youtube>("t", with).0.unwrap();
    assert_eq!((&again["id"], &again["resumed"]), (&json!("vid-1"), &json!(true)));
    assert_eq!(server.requests().len(), 4);
    assert!(!logs.contains("up-secret") && !logs.contains(TOKEN), "{logs}");
}

#[test]
fn an_upload_that_was_killed_goes_on_where_it_was() {
    let (place, session) = (Place::new(), Session::default());
    let (parts, begun) = (shared(0), shared(0));
    let server = serve({
        let session = session.clone();
        move |seen, base| {
            if seen.method == "POST" {
                *begun.lock().unwrap() += 1;
                return opened(base, *begun.lock().unwrap());
            }
            let mut parts = parts.lock().unwrap();
            *parts += 1;
            let reply = session.put(seen);
            // The second part arrives, but its answer never does: the attempt is stopped while it waits.
            if *parts == 2 { Reply::mute() } else { reply }
        }
    });
    let video = bytes(3 * MIB);
    let mut with = with(&place, &server.base(), &video);
    with["timeout_seconds"] = json!(600);
    let bench = Bench::new(place.folder.path()).with_call(|call| call.idempotency_token = "t".into());
    std::thread::scope(|scope| {
        let attempt = scope.spawn(|| bench.run::<Youtube>(with.clone()));
        while server.requests().len() < 3 {
            std::thread::yield_now();
        }
        bench.cancel();
        assert_eq!(attempt.join().unwrap().unwrap_err().class(), FailureClass::Cancelled);
    });
    let (result, logs) = place.attempt::<Youtube>("t", with);
    assert_eq!(result.unwrap()["resumed"], true);
    assert_eq!(*session.0.lock().unwrap(), video, "no part came twice");
    let requests = server.requests();
    assert_eq!(requests.iter().filter(|seen| seen.method == "POST").count(), 1, "one session: {logs}");
    assert_eq!(requests[3].header("content-range"), Some("bytes */3145728"));
}

#[test]
fn interruptions_are_gone_over_and_the_service_is_asked_how_much_arrived() {
    let (place, session, count) = (Place::new(), Session::default(), shared(0));
    let server = serve({
        let session = session.clone();
        move |seen, base| {
            let mut count = count.lock().unwrap();
            *count += 1;
            match *count {
                1 => opened(base, 1),
                // Nothing of the part arrived.
                2 => Reply::status(503),
                // Half of it did.
                4 => {
                    session.0.lock().unwrap().extend(&seen.body[..MIB / 2]);
                    Reply::status(500)
                }
                6 => {
                    session.put(seen);
                    Reply::body(200, "application/json", vec![b' '; 99]).cut_after(5)
                }
                _ => session.put(seen),
            }
        }
    });
    let video = bytes(2 * MIB);
    let output = place.run::<Youtube>(with(&place, &server.base(), &video)).unwrap();
    assert_eq!(output["id"], "vid-1");
    assert_eq!(*session.0.lock().unwrap(), video);
}

#[test]
fn a_session_that_is_no_more_is_begun_anew() {
    let (place, session, begun) = (Place::new(), Session::default(), shared(0));
    let server = serve({
        let session = session.clone();
        move |seen, base| {
            let mut begun = begun.lock().unwrap();
            if seen.method == "POST" {
                *begun += 1;
                opened(base, *begun)
            } else if seen.path() == "/session/1" {
                Reply::status(404)
            } else {
                session.put(seen)
            }
        }
    });
    assert_eq!(place.run::<Youtube>(with(&place, &server.base(), &bytes(9))).unwrap()["id"], "vid-1");
}

#[test]
fn an_upload_that_does_not_get_on_fails_and_keeps_its_session() {
    let place = Place::new();
    let server = serve(|seen, base| if seen.method == "POST" { opened(base, 1) } else { Reply::status(503) });
    let with = with(&place, &server.base(), &bytes(9));
    let error = place.run::<Youtube>(with.clone()).unwrap_err();
    assert_eq!((error.class(), error.failure().code.as_str()), (FailureClass::Dependency, "endpoint_failed"));
    let sent = server.requests().len();
    let _ = place.run::<Youtube>(with);
    assert_eq!(server.requests()[sent].method, "PUT", "no second session");
}

#[test]
fn what_is_said_with_a_pause_is_left_for_the_next_attempt() {
    let place = Place::new();
    let server = serve(|seen, base| {
        if seen.method == "POST" { opened(base, 1) } else { Reply::status(503).header("retry-after", "40") }
    });
    let error = place.run::<Youtube>(with(&place, &server.base(), &bytes(9))).unwrap_err();
    assert_eq!(error.failure().retry_after_ms, Some(40_000));
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn refusals_are_told_apart() {
    use FailureClass::{InvalidConfig, InvalidInput, Resource, Transient};
    for (status, reason, class, code) in [
        (403, "quotaExceeded", Resource, "quota_exceeded"),
        (400, "uploadLimitExceeded", Resource, "quota_exceeded"),
        (403, "userRateLimitExceeded", Transient, "rate_limited"),
        (401, "youtubeSignupRequired", InvalidConfig, "not_permitted"),
        (403, "insufficientPermissions", InvalidConfig, "not_permitted"),
        (400, "invalidTitle", InvalidInput, "refused_request"),
    ] {
        let place = Place::new();
        let body = json!({ "error": { "code": status, "message": format!("no: {TOKEN}"), "errors": [{ "reason": reason }] } });
        let server = Server::always(Reply::json(status, &body));
        let error = place.run::<Youtube>(with(&place, &server.base(), &bytes(9))).unwrap_err();
        assert_eq!((error.class(), error.failure().code.as_str()), (class, code), "{reason}");
        assert_eq!(error.failure().retry_after_ms.is_some(), class == Resource, "{reason}");
        assert!(!error.to_string().contains(TOKEN), "{error}");
    }
}

#[test]
fn every_way_of_failing_is_known() {
    // The good answer serves for the session and for the video.
    let good = Reply::json(200, json!({ "id": "vid-1" })).header("location", "http://127.0.0.1:9/never");
    matrix(TOKEN, &good, |case: &Case<'_>| {
        let place = Place::new();
        let mut with = with(&place, case.base, &bytes(9));
        with["timeout_seconds"] = json!(case.timeout_seconds);
        let played = Played::stage::<Youtube>(&Bench::new(place.folder.path()), with);
        if case.name != "success" {
            return played;
        }
        // The place to upload to lies where nobody may be led.
        assert_eq!(played.result.as_ref().unwrap_err().failure().code, "refused_address");
        Played { result: Ok(Value::Null), logs: played.logs }
    });
}

#[test]
fn a_thumbnail_that_is_refused_is_a_note() {
    let (place, session) = (Place::new(), Session::default());
    let server = serve(move |seen, base| match seen.path() {
        "/upload/youtube/v3/thumbnails/set" => Reply::status(403),
        _ if seen.method == "POST" => opened(base, 1),
        _ => session.put(seen),
    });
    let mut with = with(&place, &server.base(), &bytes(9));
    with["thumbnail"] = place.file("t.png", "image/png", b"\x89PNG");
    let output = place.run::<Youtube>(with.clone()).unwrap();
    assert!(output["notes"][0].as_str().unwrap().contains("thumbnail"), "{output}");
    assert_eq!(place.run::<Youtube>(with).unwrap()["notes"], output["notes"], "the note is remembered");
}

#[test]
fn what_the_platform_would_refuse_is_refused_here() {
    let place = Place::new();
    for (field, value, word) in [
        ("title", json!("x".repeat(101)), "`title` has 101"),
        ("description", json!("\u{e9}".repeat(2_501)), "`description` has 5002"),
        ("tags", json!(["a b".repeat(100), "c".repeat(198)]), "`tags` have 501"),
        ("title", json!("a < b"), "< and >"),
        ("auth", json!({ "access_token": " " }), "`auth` has no token"),
        ("publish_at", json!("2027-01-31T18:00:00Z"), "`publish_at`"),
    ] {
        let mut with = with(&place, "http://127.0.0.1:9", b"x");
        with[field] = value;
        let error = place.run::<Youtube>(with).unwrap_err();
        assert!(error.failure().message.contains(word), "{field}: {error}");
    }
}

#[test]
fn a_video_is_taken_back_and_one_that_is_gone_is_no_error() {
    let place = Place::new();
    let delete = |reply: Reply| {
        let server = Server::always(reply);
        let with = json!({
            "id": "vid-1", "state": place.state(), "auth": { "access_token": TOKEN }, "base_url": server.base()
        });
        let result = place.run::<YoutubeDelete>(with);
        let seen = &server.requests()[0];
        assert_eq!((seen.method.as_str(), seen.target.as_str()), ("DELETE", "/youtube/v3/videos?id=vid-1"));
        result
    };
    assert_eq!(delete(Reply::status(204)).unwrap()["was_there"], true);
    assert_eq!(delete(Reply::status(404)).unwrap()["was_there"], false);
    assert_eq!(delete(Reply::status(500)).unwrap_err().class(), FailureClass::Dependency);
}

#[test]
fn what_was_taken_back_is_uploaded_anew_when_its_run_is_retried() {
    let (place, count) = (Place::new(), shared(0));
    let server = serve(move |seen, base| {
        let mut count = count.lock().unwrap();
        match seen.method.as_str() {
            "POST" => opened(base, 1),
            "DELETE" => Reply::status(204),
            _ => {
                *count += 1;
                Reply::json(200, json!({ "id": format!("vid-{count}") }))
            }
        }
    });
    let with = with(&place, &server.base(), &bytes(9));
    let upload = || place.run::<Youtube>(with.clone()).unwrap()["id"].clone();
    assert_eq!((upload(), upload()), (json!("vid-1"), json!("vid-1")));
    let delete = json!({
        "id": "vid-1", "state": place.state(), "auth": { "access_token": TOKEN }, "base_url": server.base()
    });
    place.run::<YoutubeDelete>(delete).unwrap();
    assert_eq!((upload(), upload()), (json!("vid-2"), json!("vid-2")));
}
