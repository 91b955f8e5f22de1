//! Trying a CRF on samples: they are encoded, decoded again and compared.

use crate::classify::Class;
use crate::samples::{Samples, Shown, refused};
use crate::search::{Goal, Next, Range, Score, Tried, next};
use crate::tuning::{GRAINED, parameters};
use reelmill_gpu::{FrameOps, Frames, psnr_of};
use reelmill_media::{
    Control, Error, Muxer, Parameter, Pixel, Result, VideoEncoder, VideoReader, VideoSettings, Wish, chain,
    plane, share,
};
use std::path::Path;

/// Most tries, that with the usual CRF included.
const TRIES: usize = 3;
/// SSIM that is good enough: more is not seen, and not paid for.
pub const GOOD_ENOUGH: f64 = 0.98;
/// What is given up of that, or of the usual CRF where it is below: half of what counts as a difference here.
const GIVEN_UP: f64 = 0.001;
/// Least PSNR of pages and text, in dB, as long as the usual CRF has it.
pub const FLAT_PSNR: f64 = 36.0;
/// SSIM of what is not flat that is good enough for pages and text: flat paper is no part of it.
const GOOD_TEXTURE: f64 = 0.95;
/// What a step of CRF is worth at least, in dB.
const STEP_WORTH: f64 = 0.3;
/// CRFs of a codec lie so far around its usual one.
const AROUND: (f64, f64) = (9.0, 17.0);

/// What is wanted.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Wanted {
    /// As good as the usual CRF, but no better than is seen.
    Auto,
    /// This SSIM.
    Ssim(f64),
}

/// What was found.
#[derive(Clone, PartialEq, Debug)]
pub struct Found {
    /// The CRF to take.
    pub crf: f32,
    /// What the encoder is told beside its preset.
    pub parameters: Vec<Parameter>,
    /// What the samples show.
    pub shown: Shown,
    /// What was to be reached.
    pub goal: Goal,
    /// The samples with the usual CRF and the preset alone, where that was tried.
    pub usual: Option<Tried>,
    /// The tries, in order.
    pub tried: Vec<Tried>,
}

/// Finds the CRF that reaches what is wanted with the fewest bytes. `settings` says codec, preset and size; its own CRF is
/// the usual one, and `shown` what [`crate::sample`] saw. Tries are made in software; files of them lie in `scratch` for a moment.
pub fn find(
    samples: &Samples,
    shown: Shown,
    settings: &VideoSettings,
    wanted: Wanted,
    scratch: &Path,
    ops: &dyn FrameOps,
    control: &dyn Control,
) -> Result<Found> {
    let parameters = parameters(&shown, settings.codec, &settings.preset);
    let usual_crf = f64::from(settings.crf);
    let attempt = |crf: f64, parameters: &[Parameter]| -> Result<Tried> {
        let score = score(samples, settings, crf, parameters, scratch, ops, control)?;
        Ok(Tried { crf, score })
    };
    let worth = if parameters.is_empty() { 0.0 } else { told_worth(shown.class) };
    let usual_one = f64::from(settings.codec.default_crf());
    // What is told beside the preset makes a CRF look better, never worse: as good as the usual one is not below it.
    let (low, above) = match wanted {
        Wanted::Auto => (usual_crf, above_usual(&shown)),
        Wanted::Ssim(_) => (usual_one - AROUND.0, 0.0),
    };
    let range = Range { low, high: usual_one + AROUND.1, start: usual_crf + above + worth };
    let mut goal = goal_of(wanted, shown.class, None);
    let (mut tried, mut usual, mut most): (Vec<Tried>, Option<Tried>, usize) = (Vec::new(), None, TRIES);
    let crf = loop {
        match next(&goal, range, &tried, most) {
            Next::Try(crf) => tried.push(attempt(crf, &parameters)?),
            Next::Take(crf) => break crf,
        }
        if wanted == Wanted::Auto && tried.len() == 1 && !usual_is_better(&goal, &tried[0], usual_crf + worth)
        {
            let one = attempt(usual_crf, &[])?;
            let seen = if parameters.is_empty() { 0.0 } else { unseen(&shown) };
            goal = goal_of(wanted, shown.class, Some(&Score { ssim: one.score.ssim - seen, ..one.score }));
            usual = Some(one);
            // Without parameters of the class it is a try like the others.
            if parameters.is_empty() {
                tried.push(one);
            } else {
                most -= 1;
            }
        }
    };
    #[expect(clippy::cast_possible_truncation, reason = "a tenth of a CRF")]
    let crf = crf as f32;
    Ok(Found { crf, parameters, shown, goal, usual, tried })
}

/// Whether the usual CRF reaches a goal, as far as a try tells that is as good as it at the CRF `alike`: then the usual one
/// need not be tried to know that the goal asks for no more than it gives.
fn usual_is_better(goal: &Goal, tried: &Tried, alike: f64) -> bool {
    goal.margin(&tried.score) + (tried.crf - alike) * STEP_WORTH >= 0.0
}

/// A CRF with what is told beside the preset looks as good as one so much lower without; at most, on the tuning clips.
fn told_worth(class: Class) -> f64 {
    match class {
        Class::LowMotion => 3.0,
        Class::Static | Class::Slides => 2.5,
        Class::HighMotion | Class::Mixed => 2.0,
        Class::TextHeavy => 1.5,
    }
}

/// So much above the usual CRF the first try is made: where most of a class are good enough.
fn above_usual(shown: &Shown) -> f64 {
    match shown.class {
        Class::HighMotion | Class::Mixed => 0.0,
        // What is grainy is rarely good enough.
        Class::LowMotion if shown.grain >= GRAINED => 0.0,
        Class::LowMotion | Class::Static | Class::Slides => 2.5,
        Class::TextHeavy => 3.5,
    }
}

/// What a wish means for a class, on samples. Pages and text have two gates more: SSIM of what is not flat, and a floor of
/// PSNR.
fn goal_of(wanted: Wanted, class: Class, usual: Option<&Score>) -> Goal {
    let (ssim_db, psnr_db) = understated(class);
    let absolute = |ssim: f64| 1.0 - (1.0 - ssim) * 10_f64.powf(ssim_db / 10.0);
    let ssim = match (wanted, usual) {
        (Wanted::Ssim(ssim), _) => absolute(ssim),
        (Wanted::Auto, Some(usual)) => usual.ssim.min(absolute(GOOD_ENOUGH)) - GIVEN_UP,
        (Wanted::Auto, None) => absolute(GOOD_ENOUGH) - GIVEN_UP,
    };
    let least = |floor: f64, usual: Option<f64>| usual.map_or(floor, |usual| floor.min(usual));
    let flat = class.is_flat();
    Goal {
        ssim,
        textured: flat.then(|| least(GOOD_TEXTURE.min(ssim), usual.map(|u| u.textured))),
        psnr: flat.then(|| least(FLAT_PSNR - psnr_db, usual.map(|u| u.psnr))),
    }
}

/// By how much samples of a class look worse than the whole video does, in dB of SSIM and of PSNR: pieces begin with
/// nothing known, and what is calm gets better from frame to frame. Less than was measured on the tuning clips. Glances at
/// pages flatter them instead, by up to half a decibel of PSNR, and of SSIM by as much as they miss the hardest page.
fn understated(class: Class) -> (f64, f64) {
    match class {
        Class::LowMotion => (0.7, 0.0),
        Class::TextHeavy => (1.2, 0.9),
        Class::Static | Class::Slides => (-0.6, -0.9),
        Class::HighMotion | Class::Mixed => (0.0, 0.0),
    }
}

/// What samples do not show of how much better a video looks with the parameters of its class than without, in SSIM: pages
/// lose, up to 0.003, where their glances are not of the hardest of them; what moves much and what is grainy up to 0.002,
/// by chance.
fn unseen(shown: &Shown) -> f64 {
    match shown.class {
        Class::LowMotion if shown.grain >= GRAINED => -0.000_8,
        Class::Static | Class::Slides => -0.002,
        Class::HighMotion | Class::Mixed => -0.001,
        _ => 0.0,
    }
}

/// How samples look with a CRF.
fn score(
    samples: &Samples,
    settings: &VideoSettings,
    crf: f64,
    parameters: &[Parameter],
    scratch: &Path,
    ops: &dyn FrameOps,
    control: &dyn Control,
) -> Result<Score> {
    #[expect(clippy::cast_possible_truncation, reason = "a tenth of a CRF")]
    let settings = VideoSettings { crf: crf as f32, ten_bit: false, ..settings.clone() };
    let (mut bytes, mut frames) = (0, 0.0);
    let (mut ssim, mut textured, mut texture, mut error) = (0.0, 0.0, 0.0, 0.0);
    for piece in samples.pieces() {
        let file = Scrap(scratch.join("sample.mkv"));
        bytes += encode(&piece.frames, &settings, parameters, &file.0, control)?;
        let luma = decode(&file.0, &piece.luma)?;
        let (luma, reference) = (piece.of_judged(&luma)?, piece.of_judged(&piece.luma)?);
        for likeness in ops.likeness(&luma, &reference).map_err(refused)? {
            frames += 1.0;
            ssim += likeness.ssim;
            textured += likeness.textured * likeness.texture;
            texture += likeness.texture;
            error += likeness.mse;
        }
    }
    let textured = if texture > 0.0 { textured / texture } else { 1.0 };
    Ok(Score { ssim: ssim / frames, textured, psnr: psnr_of(error / frames), bytes })
}

/// A file that goes when it is no longer needed.
struct Scrap(std::path::PathBuf);

impl Drop for Scrap {
    fn drop(&mut self) {
        // It may never have been written; what stays goes with scratch.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// The software encoder of some settings, told more than its preset.
pub fn tuned_encoder(settings: &VideoSettings, parameters: &[Parameter]) -> Result<VideoEncoder> {
    let chain = chain(settings, &Wish::Software, false, &[]);
    let mut choice =
        chain.choices.into_iter().next().ok_or_else(|| Error::Missing { what: "software encoder".into() })?;
    choice.parameters.extend_from_slice(parameters);
    VideoEncoder::open_choice(settings, &choice)
}

fn encode(
    frames: &[reelmill_media::VideoFrame],
    settings: &VideoSettings,
    parameters: &[Parameter],
    to: &Path,
    control: &dyn Control,
) -> Result<u64> {
    let mut encoder = tuned_encoder(settings, parameters)?;
    let mut muxer = Muxer::create(to)?;
    let stream = muxer.add_video(&encoder)?;
    let mut bytes = 0;
    for frame in frames {
        control.check()?;
        encoder.encode(&mut share(frame), |packet| {
            bytes += packet.size() as u64;
            muxer.write(stream, packet)
        })?;
    }
    encoder.finish(|packet| {
        bytes += packet.size() as u64;
        muxer.write(stream, packet)
    })?;
    muxer.finish()?;
    Ok(bytes)
}

/// The luma of all frames of a file that has as many as `like`.
fn decode(path: &Path, like: &Frames) -> Result<Frames> {
    let mut reader = VideoReader::open(path, 0, 2)?;
    let mut luma = Vec::with_capacity(like.pixels().len());
    while let Some(frame) = reader.next_frame()? {
        if frame.format() != Pixel::YUV420P {
            let got = format!("{:?}", frame.format());
            return Err(Error::Mismatch { place: "the comparison".into(), wanted: "yuv420p".into(), got });
        }
        let picture = plane(&frame, 0);
        (0..picture.height).for_each(|row| luma.extend_from_slice(picture.row(row)));
    }
    Frames::new(like.width(), like.height(), luma).map_err(refused)
}

#[cfg(test)]
mod tests {
    use super::{GOOD_ENOUGH, Wanted, goal_of, usual_is_better};
    use crate::classify::Class;
    use crate::search::{Score, Tried};

    #[test]
    fn what_is_better_than_is_seen_is_not_paid_for() {
        let usual = |ssim: f64| Score { ssim, textured: ssim - 0.005, psnr: 42.0, bytes: 1 };
        let of = |ssim: f64, class: Class| goal_of(Wanted::Auto, class, Some(&usual(ssim)));
        assert!((of(0.995, Class::HighMotion).ssim - GOOD_ENOUGH).abs() < 0.002);
        let busy = of(0.95, Class::HighMotion);
        assert!(busy.ssim < 0.95 && busy.ssim > 0.948 && busy.psnr.is_none() && busy.textured.is_none());
        let text = of(0.995, Class::TextHeavy);
        assert!(text.psnr.unwrap() >= 35.0 && text.textured.unwrap() >= 0.95, "{text:?}");
        let poor = Score { psnr: 33.0, ..usual(0.9) };
        assert_eq!(
            goal_of(Wanted::Auto, Class::Slides, Some(&poor)).psnr,
            Some(33.0),
            "no better than usual"
        );
    }

    #[test]
    fn the_usual_crf_is_only_tried_where_it_may_be_no_better() {
        let goal = goal_of(Wanted::Auto, Class::HighMotion, None);
        let tried =
            |crf: f64, ssim: f64| Tried { crf, score: Score { ssim, textured: 0.0, psnr: 0.0, bytes: 1 } };
        assert!(usual_is_better(&goal, &tried(25.0, 0.981), 25.0), "good enough beyond it");
        assert!(usual_is_better(&goal, &tried(28.0, 0.977), 25.0), "nearly, and three steps beyond it");
        assert!(!usual_is_better(&goal, &tried(25.0, 0.977), 25.0));
        assert!(!usual_is_better(&goal, &tried(28.0, 0.95), 25.0), "it may be below the goal too");
        assert!(!usual_is_better(&goal, &tried(22.0, 0.979_5), 25.0), "a better CRF says nothing of it");
    }

    #[test]
    fn calm_samples_look_worse_than_their_video_and_glances_at_pages_better() {
        let asked = |class| goal_of(Wanted::Ssim(0.98), class, None).ssim;
        let (calm, lively, pages) = (asked(Class::LowMotion), asked(Class::HighMotion), asked(Class::Slides));
        assert!(calm < lively && lively < pages, "{calm} {lively} {pages}");
        assert!((asked(Class::HighMotion) - 0.98).abs() < 1e-9 && asked(Class::LowMotion) > 0.976);
    }
}
