//! Where a long video is cut into chunks that are encoded apart: at cuts of its own, where an encoder would begin anew anyway.
//! Pure.

use crate::plan::Plan;
use std::ops::Range;

/// How long chunks are, in frames.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lengths {
    /// At least; only a whole video may be shorter.
    pub min: u64,
    /// At most.
    pub max: u64,
}

/// A change of scene.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Cut {
    /// The first frame of the new scene.
    pub frame: u64,
    /// How much changes, from 0 to 1.
    pub strength: f64,
}

impl Lengths {
    /// How many chunks of about the same length a video has: of the length in the middle.
    #[must_use]
    pub fn count(self, frames: u64) -> u64 {
        if frames <= self.max {
            return 1;
        }
        let usual = u64::midpoint(self.min.min(self.max), self.max).max(1);
        frames.div_ceil(usual).max(frames.div_ceil(self.max.max(1))).min(frames)
    }

    /// How far from its even place a cut may be, so that no chunk is too short or too long.
    fn reach(self, frames: u64) -> u64 {
        let even = frames / self.count(frames);
        (even.saturating_sub(self.min).min(self.max.saturating_sub(even)) / 2).min(even / 3)
    }

    /// The stretches of a video in which a cut may be, one for each end of a chunk but the last.
    #[must_use]
    pub fn stretches(self, frames: u64) -> Vec<Range<u64>> {
        let (count, reach) = (self.count(frames), self.reach(frames));
        let even = |number: u64| frames * number / count;
        (1..count).map(|number| even(number) - reach..(even(number) + reach + 1).min(frames)).collect()
    }
}

/// The chunks of a video, in order and without a gap. Of each stretch the strongest cut is taken, the nearer to its middle of
/// two alike; where there is none, the middle, moved out of a transition.
#[must_use]
pub fn chunks(plan: &Plan, lengths: Lengths, cuts: &[Cut]) -> Vec<Range<u64>> {
    let mut ends: Vec<u64> = Vec::new();
    for stretch in lengths.stretches(plan.frames) {
        let middle = u64::midpoint(stretch.start, stretch.end);
        let inside = cuts.iter().filter(|cut| stretch.contains(&cut.frame) && may_begin(plan, cut.frame));
        let best = inside.min_by(|a, b| {
            let near = |cut: &Cut| cut.frame.abs_diff(middle);
            b.strength.total_cmp(&a.strength).then(near(a).cmp(&near(b)))
        });
        let end = best.map_or_else(|| outside_of_transitions(plan, middle), |cut| cut.frame);
        if end > ends.last().copied().unwrap_or(0) && end < plan.frames {
            ends.push(end);
        }
    }
    let starts = std::iter::once(0).chain(ends.iter().copied());
    let ends = ends.iter().copied().chain([plan.frames]);
    starts.zip(ends).map(|(start, end)| start..end).collect()
}

/// Cuts that need no looking: a shot that begins without a transition.
#[must_use]
pub fn known_cuts(plan: &Plan) -> Vec<Cut> {
    let shots = plan.shots.iter().filter(|shot| shot.transition == 0 && shot.frames.start > 0);
    shots.map(|shot| Cut { frame: shot.frames.start, strength: 1.0 }).collect()
}

/// Whether a part of the video may begin at a frame: not within a transition.
fn may_begin(plan: &Plan, frame: u64) -> bool {
    outside_of_transitions(plan, frame) == frame
}

/// The frame itself, or the one after the transition that it lies in.
fn outside_of_transitions(plan: &Plan, frame: u64) -> u64 {
    let shot = plan.shots.iter().find(|shot| shot.frames.contains(&frame));
    shot.map_or(frame, |shot| frame.max(shot.frames.start + shot.transition).min(shot.frames.end))
}

/// The cuts in a stretch of frames, from how much each differs from the one before it: those that stand out by far.
#[must_use]
pub fn detect(first: u64, differences: &[f64]) -> Vec<Cut> {
    let mut sorted = differences.to_vec();
    sorted.sort_by(f64::total_cmp);
    let usual = sorted.get(sorted.len() / 2).copied().unwrap_or(0.0);
    let is_cut = |difference: f64| difference >= CUT_MIN && difference >= usual * CUT_OVER_USUAL;
    let frames = differences.iter().zip(first..);
    // A shot that begins is stronger than anything that is seen within one.
    let strength = |difference: f64| (difference * 0.9).clamp(0.0, 0.9);
    let cuts = frames.filter(|(difference, _)| is_cut(**difference));
    cuts.map(|(difference, frame)| Cut { frame, strength: strength(*difference) }).collect()
}

/// The least difference of a cut: the part of the picture that changes its brightness.
const CUT_MIN: f64 = 0.18;
/// And how many times as much as is usual around it.
const CUT_OVER_USUAL: f64 = 4.0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Canvas;
    use crate::timeline::{Timeline, TransitionKind};
    use reelmill_sdk::serde_json::{from_value, json};

    const CANVAS: Canvas = Canvas { width: 160, height: 90, fps: 10 };

    /// Scenes of so many seconds.
    fn plan(scenes: &[u64], transition: TransitionKind) -> Plan {
        let clip = |seconds: &u64| {
            let ms = seconds * 1_000;
            json!({ "duration_ms": ms, "shots": [{ "media": "/x.mp4", "duration_ms": ms }] })
        };
        let clips: Vec<_> = scenes.iter().map(clip).collect();
        let mut timeline: Timeline = from_value(json!({ "clips": clips })).unwrap();
        timeline.transition.kind = transition;
        timeline.transition.duration_ms = 1_000;
        Plan::new(&timeline, CANVAS).unwrap()
    }

    const LENGTHS: Lengths = Lengths { min: 100, max: 300 };

    fn whole(chunks: &[Range<u64>], frames: u64) {
        assert_eq!((chunks[0].start, chunks.last().unwrap().end), (0, frames));
        assert!(chunks.windows(2).all(|two| two[0].end == two[1].start), "{chunks:?}");
    }

    #[test]
    fn chunks_have_their_lengths_whatever_the_video_and_its_cuts() {
        for seconds in [1, 29, 30, 31, 40, 59, 61, 100, 600, 3_601] {
            let plan = plan(&[seconds], TransitionKind::Cut);
            for step in [1, 7, 50] {
                let cuts: Vec<Cut> =
                    (0..plan.frames).step_by(step).map(|frame| Cut { frame, strength: 0.5 }).collect();
                for cuts in [&cuts[..], &[]] {
                    let chunks = chunks(&plan, LENGTHS, cuts);
                    whole(&chunks, plan.frames);
                    let lengths = chunks.iter().map(|chunk| chunk.end - chunk.start);
                    let (least, most) = (lengths.clone().min().unwrap(), lengths.max().unwrap());
                    assert!(most <= 300 && (least >= 100 || chunks.len() == 1), "{seconds} s: {chunks:?}");
                }
            }
        }
    }

    #[test]
    fn a_chunk_ends_at_the_strongest_cut_near_its_even_place() {
        let plan = plan(&[60], TransitionKind::Cut);
        let stretches = LENGTHS.stretches(600);
        assert_eq!(stretches.len(), 2, "three chunks of 20 s");
        let middle = u64::midpoint(stretches[0].start, stretches[0].end);
        let cut = |frame, strength| Cut { frame, strength };
        let cuts =
            [cut(middle + 2, 0.3), cut(middle - 20, 0.7), cut(middle + 4, 0.7), cut(stretches[0].end, 1.0)];
        assert_eq!(
            chunks(&plan, LENGTHS, &cuts)[0].end,
            middle + 4,
            "the strongest within reach, the nearest"
        );
        assert_eq!(chunks(&plan, LENGTHS, &[])[0].end, middle);
    }

    #[test]
    fn no_chunk_begins_within_a_transition() {
        let faded = plan(&[20, 20, 20], TransitionKind::Fade);
        assert!(known_cuts(&faded).is_empty());
        let chunks = chunks(&faded, LENGTHS, &[Cut { frame: 204, strength: 1.0 }]);
        whole(&chunks, 600);
        for chunk in &chunks[1..] {
            let shot = faded.shots.iter().find(|shot| shot.frames.contains(&chunk.start)).unwrap();
            assert!(chunk.start >= shot.frames.start + shot.transition, "{chunks:?}");
        }
        let hard = plan(&[20, 20, 20], TransitionKind::Cut);
        assert_eq!(super::chunks(&hard, LENGTHS, &known_cuts(&hard)), [0..200, 200..400, 400..600]);
    }

    #[test]
    fn a_cut_stands_out_of_what_moves_around_it() {
        let mut calm = vec![0.01; 30];
        calm[12] = 0.6;
        assert_eq!(detect(100, &calm), [Cut { frame: 112, strength: 0.54 }]);
        let restless = vec![0.3; 30];
        assert!(detect(100, &restless).is_empty(), "all of it moves");
        assert!(detect(0, &[]).is_empty());
    }
}
