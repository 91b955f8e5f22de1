//! `reelmill plan`: what a run would do, before it does anything.

use super::Context;
use crate::engine;
use crate::exit::{CliError, Exit};
use crate::inputs;
use crate::output::{Output, Tone, table};
use crate::plugins;
use crate::source::Source;
use crate::words;
use reelmill_control::{ControlError, Plan as Planned, PlannedStage};
use reelmill_embedded::memory;
use std::path::PathBuf;

/// Show what a run would do: stages, widths, what is cached and why not
#[derive(clap::Args)]
#[command(after_help = "Nothing is run. What depends on outputs that are not known yet is said to be so.

Examples:
  reelmill plan pipeline.yaml --input topic='How tides work'
  reelmill plan pipeline.yaml -o json | jq '.stages[] | {path, cached, not_cached}'")]
pub struct Plan {
    /// The pipeline file, `-` for standard input, or the name of a registered pipeline: NAME, NAME@REVISION
    #[arg(value_name = "PIPELINE")]
    file: PathBuf,
    /// Give an input; may be given again
    #[arg(short, long = "input", value_name = "NAME=VALUE", value_parser = inputs::pair)]
    input: Vec<(String, String)>,
    /// Take inputs from a JSON or YAML file; --input stands over it
    #[arg(long, value_name = "FILE")]
    inputs: Option<PathBuf>,
}

impl Plan {
    pub(super) fn run(self, cx: &Context) -> Result<Exit, CliError> {
        let source = Source::look(cx, &self.file)?;
        let found = plugins::find(cx, &source.folder)?;
        let pipeline = source.prepare(&found.catalog(), cx.output)?;
        let given = inputs::gather(&pipeline.graph.inputs, self.inputs.as_deref(), &self.input)?;
        let inputs = reelmill_spec::resolve(&pipeline.graph.inputs, &given).map_err(ControlError::Inputs)?;
        let control = engine::open(cx)?.control;
        let located: Vec<_> = found.plugins.iter().map(|plugin| plugin.located.clone()).collect();
        engine::block_on(async {
            let mut plan = control.plan(&pipeline, inputs, &source.folder, &located).await?;
            foretell(&mut plan, cx).await;
            if cx.output.is_json() {
                cx.output.json(&plan)?;
            } else {
                cx.output.text(&text(&plan, cx.output))?;
            }
            Ok(Exit::Ok)
        })
    }
}

/// Of stages that are in no earlier run here it may be remembered how long they take; if not, they have no duration.
async fn foretell(plan: &mut Planned, cx: &Context) {
    let Ok(memory) = memory::open(&cx.home.root, cx.memory.as_deref()) else { return };
    let Ok(duration) = memory::durations(&memory, words::now_ms()).await else { return };
    for stage in plan.stages.iter_mut().filter(|stage| stage.expected_ms.is_none()) {
        let name = stage.uses.as_deref().and_then(|uses| uses.split(' ').next());
        stage.expected_ms = name.and_then(&duration);
    }
}

fn text(plan: &Planned, output: Output) -> String {
    let rows: Vec<Vec<String>> = plan.stages.iter().map(|stage| row(stage, output)).collect();
    let cached: usize = plan.stages.iter().map(|stage| stage.cached).sum();
    let note = format!("{} from the cache", words::count(cached as u64, "task"));
    format!("{}\n{}{note}", output.paint(Tone::Strong, &plan.name), table(&rows))
}

/// One stage as a line: path, plugin, width, what it took before, cached or why not.
fn row(stage: &PlannedStage, output: Output) -> Vec<String> {
    let expected = stage.expected_ms.map(|ms| format!("~{} each", words::duration(ms)));
    let mut told = Vec::new();
    if stage.cached > 0 {
        told.push(output.paint(Tone::Good, &format!("{} cached", stage.cached)));
    }
    let only = stage.not_cached.len() == 1 && stage.cached == 0;
    told.extend(stage.not_cached.iter().map(
        |(why, count)| {
            if only { why.clone() } else { format!("{count}: {why}") }
        },
    ));
    vec![
        stage.path.clone(),
        stage.uses.clone().unwrap_or_default(),
        width(stage),
        expected.unwrap_or_default(),
        told.join("; "),
    ]
}

/// `×6` where it is known how many tasks there will be, `×≤200` where it is not.
fn width(stage: &PlannedStage) -> String {
    match (stage.tasks, stage.tasks_max) {
        (Some(1), _) | (None, 0 | 1) => String::new(),
        (Some(tasks), _) => format!("×{tasks}"),
        (None, most) => format!("×≤{most}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_width_is_known_or_bounded() {
        let stage = |tasks, tasks_max| PlannedStage { tasks, tasks_max, ..PlannedStage::default() };
        for (stage, shown) in [
            (stage(Some(6), 200), "×6"),
            (stage(None, 200), "×≤200"),
            (stage(Some(1), 1), ""),
            (stage(None, 1), ""),
        ] {
            assert_eq!(width(&stage), shown);
        }
    }
}
