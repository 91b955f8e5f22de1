//! Figures against limits. Pure: what was seen and heard comes in, checks with their figures go out.

use crate::look::Span;
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
    /// Most by which pictures and sound may begin or end apart, in milliseconds.
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
    /// Least likeness to the reference, where one is given: SSIM of luma, mean over frames (1 is the same).
    pub min_ssim: f64,
    /// Least SSIM of the worst second; `null` accepts any.
    pub min_worst_ssim: Option<f64>,
    /// Least PSNR of luma in dB against the reference; `null` accepts any.
    pub min_psnr_db: Option<f64>,
    /// Most by which the video may be longer or shorter than the reference, in milliseconds; `null` accepts any.
    pub max_length_gap_ms: Option<f64>,
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
            min_worst_ssim: None,
            min_psnr_db: None,
            max_length_gap_ms: Some(100.0),
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
    /// How much later than the pictures the sound begins, by the file's clock.
    pub late_ms: f64,
    /// Longest black stretch.
    pub black: Span,
    /// Longest stretch without motion.
    pub frozen: Span,
    /// Longest silence.
    pub silent: Span,
    /// Likeness to the reference, where there is one.
    pub likeness: Option<Likeness>,
}

/// How like its reference a video is.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Likeness {
    /// SSIM of luma, mean over frames.
    pub ssim: f64,
    /// SSIM of the worst second, and when it begins, in milliseconds.
    pub worst: (f64, f64),
    /// PSNR of luma, in dB.
    pub psnr_db: f64,
    /// How much longer than its reference it is, in milliseconds.
    pub longer_ms: f64,
}

/// One question and its answer.
#[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
pub struct Check {
    /// Which video, counted from 0.
    pub video: usize,
    /// What is asked: `length`, `size`, `frame_rate`, `codec`, `sound`, `sync`, `loudness`, `true_peak`, `black`,
    /// `frozen`, `silence`, `likeness`, `worst_second`, `psnr` or `same_length`.
    pub check: &'static str,
    /// Whether the answer is good.
    pub passed: bool,
    /// The figure, in words.
    pub found: String,
    /// What it has to be, in words.
    pub wanted: String,
    /// Where the check failed: what usually helps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<&'static str>,
}

/// What usually helps where a check fails.
fn remedy(check: &str) -> &'static str {
    match check {
        "length" => "look at the lengths of scenes and speech, or at `min_seconds` and `max_seconds`",
        "size" => "set `aspect` and `height` of video.encode",
        "frame_rate" => "set `fps` of video.encode; a source of changing rate has to be encoded anew",
        "codec" => "set `codec` of video.encode",
        "sound" => "give the timeline speech or music, or set `audio: false` in `limits`",
        "sync" => "encode the timeline anew; a file that is off was cut or joined without its sound",
        "loudness" | "true_peak" => "set `loudness` of video.compose or video.encode",
        "black" => "look for a missing or empty clip there, or allow it with `max_black_ms`",
        "frozen" => "give still pictures a `motion`, or allow it with `max_frozen_ms`",
        "silence" => "add music, or allow it with `max_silence_ms`",
        "likeness" | "worst_second" | "psnr" => "lower `crf`, or set `quality: auto`, of video.encode",
        "same_length" => "compare with the same cut, or allow it with `max_length_gap_ms`",
        _ => "see the check's figures",
    }
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
    list.span("black", f.black, limits.max_black_ms);
    list.span("frozen", f.frozen, limits.max_frozen_ms);
    sound(&mut list, f, limits);
    if let Some(found) = &f.likeness {
        likeness(&mut list, found, limits);
    }
    list.checks
}

fn likeness(list: &mut List, found: &Likeness, limits: &Limits) {
    let at_least = |least: f64| format!("at least {least}");
    let text = format!("SSIM {:.4}", found.ssim);
    list.add("likeness", found.ssim >= limits.min_ssim, text, at_least(limits.min_ssim));
    if let Some(least) = limits.min_worst_ssim {
        let (ssim, from_ms) = found.worst;
        let text = format!("SSIM {ssim:.4} from {:.2} s", from_ms / 1_000.0);
        list.add("worst_second", ssim >= least, text, at_least(least));
    }
    if let Some(least) = limits.min_psnr_db {
        let text = format!("{:.2} dB", found.psnr_db);
        list.add("psnr", found.psnr_db >= least, text, format!("at least {least} dB"));
    }
    if let Some(most) = limits.max_length_gap_ms {
        let side = if found.longer_ms < 0.0 { "shorter" } else { "longer" };
        let text = format!("{:.0} ms {side} than the reference", found.longer_ms.abs());
        list.add("same_length", found.longer_ms.abs() <= most, text, format!("at most {most} ms"));
    }
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
    let (begins, ends) = (f.late_ms.abs(), (f.video_end_ms - end_ms).abs());
    let found = format!("{begins:.1} ms apart at the start, {ends:.1} ms at the end");
    let most = limits.max_av_gap_ms;
    list.add("sync", begins.max(ends) <= most, found, format!("at most {most} ms"));
    if let Some(lufs) = limits.loudness_lufs {
        let good = f.lufs.is_some_and(|found| (found - lufs).abs() <= limits.loudness_tolerance);
        let found = f.lufs.map_or_else(|| "silence".into(), |l| format!("{l:.1} LUFS"));
        list.add("loudness", good, found, format!("{lufs} ± {} LUFS", limits.loudness_tolerance));
    }
    if let Some(peak) = f.true_peak_dbtp {
        list.most("true_peak", peak, limits.max_true_peak_dbtp, "dBTP");
    }
    list.span("silence", f.silent, limits.max_silence_ms);
}

struct List {
    video: usize,
    checks: Vec<Check>,
}

impl List {
    fn add(&mut self, check: &'static str, passed: bool, found: String, wanted: String) {
        let remedy = (!passed).then(|| remedy(check));
        self.checks.push(Check { video: self.video, check, passed, found, wanted, remedy });
    }

    fn span(&mut self, check: &'static str, found: Span, limit: Option<f64>) {
        let Some(limit) = limit else { return };
        let from =
            if found.ms > 0.0 { format!(" from {:.2} s", found.from_ms / 1_000.0) } else { String::new() };
        self.add(
            check,
            found.ms <= limit,
            format!("{:.1} ms{from}", found.ms),
            format!("at most {limit} ms"),
        );
    }

    fn most(&mut self, check: &'static str, found: f64, limit: Option<f64>, unit: &str) {
        if let Some(limit) = limit {
            self.add(check, found <= limit, format!("{found:.1} {unit}"), format!("at most {limit} {unit}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Figures, Likeness, Limits, judge, score};
    use crate::look::Span;

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
        assert_eq!(failed(|f, _| f.late_ms = -140.0), ["sync"]);
        assert_eq!(failed(|f, _| f.black = Span { from_ms: 0.0, ms: 500.0 }), ["black"]);
        assert_eq!(failed(|f, _| f.frozen = Span { from_ms: 0.0, ms: 9_000.0 }), ["frozen"]);
        let like = Likeness { ssim: 0.97, worst: (0.93, 2_000.0), psnr_db: 38.0, longer_ms: 33.0 };
        let compared = |change: fn(&mut Likeness, &mut Limits)| {
            failed(|f, l| {
                let mut like = like;
                change(&mut like, l);
                f.likeness = Some(like);
            })
        };
        assert_eq!(compared(|_, _| {}), [""; 0]);
        assert_eq!(compared(|like, _| like.ssim = 0.9), ["likeness"]);
        assert_eq!(compared(|_, l| l.min_worst_ssim = Some(0.95)), ["worst_second"]);
        assert_eq!(compared(|_, l| l.min_psnr_db = Some(40.0)), ["psnr"]);
        assert_eq!(compared(|like, _| like.longer_ms = -900.0), ["same_length"]);
    }

    #[test]
    fn a_fault_says_where_it_is_and_what_helps() {
        let figures = Figures { black: Span { from_ms: 3_250.0, ms: 800.0 }, ..good() };
        let checks = judge(0, &figures, &Limits::default());
        let black = checks.iter().find(|c| c.check == "black").unwrap();
        assert_eq!(black.found, "800.0 ms from 3.25 s");
        assert!(black.remedy.unwrap().contains("max_black_ms"));
        assert!(checks.iter().filter(|c| c.passed).all(|c| c.remedy.is_none()));
        for check in &checks {
            assert!(!super::remedy(check.check).contains("figures"), "{} has no remedy", check.check);
        }
    }

    #[test]
    fn what_is_not_asked_is_not_checked() {
        let silent = failed(|f, l| {
            (f.audio_end_ms, l.audio) = (None, false);
            (l.max_black_ms, f.black.ms) = (None, 9e9);
        });
        assert_eq!(silent, [""; 0]);
    }
}
