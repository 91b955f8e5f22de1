//! What people changed of the `with` of stages when they sent a run around again. The graph stays as it was compiled:
//! an edit lies over it, for this run, until another one lies over that.

use crate::retry::RetryRefused;
use crate::settle::json_bytes;
use reelmill_graph::{Graph, NodeKind};
use reelmill_model::NodeNo;
use reelmill_model::limits::PAYLOAD_BYTES_MAX;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Values by the keys of `with`, by stage. They are taken as they are: no expression is evaluated in them.
pub type Edits = BTreeMap<NodeNo, Map<String, Value>>;

/// These edits over those that there are.
pub fn merged(graph: &Graph, kept: &Edits, more: &Edits) -> Result<Edits, RetryRefused> {
    let mut all = kept.clone();
    for (no, values) in more {
        let node = graph.nodes.get(no.index()).ok_or(RetryRefused::NoSuchNode(*no))?;
        if !matches!(node.kind, NodeKind::Work { .. }) {
            return Err(RetryRefused::NoWith(node.path.clone()));
        }
        all.entry(*no).or_default().extend(values.clone());
    }
    let bytes: usize = all.values().map(|values| json_bytes(&Value::Object(values.clone()))).sum();
    if bytes > PAYLOAD_BYTES_MAX { Err(RetryRefused::EditsTooLarge(bytes)) } else { Ok(all) }
}

/// Edits as people read them: by the paths of stages.
pub fn by_path(graph: &Graph, edits: &Edits) -> Value {
    let shown =
        edits.iter().map(|(no, values)| (graph.node(*no).path.clone(), Value::Object(values.clone())));
    Value::Object(shown.collect())
}
