//! What a task is called: names and item keys from the outside in, `scene[s3].clip`.

use reelmill_graph::{Graph, Node, NodeKind};
use reelmill_model::{InstanceNo, ScopeNo};

/// What a path needs to know of an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The scope it is a copy of.
    pub scope: ScopeNo,
    /// The instance around it.
    pub outer: Option<InstanceNo>,
    /// Its item's key.
    pub key: String,
}

/// The path of a node's task in an instance. `place` looks an instance up.
///
/// # Errors
/// Whatever the look-up says.
pub fn task_path<E>(
    graph: &Graph,
    node: &Node,
    instance: InstanceNo,
    place: &mut impl FnMut(InstanceNo) -> Result<Place, E>,
) -> Result<String, E> {
    let here = place(instance)?;
    let Some((owner, outer)) = graph.scope(here.scope).owner.zip(here.outer) else {
        return Ok(node.path.clone());
    };
    let owner = graph.node(owner);
    let mut path = task_path(graph, owner, outer, place)?;
    if graph.undoes(node).is_some() {
        path.push_str(".compensate");
        return Ok(path);
    }
    let NodeKind::Body { of, outputs, .. } = &owner.kind else { return Ok(path) };
    let group = of.is_one();
    if !group {
        path.push('[');
        path.push_str(&here.key);
        path.push(']');
    }
    // A fan-out over a single `uses` has no name of its own inside.
    let nameless = node.path == owner.path || (outputs.is_none() && !group);
    if !nameless {
        path.push('.');
        let inner = node.path.strip_prefix(&owner.path).and_then(|rest| rest.strip_prefix('.'));
        path.push_str(inner.unwrap_or(&node.name));
    }
    Ok(path)
}
