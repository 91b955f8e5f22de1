//! Any file's sound in the one form all sound here has: a mono voice, a 5.1 film and a 44.1 kHz song alike.

use crate::error::Result;
use crate::frames::copy_samples;
use crate::graph::{AudioFormat, Graph, Pull};
use crate::pcm::{CHANNELS, RATE};
use crate::reader::AudioReader;
use ffmpeg_next::frame::Audio as AudioFrame;
use std::collections::VecDeque;
use std::path::Path;

/// Reads any file's sound as stereo floats at 48 kHz, from a point in time on.
pub struct StereoReader {
    reader: AudioReader,
    graph: Option<Graph>,
    ready: VecDeque<[f32; CHANNELS]>,
    /// Samples still to be passed over before the in-point.
    skip: Option<u64>,
    in_ms: u64,
    speed: f64,
    over: bool,
}

impl StereoReader {
    /// Opens the best audio stream at `in_ms`.
    pub fn open(path: &Path, in_ms: u64) -> Result<Self> {
        Self::open_at_speed(path, in_ms, 1.0)
    }

    /// The same, so many times as fast (0.25 to 4) at the same pitch.
    pub fn open_at_speed(path: &Path, in_ms: u64, speed: f64) -> Result<Self> {
        let reader = AudioReader::open(path, in_ms)?;
        Ok(Self { reader, graph: None, ready: VecDeque::new(), skip: None, in_ms, speed, over: false })
    }

    /// Whether everything was read.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.over && self.ready.is_empty()
    }

    /// The next sample of both channels; nothing at the end.
    pub fn next_pair(&mut self) -> Result<Option<[f32; CHANNELS]>> {
        while self.ready.is_empty() && !self.over {
            self.fill()?;
        }
        Ok(self.ready.pop_front())
    }

    /// Reads up to so many samples of each channel into `into`; none at the end.
    pub fn read(&mut self, frames: usize, into: &mut Vec<f32>) -> Result<()> {
        into.clear();
        while into.len() < frames * CHANNELS {
            let Some(pair) = self.next_pair()? else { break };
            into.extend(pair);
        }
        Ok(())
    }

    fn fill(&mut self) -> Result<()> {
        let next = self.reader.next_frame()?;
        match (next, self.graph.as_mut()) {
            (Some(frame), None) => {
                let spec = format!(
                    "[in0]aresample=48000,{}aformat=sample_fmts=flt:sample_rates=48000:channel_layouts=stereo[out]",
                    tempo(self.speed)
                );
                self.graph = Some(Graph::audio(&spec, &[AudioFormat::of(&frame)])?);
                self.skip = Some(self.samples_before(&frame));
                self.feed(frame)?;
            }
            (Some(frame), Some(_)) => self.feed(frame)?,
            (None, Some(graph)) => {
                graph.end(0)?;
                self.over = true;
            }
            (None, None) => self.over = true,
        }
        self.drain()
    }

    /// How much of the sound from this frame on lies before the in-point.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a time within a file")]
    fn samples_before(&self, frame: &AudioFrame) -> u64 {
        let start = frame.pts().unwrap_or(0) as f64 * f64::from(self.reader.time_base());
        ((self.in_ms as f64 / 1_000.0 - start).max(0.0) * f64::from(RATE) / self.speed.max(0.01)) as u64
    }

    fn feed(&mut self, frame: AudioFrame) -> Result<()> {
        match self.graph.as_mut() {
            Some(graph) => graph.send_audio(0, frame),
            None => Ok(()),
        }
    }

    fn drain(&mut self) -> Result<()> {
        let Some(graph) = self.graph.as_mut() else { return Ok(()) };
        let mut frame = AudioFrame::empty();
        let mut samples = Vec::new();
        while graph.pull(&mut frame)? == Pull::Frame {
            copy_samples(&frame, &mut samples)?;
        }
        let skipped = self.skip.unwrap_or(0).min((samples.len() / CHANNELS) as u64);
        self.skip = self.skip.map(|skip| skip - skipped);
        let start = usize::try_from(skipped).unwrap_or(0) * CHANNELS;
        self.ready.extend(samples[start..].chunks_exact(CHANNELS).map(|pair| [pair[0], pair[1]]));
        Ok(())
    }
}

/// The filters of a speed; each of libav's goes down to half.
fn tempo(speed: f64) -> String {
    if (speed - 1.0).abs() < 1e-6 {
        return String::new();
    }
    let speed = speed.clamp(0.25, 4.0);
    if speed < 0.5 {
        return format!("atempo=0.5,atempo={:.6},", speed / 0.5);
    }
    format!("atempo={speed:.6},")
}
