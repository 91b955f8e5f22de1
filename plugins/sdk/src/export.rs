//! The C side of a plugin: everything between the exported symbol and the [`Stage`] trait. Stage authors use
//! [`export_plugin!`](crate::export_plugin) only; the rest is public because the macro writes calls to it.
//!
//! No panic leaves this file, and nothing is kept of what the host lent for one call.
#![expect(unsafe_code, reason = "the functions behind the C ABI take the host's pointers")]

use crate::cx::Sink;
use crate::stage::stage_manifest;
use crate::{CallInfo, Cx, Progress, Severity, Stage, StageError, abi};
use reelmill_model::{Manifest, PluginKind, StageManifest};
use serde::Deserialize;
use serde_json::Value;
use std::cell::{Cell, RefCell};
use std::ffi::{c_char, c_void};
use std::panic::{AssertUnwindSafe, PanicHookInfo};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

/// Makes a crate a plugin: `export_plugin! { name: "acme", version: env!("CARGO_PKG_VERSION"), license: "MIT",
/// description: "…", stages: [A, B] }`, once, in a crate of type `cdylib`.
#[macro_export]
macro_rules! export_plugin {
    (
        name: $name:expr, version: $version:expr, license: $license:expr, description: $description:expr,
        stages: [$($stage:ty),+ $(,)?] $(,)?
    ) => {
        const _: () = {
            struct Exported;

            impl $crate::export::Exported for Exported {
                const INFO: &'static $crate::export::PluginInfo = &$crate::export::PluginInfo {
                    name: $name,
                    version: $version,
                    license: $license,
                    description: $description,
                    stages: &[$($crate::export::StageEntry::of::<$stage>()),+],
                };
            }

            static TABLE: $crate::abi::Plugin = $crate::export::table::<Exported>();

            /// The one symbol the host looks for.
            #[unsafe(no_mangle)]
            pub extern "C" fn stage_plugin_v1() -> *const $crate::abi::Plugin {
                &raw const TABLE
            }
        };
    };
}

/// What `export_plugin!` was told.
pub struct PluginInfo {
    /// The part before the dot in `uses`.
    pub name: &'static str,
    /// Semantic version of the plugin.
    pub version: &'static str,
    /// SPDX expression.
    pub license: &'static str,
    /// A sentence or two.
    pub description: &'static str,
    /// Its stages.
    pub stages: &'static [StageEntry],
}

impl PluginInfo {
    /// The manifest of the whole plugin.
    #[must_use]
    pub fn manifest(&self) -> Manifest {
        Manifest {
            name: self.name.to_owned(),
            version: self.version.to_owned(),
            license: self.license.to_owned(),
            description: self.description.to_owned(),
            kind: PluginKind::Native,
            command: Vec::new(),
            stages: self.stages.iter().map(|stage| (stage.manifest)()).collect(),
        }
    }
}

/// One stage in the list of a plugin.
pub struct StageEntry {
    id: &'static str,
    manifest: fn() -> StageManifest,
    open: fn() -> Result<Box<dyn Opened>, StageError>,
}

impl StageEntry {
    /// The entry of a stage type.
    #[must_use]
    pub const fn of<S: Stage>() -> Self {
        Self { id: S::ID, manifest: stage_manifest::<S>, open: || Ok(Box::new(Typed(S::open()?))) }
    }
}

/// The type that carries a plugin's information into the C functions.
pub trait Exported {
    /// What the macro was told.
    const INFO: &'static PluginInfo;
}

/// The table behind the exported symbol.
#[must_use]
pub const fn table<P: Exported>() -> abi::Plugin {
    abi::Plugin {
        magic: abi::MAGIC,
        size: abi::Plugin::SIZE,
        major: abi::MAJOR,
        minor: abi::MINOR,
        describe: Some(describe::<P>),
        init: Some(init),
        open: Some(open::<P>),
        run: Some(run),
        close: Some(close),
        extension: Some(extension),
    }
}

/// An opened stage whose types are forgotten.
trait Opened: Send {
    fn run(&mut self, input: &[u8], sink: &dyn Sink) -> Result<Vec<u8>, StageError>;
}

struct Typed<S>(S);

impl<S: Stage> Opened for Typed<S> {
    fn run(&mut self, input: &[u8], sink: &dyn Sink) -> Result<Vec<u8>, StageError> {
        let input: Input<S::Input> =
            serde_json::from_slice(input).map_err(|_| explain_input::<S::Input>(input))?;
        let output = self.0.run(input.with, &Cx::new(&input.call, sink))?;
        serde_json::to_vec(&output)
            .map_err(|error| StageError::internal(format!("the outputs are no JSON: {error}")))
    }
}

/// What `run` is given.
#[derive(Deserialize)]
struct Input<W> {
    with: W,
    call: CallInfo,
}

/// Parses a refused input once more, step by step, to say what is wrong with it in words of `with`.
fn explain_input<W: serde::de::DeserializeOwned>(input: &[u8]) -> StageError {
    match serde_json::from_slice::<Input<Value>>(input) {
        Err(error) => StageError::internal(format!("the host's call could not be read: {error}")),
        Ok(input) => match serde_json::from_value::<W>(input.with) {
            Err(error) => bad_with(&error),
            Ok(_) => StageError::internal("the host's call was readable only at the second try"),
        },
    }
}

pub(crate) fn bad_with(error: &serde_json::Error) -> StageError {
    StageError::invalid_input(format!("`with` does not fit this stage: {error}")).code("bad_with")
}

/// The host's table, set once by `init`.
static HOST: AtomicPtr<abi::Host> = AtomicPtr::new(ptr::null_mut());

fn host() -> Option<&'static abi::Host> {
    // SAFETY: `init` stored a pointer that the header promises to be valid for the life of the process.
    unsafe { HOST.load(Ordering::Acquire).as_ref() }
}

/// A call of the host, as a place to send words to.
struct HostCall {
    host: &'static abi::Host,
    call: *const abi::Call,
}

// SAFETY: the header allows cancelled, progress and log from any thread while the call is in progress, and a
// `Cx` cannot outlive the call.
unsafe impl Sync for HostCall {}

impl Sink for HostCall {
    fn cancelled(&self) -> bool {
        // SAFETY: the host's function and the call of the run in progress.
        unsafe { (self.host.cancelled)(self.call) != 0 }
    }

    fn progress(&self, progress: &Progress) {
        if let Ok(json) = serde_json::to_vec(progress) {
            // SAFETY: as above; the bytes live until the function returns.
            unsafe { (self.host.progress)(self.call, abi::Bytes::of(&json)) }
        }
    }

    fn log(&self, severity: Severity, text: &str) {
        let severity = match severity {
            Severity::Debug => abi::LOG_DEBUG,
            Severity::Info => abi::LOG_INFO,
            Severity::Warn => abi::LOG_WARN,
            Severity::Error => abi::LOG_ERROR,
        };
        // SAFETY: as above.
        unsafe { (self.host.log)(self.call, severity, abi::Bytes::of(text.as_bytes())) }
    }
}

impl HostCall {
    /// Hands the end of a call to the host and says what the C function returns.
    fn finish<T>(&self, result: Result<T, StageError>, succeed: impl FnOnce(T)) -> abi::Rc {
        match result {
            Ok(value) => {
                succeed(value);
                abi::OK
            }
            Err(error) => {
                let json = serde_json::to_vec(error.failure()).unwrap_or_default();
                // SAFETY: the host's function and the call in progress; the bytes live until it returns.
                unsafe { (self.host.fail)(self.call, abi::Bytes::of(&json)) }
                abi::FAILED
            }
        }
    }
}

unsafe extern "C" fn describe<P: Exported>(cx: *mut c_void, sink: abi::Sink) {
    let json = guarded(|| {
        serde_json::to_vec(&P::INFO.manifest()).map_err(|error| StageError::internal(error.to_string()))
    });
    match json {
        // SAFETY: the host's own function with the host's own context.
        Ok(json) => unsafe { sink(cx, abi::Bytes::of(&json)) },
        Err(error) => eprintln!("the plugin could not describe itself: {error}"),
    }
}

unsafe extern "C" fn init(table: *const abi::Host) -> abi::Rc {
    // SAFETY: the header promises a valid table.
    match unsafe { table.as_ref() } {
        Some(host) if host.major == abi::MAJOR && host.size >= abi::Host::SIZE => {
            HOST.store(table.cast_mut(), Ordering::Release);
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |info| note_panic(info, &before)));
            abi::OK
        }
        _ => abi::FAILED,
    }
}

unsafe extern "C" fn open<P: Exported>(
    call: *const abi::Call,
    stage: abi::Bytes,
    _config: abi::Bytes,
    out: *mut *mut abi::Instance,
) -> abi::Rc {
    let Some(host) = host() else { return abi::FAILED };
    // SAFETY: the bytes are valid for this call.
    let id = unsafe { stage.as_slice() };
    let opened = guarded(|| {
        let entry = P::INFO.stages.iter().find(|entry| entry.id.as_bytes() == id).ok_or_else(|| {
            StageError::invalid_config(format!("this plugin has no stage {:?}", String::from_utf8_lossy(id)))
        })?;
        (entry.open)()
    });
    HostCall { host, call }.finish(opened, |stage| {
        let instance: *mut Box<dyn Opened> = Box::into_raw(Box::new(stage));
        // SAFETY: the header promises a writable `out`.
        unsafe { *out = instance.cast() }
    })
}

unsafe extern "C" fn run(instance: *mut abi::Instance, call: *const abi::Call, input: abi::Bytes) -> abi::Rc {
    let Some(host) = host() else { return abi::FAILED };
    // SAFETY: the host hands back what `open` gave out, to one thread at a time, and the input for this call.
    let (stage, input) = unsafe { (&mut *instance.cast::<Box<dyn Opened>>(), input.as_slice()) };
    let sink = HostCall { host, call };
    let result = guarded(|| stage.run(input, &sink));
    // SAFETY: the host's function and the call in progress; the bytes live until it returns.
    sink.finish(result, |json| unsafe { (host.reply)(call, abi::Bytes::of(&json)) })
}

unsafe extern "C" fn close(instance: *mut abi::Instance) {
    let dropped = guarded(|| {
        // SAFETY: the host hands back what `open` gave out, once.
        drop(unsafe { Box::from_raw(instance.cast::<Box<dyn Opened>>()) });
        Ok(())
    });
    if let Err(error) = dropped {
        eprintln!("closing the stage: {error}");
    }
}

unsafe extern "C" fn extension(_id: *const c_char) -> *const c_void {
    ptr::null()
}

thread_local! {
    /// Whether this thread is inside [`guarded`].
    static GUARDED: Cell<bool> = const { Cell::new(false) };
    /// What the last panic on this thread said and where it was.
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs the plugin's code; a panic becomes a failure of class `internal` with its message and place.
fn guarded<T>(work: impl FnOnce() -> Result<T, StageError>) -> Result<T, StageError> {
    GUARDED.set(true);
    let result = std::panic::catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(false);
    result.unwrap_or_else(|_| {
        let what = PANIC.take().unwrap_or_else(|| "the stage panicked".to_owned());
        Err(StageError::internal(what).code("panic"))
    })
}

/// Keeps a guarded thread's panic for its failure; other threads print theirs as ever.
fn note_panic(info: &PanicHookInfo<'_>, before: &dyn Fn(&PanicHookInfo<'_>)) {
    if !GUARDED.get() {
        return before(info);
    }
    let message = info.payload_as_str().unwrap_or("no message");
    let place = info.location().map_or_else(String::new, |place| format!(" at {place}"));
    PANIC.set(Some(format!("the stage panicked{place}: {message}")));
}

#[cfg(test)]
mod tests;
