//! Where scenes begin. Pure.

use crate::figures::Series;
use std::ops::Range;

/// Frames before and after whose usual change a cut has to stand out of.
const AROUND: usize = 8;
/// Least mean change of a cut, in steps of luma.
const LEAST: f64 = 1.2;
/// A cut changes this many times as much as the frames around it.
const TIMES: f64 = 4.0;
/// Where frames change less than this, in steps of luma, a cut needs less to be one.
const REST: f64 = 0.3;
/// Beside motion, a cut repaints this many times as much as any frame around it.
const ABOVE: f64 = 2.5;
/// A change that motion leaves less of than this is motion.
const RESIDUE: f64 = 0.45;
/// The same where all is still around: a page of text is found, half, in the paper of another.
const RESIDUE_AT_REST: f64 = 0.2;
/// Where nothing is known of motion, a cut repaints at least this part of the picture.
const REPAINT: f64 = 0.12;

/// The numbers of the frames at which scenes begin, the first one (0) included. A scene is `shortest` frames long at
/// least: of two cuts that are nearer, the stronger counts.
#[must_use]
pub fn cuts(series: &Series, shortest: usize) -> Vec<usize> {
    let mut found: Vec<usize> = vec![0];
    for frame in 1..series.change.len() {
        if !is_cut(series, frame) {
            continue;
        }
        match found.last() {
            Some(0) if frame < shortest => {}
            Some(&before) if frame - before < shortest && before > 0 => {
                if series.change[frame] > series.change[before] {
                    found.pop();
                    found.push(frame);
                }
            }
            _ => found.push(frame),
        }
    }
    found
}

/// The scenes that cuts make, as ranges of frames without a gap.
#[must_use]
pub fn scenes_of(series: &Series, shortest: usize) -> Vec<Range<usize>> {
    let starts = cuts(series, shortest);
    let ends = starts.iter().skip(1).copied().chain([series.change.len()]);
    starts.iter().copied().zip(ends).map(|(from, to)| from..to).collect()
}

fn is_cut(series: &Series, frame: usize) -> bool {
    let change = series.change[frame];
    if change < LEAST {
        return false;
    }
    let from = frame.saturating_sub(AROUND).max(1);
    let to = (frame + AROUND + 1).min(series.change.len());
    let around = |values: &[f64]| -> Vec<f64> {
        let mut around: Vec<f64> = (from..to).filter(|f| *f != frame).map(|f| values[f]).collect();
        around.sort_by(f64::total_cmp);
        around
    };
    let changes = around(&series.change);
    // Three quarters of the frames around change less than this.
    let usual = changes.get(changes.len() * 3 / 4).copied().unwrap_or(0.0);
    let residue = series.looks.iter().find(|look| look.frame == frame).map(|look| look.residue);
    if usual < REST {
        return residue.is_none_or(|residue| residue > RESIDUE_AT_REST);
    }
    let repaint = series.repaint[frame];
    if change < TIMES * usual {
        // Out of motion, or into it: other brightness all over, as in no frame around.
        let most = around(&series.repaint).last().copied().unwrap_or(0.0);
        return change > usual && repaint > REPAINT && repaint > ABOVE * most;
    }
    residue.map_or(repaint > REPAINT, |residue| residue > RESIDUE)
}

#[cfg(test)]
mod tests {
    use super::cuts;
    use crate::figures::{Look, Series};

    fn series(change: &[f64], looks: &[(usize, f64)]) -> Series {
        let look = |&(frame, residue): &(usize, f64)| Look { frame, residue, ..Look::default() };
        Series {
            change: change.to_vec(),
            ti: vec![0.0; change.len()],
            still: vec![1.0; change.len()],
            repaint: change.iter().map(|c| c / 100.0).collect(),
            looks: looks.iter().map(look).collect(),
        }
    }

    fn with(base: f64, length: usize, jumps: &[(usize, f64)]) -> Vec<f64> {
        let mut change = vec![base; length];
        change[0] = 0.0;
        for &(frame, value) in jumps {
            change[frame] = value;
        }
        change
    }

    #[test]
    fn a_jump_out_of_rest_or_motion_is_a_cut() {
        assert_eq!(cuts(&series(&with(0.0, 60, &[(30, 3.0)]), &[(30, 0.9)]), 8), [0, 30]);
        assert_eq!(cuts(&series(&with(6.0, 60, &[(30, 40.0)]), &[]), 8), [0, 30]);
    }

    #[test]
    fn where_motion_stops_a_repainted_picture_is_a_cut() {
        let change: Vec<f64> =
            (0..60).map(|frame| if frame <= 30 { 18.0 + f64::from(frame) / 30.0 } else { 0.0 }).collect();
        let mut stops = series(&change, &[]);
        stops.repaint = vec![0.05; 60];
        assert_eq!(cuts(&stops, 8), [0]);
        stops.repaint[30] = 0.3;
        assert_eq!(cuts(&stops, 8), [0, 30]);
    }

    #[test]
    fn steady_motion_a_jolt_and_a_flicker_are_none() {
        assert_eq!(cuts(&series(&with(20.0, 60, &[]), &[]), 8), [0]);
        assert_eq!(cuts(&series(&with(2.0, 60, &[(30, 14.0)]), &[(30, 0.2)]), 8), [0]);
        assert_eq!(cuts(&series(&with(0.1, 60, &[(30, 0.9)]), &[(30, 0.9)]), 8), [0]);
        assert_eq!(
            cuts(&series(&with(0.1, 60, &[(30, 2.0)]), &[(30, 0.1)]), 8),
            [0],
            "a step of a slow zoom"
        );
    }

    #[test]
    fn of_two_cuts_too_near_the_stronger_counts() {
        let change = with(0.5, 60, &[(30, 20.0), (33, 40.0)]);
        assert_eq!(cuts(&series(&change, &[]), 8), [0, 33]);
        assert_eq!(cuts(&series(&with(0.5, 60, &[(3, 40.0)]), &[]), 8), [0], "too near to the start");
    }
}
