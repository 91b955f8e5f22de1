//! The C ABI of stage plugins, as Rust sees `schemas/reelmill_plugin.h`; that header is the contract and says
//! who owns memory and which thread may call what. A test compares both, field by field.
//!
//! Types and constants only: nothing here allocates, calls or decides. Structures only grow at their end.
#![expect(unsafe_code, reason = "borrowed bytes of the other side are turned into a slice in one place")]
#![no_std]

use core::ffi::{CStr, c_char, c_void};

/// Stands first in [`Plugin`]: the letters `REELMILL`.
pub const MAGIC: u64 = 0x5245_454C_4D49_4C4C;
/// Both sides must have the same.
pub const MAJOR: u16 = 1;
/// Grows when a field or an extension is added.
pub const MINOR: u16 = 0;
/// The one exported symbol, of type [`Entry`].
pub const ENTRY: &CStr = c"stage_plugin_v1";

/// Result of `open` and `run`: [`OK`] or [`FAILED`].
pub type Rc = i32;
/// It worked; after `run`, `reply` was called.
pub const OK: Rc = 0;
/// It did not; `fail` was called.
pub const FAILED: Rc = 1;

/// Severity of a log line.
pub const LOG_DEBUG: i32 = 0;
/// Severity of a log line.
pub const LOG_INFO: i32 = 1;
/// Severity of a log line.
pub const LOG_WARN: i32 = 2;
/// Severity of a log line.
pub const LOG_ERROR: i32 = 3;

/// Borrowed bytes, valid until the function that received them returns.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Bytes {
    /// First byte; null only when `len` is 0.
    pub ptr: *const u8,
    /// How many.
    pub len: usize,
}

impl Bytes {
    /// Lends a slice to the other side.
    #[must_use]
    pub const fn of(slice: &[u8]) -> Self {
        Self { ptr: slice.as_ptr(), len: slice.len() }
    }

    /// The bytes as a slice.
    ///
    /// # Safety
    /// `ptr` and `len` describe readable memory that does not change for `'a`, as the header promises for the
    /// time of one call.
    #[must_use]
    pub const unsafe fn as_slice<'a>(self) -> &'a [u8] {
        if self.ptr.is_null() {
            return &[];
        }
        // SAFETY: the caller vouches for pointer, length and lifetime; null was handled above.
        unsafe { core::slice::from_raw_parts(self.ptr, self.len) }
    }
}

/// One call of `open` or `run`; the host's, opaque.
#[repr(C)]
pub struct Call {
    _opaque: [u8; 0],
}

/// One opened stage; the plugin's, opaque.
#[repr(C)]
pub struct Instance {
    _opaque: [u8; 0],
}

/// What the host offers.
#[repr(C)]
pub struct Host {
    /// Bytes of this structure as the host knows it.
    pub size: u32,
    /// [`MAJOR`].
    pub major: u16,
    /// [`MINOR`].
    pub minor: u16,
    /// Further functions by id; null when there are none of that name.
    pub extension: unsafe extern "C" fn(id: *const c_char) -> *const c_void,
    /// One line for the attempt's log; the call may be null.
    pub log: unsafe extern "C" fn(call: *const Call, severity: i32, text: Bytes),
    /// Not 0 once the attempt should stop.
    pub cancelled: unsafe extern "C" fn(call: *const Call) -> i32,
    /// How far the attempt is, as JSON.
    pub progress: unsafe extern "C" fn(call: *const Call, json: Bytes),
    /// The outputs, once.
    pub reply: unsafe extern "C" fn(call: *const Call, json: Bytes),
    /// The failure, once.
    pub fail: unsafe extern "C" fn(call: *const Call, json: Bytes),
}

impl Host {
    /// What `size` is in a table made by this code.
    pub const SIZE: u32 = size_u32(size_of::<Self>());
}

impl Plugin {
    /// What `size` is in a table made by this code.
    pub const SIZE: u32 = size_u32(size_of::<Self>());
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the tables have a hundred bytes, as the assertion shows"
)]
const fn size_u32(size: usize) -> u32 {
    assert!(size < 4096);
    size as u32
}

/// Receives the manifest from [`DescribeFn`].
pub type Sink = unsafe extern "C" fn(cx: *mut c_void, manifest: Bytes);
/// Says the manifest.
pub type DescribeFn = unsafe extern "C" fn(cx: *mut c_void, sink: Sink);
/// Takes the host's table, once per process.
pub type InitFn = unsafe extern "C" fn(host: *const Host) -> Rc;
/// Opens a stage.
pub type OpenFn =
    unsafe extern "C" fn(call: *const Call, stage: Bytes, config: Bytes, out: *mut *mut Instance) -> Rc;
/// Runs one attempt.
pub type RunFn = unsafe extern "C" fn(instance: *mut Instance, call: *const Call, input: Bytes) -> Rc;
/// Ends an instance.
pub type CloseFn = unsafe extern "C" fn(instance: *mut Instance);
/// Further functions of the plugin by id.
pub type ExtensionFn = unsafe extern "C" fn(id: *const c_char) -> *const c_void;

/// What the plugin offers. A field may be null in a plugin that is wrong; the host then refuses it.
#[repr(C)]
pub struct Plugin {
    /// [`MAGIC`].
    pub magic: u64,
    /// Bytes of this structure as the plugin knows it.
    pub size: u32,
    /// [`MAJOR`].
    pub major: u16,
    /// [`MINOR`].
    pub minor: u16,
    /// Says the manifest.
    pub describe: Option<DescribeFn>,
    /// Takes the host's table.
    pub init: Option<InitFn>,
    /// Opens a stage.
    pub open: Option<OpenFn>,
    /// Runs one attempt.
    pub run: Option<RunFn>,
    /// Ends an instance.
    pub close: Option<CloseFn>,
    /// Further functions by id.
    pub extension: Option<ExtensionFn>,
}

/// The type of the exported symbol [`ENTRY`].
pub type Entry = unsafe extern "C" fn() -> *const Plugin;
