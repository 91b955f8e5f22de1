//! REST and event streams, on the real binary.

use reelmill_tests::engine::{pipeline, signal, wait_until};
use reelmill_tests::fleet::worker;
use reelmill_tests::http::{Told, ask, listen};
use reelmill_tests::serving::serve;
use reelmill_tests::{Place, RedisServer, repository};
use serde_json::{Value, json};

const FILE: &str = r#"
inputs: { text: { type: string, min_length: 2, title: Text }, times: { type: int, max: 100000, default: 1 } }
stages:
  make: { uses: probe.file@1, with: { name: "a b.txt", text: "${{ inputs.text }}", times: "${{ inputs.times }}" } }
outputs: { file: "${{ stages.make.outputs.file }}", length: "${{ stages.make.outputs.length }}" }
"#;

/// A place whose folder of pipelines has this one.
fn place(name: &str, body: &str) -> Place {
    let place = Place::new();
    place.write(&format!("pipelines/{name}.yaml"), &pipeline(body));
    place
}

fn codes(problem: &Value) -> Vec<&str> {
    problem["errors"].as_array().into_iter().flatten().filter_map(|one| one["pointer"].as_str()).collect()
}

#[test]
fn a_run_is_started_followed_and_its_file_is_read_in_parts() {
    let place = place("file", FILE);
    let server = serve(&place, &[]);
    let listed = server.get("/api/v1/pipelines").expect(200).json();
    assert_eq!(listed["pipelines"][0]["name"], "file.yaml");
    let shown = server.get("/api/v1/pipelines/file.yaml").expect(200).json();
    assert_eq!(
        (&shown["ok"], &shown["inputs"][0]["name"], &shown["inputs"][0]["required"]),
        (&json!(true), &json!("text"), &json!(true))
    );

    let wish = json!({ "pipeline": "file.yaml", "inputs": { "text": "salt ", "times": 100_000 }, "labels": { "a": "b" } });
    let started = server.post("/api/v1/runs", &wish).expect(201);
    let run = started.json()["run"].as_str().expect("a run").to_owned();
    assert_eq!(started.header("location"), Some(format!("/api/v1/runs/{run}").as_str()));
    let told: Vec<Told> = listen(&server.address, &format!("/api/v1/runs/{run}/events"), &[]).collect();
    assert_eq!(told.first().map(|one| &one.data["kind"]), Some(&json!("run.submitted")));
    let end = told.last().expect("it says how it ended");
    assert_eq!((end.event.as_str(), &end.data["state"]), ("end", &json!("succeeded")));
    let settled = told.iter().find(|one| one.data["kind"] == "task.settled").expect("the stage has ended");
    assert_eq!(settled.data["path"], "make", "an event says which task it is about");

    let run = server.run(&run);
    assert_eq!(run["labels"], json!({ "a": "b", "pipeline": "file.yaml" }));
    assert_eq!(run["outputs"]["length"], 5);
    let file = &run["files"][0];
    let (url, whole) = (file["url"].as_str().expect("an address"), "salt ".repeat(100_000).into_bytes());
    let answer = server.get(url).expect(200);
    assert_eq!(answer.body, whole);
    assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
    assert!(answer.header("content-security-policy").is_some_and(|policy| policy.starts_with("sandbox")));
    assert!(answer.header("content-disposition").is_some_and(|how| how.ends_with("''a%20b%2Etxt")));
    let range = |range: &str| ask(&server.address, &format!("GET {url}"), &[("range", range)], "");
    let part = range("bytes=300001-400007").expect(206);
    assert_eq!(part.body, whole[300_001..=400_007]);
    assert_eq!(part.header("content-range"), Some("bytes 300001-400007/500000"));
    assert_eq!(range("bytes=-7").expect(206).body, whole[whole.len() - 7..]);
    assert_eq!(range("bytes=500000-").expect(416).header("content-range"), Some("bytes */500000"));
    let tag = answer.header("etag").expect("a tag").to_owned();
    let again = ask(&server.address, &format!("GET {url}"), &[("if-none-match", &tag)], "").expect(304);
    assert!(again.body.is_empty());
    let head = ask(&server.address, &format!("HEAD {url}"), &[], "").expect(200);
    assert_eq!((head.header("content-length"), head.body.len()), (Some("500000"), 0));
    let digest = file["artifact"]["$artifact"].as_str().expect("a digest");
    let saved = server.get(&format!("/api/v1/artifacts/{digest}?name=x.html")).expect(200);
    assert!(
        saved.header("content-disposition").is_some_and(|how| how.starts_with("attachment")),
        "it could hold scripts"
    );
    server.get(&format!("/api/v1/artifacts/blake3:{}", "0".repeat(64))).is(404);
}

#[test]
fn what_is_wrong_with_a_pipeline_is_what_the_command_line_says() {
    let place = place("file", FILE);
    let server = serve(&place, &[]);
    let wrong = pipeline(
        "stages:\n  a: { uses: prob.file@1, wiht: {} }\n  b: { uses: probe.say@1, with: { text: \"${{ stages.c.outputs }}\" } }\n",
    );
    place.write("wrong.yaml", &wrong);
    let said = place.ask(&["validate", "wrong.yaml", "-o", "json"]).expect(78).json();
    let validate = |text: &str, media_type: &str| {
        ask(&server.address, "POST /api/v1/pipelines:validate", &[("content-type", media_type)], text)
    };
    let told = validate(&wrong, "application/yaml").expect(200).json();
    assert_eq!(told["ok"], false);
    assert_eq!(told["diagnostics"], said["files"][0]["diagnostics"]);
    assert!(told["diagnostics"].as_array().is_some_and(|all| all.len() >= 3), "all at once: {told}");
    assert_eq!(
        validate(&pipeline(FILE), "application/yaml").expect(200).json()["inputs"][1]["name"],
        "times"
    );

    let refused = server.post("/api/v1/runs", &json!({ "yaml": wrong })).expect(422);
    assert_eq!(refused.header("content-type"), Some("application/problem+json"));
    let refused = refused.json();
    assert_eq!(
        (&refused["code"], &refused["errors"]),
        (&json!("invalid_pipeline"), &said["files"][0]["diagnostics"])
    );
    let outside = pipeline("stages:\n  a: { pipeline: ../wrong.yaml }\n");
    let told = validate(&outside, "application/yaml").expect(200).text();
    assert!(told.contains("folder of pipelines"), "other files are not read: {told}");

    validate(&wrong, "text/plain").is(415);
    let huge = format!("{}", 1_u64 << 40);
    let headers = [("content-type", "application/yaml"), ("content-length", huge.as_str())];
    ask(&server.address, "POST /api/v1/pipelines:validate", &headers, "x").is(413);
    let long = "#".repeat((1 << 20) + 1);
    validate(&long, "application/yaml").is(413);
}

#[test]
fn a_request_that_cannot_be_meant_is_told_why() {
    let place = place("file", FILE);
    let server = serve(&place, &[]);
    let runs = "/api/v1/runs";
    let inputs = |inputs: Value| json!({ "pipeline": "file.yaml", "inputs": inputs });
    let told = server.post(runs, &inputs(json!({ "times": 100_001, "tetx": "x" }))).expect(422).json();
    assert_eq!(told["code"], "invalid_inputs");
    assert_eq!(codes(&told), ["/inputs/tetx", "/inputs/text", "/inputs/times"], "all at once: {told}");
    assert!(!told.to_string().contains("--input"), "no flags of the command line: {told}");
    for (body, status, code) in [
        (json!({ "pipeline": "none.yaml" }), 404, "no_such_pipeline"),
        (json!({ "pipeline": "none" }), 404, "no_such_pipeline"),
        (json!({ "pipeline": "../file.yaml" }), 404, "no_such_pipeline"),
        (json!({}), 422, "invalid"),
        (json!({ "pipeline": "file.yaml", "yaml": "version: 1" }), 422, "invalid"),
        (json!({ "pipeline": "file.yaml", "priority": 10 }), 422, "invalid"),
        (json!({ "pipelin": "file.yaml" }), 400, "bad_body"),
    ] {
        let told = server.post(runs, &body).expect(status).json();
        assert_eq!(told["code"], code, "{body}: {told}");
    }
    let broken = ask(&server.address, "POST /api/v1/runs", &[("content-type", "application/json")], "{\n  x")
        .expect(400);
    assert_eq!(broken.json()["errors"][0]["line"], 2);
    ask(&server.address, "POST /api/v1/runs", &[("content-type", "text/plain")], "{}").is(415);
    ask(&server.address, "POST /api/v1/runs", &[], "{}").is(415);
    for (line, status) in [
        ("GET /api/v1/runs/01JD8Y3V7QZ5M2R9W4T6XKBCDE", 404),
        ("GET /api/v1/runs/none", 404),
        ("GET /api/v1/runs/01JD8Y3V7QZ5M2R9W4T6XKBCDE/events", 404),
        ("GET /api/v2/runs", 404),
        ("GET /api/v1/runs?limit=201", 400),
        ("GET /api/v1/runs?state=done", 400),
        ("GET /api/v1/runs?colour=red", 400),
        ("GET /api/v1/runs?cursor=x", 400),
        ("PATCH /api/v1/runs", 405),
        ("GET /api/v1/pipelines/..%2F..%2Fetc%2Fpasswd", 404),
    ] {
        let answer = ask(&server.address, line, &[], "").expect(status);
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{line}");
        assert_eq!(answer.json()["status"], status, "{line}");
    }
    assert_eq!(ask(&server.address, "PATCH /api/v1/runs", &[], "").header("allow"), Some("GET, POST"));
    assert_eq!(server.get(runs).expect(200).json()["runs"], json!([]), "nothing was started");
}

#[test]
fn the_same_key_is_the_same_run() {
    let place = place("file", FILE);
    let server = serve(&place, &[]);
    let key = [("idempotency-key", "order-17")];
    let wish = |text: &str| json!({ "pipeline": "file.yaml", "inputs": { "text": text } });
    let first = server.post_with("/api/v1/runs", &key, &wish("salt")).expect(201).json();
    let again = server.post_with("/api/v1/runs", &key, &wish("salt")).expect(200).json();
    assert_eq!((&again["run"], &again["new"]), (&first["run"], &json!(false)));
    let other = server.post_with("/api/v1/runs", &key, &wish("sugar")).expect(422).json();
    assert_eq!(other["code"], "key_reused");
    let without = server.post("/api/v1/runs", &wish("salt")).expect(201).json();
    assert_ne!(without["run"], first["run"]);
    let elsewhere = json!({ "pipeline": "file.yaml", "inputs": { "text": "salt" }, "namespace": "acme" });
    let elsewhere = server.post_with("/api/v1/runs", &key, &elsewhere).expect(201).json();
    assert_ne!(elsewhere["run"], first["run"], "a key is a tenant's");
    server.post_with("/api/v1/runs", &[("idempotency-key", "")], &wish("salt")).is(400);

    let page = server.get("/api/v1/runs?limit=2").expect(200).json();
    assert_eq!(page["runs"].as_array().map(Vec::len), Some(2));
    let next = page["next"].as_str().expect("there is more");
    let rest = server.get(&format!("/api/v1/runs?limit=2&cursor={next}")).expect(200).json();
    assert_eq!((&rest["runs"][0]["run"], &rest["next"]), (&first["run"], &Value::Null));
}

#[test]
fn pages_of_other_sites_are_kept_out() {
    let place = place("file", FILE);
    let server = serve(&place, &[]);
    let address = server.address.as_str();
    let ask_with = |line: &str, headers: &[(&str, &str)]| ask(address, line, headers, "");
    let rebound = ask_with("GET /api/v1/runs", &[("host", "evil.example")]).expect(421);
    assert_eq!(rebound.json()["code"], "wrong_host");
    ask_with("GET /", &[("host", "evil.example")]).is(421);
    for header in [("origin", "http://evil.example"), ("origin", "null"), ("sec-fetch-site", "cross-site")] {
        let told = ask_with("GET /api/v1/runs", &[header]).expect(403).json();
        assert_eq!(told["code"], "wrong_origin", "{header:?}");
        let json = ("content-type", "application/json");
        let wish = json!({ "pipeline": "file.yaml", "inputs": { "text": "salt" } }).to_string();
        ask(address, "POST /api/v1/runs", &[header, json], wish).is(403);
    }
    ask_with(
        "GET /api/v1/runs",
        &[("origin", &format!("http://{address}")), ("sec-fetch-site", "same-origin")],
    )
    .is(200);
    let page = ask_with("GET /", &[("sec-fetch-site", "cross-site")]).expect(200);
    assert!(
        page.header("content-security-policy")
            .is_some_and(|policy| policy.contains("frame-ancestors 'none'"))
    );
    assert!(page.header("access-control-allow-origin").is_none());
    assert_eq!(server.get("/api/v1/runs").json()["runs"], json!([]), "nothing was started");
}

#[test]
fn a_key_says_what_its_owner_may_do() {
    let place = place("file", FILE);
    let key = |name: &str| format!("{name}-0123456789abcdef");
    let roles = ["viewer", "submitter", "operator", "admin"];
    let lines: Vec<String> = roles.iter().map(|role| format!("{role} {role} {}\n", key(role))).collect();
    place.write("keys.txt", &lines.concat());
    let server = serve(&place, &["--keys", "keys.txt", "--host", "reels.example.org"]);
    let by = |role: &str, line: &str, body: &Value| {
        let bearer = format!("Bearer {}", key(role));
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        ask(&server.address, line, &headers, if body.is_null() { String::new() } else { body.to_string() })
    };
    let wish = json!({ "pipeline": "file.yaml", "inputs": { "text": "salt" } });
    let own = json!({ "yaml": pipeline(FILE), "inputs": { "text": "salt" } });
    let refused = server.get("/api/v1/runs").expect(401);
    assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
    by("nobody", "GET /api/v1/runs", &Value::Null).is(401);
    server.get("/metrics").is(401);
    server.get("/").is(200);
    server.get("/healthz").is(200);
    by("viewer", "GET /api/v1/runs", &Value::Null).is(200);
    assert_eq!(by("viewer", "POST /api/v1/runs", &wish).expect(403).json()["code"], "forbidden");
    let run = by("submitter", "POST /api/v1/runs", &wish).expect(201).json()["run"].clone();
    by("submitter", "POST /api/v1/runs", &own).is(403);
    by("operator", "POST /api/v1/runs", &own).is(201);
    let path = format!("/api/v1/runs/{}:cancel", run.as_str().expect("a run"));
    by("submitter", &format!("POST {path}"), &json!({})).is(403);
    by("operator", "DELETE /api/v1/pipelines/news", &Value::Null).is(403);
    by("admin", "DELETE /api/v1/pipelines/news", &Value::Null).is(404);

    server.post("/api/v1/session", &json!({ "key": "wrong-0123456789abcdef" })).is(401);
    let signed = server.post("/api/v1/session", &json!({ "key": key("viewer") })).expect(200);
    let cookie = signed.header("set-cookie").expect("a cookie");
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    let cookie = cookie.split(';').next().expect("a pair").to_owned();
    let headers =
        [("cookie", cookie.as_str()), ("host", "reels.example.org"), ("origin", "https://reels.example.org")];
    let me = ask(&server.address, "GET /api/v1/session", &headers, "").expect(200).json();
    assert_eq!(me["role"], "viewer");
}

#[test]
fn without_keys_it_listens_on_this_machine_only() {
    let place = place("file", FILE);
    let refused = place.ask(&["serve", "--addr", "0.0.0.0:0"]).expect(2);
    assert!(refused.stderr.contains("--keys"), "{refused:?}");
    place.write("keys.txt", "ann admin short\n");
    let refused = place.ask(&["serve", "--addr", "0.0.0.0:0", "--keys", "keys.txt"]).expect(2);
    assert!(refused.stderr.contains("line 1") && !refused.stderr.contains("short"), "{refused:?}");
}

#[test]
fn whoever_was_cut_off_goes_on_where_it_was() {
    let place = place(
        "gate",
        "stages:\n  first: { uses: probe.say@1, with: { text: hello } }\n  stop: { uses: probe.gate@1, with: { gate: ../gate, value: \"${{ stages.first.outputs.text }}\" } }\n",
    );
    let mut gate = place.gate("gate");
    let server = serve(&place, &[]);
    let run = server.start(&json!({ "pipeline": "gate.yaml" }));
    gate.wait();
    let path = format!("/api/v1/runs/{run}/events?logs=true");
    let is_stop = |told: &Told| told.data["kind"] == "task.leased" && told.data["path"] == "stop";
    let mut before: Vec<u64> = Vec::new();
    for told in listen(&server.address, &path, &[]) {
        before.extend(told.id);
        if is_stop(&told) {
            break;
        }
    }
    // The stage at the gate is at work, and says nothing of how far it is.
    let shown = server.run(&run);
    assert_eq!((&shown["state"], &shown["working"][0]["path"]), (&json!("running"), &json!("stop")));
    let last = before.last().expect("there were events").to_string();
    let rest = listen(&server.address, &path, &[("last-event-id", &last)]);
    gate.open();
    let rest: Vec<u64> = rest.filter_map(|told| told.id).collect();
    let all: Vec<Told> = listen(&server.address, &path, &[]).collect();
    let ids: Vec<u64> = all.iter().filter_map(|told| told.id).collect();
    assert!(ids.is_sorted_by(|one, next| one < next), "{ids:?}");
    assert_eq!([before, rest].concat(), ids, "nothing twice, and nothing left out");
    assert!(all.iter().any(|told| told.data["kind"] == "task.log" && told.data["data"]["text"] == "hello"));
    ask(&server.address, &format!("GET {path}"), &[("last-event-id", "x")], "").is(400);

    let logs = server.get(&format!("/api/v1/runs/{run}/logs?stage=first&at_least=info")).expect(200).json();
    let texts: Vec<&str> =
        logs["lines"].as_array().into_iter().flatten().filter_map(|line| line["text"].as_str()).collect();
    assert!(texts.contains(&"hello"), "{logs}");
    let none = server.get(&format!("/api/v1/runs/{run}/logs?stage=stop&at_least=warn")).expect(200).json();
    assert_eq!(none["lines"], json!([]));
}

#[test]
fn files_are_uploaded_once_and_used_often() {
    let place = place(
        "read",
        "inputs: { song: { type: file, accept: [\"text/*\"] } }\nstages:\n  read: { uses: probe.read@1, with: { file: \"${{ inputs.song }}\" } }\noutputs: { text: \"${{ stages.read.outputs.text }}\" }\n",
    );
    place.write("secret.txt", "a key");
    let server = serve(&place, &["--upload-max", "1Ki"]);
    let put = |path: &str, body: &[u8]| ask(&server.address, &format!("PUT /api/v1/files/{path}"), &[], body);
    let upload = put("music/la%20la.txt", b"la la la").expect(201).json();
    assert_eq!((&upload["name"], &upload["artifact"]["size"]), (&json!("la la.txt"), &json!(8)));
    put("music/long.txt", &[b'x'; 1025]).is(413);
    let huge = format!("{}", 1_u64 << 40);
    ask(&server.address, "PUT /api/v1/files/music/huge.txt", &[("content-length", huge.as_str())], "x")
        .is(413);
    put("music/a.exe", b"x").is(415);
    put("attic/a.txt", b"x").is(404);
    for name in ["..%2Fa.txt", ".a.txt", "a%00.txt", "%2e%2e"] {
        put(&format!("music/{name}"), b"x").is(400);
    }
    let listed = server.get("/api/v1/files").expect(200).json();
    assert_eq!(listed["shelves"][0]["files"], json!([upload]), "what was refused left nothing behind");
    let folder = listed["shelves"][0]["folder"].as_str().expect("a folder");
    assert_eq!(std::fs::read_to_string(format!("{folder}/la la.txt")).expect("it lies there"), "la la la");
    assert_eq!(std::fs::read_dir(place.path("home/library/coming")).expect("the folder is there").count(), 0);

    let run = |song: &Value| {
        server.post("/api/v1/runs", &json!({ "pipeline": "read.yaml", "inputs": { "song": song } }))
    };
    let id = run(&upload["artifact"]).expect(201).json()["run"].as_str().expect("a run").to_owned();
    assert_eq!(server.end_of(&id)["outputs"]["text"], "la la la");
    let path = place.path("secret.txt").display().to_string();
    let told = run(&json!(path)).expect(422).json();
    assert!(told["errors"][0]["message"].as_str().is_some_and(|text| text.contains("is a path")), "{told}");
    let mut gone = upload["artifact"].clone();
    gone["$artifact"] = json!(format!("blake3:{}", "1".repeat(64)));
    run(&gone).is(422);
    let mut song = upload["artifact"].clone();
    song["media_type"] = json!("audio/mpeg");
    run(&song).is(422);
    ask(&server.address, "DELETE /api/v1/files/music/la%20la.txt", &[], "").is(204);
    ask(&server.address, "DELETE /api/v1/files/music/la%20la.txt", &[], "").is(404);
    run(&upload["artifact"]).is(201);
}

#[test]
fn a_run_is_paused_cancelled_asked_why_and_sent_around_again() {
    let body = "stages:\n  stop: { uses: probe.gate@1, with: { gate: ../gate } }\n  bad: { uses: probe.fail@1, needs: [stop], with: { class: permanent, message: no salt } }\n";
    let place = place("stop", body);
    let mut gate = place.gate("gate");
    let server = serve(&place, &[]);
    let run = server.start(&json!({ "pipeline": "stop.yaml" }));
    gate.wait();
    let act = |verb: &str, body: &Value| server.post(&format!("/api/v1/runs/{run}:{verb}"), body);
    assert_eq!(act("pause", &json!({ "reason": "lunch" })).expect(200).json()["changed"], true);
    assert_eq!(server.run(&run)["paused"], true);
    ask(&server.address, &format!("DELETE /api/v1/runs/{run}"), &[], "").is(409);
    act("retry", &json!({})).is(409);
    assert_eq!(act("resume", &Value::Null).status, 200);
    gate.open();
    assert_eq!(server.end_of(&run)["state"], "failed");
    let why = server.get(&format!("/api/v1/runs/{run}/why?stage=bad")).expect(200).json();
    assert!(why["why"][0]["because"].to_string().contains("no salt"), "{why}");
    server.get(&format!("/api/v1/runs/{run}/why?stage=none")).is(404);
    let tasks = server.get(&format!("/api/v1/runs/{run}/tasks?state=failed")).expect(200).json();
    assert_eq!(tasks["tasks"][0]["path"], "bad");
    act("retry", &json!({ "set": [{ "stage": "bad", "key": "until", "value": 1 }] })).is(200);
    assert_eq!(server.end_of(&run)["state"], "succeeded", "with another value it goes well");
    assert_eq!(server.get("/api/v1/runs?state=failed,cancelled").json()["runs"], json!([]));
    ask(&server.address, &format!("DELETE /api/v1/runs/{run}"), &[], "").is(204);
    server.get(&format!("/api/v1/runs/{run}")).is(404);

    let own = pipeline("stages:\n  work: { uses: probe.stay@1, with: { talks: true } }\n");
    let run = server.start(&json!({ "yaml": own, "name": "own" }));
    let mut events = listen(&server.address, &format!("/api/v1/runs/{run}/events"), &[]);
    let said = |told: &Told| told.event == "progress" && told.data[0]["progress"]["total"] == 1000.0;
    assert!(events.any(|told| said(&told)), "how far it is");
    server.post(&format!("/api/v1/runs/{run}:cancel"), &json!({ "reason": "enough" })).is(200);
    assert_eq!(events.last().expect("an end").data["state"], "cancelled");
}

#[test]
fn a_person_answers_what_a_run_asks() {
    let place = place(
        "ask",
        "stages:\n  check: { approval: { message: Is it salty? } }\n  go: { uses: probe.say@1, needs: [check], with: { text: yes } }\n",
    );
    let server = serve(&place, &[]);
    let run = server.start(&json!({ "pipeline": "ask.yaml" }));
    let events = listen(&server.address, &format!("/api/v1/runs/{run}/events"), &[]);
    let approve = |approved: bool| {
        server.post(&format!("/api/v1/runs/{run}:approve"), &json!({ "approved": approved }))
    };
    let mut last = None;
    for told in events {
        if told.data["kind"] == "task.awaits" {
            assert_eq!(server.run(&run)["questions"][0]["message"], "Is it salty?");
            assert_eq!(approve(true).expect(200).json()["decided"][0]["path"], "check");
        }
        last = Some(told);
    }
    assert_eq!(last.expect("an end").data["state"], "succeeded");
    approve(true).is(409);
}

#[test]
fn pipelines_are_registered_shown_and_removed() {
    let place = place("file", FILE);
    let server = serve(&place, &[]);
    let put = |query: &str, text: &str| {
        ask(
            &server.address,
            &format!("PUT /api/v1/pipelines/news{query}"),
            &[("content-type", "application/yaml")],
            text,
        )
    };
    let text = pipeline(
        "stages:\n  a: { pipeline: ./file.yaml, with: { text: salt } }\noutputs: { n: \"${{ stages.a.outputs.length }}\" }\n",
    );
    assert_eq!(put("", &text).expect(201).json()["pipeline"]["revision"], 1);
    assert_eq!(put("", &text).expect(200).json()["new"], false);
    put("?revision=7", &format!("{text}# changed\n")).is(412);
    put("", "version: 2").is(422);
    let shown = server.get("/api/v1/pipelines/news").expect(200).json();
    assert_eq!(
        (&shown["origin"], &shown["revision"], &shown["text"]),
        (&json!("registered"), &json!(1), &json!(text))
    );
    let run = server.start(&json!({ "pipeline": "news@1" }));
    let ended = server.end_of(&run);
    assert_eq!((&ended["outputs"]["n"], &ended["labels"]["pipeline"]), (&json!(4), &json!("news@1")));
    ask(&server.address, "DELETE /api/v1/pipelines/news", &[], "").is(204);
    server.get("/api/v1/pipelines/news").is(404);
}

#[test]
fn what_there_is_to_work_with_is_told() {
    let place = place("file", FILE);
    let server = serve(&place, &[]);
    assert_eq!(server.get("/healthz").expect(200).text(), "ok\n");
    assert_eq!(server.get("/readyz").expect(200).text(), "ready\n");
    assert!(server.get("/metrics").expect(200).text().contains("reelmill_store_up 1"));
    let described = server.get("/openapi.json").expect(200).json();
    assert_eq!(described["openapi"], "3.1.0");
    assert!(described["paths"]["/api/v1/runs"]["post"].is_object());
    assert!(server.get("/api/v1/schemas/pipeline.json").expect(200).json()["$defs"].is_object());
    // The worker begins when the server listens.
    let workers = || server.get("/api/v1/workers").expect(200).json()["workers"].as_array().map(Vec::len);
    wait_until("the worker to be seen", || workers() == Some(1));
    let plugins = server.get("/api/v1/plugins").expect(200).json();
    assert!(plugins["plugins"].as_array().into_iter().flatten().any(|plugin| plugin["name"] == "probe"));
    assert_eq!(server.post("/api/v1/queues/default:pause", &Value::Null).expect(200).json()["paused"], true);
    let lanes = server.get("/api/v1/queues").expect(200).json();
    let paused =
        |lanes: &Value| lanes["lanes"].as_array().into_iter().flatten().any(|lane| lane["paused"] == true);
    assert!(paused(&lanes), "{lanes}");
    let run = server.start(&json!({ "pipeline": "file.yaml", "inputs": { "text": "salt" } }));
    server.post("/api/v1/queues/default:resume", &Value::Null).is(200);
    assert_eq!(server.end_of(&run)["state"], "succeeded");
}

#[test]
fn an_interrupt_lets_it_drain_and_the_next_start_goes_on() {
    let place = place("gate", "stages:\n  stop: { uses: probe.gate@1, with: { gate: ../gate } }\n");
    let mut gate = place.gate("gate");
    let server = serve(&place, &[]);
    let run = server.start(&json!({ "pipeline": "gate.yaml" }));
    gate.wait();
    signal("INT", &[server.process.id()]);
    let mut process = server.process;
    process.wait_for("stopping");
    gate.open();
    let ended = process.end().expect(0);
    assert!(ended.stderr.contains("drained"), "{ended:?}");
    let server = serve(&place, &[]);
    assert_eq!(server.end_of(&run)["state"], "succeeded");
}

#[test]
fn speech_and_scripts_can_be_had_alone() {
    let place = Place::new();
    let shipped = repository().join("pipelines").display().to_string();
    let server = serve(&place, &["--pipelines", &shipped]);
    let listed = server.get("/api/v1/pipelines").expect(200).json();
    for one in listed["pipelines"].as_array().expect("a list") {
        let name = one["name"].as_str().expect("a name");
        let shown = server.get(&format!("/api/v1/pipelines/{name}")).expect(200).json();
        assert_eq!(shown["ok"], true, "{name}: {}", shown["diagnostics"]);
        assert_ne!(one["about"], "", "{name} says what it is for");
    }
    let voice = json!({ "text": "The tide comes in twice a day. The moon pulls.", "subtitles": "srt" });
    let voice = server.start(&json!({ "pipeline": "voice_only.yaml", "inputs": voice }));
    let script = json!({ "topic": "How tides work", "scenes": 2, "platforms": ["shorts"] });
    let script = server.start(&json!({ "pipeline": "script_only.yaml", "inputs": script }));
    let voice = server.end_of(&voice);
    assert_eq!(voice["state"], "succeeded", "{voice}");
    let file = |place: &str| {
        let files = voice["files"].as_array().into_iter().flatten();
        let found = files.into_iter().find(|file| file["place"] == place).expect("the file is there");
        server.get(found["url"].as_str().expect("an address")).expect(200)
    };
    assert!(file("subtitles").text().starts_with("1\n00:00:0"), "{}", file("subtitles").text());
    assert!(file("subtitles").text().contains("tide"));
    assert_eq!(file("audio").header("content-type"), Some("audio/wav"));
    let script = server.end_of(&script)["outputs"].clone();
    assert_eq!(script["narration"].as_array().map(Vec::len), Some(2), "{script}");
    assert_eq!(script["terms"][0], json!(["how", "tides", "work"]));
    assert!(script["platforms"]["shorts"]["title"].is_string());
}

#[test]
fn in_front_of_a_fleet_the_work_is_left_to_its_workers() {
    let redis = RedisServer::start();
    let place = Place::of_fleet(&redis);
    place.write("pipelines/file.yaml", &pipeline(FILE));
    let server = serve(&place, &["--no-worker"]);
    let run = server.start(&json!({ "pipeline": "file.yaml", "inputs": { "text": "salt" } }));
    assert_eq!(server.get("/api/v1/workers").expect(200).json()["workers"], json!([]));
    let events = listen(&server.address, &format!("/api/v1/runs/{run}/events"), &[]);
    let _worker = worker(&place, &["--slots", "1"]);
    let told: Vec<Told> = events.collect();
    assert_eq!(told.last().expect("an end").data["state"], "succeeded");
    let ids: Vec<u64> = told.iter().filter_map(|told| told.id).collect();
    assert!(ids.is_sorted_by(|one, next| one < next), "{ids:?}");
    let url = server.run(&run)["files"][0]["url"].clone();
    assert_eq!(server.get(url.as_str().expect("an address")).expect(200).text(), "salt");
}
