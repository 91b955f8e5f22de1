//! A timeline becomes a file: its sound first (cheap, and its loudness has to be known), then pictures and sound
//! together in one pass. Pictures are made on one thread and encoded on another, a few frames apart.

use crate::captions::{Captions, Lettering, Soft};
use crate::finish::{Finish, finished};
use crate::mix::mix;
use crate::plan::{Canvas, Plan};
use crate::sequence::Sequence;
use crate::style::CaptionStyle;
use crate::timeline::Timeline;
use reelmill_media::{
    AudioEncoder, AudioSettings, Chain, Control, Decoding, Error, Loudness, Muxer, PcmReader, Progress, RATE,
    Result, Target, Tried, VideoCodec, VideoEncoder, VideoFrame, VideoSettings, Wish, chain, normalise, walk,
};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

/// Frames between the two threads.
const QUEUE: usize = 2;
/// How often the encoder's thread looks for a cancellation while no frame comes.
const PATIENCE: Duration = Duration::from_millis(40);

/// How the file is encoded.
#[derive(Clone, PartialEq, Debug)]
pub struct Output {
    /// Size and frame rate.
    pub canvas: Canvas,
    /// Codec of the pictures.
    pub codec: VideoCodec,
    /// Constant rate factor.
    pub crf: f32,
    /// Speed, in x264's words.
    pub preset: String,
    /// Encoder threads; 0 lets the encoder choose.
    pub threads: u32,
    /// Seconds between key frames at most.
    pub keyframe_s: f64,
    /// Bits a second of the sound.
    pub audio_bit_rate: u32,
    /// Whether colours take 10 bits instead of 8.
    pub ten_bit: bool,
    /// Who decodes the files.
    pub decoding: Decoding,
}

/// What was rendered.
#[derive(Clone, PartialEq, Debug)]
pub struct Rendered {
    /// Frames.
    pub frames: u64,
    /// Length in milliseconds.
    pub duration_ms: u64,
    /// Length of the file.
    pub bytes: u64,
    /// Its sound before encoding; nothing when it has none.
    pub loudness: Option<Loudness>,
    /// How it went with each encoder; the last one made the pictures.
    pub tried: Vec<Tried>,
}

impl Output {
    /// What the encoder of the pictures is told.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of frames")]
    pub fn video(&self) -> VideoSettings {
        VideoSettings {
            codec: self.codec,
            width: self.canvas.width,
            height: self.canvas.height,
            fps: self.canvas.fps,
            crf: self.crf,
            preset: self.preset.clone(),
            threads: self.threads,
            keyframe_interval: (self.keyframe_s * f64::from(self.canvas.fps)).round().max(1.0) as u32,
            ten_bit: self.ten_bit,
        }
    }
}

/// Renders a timeline to `to` in software; helper files go to `scratch` and are removed.
pub fn render(
    timeline: &Timeline,
    output: &Output,
    to: &Path,
    scratch: &Path,
    control: &dyn Control,
) -> Result<Rendered> {
    let software = chain(&output.video(), &Wish::Software, true, &[]);
    render_by(&software, timeline, output, to, scratch, control, |_| {})
}

/// Renders a timeline with the first encoder of a chain that makes it to the end. `failed` hears of each that does not;
/// the pictures then begin again with the next one, and nothing of the broken file stays.
pub fn render_by(
    chain: &Chain,
    timeline: &Timeline,
    output: &Output,
    to: &Path,
    scratch: &Path,
    control: &dyn Control,
    failed: impl FnMut(&Tried),
) -> Result<Rendered> {
    let canvas = output.canvas;
    let settings = output.video();
    // Everything that can be refused is, before the first frame is made.
    settings.check()?;
    let plan = Plan::new(timeline, canvas).map_err(Error::Setting)?;
    let captions = Captions::set(timeline, &plan, canvas, scratch)?;
    let sound = Soundtrack::make(timeline, &plan, canvas, scratch, control)?;
    let soft = captions.as_ref().filter(|_| timeline.captions.as_ref().is_some_and(CaptionStyle::soft));
    let lettering = Lettering::write(timeline, captions.as_ref(), canvas, scratch)?;
    let finish = Finish::new(&timeline.logos, lettering, output.ten_bit, canvas)?.filtered(&timeline.filters);
    let (bytes, tried) = walk(chain, &settings, failed, |encoder| {
        let encoding = Encoding::new(encoder, sound.as_ref(), soft, output, to)?;
        pass(&plan, 0..plan.frames, &finish, &output.decoding, encoding, control)
    })?;
    Ok(Rendered {
        frames: plan.frames,
        duration_ms: canvas.ms_of(plan.frames),
        bytes,
        loudness: sound.as_ref().map(|s| s.loudness),
        tried,
    })
}

/// Renders some frames of a timeline, pictures only: a part that is joined with the others.
pub fn render_part(
    chain: &Chain,
    timeline: &Timeline,
    output: &Output,
    frames: Range<u64>,
    to: &Path,
    scratch: &Path,
    control: &dyn Control,
) -> Result<(u64, Vec<Tried>)> {
    let canvas = output.canvas;
    let settings = output.video();
    settings.check()?;
    let plan = Plan::new(timeline, canvas).map_err(Error::Setting)?;
    if frames.is_empty() || frames.end > plan.frames {
        let asked = format!("{} to {}", frames.start, frames.end);
        return Err(Error::Setting(format!("there are no frames {asked}: the video has {}", plan.frames)));
    }
    let captions = Captions::set(timeline, &plan, canvas, scratch)?;
    let lettering = Lettering::write(timeline, captions.as_ref(), canvas, scratch)?;
    let finish = Finish::new(&timeline.logos, lettering, output.ten_bit, canvas)?.filtered(&timeline.filters);
    walk(
        chain,
        &settings,
        |_| {},
        |encoder| {
            let encoding = Encoding::new(encoder, None, None, output, to)?;
            pass(&plan, frames.clone(), &finish, &output.decoding, encoding, control)
        },
    )
}

/// Writes the sound of a timeline, and soft captions: everything but pictures, for the parts to be joined with. Nothing when
/// there is neither.
pub fn render_sound(
    timeline: &Timeline,
    output: &Output,
    to: &Path,
    scratch: &Path,
    control: &dyn Control,
) -> Result<Option<Option<Loudness>>> {
    let canvas = output.canvas;
    let plan = Plan::new(timeline, canvas).map_err(Error::Setting)?;
    let captions = Captions::set(timeline, &plan, canvas, scratch)?;
    let soft = captions.as_ref().filter(|_| timeline.captions.as_ref().is_some_and(CaptionStyle::soft));
    let sound = Soundtrack::make(timeline, &plan, canvas, scratch, control)?;
    if sound.is_none() && soft.is_none() {
        return Ok(None);
    }
    let mut muxer = Muxer::create(to)?;
    let mut tracks = Tracks::new(&mut muxer, sound.as_ref(), soft, output)?;
    // Second by second, so that both are beside each other in the file.
    for second in 1..=plan.frames.div_ceil(u64::from(canvas.fps)) {
        control.check()?;
        tracks.until(&mut muxer, second * u64::from(RATE), second * 1_000)?;
    }
    tracks.finish(&mut muxer)?;
    muxer.finish()?;
    Ok(Some(sound.map(|sound| sound.loudness)))
}

/// Frames through one encoder; the answer is the file's length.
fn pass(
    plan: &Plan,
    frames: Range<u64>,
    finish: &Finish,
    decoding: &Decoding,
    encoding: Encoding,
    control: &dyn Control,
) -> Result<u64> {
    let (sender, receiver) = sync_channel(QUEUE);
    let total = frames.end - frames.start;
    std::thread::scope(|scope| {
        let producer = std::thread::Builder::new().name("frames".into());
        producer
            .spawn_scoped(scope, move || {
                if let Err(error) = produce(plan, frames, finish, decoding, &sender) {
                    // When nobody listens any more, the work was stopped and the error is no news.
                    let _ = sender.send(Err(error));
                }
            })
            .map_err(|e| Error::Setting(format!("no thread for the frames: {e}")))?;
        encoding.run(receiver, total, control)
    })
}

/// A file that goes when it is no longer needed.
struct Helper(PathBuf);

impl Helper {
    fn new(scratch: &Path, name: &str) -> Self {
        Self(scratch.join(name))
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        // It may never have been written; what stays goes with scratch.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// The sound of the video, ready to be encoded.
struct Soundtrack {
    file: Helper,
    loudness: Loudness,
}

impl Soundtrack {
    fn make(
        timeline: &Timeline,
        plan: &Plan,
        canvas: Canvas,
        scratch: &Path,
        control: &dyn Control,
    ) -> Result<Option<Self>> {
        let raw = Helper::new(scratch, "mix.pcm");
        let Some(measured) = mix(timeline, plan, canvas, &raw.0, control)? else { return Ok(None) };
        let Some(wanted) = timeline.loudness else {
            return Ok(Some(Self { file: raw, loudness: measured }));
        };
        let file = Helper::new(scratch, "sound.pcm");
        let target = Target { lufs: wanted.lufs, true_peak_dbtp: wanted.true_peak_dbtp };
        let loudness = normalise(&raw.0, &file.0, measured, target, control)?;
        Ok(Some(Self { file, loudness }))
    }
}

/// Makes all frames in order; stops when nobody takes them any more.
fn produce(
    plan: &Plan,
    frames: Range<u64>,
    finish: &Finish,
    decoding: &Decoding,
    sender: &SyncSender<Result<VideoFrame>>,
) -> Result<()> {
    let mut sequence = Sequence::new(plan, finish.canvas).decoded(decoding);
    sequence.skip(frames.start)?;
    let mut graph = finish.graph()?;
    for number in frames {
        let Some(mut frame) = sequence.next_frame()? else { break };
        frame.set_pts(i64::try_from(number).ok());
        if let Some(graph) = graph.as_mut() {
            frame = finished(graph, frame)?;
        }
        if sender.send(Ok(frame)).is_err() {
            return Ok(());
        }
    }
    Ok(())
}

/// The file being written.
struct Encoding {
    muxer: Muxer,
    video: VideoEncoder,
    video_stream: usize,
    tracks: Tracks,
    fps: u64,
}

impl Encoding {
    fn new(
        video: VideoEncoder,
        sound: Option<&Soundtrack>,
        soft: Option<&Captions>,
        output: &Output,
        to: &Path,
    ) -> Result<Self> {
        let mut muxer = Muxer::create(to)?;
        let video_stream = muxer.add_video(&video)?;
        let tracks = Tracks::new(&mut muxer, sound, soft, output)?;
        Ok(Self { muxer, video, video_stream, tracks, fps: u64::from(output.canvas.fps) })
    }

    fn run(
        mut self,
        receiver: Receiver<Result<VideoFrame>>,
        total: u64,
        control: &dyn Control,
    ) -> Result<u64> {
        let started = Instant::now();
        loop {
            control.check()?;
            let mut frame = match receiver.recv_timeout(PATIENCE) {
                Ok(frame) => frame?,
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => break,
            };
            self.video.encode(&mut frame, |p| self.muxer.write(self.video_stream, p))?;
            let done = self.video.frames();
            self.tracks.until(&mut self.muxer, done * u64::from(RATE) / self.fps, done * 1_000 / self.fps)?;
            let rate = done as f64 / started.elapsed().as_secs_f64().max(1e-3);
            control.progress(&Progress { done, total, unit: "frames", phase: "encode", rate });
        }
        drop(receiver);
        if self.video.frames() != total {
            let got = format!("{} frames", self.video.frames());
            return Err(Error::Mismatch { place: "the file".into(), wanted: format!("{total} frames"), got });
        }
        self.video.finish(|p| self.muxer.write(self.video_stream, p))?;
        self.tracks.finish(&mut self.muxer)?;
        self.muxer.finish()
    }
}

/// What goes beside the pictures.
struct Tracks {
    sound: Option<Sounding>,
    text: Option<Track>,
}

struct Sounding {
    reader: PcmReader,
    encoder: AudioEncoder,
    stream: usize,
}

/// The captions as a track of the file.
struct Track {
    texts: std::vec::IntoIter<Soft>,
    next: Option<Soft>,
    stream: usize,
}

impl Tracks {
    fn new(
        muxer: &mut Muxer,
        sound: Option<&Soundtrack>,
        soft: Option<&Captions>,
        output: &Output,
    ) -> Result<Self> {
        let sound = match sound {
            Some(track) => {
                let encoder = AudioEncoder::open(AudioSettings { bit_rate: output.audio_bit_rate })?;
                let stream = muxer.add_audio(&encoder)?;
                Some(Sounding { reader: PcmReader::open(&track.file.0)?, encoder, stream })
            }
            None => None,
        };
        let text = match soft {
            Some(captions) => {
                let Canvas { width, height, .. } = output.canvas;
                let stream = muxer.add_text(captions.language(), width, height)?;
                let mut texts = captions.soft().into_iter();
                Some(Track { next: texts.next(), texts, stream })
            }
            None => None,
        };
        Ok(Self { sound, text })
    }

    /// Writes sound up to a sample's number, and captions that begin before a time, so that all streams stay side by side
    /// in the file.
    fn until(&mut self, muxer: &mut Muxer, sample: u64, ms: u64) -> Result<()> {
        self.sound_until(muxer, sample)?;
        let Some(track) = self.text.as_mut() else { return Ok(()) };
        while let Some(soft) = track.next.take_if(|soft| soft.start_ms < ms) {
            muxer.write_text(track.stream, soft.start_ms, soft.end_ms, &soft.text)?;
            track.next = track.texts.next();
        }
        Ok(())
    }

    fn sound_until(&mut self, muxer: &mut Muxer, sample: u64) -> Result<()> {
        let Some(Sounding { reader, encoder, stream }) = self.sound.as_mut() else { return Ok(()) };
        let mut block = Vec::new();
        while u64::try_from(encoder.samples()).unwrap_or(u64::MAX) < sample {
            reader.read(4_096, &mut block)?;
            if block.is_empty() {
                return Ok(());
            }
            encoder.encode(&block, |p| muxer.write(*stream, p))?;
        }
        Ok(())
    }

    /// Writes what is left of the sound.
    fn finish(&mut self, muxer: &mut Muxer) -> Result<()> {
        self.sound_until(muxer, u64::MAX)?;
        if let Some(Sounding { encoder, stream, .. }) = self.sound.as_mut() {
            encoder.finish(|p| muxer.write(*stream, p))?;
        }
        Ok(())
    }
}
