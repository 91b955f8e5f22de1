//! `reelmill plugins new`: a plugin that builds and passes the kit as it is.

use crate::commands::Context;
use crate::exit::{CliError, Exit};
use anyhow::Context as _;
use clap::ValueEnum;
use reelmill_kit::{Language, scaffold};
use serde_json::json;
use std::io::ErrorKind;
use std::path::PathBuf;

/// Make a plugin that builds and passes `plugins test` as it is
#[derive(clap::Args)]
#[command(after_help = "Examples:
  reelmill plugins new acme
  reelmill plugins new acme --lang python --dir my-plugins/acme")]
pub struct New {
    /// Its name, as it stands before the dot in `uses`
    name: String,
    /// What it is written in
    #[arg(long, value_enum, default_value_t)]
    lang: Lang,
    /// The folder; named like the plugin unless given
    #[arg(long)]
    dir: Option<PathBuf>,
    /// The folder of the Rust SDK; that of this checkout, or else the released one, unless given
    #[arg(long, value_name = "DIR")]
    sdk: Option<PathBuf>,
}

/// A language that has a template.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Lang {
    /// With the SDK
    #[default]
    Rust,
    /// From the header alone
    C,
    /// A program; nothing but the standard library
    Python,
}

impl New {
    pub(super) fn run(self, cx: &Context) -> Result<Exit, CliError> {
        let folder = self.dir.unwrap_or_else(|| PathBuf::from(&self.name));
        let (language, build) = match self.lang {
            Lang::Rust => (Language::Rust, "cargo build --release"),
            Lang::C => (Language::C, "make"),
            Lang::Python => (Language::Python, ""),
        };
        let files = match scaffold(&folder, &self.name, language, self.sdk.as_deref()) {
            Err(error) if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::AlreadyExists) => {
                return Err(CliError::Usage(error.to_string()));
            }
            result => result.with_context(|| format!("cannot write a plugin to {}", folder.display()))?,
        };
        if cx.output.is_json() {
            cx.output.json(&json!({ "files": files }))?;
            return Ok(Exit::Ok);
        }
        let mut lines: Vec<String> = files.iter().map(|file| format!("wrote {}", file.display())).collect();
        let folder = folder.display();
        lines.push(String::new());
        if !build.is_empty() {
            lines.push(format!("Build it:  (cd {folder} && {build})"));
        }
        lines.push(format!("Test it:   reelmill plugins test {folder}"));
        cx.output.text(&lines.join("\n"))?;
        Ok(Exit::Ok)
    }
}
