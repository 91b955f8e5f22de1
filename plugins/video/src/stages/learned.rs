//! Which preset was best so far, and what is remembered of an encode.

use crate::render::{Output, Rendered};
use reelmill_content::{Found, Tried};
use reelmill_learn::{Advice, Ask, Goal, Outcome, choose};
use reelmill_media::Chain;
use reelmill_sdk::prelude::*;
use std::time::Duration;

/// What `speed: auto` chooses among; the first is the usual one. Those beyond cost far more than they give.
const PRESETS: [&str; 5] = ["medium", "veryfast", "faster", "fast", "slow"];
/// A file is made once, and kept, sent and watched many times. A hundredth of SSIM is worth a fifth of its bytes: that much
/// less are written by a CRF that looks so much worse.
const GOAL: Goal = Goal { seconds: 1.0, bytes: 2.0, score: 40.0, score_min: None };
/// Steps of CRF within which a try tells how good an encode is.
const NEARLY: f64 = 0.5;
/// The class of pictures of which nobody has said what they show.
const UNKNOWN: &str = "unknown";

/// A choice.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct Chosen {
    /// The preset, in x264's words.
    preset: String,
    /// Why it was taken.
    why: String,
}

/// Chooses, and says what came of it.
pub struct Learner {
    class: Option<String>,
    /// What was chosen, if there was a choice.
    pub chosen: Option<Chosen>,
}

impl Learner {
    /// For pictures of this class.
    pub fn new(class: Option<String>) -> Self {
        Self { class, chosen: None }
    }

    /// The preset to take with the first encoder of a chain.
    pub fn choose(&mut self, advice: &Advice, chain: &Chain, seed: u64) -> String {
        let encoder = chain.choices.first().map_or("", |choice| choice.encoder.as_str());
        // Where nobody has said what is shown, all classes together say most.
        let context = match &self.class {
            Some(class) => format!("{encoder}/{class}"),
            None => encoder.to_owned(),
        };
        let ask = Ask { context: &context, arms: &PRESETS, goal: GOAL, seed };
        let (preset, why) = choose(advice, &ask)
            .map_or_else(|| (PRESETS[0].to_owned(), String::new()), |choice| (choice.arm, choice.why));
        self.chosen = Some(Chosen { preset: preset.clone(), why });
        preset
    }

    /// What came of an encode.
    pub fn outcome(
        &self,
        output: &Output,
        encoder: &str,
        found: Option<&Found>,
        done: &Rendered,
        took: Duration,
    ) -> Outcome {
        let found_class = found.and_then(|found| serde_json::to_value(found.shown.class).ok());
        let found_class = found_class.as_ref().and_then(|class| class.as_str());
        let class = self.class.as_deref().or(found_class).unwrap_or(UNKNOWN);
        let pixels = u64::from(output.canvas.width) * u64::from(output.canvas.height) * done.frames;
        Outcome {
            context: format!("{encoder}/{class}"),
            arm: output.preset.clone(),
            units: pixels as f64 / 1e6,
            seconds: Some(took.as_secs_f64()),
            bytes: Some(done.bytes),
            score: found.and_then(score),
            memory_bytes: None,
            cpu_seconds: None,
        }
    }
}

/// The SSIM that samples had at the CRF that was taken, or nearly: other figures are of other settings.
fn score(found: &Found) -> Option<f64> {
    let apart = |tried: &Tried| (tried.crf - f64::from(found.crf)).abs();
    let nearest = found.tried.iter().min_by(|a, b| apart(a).total_cmp(&apart(b)))?;
    (apart(nearest) <= NEARLY).then_some(nearest.score.ssim)
}

#[cfg(test)]
mod tests {
    use super::*;
    use reelmill_content::{Class, Figures, Score, Shown};
    use reelmill_media::Choice;

    fn chain() -> Chain {
        let (encoder, why) = ("libx264".to_owned(), String::new());
        let choices = vec![Choice { encoder, device: None, parameters: Vec::new(), why }];
        Chain { choices, left_out: Vec::new() }
    }

    /// A history in which a preset is much better for a class than all others.
    fn history(class: &str, best: &str) -> Advice {
        let mut advice = Advice::default();
        for preset in PRESETS {
            for _ in 0..20 {
                advice.add(&Outcome {
                    context: format!("libx264/{class}"),
                    arm: preset.to_owned(),
                    units: 10.0,
                    seconds: Some(if preset == best { 1.0 } else { 4.0 }),
                    bytes: Some(1_000),
                    ..Outcome::default()
                });
            }
        }
        advice
    }

    #[test]
    fn a_score_is_that_of_a_try_near_what_was_taken() {
        let tried = |crf, ssim| Tried { crf, score: Score { ssim, textured: 1.0, psnr: 40.0, bytes: 1 } };
        let found = |crf| Found {
            crf,
            parameters: Vec::new(),
            shown: Shown { class: Class::Slides, figures: Figures::default(), grain: 0.0 },
            goal: reelmill_content::Goal { ssim: 0.98, textured: None, psnr: None },
            usual: None,
            tried: vec![tried(24.0, 0.99), tried(28.0, 0.98)],
        };
        assert_eq!(score(&found(27.8)), Some(0.98));
        assert_eq!(score(&found(26.0)), None, "nobody looked");
    }

    #[test]
    fn a_preset_that_was_best_for_a_class_is_taken_for_it() {
        let mut advice = history("slides", "veryfast");
        advice.arms.extend(history("high_motion", "slow").arms);
        for (class, expected) in [("slides", "veryfast"), ("high_motion", "slow")] {
            let mut learner = Learner::new(Some(class.to_owned()));
            assert_eq!(learner.choose(&advice, &chain(), 7), expected);
            let why = learner.chosen.unwrap().why;
            assert!(why.contains(&format!("best known for libx264/{class}")), "{why}");
        }
        let mut learner = Learner::new(None);
        assert_eq!(learner.choose(&Advice::default(), &chain(), 7), "medium");
        assert!(learner.chosen.unwrap().why.contains("as usual"));
    }
}
