//! Where the body of an answer goes.

use crate::exchange::{Head, Lost};
use std::fs::File;
use std::io::Write;
use std::path::Path;

/// Takes the body of a good answer, bit by bit.
pub trait Sink: Send + 'static {
    /// The head is there, and its body will follow.
    fn begin(&mut self, head: &Head) -> Result<(), Lost>;
    /// More of it.
    fn write(&mut self, bytes: &[u8]) -> Result<(), Lost>;
}

/// Into memory, up to a limit.
pub struct Memory {
    bytes: Vec<u8>,
    max: u64,
}

impl Memory {
    pub fn new(max: u64) -> Self {
        Self { bytes: Vec::new(), max }
    }

    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

impl Sink for Memory {
    fn begin(&mut self, head: &Head) -> Result<(), Lost> {
        too_large(head.content_length().unwrap_or(0), self.max)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Lost> {
        too_large((self.bytes.len() + bytes.len()) as u64, self.max)?;
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }
}

/// Into a new file, up to a limit.
pub struct Filed {
    file: File,
    written: u64,
    max: u64,
}

/// What was saved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Saved {
    /// Bytes of the file.
    pub bytes: u64,
}

impl Filed {
    pub fn create(path: &Path, max: u64) -> std::io::Result<Self> {
        Ok(Self { file: File::create(path)?, written: 0, max })
    }

    pub fn saved(&self) -> Saved {
        Saved { bytes: self.written }
    }
}

impl Sink for Filed {
    fn begin(&mut self, head: &Head) -> Result<(), Lost> {
        too_large(head.content_length().unwrap_or(0), self.max)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Lost> {
        self.written += bytes.len() as u64;
        too_large(self.written, self.max)?;
        self.file.write_all(bytes).map_err(Lost::Local)
    }
}

pub fn too_large(bytes: u64, max: u64) -> Result<(), Lost> {
    if bytes > max { Err(Lost::TooLarge(max)) } else { Ok(()) }
}
