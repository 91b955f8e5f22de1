//! The sound of a timeline: narrations at their places, music under them, written as raw samples and measured.
//!
//! Samples are counted, not timed, so the sound is exactly as long as the pictures. At most a few files are
//! open at a time, and a block of samples is all that is held.

use crate::plan::{Canvas, Plan};
use crate::timeline::{Music, Sound, Timeline};
use reelmill_media::{
    AudioFormat, AudioFrame, CHANNELS, Control, Graph, Loudness, Meter, PcmWriter, Progress, Pull, RATE,
    Result, StereoReader, audio_frame, copy_samples,
};
use std::path::{Path, PathBuf};

/// Samples of each channel mixed at once.
const BLOCK: usize = 4_800;
/// Samples over which a sound that is cut off fades, so that it does not click: 5 ms.
const EDGE: u64 = 240;
const HOUSE: &str = "aformat=sample_fmts=flt:sample_rates=48000:channel_layouts=stereo[out]";

/// Writes the sound of a timeline; nothing when it has none.
pub fn mix(
    timeline: &Timeline,
    plan: &Plan,
    canvas: Canvas,
    to: &Path,
    control: &dyn Control,
) -> Result<Option<Loudness>> {
    let total = plan.samples(canvas, RATE);
    let mut voices = Voices::new(timeline, plan, total);
    let mut music = timeline.music.as_ref().map(|music| Bed::new(music, total));
    if voices.waiting.is_empty() && music.is_none() {
        return Ok(None);
    }
    let mut ducker = match &timeline.music {
        Some(music) if music.duck && !voices.waiting.is_empty() => Some(ducker()?),
        _ => None,
    };
    let mut sink = Out { writer: PcmWriter::create(to)?, meter: Meter::new()?, left: total };
    let mut at = 0;
    while at < total {
        control.check()?;
        let frames = BLOCK.min(usize::try_from(total - at).unwrap_or(BLOCK));
        let mut voice = vec![0.0; frames * CHANNELS];
        voices.add(at, &mut voice)?;
        let mut bed = vec![0.0; frames * CHANNELS];
        if let Some(music) = music.as_mut() {
            music.add(at, &mut bed)?;
        }
        if let Some(graph) = ducker.as_mut() {
            duck(graph, at, &voice, &bed, &mut sink)?;
        } else {
            for (voice, bed) in voice.iter_mut().zip(&bed) {
                *voice += bed;
            }
            sink.take(&voice)?;
        }
        at += frames as u64;
        control.progress(&Progress { done: at, total, unit: "samples", phase: "mix", rate: 0.0 });
    }
    if let Some(graph) = ducker.as_mut() {
        graph.end(0)?;
        graph.end(1)?;
        sink.drain(graph)?;
    }
    sink.finish().map(Some)
}

/// Music gives way to the voice: −26 dBFS of voice and more press it down by 4 to 1.
fn ducker() -> Result<Graph> {
    let spec = format!(
        "[in0]asplit=2[voice][key];[in1][key]sidechaincompress=threshold=0.05:ratio=4:attack=20:release=300[bed];\
         [voice][bed]amix=inputs=2:duration=first:normalize=0,{HOUSE}"
    );
    Graph::audio(&spec, &[AudioFormat::house(), AudioFormat::house()])
}

fn duck(graph: &mut Graph, at: u64, voice: &[f32], bed: &[f32], sink: &mut Out) -> Result<()> {
    let pts = i64::try_from(at).unwrap_or(i64::MAX);
    graph.send_audio(0, audio_frame(voice, pts)?)?;
    graph.send_audio(1, audio_frame(bed, pts)?)?;
    sink.drain(graph)
}

/// Where mixed samples go: to the file and the meter, as many as there are to be.
struct Out {
    writer: PcmWriter,
    meter: Meter,
    left: u64,
}

impl Out {
    fn take(&mut self, samples: &[f32]) -> Result<()> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).saturating_mul(CHANNELS);
        let samples = &samples[..samples.len().min(most)];
        self.left -= (samples.len() / CHANNELS) as u64;
        self.meter.add(samples)?;
        self.writer.write(samples)
    }

    fn drain(&mut self, graph: &mut Graph) -> Result<()> {
        let mut frame = AudioFrame::empty();
        let mut samples = Vec::new();
        while graph.pull(&mut frame)? == Pull::Frame {
            samples.clear();
            copy_samples(&frame, &mut samples)?;
            self.take(&samples)?;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Loudness> {
        while self.left > 0 {
            let rest = BLOCK.min(usize::try_from(self.left).unwrap_or(BLOCK));
            self.take(&vec![0.0; rest * CHANNELS])?;
        }
        self.writer.finish()?;
        Ok(self.meter.read())
    }
}

/// The narrations and sounds of all scenes.
struct Voices {
    /// Not yet begun, the next one last.
    waiting: Vec<Placed>,
    sounding: Vec<(Placed, StereoReader)>,
}

/// A sound at its place in the video, in samples.
#[derive(Clone)]
struct Placed {
    sound: Sound,
    from: u64,
    to: u64,
}

impl Voices {
    fn new(timeline: &Timeline, plan: &Plan, total: u64) -> Self {
        let samples = |ms: u64| ms * u64::from(RATE) / 1_000;
        let mut waiting: Vec<Placed> = Vec::new();
        for (clip, start_ms) in timeline.clips.iter().zip(&plan.clip_starts_ms) {
            let end = samples(start_ms + clip.duration_ms).min(total);
            for sound in &clip.sounds {
                let from = samples(start_ms + sound.at_ms);
                if from < end {
                    waiting.push(Placed { sound: sound.clone(), from, to: end });
                }
            }
        }
        waiting.sort_by_key(|placed| std::cmp::Reverse(placed.from));
        Self { waiting, sounding: Vec::new() }
    }

    fn add(&mut self, at: u64, block: &mut [f32]) -> Result<()> {
        let end = at + (block.len() / CHANNELS) as u64;
        while self.waiting.last().is_some_and(|placed| placed.from < end) {
            let Some(placed) = self.waiting.pop() else { break };
            let source = StereoReader::open_at_speed(
                placed.sound.media.path(),
                placed.sound.in_ms,
                placed.sound.speed,
            )?;
            self.sounding.push((placed, source));
        }
        for (placed, source) in &mut self.sounding {
            placed.add(source, at, block)?;
        }
        self.sounding.retain(|(placed, source)| placed.to > end && !source.is_over());
        Ok(())
    }
}

impl Placed {
    fn add(&self, source: &mut StereoReader, at: u64, block: &mut [f32]) -> Result<()> {
        let gain = factor(self.sound.gain_db);
        let end = at + (block.len() / CHANNELS) as u64;
        for index in at.max(self.from)..end.min(self.to) {
            let Some(pair) = source.next_pair()? else { break };
            let edge = (self.to - index).min(EDGE) as f32 / EDGE as f32;
            let place = usize::try_from(index - at).unwrap_or(0) * CHANNELS;
            for (out, sample) in block[place..place + CHANNELS].iter_mut().zip(pair) {
                *out += sample * gain * edge;
            }
        }
        Ok(())
    }
}

/// The music, again and again.
struct Bed {
    path: PathBuf,
    source: Option<StereoReader>,
    gain: f32,
    fade_in: u64,
    fade_out: u64,
    total: u64,
}

impl Bed {
    fn new(music: &Music, total: u64) -> Self {
        let samples = |ms: u64| (ms * u64::from(RATE) / 1_000).min(total / 2);
        Self {
            path: music.media.path().to_owned(),
            source: None,
            gain: factor(music.gain_db),
            fade_in: samples(music.fade_in_ms),
            fade_out: samples(music.fade_out_ms),
            total,
        }
    }

    fn add(&mut self, at: u64, block: &mut [f32]) -> Result<()> {
        for (index, out) in (at..).zip(block.chunks_exact_mut(CHANNELS)) {
            let Some(pair) = self.next_pair()? else { return Ok(()) };
            let fade_in = if index < self.fade_in { index as f32 / self.fade_in as f32 } else { 1.0 };
            let left = self.total - index;
            let fade_out = if left < self.fade_out { left as f32 / self.fade_out as f32 } else { 1.0 };
            for (out, sample) in out.iter_mut().zip(pair) {
                *out = sample * self.gain * fade_in * fade_out;
            }
        }
        Ok(())
    }

    /// The next sample; from the start again at the end. Nothing only when the file holds no sound at all.
    fn next_pair(&mut self) -> Result<Option<[f32; CHANNELS]>> {
        if let Some(source) = self.source.as_mut()
            && let Some(pair) = source.next_pair()?
        {
            return Ok(Some(pair));
        }
        let source = self.source.insert(StereoReader::open(&self.path, 0)?);
        source.next_pair()
    }
}

#[expect(clippy::cast_possible_truncation, reason = "samples are 32-bit floats")]
fn factor(db: f64) -> f32 {
    10.0_f64.powf(db / 20.0) as f32
}
