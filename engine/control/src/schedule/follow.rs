//! Which triggers there are: those of the newest revisions of registered pipelines, as they change.

use super::scheduler::Registered;
use crate::Control;
use reelmill_graph::compile;
use reelmill_model::{PipelineName, RevisionHead};
use reelmill_ports::StoreError;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Time between two looks at whether a pipeline was put or removed.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Triggers by revision.
#[derive(Default)]
struct Known {
    version: Option<u64>,
    pipelines: HashMap<(PipelineName, u32), Registered>,
}

/// Tells the triggers of registered pipelines, now and whenever they change, until `end`.
pub async fn follow(control: Control, tell: watch::Sender<Vec<Registered>>, end: CancellationToken) {
    let mut known = Known::default();
    let mut failed = false;
    while !end.is_cancelled() {
        match known.look(&control).await {
            Ok(changed) => {
                failed = false;
                if let Some(all) = changed {
                    tell.send_replace(all);
                }
            }
            // What was known goes on; said once, not every second.
            Err(error) if !failed => {
                failed = true;
                tracing::warn!(%error, "registered pipelines cannot be read");
            }
            Err(_) => {}
        }
        tokio::select! {
            () = end.cancelled() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

impl Known {
    /// All triggers, if anything was put or removed.
    async fn look(&mut self, control: &Control) -> Result<Option<Vec<Registered>>, StoreError> {
        // Read before the list: what comes in between is seen now and looked at once more.
        let version = control.registry.registry_version().await?;
        if self.version == Some(version) {
            return Ok(None);
        }
        let heads = control.all_pipelines(None).await?;
        let mut now = HashMap::new();
        for head in heads.into_iter().filter(|head| !head.triggers.is_empty()) {
            let key = (head.id.clone(), head.revision);
            let registered = match self.pipelines.remove(&key) {
                Some(known) => known,
                None => match read(control, &head).await? {
                    Some(read) => read,
                    None => continue,
                },
            };
            now.insert(key, registered);
        }
        let mut all: Vec<Registered> = now.values().cloned().collect();
        all.sort_by(|a, b| (&a.namespace, &a.pipeline).cmp(&(&b.namespace, &b.pipeline)));
        self.pipelines = now;
        self.version = Some(version);
        Ok(Some(all))
    }
}

/// The triggers of a revision; none where it was dropped meanwhile.
async fn read(control: &Control, head: &RevisionHead) -> Result<Option<Registered>, StoreError> {
    let revision = control.registry.pipeline(&head.id, Some(head.revision)).await?;
    Ok(revision.map(|revision| {
        let PipelineName { namespace, name } = head.id.clone();
        let triggers = Arc::new(triggers_of(&revision.text.main));
        Registered { namespace, pipeline: name, triggers }
    }))
}

/// The triggers of a pipeline's text. It was checked when it was put: what this version cannot read is left out.
#[must_use]
pub fn triggers_of(text: &str) -> Vec<compile::Trigger> {
    let (spec, _) = reelmill_spec::parse(text);
    spec.map(|spec| compile::triggers(&spec).0).unwrap_or_default()
}
