//! The C functions, called as a host calls them.

use super::*;
use crate::{Reuse, StageTraits};
use schemars::JsonSchema;
use serde::Serialize;
use std::sync::Mutex;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct In {
    /// What to say.
    text: String,
}

#[derive(Serialize, JsonSchema)]
struct Out {
    said: String,
}

struct Say;

impl Stage for Say {
    const ID: &'static str = "say";
    const VERSION: &'static str = "2.1.0";
    const SUMMARY: &'static str = "Says it";
    type Input = In;
    type Output = Out;

    fn traits() -> StageTraits {
        StageTraits { reuse: Reuse::Pool, ..StageTraits::default() }
    }

    fn open() -> Result<Self, StageError> {
        Ok(Self)
    }

    fn run(&mut self, input: In, cx: &Cx<'_>) -> Result<Out, StageError> {
        assert!(input.text != "panic", "asked to panic");
        cx.check()?;
        cx.info("said");
        Ok(Out { said: input.text })
    }
}

struct Plugin;

impl Exported for Plugin {
    const INFO: &'static PluginInfo = &PluginInfo {
        name: "test",
        version: "1.0.0",
        license: "MIT",
        description: "",
        stages: &[StageEntry::of::<Say>()],
    };
}

/// What the fake host was told, by call.
type Told = Mutex<Vec<String>>;

fn tell(call: *const abi::Call, word: &str, bytes: abi::Bytes) {
    // SAFETY: the tests pass a `Told` as the call and live bytes.
    let (told, bytes) = unsafe { (&*call.cast::<Told>(), bytes.as_slice()) };
    told.lock().unwrap().push(format!("{word} {}", String::from_utf8_lossy(bytes)));
}

unsafe extern "C" fn no_extension(_: *const c_char) -> *const c_void {
    ptr::null()
}
unsafe extern "C" fn log(call: *const abi::Call, severity: i32, text: abi::Bytes) {
    tell(call, &format!("log{severity}"), text);
}
unsafe extern "C" fn not_cancelled(_: *const abi::Call) -> i32 {
    0
}
unsafe extern "C" fn progress(call: *const abi::Call, json: abi::Bytes) {
    tell(call, "progress", json);
}
unsafe extern "C" fn reply(call: *const abi::Call, json: abi::Bytes) {
    tell(call, "reply", json);
}
unsafe extern "C" fn fail(call: *const abi::Call, json: abi::Bytes) {
    tell(call, "fail", json);
}

static FAKE: abi::Host = abi::Host {
    size: abi::Host::SIZE,
    major: abi::MAJOR,
    minor: abi::MINOR,
    extension: no_extension,
    log,
    cancelled: not_cancelled,
    progress,
    reply,
    fail,
};

/// Opens `say`, runs it once, and returns the result and everything the host was told.
fn call(input: &str) -> (abi::Rc, Vec<String>) {
    let table = table::<Plugin>();
    let told = Told::default();
    let as_call: *const abi::Call = (&raw const told).cast();
    let mut instance: *mut abi::Instance = ptr::null_mut();
    // SAFETY: the table's functions, called as the header says.
    let rc = unsafe {
        assert_eq!((table.init.unwrap())(&raw const FAKE), abi::OK);
        assert_eq!(
            (table.open.unwrap())(as_call, abi::Bytes::of(b"say"), abi::Bytes::of(b"{}"), &raw mut instance),
            abi::OK
        );
        let rc = (table.run.unwrap())(instance, as_call, abi::Bytes::of(input.as_bytes()));
        (table.close.unwrap())(instance);
        rc
    };
    (rc, told.into_inner().unwrap())
}

#[test]
fn a_run_logs_and_replies_through_the_host() {
    let (rc, told) = call(r#"{"with": {"text": "hey"}, "call": {"scratch": "/tmp"}}"#);
    assert_eq!(rc, abi::OK);
    assert_eq!(told, ["log1 said", r#"reply {"said":"hey"}"#]);
}

#[test]
fn a_panic_is_an_internal_failure_with_message_and_place() {
    let (rc, told) = call(r#"{"with": {"text": "panic"}, "call": {"scratch": "/tmp"}}"#);
    assert_eq!(rc, abi::FAILED);
    let failure: reelmill_model::Failure =
        serde_json::from_str(told[0].strip_prefix("fail ").unwrap()).unwrap();
    assert_eq!(failure.class, reelmill_model::FailureClass::Internal);
    assert!(failure.message.contains("asked to panic"), "{failure}");
    assert!(failure.message.contains("tests.rs:"), "{failure}");
}

#[test]
fn a_with_that_does_not_fit_is_said_in_words_of_with() {
    let (rc, told) = call(r#"{"with": {"txet": "hey"}, "call": {"scratch": "/tmp"}}"#);
    assert_eq!(rc, abi::FAILED);
    assert!(told[0].contains("invalid_input") && told[0].contains("unknown field `txet`"), "{}", told[0]);
}

#[test]
fn an_unknown_stage_is_refused_at_open() {
    let told = Told::default();
    let mut instance: *mut abi::Instance = ptr::null_mut();
    // SAFETY: as in `call`.
    let rc = unsafe {
        init(&raw const FAKE);
        open::<Plugin>(
            (&raw const told).cast(),
            abi::Bytes::of(b"sing"),
            abi::Bytes::of(b"{}"),
            &raw mut instance,
        )
    };
    assert_eq!(rc, abi::FAILED);
    assert!(told.into_inner().unwrap()[0].contains("no stage \\\"sing\\\""));
    assert!(instance.is_null());
}

#[test]
fn the_manifest_carries_traits_and_schemas() {
    let manifest = Plugin::INFO.manifest();
    let stage = &manifest.stages[0];
    assert_eq!((stage.major(), stage.reuse), (2, Reuse::Pool));
    assert_eq!(stage.input["properties"]["text"]["description"], "What to say.");
    assert_eq!(stage.input["additionalProperties"], false);
}
