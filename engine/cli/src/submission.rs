//! What a run is made of, as it is given on the command line: the same flags for `run` and `submit`.

use crate::exit::CliError;
use crate::inputs;
use crate::source::Source;
use crate::words;
use anyhow::Context as _;
use reelmill_control::registry::labels_of;
use reelmill_control::{Pipeline, Submission};
use reelmill_embedded::new_run_id;
use std::path::PathBuf;

/// Inputs, labels and a name.
#[derive(Debug, clap::Args)]
pub struct SubmissionFlags {
    /// Give an input; may be given again
    #[arg(short, long = "input", value_name = "NAME=VALUE", value_parser = inputs::pair)]
    input: Vec<(String, String)>,
    /// Take inputs from a JSON or YAML file; --input stands over it
    #[arg(long, value_name = "FILE")]
    inputs: Option<PathBuf>,
    /// Label the run; may be given again
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = inputs::pair)]
    label: Vec<(String, String)>,
    /// Name the run; the pipeline's name unless given
    #[arg(long)]
    name: Option<String>,
    /// Goes before runs of lower priority, 0 to 9; among runs of one priority, that of their stages decides [default: 5]
    #[arg(long, value_name = "0..9", value_parser = clap::value_parser!(u8).range(0..=9))]
    priority: Option<u8>,
}

impl SubmissionFlags {
    /// A submission of a pipeline that was read from `source`.
    pub fn submission(
        &self,
        pipeline: &Pipeline,
        source: &Source,
        namespace: Option<String>,
    ) -> Result<Submission, CliError> {
        let now_ms = words::now_ms();
        let mut labels = source.revision().map(labels_of).unwrap_or_default();
        labels.extend(self.label.iter().cloned());
        Ok(Submission {
            id: new_run_id(now_ms),
            inputs: inputs::gather(&pipeline.graph.inputs, self.inputs.as_deref(), &self.input)?,
            name: self.name.clone(),
            labels,
            // Runs of a tenant's pipeline are the tenant's.
            namespace: namespace.or_else(|| Some(source.revision()?.head.id.namespace.clone())),
            base_dir: source.folder.clone(),
            files_dir: std::env::current_dir().context("there is no current folder")?,
            seed: None,
            now_ms,
            batch: None,
            priority: self.priority,
        })
    }
}
