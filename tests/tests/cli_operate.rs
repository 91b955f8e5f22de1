//! The commands of someone who looks after a machine, on the real binary: doctor, status, version, wrong usage.

use reelmill_tests::Place;

#[test]
fn the_doctor_looks_at_everything_and_names_a_remedy_for_what_is_wrong() {
    let place = Place::new();
    let ended = place.reelmill(&["doctor", "-o", "json"]);
    let document = ended.json();
    let checks = document["checks"].as_array().expect("a list of checks");
    for name in
        ["processors", "memory", "disk", "gpu", "libav", "fonts", "voice flite", "redis", "plugins", "runner"]
    {
        assert!(checks.iter().any(|check| check["name"] == name), "{name} is not looked at: {document:#}");
    }
    for check in checks.iter().filter(|check| check["status"] == "warn" || check["status"] == "missing") {
        assert!(check["remedy"].is_string(), "{check}");
    }
    let missing = checks.iter().any(|check| check["status"] == "missing");
    assert_eq!((ended.code, document["ok"].as_bool()), (Some(i32::from(missing)), Some(!missing)));
}

#[test]
fn a_redis_that_was_named_and_is_silent_is_told() {
    let place = Place::new();
    // A port that was free a moment ago and that nothing listens on now.
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = free.local_addr().expect("it has an address").port();
    drop(free);
    let mut command = place.command(&["doctor", "-o", "json"]);
    let output = command
        .env("REELMILL_REDIS", format!("redis://127.0.0.1:{port}"))
        .output()
        .expect("it can be started");
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    let checks = document["checks"].as_array().expect("a list of checks");
    let redis = checks.iter().find(|check| check["name"] == "redis").expect("it is looked at");
    assert_eq!((redis["status"].as_str(), output.status.code()), (Some("missing"), Some(1)), "{redis}");
}

#[test]
fn an_empty_home_has_no_runs() {
    let place = Place::new();
    assert_eq!(place.reelmill(&["status"]).expect(0).stdout, "no runs\n");
    assert_eq!(place.reelmill(&["status", "-o", "json"]).expect(0).json()["runs"], serde_json::json!([]));
    let refused = place.reelmill(&["why", "last"]).expect(2);
    assert!(refused.stderr.contains("no runs yet"), "{}", refused.stderr);
}

#[test]
fn an_unknown_run_is_told_in_both_forms() {
    let place = Place::new();
    let id = "01JD8Y3V7QZ5M2R9W4T6XKBCDE";
    let told = place.reelmill(&["status", id]).expect(2);
    assert!(told.stderr.contains(id) && told.stdout.is_empty(), "{told:?}");
    let document = place.reelmill(&["status", id, "-o", "json"]).expect(2).json();
    assert_eq!(document["error"]["exit"], 2);
    assert!(document["error"]["message"].as_str().is_some_and(|message| message.contains(id)), "{document}");
}

#[test]
fn a_wrong_command_line_ends_with_2_and_a_hint() {
    let place = Place::new();
    for arguments in [&["statsu"][..], &["status", "--state", "done"], &["run"], &["logs", "not-a-run"]] {
        let told = place.reelmill(arguments).expect(2);
        assert!(!told.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn the_version_is_told_in_both_forms() {
    let place = Place::new();
    let text = place.reelmill(&["version"]).expect(0).stdout;
    let document = place.reelmill(&["version", "-o", "json"]).expect(0).json();
    let version = document["version"].as_str().expect("a version");
    assert!(text.contains(version), "{text}");
}
