//! `reelmill init`: a small pipeline that works at once, offline.

use super::Context;
use crate::exit::{CliError, Exit};
use anyhow::Context as _;
use serde_json::json;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Make a small pipeline to begin with
#[derive(clap::Args)]
#[command(after_help = "What is there already is never overwritten.

Examples:
  reelmill init hello
  cd hello && reelmill run pipeline.yaml --input topic='Why the sea is salty' --out out")]
pub struct Init {
    /// The folder; made if it is not there
    #[arg(default_value = ".")]
    folder: PathBuf,
}

/// What is written: names below the folder, and texts.
const FILES: [(&str, &str); 3] = [
    ("pipeline.yaml", include_str!("pipeline.yaml")),
    ("media/README.md", include_str!("media.md")),
    (".gitignore", "/out\n"),
];

impl Init {
    pub(super) fn run(self, cx: &Context) -> Result<Exit, CliError> {
        let files: Vec<PathBuf> = FILES.iter().map(|(name, _)| self.folder.join(name)).collect();
        if let Some(there) = files.iter().find(|file| file.exists()) {
            let message = format!("{} is there already; name another folder", there.display());
            return Err(CliError::Usage(message));
        }
        for (file, (_, text)) in files.iter().zip(FILES) {
            write_new(file, text)?;
        }
        if cx.output.is_json() {
            cx.output.json(&json!({ "files": files }))?;
        } else {
            let written: Vec<String> = files.iter().map(|file| format!("wrote {}", file.display())).collect();
            let pipeline = files[0].display();
            cx.output.text(&format!("{}\n\nNow: reelmill run {pipeline} --out out", written.join("\n")))?;
        }
        Ok(Exit::Ok)
    }
}

/// Writes a file that must not be there yet, and the folders above it.
fn write_new(file: &Path, text: &str) -> Result<(), CliError> {
    let folder = file.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let mut new = fs::File::create_new(file).with_context(|| format!("cannot write {}", file.display()))?;
    new.write_all(text.as_bytes()).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(())
}
