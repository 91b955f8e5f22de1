//! A real browser without a window: Debian's Chromium, asked over its debugging pipe.

use crate::Place;
use crate::engine::{PATIENCE, wait_until};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

/// Programs that do, best first.
const PROGRAMS: [&str; 2] = ["chromium-headless-shell", "chromium"];
/// It starts nothing by itself, and asks nobody but who it is told to.
const FLAGS: &str = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking \
     --disable-component-update --disable-sync --disable-default-apps --mute-audio --autoplay-policy=no-user-gesture-required \
     --window-size=1280,900 --remote-debugging-pipe";

/// A browser with one page. Killed when dropped.
pub struct Browser {
    child: Child,
    requests: File,
    answers: Receiver<Value>,
    session: String,
    last: u64,
    /// What it told without being asked: requests, errors, violations of the policy.
    events: Vec<Value>,
}

impl Browser {
    /// Starts one with a profile of its own in a place.
    #[must_use]
    pub fn open(place: &Place) -> Self {
        let program = PROGRAMS.into_iter().find(|program| is_there(program));
        let program = program.expect("there is a Chromium (`make setup` installs it)");
        for pipe in ["browser.in", "browser.out"] {
            let made = Command::new("mkfifo").arg(place.path(pipe)).status().expect("mkfifo can be started");
            assert!(made.success(), "no pipe {pipe}");
        }
        let profile = place.path("profile").display().to_string();
        // It reads its descriptor 3 and writes to 4.
        let script = format!("exec {program} {FLAGS} --user-data-dir={profile} 3<browser.in 4>browser.out");
        let child = Command::new("sh")
            .args(["-c", &script])
            .current_dir(place.path(""))
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sh can be started");
        let requests =
            File::options().write(true).open(place.path("browser.in")).expect("the pipe can be opened");
        let answers = answers(File::open(place.path("browser.out")).expect("the pipe can be opened"));
        let mut browser =
            Self { child, requests, answers, session: String::new(), last: 0, events: Vec::new() };
        let target = browser.call("Target.createTarget", &json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let session = browser.call("Target.attachToTarget", &attach);
        session["sessionId"].as_str().expect("a session").clone_into(&mut browser.session);
        for domain in ["Page", "Runtime", "Network", "Log"] {
            browser.call(&format!("{domain}.enable"), &json!({}));
        }
        browser
    }

    /// Calls a method of the protocol.
    pub fn call(&mut self, method: &str, params: &Value) -> Value {
        self.try_call(method, params).unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// The same, where it may be refused: a page that is left takes what was asked of it along.
    fn try_call(&mut self, method: &str, params: &Value) -> Result<Value, Value> {
        self.last += 1;
        let mut message = json!({ "id": self.last, "method": method, "params": params });
        if !self.session.is_empty() {
            message["sessionId"] = self.session.as_str().into();
        }
        self.requests.write_all(format!("{message}\0").as_bytes()).expect("the browser listens");
        loop {
            let answer = self.answers.recv_timeout(PATIENCE).expect("the browser answers");
            if answer["id"] == self.last {
                let refused = Some(answer["error"].clone()).filter(|error| !error.is_null());
                return refused.map_or_else(|| Ok(answer["result"].clone()), Err);
            }
            self.events.push(answer);
        }
    }

    /// Goes to an address.
    pub fn go(&mut self, url: &str) {
        self.call("Page.navigate", &json!({ "url": url }));
    }

    /// Has the page a width.
    pub fn width(&mut self, width: u32) {
        let metrics = json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.call("Emulation.setDeviceMetricsOverride", &metrics);
    }

    /// What an expression is in the page.
    pub fn eval(&mut self, expression: &str) -> Value {
        let asked = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let answer = self.call("Runtime.evaluate", &asked);
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// Waits until an expression is true in the page; meanwhile it may fail.
    pub fn wait(&mut self, expression: &str) {
        let asked = json!({ "expression": format!("Boolean({expression})"), "returnByValue": true });
        wait_until(expression, || {
            self.try_call("Runtime.evaluate", &asked).is_ok_and(|answer| answer["result"]["value"] == true)
        });
    }

    /// What the page showed of itself that it should not have: exceptions, errors, violations of its policy.
    #[must_use]
    pub fn complaints(&self) -> Vec<&Value> {
        let is_bad = |event: &&Value| {
            event["method"] == "Runtime.exceptionThrown"
                || event["method"] == "Log.entryAdded" && event["params"]["entry"]["level"] == "error"
        };
        self.events.iter().filter(is_bad).collect()
    }

    /// The addresses that it asked for.
    #[must_use]
    pub fn asked_for(&self) -> Vec<&str> {
        let requests = self.events.iter().filter(|event| event["method"] == "Network.requestWillBeSent");
        requests.filter_map(|event| event["params"]["request"]["url"].as_str()).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The group that was made for it: it has processes of its own.
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill").args(["-s", "KILL", "--", &group]).stderr(Stdio::null()).status();
        let _ = self.child.wait();
    }
}

fn is_there(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// Messages end with a zero.
fn answers(pipe: File) -> Receiver<Value> {
    let (tell, told) = channel();
    std::thread::spawn(move || {
        for message in BufReader::new(pipe).split(0).map_while(Result::ok) {
            let message = serde_json::from_slice(&message).unwrap_or_default();
            if tell.send(message).is_err() {
                return;
            }
        }
    });
    told
}
