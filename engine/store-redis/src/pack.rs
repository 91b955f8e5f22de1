//! Arguments and answers of the scripts, in `MessagePack`: the scripts read and write it in C.

use reelmill_lifecycle::Damage;
use rmp::{decode, encode};

/// Writes arguments.
#[derive(Default)]
pub struct Packer(Vec<u8>);

fn count(items: usize) -> u32 {
    u32::try_from(items).unwrap_or(u32::MAX)
}

// Writing into a vector cannot fail.
impl Packer {
    /// A list of so many things, which follow.
    pub fn list(&mut self, items: usize) -> &mut Self {
        let _ = encode::write_array_len(&mut self.0, count(items));
        self
    }

    /// A number.
    pub fn number(&mut self, number: u64) -> &mut Self {
        let _ = encode::write_uint(&mut self.0, number);
        self
    }

    /// Bytes: as a string, the one kind of bytes that the scripts' reader knows.
    pub fn bytes(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        let bytes = bytes.as_ref();
        let _ = encode::write_str_len(&mut self.0, count(bytes.len()));
        self.0.extend_from_slice(bytes);
        self
    }

    /// Nothing, where a list may stand.
    pub fn no(&mut self) -> &mut Self {
        let _ = encode::write_bool(&mut self.0, false);
        self
    }

    /// A list of bytes.
    pub fn all(&mut self, items: &[Vec<u8>]) -> &mut Self {
        self.list(items.len());
        for item in items {
            self.bytes(item);
        }
        self
    }

    /// All of it.
    pub fn done(self) -> Vec<u8> {
        self.0
    }
}

/// Reads answers.
pub struct Unpacker<'a>(&'a [u8]);

fn odd<E: std::fmt::Display>(error: E) -> Damage {
    Damage(format!("a script of the store answered oddly: {error}"))
}

impl<'a> Unpacker<'a> {
    /// Reads an answer.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// How many things the list that follows has.
    pub fn list(&mut self) -> Result<u32, Damage> {
        // An empty table of Lua is a list or a map; the script's writer says list.
        decode::read_array_len(&mut self.0).map_err(odd)
    }

    /// A number.
    pub fn number(&mut self) -> Result<u64, Damage> {
        decode::read_int(&mut self.0).map_err(odd)
    }

    /// Bytes.
    pub fn bytes(&mut self) -> Result<&'a [u8], Damage> {
        let length = decode::read_str_len(&mut self.0).map_err(odd)? as usize;
        let (taken, rest) = self.0.split_at_checked(length).ok_or_else(|| odd("it is cut off"))?;
        self.0 = rest;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_has_the_form_of_the_format() {
        let mut packer = Packer::default();
        packer.list(4).number(300).bytes(b"\xff").no().all(&[b"a".to_vec()]);
        assert_eq!(packer.done(), [0x94, 0xcd, 1, 44, 0xa1, 0xff, 0xc2, 0x91, 0xa1, b'a']);
    }

    #[test]
    fn answers_are_read_and_odd_ones_refused() {
        let mut answer = Unpacker::new(&[0x92, 0xcd, 1, 44, 0xa1, 0xff]);
        assert_eq!((answer.list(), answer.number()), (Ok(2), Ok(300)));
        assert_eq!(answer.bytes(), Ok(&[0xff][..]));
        assert!(answer.number().is_err());
        assert!(Unpacker::new(&[0xa5, b'x']).bytes().is_err());
    }
}
