//! Figures against limits. Pure: what was seen and heard comes in, checks with their figures go out.

use reelmill_sdk::prelude::*;

/// What is asked of a video.
#[derive(Clone, PartialEq, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Least length in seconds.
    pub min_seconds: Option<f64>,
    /// Greatest length in seconds.
    pub max_seconds: Option<f64>,
    /// Pixels across.
    pub width: Option<u32>,
    /// Pixels down.
    pub height: Option<u32>,
    /// Frames a second.
    pub fps: Option<f64>,
    /// Codec of the pictures as libav calls it, for example `h264`.
    pub codec: Option<String>,
    /// Whether there must be sound.
    pub audio: bool,
    /// Most by which pictures and sound may end apart, in milliseconds.
    pub max_av_gap_ms: f64,
    /// Wanted loudness in LUFS; `null` accepts any.
    pub loudness_lufs: Option<f64>,
    /// How far off the loudness may be, in LU.
    pub loudness_tolerance: f64,
    /// Highest true peak in dBTP; `null` accepts any.
    pub max_true_peak_dbtp: Option<f64>,
    /// Longest black stretch in milliseconds; `null` accepts any.
    pub max_black_ms: Option<f64>,
    /// Longest stretch without motion in milliseconds; `null` accepts any.
    pub max_frozen_ms: Option<f64>,
    /// Longest silence in milliseconds; `null` accepts any.
    pub max_silence_ms: Option<f64>,
    /// Least likeness to the reference, where one is given (1 is the same).
    pub min_ssim: f64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            min_seconds: None,
            max_seconds: None,
            width: None,
            height: None,
            fps: None,
            codec: None,
            audio: true,
            max_av_gap_ms: 100.0,
            loudness_lufs: Some(-14.0),
            loudness_tolerance: 1.0,
            max_true_peak_dbtp: Some(-1.0),
            max_black_ms: Some(100.0),
            max_frozen_ms: Some(5_000.0),
            max_silence_ms: None,
            min_ssim: 0.95,
        }
    }
}

/// What was found in a video.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Figures {
    /// When the pictures end.
    pub video_end_ms: f64,
    /// When the sound ends, where there is some.
    pub audio_end_ms: Option<f64>,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Frames a second on average.
    pub fps: f64,
    /// Shortest and longest distance of two frames in milliseconds.
    pub steps_ms: (f64, f64),
    /// Codec of the pictures.
    pub codec: String,
    /// Integrated loudness; nothing for silence.
    pub lufs: Option<f64>,
    /// True peak; nothing for digital silence.
    pub true_peak_dbtp: Option<f64>,
    /// Longest black stretch.
    pub black_ms: f64,
    /// Longest stretch without motion.
    pub frozen_ms: f64,
    /// Longest silence.
    pub silent_ms: f64,
    /// Likeness to the reference, where there is one.
    pub ssim: Option<f64>,
}

/// One question and its answer.
#[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
pub struct Check {
    /// Which video, counted from 0.
    pub video: usize,
    /// What is asked: `length`, `size`, `frame_rate`, `codec`, `sound`, `sync`, `loudness`, `true_peak`, `black`,
    /// `frozen`, `silence` or `likeness`.
    pub check: &'static str,
    /// Whether the answer is good.
    pub passed: bool,
    /// The figure, in words.
    pub found: String,
    /// What it has to be, in words.
    pub wanted: String,
}

/// Puts figures against limits.
#[must_use]
pub fn judge(video: usize, figures: &Figures, limits: &Limits) -> Vec<Check> {
    let mut list = List { video, checks: Vec::new() };
    let f = figures;
    let seconds = f.video_end_ms / 1_000.0;
    let (least, most) = (limits.min_seconds.unwrap_or(0.04), limits.max_seconds.unwrap_or(f64::INFINITY));
    let wanted = match limits.max_seconds {
        Some(most) => format!("{least} s to {most} s"),
        None => format!("at least {least} s"),
    };
    list.add("length", (least..=most).contains(&seconds), format!("{seconds:.2} s"), wanted);
    let (width, height) = (limits.width.unwrap_or(f.width), limits.height.unwrap_or(f.height));
    list.add(
        "size",
        (f.width, f.height) == (width, height),
        format!("{} x {}", f.width, f.height),
        format!("{width} x {height}"),
    );
    rate(&mut list, f, limits);
    if let Some(codec) = &limits.codec {
        list.add("codec", f.codec == *codec, f.codec.clone(), codec.clone());
    }
    list.most("black", f.black_ms, limits.max_black_ms, "ms");
    list.most("frozen", f.frozen_ms, limits.max_frozen_ms, "ms");
    sound(&mut list, f, limits);
    if let Some(ssim) = f.ssim {
        let wanted = format!("at least {}", limits.min_ssim);
        list.add("likeness", ssim >= limits.min_ssim, format!("SSIM {ssim:.4}"), wanted);
    }
    list.checks
}

/// The part of the checks that passed, 0 to 100.
#[must_use]
pub fn score(checks: &[Check]) -> f64 {
    let passed = checks.iter().filter(|check| check.passed).count();
    (passed as f64 * 1_000.0 / checks.len().max(1) as f64).round() / 10.0
}

fn rate(list: &mut List, f: &Figures, limits: &Limits) {
    // A frame may be off by the tick of a coarse clock; a missing or doubled one is off by a whole step.
    let step = 1_000.0 / f.fps.max(1.0);
    let even = f.steps_ms.0 > step - 1.5 && f.steps_ms.1 < step + 1.5;
    let right = limits.fps.is_none_or(|fps| (f.fps - fps).abs() < 0.02);
    let found = format!("{:.2} frames a second, {:.1} to {:.1} ms apart", f.fps, f.steps_ms.0, f.steps_ms.1);
    let wanted = limits.fps.map_or_else(|| "evenly spaced".into(), |fps| format!("{fps}, evenly spaced"));
    list.add("frame_rate", even && right, found, wanted);
}

fn sound(list: &mut List, f: &Figures, limits: &Limits) {
    let Some(end_ms) = f.audio_end_ms else {
        if limits.audio {
            list.add("sound", false, "none".into(), "some".into());
        }
        return;
    };
    list.most("sync", (f.video_end_ms - end_ms).abs(), Some(limits.max_av_gap_ms), "ms apart at the end");
    if let Some(lufs) = limits.loudness_lufs {
        let good = f.lufs.is_some_and(|found| (found - lufs).abs() <= limits.loudness_tolerance);
        let found = f.lufs.map_or_else(|| "silence".into(), |l| format!("{l:.1} LUFS"));
        list.add("loudness", good, found, format!("{lufs} ± {} LUFS", limits.loudness_tolerance));
    }
    if let Some(peak) = f.true_peak_dbtp {
        list.most("true_peak", peak, limits.max_true_peak_dbtp, "dBTP");
    }
    list.most("silence", f.silent_ms, limits.max_silence_ms, "ms");
}

struct List {
    video: usize,
    checks: Vec<Check>,
}

impl List {
    fn add(&mut self, check: &'static str, passed: bool, found: String, wanted: String) {
        self.checks.push(Check { video: self.video, check, passed, found, wanted });
    }

    fn most(&mut self, check: &'static str, found: f64, limit: Option<f64>, unit: &str) {
        if let Some(limit) = limit {
            self.add(check, found <= limit, format!("{found:.1} {unit}"), format!("at most {limit} {unit}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Figures, Limits, judge, score};

    fn good() -> Figures {
        Figures {
            video_end_ms: 20_000.0,
            audio_end_ms: Some(20_010.0),
            width: 1_080,
            height: 1_920,
            fps: 30.0,
            steps_ms: (33.3, 33.4),
            codec: "h264".into(),
            lufs: Some(-14.3),
            true_peak_dbtp: Some(-1.4),
            ..Figures::default()
        }
    }

    fn failed(change: impl FnOnce(&mut Figures, &mut Limits)) -> Vec<&'static str> {
        let (mut figures, mut limits) = (good(), Limits::default());
        change(&mut figures, &mut limits);
        judge(0, &figures, &limits).iter().filter(|c| !c.passed).map(|c| c.check).collect()
    }

    #[test]
    fn a_good_video_passes_everything() {
        assert_eq!(failed(|_, _| {}), [""; 0]);
        assert!((score(&judge(0, &good(), &Limits::default())) - 100.0).abs() < 1e-9);
    }

    #[test]
    fn each_fault_fails_its_own_check_only() {
        assert_eq!(failed(|_, l| l.min_seconds = Some(30.0)), ["length"]);
        assert_eq!(failed(|_, l| l.width = Some(720)), ["size"]);
        assert_eq!(failed(|f, _| f.steps_ms.1 = 66.7), ["frame_rate"]);
        assert_eq!(failed(|_, l| l.fps = Some(25.0)), ["frame_rate"]);
        assert_eq!(failed(|_, l| l.codec = Some("av1".into())), ["codec"]);
        assert_eq!(failed(|f, _| f.audio_end_ms = None), ["sound"]);
        assert_eq!(failed(|f, _| f.audio_end_ms = Some(19_800.0)), ["sync"]);
        assert_eq!(failed(|f, _| f.lufs = Some(-16.1)), ["loudness"]);
        assert_eq!(failed(|f, _| f.lufs = None), ["loudness"]);
        assert_eq!(failed(|f, _| f.true_peak_dbtp = Some(0.2)), ["true_peak"]);
        assert_eq!(failed(|f, _| f.black_ms = 500.0), ["black"]);
        assert_eq!(failed(|f, _| f.frozen_ms = 9_000.0), ["frozen"]);
        assert_eq!(failed(|f, _| f.ssim = Some(0.9)), ["likeness"]);
    }

    #[test]
    fn what_is_not_asked_is_not_checked() {
        let silent = failed(|f, l| {
            (f.audio_end_ms, l.audio) = (None, false);
            (l.max_black_ms, f.black_ms) = (None, 9e9);
        });
        assert_eq!(silent, [""; 0]);
    }
}
