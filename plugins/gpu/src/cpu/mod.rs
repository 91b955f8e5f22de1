//! The reference: all cores, in plain Rust. `kernels/frames.cu` is the same for a GPU, to the bit.

mod likeness;
mod motion;
mod scale;
mod whole;

#[cfg(test)]
mod tests;

use crate::error::Result;
use crate::frames::{Buffer, Frames};
use crate::ops::{Detail, Difference, FrameOps, Histogram, Layer, Likeness, Motion, Scaling, target};

/// Operations on the cores of this machine: those of rayon's pool that it is called in.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cpu;

impl FrameOps for Cpu {
    fn name(&self) -> String {
        format!("CPU, {} threads", rayon::current_num_threads())
    }

    fn buffer(&self, bytes: usize) -> Result<Buffer> {
        Ok(vec![0; bytes].into())
    }

    fn likeness(&self, pictures: &Frames, references: &Frames) -> Result<Vec<Likeness>> {
        pictures.same_as(references)?;
        pictures.at_least(8, 8, 1)?;
        Ok(likeness::likeness(pictures, references))
    }

    fn difference(&self, frames: &Frames) -> Result<Vec<Difference>> {
        frames.at_least(1, 1, 2)?;
        Ok(whole::difference(frames))
    }

    fn motion(&self, frames: &Frames) -> Result<Vec<Motion>> {
        frames.at_least(8, 8, 2)?;
        Ok(motion::motion(frames))
    }

    fn histogram(&self, frames: &Frames) -> Result<Vec<Histogram>> {
        Ok(whole::histogram(frames))
    }

    fn detail(&self, frames: &Frames) -> Result<Vec<Detail>> {
        frames.at_least(3, 3, 1)?;
        Ok(whole::detail(frames))
    }

    fn scale(&self, frames: &Frames, into: &mut Frames, how: Scaling) -> Result<()> {
        frames.as_many_as(into)?;
        target(frames.size(), into.size())?;
        match how {
            Scaling::Box => scale::area(frames, into),
            Scaling::Bilinear => scale::bilinear(frames, into),
        }
        Ok(())
    }

    fn blend(&self, frames: &Frames, layer: Layer<'_>, into: &mut Frames) -> Result<()> {
        layer.fits(frames.size())?;
        frames.same_as(into)?;
        scale::blend(frames, layer, into);
        Ok(())
    }
}

/// Sums of several figures.
pub(crate) fn add<const N: usize>(a: [i64; N], b: [i64; N]) -> [i64; N] {
    std::array::from_fn(|i| a[i] + b[i])
}

/// Sums figures over bands of rows, all bands of all pictures at once, so that one picture keeps all cores busy too.
/// `band` gets the picture's number, its first row and the row after its last.
pub(crate) fn over_bands<const N: usize>(
    pictures: usize,
    rows: usize,
    rows_a_band: usize,
    band: impl Fn(usize, usize, usize) -> [i64; N] + Sync,
) -> Vec<[i64; N]> {
    use rayon::prelude::*;
    let bands = rows.div_ceil(rows_a_band);
    let parts: Vec<_> = (0..pictures * bands)
        .into_par_iter()
        .map(|index| {
            let from = index % bands * rows_a_band;
            band(index / bands, from, rows.min(from + rows_a_band))
        })
        .collect();
    parts.chunks(bands.max(1)).map(|parts| parts.iter().fold([0; N], |a, b| add(a, *b))).collect()
}
