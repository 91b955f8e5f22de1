//! A graph as an indented list, dependencies before dependents.

use super::{occasion, parts, shown_body, title, work};
use crate::graph::{Graph, Node};
use reelmill_model::ScopeNo;

/// A graph for a terminal.
#[must_use]
pub fn text(graph: &Graph) -> String {
    let mut rows = Vec::new();
    let mut text = format!("{}\n", graph.name);
    for (heading, scope) in parts(graph) {
        rows.push((heading.to_owned(), String::new(), String::new()));
        collect(graph, scope, 1, &mut rows);
    }
    let widest = |column: fn(&(String, String, String)) -> &String| {
        rows.iter().map(|row| column(row).chars().count()).max().unwrap_or(0)
    };
    let (names, works) = (widest(|row| &row.0), widest(|row| &row.1));
    for (name, work, notes) in &rows {
        let line = format!("{name:names$}  {work:works$}  {notes}");
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn collect(graph: &Graph, scope: ScopeNo, depth: usize, rows: &mut Vec<(String, String, String)>) {
    for no in &graph.scope(scope).nodes {
        let node = graph.node(*no);
        let name = format!("{}{}", "  ".repeat(depth), title(node));
        rows.push((name, work(graph, node), notes(graph, node)));
        if let Some(body) = shown_body(node) {
            collect(graph, body, depth + 1, rows);
        }
    }
}

fn notes(graph: &Graph, node: &Node) -> String {
    let mut notes = Vec::new();
    if !node.deps.is_empty() {
        let names: Vec<&str> = node.deps.iter().map(|dep| graph.node(dep.node).name.as_str()).collect();
        notes.push(format!("after {}", names.join(", ")));
    }
    notes.extend(occasion(graph, node));
    notes.extend(node.condition.as_ref().map(|condition| format!("if {}", condition.source)));
    if node.settings.allow_failure {
        notes.push("may fail".to_owned());
    }
    notes.join("; ")
}
