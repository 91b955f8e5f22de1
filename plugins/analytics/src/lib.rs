//! `analytics.report`: what a run made, how long each stage took, what it cost, and what the cache saved; as JSON for
//! programs and as a table for people.
//!
//! It only adds up what it is given (`run.tasks` and the facts that encoders put out) and says which figures are
//! estimates. It never reads the engine's store.

mod figures;
mod table;
mod types;

use reelmill_sdk::prelude::*;

pub use figures::Report;
pub use types::{Input, Output};

/// The stage `analytics.report`.
pub struct Make;

impl Stage for Make {
    const ID: &'static str = "report";
    const VERSION: &'static str = "1.0.0";
    const SUMMARY: &'static str =
        "Reports what a run made, how long it took, what it cost and what the cache saved";
    type Input = Input;
    type Output = Output;

    fn traits() -> StageTraits {
        StageTraits {
            examples: vec![Example {
                note: "In `finally`, with `run: ${{ run }}` and `tasks: ${{ run.tasks }}`".into(),
                with: json!({
                    "run": { "id": "01J00000000000000000000000" },
                    "tasks": [{ "path": "encode", "stage": "encode", "state": "succeeded", "wall_ms": 9000, "cpu_ms": 17000 }]
                }),
            }],
            ..StageTraits::default()
        }
    }

    fn open() -> Result<Self, StageError> {
        Ok(Self)
    }

    fn run(&mut self, input: Input, cx: &Cx<'_>) -> Result<Output, StageError> {
        let report = Report::of(input);
        let text = table::render(&report);
        let json = serde_json::to_string_pretty(&report)
            .map_err(|error| StageError::internal(format!("the report is no JSON: {error}")))?;
        std::fs::write(cx.output("report.json"), json).context("write the report")?;
        std::fs::write(cx.output("report.txt"), &text).context("write the table")?;
        for line in text.lines() {
            cx.info(line);
        }
        Ok(Output {
            report: OutputFile::new(cx, "report.json", "application/json")?,
            table: OutputFile::new(cx, "report.txt", "text/plain")?,
            summary: report.summary,
        })
    }
}

reelmill_sdk::export_plugin! {
    name: "analytics",
    version: "1.0.0",
    license: "MIT OR Apache-2.0",
    description: "Reports of runs: times, costs, cache savings and the videos made",
    stages: [Make],
}
