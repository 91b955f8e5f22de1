//! How a process that ended without an answer is judged. Pure: what was seen goes in, a failure comes out.

use crate::sys::Ended;
use crate::usage::Memory;
use reelmill_model::limits::ID_CHARS_MAX;
use reelmill_model::{Failure, FailureClass};
use serde_json::{Map, Value, json};

/// What was seen of an attempt whose process answered nothing.
#[derive(Debug, Default)]
pub struct Seen {
    /// The end of what it printed.
    pub printed: String,
    /// The last progress it sent.
    pub progress: Option<Value>,
    /// Memory it may have, in bytes; 0 for no limit.
    pub memory_limit: u64,
    /// Largest resident memory seen, in bytes.
    pub memory_peak: u64,
    /// Its memory when the attempt ended.
    pub memory_after: Memory,
    /// Whether it had not begun yet: the plugin was being loaded and the stage opened.
    pub opening: bool,
}

/// Bytes of a plugin's message, and of each of its causes.
const MESSAGE_BYTES_MAX: usize = 2_000;
/// Causes of one failure.
const CAUSES_MAX: usize = 16;
/// Bytes of a plugin's detail.
const DETAIL_BYTES_MAX: usize = 16 * 1024;

/// What allocators print when there is no memory.
const OUT_OF_MEMORY: &[&str] = &[
    "memory allocation of",
    "bad_alloc",
    "Cannot allocate memory",
    "out of memory",
    "Out of memory",
    "MemoryError",
];

/// The failure of a process that ended by itself.
pub fn of_ended(stage: &str, ended: Ended, seen: &Seen) -> Failure {
    let no_memory = OUT_OF_MEMORY.iter().any(|text| seen.printed.contains(text));
    let failure = match ended.signal {
        Some(libc::SIGSYS) => Failure::new(
            FailureClass::SandboxDenied,
            format!(
                "stage `{stage}` made a system call that no stage may make (SIGSYS) and its process was killed; \
                 see which with `strace -f` outside the sandbox"
            ),
        ),
        // Nobody here sends SIGKILL before this is asked.
        Some(libc::SIGKILL) => {
            over_memory(stage, seen, "the kernel killed its process, most likely for want of memory")
        }
        Some(_) if no_memory => over_memory(stage, seen, "it could not allocate more"),
        Some(signal) => Failure::new(
            FailureClass::Crashed,
            format!("stage `{stage}` crashed: its process was ended by {}", signal_name(signal)),
        ),
        None if no_memory && ended.code != 0 => over_memory(stage, seen, "it could not allocate more"),
        None => Failure::new(
            FailureClass::Protocol,
            format!(
                "stage `{stage}` answered nothing: its process ended with exit code {} before it replied",
                ended.code
            ),
        ),
    };
    let mut detail = detail(seen);
    match ended.signal {
        Some(signal) => detail.insert("signal".into(), signal_name(signal).into()),
        None => detail.insert("exit_code".into(), ended.code.into()),
    };
    failure.with_detail(Value::Object(detail))
}

/// The failure of a process that was stopped because its resident memory went over the limit.
pub fn of_memory(stage: &str, seen: &Seen) -> Failure {
    over_memory(stage, seen, "its process was killed").with_detail(Value::Object(detail(seen)))
}

/// The failure of an attempt that took too long.
pub fn of_timeout(stage: &str, which: &str, limit: std::time::Duration, seen: &Seen) -> Failure {
    let seconds = limit.as_secs_f64();
    let message = match which {
        "idle" => format!("stage `{stage}` said nothing for {seconds} s (`timeout.idle`)"),
        _ => format!("stage `{stage}` took longer than {seconds} s (`timeout.{which}`)"),
    };
    let last = match &seen.progress {
        Some(progress) => format!("; its last progress was {progress}"),
        None => "; it had sent no progress".to_owned(),
    };
    Failure::new(FailureClass::Timeout, message + &last)
        .with_code(format!("timeout_{which}"))
        .with_detail(Value::Object(detail(seen)))
}

/// The failure of an attempt whose process said something that is no message.
pub fn of_broken(stage: &str, problem: &dyn std::fmt::Display, seen: &Seen) -> Failure {
    Failure::new(
        FailureClass::Protocol,
        format!("stage `{stage}` broke the protocol of its socket (file descriptor 0): {problem}"),
    )
    .with_detail(Value::Object(detail(seen)))
}

/// A failure as a plugin may say it: with a class it may say, and no longer than a person reads. What the process
/// printed is added when a bug has nothing else to show.
pub fn of_plugin(mut failure: Failure, stage: &str, seen: &Seen) -> Failure {
    let by_loader = failure.class == FailureClass::Protocol;
    if !reelmill_loader::is_for_plugins(failure.class) && !by_loader {
        failure.message = format!(
            "stage `{stage}` failed with class `{}`, which only the worker may say; its message was: {}",
            failure.class, failure.message
        );
        failure.class = FailureClass::Protocol;
    }
    cut(&mut failure.message, MESSAGE_BYTES_MAX);
    cut(&mut failure.code, ID_CHARS_MAX);
    failure.causes.truncate(CAUSES_MAX);
    failure.causes.iter_mut().for_each(|cause| cut(cause, MESSAGE_BYTES_MAX));
    if failure.detail.as_ref().is_some_and(|detail| detail.to_string().len() > DETAIL_BYTES_MAX) {
        failure.detail = Some(json!({ "dropped": "the detail was too large" }));
    }
    if failure.detail.is_none() && failure.class == FailureClass::Internal && !seen.printed.is_empty() {
        failure.detail = Some(json!({ "printed": seen.printed }));
    }
    failure
}

fn cut(text: &mut String, bytes: usize) {
    if text.len() > bytes {
        text.truncate(text.floor_char_boundary(bytes));
        text.push('…');
    }
}

fn over_memory(stage: &str, seen: &Seen, what: &str) -> Failure {
    let mib =
        [("limit", seen.memory_limit), ("seen", seen.memory_peak)].map(|(what, bytes)| (what, bytes >> 20));
    let known: Vec<String> =
        mib.iter().filter(|(_, mib)| *mib > 0).map(|(what, mib)| format!("{what} {mib} MiB")).collect();
    let limit = if known.is_empty() { String::new() } else { format!(" ({})", known.join(", ")) };
    let message = format!(
        "stage `{stage}` ran out of memory: {what}{limit}; give it more with `runs_on: {{ memory: … }}`, or give it less \
         to do"
    );
    Failure::new(FailureClass::Oom, message)
}

fn detail(seen: &Seen) -> Map<String, Value> {
    let mut detail = Map::new();
    if !seen.printed.is_empty() {
        detail.insert("printed".into(), seen.printed.clone().into());
    }
    if let Some(progress) = &seen.progress {
        detail.insert("progress".into(), progress.clone());
    }
    if seen.memory_peak > 0 {
        detail.insert("memory_peak_bytes".into(), json!(seen.memory_peak));
    }
    detail
}

/// A signal by name, with what it usually means.
fn signal_name(signal: i32) -> String {
    let name = match signal {
        libc::SIGSEGV => "SIGSEGV (it used memory that is not its own)",
        libc::SIGABRT => "SIGABRT (it gave up, after an assertion or an uncaught exception)",
        libc::SIGBUS => "SIGBUS (it used memory that cannot be reached, such as a file cut short)",
        libc::SIGILL => "SIGILL (it ran an instruction this CPU does not have)",
        libc::SIGFPE => "SIGFPE (it divided by zero)",
        libc::SIGTRAP => "SIGTRAP (it stopped itself)",
        libc::SIGKILL => "SIGKILL",
        libc::SIGTERM => "SIGTERM",
        libc::SIGPIPE => "SIGPIPE",
        libc::SIGXFSZ => "SIGXFSZ (a file grew too large)",
        libc::SIGSYS => "SIGSYS",
        other => return format!("signal {other}"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn judge(signal: Option<i32>, code: i32, printed: &str) -> Failure {
        let seen = Seen { printed: printed.into(), memory_limit: 64 << 20, ..Seen::default() };
        of_ended("s", Ended { signal, code, cpu_us: 0 }, &seen)
    }

    #[test]
    fn every_way_to_die_has_its_class() {
        use FailureClass as C;
        for (signal, code, printed, class) in [
            (Some(libc::SIGSEGV), 0, "", C::Crashed),
            (Some(libc::SIGABRT), 0, "assertion failed", C::Crashed),
            (Some(libc::SIGABRT), 0, "memory allocation of 1048576 bytes failed", C::Oom),
            (Some(libc::SIGABRT), 0, "terminate called after throwing 'std::bad_alloc'", C::Oom),
            (Some(libc::SIGKILL), 0, "", C::Oom),
            (Some(libc::SIGSYS), 0, "", C::SandboxDenied),
            (None, 3, "", C::Protocol),
            (None, 0, "", C::Protocol),
            (None, 1, "Traceback …\nMemoryError", C::Oom),
        ] {
            let failure = judge(signal, code, printed);
            assert_eq!(failure.class, class, "{signal:?} {code} {printed}: {failure}");
        }
    }

    #[test]
    fn the_message_says_what_happened_and_the_detail_what_was_seen() {
        let failure = judge(Some(libc::SIGSEGV), 0, "about to crash");
        assert!(failure.message.contains("SIGSEGV") && failure.message.contains("`s`"), "{failure}");
        let detail = failure.detail.unwrap();
        assert_eq!(detail["printed"], "about to crash");
        let oom = judge(Some(libc::SIGKILL), 0, "");
        assert!(oom.message.contains("64 MiB") && oom.message.contains("runs_on"), "{oom}");
    }

    #[test]
    fn a_plugin_says_its_own_classes_and_not_too_much() {
        let mut failure = Failure::new(FailureClass::Permanent, "æ".repeat(100_000));
        failure.causes = vec!["c".repeat(100_000); 100];
        failure.detail = Some(json!("d".repeat(100_000)));
        let failure = of_plugin(failure, "s", &Seen::default());
        assert_eq!(failure.class, FailureClass::Permanent);
        assert!(serde_json::to_string(&failure).unwrap().len() < 64 * 1024);
        let claim = of_plugin(Failure::new(FailureClass::WorkerLost, "m"), "s", &Seen::default());
        assert_eq!(claim.class, FailureClass::Protocol);
    }

    #[test]
    fn a_timeout_shows_the_last_progress() {
        let seen = Seen { progress: Some(json!({ "done": 3 })), ..Seen::default() };
        let failure = of_timeout("s", "run", Duration::from_millis(1500), &seen);
        assert!(failure.message.contains("1.5 s") && failure.message.contains("\"done\":3"), "{failure}");
    }
}
