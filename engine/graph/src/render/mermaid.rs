//! A graph as a Mermaid flowchart: solid arrows carry data, dotted ones order only.

use super::{occasion, parts, shown_body, title, work};
use crate::graph::{DepKind, Graph, Node};
use reelmill_model::ScopeNo;
use std::fmt::Write as _;

/// A graph for a Markdown document.
#[must_use]
pub fn mermaid(graph: &Graph) -> String {
    let mut text = String::from("flowchart LR\n");
    let several = parts(graph).count() > 1;
    for (heading, scope) in parts(graph) {
        if several {
            let _ = writeln!(text, "  subgraph {heading}");
        }
        nodes(graph, scope, if several { 2 } else { 1 }, &mut text);
        if several {
            text.push_str("  end\n");
        }
    }
    for node in &graph.nodes {
        for dep in &node.deps {
            let arrow = if dep.kind == DepKind::Data { "-->" } else { "-.->" };
            let _ = writeln!(text, "  n{} {arrow} n{}", dep.node, node.no);
        }
    }
    text
}

fn nodes(graph: &Graph, scope: ScopeNo, depth: usize, text: &mut String) {
    let indent = "  ".repeat(depth);
    for no in &graph.scope(scope).nodes {
        let node = graph.node(*no);
        let label = label(graph, node);
        match shown_body(node) {
            Some(body) => {
                let _ = writeln!(text, "{indent}subgraph n{no}[\"{label}\"]");
                nodes(graph, body, depth + 1, text);
                let _ = writeln!(text, "{indent}end");
            }
            None => {
                let _ = writeln!(text, "{indent}n{no}[\"{label}\"]");
            }
        }
    }
}

fn label(graph: &Graph, node: &Node) -> String {
    let lines = [Some(title(node)), Some(work(graph, node)), occasion(graph, node)];
    let lines: Vec<String> = lines.into_iter().flatten().filter(|line| !line.is_empty()).collect();
    lines.join("<br/>")
}
