//! Some frames of a timeline as they will be encoded, to try an encoder on.

use crate::captions::{Captions, Lettering};
use crate::finish::{Finish, finished};
use crate::plan::{Canvas, Plan};
use crate::sequence::Sequence;
use crate::timeline::Timeline;
use reelmill_content::{Length, Samples, Shown, sample};
use reelmill_gpu::Cpu;
use reelmill_media::{Control, Error, Result, VideoFrame};
use std::ops::Range;
use std::path::Path;

/// Samples of a timeline, with captions and logos, in 8 bits, and what they show.
pub fn samples(
    timeline: &Timeline,
    canvas: Canvas,
    scratch: &Path,
    control: &dyn Control,
) -> Result<(Samples, Shown)> {
    let plan = Plan::new(timeline, canvas).map_err(Error::Setting)?;
    let captions = Captions::set(timeline, &plan, canvas, scratch)?;
    let lettering = Lettering::write(timeline, captions.as_ref(), canvas, scratch)?;
    let finish = Finish::new(&timeline.logos, lettering, false, canvas)?.filtered(&timeline.filters);
    let bytes_a_frame = u64::from(canvas.width) * u64::from(canvas.height) * 3 / 2;
    let length = Length { frames: plan.frames, fps: f64::from(canvas.fps), bytes_a_frame };
    sample(length, &Cpu, |ranges| {
        ranges.iter().map(|range| piece(&plan, range.clone(), &finish, control)).collect()
    })
}

fn piece(plan: &Plan, frames: Range<u64>, finish: &Finish, control: &dyn Control) -> Result<Vec<VideoFrame>> {
    let from = after_transition(plan, frames.start);
    let mut sequence = Sequence::new(plan, finish.canvas);
    sequence.skip(from)?;
    let mut graph = finish.graph()?;
    let mut taken = Vec::new();
    for number in from..(from + frames.end - frames.start) {
        control.check()?;
        let Some(mut frame) = sequence.next_frame()? else { break };
        frame.set_pts(i64::try_from(number).ok());
        if let Some(graph) = graph.as_mut() {
            frame = finished(graph, frame)?;
        }
        taken.push(frame);
    }
    Ok(taken)
}

/// The frame, or the first one after the transition that it lies in: those need the shot before.
fn after_transition(plan: &Plan, frame: u64) -> u64 {
    let shot = plan.shots.iter().find(|shot| shot.frames.contains(&frame));
    shot.map_or(frame, |shot| frame.max(shot.frames.start + shot.transition))
}
