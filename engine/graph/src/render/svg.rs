//! A graph as SVG: stages in columns, each right of what it waits for; bodies as boxes around their stages.
//! An arrow that others imply is not drawn: it would only cross the stages between.

use super::{occasion, parts, shown_body, title, work};
use crate::graph::{DepKind, Graph, Node};
use reelmill_model::{NodeNo, ScopeNo};
use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

/// Width of a character of the font used, roughly, in pixels.
const CHAR: f64 = 7.2;
const LINE: f64 = 17.0;
const PAD: f64 = 12.0;
const GAP_X: f64 = 44.0;
const GAP_Y: f64 = 18.0;

/// A graph for a browser; a document of its own, readable in light and dark.
#[must_use]
pub fn svg(graph: &Graph) -> String {
    let mut drawing = Drawing { graph, shapes: String::new(), boxes: HashMap::new() };
    let mut y = PAD;
    let mut width: f64 = 0.0;
    let several = parts(graph).count() > 1;
    for (heading, scope) in parts(graph) {
        if several {
            drawing.text(PAD, y + LINE - 4.0, heading, "h");
            y += LINE + 4.0;
        }
        let size = drawing.scope(scope, PAD, y);
        width = width.max(size.width);
        y += size.height + GAP_Y;
    }
    let (width, height) = (width + 2.0 * PAD, y - GAP_Y + PAD);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" \
         height=\"{height:.0}\" font-family=\"ui-monospace, monospace\" font-size=\"12\" role=\"img\" \
         aria-label=\"{}\">\n{STYLE}{}</svg>\n",
        escape(&graph.name),
        drawing.shapes
    )
}

/// How it looks; and the head of an arrow.
const STYLE: &str = "<style>
rect { fill: #8881; stroke: #888; rx: 6 }
path { fill: none; stroke: #888; stroke-width: 1.5 }
path.order { stroke-dasharray: 4 4 }
marker path { fill: #888; stroke: none }
text { fill: #888 } text.t { fill: currentColor; font-weight: bold } text.h { fill: currentColor }
</style>
<defs><marker id=\"end\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" \
orient=\"auto\"><path d=\"M0 0 L8 4 L0 8 z\"/></marker></defs>
";

#[derive(Clone, Copy, Debug)]
struct Size {
    width: f64,
    height: f64,
}

struct Place {
    x: f64,
    y: f64,
    size: Size,
}

struct Drawing<'g> {
    graph: &'g Graph,
    shapes: String,
    boxes: HashMap<NodeNo, Place>,
}

impl Drawing<'_> {
    /// Draws a scope with its left upper corner at a place.
    fn scope(&mut self, scope: ScopeNo, x: f64, y: f64) -> Size {
        let columns = columns(self.graph, scope);
        let mut at = x;
        let mut bottom = y;
        for column in &columns {
            let mut top = y;
            let mut widest: f64 = 0.0;
            for no in column {
                let size = self.node(*no, at, top);
                widest = widest.max(size.width);
                top += size.height + GAP_Y;
            }
            bottom = bottom.max(top - GAP_Y);
            at += widest + GAP_X;
        }
        let before = before(self.graph, scope);
        for no in &self.graph.scope(scope).nodes {
            self.arrows(*no, &before);
        }
        Size { width: (at - GAP_X - x).max(0.0), height: bottom - y }
    }

    fn node(&mut self, no: NodeNo, x: f64, y: f64) -> Size {
        let graph = self.graph;
        let node = graph.node(no);
        let lines = lines(graph, node);
        let head = lines.len() as f64 * LINE;
        let longest = lines.iter().map(|line| line.chars().count()).max().unwrap_or(0);
        // The box is drawn before what is in it, so its place in the text is kept.
        let before = self.shapes.len();
        let inner = shown_body(node).map(|body| self.scope(body, x + PAD, y + head + 2.0 * PAD));
        let (inner_width, inner_height) =
            inner.map_or((0.0, 4.0), |size| (size.width, size.height + 2.0 * PAD));
        let size = Size {
            width: (longest as f64 * CHAR).max(inner_width) + 2.0 * PAD,
            height: head + inner_height + PAD,
        };
        let mut frame = String::new();
        let _ = writeln!(
            frame,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.1}\"/>",
            size.width, size.height
        );
        self.shapes.insert_str(before, &frame);
        for (index, line) in lines.iter().enumerate() {
            let class = if index == 0 { "t" } else { "" };
            self.text(x + PAD, y + PAD + 4.0 + index as f64 * LINE + 2.0, line, class);
        }
        self.boxes.insert(no, Place { x, y, size });
        size
    }

    fn arrows(&mut self, no: NodeNo, before: &HashMap<NodeNo, HashSet<NodeNo>>) {
        let Some(to) = self.boxes.get(&no) else { return };
        let (x2, y2) = (to.x, to.y + 18.0);
        let mut paths = String::new();
        let deps = &self.graph.node(no).deps;
        let implied = |dep: NodeNo| deps.iter().any(|other| before[&other.node].contains(&dep));
        for dep in deps.iter().filter(|dep| !implied(dep.node)) {
            let Some(from) = self.boxes.get(&dep.node) else { continue };
            let (x1, y1) = (from.x + from.size.width, from.y + 18.0);
            let middle = f64::midpoint(x1, x2);
            let class = if dep.kind == DepKind::Data { "data" } else { "order" };
            let _ = writeln!(
                paths,
                "<path class=\"{class}\" marker-end=\"url(#end)\" d=\"M{x1:.1} {y1:.1} C{middle:.1} {y1:.1} {middle:.1} {y2:.1} {x2:.1} {y2:.1}\"/>"
            );
        }
        self.shapes.push_str(&paths);
    }

    fn text(&mut self, x: f64, y: f64, text: &str, class: &str) {
        let _ = writeln!(
            self.shapes,
            "<text x=\"{x:.1}\" y=\"{y:.1}\" class=\"{class}\">{}</text>",
            escape(text)
        );
    }
}

fn lines(graph: &Graph, node: &Node) -> Vec<String> {
    let lines = [Some(title(node)), Some(work(graph, node)), occasion(graph, node)];
    lines.into_iter().flatten().filter(|line| !line.is_empty()).collect()
}

/// The nodes of a scope by the length of the longest way that leads to them.
fn columns(graph: &Graph, scope: ScopeNo) -> Vec<Vec<NodeNo>> {
    let mut rank: HashMap<NodeNo, usize> = HashMap::new();
    let mut columns: Vec<Vec<NodeNo>> = Vec::new();
    for no in &graph.scope(scope).nodes {
        let deps = graph.node(*no).deps.iter();
        let column = deps.filter_map(|dep| rank.get(&dep.node)).max().map_or(0, |rank| rank + 1);
        rank.insert(*no, column);
        if columns.len() <= column {
            columns.resize(column + 1, Vec::new());
        }
        columns[column].push(*no);
    }
    columns
}

/// Of every node of a scope, all that come before it, near or far.
fn before(graph: &Graph, scope: ScopeNo) -> HashMap<NodeNo, HashSet<NodeNo>> {
    let mut all: HashMap<NodeNo, HashSet<NodeNo>> = HashMap::new();
    for no in &graph.scope(scope).nodes {
        let mut own = HashSet::new();
        for dep in &graph.node(*no).deps {
            own.insert(dep.node);
            own.extend(all.get(&dep.node).into_iter().flatten());
        }
        all.insert(*no, own);
    }
    all
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
