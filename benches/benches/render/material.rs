//! The composition and its material, made by libav's generators and kept between runs.

use anyhow::Context as _;
use reelmill_media::{Unwatched, VideoCodec, VideoSettings, synth};
use reelmill_plugin_video::{
    Canvas, CaptionStyle, Captions, Clip, Media, Motion, Music, Plan, Shot, Sound, Timeline, Word,
};
use std::path::{Path, PathBuf};

/// Seconds of a clip that are shown.
pub const SHOT_S: u64 = 6;

/// The file with the timeline.
pub const WHOLE: &str = "timeline.json";
/// The file with a short one: the beginning of each clip, captions, no sound.
pub const SAMPLE: &str = "sample.json";
/// Its length in milliseconds.
const SAMPLE_MS: u64 = 4_000;

const TEXT: &str = "Tides are the longest waves on Earth. They run around the oceans twice a day, pulled by the moon \
    and, less, by the sun. Where a coast is steep you may not see them at all. Where it is flat, the sea walks out for \
    a mile and comes back faster than a horse.";

/// What is rendered.
pub struct Composition {
    folder: PathBuf,
    /// The picture.
    pub canvas: Canvas,
    /// Shots of six seconds.
    pub shots: u64,
    source: (u32, u32),
}

impl Composition {
    /// 48 s at 1080 x 1920 from clips of 1920 x 1080.
    pub fn full() -> Self {
        let canvas = Canvas { width: 1_080, height: 1_920, fps: 30 };
        Self { folder: folder("full"), canvas, shots: 8, source: (1_920, 1_080) }
    }

    /// 12 s at 540 x 960 from clips of 960 x 540.
    pub fn quick() -> Self {
        let canvas = Canvas { width: 540, height: 960, fps: 30 };
        Self { folder: folder("quick"), canvas, shots: 2, source: (960, 540) }
    }

    /// The same material at 540 x 960 at most: many videos of it are made.
    pub fn small(&self) -> Self {
        let canvas = Canvas { width: 540, height: 960, fps: 30 };
        Self { folder: self.folder.clone(), canvas, shots: self.shots, source: self.source }
    }

    /// A file of the composition.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The clips in the order they are shown.
    pub fn clips(&self) -> Vec<PathBuf> {
        (0..self.shots).map(|i| self.file(&format!("clip{i}.mp4"))).collect()
    }

    /// Length in seconds.
    pub fn seconds(&self) -> u64 {
        self.shots * SHOT_S
    }

    /// Makes what is not there yet: clips, voice, music, captions and the timeline.
    pub fn make(&self) -> anyhow::Result<()> {
        std::fs::create_dir_all(&self.folder).context("the folder for the material")?;
        for (index, path) in self.clips().iter().enumerate() {
            self.clip(index, path)?;
        }
        let seconds = self.seconds();
        self.sound(
            "voice.m4a",
            &format!(
                "sine=f=180:r=48000:d={seconds},volume='3*max(0,sin(15*t))*gt(mod(t,5),0.8)':eval=frame"
            ),
        )?;
        self.sound("music.m4a", &format!(
            "sine=f=220:r=48000:d={seconds}[a];sine=f=330:r=48000:d={seconds}[b];[a][b]amix=inputs=2:normalize=0,tremolo=f=2:d=0.6"
        ))?;
        let timeline = self.timeline();
        let plan = Plan::new(&timeline, self.canvas).map_err(anyhow::Error::msg)?;
        let captions = Captions::set(&timeline, &plan, self.canvas, &self.folder)?;
        std::fs::write(self.file("captions.ass"), captions.context("the text has words")?.ass(false)?)?;
        std::fs::write(self.file(WHOLE), serde_json::to_vec(&timeline)?)?;
        std::fs::write(self.file(SAMPLE), serde_json::to_vec(&sample(&timeline))?)?;
        Ok(())
    }

    /// Moving patterns with grain, so that decoding and encoding cost what footage costs.
    fn clip(&self, index: usize, path: &Path) -> anyhow::Result<()> {
        if path.is_file() {
            return Ok(());
        }
        println!("making {}, once", path.display());
        let (width, height) = self.source;
        let (size, seconds) = (format!("s={width}x{height}:r=30"), SHOT_S + 1);
        let generator = match index % 4 {
            0 => format!("testsrc2={size}:d={seconds}"),
            1 => format!("gradients={size}:d={seconds}:n=6:seed={index}:speed=0.02"),
            2 => {
                format!("mandelbrot={size}:start_scale=3:end_scale=0.05:end_pts=210,trim=duration={seconds}")
            }
            _ => format!("smptehdbars={size}:d={seconds},scroll=h=0.004"),
        };
        let spec = format!("{generator},noise=alls=6:allf=t:all_seed={index},setsar=1,format=yuv420p[out]");
        let settings = VideoSettings {
            codec: VideoCodec::H264,
            width,
            height,
            fps: 30,
            crf: 18.0,
            preset: "veryfast".into(),
            threads: 0,
            keyframe_interval: 60,
            ten_bit: false,
        };
        // A file that has its name is whole, even if this was interrupted before.
        let unfinished = path.with_extension("part.mp4");
        synth(&unfinished, Some((&spec, &settings)), None, &Unwatched)?;
        std::fs::rename(unfinished, path)?;
        Ok(())
    }

    fn sound(&self, name: &str, spec: &str) -> anyhow::Result<()> {
        let path = self.file(name);
        if !path.is_file() {
            let spec =
                format!("{spec},aformat=sample_fmts=flt:sample_rates=48000:channel_layouts=stereo[out]");
            synth(&path, None, Some(&spec), &Unwatched)?;
        }
        Ok(())
    }

    fn timeline(&self) -> Timeline {
        let shot = |path: &PathBuf| Shot {
            motion: Motion::None,
            ..Shot::new(Some(Media::from(path.as_path())), SHOT_S * 1_000)
        };
        let media = |name: &str| Media::from(self.file(name).as_path());
        let duration_ms = self.seconds() * 1_000;
        let words = TEXT.split_whitespace().cycle().zip(0..duration_ms / 350);
        let words = words
            .map(|(text, i)| Word { text: text.into(), start_ms: i * 350, end_ms: i * 350 + 330 })
            .collect();
        let voice = Sound::new(media("voice.m4a"));
        let music = Music {
            media: media("music.m4a"),
            gain_db: -14.0,
            duck: true,
            fade_in_ms: 0,
            fade_out_ms: 3_000,
        };
        let mut clip = Clip::silent(self.clips().iter().map(shot).collect());
        (clip.sounds, clip.words) = (vec![voice], words);
        let mut timeline = Timeline::new(vec![clip]);
        timeline.captions = Some(CaptionStyle::default());
        timeline.music = Some(music);
        timeline
    }
}

fn sample(whole: &Timeline) -> Timeline {
    let mut sample = whole.clone();
    sample.music = None;
    let shots: usize = whole.clips.iter().map(|clip| clip.shots.len()).sum();
    let shot_ms = SAMPLE_MS / shots.max(1) as u64;
    for clip in &mut sample.clips {
        clip.sounds.clear();
        clip.shots.iter_mut().for_each(|shot| shot.duration_ms = shot_ms);
        clip.duration_ms = clip.shots.len() as u64 * shot_ms;
    }
    sample
}

fn folder(name: &str) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"), PathBuf::from);
    target.join("render-bench").join(name)
}
