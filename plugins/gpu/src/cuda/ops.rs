//! One method an operation, over pictures that are on the GPU or on their way to it.

use super::device::{Device, Memory};
use super::{Cuda, OnGpu};
use crate::error::{Error, Result};
use crate::frames::Frames;
use crate::ops::{Detail, Difference, Histogram, Layer, Likeness, Motion, STEEP, Scaling};
use cudarc::driver::PushKernelArg;
use std::sync::PoisonError;

/// Bytes that are copied before the kernels over them start.
const PIECE: usize = 8 << 20;
/// Most pictures of one launch: the grid's third side is 65535 at most.
const LAUNCH_MAX: usize = 32_768;

/// A batch on the GPU, or its room there and what is still to be copied.
pub enum Coming<'a> {
    /// All is there.
    There(&'a OnGpu),
    /// The pictures have a room on the GPU.
    Expected(OnGpu, &'a Frames),
}

impl Coming<'_> {
    fn batch(&self) -> &OnGpu {
        match self {
            Self::There(batch) => batch,
            Self::Expected(batch, _) => batch,
        }
    }

    /// Enqueues the copy of pictures.
    fn copy(&self, device: &Device, from: usize, to: usize) -> Result<()> {
        let Self::Expected(batch, frames) = self else { return Ok(()) };
        let bytes = from * frames.area()..to * frames.area();
        device.copy_to(&batch.memory, bytes.start, &frames.pixels()[bytes])
    }
}

/// A size as kernels take it.
fn size(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// Blocks for so many threads.
fn blocks(threads: usize, a_block: usize) -> u32 {
    size(threads.div_ceil(a_block))
}

/// Blocks that go over all pixels of a picture, each thread over several words of four.
fn over(pixels: usize) -> u32 {
    blocks(pixels, 256 * 4 * 8)
}

impl Cuda {
    /// Room for pictures that are copied while kernels work.
    pub(super) fn coming<'a>(&self, frames: &'a Frames) -> Result<Coming<'a>> {
        let batch = self.room(frames.width(), frames.height(), frames.count())?;
        Ok(Coming::Expected(batch, frames))
    }

    fn room(&self, width: usize, height: usize, count: usize) -> Result<OnGpu> {
        Ok(OnGpu { memory: self.0.take(width * height * count)?, width, height, count })
    }

    /// Copies pictures to the GPU.
    pub fn upload(&self, frames: &Frames) -> Result<OnGpu> {
        let busy = self.0.busy.lock().unwrap_or_else(PoisonError::into_inner);
        let coming = self.coming(frames)?;
        let copied = coming.copy(&self.0, 0, frames.count());
        self.0.settled(copied)?;
        drop(busy);
        match coming {
            Coming::Expected(batch, _) => Ok(batch),
            Coming::There(_) => Err(Error::Shape("they are there already".into())),
        }
    }

    /// Copies pictures from the GPU over others of the same size and number.
    pub fn download(&self, batch: &OnGpu, frames: &mut Frames) -> Result<()> {
        if (batch.size(), batch.count) != (frames.size(), frames.count()) {
            return Err(Error::Shape("the pictures and their room differ in size or number".into()));
        }
        let _busy = self.0.busy.lock().unwrap_or_else(PoisonError::into_inner);
        let read = self.0.copy_from(&batch.memory, frames.pixels_mut());
        self.0.settled(read)
    }

    /// Copies what is still to come piece by piece, and starts the kernel over each as soon as it is there.
    /// `start` gets the number of the first picture (or pair of neighbours), and how many.
    fn pieces(
        &self,
        inputs: &[&Coming<'_>],
        pairs: bool,
        mut start: impl FnMut(u32, u32) -> Result<()>,
    ) -> Result<()> {
        let batch = inputs[0].batch();
        let figures = batch.count - usize::from(pairs);
        let all_there = inputs.iter().all(|input| matches!(input, Coming::There(_)));
        let piece = if all_there { LAUNCH_MAX } else { (PIECE / batch.area()).clamp(1, LAUNCH_MAX) };
        let (mut first, mut copied) = (0, 0);
        while first < figures {
            let count = piece.min(figures - first);
            let wanted = first + count + usize::from(pairs);
            if !all_there {
                for input in inputs {
                    input.copy(&self.0, copied, wanted)?;
                }
                self.0.work_after_copies()?;
            }
            start(size(first), size(count))?;
            (first, copied) = (first + count, wanted);
        }
        Ok(())
    }

    /// Sums of `N` figures for each picture (or pair), zero at first, that `start` adds to.
    fn sums<const N: usize>(
        &self,
        inputs: &[&Coming<'_>],
        pairs: bool,
        mut start: impl FnMut(&Memory, u32, u32) -> Result<()>,
    ) -> Result<Vec<[i64; N]>> {
        let _busy = self.0.busy.lock().unwrap_or_else(PoisonError::into_inner);
        let figures = inputs[0].batch().count - usize::from(pairs);
        let mut bytes = vec![0; figures * N * 8];
        let memory = self.0.zeros(bytes.len())?;
        let done = self.pieces(inputs, pairs, |first, count| start(&memory, first, count));
        let read = done.and_then(|()| self.0.copy_from(&memory, &mut bytes));
        self.0.settled(read)?;
        let figure = |bytes: &[u8], i: usize| i64::from_ne_bytes(std::array::from_fn(|b| bytes[i * 8 + b]));
        Ok(bytes.chunks_exact(N * 8).map(|bytes| std::array::from_fn(|i| figure(bytes, i))).collect())
    }

    pub(super) fn likeness_over(
        &self,
        pictures: &Coming<'_>,
        references: &Coming<'_>,
    ) -> Result<Vec<Likeness>> {
        let (a, b) = (pictures.batch(), references.batch());
        let (width, height) = (a.width, a.height);
        let (w, h) = (size(width), size(height));
        let grid = (blocks(width.div_ceil(4), 31), blocks(height.div_ceil(4), 7));
        let sums = self.sums(&[pictures, references], false, |sums, first, count| {
            let mut launch = self.0.work.launch_builder(&self.0.kernels.likeness);
            launch.arg(a.memory.slice()).arg(b.memory.slice()).arg(sums.slice()).arg(&w).arg(&h).arg(&first);
            Device::launch(&mut launch, (grid.0, grid.1, count))
        })?;
        Ok(sums.into_iter().map(|sums| Likeness::of(sums, width, height)).collect())
    }

    pub(super) fn difference_over(&self, frames: &Coming<'_>) -> Result<Vec<Difference>> {
        let batch = frames.batch();
        let pixels = size(batch.area());
        let sums = self.sums(&[frames], true, |sums, first, count| {
            let mut launch = self.0.work.launch_builder(&self.0.kernels.difference);
            launch.arg(batch.memory.slice()).arg(sums.slice()).arg(&pixels).arg(&first);
            Device::launch(&mut launch, (over(batch.area()), 1, count))
        })?;
        Ok(sums.into_iter().map(|sums| Difference::of(sums, batch.area())).collect())
    }

    pub(super) fn motion_over(&self, frames: &Coming<'_>) -> Result<Vec<Motion>> {
        let batch = frames.batch();
        let (width, height) = (batch.width, batch.height);
        let (w, h) = (size(width), size(height));
        let grid = blocks(width / 8 * (height / 8), 8);
        let sums = self.sums(&[frames], true, |sums, first, count| {
            let mut launch = self.0.work.launch_builder(&self.0.kernels.motion);
            launch.arg(batch.memory.slice()).arg(sums.slice()).arg(&w).arg(&h).arg(&first);
            Device::launch(&mut launch, (grid, 1, count))
        })?;
        Ok(sums.into_iter().map(|sums| Motion::of(sums, width, height)).collect())
    }

    pub(super) fn histogram_over(&self, frames: &Coming<'_>) -> Result<Vec<Histogram>> {
        let batch = frames.batch();
        let pixels = size(batch.area());
        // 256 counts of 32 bits are 128 sums of 64.
        let sums = self.sums::<128>(&[frames], false, |sums, first, count| {
            let mut launch = self.0.work.launch_builder(&self.0.kernels.histogram);
            launch.arg(batch.memory.slice()).arg(sums.slice()).arg(&pixels).arg(&first);
            Device::launch(&mut launch, (over(batch.area()), 1, count))
        })?;
        let half = |sum: i64, which: usize| {
            let bytes = sum.to_ne_bytes();
            u32::from_ne_bytes(std::array::from_fn(|b| bytes[which * 4 + b]))
        };
        Ok(sums
            .into_iter()
            .map(|sums| std::array::from_fn(|value| half(sums[value / 2], value % 2)))
            .collect())
    }

    pub(super) fn detail_over(&self, frames: &Coming<'_>) -> Result<Vec<Detail>> {
        let batch = frames.batch();
        let (width, height) = (batch.width, batch.height);
        let (w, h, steep) = (size(width), size(height), STEEP * STEEP);
        let grid = (blocks(width - 2, 32), blocks(height - 2, 8));
        let sums = self.sums(&[frames], false, |sums, first, count| {
            let mut launch = self.0.work.launch_builder(&self.0.kernels.detail);
            launch.arg(batch.memory.slice()).arg(sums.slice()).arg(&w).arg(&h).arg(&steep).arg(&first);
            Device::launch(&mut launch, (grid.0, grid.1, count))
        })?;
        Ok(sums.into_iter().map(|sums| Detail::of(sums, width, height)).collect())
    }

    pub(super) fn scale_over(
        &self,
        frames: &Coming<'_>,
        width: usize,
        height: usize,
        how: Scaling,
    ) -> Result<OnGpu> {
        let _busy = self.0.busy.lock().unwrap_or_else(PoisonError::into_inner);
        let batch = frames.batch();
        let out = self.room(width, height, batch.count)?;
        let [from_w, from_h, w, h] = [batch.width, batch.height, width, height].map(size);
        let kernel = match how {
            Scaling::Box => &self.0.kernels.area,
            Scaling::Bilinear => &self.0.kernels.bilinear,
        };
        let done = self.pieces(&[frames], false, |first, count| {
            let mut launch = self.0.work.launch_builder(kernel);
            launch.arg(batch.memory.slice()).arg(out.memory.slice());
            launch.arg(&from_w).arg(&from_h).arg(&w).arg(&h).arg(&first);
            Device::launch(&mut launch, (blocks(width, 32), blocks(height, 8), count))
        });
        self.0.settled(done)?;
        Ok(out)
    }

    pub(super) fn blend_over(&self, frames: &Coming<'_>, layer: Layer<'_>) -> Result<OnGpu> {
        let _busy = self.0.busy.lock().unwrap_or_else(PoisonError::into_inner);
        let batch = frames.batch();
        let (luma, opacity) = (self.0.take(batch.area())?, self.0.take(batch.area())?);
        let out = self.room(batch.width, batch.height, batch.count)?;
        let pixels = size(batch.area());
        let laid =
            self.0.copy_to(&luma, 0, layer.luma).and_then(|()| self.0.copy_to(&opacity, 0, layer.opacity));
        let done = laid.and_then(|()| self.0.work_after_copies()).and_then(|()| {
            self.pieces(&[frames], false, |first, count| {
                let mut launch = self.0.work.launch_builder(&self.0.kernels.blend);
                launch
                    .arg(batch.memory.slice())
                    .arg(luma.slice())
                    .arg(opacity.slice())
                    .arg(out.memory.slice());
                launch.arg(&pixels).arg(&first);
                Device::launch(&mut launch, (over(batch.area()), 1, count))
            })
        });
        self.0.settled(done)?;
        Ok(out)
    }
}

/// The same over pictures that are on the GPU already.
impl Cuda {
    /// See [`crate::FrameOps::likeness`].
    pub fn likeness_there(&self, pictures: &OnGpu, references: &OnGpu) -> Result<Vec<Likeness>> {
        if (pictures.size(), pictures.count) != (references.size(), references.count) {
            return Err(Error::Shape("pictures and references differ in size or number".into()));
        }
        pictures.at_least(8, 8, 1)?;
        self.likeness_over(&Coming::There(pictures), &Coming::There(references))
    }

    /// See [`crate::FrameOps::difference`].
    pub fn difference_there(&self, frames: &OnGpu) -> Result<Vec<Difference>> {
        frames.at_least(1, 1, 2)?;
        self.difference_over(&Coming::There(frames))
    }

    /// See [`crate::FrameOps::motion`].
    pub fn motion_there(&self, frames: &OnGpu) -> Result<Vec<Motion>> {
        frames.at_least(8, 8, 2)?;
        self.motion_over(&Coming::There(frames))
    }

    /// See [`crate::FrameOps::histogram`].
    pub fn histogram_there(&self, frames: &OnGpu) -> Result<Vec<Histogram>> {
        self.histogram_over(&Coming::There(frames))
    }

    /// See [`crate::FrameOps::detail`].
    pub fn detail_there(&self, frames: &OnGpu) -> Result<Vec<Detail>> {
        frames.at_least(3, 3, 1)?;
        self.detail_over(&Coming::There(frames))
    }

    /// See [`crate::FrameOps::scale`].
    pub fn scale_there(&self, frames: &OnGpu, width: usize, height: usize, how: Scaling) -> Result<OnGpu> {
        crate::ops::target(frames.size(), (width, height))?;
        self.scale_over(&Coming::There(frames), width, height, how)
    }

    /// See [`crate::FrameOps::blend`].
    pub fn blend_there(&self, frames: &OnGpu, layer: Layer<'_>) -> Result<OnGpu> {
        layer.fits(frames.size())?;
        self.blend_over(&Coming::There(frames), layer)
    }
}
