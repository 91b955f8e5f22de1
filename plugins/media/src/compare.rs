//! How alike two videos are: SSIM, frame by frame.

use crate::control::{Control, Progress};
use crate::error::{Error, Result};
use crate::graph::{Graph, Pull, VideoFormat};
use crate::reader::VideoReader;
use ffmpeg_next::frame::Video as VideoFrame;
use std::path::Path;

/// How alike two videos are; 1 is the same.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Ssim {
    /// The mean over all frames and planes.
    pub mean: f64,
    /// The least alike frame.
    pub lowest: f64,
    /// Frames compared.
    pub frames: u64,
}

/// Compares a video with its reference, which is scaled to the video's size. Frames are paired by their number,
/// because times of different containers never agree to the tick.
pub fn ssim(video: &Path, reference: &Path, control: &dyn Control) -> Result<Ssim> {
    let mut sides = [Side::open(video)?, Side::open(reference)?];
    let (width, height) = (sides[0].format.width, sides[0].format.height);
    let spec = format!(
        "[in0]format=yuv420p,settb=1/1000,setpts=N,setsar=1[a];\
         [in1]scale={width}:{height}:flags=bicubic,format=yuv420p,settb=1/1000,setpts=N,setsar=1[b];\
         [a][b]ssim,format=yuv420p[out]"
    );
    let mut graph = Graph::video(&spec, &[sides[0].format.clone(), sides[1].format.clone()])?;
    let (mut sum, mut lowest, mut frames) = (0.0, 1.0_f64, 0_u64);
    let mut frame = VideoFrame::empty();
    loop {
        match graph.pull(&mut frame)? {
            Pull::Frame => {
                control.check()?;
                let value = frame.metadata().get("lavfi.ssim.All").and_then(|v| v.parse::<f64>().ok());
                let value = value.ok_or_else(|| Error::graph(&spec, "it gave no figure for a frame"))?;
                (sum, lowest, frames) = (sum + value, lowest.min(value), frames + 1);
                let (done, total) = (frames, frames);
                control.progress(&Progress { done, total, unit: "frames", phase: "compare", rate: 0.0 });
            }
            Pull::Feed(input) => match sides[input].next_frame()? {
                Some(next) => graph.send_video(input, next)?,
                // With one side at its end there is nothing left to compare.
                None => (0..sides.len()).try_for_each(|side| graph.end_once(side))?,
            },
            Pull::End => break,
        }
    }
    if frames == 0 {
        return Err(Error::input(video, "it has no frames to compare"));
    }
    Ok(Ssim { mean: sum / frames as f64, lowest, frames })
}

/// One of the two videos.
struct Side {
    reader: VideoReader,
    first: Option<VideoFrame>,
    format: VideoFormat,
}

impl Side {
    fn open(path: &Path) -> Result<Self> {
        let mut reader = VideoReader::open(path, 0, 2)?;
        let first = reader.next_frame()?.ok_or_else(|| Error::input(path, "it has no frames"))?;
        let format = VideoFormat::of(&first, reader.time_base());
        Ok(Self { reader, first: Some(first), format })
    }

    fn next_frame(&mut self) -> Result<Option<VideoFrame>> {
        match self.first.take() {
            Some(first) => Ok(Some(first)),
            None => self.reader.next_frame(),
        }
    }
}
