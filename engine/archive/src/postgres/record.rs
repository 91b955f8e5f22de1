//! A run as a row: packed once, and read whole.

use super::ask;
use reelmill_context::artifacts_in;
use reelmill_model::{Digest, RunId};
use reelmill_ports::{RunRecord, RunView, StoreError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;

/// The form of a record: JSON, which the database compresses. Another number is of a newer program.
const FORM: u8 = 1;

/// A row of the table of runs.
pub struct Row {
    pub id: Vec<u8>,
    pub namespace: String,
    pub name: String,
    pub batch: Option<String>,
    pub state: &'static str,
    pub labels: String,
    pub created_ms: i64,
    pub ended_ms: i64,
    pub graph: Vec<u8>,
    pub artifacts: Vec<Vec<u8>>,
    pub view: String,
    pub record: Vec<u8>,
}

impl Row {
    /// The row of a run.
    pub fn of(record: &RunRecord) -> Result<Self, StoreError> {
        let (new, run) = (&record.new, &record.run);
        let ms = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX);
        let values = record.tasks.iter().map(|task| &task.outputs).chain([&new.inputs]);
        let named: BTreeSet<Digest> = values.flat_map(artifacts_in).map(|(digest, _)| digest).collect();
        let labels = new.labels.iter().map(|(key, value)| (clean(key), clean(value).into()));
        let mut packed = vec![FORM];
        packed.extend(json(record)?.into_bytes());
        Ok(Self {
            id: ask::bytes(new.id),
            namespace: clean(&new.namespace),
            name: clean(&new.name),
            batch: new.batch.as_ref().map(|(batch, _)| clean(batch)),
            state: run.state.word(),
            labels: serde_json::Value::Object(labels.collect()).to_string(),
            created_ms: ms(new.created_ms),
            ended_ms: ms(run.ended_ms.unwrap_or(new.created_ms)),
            graph: new.graph.0.to_vec(),
            artifacts: named.into_iter().map(|digest| digest.0.to_vec()).collect(),
            view: json(&RunView::of(run.clone(), new.clone()))?,
            record: packed,
        })
    }
}

/// The run of a packed record.
pub fn unpack(packed: &[u8]) -> Result<RunRecord, StoreError> {
    match packed.split_first() {
        Some((&FORM, json)) => serde_json::from_slice(json).map_err(|error| odd(&error)),
        Some((form, _)) => Err(StoreError::Corrupt(format!("a run in the archive has the form {form}"))),
        None => Err(StoreError::Corrupt("a run in the archive is empty".to_owned())),
    }
}

/// A value as JSON.
pub fn json<T: Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| odd(&error))
}

/// The value of some JSON.
pub fn parse<T: DeserializeOwned>(json: &str) -> Result<T, StoreError> {
    serde_json::from_str(json).map_err(|error| odd(&error))
}

/// The digest of bytes.
pub fn digest(bytes: &[u8]) -> Result<Digest, StoreError> {
    let damage = |_| StoreError::Corrupt("a digest in the archive has not 32 bytes".to_owned());
    bytes.try_into().map(Digest).map_err(damage)
}

/// The id of bytes.
pub fn run_id(bytes: &[u8]) -> Result<RunId, StoreError> {
    let damage = |_| StoreError::Corrupt("an id in the archive has not 16 bytes".to_owned());
    bytes.try_into().map(|bytes| RunId(u128::from_be_bytes(bytes).into())).map_err(damage)
}

/// A text as PostgreSQL takes it: it has no NUL.
pub fn clean(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

fn odd(error: &serde_json::Error) -> StoreError {
    StoreError::Corrupt(format!("the archive holds something that is not understood: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What lies in databases is never written again: a field that is added to a row needs a default.
    #[test]
    fn a_record_of_the_first_version_is_read() {
        let kept = [&[FORM], &include_bytes!("record.v1.json")[..]].concat();
        let record = unpack(&kept).expect("it is read");
        assert_eq!((record.tasks.len(), record.instances.len(), record.log.len()), (3, 3, 2));
        assert!(matches!(unpack(&[FORM + 1, b'{']), Err(StoreError::Corrupt(_))));
    }
}
