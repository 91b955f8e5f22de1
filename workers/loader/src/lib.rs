//! Loads native plugins through the C ABI. `reelmill-runner` does it for one plugin in a sandbox; the worker
//! does it for first-party stages that are smaller than the boundary.
//!
//! This crate is the only caller of plugin code. It never unloads: a library with thread-local destructors
//! stays mapped anyway, and loading a replaced file again would return the old code.
#![expect(unsafe_code, reason = "foreign functions are called through their table")]

mod table;

pub use table::is_for_plugins;

use reelmill_model::{Failure, FailureClass, Severity};
use reelmill_plugin_abi as abi;
use std::ffi::c_void;
use std::path::{Path, PathBuf};
use table::Conversation;

/// Where a stage's words go while it runs. Called from any thread of the plugin.
pub trait Talk: Sync {
    /// Whether the attempt should stop.
    fn cancelled(&self) -> bool;
    /// A line of the log.
    fn log(&self, severity: Severity, text: &str);
    /// Progress, as JSON that nobody has checked.
    fn progress(&self, json: &[u8]);
}

/// A library that is no plugin, or not one of this ABI.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The dynamic loader refused it.
    #[error(
        "the plugin {path} cannot be loaded: {reason}; if a library is missing, install the package that has it",
        path = path.display()
    )]
    Loader {
        /// The file.
        path: PathBuf,
        /// In the dynamic loader's words.
        reason: String,
    },
    /// Its table is wrong.
    #[error("{path} is no plugin that this version can load: {reason}", path = path.display())]
    Table {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Self {
        Self::new(FailureClass::InvalidConfig, error.to_string()).with_code("plugin_not_loadable")
    }
}

/// The functions of a checked table.
#[derive(Clone, Copy)]
struct Functions {
    describe: abi::DescribeFn,
    open: abi::OpenFn,
    run: abi::RunFn,
    close: abi::CloseFn,
}

/// A loaded plugin. It stays loaded until the process ends.
#[derive(Clone, Copy)]
pub struct Library {
    functions: Functions,
}

impl Library {
    /// Loads a file, checks its table and initialises the plugin.
    pub fn load(path: &Path) -> Result<Self, LoadError> {
        let refuse = |reason: String| LoadError::Table { path: path.to_owned(), reason };
        // SAFETY: initialisers of the library run here; that they are trusted, or that this process is a
        // sandbox, is the caller's decision and the reason this crate exists.
        let library = unsafe { libloading::Library::new(path) }
            .map_err(|error| LoadError::Loader { path: path.to_owned(), reason: cause(&error) })?;
        let library: &'static libloading::Library = Box::leak(Box::new(library));
        // SAFETY: the symbol's type is fixed by the ABI; its table says itself which version it is.
        let entry = unsafe { library.get::<abi::Entry>(abi::ENTRY.to_bytes_with_nul()) }
            .map_err(|_| refuse(format!("it exports no `{}`", abi::ENTRY.to_string_lossy())))?;
        // SAFETY: the entry takes nothing and returns a static table or null.
        let table = unsafe { entry() };
        if table.is_null() {
            return Err(refuse("its entry returned no table".into()));
        }
        let (functions, init) = check_table(table).map_err(refuse)?;
        // SAFETY: the host's table lives as long as the process.
        if unsafe { init(table::host()) } != abi::OK {
            return Err(refuse("its init refused this host".into()));
        }
        Ok(Self { functions })
    }

    /// What the plugin says of itself: JSON that nobody has checked; empty when it says nothing.
    #[must_use]
    pub fn manifest(&self) -> Vec<u8> {
        unsafe extern "C" fn sink(cx: *mut c_void, manifest: abi::Bytes) {
            // SAFETY: `cx` is the vector below, borrowed for this call; the bytes are valid for it too.
            unsafe { (*cx.cast::<Vec<u8>>()).extend_from_slice(manifest.as_slice()) }
        }
        let mut manifest: Vec<u8> = Vec::new();
        // SAFETY: a checked function with a context that outlives the call.
        unsafe { (self.functions.describe)((&raw mut manifest).cast(), sink) };
        manifest
    }

    /// Opens a stage.
    pub fn open(&self, stage: &str, talk: &dyn Talk) -> Result<Instance, Box<Failure>> {
        let conversation = Conversation::new(talk);
        let mut raw: *mut abi::Instance = std::ptr::null_mut();
        // SAFETY: a checked function; everything lent outlives the call.
        let rc = unsafe {
            (self.functions.open)(
                conversation.as_call(),
                abi::Bytes::of(stage.as_bytes()),
                abi::Bytes::of(b"{}"),
                &raw mut raw,
            )
        };
        conversation.end_of_open(rc)?;
        Ok(Instance { raw, functions: self.functions })
    }
}

/// An opened stage.
pub struct Instance {
    /// What `open` gave out; the plugin's.
    raw: *mut abi::Instance,
    functions: Functions,
}

// SAFETY: the header says that the host may call from any thread as long as it makes one call at a time, which
// `&mut self` ensures.
unsafe impl Send for Instance {}

impl Instance {
    /// Runs one attempt and returns its outputs: JSON that nobody has checked.
    pub fn run(&mut self, input: &[u8], talk: &dyn Talk) -> Result<Vec<u8>, Box<Failure>> {
        let conversation = Conversation::new(talk);
        // SAFETY: a checked function on its own instance; everything lent outlives the call.
        let rc = unsafe { (self.functions.run)(self.raw, conversation.as_call(), abi::Bytes::of(input)) };
        conversation.end_of_run(rc)
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // SAFETY: the instance came from `open` of the same table and is closed once.
        unsafe { (self.functions.close)(self.raw) }
    }
}

/// Checks magic, version, size and that no function is missing.
fn check_table(table: *const abi::Plugin) -> Result<(Functions, abi::InitFn), String> {
    // SAFETY: the first 16 bytes are there in every version; the plugin promises so by exporting the symbol.
    let (magic, size, major) = unsafe {
        (
            (&raw const (*table).magic).read(),
            (&raw const (*table).size).read(),
            (&raw const (*table).major).read(),
        )
    };
    if magic != abi::MAGIC {
        return Err("its table does not start with the magic number".into());
    }
    if major != abi::MAJOR {
        return Err(format!("it was built for ABI {major}, this is {}; rebuild it", abi::MAJOR));
    }
    if size < abi::Plugin::SIZE {
        return Err(format!("its table has {size} bytes, at least {} are needed", abi::Plugin::SIZE));
    }
    // SAFETY: magic, version and size say that the whole structure is there; it is static.
    let table = unsafe { &*table };
    let missing = |name: &str| format!("its function `{name}` is null");
    let functions = Functions {
        describe: table.describe.ok_or_else(|| missing("describe"))?,
        open: table.open.ok_or_else(|| missing("open"))?,
        run: table.run.ok_or_else(|| missing("run"))?,
        close: table.close.ok_or_else(|| missing("close"))?,
    };
    Ok((functions, table.init.ok_or_else(|| missing("init"))?))
}

/// The innermost cause: libloading wraps the dynamic loader's own sentence.
fn cause(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    unsafe extern "C" fn describe(_: *mut c_void, _: abi::Sink) {}
    unsafe extern "C" fn init(_: *const abi::Host) -> abi::Rc {
        abi::OK
    }

    fn table() -> abi::Plugin {
        abi::Plugin {
            magic: abi::MAGIC,
            size: abi::Plugin::SIZE,
            major: abi::MAJOR,
            minor: abi::MINOR,
            describe: Some(describe),
            init: Some(init),
            open: None,
            run: None,
            close: None,
            extension: None,
        }
    }

    #[test]
    fn a_wrong_table_is_refused_with_the_reason() {
        let reason = |change: fn(&mut abi::Plugin)| {
            let mut table = table();
            change(&mut table);
            check_table(&raw const table).map(|_| ()).unwrap_err()
        };
        assert!(reason(|t| t.magic = 1).contains("magic"));
        assert!(reason(|t| t.major = 2).contains("rebuild"));
        assert!(reason(|t| t.size = 16).contains("16 bytes"));
        assert!(reason(|_| ()).contains("`open` is null"));
    }

    #[test]
    fn a_file_that_is_no_library_and_a_library_that_is_no_plugin_are_told_apart() {
        let not_elf = Library::load(Path::new("/etc/hostname")).err().unwrap();
        assert!(matches!(not_elf, LoadError::Loader { .. }), "{not_elf}");
        let libc = Library::load(Path::new("libc.so.6")).err().unwrap();
        assert!(
            matches!(&libc, LoadError::Table { reason, .. } if reason.contains("stage_plugin_v1")),
            "{libc}"
        );
    }
}
