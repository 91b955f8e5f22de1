//! Starting the runs of triggers in the store.

use super::ports::{Launch, LaunchError, Launched, Launcher, SystemTimer};
use crate::registry::labels_of;
use crate::{Control, ControlError, PipelineRef, Submission};
use async_trait::async_trait;
use reelmill_artifacts::ArtifactError;
use reelmill_graph::compile::Catalog;
use reelmill_model::RunId;
use reelmill_ports::{Clock as _, StoreError};

/// Starts runs of the newest revisions of registered pipelines.
pub struct StoreLauncher {
    /// Where they are started.
    pub control: Control,
    /// What they are compiled against.
    pub catalog: Catalog,
}

impl StoreLauncher {
    async fn submit(&self, launch: Launch) -> Result<Launched, ControlError> {
        let wanted = PipelineRef { name: launch.pipeline, ..PipelineRef::default() };
        let revision = self.control.registered(&launch.namespace, &wanted).await?;
        let pipeline = self.control.runnable(&revision, &self.catalog).await?;
        let machines: Vec<_> =
            self.control.fleet.workers().await?.into_iter().map(|card| card.machine).collect();
        // A trigger does not come again: what no worker can do now waits for one that can.
        let placed = (!machines.is_empty()).then(|| pipeline.clone().placed(&machines).ok()).flatten();
        let pipeline = placed.unwrap_or(pipeline);
        let mut labels = labels_of(&revision);
        labels.insert("trigger".to_owned(), launch.trigger);
        let folder = std::path::PathBuf::from(revision.text.folder);
        let submission = Submission {
            id: launch.run,
            inputs: launch.inputs,
            name: None,
            labels,
            namespace: Some(launch.namespace),
            base_dir: folder.clone(),
            files_dir: folder,
            seed: None,
            now_ms: SystemTimer.now_ms(),
            batch: None,
            priority: None,
        };
        let submitted = self.control.submit(&pipeline, submission, false).await?;
        Ok(Launched { run: submitted.run, new: !submitted.resumed && !submitted.existing })
    }
}

/// Whether the same may succeed later.
fn passes(error: &ControlError) -> bool {
    match error {
        ControlError::Store(error) => error.passes(),
        ControlError::Artifacts(error) => matches!(error, ArtifactError::Unreachable { .. }),
        _ => false,
    }
}

#[async_trait]
impl Launcher for StoreLauncher {
    async fn launch(&self, launch: Launch) -> Result<Launched, LaunchError> {
        let submitted = self.submit(launch).await;
        submitted.map_err(|error| LaunchError { retry: passes(&error), message: error.to_string() })
    }

    async fn is_running(&self, run: RunId) -> Result<bool, StoreError> {
        match self.control.store.run(run).await {
            Ok(view) => Ok(view.is_some_and(|view| !view.state.is_terminal())),
            // It has left the live store, so it has ended.
            Err(StoreError::ArchiveAway { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn cancel(&self, run: RunId, reason: &str) -> Result<(), StoreError> {
        match self.control.queue.cancel(run, reason).await {
            // It was deleted, which is an end too.
            Err(StoreError::NoSuchRun(_)) => Ok(()),
            done => done.map(drop),
        }
    }
}
