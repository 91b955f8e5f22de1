//! How alike a video and its reference are, in figures of luma.

use crate::samples::refused;
use reelmill_gpu::{FrameOps, Frames, psnr_of};
use reelmill_media::{
    Control, Error, Graph, Progress, Pull, Result, VideoFormat, VideoFrame, VideoReader, plane,
};
use std::path::Path;

/// Most bytes of pictures that are compared together.
const BATCH_BYTES: usize = 48 << 20;
/// Most pictures that are compared together.
const BATCH: usize = 32;

/// How alike two videos are.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Compared {
    /// Frames compared.
    pub frames: u64,
    /// SSIM, mean over frames.
    pub ssim: f64,
    /// The same over windows that are not flat in the reference.
    pub textured: f64,
    /// PSNR in dB, of the mean error over all frames.
    pub psnr: f64,
    /// SSIM of the worst second, and the frame that it begins with.
    pub worst: (f64, u64),
    /// How many frames longer than the other the video is; negative where it is shorter.
    pub longer: i64,
}

/// Compares a video with its reference, which is scaled to the video's size. Frames are paired by their number, because
/// times of different containers never agree to the tick.
pub fn compare(
    video: &Path,
    reference: &Path,
    fps: f64,
    ops: &dyn FrameOps,
    control: &dyn Control,
) -> Result<Compared> {
    let mut one = Side::open(video)?;
    let size = (one.first.width(), one.first.height());
    let mut other = Side::open(reference)?;
    let mut sums = Sums::new(fps);
    let pixels = (size.0 * size.1) as usize;
    let batch = (BATCH_BYTES / pixels.max(1)).clamp(1, BATCH);
    loop {
        let (mut a, mut b) = (Vec::new(), Vec::new());
        let mut count = 0;
        while count < batch {
            control.check()?;
            let (left, right) = (one.next(size, &mut a)?, other.next(size, &mut b)?);
            match (left, right) {
                (true, true) => count += 1,
                (longer, shorter) => {
                    a.truncate(count * pixels);
                    b.truncate(count * pixels);
                    sums.longer = one.rest(longer, control)? - other.rest(shorter, control)?;
                    break;
                }
            }
        }
        if count > 0 {
            let frames = |pixels| Frames::new(size.0 as usize, size.1 as usize, pixels).map_err(refused);
            sums.add(&ops.likeness(&frames(a)?, &frames(b)?).map_err(refused)?);
        }
        let (done, total) = (sums.seen.len() as u64, sums.seen.len() as u64);
        control.progress(&Progress { done, total, unit: "frames", phase: "compare", rate: 0.0 });
        if count < batch {
            break;
        }
    }
    sums.finish().ok_or_else(|| Error::Input {
        path: video.to_owned(),
        reason: "it has no frames to compare".into(),
        log: Vec::new(),
    })
}

/// One of the two videos.
struct Side {
    reader: VideoReader,
    first: VideoFrame,
    given: bool,
    graph: Option<Graph>,
}

impl Side {
    fn open(path: &Path) -> Result<Self> {
        let mut reader = VideoReader::open(path, 0, 2)?;
        let first = reader.next_frame()?.ok_or_else(|| Error::Input {
            path: path.to_owned(),
            reason: "it has no frames".into(),
            log: Vec::new(),
        })?;
        Ok(Self { reader, first, given: false, graph: None })
    }

    fn frame(&mut self) -> Result<Option<VideoFrame>> {
        if self.given {
            return self.reader.next_frame();
        }
        self.given = true;
        Ok(Some(reelmill_media::share(&self.first)))
    }

    /// Appends the luma of the next frame in this size; false at the end.
    fn next(&mut self, size: (u32, u32), into: &mut Vec<u8>) -> Result<bool> {
        let Some(frame) = self.frame()? else { return Ok(false) };
        if self.graph.is_none() {
            let format = VideoFormat::of(&frame, self.reader.time_base());
            let (width, height) = size;
            // By way of yuv420p, so that luma is of the same range on both sides.
            let spec = format!("[in0]scale={width}:{height}:flags=bicubic,setsar=1,format=yuv420p[out]");
            self.graph = Some(Graph::video(&spec, &[format])?);
        }
        let Some(graph) = self.graph.as_mut() else { return Ok(false) };
        graph.send_video(0, frame)?;
        let mut scaled = VideoFrame::empty();
        if graph.pull(&mut scaled)? != Pull::Frame {
            let place = "the comparison".into();
            return Err(Error::Mismatch { place, wanted: "a frame for a frame".into(), got: "none".into() });
        }
        let luma = plane(&scaled, 0);
        (0..luma.height).for_each(|row| into.extend_from_slice(luma.row(row)));
        Ok(true)
    }

    /// Frames that are left, the one that was just read included.
    fn rest(&mut self, read: bool, control: &dyn Control) -> Result<i64> {
        let mut count = i64::from(read);
        while read && self.frame()?.is_some() {
            control.check()?;
            count += 1;
        }
        Ok(count)
    }
}

/// What was seen so far.
struct Sums {
    seen: Vec<f64>,
    textured: f64,
    texture: f64,
    error: f64,
    second: usize,
    longer: i64,
}

impl Sums {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "frames of a second")]
    fn new(fps: f64) -> Self {
        let second = (fps.round() as usize).clamp(1, 240);
        Self { seen: Vec::new(), textured: 0.0, texture: 0.0, error: 0.0, second, longer: 0 }
    }

    fn add(&mut self, figures: &[reelmill_gpu::Likeness]) {
        for one in figures {
            self.seen.push(one.ssim);
            self.textured += one.textured * one.texture;
            self.texture += one.texture;
            self.error += one.mse;
        }
    }

    fn finish(self) -> Option<Compared> {
        let count = self.seen.len();
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
        let second = self.second.min(count);
        let worst = self
            .seen
            .windows(second.max(1))
            .enumerate()
            .map(|(from, values)| (mean(values), from as u64))
            .min_by(|a, b| a.0.total_cmp(&b.0))?;
        Some(Compared {
            frames: count as u64,
            ssim: mean(&self.seen),
            textured: if self.texture > 0.0 { self.textured / self.texture } else { 1.0 },
            psnr: psnr_of(self.error / count as f64),
            worst,
            longer: self.longer,
        })
    }
}
