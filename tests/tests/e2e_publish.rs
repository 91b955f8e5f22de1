//! Publishing on the real binaries: an upload that is killed goes on in its session, a failed run takes its video back,
//! and tokens stand nowhere but in the folder that is there for them.

use reelmill_http::testing::{Reply, Seen, Server};
use reelmill_tests::engine::{Working, files, pipeline, wait_until};
use reelmill_tests::{Ended, Place};
use serde_json::json;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};

/// A value that nothing else contains.
const TOKEN: &str = "ya29-mud-flat-9f81c2";

/// The platform, as its documentation has it; `upload_id` is as secret as a token.
#[derive(Default)]
struct Platform {
    stored: Mutex<Vec<u8>>,
    parts: Mutex<u32>,
    /// The part whose answer never comes.
    silent: Mutex<Option<u32>>,
    base: OnceLock<String>,
}

impl Platform {
    fn serve(silent: Option<u32>) -> (Server, Arc<Self>) {
        let platform = Arc::new(Self { silent: Mutex::new(silent), ..Self::default() });
        let server = Server::answering({
            let platform = Arc::clone(&platform);
            move |seen| platform.answer(seen)
        });
        platform.base.set(server.base()).expect("it is set once");
        (server, platform)
    }

    fn answer(&self, seen: &Seen) -> Reply {
        if seen.header("authorization") != Some(format!("Bearer {TOKEN}").as_str()) {
            return Reply::json(
                401,
                json!({ "error": { "message": format!("{:?}", seen.header("authorization")) } }),
            );
        }
        match seen.method.as_str() {
            "DELETE" => Reply::status(204),
            "POST" => {
                let base = self.base.get().map_or("", String::as_str);
                Reply::status(200).header("location", &format!("{base}/session?upload_id=mud-flat-session"))
            }
            _ => self.put(seen),
        }
    }

    fn put(&self, seen: &Seen) -> Reply {
        let mut stored = self.stored.lock().expect("no test panicked");
        let range = seen.header("content-range").expect("a range");
        let size: usize = range.rsplit('/').next().and_then(|size| size.parse().ok()).expect("a size");
        stored.extend(&seen.body);
        if !seen.body.is_empty() {
            let mut parts = self.parts.lock().expect("no test panicked");
            *parts += 1;
            if *self.silent.lock().expect("no test panicked") == Some(*parts) {
                return Reply::mute();
            }
        }
        if stored.len() == size {
            return Reply::json(200, json!({ "id": "vid-1", "status": { "uploadStatus": "uploaded" } }));
        }
        Reply::status(308).header("range", &format!("bytes=0-{}", stored.len() - 1))
    }
}

/// A file of a little over two parts, uploaded; with `fails` another stage fails afterwards.
fn publishing(base: &str, fails: bool) -> String {
    let account = format!(
        r#"state: state, base_url: "{base}", auth: {{ access_token: "${{{{ secrets.channel }}}}" }}"#
    );
    pipeline(&format!(
        r#"
secrets: [channel]
stages:
  film: {{ uses: probe.file@1, with: {{ name: film.mp4, text: "the tide comes in ", times: 120000 }} }}
  publish:
    uses: publish.youtube@1
    with: {{ video: "${{{{ stages.film.outputs.file }}}}", title: Tides, part_mib: 1, {account} }}
    compensate: {{ uses: publish.youtube_delete@1, with: {{ id: "${{{{ self.outputs.id }}}}", {account} }} }}
  last: {{ uses: probe.fail@1, if: {fails}, needs: [publish], with: {{ class: permanent, message: no tide }} }}
outputs: {{ id: "${{{{ stages.publish.outputs.id }}}}", resumed: "${{{{ stages.publish.outputs.resumed }}}}" }}
"#
    ))
}

fn command(place: &Place, text: &str) -> Command {
    place.write("p.yaml", text);
    let mut command = place.engine(&["run", "p.yaml", "-o", "json"]);
    command.env("REELMILL_SECRET_CHANNEL", TOKEN);
    command
}

/// Neither the token nor the address of the session was said, or stands in the home of the engine.
fn assert_nowhere(place: &Place, ended: &Ended) {
    let logs = place.ask(&["logs", "last"]).expect(0).stdout;
    // Its exit code is that of the run.
    let events = place.ask(&["watch", "last", "-o", "json"]).stdout;
    assert!(events.contains("run.ended"), "{events}");
    for text in [&ended.stdout, &ended.stderr, &logs, &events] {
        assert!(!text.contains("mud-flat"), "a secret was said: {text}");
    }
    for (name, _) in files(Path::new(&place.path("home"))) {
        let bytes = std::fs::read(place.path("home").join(&name)).unwrap_or_default();
        assert!(!bytes.windows(8).any(|window| window == b"mud-flat"), "a secret stands in {name}");
    }
}

#[test]
fn an_upload_whose_processes_are_killed_goes_on_in_its_session() {
    let (server, platform) = Platform::serve(Some(2));
    let place = Place::new();
    let text = publishing(&server.base(), false);
    let working = Working::start(&place, command(&place, &text));
    wait_until("the second part to arrive", || *platform.parts.lock().expect("no test panicked") == 2);
    working.kill_everything();
    *platform.silent.lock().expect("no test panicked") = None;

    let ended = Working::start(&place, command(&place, &text)).end().expect(0);
    let status = ended.json();
    assert_eq!(status["outputs"], json!({ "id": "vid-1", "resumed": true }));
    let requests = server.requests();
    let begun = requests.iter().filter(|seen| seen.method == "POST").count();
    assert_eq!(begun, 1, "one session");
    let film = "the tide comes in ".repeat(120_000);
    assert!(*platform.stored.lock().expect("no test panicked") == film.as_bytes(), "each byte came once");
    assert_nowhere(&place, &ended);
}

#[test]
fn a_failed_run_takes_its_video_back() {
    let (server, _platform) = Platform::serve(None);
    let place = Place::new();
    let ended = Working::start(&place, command(&place, &publishing(&server.base(), true))).end().expect(1);
    let last = server.requests().pop().expect("it was called");
    assert_eq!((last.method.as_str(), last.target.as_str()), ("DELETE", "/youtube/v3/videos?id=vid-1"));
    assert_eq!(place.events().end_of("publish.compensate")["data"]["state"], "succeeded");
    assert_nowhere(&place, &ended);
}

#[test]
fn a_refused_token_is_named_by_its_option_alone() {
    let (server, _platform) = Platform::serve(None);
    let place = Place::new();
    let mut command = command(&place, &publishing(&server.base(), false));
    command.env("REELMILL_SECRET_CHANNEL", "mud-flat-wrong");
    let ended = Working::start(&place, command).end().expect(1);
    let failure = ended.json()["failure"]["failure"].clone();
    assert_eq!((&failure["class"], &failure["code"]), (&json!("invalid_config"), &json!("unauthorized")));
    assert!(failure["message"].as_str().is_some_and(|text| text.contains("`auth`")), "{failure}");
    assert_nowhere(&place, &ended);
}

#[test]
fn footage_is_fetched_from_within_the_sandbox_and_kept() {
    // A picture of 64 x 64, as a BMP.
    let mut picture = b"BM".to_vec();
    for number in [54_u32 + 64 * 64 * 3, 0, 54, 40, 64, 64] {
        picture.extend(number.to_le_bytes());
    }
    picture.extend([1, 0, 24, 0]);
    picture.extend([0; 24]);
    picture.resize(54 + 64 * 64 * 3, 90);
    let server = Server::always(Reply::file("image/bmp", "\"1\"", picture));
    let host = server.base().replace("http://", "");
    let place = Place::new();
    let text = pipeline(&format!(
        r#"
stages:
  footage:
    uses: material.fetch@1
    cache: never
    with:
      {{ query: wave, urls: [{{ url: "{}/wave.bmp", licence: CC0, author: A. B. }}], allow_hosts: ["{host}"], cache: kept }}
  credits: {{ uses: material.credits@1, with: {{ credits: "${{{{ stages.footage.outputs.credits }}}}" }} }}
outputs: {{ lines: "${{{{ stages.credits.outputs.lines }}}}" }}
"#,
        server.base()
    ));
    for _ in 0..2 {
        let status = place.run(&text, &[]).expect(0).json();
        assert_eq!(status["outputs"]["lines"].as_array().map(Vec::len), Some(1), "{status}");
    }
    assert_eq!(server.requests().len(), 1, "the second run has what the first kept");
    assert_eq!(files(&place.path("kept/files")).len(), 1);
}
