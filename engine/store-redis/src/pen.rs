//! Writing and reading the bytes of rows: numbers are LEB128, texts and JSON carry their length, a missing number is 0
//! and any other one more than it is. The first byte of a row is the layout; a reader refuses one that it does not know.

use reelmill_lifecycle::Damage;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The layout of all rows.
pub const LAYOUT: u8 = 2;

/// What reading comes to.
pub type Read<T> = Result<T, Damage>;

/// Writes a row.
#[derive(Default)]
pub struct Pen(Vec<u8>);

impl Pen {
    /// Begins a row.
    pub fn row() -> Self {
        Self(vec![LAYOUT])
    }

    /// One byte.
    pub fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    /// A number.
    pub fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(u8::try_from(number & 0x7f).unwrap_or(0) | 0x80);
            number >>= 7;
        }
        self.0.push(u8::try_from(number).unwrap_or(0));
    }

    /// A number that may be missing.
    pub fn maybe(&mut self, number: Option<impl Into<u64>>) {
        self.number(number.map_or(0, |number| number.into().saturating_add(1)));
    }

    /// Numbers most of which are zero: a set of bits that says which are not, then those.
    pub fn sparse<const N: usize>(&mut self, numbers: [u64; N]) {
        self.number((0..N).fold(0, |bits, at| bits | (u64::from(numbers[at] != 0) << at)));
        for number in numbers.into_iter().filter(|number| *number != 0) {
            self.number(number);
        }
    }

    /// Bytes with their length.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    /// Something as JSON.
    pub fn json<T: Serialize>(&mut self, value: &T) {
        // Values in memory always have a JSON form; keys of maps here are texts.
        self.bytes(&serde_json::to_vec(value).unwrap_or_default());
    }

    /// Bytes of a count that the reader knows.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// What was written.
    pub fn done(self) -> Vec<u8> {
        self.0
    }
}

/// Reads a row.
pub struct Eye<'a>(&'a [u8]);

impl<'a> Eye<'a> {
    /// Reads bytes without a layout.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Reads a row.
    pub fn row(bytes: &'a [u8]) -> Read<Self> {
        match bytes.split_first() {
            Some((&LAYOUT, rest)) => Ok(Self(rest)),
            Some((other, _)) => Err(Damage(format!("a row has layout {other}, which a newer version wrote"))),
            None => Err(Damage("a row is empty".into())),
        }
    }

    /// Whether everything was read.
    pub fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    /// One byte.
    pub fn byte(&mut self) -> Read<u8> {
        let (first, rest) = self.0.split_first().ok_or_else(short)?;
        self.0 = rest;
        Ok(*first)
    }

    /// Bytes of a known count.
    pub fn take(&mut self, count: usize) -> Read<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or_else(short)?;
        self.0 = rest;
        Ok(taken)
    }

    /// A number.
    pub fn number(&mut self) -> Read<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Damage("a number of a row has no end".into()))
    }

    /// Numbers most of which are zero.
    pub fn sparse<const N: usize>(&mut self) -> Read<[u64; N]> {
        let bits = self.number()?;
        let mut numbers = [0; N];
        for (at, number) in numbers.iter_mut().enumerate().filter(|(at, _)| bits & (1 << at) != 0) {
            *number =
                self.number().map_err(|damage| Damage(format!("number {at} of a row: {}", damage.0)))?;
        }
        Ok(numbers)
    }

    /// A number of 32 bits.
    pub fn small(&mut self) -> Read<u32> {
        u32::try_from(self.number()?).map_err(|_| Damage("a number of a row is too large".into()))
    }

    /// A number that may be missing.
    pub fn maybe(&mut self) -> Read<Option<u64>> {
        Ok(self.number()?.checked_sub(1))
    }

    /// A number of 32 bits that may be missing.
    pub fn maybe_small(&mut self) -> Read<Option<u32>> {
        let number = self.maybe()?;
        number.map(u32::try_from).transpose().map_err(|_| Damage("a number of a row is too large".into()))
    }

    /// What was not read yet.
    pub fn rest(self) -> &'a [u8] {
        self.0
    }

    /// Bytes with their length.
    pub fn bytes(&mut self) -> Read<&'a [u8]> {
        let count = usize::try_from(self.number()?).map_err(|_| short())?;
        self.take(count)
    }

    /// A text.
    pub fn text(&mut self) -> Read<String> {
        String::from_utf8(self.bytes()?.to_vec()).map_err(|_| Damage("a text of a row is no UTF-8".into()))
    }

    /// Something from JSON.
    pub fn json<T: DeserializeOwned>(&mut self) -> Read<T> {
        serde_json::from_slice(self.bytes()?)
            .map_err(|error| Damage(format!("a row does not hold the JSON it should: {error}")))
    }

    /// One of these states.
    pub fn state<T: Copy>(&mut self, all: &[T]) -> Read<T> {
        let code = self.byte()?;
        all.get(usize::from(code)).copied().ok_or_else(|| Damage(format!("{code} is no known state")))
    }
}

/// A row is too short.
pub fn short() -> Damage {
    Damage("a row is cut off".into())
}
