//! What can be done with pictures, and the figures that come out. How sums become figures is here, once for all ways.

use crate::error::{Error, Result};
use crate::frames::{Buffer, Frames};

/// By how much SSIM of two ways may differ. All sums are whole numbers and floats are combined in one order, so they
/// should not differ at all; every other figure is equal to the bit.
pub const SSIM_TOLERANCE: f64 = 1e-6;

/// Length of a gradient that counts as an edge (Sobel, in steps of 8-bit luma).
pub const STEEP: u32 = 128;

/// How alike a picture and its reference are.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Likeness {
    /// SSIM over windows of 8x8 pixels that lie 4 apart, as x264 and libav measure it.
    pub ssim: f64,
    /// The same over windows that are not flat in the reference; 1 when there is none. Flat areas are nearly always
    /// alike, so a picture that is mostly flat has a high SSIM however its text looks.
    pub textured: f64,
    /// The part of windows that are not flat.
    pub texture: f64,
    /// Mean squared error.
    pub mse: f64,
}

/// Peak signal-to-noise ratio in dB of a mean squared error; 100 for pictures that are the same.
#[must_use]
pub fn psnr_of(mse: f64) -> f64 {
    if mse <= 0.0 { 100.0 } else { (10.0 * (255.0 * 255.0 / mse).log10()).min(100.0) }
}

impl Likeness {
    /// Peak signal-to-noise ratio in dB.
    #[must_use]
    pub fn psnr(&self) -> f64 {
        psnr_of(self.mse)
    }

    pub(crate) fn of(sums: [i64; 4], width: usize, height: usize) -> Self {
        let windows = ((width / 4 - 1) * (height / 4 - 1)) as f64;
        let [all, textured, count, error] = sums.map(|sum| sum as f64);
        Self {
            ssim: all / ONE / windows,
            textured: if count > 0.0 { textured / ONE / count } else { 1.0 },
            texture: count / windows,
            mse: error / (width * height) as f64,
        }
    }
}

/// What 1 is in sums of SSIM.
const ONE: f64 = 16_777_216.0;

/// How a picture differs from the one before.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Difference {
    /// Mean absolute difference, in steps of luma.
    pub absolute: f64,
    /// Standard deviation of the difference: temporal information (TI) of ITU-T P.910.
    pub ti: f64,
}

impl Difference {
    pub(crate) fn of(sums: [i64; 3], pixels: usize) -> Self {
        let [absolute, plain, squared] = sums.map(|sum| sum as f64 / pixels as f64);
        Self { absolute, ti: (squared - plain * plain).max(0.0).sqrt() }
    }
}

/// What moves between a picture and the one before: blocks of 8x8 pixels are looked for within 7 pixels.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Motion {
    /// Mean absolute difference of the blocks where they are.
    pub in_place: f64,
    /// The same where they fit best: what motion does not explain.
    pub residue: f64,
    /// The part of blocks that fit better elsewhere.
    pub moved: f64,
    /// How far a block has moved on average, in pixels.
    pub length: f64,
}

impl Motion {
    pub(crate) fn of(sums: [i64; 4], width: usize, height: usize) -> Self {
        let blocks = ((width / 8) * (height / 8)) as f64;
        let [in_place, residue, moved, length] = sums.map(|sum| sum as f64 / blocks);
        Self { in_place: in_place / 64.0, residue: residue / 64.0, moved, length: length / 16.0 }
    }
}

/// How often each value comes.
pub type Histogram = [u32; 256];

/// How much there is to see.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Detail {
    /// Standard deviation of Sobel's gradient: spatial information (SI) of ITU-T P.910.
    pub si: f64,
    /// Its mean.
    pub mean: f64,
    /// The part of pixels where it is at least [`STEEP`].
    pub edges: f64,
}

impl Detail {
    pub(crate) fn of(sums: [i64; 3], width: usize, height: usize) -> Self {
        let [length, square, edges] = sums.map(|sum| sum as f64 / ((width - 2) * (height - 2)) as f64);
        let mean = length / 16.0;
        Self { si: (square - mean * mean).max(0.0).sqrt(), mean, edges }
    }
}

/// How a picture is made larger or smaller.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scaling {
    /// The mean of all pixels that a new one touches: for making smaller.
    Box,
    /// Between the four nearest.
    Bilinear,
}

/// A picture that is laid over others, with an opacity for each of its pixels (255 hides what is below).
#[derive(Clone, Copy, Debug)]
pub struct Layer<'a> {
    /// Its luma, as large as the pictures.
    pub luma: &'a [u8],
    /// Its opacity, as large as the pictures.
    pub opacity: &'a [u8],
}

impl Layer<'_> {
    pub(crate) fn fits(&self, (width, height): (usize, usize)) -> Result<()> {
        if self.luma.len() == width * height && self.opacity.len() == width * height {
            return Ok(());
        }
        Err(Error::Shape(format!("a layer over {width}x{height} has another size")))
    }
}

/// Refuses sizes that are none, and such a small one that the sum of what becomes one pixel would not fit 32 bits.
pub(crate) fn target(from: (usize, usize), to: (usize, usize)) -> Result<()> {
    let (width, height) = to;
    let sides = 1..=crate::frames::SIDE_MAX;
    if sides.contains(&width) && sides.contains(&height) {
        let pixels = (from.0 / width + 2) * (from.1 / height + 2);
        if pixels <= 1 << 24 {
            return Ok(());
        }
    }
    Err(Error::Shape(format!("{}x{} cannot be scaled to {width}x{height}", from.0, from.1)))
}

/// Operations over batches of luma pictures. Each gives one figure a picture, or one for each pair of neighbours.
pub trait FrameOps: Send + Sync {
    /// What does it, for people.
    fn name(&self) -> String;

    /// Memory for pictures that this way reads fast.
    fn buffer(&self, bytes: usize) -> Result<Buffer>;

    /// How alike pictures are to their references; 8x8 pixels at least.
    fn likeness(&self, pictures: &Frames, references: &Frames) -> Result<Vec<Likeness>>;

    /// How each picture differs from the one before: one figure less than pictures.
    fn difference(&self, frames: &Frames) -> Result<Vec<Difference>>;

    /// What moves between each picture and the one before; 8x8 pixels at least.
    fn motion(&self, frames: &Frames) -> Result<Vec<Motion>>;

    /// How often each value comes in each picture.
    fn histogram(&self, frames: &Frames) -> Result<Vec<Histogram>>;

    /// How much there is to see in each picture; 3x3 pixels at least.
    fn detail(&self, frames: &Frames) -> Result<Vec<Detail>>;

    /// The pictures in another size, written over as many of that size.
    fn scale(&self, frames: &Frames, into: &mut Frames, how: Scaling) -> Result<()>;

    /// The pictures with a layer over them, written over as many of their size.
    fn blend(&self, frames: &Frames, layer: Layer<'_>, into: &mut Frames) -> Result<()>;
}
