//! Where a voice is heard in samples: by energy, frame by frame.

/// Frames a second.
const FRAMES_PER_SECOND: u32 = 100;
/// Silence shorter than this belongs to speech: the closure of a "t" or a "k".
const CLOSURE_FRAMES: usize = 6;
/// Sound shorter than this is a click.
const CLICK_FRAMES: usize = 3;

/// Where a voice is heard.
pub struct Activity {
    /// For each frame whether it is.
    pub frames: Vec<bool>,
    /// Length of a frame, in milliseconds: a whole number of samples, and about ten.
    pub frame_ms: f64,
}

/// Listens.
pub fn of(samples: &[i16], rate: u32) -> Activity {
    let frame = (rate / FRAMES_PER_SECOND).max(1);
    let frame_ms = f64::from(frame) * 1000.0 / f64::from(rate.max(1));
    let levels: Vec<f64> = samples.chunks(frame as usize).map(decibels).collect();
    if levels.is_empty() {
        return Activity { frames: Vec::new(), frame_ms };
    }
    let threshold = threshold(&levels);
    let mut active: Vec<bool> = levels.iter().map(|level| *level > threshold).collect();
    flip_short(&mut active, false, CLOSURE_FRAMES);
    flip_short(&mut active, true, CLICK_FRAMES);
    Activity { frames: active, frame_ms }
}

fn decibels(frame: &[i16]) -> f64 {
    let power = frame.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>() / frame.len() as f64;
    10.0 * (power.max(1.0) / f64::from(i16::MAX).powi(2)).log10()
}

/// Well below the voice, and above the noise behind it.
fn threshold(levels: &[f64]) -> f64 {
    let mut sorted = levels.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |part: usize| sorted[(sorted.len() - 1) * part / 100];
    let (noise, voice) = (at(5), at(95));
    (noise + 8.0).max(voice - 38.0).min(voice - 12.0)
}

/// Turns runs of one kind that are shorter than so many frames, except at the ends of a silence that opens or closes.
fn flip_short(active: &mut [bool], kind: bool, frames: usize) {
    let mut start = 0;
    while start < active.len() {
        let length = active[start..].iter().take_while(|one| **one == active[start]).count();
        let is_inner = start > 0 && start + length < active.len();
        if active[start] == kind && length < frames && (is_inner || kind) {
            active[start..start + length].fill(!kind);
        }
        start += length;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(ms: usize, loud: i16) -> Vec<i16> {
        (0..ms * 16).map(|at| if at % 40 < 20 { loud } else { -loud }).collect()
    }

    #[test]
    fn a_voice_is_heard_above_noise_and_across_closures() {
        let parts =
            [tone(200, 30), tone(300, 9000), tone(40, 30), tone(300, 6000), tone(200, 30), tone(300, 8000)];
        let active = of(&parts.concat(), 16_000).frames;
        let heard: Vec<usize> =
            active.iter().enumerate().filter(|(_, one)| **one).map(|(at, _)| at).collect();
        assert_eq!((heard[0], heard[heard.len() - 1]), (20, 133));
        assert_eq!(heard.len(), 64 + 30, "the closure of 40 ms is speech, the pause of 200 ms is not");
        assert!(of(&[], 16_000).frames.is_empty());
        // A frame that is no whole number of samples would drift away from the sound.
        assert!((of(&vec![0; 2_205], 22_050).frame_ms - 9.977).abs() < 0.001);
    }
}
