//! What libav says while it works, kept for the error that may follow instead of printed.
//!
//! Lines are kept for the thread that caused them. libav's own threads (decoders, x264) serve one job or
//! another without saying whose; their lines go to a shared ring that an error takes when its own is empty.
#![expect(unsafe_code, reason = "libav hands log lines to a C callback with a va_list")]

use ffmpeg_next::ffi;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::{Mutex, Once, PoisonError};

/// Lines kept of one thread, and of all libav threads together.
const LINES_MAX: usize = 8;
/// Characters kept of one line.
const LINE_CHARS_MAX: usize = 300;

thread_local! {
    static OWN: RefCell<Option<VecDeque<String>>> = const { RefCell::new(None) };
}
static SHARED: Mutex<VecDeque<String>> = Mutex::new(VecDeque::new());

#[cfg(target_arch = "x86_64")]
type VaList = *mut ffi::__va_list_tag;
#[cfg(not(target_arch = "x86_64"))]
type VaList = ffi::va_list;

/// Sets libav up once for this process and marks this thread as one that does jobs.
pub(crate) fn init() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Nothing here can fail: it only fills tables of error texts.
        let _ = ffmpeg_next::init();
        // SAFETY: `on_line` is a function for the life of the process and may be called from any thread.
        unsafe {
            ffi::av_log_set_callback(Some(on_line));
        }
    });
    OWN.with_borrow_mut(|own| {
        own.get_or_insert_default();
    });
}

/// Forgets what was said so far on this thread: called where a new piece of work starts.
pub(crate) fn clear() {
    init();
    OWN.with_borrow_mut(|own| own.get_or_insert_default().clear());
}

/// Takes the lines of this thread, or of libav's own threads when it has none.
pub(crate) fn take() -> Vec<String> {
    let own: Vec<String> = OWN.with_borrow_mut(|own| own.get_or_insert_default().drain(..).collect());
    if own.is_empty() {
        SHARED.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect()
    } else {
        own
    }
}

fn keep(lines: &mut VecDeque<String>, line: String) {
    if lines.back() == Some(&line) {
        return;
    }
    if lines.len() == LINES_MAX {
        lines.pop_front();
    }
    lines.push_back(line);
}

unsafe extern "C" fn on_line(context: *mut c_void, level: c_int, format: *const c_char, args: VaList) {
    if level > ffi::AV_LOG_WARNING {
        return;
    }
    let mut buffer = [0 as c_char; 512];
    let mut print_prefix: c_int = 1;
    let size = c_int::try_from(buffer.len()).unwrap_or(0);
    // SAFETY: libav passes a valid context, format and argument list for the length of this call, and writes at
    // most `size` bytes with a closing zero.
    let text = unsafe {
        ffi::av_log_format_line2(
            context,
            level,
            format,
            args,
            buffer.as_mut_ptr(),
            size,
            &raw mut print_prefix,
        );
        CStr::from_ptr(buffer.as_ptr())
    };
    let line: String = text.to_string_lossy().trim().chars().take(LINE_CHARS_MAX).collect();
    // Addresses of contexts (`[h264 @ 0x55…]`) differ from run to run and help nobody.
    let line = match (line.find(" @ 0x"), line.find(']')) {
        (Some(at), Some(end)) if at < end => format!("{}{}", &line[..at], &line[end..]),
        _ => line,
    };
    if line.is_empty() {
        return;
    }
    // A thread that is being torn down has no storage of its own any more.
    let shared = OWN
        .try_with(|own| match own.try_borrow_mut() {
            Ok(mut own) => match own.as_mut() {
                Some(lines) => {
                    keep(lines, line.clone());
                    false
                }
                None => true,
            },
            Err(_) => true,
        })
        .unwrap_or(true);
    if shared && let Ok(mut lines) = SHARED.lock() {
        keep(&mut lines, line);
    }
}
