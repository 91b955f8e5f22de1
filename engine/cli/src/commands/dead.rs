//! `reelmill dead`: what failed for good, put together by what went wrong, and sent around again.

use super::Context;
use crate::args::duration;
use crate::engine;
use crate::exit::{CliError, Exit};
use crate::inputs::{self, SetFlag};
use crate::output::{Output, Tone, table};
use crate::run_ref::RunRef;
use crate::words;
use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use reelmill_control::{Control, Dead as Groups, DeadFilter, DeadGroup, DeadTask, Replayed};
use reelmill_embedded::Place;
use reelmill_model::FailureClass;
use serde_json::{Map, Value, json};
use std::num::NonZeroUsize;
use std::time::Duration;

/// Show what failed for good, and send it around again
#[derive(clap::Args)]
#[command(
    after_help = "Failures are one group when they have run name, stage, class, code and message in common; numbers, paths and ids in
messages do not count. A group has the same name wherever and whenever it is listed.

Examples:
  reelmill dead list
  reelmill dead list --since 30d --class transient -o json
  reelmill dead show 3f9a01c2de
  reelmill dead replay 3f9a01c2de                            every run of the group that has ended
  reelmill dead replay 3f9a01c2de --set with.voice=amy       with another value of the stage's `with`
  reelmill dead replay 01JD8Y3V7QZ5M2R9W4T6XKBCDE scene.clip"
)]
pub struct Dead {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Groups of failed tasks, the largest first
    List(List),
    /// The tasks of one group, newest run first
    Show(ShowGroup),
    /// Send what failed of a group's runs, or of one run's stage, around again
    Replay(Replay),
}

/// Which failures are looked at.
#[derive(clap::Args)]
struct Which {
    /// Look at runs that were submitted in this time
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = duration)]
    since: Duration,
    /// Only runs of this name
    #[arg(long)]
    name: Option<String>,
    /// Only this stage (`scene.clip`)
    #[arg(long)]
    stage: Option<String>,
    /// Only failures of this class
    #[arg(long, value_parser = class_parser())]
    class: Option<FailureClass>,
}

/// Which part of a listing is shown.
#[derive(clap::Args)]
struct Part {
    /// Show at most so many
    #[arg(long, value_name = "N", default_value = "50")]
    limit: NonZeroUsize,
    /// Show this page of them
    #[arg(long, value_name = "N", default_value = "1")]
    page: NonZeroUsize,
}

impl Part {
    fn skipped(&self) -> usize {
        (self.page.get() - 1).saturating_mul(self.limit.get())
    }
}

#[derive(clap::Args)]
struct List {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    part: Part,
}

#[derive(clap::Args)]
struct ShowGroup {
    /// The group, as `reelmill dead list` names it
    group: String,
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    part: Part,
}

#[derive(clap::Args)]
struct Replay {
    /// A group, or a run by its id
    #[arg(value_name = "GROUP|RUN")]
    target: String,
    /// With a run: the stage (`scene.clip`)
    stage: Option<String>,
    /// Give the stage another value in its `with`, as JSON or text; may be given again
    #[arg(long, value_name = "with.KEY=VALUE", value_parser = inputs::set)]
    set: Vec<SetFlag>,
    #[command(flatten)]
    which: Which,
}

fn class_parser() -> impl clap::builder::TypedValueParser<Value = FailureClass> {
    PossibleValuesParser::new(FailureClass::ALL.iter().map(|class| class.word()))
        .try_map(|word| FailureClass::from_word(&word).ok_or_else(|| format!("there is no class {word}")))
}

impl Which {
    fn filter(&self) -> DeadFilter {
        let since = u64::try_from(self.since.as_millis()).unwrap_or(u64::MAX);
        DeadFilter {
            name: self.name.clone(),
            stage: self.stage.clone(),
            class: self.class,
            since_ms: words::now_ms().saturating_sub(since),
        }
    }
}

impl Dead {
    pub(super) fn run(self, cx: &Context) -> Result<Exit, CliError> {
        let control = engine::open(cx)?.control;
        engine::block_on(async {
            match &self.what {
                What::List(list) => list.run(&control, cx.output).await,
                What::Show(show) => show.run(&control, cx.output).await,
                What::Replay(replay) => replay.run(&control, cx).await,
            }
        })
    }
}

impl List {
    async fn run(&self, control: &Control, output: Output) -> Result<Exit, CliError> {
        let Groups { groups, truncated } = control.dead(&self.which.filter()).await?;
        let all = groups.len();
        let shown: Vec<DeadGroup> =
            groups.into_iter().skip(self.part.skipped()).take(self.part.limit.get()).collect();
        if output.is_json() {
            output.json(&json!({ "groups": shown, "of": all, "truncated": truncated }))?;
            return Ok(Exit::Ok);
        }
        if all == 0 {
            output.text("nothing has failed for good")?;
        } else {
            let mut rows = vec![
                ["group", "tasks", "runs", "stage", "last", "failure"]
                    .map(|word| output.paint(Tone::Faint, word))
                    .to_vec(),
            ];
            rows.extend(shown.iter().map(|group| group_row(group, output)));
            output.text(&table(&rows))?;
        }
        if shown.len() < all {
            eprintln!(
                "{} of {} shown; --page and --limit show others",
                shown.len(),
                words::count(all as u64, "group")
            );
        }
        if truncated {
            eprintln!("there is more than was looked at; narrow it with --since, --name, --stage or --class");
        }
        Ok(Exit::Ok)
    }
}

fn group_row(group: &DeadGroup, output: Output) -> Vec<String> {
    vec![
        output.paint(Tone::Strong, &group.group),
        group.tasks.to_string(),
        group.runs.to_string(),
        format!("{} {}", group.name, group.stage),
        moment(group.last_ms),
        output.paint(Tone::Bad, &cause(group)),
    ]
}

/// `permanent low_tide: no water`.
fn cause(group: &DeadGroup) -> String {
    let code = if group.code.is_empty() { String::new() } else { format!(" {}", group.code) };
    format!("{}{code}: {}", group.class, group.message)
}

fn moment(at_ms: u64) -> String {
    humantime::format_rfc3339_seconds(std::time::UNIX_EPOCH + Duration::from_millis(at_ms)).to_string()
}

impl ShowGroup {
    async fn run(&self, control: &Control, output: Output) -> Result<Exit, CliError> {
        let filter = self.which.filter();
        let (skip, limit) = (self.part.skipped(), self.part.limit.get());
        let tasks = control.dead_tasks(&self.group, &filter, skip, limit).await?;
        if tasks.is_empty() {
            return Err(no_such_group(&self.group, self.which.since));
        }
        if output.is_json() {
            output.json(&json!({ "group": self.group, "tasks": tasks }))?;
        } else {
            let rows: Vec<Vec<String>> = tasks.iter().map(task_row).collect();
            output.text(&table(&rows))?;
        }
        Ok(Exit::Ok)
    }
}

fn task_row(task: &DeadTask) -> Vec<String> {
    vec![
        task.run.to_string(),
        task.path.clone(),
        moment(task.at_ms),
        words::count(u64::from(task.attempts), "attempt"),
        task.message.clone(),
    ]
}

fn no_such_group(group: &str, since: Duration) -> CliError {
    let since = humantime::format_duration(since);
    CliError::Usage(format!(
        "no failure of the last {since} is in group {group:?}; `reelmill dead list` shows the groups there are"
    ))
}

impl Replay {
    async fn run(&self, control: &Control, cx: &Context) -> Result<Exit, CliError> {
        let set = self.settings()?;
        let replayed = match (self.target.parse::<RunRef>(), &self.stage) {
            (Ok(run), Some(stage)) => {
                let run = run.resolve(&*control.store).await?;
                let tasks = control.replay(run, stage, &set).await?;
                vec![Replayed { run, tasks: Some(tasks), refused: None }]
            }
            (Ok(_), None) => {
                let hint = "name the stage too: `reelmill dead replay RUN STAGE` (`reelmill retry RUN` takes all that failed)";
                return Err(CliError::Usage(hint.to_owned()));
            }
            (Err(_), Some(_)) => {
                return Err(CliError::Usage("a group is of one stage; name no other one".to_owned()));
            }
            (Err(_), None) => control.replay_group(&self.target, &self.which.filter(), &set).await?,
        };
        if replayed.is_empty() {
            return Err(no_such_group(&self.target, self.which.since));
        }
        tell(&replayed, cx)
    }

    fn settings(&self) -> Result<Map<String, Value>, CliError> {
        let mut set = Map::new();
        for flag in &self.set {
            if let Some(stage) = &flag.stage {
                let message =
                    format!("--set {stage}.with…: the stage is known here; write with.{}=…", flag.key);
                return Err(CliError::Usage(message));
            }
            set.insert(flag.key.clone(), flag.value.clone());
        }
        Ok(set)
    }
}

fn tell(replayed: &[Replayed], cx: &Context) -> Result<Exit, CliError> {
    let again = replayed.iter().filter(|one| one.tasks.is_some_and(|tasks| tasks > 0)).count();
    if cx.output.is_json() {
        cx.output.json(&json!({ "runs": replayed, "again": again }))?;
    } else {
        let rows: Vec<Vec<String>> = replayed.iter().map(|one| replayed_row(one, cx.output)).collect();
        cx.output.text(&table(&rows))?;
        cx.output.text(&format!(
            "{} of {} around again",
            again,
            words::count(replayed.len() as u64, "run")
        ))?;
    }
    if again > 0 && cx.place == Place::Home {
        eprintln!("`reelmill run --resume RUN` works on one of them");
    }
    Ok(if again > 0 { Exit::Ok } else { Exit::Failed })
}

fn replayed_row(one: &Replayed, output: Output) -> Vec<String> {
    let what = match (&one.refused, one.tasks) {
        (Some(why), _) => output.paint(Tone::Warn, why),
        (None, Some(0)) => "nothing of it is failed any more".to_owned(),
        (None, tasks) => words::count(tasks.unwrap_or(0) as u64, "task"),
    };
    vec![one.run.to_string(), what]
}
