//! Choosing an arm: Thompson sampling. A mean is drawn for each arm from what is believed of it, and the arm with the best
//! draw is taken; so an arm is taken as often as it is likely to be the best, and what is not known well is tried.

use crate::KNOWN_MIN;
use crate::advice::{Advice, Measure};
use crate::dice::Dice;
use crate::posterior::Posterior;
use crate::summary::Summary;
use std::fmt::Write as _;

/// What is wanted: weights of logarithms, so that 1 and 1 pays a tenth more time for a tenth fewer bytes, and of the score,
/// of which a tenth is worth a tenth of its weight of them. All three together are what an arm costs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Goal {
    /// Weight of the duration.
    pub seconds: f64,
    /// Weight of the size.
    pub bytes: f64,
    /// Weight of the score; what is known of scores only counts where it is above zero.
    pub score: f64,
    /// Arms that are known to score less are left out, unless all do.
    pub score_min: Option<f64>,
}

/// What is chosen among, for what.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// What the thing is done to.
    pub context: &'a str,
    /// The arms that may be taken; the first is taken while nothing is known.
    pub arms: &'a [&'a str],
    /// What is wanted.
    pub goal: Goal,
    /// What is drawn from.
    pub seed: u64,
}

/// What was chosen.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// The arm: one of those that were allowed.
    pub arm: String,
    /// Why, in a sentence.
    pub why: String,
    /// Outcomes of it that are known, near and far.
    pub known: u64,
}

/// How one arm stands.
struct Standing<'a> {
    arm: &'a str,
    /// Outcomes that are known of it.
    known: u64,
    /// What it costs, as drawn and as expected.
    drawn: f64,
    expected: f64,
    /// Its expected score, where one is known.
    score: Option<f64>,
}

/// Chooses one of the arms; none when there is none.
#[must_use]
pub fn choose(advice: &Advice, ask: &Ask<'_>) -> Option<Choice> {
    let usual = *ask.arms.first()?;
    let mut dice = Dice::new(ask.seed);
    let parts = parts(advice, ask);
    let all: Vec<Standing<'_>> =
        ask.arms.iter().map(|arm| stand(advice, ask, arm, &parts, &mut dice)).collect();
    if all.iter().all(|standing| standing.known == 0) {
        let why = format!("nothing is known of {} yet: `{usual}` as usual", named(ask.context));
        return Some(Choice { arm: usual.to_owned(), why, known: 0 });
    }
    let good = |standing: &Standing<'_>| match (ask.goal.score_min, standing.score) {
        (Some(least), Some(score)) => score >= least,
        _ => true,
    };
    let any_good = all.iter().any(good);
    let left: Vec<&Standing<'_>> = all.iter().filter(|standing| !any_good || good(standing)).collect();
    let by = |cost: fn(&Standing<'_>) -> f64| {
        left.iter().copied().min_by(move |one, other| cost(one).total_cmp(&cost(other)))
    };
    let (taken, best) = (by(|standing| standing.drawn)?, by(|standing| standing.expected)?);
    let why = explain(ask, taken, best, all.len() - left.len());
    Some(Choice { arm: taken.arm.to_owned(), why, known: taken.known })
}

/// A part of what an arm costs.
struct Part {
    measure: Measure,
    /// What the measure is multiplied with before anything is believed of it: scores lie far closer together than
    /// logarithms of bytes do, and one belief has to fit both.
    scale: f64,
    weight: f64,
    /// What all arms are like: where an arm is believed to be before anything is known of it.
    common: f64,
}

impl Part {
    /// What is known of it of an arm.
    fn ladder(&self, advice: &Advice, ask: &Ask<'_>, arm: &str) -> Vec<Summary> {
        let steps = advice.ladder(ask.context, Some(arm), self.measure);
        steps.into_iter().map(|step| step.times(self.scale)).collect()
    }

    /// Looks at all arms; none where it is not wanted, or is a score that nobody knows.
    fn known(mut self, advice: &Advice, ask: &Ask<'_>) -> Option<Self> {
        if self.weight <= 0.0 || self.scale == 0.0 {
            return None;
        }
        let ladders = ask.arms.iter().map(|arm| self.ladder(advice, ask, arm));
        let known = ladders.filter(|ladder| ladder.iter().any(|step| step.n > 0));
        let means: Vec<f64> = known.map(|ladder| Posterior::climb(&ladder, 0.0).mean()).collect();
        self.common = Summary::of(&means).mean;
        (self.scale > 0.0 || !means.is_empty()).then_some(self)
    }
}

/// The parts that count.
fn parts(advice: &Advice, ask: &Ask<'_>) -> Vec<Part> {
    let Goal { seconds, bytes, score, .. } = ask.goal;
    let all = [(SECONDS, 1.0, seconds), (BYTES, 1.0, bytes), (SCORE, -score.max(0.0), 1.0)];
    let part = |(measure, scale, weight)| Part { measure, scale, weight, common: 0.0 }.known(advice, ask);
    all.into_iter().filter_map(part).collect()
}

/// How an arm stands. Every arm draws as often as any other, so that a draw does not depend on what is known.
fn stand<'a>(advice: &Advice, ask: &Ask<'a>, arm: &'a str, parts: &[Part], dice: &mut Dice) -> Standing<'a> {
    let mut standing = Standing { arm, known: 0, drawn: 0.0, expected: 0.0, score: None };
    for part in parts {
        let ladder = part.ladder(advice, ask, arm);
        let belief = Posterior::climb(&ladder, part.common);
        standing.drawn += part.weight * belief.draw(dice);
        standing.expected += part.weight * belief.mean();
        standing.known = standing.known.max(ladder.iter().map(|step| step.n).sum());
    }
    let scores = advice.ladder(ask.context, Some(arm), |history| &history.score);
    let of_scores = scores.iter().fold(Summary::default(), |sum, step| sum.and(*step));
    // Scores lie close together: what they are believed to be before anything is known must not move them.
    standing.score = (of_scores.n >= KNOWN_MIN).then(|| nearest(&scores).mean);
    standing
}

/// The nearest steps that together are enough to be believed.
fn nearest(ladder: &[Summary]) -> Summary {
    ladder
        .iter()
        .rev()
        .fold(Summary::default(), |sum, step| if sum.n >= KNOWN_MIN { sum } else { sum.and(*step) })
}

fn explain(ask: &Ask<'_>, taken: &Standing<'_>, best: &Standing<'_>, left_out: usize) -> String {
    let mut why = if taken.known == 0 {
        format!("`{}` is tried for {}: nothing is known of it yet", taken.arm, named(ask.context))
    } else if taken.arm == best.arm {
        format!("`{}` is the best known for {}, by {}", taken.arm, named(ask.context), outcomes(taken.known))
    } else {
        let odds = (taken.expected - best.expected).exp();
        format!(
            "`{}` is tried for {}: {} of it known, and it may be better than `{}` ({odds:.2} times its cost is expected)",
            taken.arm,
            named(ask.context),
            outcomes(taken.known),
            best.arm,
        )
    };
    if left_out > 0 {
        let _ = write!(why, "; {left_out} left out for its score");
    }
    why
}

fn outcomes(count: u64) -> String {
    if count == 1 { "1 outcome".to_owned() } else { format!("{count} outcomes") }
}

fn named(context: &str) -> &str {
    if context.is_empty() { "anything" } else { context }
}

const SECONDS: Measure = |history| &history.seconds;
const BYTES: Measure = |history| &history.bytes;
const SCORE: Measure = |history| &history.score;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advice::ArmHistory;

    const QUICK: Goal = Goal { seconds: 1.0, bytes: 0.0, score: 0.0, score_min: None };

    fn history(arm: &str, n: u64, seconds: f64, score: f64) -> ArmHistory {
        ArmHistory {
            context: "h264/slides".into(),
            arm: arm.into(),
            here: true,
            seconds: Summary { n, mean: seconds.ln(), off2: 0.01 * n as f64 },
            bytes: Summary { n, mean: -seconds.ln(), off2: 0.01 * n as f64 },
            score: Summary { n, mean: score, off2: 0.0 },
            ..ArmHistory::default()
        }
    }

    fn ask<'a>(arms: &'a [&'a str], goal: Goal, seed: u64) -> Ask<'a> {
        Ask { context: "h264/slides", arms, goal, seed }
    }

    /// How often each arm is taken, of two hundred.
    fn taken(advice: &Advice, arms: &[&str], goal: Goal) -> Vec<usize> {
        let of = |seed| choose(advice, &ask(arms, goal, seed)).unwrap().arm;
        let all: Vec<String> = (0..200).map(of).collect();
        arms.iter().map(|arm| all.iter().filter(|one| one == arm).count()).collect()
    }

    #[test]
    fn without_a_history_the_usual_arm_is_taken_and_without_arms_none() {
        let choice = choose(&Advice::default(), &ask(&["medium", "fast"], QUICK, 3)).unwrap();
        assert_eq!((choice.arm.as_str(), choice.known), ("medium", 0));
        assert!(choice.why.contains("nothing is known of h264/slides"), "{}", choice.why);
        assert_eq!(choose(&Advice::default(), &ask(&[], QUICK, 3)), None);
    }

    #[test]
    fn what_is_wanted_decides_and_what_is_known_well_is_not_tried_for_ever() {
        let arms = vec![history("fast", 50, 1.0, 0.95), history("slow", 50, 4.0, 0.97)];
        let advice = Advice { arms };
        assert_eq!(taken(&advice, &["slow", "fast"], QUICK), [0, 200]);
        let small = Goal { seconds: 0.0, bytes: 1.0, ..QUICK };
        assert_eq!(taken(&advice, &["slow", "fast"], small), [200, 0]);
        let good = Goal { score_min: Some(0.96), ..QUICK };
        assert_eq!(taken(&advice, &["slow", "fast"], good), [200, 0]);
        let choice = choose(&advice, &ask(&["slow", "fast"], good, 1)).unwrap();
        assert!(choice.why.contains("left out for its score"), "{}", choice.why);
        let unheard_of = Goal { score_min: Some(0.999), ..QUICK };
        assert_eq!(
            taken(&advice, &["slow", "fast"], unheard_of),
            [0, 200],
            "all are worse: none is left out"
        );
    }

    #[test]
    fn a_better_score_may_be_worth_the_time_and_one_that_nobody_knows_is_nothing() {
        let arms = vec![history("fast", 50, 1.0, 0.95), history("slow", 50, 1.2, 0.97)];
        let good = Goal { score: 40.0, ..QUICK };
        let advice = Advice { arms };
        assert_eq!(taken(&advice, &["slow", "fast"], QUICK), [0, 200]);
        assert_eq!(
            taken(&advice, &["slow", "fast"], good),
            [200, 0],
            "0.02 of 40 is more than a fifth of the time"
        );
        assert_eq!(taken(&advice, &["slow", "fast"], Goal { score: 4.0, ..QUICK }), [0, 200]);
        let unknown = |arm: &ArmHistory| ArmHistory { score: Summary::default(), ..arm.clone() };
        let advice = Advice { arms: advice.arms.iter().map(unknown).collect() };
        assert_eq!(taken(&advice, &["slow", "fast"], good), taken(&advice, &["slow", "fast"], QUICK));
    }

    #[test]
    fn an_arm_that_was_never_tried_is_tried() {
        let advice = Advice { arms: vec![history("fast", 50, 1.0, 0.95)] };
        let [fast, new] = taken(&advice, &["fast", "new"], QUICK)[..] else { panic!("two arms") };
        assert!(fast > 40 && new > 40, "{fast} {new}");
        let tried = (0..200).filter_map(|seed| choose(&advice, &ask(&["fast", "new"], QUICK, seed)));
        let why = tried.filter(|choice| choice.arm == "new").map(|choice| choice.why).next().unwrap();
        assert!(why.contains("`new` is tried for h264/slides: nothing is known of it yet"), "{why}");
    }

    #[test]
    fn whatever_the_history_says_only_allowed_arms_are_taken_and_the_same_seed_takes_the_same() {
        let mut dice = Dice::new(11);
        for seed in 0..500 {
            let odd = [f64::NAN, f64::INFINITY, -1e300, 1e300, 0.0, -0.0];
            let mut number = || match dice.below(8) {
                at if at < odd.len() => odd[at],
                _ => dice.normal(),
            };
            let arms = ["fast", "slow", "forbidden", ""].map(|arm| {
                let summary = Summary { n: 5, mean: number(), off2: number() };
                let context = ["h264/slides", "h264", "", "//"][arm.len() % 4].to_owned();
                ArmHistory {
                    seconds: summary,
                    bytes: summary,
                    score: summary,
                    context,
                    ..history(arm, 1, 1.0, 1.0)
                }
            });
            let advice = Advice { arms: arms.to_vec() };
            let goal = Goal { seconds: 1.0, bytes: 0.5, score: 40.0, score_min: Some(0.9) };
            let choice = choose(&advice, &ask(&["fast", "slow"], goal, seed)).unwrap();
            assert!(["fast", "slow"].contains(&choice.arm.as_str()), "{choice:?}");
            assert_eq!(choose(&advice, &ask(&["fast", "slow"], goal, seed)), Some(choice));
        }
    }
}
