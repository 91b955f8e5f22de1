//! `reelmill completions`.

use crate::args::Args;
use crate::exit::{CliError, Exit};
use anyhow::Context as _;
use clap::CommandFactory as _;
use clap_complete::Shell;
use std::io::Write as _;

/// Print a completion script for a shell
#[derive(clap::Args)]
#[command(after_help = "Examples:
  reelmill completions bash > ~/.local/share/bash-completion/completions/reelmill
  reelmill completions zsh  > \"${fpath[1]}/_reelmill\"
  reelmill completions fish > ~/.config/fish/completions/reelmill.fish")]
pub struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(super) fn run(self) -> Result<Exit, CliError> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Args::command(), "reelmill", &mut script);
        std::io::stdout().write_all(&script).context("cannot write to standard output")?;
        Ok(Exit::Ok)
    }
}
