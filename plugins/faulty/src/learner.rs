//! A stage that learns which of several ways is the best, in a world that its pipeline makes up.

use reelmill_learn::{Advice, Ask, Goal, Outcome, choose};
use reelmill_sdk::prelude::*;
use std::collections::BTreeMap;

/// What [`Pick`] takes.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ways {
    /// What is done.
    pub context: String,
    /// The ways; the first is the usual one.
    pub among: Vec<String>,
    /// What each costs, in seconds that nobody waits for.
    pub costs: BTreeMap<String, f64>,
    /// The number of the time: it only tells one time from another.
    #[serde(default)]
    pub time: u64,
    /// What is remembered.
    #[serde(default)]
    #[schemars(extend("x-advice" = "pick"))]
    pub advice: Option<Advice>,
}

/// What [`Pick`] puts out.
#[derive(Serialize, JsonSchema)]
pub struct Picked {
    /// The way.
    pub way: String,
    /// Why.
    pub why: String,
    /// The number of the time.
    pub time: u64,
    /// What came of it.
    #[schemars(extend("x-outcomes" = "pick"))]
    pub outcome: Outcome,
}

/// Chooses a way.
pub struct Pick;

impl Stage for Pick {
    const ID: &'static str = "pick";
    const VERSION: &'static str = "1.0.0";
    const SUMMARY: &'static str = "Chooses one of several ways by what came of them before";
    type Input = Ways;
    type Output = Picked;

    fn traits() -> StageTraits {
        StageTraits { reuse: Reuse::Pool, ..StageTraits::default() }
    }

    fn open() -> Result<Self, StageError> {
        Ok(Self)
    }

    fn run(&mut self, input: Ways, cx: &Cx<'_>) -> Result<Picked, StageError> {
        let arms: Vec<&str> = input.among.iter().map(String::as_str).collect();
        let goal = Goal { seconds: 1.0, bytes: 0.0, score: 0.0, score_min: None };
        let ask = Ask { context: &input.context, arms: &arms, goal, seed: cx.seed() };
        let choice = choose(&input.advice.unwrap_or_default(), &ask)
            .ok_or_else(|| StageError::invalid_input("there are no ways"))?;
        let seconds = input.costs.get(&choice.arm).copied();
        let outcome = Outcome {
            context: input.context,
            arm: choice.arm.clone(),
            units: 1.0,
            seconds,
            ..Outcome::default()
        };
        Ok(Picked { way: choice.arm, why: choice.why, time: input.time, outcome })
    }
}
