//! Downloads against the scripted server.

use reelmill_http::testing::{Reply, Server};
use reelmill_http::{Digest, Fetched, Fetcher, Guard, Settings, Wanted};
use reelmill_sdk::testing::Bench;
use reelmill_sdk::{FailureClass, StageError};
use std::path::PathBuf;
use std::time::Duration;

const TAG: &str = "\"one\"";

fn content() -> Vec<u8> {
    (0..200_000_u32).map(|number| u8::try_from(number % 251).unwrap()).collect()
}

fn file() -> Reply {
    Reply::file("video/mp4", TAG, content())
}

struct Try {
    folder: tempfile::TempDir,
    allow: bool,
    key: Option<&'static str>,
}

impl Try {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), allow: true, key: None }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("clip.mp4")
    }

    fn fetch(&self, wanted: &Wanted<'_>) -> Result<Fetched, StageError> {
        let guard = if self.allow { Guard::public().allow(["127.0.0.1"]) } else { Guard::public() };
        let settings = Settings { allow: "allow_hosts", ..Settings::default() };
        let mut fetcher = Fetcher::new("the clip", settings, guard, Duration::from_secs(1));
        if let Some(key) = self.key {
            fetcher = fetcher.secret(key);
        }
        let bench = Bench::new(self.folder.path());
        fetcher.fetch(wanted, &self.path(), &bench.cx())
    }
}

fn wanted(url: &str) -> Wanted<'_> {
    Wanted { url, bytes_max: 1 << 20, ..Wanted::default() }
}

fn code(error: &StageError) -> (FailureClass, &str) {
    (error.class(), error.failure().code.as_str())
}

#[test]
fn a_file_is_downloaded_and_described() {
    let server = Server::always(file());
    let place = Try::new();
    let url = format!("{}/a/clip.mp4?key=secret", server.base());
    let fetched = place.fetch(&Wanted { media_types: &["image/", "video/"], ..wanted(&url) }).unwrap();
    assert_eq!(std::fs::read(place.path()).unwrap(), content());
    let expected = Fetched {
        bytes: 200_000,
        blake3: blake3::hash(&content()).to_hex().to_string(),
        media_type: "video/mp4".into(),
        url: format!("{}/a/clip.mp4", server.base()),
        resumed: 0,
    };
    assert_eq!(fetched, expected);
}

#[test]
fn a_cut_download_goes_on_where_it_was() {
    let server = Server::in_turn([file().cut_after(70_000), file().silent_after(50_000), file()]);
    let place = Try::new();
    let fetched = place.fetch(&wanted(&server.base())).unwrap();
    assert_eq!((fetched.resumed, fetched.bytes), (2, 200_000));
    assert_eq!(fetched.blake3, blake3::hash(&content()).to_hex().to_string());
    assert_eq!(std::fs::read(place.path()).unwrap(), content());
    let ranges: Vec<_> =
        server.requests().iter().map(|seen| seen.header("range").map(str::to_owned)).collect();
    assert_eq!(ranges, [None, Some("bytes=70000-".into()), Some("bytes=120000-".into())]);
    assert_eq!(server.requests()[1].header("if-range"), Some(TAG));
}

#[test]
fn a_file_that_became_another_is_begun_again() {
    let other: Vec<u8> = content().into_iter().rev().take(150_000).collect();
    let server =
        Server::in_turn([file().cut_after(70_000), Reply::file("video/mp4", "\"two\"", other.clone())]);
    let place = Try::new();
    assert_eq!(place.fetch(&wanted(&server.base())).unwrap().bytes, 150_000);
    assert_eq!(std::fs::read(place.path()).unwrap(), other);
}

#[test]
fn without_a_validator_no_part_is_trusted() {
    let plain = || Reply::body(200, "video/mp4", content());
    let server = Server::in_turn([plain().cut_after(70_000), plain()]);
    let place = Try::new();
    place.fetch(&wanted(&server.base())).unwrap();
    assert_eq!(std::fs::read(place.path()).unwrap(), content());
    assert_eq!(server.requests()[1].header("range"), None);
}

#[test]
fn a_range_that_does_not_go_on_is_refused() {
    let misplaced = Reply::body(206, "video/mp4", content()).header("content-range", "bytes 5-9/200000");
    let server = Server::in_turn([file().cut_after(70_000), misplaced]);
    let place = Try::new();
    assert_eq!(place.fetch(&wanted(&server.base())).unwrap_err().failure().code, "malformed_answer");
    assert!(!place.path().exists());
}

#[test]
fn a_server_that_always_cuts_is_given_up() {
    let server = Server::always(file().cut_after(10));
    let place = Try::new();
    let error = place.fetch(&wanted(&server.base())).unwrap_err();
    assert_eq!(code(&error), (FailureClass::Dependency, "connection"));
    assert_eq!(server.requests().len(), 6);
    assert!(!place.path().exists());
}

#[test]
fn nothing_at_all_times_out() {
    let server = Server::always(Reply::mute());
    assert_eq!(
        code(&Try::new().fetch(&wanted(&server.base())).unwrap_err()),
        (FailureClass::Dependency, "timeout")
    );
}

#[test]
fn what_is_not_as_wanted_is_refused() {
    let server = Server::always(file());
    let base = server.base();
    let hash = blake3::hash(&content()).to_hex().to_string();
    let place = Try::new();
    place.fetch(&Wanted { digest: Some(Digest::Blake3(&hash)), ..wanted(&base) }).unwrap();
    for (wanted, class, code_of) in [
        (Wanted { bytes_max: 199_999, ..wanted(&base) }, FailureClass::Permanent, "too_large"),
        (
            Wanted { media_types: &["image/"], ..wanted(&base) },
            FailureClass::InvalidInput,
            "wrong_media_type",
        ),
        (
            Wanted { digest: Some(Digest::Sha256(&hash)), ..wanted(&base) },
            FailureClass::Dependency,
            "wrong_digest",
        ),
    ] {
        assert_eq!(code(&place.fetch(&wanted).unwrap_err()), (class, code_of));
        assert!(!place.path().exists(), "{code_of}");
    }
    // SHA-256 of "abc", from FIPS 180.
    let server = Server::always(Reply::body(200, "text/plain", "abc"));
    let known = "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD";
    place.fetch(&Wanted { digest: Some(Digest::Sha256(known)), ..wanted(&server.base()) }).unwrap();
    let empty = Server::always(Reply::body(200, "video/mp4", ""));
    assert_eq!(
        code(&place.fetch(&wanted(&empty.base())).unwrap_err()),
        (FailureClass::Dependency, "empty_file")
    );
}

#[test]
fn a_server_that_lies_about_the_length_meets_the_limit() {
    // Without a length the body ends with the connection.
    let server = Server::always(file());
    let error = Try::new().fetch(&Wanted { bytes_max: 10, ..wanted(&server.base()) }).unwrap_err();
    assert_eq!(code(&error), (FailureClass::Permanent, "too_large"));
}

#[test]
fn redirects_are_followed_without_the_headers_of_the_first_host() {
    let other = Server::always(file());
    let target = format!("{}/there", other.base());
    let first = Server::answering(move |seen| match seen.path() {
        "/start" => Reply::status(302).header("location", "next?a=1"),
        _ => Reply::status(307).header("location", &target),
    });
    let place = Try::new();
    let url = format!("{}/start", first.base());
    let fetched = place.fetch(&Wanted { headers: &[("authorization", "K")], ..wanted(&url) }).unwrap();
    assert_eq!(fetched.url, format!("{}/there", other.base()));
    let seen = first.requests();
    assert_eq!((seen[1].target.as_str(), seen[1].header("authorization")), ("/next?a=1", Some("K")));
    assert_eq!(other.requests()[0].header("authorization"), None);
}

#[test]
fn a_circle_of_redirects_ends() {
    let server = Server::always(Reply::status(302).header("location", "/again"));
    assert_eq!(Try::new().fetch(&wanted(&server.base())).unwrap_err().failure().code, "redirected");
    assert_eq!(server.requests().len(), 11);
}

#[test]
fn every_hop_has_to_be_allowed() {
    let inner = Server::always(file());
    let place = Try { allow: false, ..Try::new() };
    let error = place.fetch(&wanted(&inner.base())).unwrap_err();
    assert_eq!(code(&error), (FailureClass::InvalidInput, "refused_address"));
    assert!(error.failure().message.contains("`allow_hosts`"), "{error}");
    // Only the first host is allowed by name; where it redirects to is not, whatever scheme it tries.
    let place = Try::new();
    for (location, code_of) in [
        (inner.base().replace("127.0.0.1", "localhost"), "refused_address"),
        (inner.base().replace("127.0.0.1", "[::1]"), "refused_address"),
        ("http://169.254.169.254/latest/meta-data".into(), "refused_address"),
        ("file:///etc/passwd".into(), "bad_url"),
        ("http://me:pw@127.0.0.1/".into(), "bad_url"),
    ] {
        let first = Server::always(Reply::status(302).header("location", &location));
        let error = place.fetch(&wanted(&first.base())).unwrap_err();
        assert_eq!(code(&error), (FailureClass::InvalidInput, code_of), "{location}: {error}");
    }
    assert!(inner.requests().is_empty());
}

#[test]
fn refusals_of_the_host_are_told_apart_and_keys_stay_hidden() {
    for (reply, expected) in [
        (Reply::json(403, r#"{"error":"key k-123 expired"}"#), (FailureClass::InvalidConfig, "unauthorized")),
        (Reply::status(404), (FailureClass::InvalidConfig, "not_found")),
        (Reply::status(429).header("retry-after", "9"), (FailureClass::Transient, "rate_limited")),
        (Reply::status(502), (FailureClass::Dependency, "endpoint_failed")),
    ] {
        let server = Server::always(reply);
        let place = Try { key: Some("k-123"), ..Try::new() };
        let url = format!("{}/?key=k-123", server.base());
        let error = place.fetch(&wanted(&url)).unwrap_err();
        assert_eq!(code(&error), expected);
        assert!(!serde_json::to_string(error.failure()).unwrap().contains("k-123"), "{error}");
    }
}

#[test]
fn a_cancelled_download_leaves_nothing() {
    let server = Server::always(file().silent_after(1000));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clip");
    let bench = Bench::new(folder.path()).cancel_at_question(3);
    let fetcher = Fetcher::new(
        "the clip",
        Settings::default(),
        Guard::public().allow(["127.0.0.1"]),
        Duration::from_secs(20),
    );
    let error = fetcher.fetch(&wanted(&server.base()), &path, &bench.cx()).unwrap_err();
    assert_eq!(error.class(), FailureClass::Cancelled);
    assert!(!path.exists());
}
