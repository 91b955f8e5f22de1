//! The web page in a real browser: a video is started from the form, followed, played and looked at; nothing that comes from
//! outside becomes markup, and nothing is asked of anybody else.

use reelmill_tests::Place;
use reelmill_tests::browser::Browser;
use reelmill_tests::engine::pipeline;
use reelmill_tests::http::ask;
use reelmill_tests::serving::serve;
use serde_json::json;
use std::process::Command;

/// A title that would be an image if it were markup, and would then say so.
const TITLE: &str = r#"<img src=x onerror="document.title='broken into'">"#;

/// A clip of two seconds, 160 x 90.
fn clip(place: &Place) -> Vec<u8> {
    let file = place.path("clip.mp4").display().to_string();
    let made = Command::new("ffmpeg")
        .args([
            "-v",
            "error",
            "-f",
            "lavfi",
            "-i",
            "testsrc=size=160x90:rate=25:duration=2",
            "-pix_fmt",
            "yuv420p",
        ])
        .args(["-g", "25", "-movflags", "+faststart", &file])
        .status();
    assert!(made.expect("ffmpeg can be started").success());
    std::fs::read(file).expect("the clip can be read")
}

#[test]
fn a_video_is_made_and_played_from_the_page() {
    let place = Place::new();
    place.write("pipelines/film.yaml", &pipeline(
        "inputs:\n  title: { type: string, min_length: 3, title: Title }\n  mood: { type: string, enum: [calm, wild], default: calm, title: Mood }\n  video: { type: file, accept: [\"video/*\"], title: Video }\n\
         stages:\n  say: { uses: probe.say@1, with: { text: \"${{ inputs.title }}\" } }\n  many: { for_each: { in: \"[1, 2, 3]\" }, uses: probe.say@1, with: { text: \"${{ inputs.mood }}\", after: \"${{ stages.say.outputs.text }}\" } }\n\
         outputs: { video: \"${{ inputs.video }}\", title: \"${{ stages.say.outputs.text }}\" }\n",
    ));
    let server = serve(&place, &[]);
    let upload =
        ask(&server.address, "PUT /api/v1/files/files/clip.mp4", &[], clip(&place)).expect(201).json();
    let mut browser = Browser::open(&place);
    let base = format!("http://{}", server.address);
    browser.go(&format!("{base}/"));
    browser.wait("document.body.innerText.includes('Nothing has run yet')");
    browser.eval("document.querySelector('.button.main').click()");
    browser.wait("document.querySelector('.tile')");
    browser.eval("document.querySelector('.tile').click()");
    browser.wait("document.querySelector('#input-title')");

    // What is missing is told at its field.
    browser.eval("document.querySelector('form').requestSubmit()");
    browser.wait("document.querySelector('.field .wrong').textContent.includes('is missing')");
    let set = |field: &str, value: &str| {
        format!(
            "(f => {{ f.value = {}; f.dispatchEvent(new Event('input', {{ bubbles: true }})) }})(document.querySelector('#input-{field}'))",
            json!(value)
        )
    };
    browser.eval(&set("title", TITLE));
    browser.eval(&set("mood", "wild"));
    browser.eval(&set("video", "0"));
    let copies = browser.eval("[...document.querySelectorAll('.copy pre')].map(one => one.textContent)");
    let copies: Vec<&str> = copies.as_array().into_iter().flatten().filter_map(|one| one.as_str()).collect();
    assert!(copies[0].starts_with("reelmill run pipelines/film.yaml --input 'title=<img"), "{copies:?}");
    assert!(copies[1].contains("\"mood\":\"wild\"") && copies[1].contains("$artifact"), "{copies:?}");
    browser.eval("document.querySelector('form').requestSubmit()");

    // It is followed to its end without a reload.
    browser.wait("document.querySelector('#state .succeeded')");
    let run = browser.eval("location.hash.split('/').at(-1)");
    let run = server.run(run.as_str().expect("the page is that of the run"));
    assert_eq!((&run["inputs"]["mood"], &run["inputs"]["video"]), (&json!("wild"), &upload["artifact"]));
    browser.wait(
        "[...document.querySelectorAll('#stages .count')].some(one => one.textContent.startsWith('3 of 3'))",
    );
    browser.wait(&format!("document.querySelector('.log').textContent.includes({})", json!(TITLE)));
    assert_eq!(browser.eval("document.querySelectorAll('img[src=x]').length"), 0, "a text is no markup");

    // The video is played from its middle: a part of the file is all that is needed.
    browser.wait("document.querySelector('video') && document.querySelector('video').readyState >= 1");
    assert_eq!(browser.eval("Math.round(document.querySelector('video').duration)"), 2);
    browser.eval("new Promise(done => { const v = document.querySelector('video'); v.onseeked = done; v.currentTime = 1.5 }).then(() => 1)");
    assert_eq!(browser.eval("document.querySelector('video').videoWidth"), 160);
    browser.wait("document.querySelector('video').currentTime >= 1.5 && document.querySelector('video').readyState >= 2");

    // On a phone nothing stands out of the page.
    browser.width(390);
    for page in [
        format!("#/runs/{}", run["run"].as_str().expect("a run")),
        "#/".to_owned(),
        "#/new".to_owned(),
        "#/new/film.yaml".to_owned(),
        "#/files".to_owned(),
        "#/machine".to_owned(),
    ] {
        browser.eval(&format!("location.hash = {}", json!(page)));
        browser.wait("document.querySelector('main h1')");
        let over =
            browser.eval("document.documentElement.scrollWidth - document.documentElement.clientWidth");
        assert_eq!(over, 0, "{page} is wider than the screen");
    }
    assert_ne!(browser.eval("document.title"), "broken into");
    let strangers: Vec<&str> = browser
        .asked_for()
        .into_iter()
        .filter(|url| !url.starts_with(&base) && !url.starts_with("data:"))
        .collect();
    assert!(strangers.is_empty(), "it asks others: {strangers:?}");
    let complaints = browser.complaints();
    // The form was sent once with nothing in it, on purpose.
    let others = complaints.iter().filter(|one| !one.to_string().contains("422"));
    assert_eq!(others.count(), 0, "{complaints:#?}");
}

#[test]
fn a_key_is_asked_for_and_what_it_may_not_do_is_not_offered() {
    let place = Place::new();
    place
        .write("pipelines/talk.yaml", &pipeline("stages:\n  ask: { approval: { message: Is it salty? } }\n"));
    place.write("keys.txt", "ann operator ann-0123456789abcdef\nbob viewer bob-0123456789abcdef\n");
    let server = serve(&place, &["--keys", "keys.txt"]);
    let headers = [("authorization", "Bearer ann-0123456789abcdef"), ("content-type", "application/json")];
    let wish = json!({ "pipeline": "talk.yaml" }).to_string();
    let run = ask(&server.address, "POST /api/v1/runs", &headers, wish).expect(201).json();
    let run = run["run"].as_str().expect("a run");
    let mut browser = Browser::open(&place);
    browser.go(&format!("http://{}/#/runs/{run}", server.address));
    browser.wait("document.querySelector('#key')");
    let sign_in = |key: &str| {
        format!(
            "document.querySelector('#key').value = {}; document.querySelector('form').requestSubmit()",
            json!(key)
        )
    };
    browser.eval(&sign_in("wrong-0123456789abcdef"));
    browser.wait("document.querySelector('#notice').textContent.includes('no key of this server')");
    browser.eval(&sign_in("bob-0123456789abcdef"));
    browser.wait("document.body.innerText.includes('Is it salty?')");
    assert_eq!(browser.eval("document.cookie"), "", "no script can read the key");
    assert_eq!(browser.eval("[...document.querySelectorAll('button')].map(one => one.textContent).filter(text => /Approve|Cancel/.test(text))"), json!([]));
    browser.eval("document.querySelector('#who a').click()");
    browser.wait("document.querySelector('#key')");
    browser.eval(&sign_in("ann-0123456789abcdef"));
    browser.wait("[...document.querySelectorAll('button')].some(one => one.textContent === 'Approve')");
    browser
        .eval("[...document.querySelectorAll('button')].find(one => one.textContent === 'Approve').click()");
    browser.wait("document.querySelector('#state .succeeded')");
}
