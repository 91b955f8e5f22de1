//! The same on an NVIDIA GPU. Copies go on one stream and kernels on another, a few pictures apart, so that a batch
//! is computed while it still comes. What is on the GPU already ([`OnGpu`]) needs no copy.

mod device;
mod ops;

use crate::error::Result;
use crate::frames::{Buffer, Frames};
use crate::ops::{Detail, Difference, FrameOps, Histogram, Layer, Likeness, Motion, Scaling, target};
use device::Device;
use std::sync::Arc;

/// A GPU that is ready to work.
#[derive(Debug)]
pub struct Cuda(Arc<Device>);

/// Pictures in the memory of a GPU.
#[derive(Debug)]
pub struct OnGpu {
    memory: device::Memory,
    width: usize,
    height: usize,
    count: usize,
}

impl OnGpu {
    /// Pictures.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// Pixels across and down.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        (self.width, self.height)
    }

    fn at_least(&self, width: usize, height: usize, count: usize) -> Result<()> {
        crate::frames::at_least(self.size(), self.count, (width, height), count)
    }

    fn area(&self) -> usize {
        self.width * self.height
    }
}

impl Cuda {
    /// The GPU of this number. Without a driver or a GPU, an error says which of them is missing.
    pub fn open(number: usize) -> Result<Self> {
        Device::open(number).map(|device| Self(Arc::new(device)))
    }

    /// Memory that the GPU has, and what of it is free, in bytes.
    pub fn memory(&self) -> Result<(usize, usize)> {
        self.0.memory()
    }
}

impl FrameOps for Cuda {
    fn name(&self) -> String {
        self.0.name.clone()
    }

    fn buffer(&self, bytes: usize) -> Result<Buffer> {
        self.0.pinned(bytes)
    }

    fn likeness(&self, pictures: &Frames, references: &Frames) -> Result<Vec<Likeness>> {
        pictures.same_as(references)?;
        pictures.at_least(8, 8, 1)?;
        self.likeness_over(&self.coming(pictures)?, &self.coming(references)?)
    }

    fn difference(&self, frames: &Frames) -> Result<Vec<Difference>> {
        frames.at_least(1, 1, 2)?;
        self.difference_over(&self.coming(frames)?)
    }

    fn motion(&self, frames: &Frames) -> Result<Vec<Motion>> {
        frames.at_least(8, 8, 2)?;
        self.motion_over(&self.coming(frames)?)
    }

    fn histogram(&self, frames: &Frames) -> Result<Vec<Histogram>> {
        self.histogram_over(&self.coming(frames)?)
    }

    fn detail(&self, frames: &Frames) -> Result<Vec<Detail>> {
        frames.at_least(3, 3, 1)?;
        self.detail_over(&self.coming(frames)?)
    }

    fn scale(&self, frames: &Frames, into: &mut Frames, how: Scaling) -> Result<()> {
        frames.as_many_as(into)?;
        target(frames.size(), into.size())?;
        let scaled = self.scale_over(&self.coming(frames)?, into.width(), into.height(), how)?;
        self.download(&scaled, into)
    }

    fn blend(&self, frames: &Frames, layer: Layer<'_>, into: &mut Frames) -> Result<()> {
        layer.fits(frames.size())?;
        frames.same_as(into)?;
        self.download(&self.blend_over(&self.coming(frames)?, layer)?, into)
    }
}
