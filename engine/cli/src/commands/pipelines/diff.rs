//! `reelmill pipelines diff`: what changed from one revision to another, or to a file.

use crate::commands::Context;
use crate::engine;
use crate::exit::{CliError, Exit};
use crate::output::{Output, Tone};
use crate::plugins;
use crate::source::{Source, name_of};
use reelmill_control::texts::Recorded;
use reelmill_control::{Control, PipelineRef, prepare};
use reelmill_model::Revision;
use serde_json::json;
use similar::TextDiff;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// What is compared: its name, the pipeline, and those that it names.
struct Side {
    name: String,
    main: String,
    others: BTreeMap<String, String>,
}

impl Side {
    fn registered(Revision { head, text }: Revision) -> Self {
        let name = format!("{}@{}", head.id, head.revision);
        Self { name, main: text.main, others: text.others }
    }

    /// A file with those that it names, as far as they can be read: what is wrong with it does not matter here.
    fn file(cx: &Context, path: &Path) -> Result<Self, CliError> {
        let source = Source::read(path)?;
        let found = plugins::look(cx, &source.folder)?;
        let files = Recorded::new(&source);
        drop(prepare(&source.text, &found.catalog(), &files));
        let others = files.seen();
        Ok(Self { name: source.name.clone(), main: source.text.clone(), others })
    }
}

pub fn run(cx: &Context, from: &PipelineRef, to: Option<&Path>) -> Result<Exit, CliError> {
    let file = match to {
        Some(path) if name_of(path).is_none() => Some(Side::file(cx, path)?),
        _ => None,
    };
    let control = engine::open(cx)?.control;
    let (from, to) = engine::block_on(sides(&control, from, to, file))?;
    let text = unified(&from, &to);
    if cx.output.is_json() {
        let document = json!({ "from": from.name, "to": to.name, "same": text.is_empty(), "diff": text });
        cx.output.json(&document)?;
    } else if !text.is_empty() {
        cx.output.text(&painted(&text, cx.output))?;
    }
    Ok(if text.is_empty() { Exit::Ok } else { Exit::Failed })
}

async fn sides(
    control: &Control,
    from: &PipelineRef,
    to: Option<&Path>,
    file: Option<Side>,
) -> Result<(Side, Side), CliError> {
    let found = control.registered("default", from).await?;
    let newest = PipelineRef::newest(&found.head.id);
    let to = match (file, to.and_then(name_of)) {
        (Some(file), _) => file,
        (None, Some(to)) => Side::registered(control.registered("default", &to).await?),
        (None, None) if from.revision.is_none() => {
            let before = found.head.revision.checked_sub(1).filter(|no| *no > 0).ok_or_else(|| {
                CliError::Usage(format!(
                    "{} has one revision: there is nothing to compare it with",
                    newest.name
                ))
            })?;
            let before = PipelineRef { revision: Some(before), ..newest };
            let before = Side::registered(control.registered("default", &before).await?);
            return Ok((before, Side::registered(found)));
        }
        (None, None) => Side::registered(control.registered("default", &newest).await?),
    };
    Ok((Side::registered(found), to))
}

/// A unified diff of both, file by file; empty where they say the same.
fn unified(from: &Side, to: &Side) -> String {
    let one = |from_name: &str, from: &str, to_name: &str, to: &str| {
        let diff = TextDiff::from_lines(from, to);
        diff.unified_diff().context_radius(3).header(from_name, to_name).to_string()
    };
    let mut text = one(&from.name, &from.main, &to.name, &to.main);
    let paths: BTreeSet<&String> = from.others.keys().chain(to.others.keys()).collect();
    for path in paths {
        let side = |side: &Side| side.others.get(path).cloned().unwrap_or_default();
        let name = |side: &Side| format!("{}: {path}", side.name);
        text += &one(&name(from), &side(from), &name(to), &side(to));
    }
    text
}

fn painted(text: &str, output: Output) -> String {
    let paint = |line: &str| match line.chars().next() {
        Some('+') => output.paint(Tone::Good, line),
        Some('-') => output.paint(Tone::Bad, line),
        Some('@') => output.paint(Tone::Faint, line),
        _ => line.to_owned(),
    };
    text.lines().map(paint).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(name: &str, main: &str, others: &[(&str, &str)]) -> Side {
        let others = others.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
        Side { name: name.to_owned(), main: main.to_owned(), others }
    }

    #[test]
    fn every_file_is_compared() {
        let from = side("default/news@1", "a\nb\n", &[("x.yaml", "1\n"), ("y.yaml", "1\n")]);
        let to = side("default/news@2", "a\nc\n", &[("x.yaml", "1\n"), ("z.yaml", "2\n")]);
        let text = unified(&from, &to);
        for part in [
            "--- default/news@1\n+++ default/news@2\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n",
            "--- default/news@1: y.yaml\n",
            "+++ default/news@2: z.yaml\n",
        ] {
            assert!(text.contains(part), "{text}");
        }
        assert!(!text.contains("x.yaml"), "{text}");
        assert_eq!(unified(&from, &from), "");
    }
}
