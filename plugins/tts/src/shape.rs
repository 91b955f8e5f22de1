//! What is done to samples so that parts join without clicks and at the loudness asked for.

use crate::speech::samples_of;

/// How much of the silence around a part is kept, in milliseconds.
const KEPT_MS: f64 = 40.0;
/// How quiet silence is, below the loudest sample: -46 dB.
const SILENCE: f32 = 0.005;
/// How long a part takes to rise at its start and to fall at its end, in milliseconds.
const FADE_MS: f64 = 5.0;

/// Louder or softer, cut at full scale.
#[expect(clippy::cast_possible_truncation, reason = "clamped to the range first")]
pub fn scale(samples: &mut [i16], volume: f32) {
    if (volume - 1.0).abs() < f32::EPSILON {
        return;
    }
    for sample in samples {
        *sample =
            (f32::from(*sample) * volume).clamp(f32::from(i16::MIN), f32::from(i16::MAX)).round() as i16;
    }
}

/// The part of the samples between the silences around it, with a little of them; nothing of what is all silent.
pub fn sounding(samples: &[i16], rate: u32) -> std::ops::Range<usize> {
    let loudest = samples.iter().map(|sample| sample.unsigned_abs()).max().unwrap_or(0);
    let floor = (f32::from(loudest) * SILENCE).max(8.0);
    let is_loud = |sample: &i16| f32::from(sample.unsigned_abs()) > floor;
    let (Some(first), Some(last)) = (samples.iter().position(is_loud), samples.iter().rposition(is_loud))
    else {
        return 0..0;
    };
    let kept = samples_of(KEPT_MS, rate);
    first.saturating_sub(kept)..(last + 1 + kept).min(samples.len())
}

/// Lets a part rise from nothing and fall to nothing, so that its ends are no steps.
#[expect(clippy::cast_possible_truncation, reason = "smaller than the sample it is made of")]
pub fn fade_ends(samples: &mut [i16], rate: u32) {
    let length = samples_of(FADE_MS, rate).min(samples.len() / 2);
    let last = samples.len().saturating_sub(1);
    for place in 0..length {
        let gain = place as f32 / length as f32;
        for at in [place, last - place] {
            samples[at] = (f32::from(samples[at]) * gain) as i16;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_around_a_part_is_cut_but_for_a_little() {
        let mut samples = vec![3; 1000];
        samples.extend([9000, -9000].repeat(500));
        samples.extend(vec![-2; 3000]);
        assert_eq!(sounding(&samples, 1000), 960..2040);
        assert_eq!(sounding(&samples[900..2100], 1000), 60..1140);
        assert_eq!(sounding(&[0; 50], 1000), 0..0);
        assert_eq!(sounding(&[], 1000), 0..0);
    }

    #[test]
    fn the_ends_of_a_part_are_no_steps() {
        let mut samples = vec![20_000; 4000];
        fade_ends(&mut samples, 16_000);
        assert_eq!((samples[0], samples[3999]), (0, 0));
        let step = samples.windows(2).map(|pair| (i32::from(pair[1]) - i32::from(pair[0])).abs()).max();
        assert!(step.unwrap() < 300, "{step:?}");
        assert_eq!(samples[2000], 20_000);
        fade_ends(&mut [], 16_000);
        fade_ends(&mut [5], 16_000);
    }

    #[test]
    fn loudness_is_cut_at_full_scale() {
        let mut samples = [100, -20_000, 20_000];
        scale(&mut samples, 2.0);
        assert_eq!(samples, [200, i16::MIN, i16::MAX]);
    }
}
