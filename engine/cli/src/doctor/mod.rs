//! The checks behind `reelmill doctor`. They only look; each says what it found and what to do about it.

mod artifacts;
mod encoders;
mod machine;
mod media;
mod plugins;
mod redis;

use crate::output::{Output, Tone, table};
use crate::plugins::Found;
use reelmill_artifacts::RemoteConfig;
use serde::Serialize;
use std::path::Path;

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// There and fit for use.
    Ok,
    /// Not there, and nothing needs it.
    None,
    /// Something will work less well, or not at all.
    Warn,
    /// Reelmill cannot work without it.
    Missing,
}

impl Status {
    fn tone(self) -> Tone {
        match self {
            Self::Ok => Tone::Good,
            Self::None => Tone::Faint,
            Self::Warn => Tone::Warn,
            Self::Missing => Tone::Bad,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::None => "none",
            Self::Warn => "warn",
            Self::Missing => "missing",
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What it is, in a word or two.
    pub name: String,
    /// How it came out.
    pub status: Status,
    /// What was found.
    pub found: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

impl Check {
    /// A check that found what it looked for.
    pub fn ok(name: &str, found: impl Into<String>) -> Self {
        Self { name: name.to_owned(), status: Status::Ok, found: found.into(), remedy: None }
    }

    /// A check that found nothing, which is no harm.
    pub fn none(name: &str, found: impl Into<String>) -> Self {
        Self { name: name.to_owned(), status: Status::None, found: found.into(), remedy: None }
    }

    /// A check that did not find what it looked for.
    pub fn bad(name: &str, status: Status, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { name: name.to_owned(), status, found: found.into(), remedy: Some(remedy.into()) }
    }
}

/// What the fleet of this machine shares, if it is in one.
pub struct Shared<'a> {
    /// The address of its Redis.
    pub redis: Option<&'a str>,
    /// Its store of artifacts.
    pub artifacts: Option<&'a RemoteConfig>,
}

/// All checks.
pub async fn checks(home: &Path, runner: &Path, found: &Found, shared: Shared<'_>) -> Vec<Check> {
    let mut checks = machine::checks(home);
    checks.push(plugins::runner(runner));
    checks.push(plugins::plugins(found));
    checks.extend(media::checks());
    checks.extend(encoders::checks(home, runner, found).await);
    checks.push(machine::python());
    checks.extend(redis::checks(shared.redis));
    checks.push(artifacts::check(home, shared.artifacts).await);
    checks
}

/// The checks as a table, the remedies below it.
pub fn render(checks: &[Check], output: Output) -> String {
    let rows: Vec<Vec<String>> = checks
        .iter()
        .map(|check| {
            vec![
                output.paint(check.status.tone(), check.status.word()),
                check.name.clone(),
                check.found.clone(),
            ]
        })
        .collect();
    let mut text = table(&rows);
    let remedies: Vec<&Check> = checks.iter().filter(|check| check.remedy.is_some()).collect();
    if !remedies.is_empty() {
        text.push_str("\nWhat to do:\n");
    }
    let lines = remedies
        .iter()
        .map(|check| format!("  {}: {}\n", check.name, check.remedy.as_deref().unwrap_or_default()));
    text.extend(lines);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Format;

    #[test]
    fn remedies_stand_below_the_table() {
        let plain = Output { format: Format::Text, color: false };
        let checks = [
            Check::ok("memory", "8.0 GiB"),
            Check::bad("fonts", Status::Missing, "no font", "apt-get install fonts-dejavu-core"),
        ];
        assert_eq!(
            render(&checks, plain),
            "ok       memory  8.0 GiB\nmissing  fonts   no font\n\nWhat to do:\n  fonts: apt-get install \
             fonts-dejavu-core\n"
        );
    }
}
