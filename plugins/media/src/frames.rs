//! Looking into frames and making them.
#![expect(unsafe_code, reason = "frame fields without a safe door, and audio frames with a named layout")]

use crate::error::{Error, Result};
use crate::pcm::{CHANNELS, RATE};
use ffmpeg_next::{
    ffi,
    format::{Pixel, Sample, sample},
    frame, picture,
};
use std::ffi::c_int;

/// One plane of a picture, 8 bits a sample.
#[derive(Clone, Copy, Debug)]
pub struct Plane<'a> {
    /// Rows, each `stride` bytes.
    pub data: &'a [u8],
    /// Bytes from one row to the next.
    pub stride: usize,
    /// Samples in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

impl<'a> Plane<'a> {
    /// One row, without what pads it.
    #[must_use]
    pub fn row(&self, y: usize) -> &'a [u8] {
        &self.data[y * self.stride..][..self.width]
    }
}

/// A plane of a picture in 8-bit `gray` or `yuv420p`.
#[must_use]
pub fn plane(frame: &frame::Video, index: usize) -> Plane<'_> {
    Plane {
        data: frame.data(index),
        stride: frame.stride(index),
        width: frame.plane_width(index) as usize,
        height: frame.plane_height(index) as usize,
    }
}

/// The three planes of a new `yuv420p` picture to be filled, each with its stride.
pub fn planes_mut(frame: &mut frame::Video) -> Result<[(&mut [u8], usize); 3]> {
    if frame.format() != Pixel::YUV420P || frame.planes() < 3 {
        return Err(Error::mismatch("the picture writer", "yuv420p", format!("{:?}", frame.format())));
    }
    let strides = [0, 1, 2].map(|i| frame.stride(i));
    let lengths = [0, 1, 2].map(|i| frame.stride(i) * frame.plane_height(i) as usize);
    // SAFETY: the frame is borrowed mutably for as long as the slices live; its three planes are separate,
    // allocated with `stride * height` bytes each, and a frame fresh from its allocator has no other owner.
    unsafe {
        let raw = frame.as_mut_ptr();
        let slice = |i: usize| std::slice::from_raw_parts_mut((*raw).data[i], lengths[i]);
        Ok([(slice(0), strides[0]), (slice(1), strides[1]), (slice(2), strides[2])])
    }
}

/// Another owner of the same picture, without a copy of its pixels.
#[must_use]
pub fn share(frame: &frame::Video) -> frame::Video {
    let mut other = frame::Video::empty();
    // SAFETY: both frames are valid and `other` is empty; libav counts the owners of the pixels, and whoever
    // wants to write into shared ones makes a copy first.
    unsafe {
        ffi::av_frame_ref(other.as_mut_ptr(), frame.as_ptr());
    }
    other
}

/// The mean of a plane, 0 to 255.
#[must_use]
pub fn gray_mean(plane: Plane<'_>) -> f64 {
    let sum: u64 = (0..plane.height).map(|y| plane.row(y).iter().map(|v| u64::from(*v)).sum::<u64>()).sum();
    sum as f64 / (plane.width * plane.height).max(1) as f64
}

/// Takes from a frame what would steer the encoder: the source's own frame type forces key frames.
pub fn prepare_for_encoder(frame: &mut frame::Video) {
    frame.set_kind(picture::Type::None);
    // SAFETY: the frame is borrowed mutably; captions and other side data of the source are freed by libav.
    unsafe {
        let raw = frame.as_mut_ptr();
        let count = usize::try_from((*raw).nb_side_data).unwrap_or(0);
        let kinds: Vec<_> = (0..count).map(|i| (**(*raw).side_data.add(i)).type_).collect();
        for kind in kinds {
            ffi::av_frame_remove_side_data(raw, kind);
        }
    }
}

fn new_audio(format: Sample, samples: usize) -> Result<frame::Audio> {
    let mut frame = frame::Audio::empty();
    frame.set_format(format);
    // SAFETY: the frame is new and empty; its fields are set before its buffer is allocated, and the default
    // stereo layout owns no memory.
    let code = unsafe {
        let raw = frame.as_mut_ptr();
        (*raw).nb_samples = c_int::try_from(samples).unwrap_or(0);
        (*raw).sample_rate = c_int::try_from(RATE).unwrap_or(48_000);
        ffi::av_channel_layout_default(&raw mut (*raw).ch_layout, 2);
        ffi::av_frame_get_buffer(raw, 0)
    };
    if code < 0 {
        return Err(Error::Setting(format!("no memory for {samples} samples of sound")));
    }
    Ok(frame)
}

/// A frame of interleaved stereo floats at 48 kHz that starts at a sample's number.
pub fn audio_frame(samples: &[f32], pts: i64) -> Result<frame::Audio> {
    let mut frame = new_audio(Sample::F32(sample::Type::Packed), samples.len() / CHANNELS)?;
    for (bytes, sample) in frame.data_mut(0).chunks_exact_mut(4).zip(samples) {
        bytes.copy_from_slice(&sample.to_ne_bytes());
    }
    frame.set_pts(Some(pts));
    Ok(frame)
}

/// The same with a plane for each channel, as the AAC encoder takes it.
pub(crate) fn planar_frame(samples: &[f32], pts: i64) -> Result<frame::Audio> {
    let mut frame = new_audio(Sample::F32(sample::Type::Planar), samples.len() / CHANNELS)?;
    for channel in 0..CHANNELS {
        for (to, pair) in frame.plane_mut::<f32>(channel).iter_mut().zip(samples.chunks_exact(CHANNELS)) {
            *to = pair[channel];
        }
    }
    frame.set_pts(Some(pts));
    Ok(frame)
}

/// The samples of a frame of interleaved stereo floats at 48 kHz.
pub fn interleaved(frame: &frame::Audio) -> Result<Vec<f32>> {
    let mut samples = Vec::new();
    copy_samples(frame, &mut samples)?;
    Ok(samples)
}

/// Appends the samples of such a frame.
pub fn copy_samples(frame: &frame::Audio, into: &mut Vec<f32>) -> Result<()> {
    crate::graph::AudioFormat::house().check("the mixer", frame)?;
    let bytes = frame.samples() * CHANNELS * 4;
    into.extend(frame.data(0)[..bytes].chunks_exact(4).map(|b| f32::from_ne_bytes([b[0], b[1], b[2], b[3]])));
    Ok(())
}
