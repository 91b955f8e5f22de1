//! What the checks found, as a table and as JSON.

use serde::Serialize;
use std::fmt;

/// How one case ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As it should.
    Passed,
    /// As it may, but it could be better.
    Warned,
    /// As it must not.
    Failed,
    /// Not run.
    Skipped,
}

/// One case.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Case {
    /// The stage; none for the plugin as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// What was tried.
    pub name: &'static str,
    /// How it ended.
    pub verdict: Verdict,
    /// What was seen; for a failure also what to do.
    pub note: String,
}

/// All cases of a plugin.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Report {
    /// The plugin's name.
    pub plugin: String,
    /// Whether no case failed.
    pub passed: bool,
    /// The cases, in the order they were run.
    pub cases: Vec<Case>,
}

impl Report {
    pub(crate) fn new(plugin: &str, cases: Vec<Case>) -> Self {
        let passed = cases.iter().all(|case| case.verdict != Verdict::Failed);
        Self { plugin: plugin.to_owned(), passed, cases }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Passed => "ok",
            Self::Warned => "warn",
            Self::Failed => "FAILED",
            Self::Skipped => "skipped",
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = |case: &Case| case.stage.clone().unwrap_or_else(|| "(plugin)".to_owned());
        let width = self.cases.iter().map(|case| place(case).len()).max().unwrap_or(0);
        for case in &self.cases {
            writeln!(f, "{:<8} {:<width$}  {:<16} {}", case.verdict, place(case), case.name, case.note)?;
        }
        let failed = self.cases.iter().filter(|case| case.verdict == Verdict::Failed).count();
        if failed == 0 {
            write!(f, "plugin `{}` passed {} cases", self.plugin, self.cases.len())
        } else {
            write!(f, "plugin `{}` failed {failed} of {} cases", self.plugin, self.cases.len())
        }
    }
}
