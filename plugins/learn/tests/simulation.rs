//! A world with presets that are better for some classes than for others, and one who chooses with nothing but a history:
//! the choice changes, costs fall, and what is lost by not knowing grows ever slower.

use reelmill_learn::{Advice, Ask, Goal, Outcome, choose};

const ARMS: [&str; 5] = ["medium", "veryfast", "fast", "slow", "veryslow"];
const GOAL: Goal = Goal { seconds: 1.0, bytes: 1.0, score: 0.0, score_min: None };

/// The mean of what an arm costs, seconds times bytes: slides compress well whatever is done, motion pays for patience.
fn cost(class: &str, arm: &str) -> (f64, f64) {
    match (class, arm) {
        ("slides", "veryfast") => (0.25, 1.1),
        ("slides", "fast") => (0.6, 1.05),
        ("motion", "slow") => (1.5, 0.45),
        ("motion", "veryfast") => (0.5, 2.6),
        (_, "slow") => (2.0, 0.97),
        (_, "veryslow") => (5.0, 0.9),
        (_, "fast") => (0.8, 1.4),
        _ => (1.0, 1.0),
    }
}

fn log_cost(class: &str, arm: &str) -> f64 {
    let (seconds, bytes) = cost(class, arm);
    seconds.ln() + bytes.ln()
}

/// Noise from a seed: a sum of uniform numbers, nearly normal, of standard deviation 0.3.
fn noise(seed: u64) -> f64 {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let sum: f64 = (0..12)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) as f64 / (1_u64 << 53) as f64
        })
        .sum();
    (sum - 6.0) * 0.3
}

/// What one who chooses takes in so many rounds, both classes in turns, and what each lost beside the best arm.
fn play(rounds: u64, seed: u64) -> (Vec<String>, Vec<f64>) {
    let mut history = Advice::default();
    let (mut arms, mut lost) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        let class = if round % 2 == 0 { "slides" } else { "motion" };
        let context = format!("h264/{class}");
        let draw = seed.wrapping_mul(1_000_003) ^ round;
        let ask = Ask { context: &context, arms: &ARMS, goal: GOAL, seed: draw };
        let choice = choose(&history, &ask).expect("there are arms");
        let (seconds, bytes) = cost(class, &choice.arm);
        let units = 1.0 + (round % 7) as f64;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some megabytes")]
        let bytes = (1e6 * units * bytes * noise(draw ^ 0x55).exp()) as u64;
        history.add(&Outcome {
            context,
            arm: choice.arm.clone(),
            units,
            seconds: Some(units * seconds * noise(draw ^ 0xaa).exp()),
            bytes: Some(bytes),
            ..Outcome::default()
        });
        let best = ARMS.iter().map(|arm| log_cost(class, arm)).fold(f64::INFINITY, f64::min);
        lost.push(log_cost(class, &choice.arm) - best);
        arms.push(choice.arm);
    }
    (arms, lost)
}

#[test]
fn the_choice_changes_with_what_was_seen_and_is_another_for_each_class() {
    let (arms, _) = play(400, 1);
    assert_eq!(arms[0], "medium", "as usual, before anything is known");
    let late =
        |odd: usize, arm: &str| arms.iter().skip(300 + odd).step_by(2).filter(|one| *one == arm).count();
    assert!(late(0, "veryfast") >= 45, "slides: {} of 50", late(0, "veryfast"));
    assert!(late(1, "slow") >= 45, "motion: {} of 50", late(1, "slow"));
}

#[test]
fn costs_fall_below_those_of_the_usual_preset() {
    let usual = f64::midpoint(log_cost("slides", "medium"), log_cost("motion", "medium"));
    let chosen: f64 = (0..10)
        .map(|seed| {
            let (arms, _) = play(200, seed);
            let costs = arms
                .iter()
                .enumerate()
                .map(|(round, arm)| log_cost(if round % 2 == 0 { "slides" } else { "motion" }, arm));
            costs.sum::<f64>() / 200.0
        })
        .sum::<f64>()
        / 10.0;
    let share = (chosen - usual).exp();
    println!("two hundred choices, learning included, cost {share:.2} of what the usual preset costs");
    assert!(share < 0.7, "{share}");
}

#[test]
fn what_is_lost_by_not_knowing_grows_ever_slower() {
    let mut by_quarter = [0.0; 4];
    for seed in 0..10 {
        let (_, lost) = play(1_600, seed);
        for (quarter, part) in by_quarter.iter_mut().zip(lost.chunks(400)) {
            *quarter += part.iter().sum::<f64>() / 10.0;
        }
    }
    println!("lost in four quarters of 1,600 choices: {by_quarter:.1?}");
    assert!(by_quarter[3] < by_quarter[0] / 5.0, "{by_quarter:?}");
    assert!(by_quarter[2] + by_quarter[3] < by_quarter[1] * 2.0, "{by_quarter:?}");
}

#[test]
fn a_score_that_pays_for_its_bytes_changes_the_choice() {
    // The quick preset writes as much as the patient one, and looks worse by a hundredth.
    let world = [("medium", 1.0, 0.960), ("veryfast", 0.8, 0.950), ("slow", 1.15, 0.962)];
    let arms = world.map(|(arm, ..)| arm);
    let play = |goal: Goal| -> Vec<String> {
        let (mut history, mut taken) = (Advice::default(), Vec::new());
        for round in 0..400_u64 {
            let ask = Ask { context: "h264/faces", arms: &arms, goal, seed: round };
            let choice = choose(&history, &ask).expect("there are arms");
            let (arm, seconds, score) =
                world[arms.iter().position(|arm| *arm == choice.arm).expect("an arm")];
            history.add(&Outcome {
                context: ask.context.to_owned(),
                arm: arm.to_owned(),
                units: 1.0,
                seconds: Some(seconds * (noise(round ^ 0xaa) / 3.0).exp()),
                bytes: Some(1_000_000),
                score: Some(score + noise(round ^ 0x55) / 300.0),
                ..Outcome::default()
            });
            taken.push(choice.arm);
        }
        taken
    };
    let late = |goal: Goal, arm: &str| play(goal)[300..].iter().filter(|one| *one == arm).count();
    assert!(late(GOAL, "veryfast") >= 80, "without a weight it is the quickest: {}", late(GOAL, "veryfast"));
    let weighed = Goal { score: 40.0, ..GOAL };
    assert!(
        late(weighed, "medium") >= 80,
        "with one a hundredth is worth two fifths: {}",
        late(weighed, "medium")
    );
}

#[test]
fn a_class_that_is_new_begins_with_what_is_known_of_others() {
    let mut history = Advice::default();
    for (arm, seconds) in
        [("medium", 1.0), ("veryfast", 0.3), ("fast", 0.6), ("slow", 2.0), ("veryslow", 5.0)]
    {
        for round in 0..20 {
            let seconds = Some(seconds * noise(round).exp());
            let (context, arm) = ("h264/slides".to_owned(), arm.to_owned());
            history.add(&Outcome { context, arm, units: 1.0, seconds, ..Outcome::default() });
        }
    }
    let goal = Goal { bytes: 0.0, ..GOAL };
    let of = |context, seed| choose(&history, &Ask { context, arms: &ARMS, goal, seed }).expect("arms").arm;
    let quick = |context| (0..100).filter(|&seed| of(context, seed) == "veryfast").count();
    assert!(quick("h264/slides") > 95, "{}", quick("h264/slides"));
    let new = quick("h264/faces");
    assert!((60..=99).contains(&new), "a start, and no certainty: {new}");
}
