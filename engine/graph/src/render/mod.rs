//! Graphs as people look at them: text for a terminal, Mermaid for documents, SVG for browsers.
//!
//! A fan-out is one thing with its width beside its name, never one thing an item.

mod mermaid;
mod svg;
mod text;

pub use mermaid::mermaid;
pub use svg::svg;
pub use text::text;

use crate::graph::{BodyKind, Graph, Node, NodeKind, ScopeKind, Trigger};
use reelmill_model::ScopeNo;

/// How often a node runs: empty, `×6`, or `×≤200`.
fn width(node: &Node) -> String {
    match &node.kind {
        NodeKind::Body { of: BodyKind::Matrix { rows }, .. } => format!("×{}", rows.len()),
        NodeKind::Body { of: BodyKind::ForEach { .. }, fan_out, .. } => format!("×≤{}", fan_out.max_items),
        NodeKind::Body { of: BodyKind::Group | BodyKind::Pipeline(_), .. }
        | NodeKind::Work { .. }
        | NodeKind::Approval(_) => String::new(),
    }
}

/// The name with its width.
fn title(node: &Node) -> String {
    let width = width(node);
    if width.is_empty() { node.name.clone() } else { format!("{} {width}", node.name) }
}

/// What a node does, in a few words.
fn work(graph: &Graph, node: &Node) -> String {
    match &node.kind {
        NodeKind::Work { plugin, .. } => {
            let major = plugin.version.split('.').next().unwrap_or_default();
            format!("{}.{}@{major}", plugin.plugin, plugin.stage)
        }
        NodeKind::Approval(_) => "approval".to_owned(),
        NodeKind::Body { scope, outputs: None, .. } => {
            graph.scope(*scope).nodes.first().map(|inner| work(graph, graph.node(*inner))).unwrap_or_default()
        }
        NodeKind::Body { of: BodyKind::Pipeline(call), .. } => {
            format!("pipeline {}", call.registered.as_ref().unwrap_or(&call.name))
        }
        NodeKind::Body { .. } => String::new(),
    }
}

/// The body to be shown inside a node: none where the body is the node's own single `uses`.
fn shown_body(node: &Node) -> Option<ScopeNo> {
    match &node.kind {
        NodeKind::Body { scope, outputs: Some(_), .. } => Some(*scope),
        _ => None,
    }
}

/// When a node runs, where that is not after success.
fn occasion(graph: &Graph, node: &Node) -> Option<String> {
    match node.trigger {
        Trigger::Success => None,
        Trigger::FailureOf(watched) => Some(format!("when {} failed", graph.node(watched).name)),
        Trigger::FailureInScope => Some("when one of them failed".to_owned()),
        Trigger::Always => Some("always".to_owned()),
    }
}

/// The parts of a pipeline that run one after another, each with its heading.
fn parts(graph: &Graph) -> impl Iterator<Item = (&'static str, ScopeNo)> {
    let all =
        [(ScopeKind::Main, "stages"), (ScopeKind::OnFailure, "on_failure"), (ScopeKind::Finally, "finally")];
    all.into_iter().filter_map(|(kind, heading)| graph.scope_of_kind(kind).map(|scope| (heading, scope)))
}
