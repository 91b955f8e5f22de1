//! `quality.gate`: looks into videos and fails, or only says, when they are not fit to be shown.

use crate::checks::{Check, Figures, Likeness, Limits, judge, score};
use crate::listen::listen;
use crate::look::look;
use crate::media::{Media, Watch, failure};
use reelmill_content::compare;
use reelmill_gpu::Cpu;
use reelmill_media::{Control, Error, probe, tools};
use reelmill_sdk::prelude::*;
use std::path::Path;

/// Outputs of a stage that has made a video.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
struct Made {
    /// The file.
    video: Media,
}

/// A video to be looked into.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "the outputs of video.encode, an artifact of a video file, or a path")]
enum Video {
    /// The outputs of a stage such as `video.encode`.
    Made(Made),
    /// A file.
    File(Media),
}

/// One video or several.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "a list of videos, or one video")]
enum Videos {
    /// Several, as a matrix of `video.encode` puts them out.
    Many(Vec<Video>),
    /// One.
    One(Video),
}

/// What is asked of which videos.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// The videos: outputs of `video.encode` (of all its matrix), or files.
    videos: Videos,
    /// What they are compared with, frame by frame; `limits.min_ssim` says how like it they must be.
    #[serde(default)]
    reference: Option<Media>,
    /// Least likeness to the reference; in place of the one in `limits`.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    min_ssim: Option<f64>,
    /// What is asked of each.
    #[serde(default)]
    limits: Limits,
    /// Whether the stage fails when a check does. Without, `passed` says it.
    #[serde(default = "yes")]
    fail: bool,
}

fn yes() -> bool {
    true
}

/// The verdict.
#[derive(Serialize, JsonSchema)]
pub struct Verdict {
    /// Whether all checks of all videos passed.
    passed: bool,
    /// The part of the checks that passed, 0 to 100.
    score: f64,
    /// Every check with its figure.
    checks: Vec<Check>,
}

/// The stage.
pub struct Gate;

impl Stage for Gate {
    const ID: &'static str = "gate";
    const VERSION: &'static str = "1.1.0";
    const SUMMARY: &'static str = "Checks finished videos and stops those that are not fit to be shown";
    type Input = Input;
    type Output = Verdict;

    fn traits() -> StageTraits {
        let note = "A file that has to be 20 seconds long and 1080 x 1920".to_owned();
        let limits = json!({ "min_seconds": 20, "width": 1080, "height": 1920 });
        StageTraits {
            reuse: Reuse::Pool,
            needs: Needs { cpus: 1, memory_mib: 1_024, ..Needs::default() },
            tools: tools(),
            examples: vec![Example { note, with: json!({ "videos": ["out/video.mp4"], "limits": limits }) }],
            ..StageTraits::default()
        }
    }

    fn open() -> Result<Self, StageError> {
        Ok(Self)
    }

    fn run(&mut self, input: Input, cx: &Cx<'_>) -> Result<Verdict, StageError> {
        let videos = match input.videos {
            Videos::Many(videos) => videos,
            Videos::One(video) => vec![video],
        };
        if videos.is_empty() {
            return Err(
                StageError::invalid_input("videos is empty: there is nothing to check").code("no_videos")
            );
        }
        let mut limits = input.limits;
        limits.min_ssim = input.min_ssim.unwrap_or(limits.min_ssim);
        let mut checks = Vec::new();
        for (index, video) in videos.iter().enumerate() {
            let (Video::Made(Made { video: media }) | Video::File(media)) = video;
            let reference = input.reference.as_ref().map(Media::path);
            let figures = figures(media.path(), reference, &Watch(cx)).map_err(failure)?;
            checks.extend(judge(index, &figures, &limits));
        }
        let (score, passed) = (score(&checks), checks.iter().all(|check| check.passed));
        if !passed {
            let text = faults(&checks, videos.len());
            if input.fail {
                let detail = json!({ "score": score, "checks": checks });
                return Err(StageError::permanent(text).code("not_fit").detail(detail));
            }
            cx.warn(&text);
        }
        Ok(Verdict { passed, score, checks })
    }
}

/// What is wrong, in a sentence.
fn faults(checks: &[Check], videos: usize) -> String {
    let faults = checks.iter().filter(|check| !check.passed).map(|check| {
        let which = if videos > 1 { format!("video {}: ", check.video) } else { String::new() };
        let remedy = check.remedy.map_or_else(String::new, |remedy| format!(" ({remedy})"));
        format!("{which}{} is {}, wanted {}{remedy}", check.check, check.found, check.wanted)
    });
    format!("not fit to be shown: {}", faults.collect::<Vec<_>>().join("; "))
}

fn figures(path: &Path, reference: Option<&Path>, control: &dyn Control) -> Result<Figures, Error> {
    let info = probe(path)?;
    let Some(video) = info.video else {
        return Err(Error::Setting(format!("{} has no pictures, so it is no video", path.display())));
    };
    let seen = look(path, video.fps, video.frames.unwrap_or(0), control)?;
    let heard = match info.audio {
        Some(_) => Some(listen(path, control)?),
        None => None,
    };
    let likeness = reference.map(|reference| likeness(path, reference, video.fps, control)).transpose()?;
    Ok(Figures {
        video_end_ms: seen.end_ms,
        audio_end_ms: heard.map(|h| h.end_ms),
        width: video.width,
        height: video.height,
        fps: video.fps,
        steps_ms: seen.steps_ms,
        codec: video.codec,
        lufs: heard.and_then(|h| h.loudness.lufs),
        true_peak_dbtp: heard.and_then(|h| h.loudness.true_peak_dbtp),
        late_ms: heard.map_or(0.0, |h| h.start_ms - seen.start_ms),
        black: seen.black,
        frozen: seen.frozen,
        silent: heard.map(|h| h.silent).unwrap_or_default(),
        likeness,
    })
}

fn likeness(path: &Path, reference: &Path, fps: f64, control: &dyn Control) -> Result<Likeness, Error> {
    let found = compare(path, reference, fps, &Cpu, control)?;
    let frame_ms = 1_000.0 / fps.max(1.0);
    Ok(Likeness {
        ssim: found.ssim,
        worst: (found.worst.0, found.worst.1 as f64 * frame_ms),
        psnr_db: found.psnr,
        longer_ms: found.longer as f64 * frame_ms,
    })
}
