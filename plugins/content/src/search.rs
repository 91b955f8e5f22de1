//! Which constant rate factor reaches a goal with the fewest bytes, by a few tries on samples. Pure.
//!
//! Quality is compared in decibels (SSIM as `-10 log10(1 - SSIM)`), where it falls nearly straight as the CRF rises: a
//! line through two tries meets the goal well. A goal may have several gates; the narrowest decides.

use schemars::JsonSchema;
use serde::Serialize;

/// Most a gate can be passed by, in dB: pictures that are the same.
const DB_MAX: f64 = 60.0;
/// How much a step of CRF costs, in dB, where nothing is known yet: of SSIM, and of PSNR.
const USUAL_SLOPES: (f64, f64) = (0.65, 0.95);
/// Slopes of real videos lie within; others come from noise between two tries that lie too near.
const SLOPES: (f64, f64) = (0.2, 1.5);
/// A try that passes by at most this, in dB, is taken.
const NEAR: f64 = 0.12;
/// A line of the usual slope is good enough for so many steps of CRF: no other try is made for it.
const CLOSE: f64 = 1.1;
/// How far a CRF may be taken beyond one that was tried.
const BEYOND: f64 = 3.0;

/// How good an encode of samples is, and how large.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, JsonSchema)]
pub struct Score {
    /// SSIM of luma, mean over frames.
    pub ssim: f64,
    /// The same over windows that are not flat; flat ones are alike however bad the others look.
    pub textured: f64,
    /// PSNR of luma in dB, from the mean error of all frames.
    pub psnr: f64,
    /// Bytes of the samples.
    pub bytes: u64,
}

/// What is to be reached.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, JsonSchema)]
pub struct Goal {
    /// Least SSIM.
    pub ssim: f64,
    /// Least SSIM over windows that are not flat.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub textured: Option<f64>,
    /// Least PSNR in dB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub psnr: Option<f64>,
}

/// Where CRFs are looked for.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Range {
    /// The lowest: largest and best.
    pub low: f64,
    /// The highest.
    pub high: f64,
    /// The first one tried.
    pub start: f64,
}

/// A CRF and what came of it.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, JsonSchema)]
pub struct Tried {
    /// The CRF.
    pub crf: f64,
    /// How its samples are.
    pub score: Score,
}

/// What to do next.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Next {
    /// Try this one.
    Try(f64),
    /// Take this one.
    Take(f64),
}

fn db(ssim: f64) -> f64 {
    if ssim >= 1.0 { DB_MAX } else { (-10.0 * (1.0 - ssim).log10()).min(DB_MAX) }
}

impl Goal {
    /// By how much a score passes the narrowest gate, in dB; negative where it does not.
    #[must_use]
    pub fn margin(&self, score: &Score) -> f64 {
        let ssim = db(score.ssim) - db(self.ssim);
        let textured = self.textured.map_or(DB_MAX, |least| db(score.textured) - db(least));
        let psnr = self.psnr.map_or(DB_MAX, |least| score.psnr - least);
        ssim.min(textured).min(psnr)
    }

    /// How fast the narrowest gate of a score is lost, in dB a step of CRF, where nothing is known yet.
    fn usual_slope(&self, score: &Score) -> f64 {
        let by_psnr = self.psnr.is_some_and(|least| score.psnr - least <= self.margin(score));
        if by_psnr { USUAL_SLOPES.1 } else { USUAL_SLOPES.0 }
    }
}

/// The next step of a search that may try `most` times.
#[must_use]
pub fn next(goal: &Goal, range: Range, tried: &[Tried], most: usize) -> Next {
    let within = |crf: f64| tenth(crf.clamp(range.low, range.high));
    let Some(best) = nearest(goal, tried) else { return Next::Try(within(range.start)) };
    let margin = goal.margin(&best.score);
    let wanted = within(estimate(goal, tried));
    let known = |crf: f64| tried.iter().any(|t| (t.crf - crf).abs() < 0.05);
    if (0.0..=NEAR).contains(&margin) || known(wanted) && margin >= 0.0 {
        return Next::Take(best.crf);
    }
    if margin.abs() <= CLOSE * goal.usual_slope(&best.score) || tried.len() >= most || known(wanted) {
        return Next::Take(wanted);
    }
    Next::Try(wanted)
}

/// The try that comes nearest to the goal.
fn nearest<'a>(goal: &Goal, tried: &'a [Tried]) -> Option<&'a Tried> {
    tried.iter().min_by(|a, b| goal.margin(&a.score).abs().total_cmp(&goal.margin(&b.score).abs()))
}

/// Where the line through the two tries around the goal, or nearest to it, meets it.
fn estimate(goal: &Goal, tried: &[Tried]) -> f64 {
    let usual = nearest(goal, tried).map_or(USUAL_SLOPES.0, |best| goal.usual_slope(&best.score));
    let mut points: Vec<(f64, f64)> = tried.iter().map(|t| (t.crf, goal.margin(&t.score))).collect();
    points.sort_by(|a, b| a.1.abs().total_cmp(&b.1.abs()));
    let near = points[0];
    let other = points.iter().find(|p| p.1.signum() != near.1.signum()).or(points.get(1)).copied();
    let slope = match other {
        Some(other) if (other.0 - near.0).abs() > 0.3 => (near.1 - other.1) / (other.0 - near.0),
        _ => usual,
    };
    let step = near.1 / slope.clamp(SLOPES.0, SLOPES.1);
    let least = points.iter().map(|p| p.0).fold(f64::INFINITY, f64::min);
    let most = points.iter().map(|p| p.0).fold(f64::NEG_INFINITY, f64::max);
    // One try says little of where the goal lies, two say more.
    let beyond = if points.len() > 1 { BEYOND } else { 4.0 * BEYOND };
    (near.0 + step).clamp(least - beyond, most + beyond)
}

/// Down to a tenth: encoders are no finer, and rounding up would miss the goal.
fn tenth(crf: f64) -> f64 {
    (crf * 10.0 + 1e-6).floor() / 10.0
}

#[cfg(test)]
mod tests {
    use super::{Goal, Next, Range, Score, Tried, next};

    const RANGE: Range = Range { low: 12.0, high: 40.0, start: 23.0 };

    /// A video whose quality falls with the CRF, straight in dB but for a bend.
    fn video(at_23: f64, slope: f64, bend: f64) -> impl Fn(f64) -> Score {
        move |crf| {
            let db = at_23 - slope * (crf - 23.0) - bend * (crf - 23.0).powi(2);
            let ssim = 1.0 - 10_f64.powf(-db / 10.0);
            Score { ssim, textured: ssim - 0.004, psnr: db * 1.4 + 16.0, bytes: 1_000 }
        }
    }

    fn search(goal: &Goal, video: impl Fn(f64) -> Score, most: usize) -> (f64, usize) {
        let mut tried = Vec::new();
        loop {
            match next(goal, RANGE, &tried, most) {
                Next::Try(crf) => tried.push(Tried { crf, score: video(crf) }),
                Next::Take(crf) => return (crf, tried.len()),
            }
            assert!(tried.len() <= most);
        }
    }

    #[test]
    fn three_tries_come_near_to_the_goal_and_not_below_it() {
        let goal = Goal { ssim: 0.98, textured: None, psnr: None };
        for (at_23, slope, bend) in
            [(24.0, 0.75, 0.0), (17.4, 0.6, 0.01), (21.0, 0.45, -0.005), (14.0, 0.5, 0.01)]
        {
            let video = video(at_23, slope, bend);
            let (crf, tries) = search(&goal, &video, 3);
            let ssim = video(crf).ssim;
            assert!(
                tries <= 3 && (0.979_3..0.981_5).contains(&ssim),
                "{at_23} {slope}: {ssim} at {crf} after {tries}"
            );
        }
    }

    #[test]
    fn a_first_try_that_is_good_enough_is_taken() {
        let goal = Goal { ssim: 0.98, textured: None, psnr: None };
        assert_eq!(search(&goal, video(17.05, 0.6, 0.0), 3), (23.0, 1));
    }

    #[test]
    fn the_narrowest_gate_decides() {
        let video = video(24.0, 0.7, 0.0);
        let open = Goal { ssim: 0.98, textured: None, psnr: None };
        let floor = Goal { psnr: Some(44.0), ..open };
        let textured = Goal { textured: Some(0.98), ..open };
        let ((wide, _), (by_psnr, _), (by_texture, _)) =
            (search(&open, &video, 3), search(&floor, &video, 3), search(&textured, &video, 3));
        assert!(by_psnr < wide && by_texture < wide, "{wide} {by_psnr} {by_texture}");
        assert!((44.0..45.0).contains(&video(by_psnr).psnr), "{}", video(by_psnr).psnr);
        assert!(video(by_texture).textured >= 0.98);
    }

    #[test]
    fn what_cannot_be_reached_ends_at_the_border() {
        let goal = Goal { ssim: 0.999, textured: None, psnr: None };
        let (crf, tries) = search(&goal, video(10.0, 0.5, 0.0), 4);
        assert!(tries <= 4 && (crf - RANGE.low).abs() < 1e-9, "{crf}");
        let (crf, _) = search(&Goal { ssim: 0.5, ..goal }, video(25.0, 0.3, 0.0), 4);
        assert!((crf - RANGE.high).abs() < 1e-9, "{crf}");
    }

    #[test]
    fn a_still_picture_that_is_always_the_same_does_not_confuse() {
        let goal = Goal { ssim: 0.98, textured: None, psnr: None };
        let same = |_| Score { ssim: 1.0, textured: 1.0, psnr: 100.0, bytes: 100 };
        let (crf, tries) = search(&goal, same, 3);
        assert!(tries <= 3 && (23.0..=40.0).contains(&crf), "{crf}");
    }
}
