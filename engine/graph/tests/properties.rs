//! What holds of every graph that compiling gives, over random pipelines.

mod support;

use proptest::prelude::*;
use reelmill_graph::compile::load;
use reelmill_graph::graph_check::check;
use reelmill_graph::{Graph, canonical::graph_digest};
use reelmill_spec::Code;
use std::fmt::Write as _;

/// A random acyclic pipeline: each stage reads or waits for earlier ones; some stand in groups and fan-outs.
#[derive(Clone, Debug)]
struct Shape {
    stages: Vec<(Kind, Vec<(usize, bool)>)>,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Plain,
    Group,
    Matrix,
    ForEach,
}

fn shape() -> impl Strategy<Value = Shape> {
    let kind = prop_oneof![Just(Kind::Plain), Just(Kind::Group), Just(Kind::Matrix), Just(Kind::ForEach)];
    let reads = proptest::collection::vec((any::<proptest::sample::Index>(), any::<bool>()), 0..4);
    proptest::collection::vec((kind, reads), 1..24).prop_map(|stages| Shape {
        stages: stages
            .into_iter()
            .enumerate()
            .map(|(at, (kind, reads))| {
                let earlier = |(index, data): (proptest::sample::Index, bool)| {
                    (at > 0).then(|| (index.index(at), data))
                };
                (kind, reads.into_iter().filter_map(earlier).collect())
            })
            .collect(),
    })
}

impl Shape {
    /// The pipeline, its stages written in an order of their own; `extra` is a `needs` that may close a circle.
    fn yaml(&self, order: &[usize], extra: Option<(usize, usize)>) -> String {
        let mut text = String::from("version: 1\nname: p\nstages:\n");
        for at in order {
            let (kind, reads) = &self.stages[*at];
            let data: Vec<String> = reads
                .iter()
                .filter(|(_, data)| *data)
                .map(|(to, _)| format!("${{{{ stages.s{to}.outputs }}}}"))
                .collect();
            let mut needs: Vec<String> =
                reads.iter().filter(|(_, data)| !data).map(|(to, _)| format!("s{to}")).collect();
            needs.extend(extra.filter(|(from, _)| from == at).map(|(_, to)| format!("s{to}")));
            let work = format!("uses: tts.speak@1, with: {{ text: \"x {}\" }}", data.join(" "));
            let body = match kind {
                Kind::Plain => work,
                Kind::Group => format!("stages: {{ a: {{ {work} }}, b: {{ {work}, needs: [a] }} }}"),
                Kind::Matrix => format!("matrix: {{ x: [1, 2] }}, {work}"),
                Kind::ForEach => format!("for_each: {{ in: \"[1, 2]\" }}, stages: {{ a: {{ {work} }} }}"),
            };
            let _ = writeln!(text, "  s{at}: {{ needs: [{}], {body} }}", needs.join(", "));
        }
        text
    }
}

fn compile(yaml: &str) -> Result<Graph, Vec<Code>> {
    let (graph, diagnostics) = load(yaml, &support::catalog());
    graph.ok_or_else(|| diagnostics.iter().map(|diagnostic| diagnostic.code).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn graphs_of_acyclic_pipelines_are_sound(shape in shape(), keys in proptest::collection::vec(any::<u32>(), 24)) {
        let mut order: Vec<usize> = (0..shape.stages.len()).collect();
        order.sort_by_key(|at| keys[*at]);
        let graph = compile(&shape.yaml(&order, None)).expect("a graph");
        prop_assert_eq!(check(&graph), Ok(()));
        for (at, (_, reads)) in shape.stages.iter().enumerate() {
            let named = |name: usize| graph.nodes.iter().find(|node| node.path == format!("s{name}")).expect("a node");
            for (to, _) in reads {
                prop_assert!(named(at).deps.iter().any(|dep| dep.node == named(*to).no), "s{} waits for s{}", at, to);
            }
        }
        let stored = serde_json::to_string(&graph).expect("JSON");
        let read: Graph = serde_json::from_str(&stored).expect("a graph");
        prop_assert_eq!(graph_digest(&read), graph_digest(&graph));
        prop_assert_eq!(read, graph);
    }

    #[test]
    fn a_circle_is_always_found(shape in shape(), from in any::<proptest::sample::Index>(), pick in any::<proptest::sample::Index>()) {
        let edges: Vec<(usize, usize)> =
            shape.stages.iter().enumerate().flat_map(|(at, (_, reads))| reads.iter().map(move |(to, _)| (*to, at))).collect();
        let order: Vec<usize> = (0..shape.stages.len()).collect();
        // An edge against one that is there closes a circle; where there is none, a stage waits for itself.
        let (extra, expected) = if edges.is_empty() {
            let at = from.index(order.len());
            ((at, at), Code::NotVisible)
        } else {
            (edges[pick.index(edges.len())], Code::Cycle)
        };
        let found = compile(&shape.yaml(&order, Some(extra))).expect_err("no graph");
        prop_assert!(found.contains(&expected), "{:?}", found);
    }
}
