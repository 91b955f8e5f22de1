//! Pictures in a row: 8-bit luma of one size, without padding.

use crate::error::{Error, Result};
use cudarc::driver::PinnedHostSlice;

/// Most bytes of one batch.
const BYTES_MAX: usize = 1 << 31;
/// Longest side of a picture.
pub(crate) const SIDE_MAX: usize = 16_384;

/// Where the pixels of a batch lie in memory.
#[derive(Debug)]
pub struct Buffer(Store);

#[derive(Debug)]
enum Store {
    Heap(Vec<u8>),
    /// Memory that a GPU reads by itself, twice as fast and without the CPU.
    Pinned(PinnedHostSlice<u8>, usize),
}

impl Buffer {
    pub(crate) fn pinned(memory: PinnedHostSlice<u8>) -> Self {
        let length = memory.len();
        Self(Store::Pinned(memory, length))
    }

    /// Whether a GPU reads it without the CPU.
    #[must_use]
    pub fn is_pinned(&self) -> bool {
        matches!(self.0, Store::Pinned(..))
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match &self.0 {
            Store::Heap(bytes) => bytes,
            Store::Pinned(memory, length) => memory.as_slice().map_or(&[], |bytes| &bytes[..*length]),
        }
    }

    /// The bytes, to be written.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        match &mut self.0 {
            Store::Heap(bytes) => bytes,
            Store::Pinned(memory, length) => {
                let length = *length;
                memory.as_mut_slice().map_or(&mut [], |bytes| &mut bytes[..length])
            }
        }
    }

    fn truncate(&mut self, to: usize) {
        match &mut self.0 {
            Store::Heap(bytes) => bytes.truncate(to),
            Store::Pinned(_, length) => *length = to.min(*length),
        }
    }
}

impl From<Vec<u8>> for Buffer {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Store::Heap(bytes))
    }
}

/// A batch of pictures.
#[derive(Debug)]
pub struct Frames {
    /// Pixels across; not 0.
    width: usize,
    /// Pixels down; not 0.
    height: usize,
    /// Invariant: `width * height * count` bytes.
    pixels: Buffer,
}

impl Frames {
    /// Pictures of this size in a buffer that holds a whole number of them.
    pub fn new(width: usize, height: usize, pixels: impl Into<Buffer>) -> Result<Self> {
        let pixels = pixels.into();
        let (bytes, length) = (width * height, pixels.bytes().len());
        if !(1..=SIDE_MAX).contains(&width) || !(1..=SIDE_MAX).contains(&height) {
            return Err(Error::Shape(format!(
                "pictures of {width}x{height} are not possible: sides are 1 to {SIDE_MAX}"
            )));
        }
        if length == 0 || length % bytes != 0 || length > BYTES_MAX {
            let text =
                format!("{length} bytes are no whole number of pictures of {width}x{height}, 2 GiB at most");
            return Err(Error::Shape(text));
        }
        Ok(Self { width, height, pixels })
    }

    /// Pixels across.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// Pixels down.
    #[must_use]
    pub fn height(&self) -> usize {
        self.height
    }

    /// Pixels of one picture.
    #[must_use]
    pub fn area(&self) -> usize {
        self.width * self.height
    }

    /// Pictures.
    #[must_use]
    pub fn count(&self) -> usize {
        self.pixels.bytes().len() / self.area()
    }

    /// All pixels, picture after picture, row after row.
    #[must_use]
    pub fn pixels(&self) -> &[u8] {
        self.pixels.bytes()
    }

    /// The same, to be written.
    pub fn pixels_mut(&mut self) -> &mut [u8] {
        self.pixels.bytes_mut()
    }

    /// One picture.
    #[must_use]
    pub fn frame(&self, index: usize) -> &[u8] {
        &self.pixels()[index * self.area()..][..self.area()]
    }

    /// One picture, to be written.
    pub fn frame_mut(&mut self, index: usize) -> &mut [u8] {
        let area = self.area();
        &mut self.pixels_mut()[index * area..][..area]
    }

    /// Forgets all pictures but the first ones; one stays at least.
    pub fn keep(&mut self, count: usize) {
        self.pixels.truncate(count.max(1) * self.width * self.height);
    }

    /// Pixels across and down.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        (self.width, self.height)
    }

    pub(crate) fn same_as(&self, other: &Self) -> Result<()> {
        if (self.size(), self.count()) == (other.size(), other.count()) {
            return Ok(());
        }
        let words = |f: &Self| format!("{} of {}x{}", f.count(), f.width, f.height);
        Err(Error::Shape(format!("pictures differ: {} and {}", words(self), words(other))))
    }

    pub(crate) fn as_many_as(&self, other: &Self) -> Result<()> {
        if self.count() == other.count() {
            return Ok(());
        }
        Err(Error::Shape(format!(
            "there is room for {} pictures and not for {}",
            other.count(),
            self.count()
        )))
    }

    pub(crate) fn at_least(&self, width: usize, height: usize, count: usize) -> Result<()> {
        at_least(self.size(), self.count(), (width, height), count)
    }
}

/// Refuses pictures that are too few or too small for an operation.
pub(crate) fn at_least(
    size: (usize, usize),
    count: usize,
    wanted: (usize, usize),
    wanted_count: usize,
) -> Result<()> {
    if size.0 >= wanted.0 && size.1 >= wanted.1 && count >= wanted_count {
        return Ok(());
    }
    let (width, height) = size;
    let (least_width, least_height) = wanted;
    Err(Error::Shape(format!(
        "{count} pictures of {width}x{height} are too few or too small: it takes {wanted_count} of \
         {least_width}x{least_height}"
    )))
}

#[cfg(test)]
mod tests {
    use super::Frames;

    #[test]
    fn a_batch_holds_whole_pictures() {
        let frames = Frames::new(4, 3, vec![0; 24]).unwrap();
        assert_eq!((frames.count(), frames.area(), frames.frame(1).len()), (2, 12, 12));
        for (width, height, bytes) in [(4, 3, 25), (4, 3, 0), (0, 3, 12), (20_000, 1, 20_000)] {
            assert!(Frames::new(width, height, vec![0; bytes]).is_err(), "{width}x{height} in {bytes}");
        }
    }
}
