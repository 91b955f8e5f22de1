//! Frames: four bytes of length (little endian, of what follows), one byte of tag, the fields. JSON of plugins
//! travels as it is, unparsed.

use crate::message::{FromRunner, SandboxReport, ToRunner};
use crate::{Load, ProtocolError};
use reelmill_model::limits::FRAME_BYTES_MAX;
use reelmill_model::{Failure, Severity};
use serde::{Deserialize, Serialize};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

const LOAD: u8 = 1;
const RUN: u8 = 2;
const CANCEL: u8 = 3;
const READY: u8 = 16;
const LOG: u8 = 17;
const PROGRESS: u8 = 18;
const REPLY: u8 = 19;
const FAIL: u8 = 20;

/// Bytes of length and tag.
const HEAD: usize = 5;

/// A message that travels as a frame.
pub trait Message: Sized {
    /// Appends the frame. A message over the limit is an error and appends nothing.
    fn write_to(&self, out: &mut Vec<u8>) -> Result<(), ProtocolError>;
    /// Reads the fields behind a tag.
    fn read(tag: u8, fields: Vec<u8>) -> Result<Self, ProtocolError>;
}

/// Collects bytes and gives out whole messages.
#[derive(Default, Debug)]
pub struct FrameReader {
    bytes: Vec<u8>,
    start: usize,
}

impl FrameReader {
    /// Adds what was received.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// How many bytes the next message lacks at least; 0 when it is whole.
    #[must_use]
    pub fn missing(&self) -> usize {
        let waiting = &self.bytes[self.start..];
        match waiting.split_first_chunk::<4>() {
            None => 4 - waiting.len(),
            Some((length, rest)) => (u32::from_le_bytes(*length) as usize).saturating_sub(rest.len()),
        }
    }

    /// The next whole message, if there is one.
    pub fn take<M: Message>(&mut self) -> Result<Option<M>, ProtocolError> {
        let waiting = &self.bytes[self.start..];
        let Some((length, _)) = waiting.split_first_chunk::<4>() else { return Ok(None) };
        let length = u32::from_le_bytes(*length) as usize;
        if length == 0 || length > FRAME_BYTES_MAX {
            return Err(ProtocolError::TooLong(length));
        }
        let Some(frame) = waiting.get(4..4 + length) else { return Ok(None) };
        let message = M::read(frame[0], frame[1..].to_vec());
        self.start += 4 + length;
        message.map(Some)
    }
}

/// Appends a frame whose fields a closure writes.
fn framed(out: &mut Vec<u8>, tag: u8, fields: impl FnOnce(&mut Vec<u8>)) -> Result<(), ProtocolError> {
    let start = out.len();
    out.extend_from_slice(&[0, 0, 0, 0, tag]);
    fields(out);
    let length = out.len() - start - 4;
    match u32::try_from(length) {
        Ok(prefix) if length <= FRAME_BYTES_MAX => {
            out[start..start + 4].copy_from_slice(&prefix.to_le_bytes());
            Ok(())
        }
        _ => {
            out.truncate(start);
            Err(ProtocolError::TooLong(length + 4 - HEAD))
        }
    }
}

/// Takes fields off the front of a frame.
struct Fields<'a> {
    tag: u8,
    rest: &'a [u8],
}

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], ProtocolError> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(ProtocolError::CutShort(self.tag))?;
        self.rest = rest;
        Ok(*head)
    }

    fn bytes(&mut self, length: usize) -> Result<Vec<u8>, ProtocolError> {
        let (head, rest) = self.rest.split_at_checked(length).ok_or(ProtocolError::CutShort(self.tag))?;
        self.rest = rest;
        Ok(head.to_vec())
    }
}

impl Message for ToRunner {
    fn write_to(&self, out: &mut Vec<u8>) -> Result<(), ProtocolError> {
        match self {
            Self::Load(load) => {
                let json = serde_json::to_vec(load)?;
                framed(out, LOAD, |out| out.extend_from_slice(&json))
            }
            Self::Run { id, only, input } => {
                let only = only.as_ref().map_or(&[][..], |path| path.as_os_str().as_bytes());
                let length = u32::try_from(only.len()).map_err(|_| ProtocolError::TooLong(only.len()))?;
                framed(out, RUN, |out| {
                    out.extend_from_slice(&id.to_le_bytes());
                    out.extend_from_slice(&length.to_le_bytes());
                    out.extend_from_slice(only);
                    out.extend_from_slice(input);
                })
            }
            Self::Cancel { id } => framed(out, CANCEL, |out| out.extend_from_slice(&id.to_le_bytes())),
        }
    }

    fn read(tag: u8, fields: Vec<u8>) -> Result<Self, ProtocolError> {
        let mut fields = Fields { tag, rest: &fields };
        match tag {
            LOAD => Ok(Self::Load(Box::new(serde_json::from_slice::<Load>(fields.rest)?))),
            RUN => {
                let id = u32::from_le_bytes(fields.take()?);
                let length = u32::from_le_bytes(fields.take()?) as usize;
                let only = fields.bytes(length)?;
                let only = (!only.is_empty()).then(|| PathBuf::from(std::ffi::OsString::from_vec(only)));
                Ok(Self::Run { id, only, input: fields.rest.to_vec() })
            }
            CANCEL => Ok(Self::Cancel { id: u32::from_le_bytes(fields.take()?) }),
            _ => Err(ProtocolError::UnknownTag(tag)),
        }
    }
}

/// The JSON head of a `ready` frame; the manifest follows it, as the plugin wrote it.
#[derive(Serialize, Deserialize)]
struct ReadyHead {
    pid: u32,
    sandbox: SandboxReport,
    manifest: bool,
}

impl Message for FromRunner {
    fn write_to(&self, out: &mut Vec<u8>) -> Result<(), ProtocolError> {
        match self {
            Self::Ready { pid, sandbox, manifest } => {
                let head = ReadyHead { pid: *pid, sandbox: sandbox.clone(), manifest: manifest.is_some() };
                let head = serde_json::to_vec(&head)?;
                let length = u32::try_from(head.len()).map_err(|_| ProtocolError::TooLong(head.len()))?;
                framed(out, READY, |out| {
                    out.extend_from_slice(&length.to_le_bytes());
                    out.extend_from_slice(&head);
                    out.extend_from_slice(manifest.as_deref().unwrap_or_default());
                })
            }
            Self::Log { severity, text } => framed(out, LOG, |out| {
                out.push(*severity as u8);
                out.extend_from_slice(text.as_bytes());
            }),
            Self::Progress(json) => framed(out, PROGRESS, |out| out.extend_from_slice(json)),
            Self::Reply { id, cpu_us, outputs } => framed(out, REPLY, |out| {
                out.extend_from_slice(&id.to_le_bytes());
                out.extend_from_slice(&cpu_us.to_le_bytes());
                out.extend_from_slice(outputs);
            }),
            Self::Fail { id, cpu_us, failure } => {
                let json = serde_json::to_vec(failure)?;
                framed(out, FAIL, |out| {
                    out.extend_from_slice(&id.to_le_bytes());
                    out.extend_from_slice(&cpu_us.to_le_bytes());
                    out.extend_from_slice(&json);
                })
            }
        }
    }

    fn read(tag: u8, fields: Vec<u8>) -> Result<Self, ProtocolError> {
        let mut fields = Fields { tag, rest: &fields };
        match tag {
            READY => {
                let length = u32::from_le_bytes(fields.take()?) as usize;
                let head: ReadyHead = serde_json::from_slice(&fields.bytes(length)?)?;
                let manifest = head.manifest.then(|| fields.rest.to_vec());
                Ok(Self::Ready { pid: head.pid, sandbox: head.sandbox, manifest })
            }
            LOG => {
                let [severity] = fields.take()?;
                let severity = Severity::ALL.get(usize::from(severity)).copied().unwrap_or(Severity::Info);
                Ok(Self::Log { severity, text: String::from_utf8_lossy(fields.rest).into_owned() })
            }
            PROGRESS => Ok(Self::Progress(fields.rest.to_vec())),
            REPLY => Ok(Self::Reply {
                id: u32::from_le_bytes(fields.take()?),
                cpu_us: u64::from_le_bytes(fields.take()?),
                outputs: fields.rest.to_vec(),
            }),
            FAIL => Ok(Self::Fail {
                id: u32::from_le_bytes(fields.take()?),
                cpu_us: u64::from_le_bytes(fields.take()?),
                failure: Box::new(serde_json::from_slice::<Failure>(fields.rest)?),
            }),
            _ => Err(ProtocolError::UnknownTag(tag)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Confinement, Program, Protection};
    use reelmill_model::FailureClass;

    fn all_from_runner() -> Vec<FromRunner> {
        let sandbox = SandboxReport { protection: Protection::Partial, missing: vec!["landlock".into()] };
        vec![
            FromRunner::Ready { pid: 7, sandbox: sandbox.clone(), manifest: None },
            FromRunner::Ready { pid: 7, sandbox, manifest: Some(b"{\n}".to_vec()) },
            FromRunner::Log { severity: Severity::Warn, text: "two\nlines".into() },
            FromRunner::Progress(b"{\"done\":1}".to_vec()),
            FromRunner::Reply { id: 3, cpu_us: 1 << 40, outputs: b"{}".to_vec() },
            FromRunner::Fail {
                id: 4,
                cpu_us: 0,
                failure: Box::new(Failure::new(FailureClass::Permanent, "no")),
            },
        ]
    }

    #[test]
    fn every_message_survives_the_way_in_pieces_of_any_size() {
        let to = vec![
            ToRunner::Load(Box::new(Load {
                program: Program::Library("/p.so".into()),
                stage: Some("s".into()),
                confinement: Confinement { net: true, read: vec!["/in".into()], ..Confinement::default() },
            })),
            ToRunner::Run { id: 1, only: Some("/scratch".into()), input: b"{}".to_vec() },
            ToRunner::Run { id: 2, only: None, input: b"{}".to_vec() },
            ToRunner::Cancel { id: 2 },
        ];
        for piece in [1, 2, 7, 4096] {
            check(&all_from_runner(), piece);
            check(&to, piece);
        }
    }

    fn check<M: Message + PartialEq + std::fmt::Debug>(messages: &[M], piece: usize) {
        let mut bytes = Vec::new();
        for message in messages {
            message.write_to(&mut bytes).unwrap();
        }
        let mut reader = FrameReader::default();
        let mut read = Vec::new();
        for chunk in bytes.chunks(piece) {
            reader.feed(chunk);
            while let Some(message) = reader.take::<M>().unwrap() {
                read.push(message);
            }
        }
        assert_eq!(read, messages);
    }

    #[test]
    fn reading_what_is_missing_never_reads_into_the_next_message() {
        let mut bytes = Vec::new();
        ToRunner::Cancel { id: 7 }.write_to(&mut bytes).unwrap();
        let mut reader = FrameReader::default();
        let mut rest = &bytes[..];
        while reader.missing() > 0 {
            let (piece, later) = rest.split_at(reader.missing());
            reader.feed(piece);
            rest = later;
        }
        assert_eq!((reader.take::<ToRunner>().unwrap(), rest.len()), (Some(ToRunner::Cancel { id: 7 }), 0));
    }

    #[test]
    fn what_is_too_long_is_refused_on_both_sides() {
        let mut out = vec![9];
        let huge = FromRunner::Progress(vec![b' '; FRAME_BYTES_MAX]);
        assert!(matches!(huge.write_to(&mut out), Err(ProtocolError::TooLong(_))));
        assert_eq!(out, [9], "nothing of it was written");
        let mut reader = FrameReader::default();
        reader.feed(&u32::MAX.to_le_bytes());
        assert!(matches!(reader.take::<FromRunner>(), Err(ProtocolError::TooLong(_))));
    }

    #[test]
    fn frames_cut_short_and_unknown_tags_are_errors_not_panics() {
        for tag in 0..=255_u8 {
            for length in 0..24_u8 {
                let mut reader = FrameReader::default();
                reader.feed(&[&[length + 1, 0, 0, 0, tag][..], &vec![0; length.into()]].concat());
                let _ = reader.take::<FromRunner>();
                let mut reader = FrameReader::default();
                reader.feed(&[&[length + 1, 0, 0, 0, tag][..], &vec![0xFF; length.into()]].concat());
                let _ = reader.take::<ToRunner>();
            }
        }
        let mut reader = FrameReader::default();
        reader.feed(&[1, 0, 0, 0, 99]);
        assert!(matches!(reader.take::<ToRunner>(), Err(ProtocolError::UnknownTag(99))));
    }
}
