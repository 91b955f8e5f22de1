//! The host's side of the table: what a plugin calls, and how one call of it is judged when it returns.

use crate::Talk;
use reelmill_model::{Failure, FailureClass, Severity};
use reelmill_plugin_abi as abi;
use std::ffi::{c_char, c_void};
use std::sync::Mutex;

/// One call of `open` or `run`. A pointer to it is the plugin's `stage_call`.
pub(crate) struct Conversation<'a> {
    talk: &'a dyn Talk,
    said: Mutex<Said>,
}

/// What the plugin answered so far.
#[derive(Default)]
struct Said {
    reply: Option<Vec<u8>>,
    failure: Option<Vec<u8>>,
    answers: u32,
}

impl<'a> Conversation<'a> {
    pub(crate) fn new(talk: &'a dyn Talk) -> Self {
        Self { talk, said: Mutex::default() }
    }

    pub(crate) fn as_call(&self) -> *const abi::Call {
        std::ptr::from_ref(self).cast()
    }

    /// Judges a returned `open`.
    pub(crate) fn end_of_open(self, rc: abi::Rc) -> Result<(), Box<Failure>> {
        if rc == abi::OK { Ok(()) } else { Err(self.failure()) }
    }

    /// Judges a returned `run`.
    pub(crate) fn end_of_run(self, rc: abi::Rc) -> Result<Vec<u8>, Box<Failure>> {
        if rc != abi::OK {
            return Err(self.failure());
        }
        let said = self.said.into_inner().unwrap_or_default();
        match said.reply {
            Some(reply) if said.answers == 1 => Ok(reply),
            Some(_) => Err(broken(format!("the stage answered {} times; once is right", said.answers))),
            None => Err(broken("the stage returned without a reply")),
        }
    }

    fn failure(self) -> Box<Failure> {
        let said = self.said.into_inner().unwrap_or_default();
        let Some(json) = said.failure else {
            return broken("the stage failed without saying why (it returned without calling `fail`)");
        };
        match serde_json::from_slice::<Failure>(&json) {
            Ok(failure) if is_for_plugins(failure.class) => Box::new(failure),
            Ok(failure) => broken(format!(
                "the stage failed with class `{}`, which only the worker may say; its message was: {}",
                failure.class, failure.message
            )),
            Err(error) => broken(format!("the stage's failure could not be read: {error}")),
        }
    }
}

/// Whether a plugin may say a class of itself.
#[must_use]
pub fn is_for_plugins(class: FailureClass) -> bool {
    use FailureClass as C;
    matches!(
        class,
        C::Transient
            | C::Dependency
            | C::Resource
            | C::InvalidInput
            | C::InvalidConfig
            | C::Permanent
            | C::Internal
            | C::Cancelled
    )
}

fn broken(message: impl Into<String>) -> Box<Failure> {
    Box::new(Failure::new(FailureClass::Protocol, message))
}

/// The table every plugin of this process gets.
pub(crate) fn host() -> *const abi::Host {
    static HOST: abi::Host = abi::Host {
        size: abi::Host::SIZE,
        major: abi::MAJOR,
        minor: abi::MINOR,
        extension,
        log,
        cancelled,
        progress,
        reply,
        fail,
    };
    &raw const HOST
}

/// The conversation behind a plugin's `stage_call`.
fn conversation<'a>(call: *const abi::Call) -> Option<&'a Conversation<'a>> {
    // SAFETY: a plugin passes null or the pointer it was given, which is valid until its function returns.
    unsafe { call.cast::<Conversation<'a>>().as_ref() }
}

fn text<'a>(bytes: abi::Bytes) -> &'a [u8] {
    // SAFETY: the plugin lends the bytes for this call, and nothing here keeps them.
    unsafe { bytes.as_slice() }
}

unsafe extern "C" fn extension(_id: *const c_char) -> *const c_void {
    std::ptr::null()
}

unsafe extern "C" fn log(call: *const abi::Call, severity: i32, line: abi::Bytes) {
    let severity = match severity {
        i32::MIN..=abi::LOG_DEBUG => Severity::Debug,
        abi::LOG_INFO => Severity::Info,
        abi::LOG_WARN => Severity::Warn,
        _ => Severity::Error,
    };
    let line = String::from_utf8_lossy(text(line));
    match conversation(call) {
        Some(conversation) => conversation.talk.log(severity, &line),
        None => eprintln!("{severity}: {line}"),
    }
}

unsafe extern "C" fn cancelled(call: *const abi::Call) -> i32 {
    conversation(call).is_some_and(|conversation| conversation.talk.cancelled()).into()
}

unsafe extern "C" fn progress(call: *const abi::Call, json: abi::Bytes) {
    if let Some(conversation) = conversation(call) {
        conversation.talk.progress(text(json));
    }
}

unsafe extern "C" fn reply(call: *const abi::Call, json: abi::Bytes) {
    note(call, |said| said.reply = Some(text(json).to_vec()));
}

unsafe extern "C" fn fail(call: *const abi::Call, json: abi::Bytes) {
    note(call, |said| said.failure = Some(text(json).to_vec()));
}

fn note(call: *const abi::Call, write: impl FnOnce(&mut Said)) {
    if let Some(mut said) = conversation(call).and_then(|conversation| conversation.said.lock().ok()) {
        said.answers += 1;
        write(&mut said);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Silent;

    impl Talk for Silent {
        fn cancelled(&self) -> bool {
            true
        }
        fn log(&self, _: Severity, _: &str) {}
        fn progress(&self, _: &[u8]) {}
    }

    /// Plays a stage that makes these calls and returns `rc`.
    fn judge(rc: abi::Rc, stage: impl FnOnce(*const abi::Call)) -> Result<Vec<u8>, Box<Failure>> {
        let conversation = Conversation::new(&Silent);
        stage(conversation.as_call());
        conversation.end_of_run(rc)
    }

    fn say(f: unsafe extern "C" fn(*const abi::Call, abi::Bytes), call: *const abi::Call, json: &str) {
        // SAFETY: the call and the bytes outlive it.
        unsafe { f(call, abi::Bytes::of(json.as_bytes())) }
    }

    #[test]
    fn a_reply_is_taken_once_and_only_with_ok() {
        assert_eq!(judge(abi::OK, |call| say(reply, call, "{}")).unwrap(), b"{}");
        for broken in [
            judge(abi::OK, |_| ()),
            judge(abi::FAILED, |_| ()),
            judge(abi::FAILED, |call| say(reply, call, "{}")),
            judge(abi::FAILED, |call| say(fail, call, "no json")),
            judge(abi::OK, |call| {
                say(reply, call, "{}");
                say(reply, call, "{}");
            }),
        ] {
            assert_eq!(broken.unwrap_err().class, FailureClass::Protocol);
        }
    }

    #[test]
    fn a_plugin_cannot_claim_the_classes_of_the_worker() {
        let failed = |class: FailureClass| {
            let json = format!("{{\"class\":\"{class}\",\"message\":\"m\"}}");
            judge(abi::FAILED, |call| say(fail, call, &json)).unwrap_err().class
        };
        assert_eq!(failed(FailureClass::Transient), FailureClass::Transient);
        assert_eq!(failed(FailureClass::Oom), FailureClass::Protocol);
        assert_eq!(failed(FailureClass::WorkerLost), FailureClass::Protocol);
    }

    #[test]
    fn cancelled_reaches_the_talk_and_is_no_for_a_null_call() {
        let conversation = Conversation::new(&Silent);
        // SAFETY: a live call, and null.
        let answers = unsafe { (cancelled(conversation.as_call()), cancelled(std::ptr::null())) };
        assert_eq!(answers, (1, 0));
    }
}
