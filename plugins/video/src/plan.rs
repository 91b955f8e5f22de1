//! From milliseconds to frames, without drift: every boundary is rounded from the start of the video, never
//! summed up from rounded lengths. Pure.

use crate::timeline::{Clip, Shot, Timeline, Transition, TransitionKind, VERSION};
use std::ops::Range;

/// The picture every frame has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Canvas {
    /// Pixels across; even.
    pub width: u32,
    /// Pixels down; even.
    pub height: u32,
    /// Frames a second.
    pub fps: u32,
}

impl Canvas {
    /// The shorter side, in which sizes are given.
    #[must_use]
    pub fn short_side(self) -> u32 {
        self.width.min(self.height)
    }

    /// How long so many frames are.
    #[must_use]
    pub fn ms_of(self, frames: u64) -> u64 {
        (frames * 1_000 + u64::from(self.fps) / 2) / u64::from(self.fps)
    }

    /// The frame that starts nearest to a time.
    #[must_use]
    pub fn frame_at(self, ms: u64) -> u64 {
        (ms * u64::from(self.fps) + 500) / 1_000
    }
}

/// A shot and the frames of the video it fills.
#[derive(Clone, PartialEq, Debug)]
pub struct PlannedShot {
    /// The shot.
    pub shot: Shot,
    /// Its frames, counted from the start of the video.
    pub frames: Range<u64>,
    /// Frames of the transition it starts with; 0 for a cut.
    pub transition: u64,
    /// In which way.
    pub kind: TransitionKind,
    /// Its number among all shots, by which motions take turns.
    pub number: usize,
}

/// A timeline in frames.
#[derive(Clone, PartialEq, Debug)]
pub struct Plan {
    /// The shots in order, without a gap.
    pub shots: Vec<PlannedShot>,
    /// Frames in all.
    pub frames: u64,
    /// When each scene starts, in milliseconds.
    pub clip_starts_ms: Vec<u64>,
}

impl Plan {
    /// Plans a timeline.
    ///
    /// # Errors
    /// In words: the timeline has no scene, or one without shots or shorter than a frame.
    pub fn new(timeline: &Timeline, canvas: Canvas) -> Result<Self, String> {
        let mut plan = Self { shots: Vec::new(), frames: 0, clip_starts_ms: Vec::new() };
        if timeline.version != VERSION {
            return Err(format!(
                "the timeline is of version {}; this build reads {VERSION}",
                timeline.version
            ));
        }
        if timeline.clips.is_empty() {
            return Err("the timeline has no scenes".into());
        }
        let mut start_ms = 0;
        let mut before = 0;
        for (index, clip) in timeline.clips.iter().enumerate() {
            let frames = canvas.frame_at(start_ms)..canvas.frame_at(start_ms + clip.duration_ms);
            let length = frames.end - frames.start;
            if length == 0 || clip.shots.is_empty() {
                return Err(format!("scene {} is empty: it needs a duration and footage", index + 1));
            }
            let entrance = clip.transition.unwrap_or(timeline.transition);
            let most = if index == 0 { 0 } else { (length / 2).min(before / 2) };
            plan.add_clip(clip, start_ms, &frames, (entrance, most), canvas);
            plan.clip_starts_ms.push(start_ms);
            start_ms += clip.duration_ms;
            before = length;
        }
        plan.frames = canvas.frame_at(start_ms);
        Ok(plan)
    }

    /// Adds the shots of one scene; the last one fills what rounding or short shots leave. `entrance` is how the scene
    /// comes in, and over how many frames at most.
    fn add_clip(
        &mut self,
        clip: &Clip,
        start_ms: u64,
        frames: &Range<u64>,
        entrance: (Transition, u64),
        canvas: Canvas,
    ) {
        let mut at_ms = start_ms;
        let mut from = frames.start;
        let mut before = 0;
        for (index, shot) in clip.shots.iter().enumerate() {
            at_ms += shot.duration_ms;
            let last = index + 1 == clip.shots.len();
            let to = if last { frames.end } else { canvas.frame_at(at_ms).clamp(from, frames.end) };
            if to == from {
                continue;
            }
            let length = to - from;
            let (how, most) = if from == frames.start {
                // A transition never outlives the shot it leads to.
                (entrance.0, entrance.1.min(length))
            } else {
                (shot.transition.unwrap_or_default(), (length / 2).min(before / 2))
            };
            let moving = how.kind != TransitionKind::Cut;
            self.shots.push(PlannedShot {
                shot: shot.clone(),
                frames: from..to,
                transition: if moving { canvas.frame_at(how.duration_ms).min(most) } else { 0 },
                kind: how.kind,
                number: self.shots.len(),
            });
            from = to;
            before = length;
        }
    }

    /// Samples of sound that last as long as the pictures.
    #[must_use]
    pub fn samples(&self, canvas: Canvas, rate: u32) -> u64 {
        (self.frames * u64::from(rate) + u64::from(canvas.fps) / 2) / u64::from(canvas.fps)
    }
}

#[cfg(test)]
mod tests {
    use super::{Canvas, Plan};
    use crate::timeline::{Clip, Media, Shot, Timeline, Transition, TransitionKind};
    use std::path::Path;

    const CANVAS: Canvas = Canvas { width: 180, height: 320, fps: 30 };

    fn shot(duration_ms: u64) -> Shot {
        Shot::new(Some(Media::from(Path::new("/x.mp4"))), duration_ms)
    }

    fn timeline(scenes: &[&[u64]], transition: TransitionKind) -> Timeline {
        let scene = |shots: &&[u64]| Clip::silent(shots.iter().map(|ms| shot(*ms)).collect());
        let mut timeline = Timeline::new(scenes.iter().map(scene).collect());
        timeline.transition = Transition { kind: transition, duration_ms: 400 };
        timeline
    }

    #[test]
    fn odd_lengths_do_not_add_up_to_drift() {
        // 1017 ms are 30.51 frames: rounding each scene on its own would give 31 x 100.
        let scenes: Vec<&[u64]> = vec![&[1_017]; 100];
        let plan = Plan::new(&timeline(&scenes, TransitionKind::Cut), CANVAS).unwrap();
        assert_eq!(plan.frames, 3_051);
        assert!(plan.shots.windows(2).all(|w| w[0].frames.end == w[1].frames.start), "no gap, no overlap");
        assert_eq!(plan.shots.last().unwrap().frames.end, plan.frames);
        assert_eq!(plan.samples(CANVAS, 48_000), 3_051 * 1_600);
    }

    #[test]
    fn transitions_keep_the_length_and_never_exceed_half_a_scene() {
        let scenes: [&[u64]; 3] = [&[3_000], &[500], &[1_000, 2_000]];
        let plan = Plan::new(&timeline(&scenes, TransitionKind::Fade), CANVAS).unwrap();
        assert_eq!(plan.frames, 195);
        let transitions: Vec<u64> = plan.shots.iter().map(|s| s.transition).collect();
        assert_eq!(transitions, [0, 7, 7, 0], "0.5 s are 15 frames, half of them 7; none between shots");
    }

    #[test]
    fn a_scene_and_a_shot_may_come_in_their_own_way() {
        let mut mixed = timeline(&[&[2_000], &[1_000, 400], &[2_000]], TransitionKind::Fade);
        mixed.clips[2].transition = Some(Transition { kind: TransitionKind::Cut, duration_ms: 400 });
        mixed.clips[1].shots[1].transition =
            Some(Transition { kind: TransitionKind::WipeLeft, duration_ms: 1_000 });
        let plan = Plan::new(&mixed, CANVAS).unwrap();
        let ways: Vec<(TransitionKind, u64)> = plan.shots.iter().map(|s| (s.kind, s.transition)).collect();
        assert_eq!(ways[1], (TransitionKind::Fade, 12));
        assert_eq!(ways[2], (TransitionKind::WipeLeft, 6), "half of 0.4 s");
        assert_eq!(ways[3], (TransitionKind::Cut, 0));
    }

    #[test]
    fn a_timeline_of_another_form_is_refused() {
        let mut later = timeline(&[&[1_000]], TransitionKind::Cut);
        later.version = 2;
        assert!(Plan::new(&later, CANVAS).unwrap_err().contains("version 2"));
    }

    #[test]
    fn the_last_shot_fills_the_scene() {
        let mut short = timeline(&[&[400, 300]], TransitionKind::Cut);
        short.clips[0].duration_ms = 2_000;
        let plan = Plan::new(&short, CANVAS).unwrap();
        assert_eq!(plan.shots[1].frames, 12..60);
    }

    #[test]
    fn empty_scenes_are_refused_by_number() {
        let mut empty = timeline(&[&[1_000], &[1_000]], TransitionKind::Cut);
        empty.clips[1].shots.clear();
        assert!(Plan::new(&empty, CANVAS).unwrap_err().contains("scene 2"));
    }
}
