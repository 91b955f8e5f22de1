//! Paths of tasks, for those who read events: these have numbers only.

use reelmill_model::{Event, TaskNo};
use reelmill_ports::{RunStore, StoreError, TaskFilter};
use std::collections::HashMap;

/// Paths remembered; of a longer run they are looked up again.
const PATHS_MAX: usize = 10_000;

/// The path of the task that an event is about; empty where it is about the run.
pub async fn path_of(store: &dyn RunStore, event: &Event) -> Result<String, StoreError> {
    if let Some(path) = event.data["path"].as_str() {
        return Ok(path.to_owned());
    }
    let Some(no) = event.task else { return Ok(String::new()) };
    let filter = TaskFilter { after: no.0.checked_sub(1).map(TaskNo), limit: 1, ..TaskFilter::default() };
    let page = store.tasks(event.run, filter).await?;
    Ok(page.into_iter().find(|task| task.task == no).map_or_else(|| format!("task {no}"), |task| task.path))
}

/// The paths of the tasks of one run, as far as they were asked for.
#[derive(Debug, Default)]
pub struct Paths(HashMap<TaskNo, String>);

impl Paths {
    /// As [`path_of`].
    pub async fn of(&mut self, store: &dyn RunStore, event: &Event) -> Result<String, StoreError> {
        let Some(task) = event.task else { return Ok(String::new()) };
        if let Some(path) = self.0.get(&task) {
            return Ok(path.clone());
        }
        if self.0.len() >= PATHS_MAX {
            self.0.clear();
        }
        let path = path_of(store, event).await?;
        self.0.insert(task, path.clone());
        Ok(path)
    }
}
