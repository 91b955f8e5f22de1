//! Looks for changes of scene where chunks may end. The video is rendered there, but small and without what lies over it.

use crate::chunks::{Cut, Lengths, detect, known_cuts};
use crate::plan::{Canvas, Plan};
use crate::sequence::Sequence;
use crate::timeline::Timeline;
use reelmill_media::{Control, Error, Plane, Progress, Result, VideoFrame, plane};
use std::ops::Range;

/// The shorter side of the pictures that are looked at.
const SIDE: u32 = 72;
/// Frames that are looked at around one place at most: farther away a cut is not worth the decoding.
const LOOKED_AT_S: u64 = 3;
/// Steps of brightness that count as the same.
const BINS: usize = 32;

/// The cuts of a video in the stretches where chunks may end.
pub fn cuts(
    timeline: &Timeline,
    plan: &Plan,
    canvas: Canvas,
    lengths: Lengths,
    control: &dyn Control,
) -> Result<Vec<Cut>> {
    let mut cuts = known_cuts(plan);
    let stretches = lengths.stretches(plan.frames);
    let total = stretches.len() as u64;
    let small = small(canvas);
    let plan = Plan::new(timeline, small).map_err(Error::Setting)?;
    for (stretch, done) in stretches.into_iter().zip(1..) {
        if !cuts.iter().any(|cut| stretch.contains(&cut.frame)) {
            let looked_at = around_the_middle(&stretch, LOOKED_AT_S * u64::from(canvas.fps));
            cuts.extend(look(&plan, small, looked_at, control)?);
        }
        control.progress(&Progress { done, total, unit: "places", phase: "scenes", rate: 0.0 });
    }
    cuts.sort_by_key(|cut| cut.frame);
    Ok(cuts)
}

/// The same shape, of few pixels; frames keep their numbers.
fn small(canvas: Canvas) -> Canvas {
    let side = |pixels: u32| (pixels * SIDE / canvas.short_side().max(1) / 2 * 2).max(16);
    Canvas { width: side(canvas.width), height: side(canvas.height), fps: canvas.fps }
}

fn around_the_middle(stretch: &Range<u64>, most: u64) -> Range<u64> {
    let middle = u64::midpoint(stretch.start, stretch.end);
    stretch.start.max(middle.saturating_sub(most / 2))..stretch.end.min(middle + most / 2)
}

fn look(plan: &Plan, canvas: Canvas, frames: Range<u64>, control: &dyn Control) -> Result<Vec<Cut>> {
    let mut sequence = Sequence::new(plan, canvas);
    let from = frames.start.saturating_sub(1);
    // Within a transition there is no cut to be found, and no way in.
    if sequence.skip(from).is_err() {
        return Ok(Vec::new());
    }
    let mut before: Option<[f64; BINS]> = None;
    let mut differences = Vec::new();
    for _ in from..frames.end {
        control.check()?;
        let Some(frame) = sequence.next_frame()? else { break };
        let now = brightness(&frame);
        if let Some(before) = before.replace(now) {
            differences.push(difference(&before, &now));
        }
    }
    Ok(detect(from + 1, &differences))
}

/// Which part of a picture has which brightness.
fn brightness(frame: &VideoFrame) -> [f64; BINS] {
    let luma: Plane<'_> = plane(frame, 0);
    let mut counts = [0_u32; BINS];
    for y in 0..luma.height {
        for value in luma.row(y) {
            counts[usize::from(*value) * BINS / 256] += 1;
        }
    }
    let pixels = (luma.width * luma.height).max(1) as f64;
    counts.map(|count| f64::from(count) / pixels)
}

/// The part of the picture that changed its brightness.
fn difference(a: &[f64; BINS], b: &[f64; BINS]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum::<f64>() / 2.0
}

#[cfg(test)]
mod tests {
    use super::{around_the_middle, small};
    use crate::plan::Canvas;

    #[test]
    fn what_is_looked_at_is_small_and_short() {
        let canvas = small(Canvas { width: 1_080, height: 1_920, fps: 30 });
        assert_eq!((canvas.width, canvas.height), (72, 128));
        assert_eq!(around_the_middle(&(100..500), 90), 255..345);
        assert_eq!(around_the_middle(&(100..120), 90), 100..120);
    }
}
