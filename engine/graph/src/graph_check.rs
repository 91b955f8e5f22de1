//! What holds of every graph. The compiler keeps it, and the tests of compiling ask.

use crate::graph::{Graph, NodeKind, Trigger};
use reelmill_model::NodeNo;

/// The first thing in a graph that does not hold.
pub fn check(graph: &Graph) -> Result<(), String> {
    if graph.format != Graph::FORMAT {
        return Err(format!("format {} is not {}", graph.format, Graph::FORMAT));
    }
    let listed: usize = graph.scopes.iter().map(|scope| scope.nodes.len()).sum();
    if listed != graph.nodes.len() {
        return Err(format!("{listed} nodes in scopes, {} in the graph", graph.nodes.len()));
    }
    for (index, scope) in graph.scopes.iter().enumerate() {
        for (offset, no) in scope.nodes.iter().enumerate() {
            let node = graph.nodes.get(no.index()).ok_or_else(|| format!("scope {index} has node {no}"))?;
            if node.no != *no || node.offset as usize != offset || node.scope.index() != index {
                return Err(format!("node {no} does not stand where its scope says"));
            }
        }
    }
    graph.nodes.iter().try_for_each(|node| check_node(graph, node.no))
}

fn check_node(graph: &Graph, no: NodeNo) -> Result<(), String> {
    let node = graph.node(no);
    let path = &node.path;
    for dep in &node.deps {
        let upstream = graph.node(dep.node);
        if upstream.scope != node.scope {
            return Err(format!("{path} waits for {} of another scope", upstream.path));
        }
        if upstream.offset >= node.offset {
            return Err(format!("{path} comes before {}, which it waits for", upstream.path));
        }
        if !upstream.dependents.contains(&no) {
            return Err(format!("{} does not know that {path} waits for it", upstream.path));
        }
    }
    for dependent in &node.dependents {
        if !graph.node(*dependent).deps.iter().any(|dep| dep.node == no) {
            return Err(format!("{path} thinks that {} waits for it", graph.node(*dependent).path));
        }
    }
    if let NodeKind::Body { scope, output_reads, .. } = &node.kind {
        if graph.scope(*scope).owner != Some(no) {
            return Err(format!("the body of {path} belongs to another"));
        }
        if output_reads.values().any(|read| graph.node(*read).scope != *scope) {
            return Err(format!("the outputs of {path} read outside of its body"));
        }
    }
    if let Trigger::FailureOf(watched) = node.trigger
        && !node.deps.iter().any(|dep| dep.node == watched)
    {
        return Err(format!("{path} does not wait for the stage whose failure it handles"));
    }
    if node.trigger == Trigger::FailureInScope && !node.deps.iter().any(|dep| graph.answers(node, dep.node)) {
        return Err(format!("{path} waits for no stage whose failure it handles"));
    }
    if node.compensate.is_some_and(|scope| graph.scope(scope).owner != Some(no)) {
        return Err(format!("what undoes {path} belongs to another"));
    }
    check_reads(graph, no)
}

/// Whatever is read has ended before: the reader, or the body around it beside the stage, waits for it, or the
/// stage belongs to an earlier part of the pipeline.
fn check_reads(graph: &Graph, no: NodeNo) -> Result<(), String> {
    let node = graph.node(no);
    for read in node.reads.values() {
        let mut waiter = Some(node);
        let mut over = false;
        for _ in 0..read.levels_up {
            over |= waiter.is_some_and(|inner| graph.undoes(inner).is_some());
            waiter = waiter.and_then(|inner| graph.scope(inner.scope).owner).map(|owner| graph.node(owner));
        }
        let target = graph.node(read.node);
        match waiter {
            Some(waiter) if waiter.deps.iter().any(|dep| dep.node == read.node) => {}
            None if target.scope == Graph::MAIN => {}
            // What is undone is over, and so is everything that could be read.
            Some(_) if over => {}
            _ => return Err(format!("{} reads {} without waiting for it", node.path, target.path)),
        }
    }
    Ok(())
}
