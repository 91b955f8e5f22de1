//! Room for deep recursion: the CEL crate parses and evaluates by recursing over the expression.

/// Stack for what nests: in a debug build the parser takes up to 200 KiB a bracket.
const DEEP_STACK_BYTES: usize = 32 << 20;

/// Does `work` on a thread with a stack that the deepest allowed expression fits into.
///
/// # Errors
/// There is no memory for a thread.
///
/// # Panics
/// When `work` does.
pub(super) fn on_deep_stack<T: Send>(work: impl FnOnce() -> T + Send) -> std::io::Result<T> {
    let thread = std::thread::Builder::new().stack_size(DEEP_STACK_BYTES);
    let ended = std::thread::scope(|scope| {
        thread.spawn_scoped(scope, work).map(std::thread::ScopedJoinHandle::join)
    })?;
    Ok(ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
}
