//! What stands in a compiled graph: settings, edges, reads, handlers, combinations.

mod support;

use reelmill_graph::compile::load;
use reelmill_graph::{
    Backoff, BodyKind, CacheMode, DepKind, Graph, ItemFailure, MinSuccess, Node, NodeKind, Template, Trigger,
};
use serde_json::json;

fn compile(stages: &str) -> Graph {
    let yaml = format!("version: 1\nname: p\nsecrets: [key]\n{stages}");
    let (graph, diagnostics) = load(&yaml, &support::catalog());
    graph.unwrap_or_else(|| panic!("{}", reelmill_spec::render(&diagnostics, &yaml, "p.yaml", false)))
}

fn node<'g>(graph: &'g Graph, path: &str) -> &'g Node {
    graph.nodes.iter().find(|node| node.path == path).unwrap_or_else(|| panic!("no node {path}"))
}

/// What a node waits for, by name, with `…` after those it needs only the end of.
fn deps(graph: &Graph, path: &str) -> Vec<String> {
    let name = |kind, no| format!("{}{}", graph.node(no).name, if kind == DepKind::Order { "…" } else { "" });
    node(graph, path).deps.iter().map(|dep| name(dep.kind, dep.node)).collect()
}

#[test]
fn settings_come_from_the_stage_then_from_defaults() {
    let graph = compile(
        "defaults: { timeout: 10m, retry: { max_attempts: 3, initial: 2s }, priority: 2, queue: slow }
stages:
  a: { uses: tts.speak@1, with: { text: hi } }
  b: { uses: tts.speak@1, with: { text: hi }, timeout: { idle: 5s }, retry: 5, priority: 9, cache: refresh, allow_failure: true }
  c: { uses: publish.post@1, with: { videos: [] }, retry: { backoff: constant, max: 1s, initial: 500ms } }
",
    );
    let a = &node(&graph, "a").settings;
    assert_eq!(
        (a.priority, a.queue.as_str(), a.timeout.run_ms, a.timeout.idle_ms),
        (2, "slow", Some(600_000), None)
    );
    assert_eq!((a.retry.max_attempts, a.retry.initial_ms, a.retry.max_ms), (3, 2_000, 60_000));
    assert_eq!((a.cache, a.allow_failure), (CacheMode::Auto, false));
    let b = &node(&graph, "b").settings;
    assert_eq!((b.priority, b.timeout.run_ms, b.timeout.idle_ms), (9, Some(600_000), Some(5_000)));
    assert_eq!((b.retry.max_attempts, b.retry.initial_ms), (5, 2_000));
    assert_eq!((b.cache, b.allow_failure), (CacheMode::Refresh, true));
    let c = &node(&graph, "c").settings;
    assert_eq!((c.retry.max_attempts, c.retry.backoff, c.retry.max_ms), (3, Backoff::Constant, 1_000));
    assert_eq!(c.cache, CacheMode::Never, "an external stage is never cached");
}

#[test]
fn edges_say_whether_outputs_are_needed() {
    let graph = compile(
        "stages:
  a: { uses: tts.speak@1, with: { text: hi } }
  b: { uses: tts.speak@1, with: { text: \"${{ stages.a.state }}\" } }
  c: { uses: tts.speak@1, with: { text: \"${{ stages.a.state + string(size(stages.a.outputs)) }}\" }, needs: [a, b] }
  d: { uses: tts.speak@1, with: { text: \"${{ stages.a.?outputs.?audio.hasValue() }} \" } }
",
    );
    assert_eq!(deps(&graph, "b"), ["a…"]);
    assert_eq!(deps(&graph, "c"), ["a", "b…"]);
    assert_eq!(deps(&graph, "d"), ["a…"]);
}

#[test]
fn a_body_waits_for_what_its_stages_read_outside() {
    let graph = compile(
        "stages:
  a: { uses: tts.speak@1, with: { text: hi } }
  scene:
    for_each: { in: \"[1, 2]\", on_item_failure: continue, min_success: 90% }
    allow_failure: true
    stages:
      deep: { stages: { x: { uses: video.clip@1, with: { audio: \"${{ stages.a.outputs.audio }}\" } } }, outputs: { v: \"${{ stages.x.outputs.video }}\" } }
    outputs: { v: \"${{ stages.deep.outputs.v }}\" }
  each: { for_each: { in: stages.scene.outputs }, uses: video.thumbnail@1, with: { source: \"${{ item.v }}\" }, allow_failure: true }
",
    );
    assert_eq!(deps(&graph, "scene"), ["a"]);
    assert_eq!(deps(&graph, "scene.deep"), [""; 0]);
    let read = node(&graph, "scene.deep.x").reads["a"];
    assert_eq!((graph.node(read.node).name.as_str(), read.levels_up), ("a", 2));
    let NodeKind::Body { fan_out, output_reads, .. } = &node(&graph, "scene").kind else { panic!("no body") };
    assert_eq!(
        (fan_out.on_item_failure, fan_out.min_success),
        (ItemFailure::Continue, MinSuccess::Ratio(0.9))
    );
    assert_eq!(output_reads.keys().collect::<Vec<_>>(), ["deep"]);
    let each: Vec<&Node> = graph.nodes.iter().filter(|node| node.path == "each").collect();
    let [NodeKind::Body { scope, outputs: None, .. }, NodeKind::Work { .. }] = [&each[0].kind, &each[1].kind]
    else {
        panic!("{each:?}")
    };
    assert_eq!(each[1].scope, *scope);
    assert_eq!((each[0].settings.allow_failure, each[1].settings.allow_failure), (true, false));
}

#[test]
fn handlers_stand_beside_their_stage() {
    let graph = compile(
        "stages:
  a:
    uses: tts.speak@1
    with: { text: hi }
    on_failure: { tell: { uses: notify.webhook@1, with: { text: \"${{ failure.message }}\" } } }
    finally: { done: { uses: notify.webhook@1, with: { text: \"${{ stages.a.state }}\" } } }
on_failure:
  all: { uses: notify.webhook@1, with: { text: \"${{ stages.a.state }}\" } }
",
    );
    let a = node(&graph, "a").no;
    assert_eq!(node(&graph, "a.on_failure.tell").trigger, Trigger::FailureOf(a));
    assert_eq!(node(&graph, "a.finally.done").trigger, Trigger::Always);
    assert_eq!(deps(&graph, "a.finally.done"), ["a…", "tell…"]);
    let all = node(&graph, "on_failure.all");
    assert_eq!((all.deps.len(), all.reads["a"].node, all.reads["a"].levels_up), (0, a, 1));
}

#[test]
fn matrices_follow_the_rules_of_github_actions() {
    let graph = compile(
        "stages:
  a:
    matrix:
      aspect: [\"9:16\", \"16:9\"]
      codec: [h264, hevc]
      exclude: [{ aspect: \"9:16\", codec: hevc }]
      include:
        - { aspect: \"16:9\", height: 2160 }
        - { fast: true }
        - { aspect: \"1:1\", codec: a/v }
    uses: tts.speak@1
    with: { text: hi }
",
    );
    let NodeKind::Body { of: BodyKind::Matrix { rows }, .. } = &node(&graph, "a").kind else {
        panic!("no matrix")
    };
    let rows: Vec<_> = rows.iter().map(|row| (row.key.as_str(), row.value.clone())).collect();
    let expected = [
        ("9:16,h264", json!({ "aspect": "9:16", "codec": "h264", "fast": true })),
        ("16:9,h264", json!({ "aspect": "16:9", "codec": "h264", "height": 2160, "fast": true })),
        ("16:9,hevc", json!({ "aspect": "16:9", "codec": "hevc", "height": 2160, "fast": true })),
        ("1:1,a_v", json!({ "aspect": "1:1", "codec": "a/v" })),
    ];
    assert_eq!(rows, expected);
}

#[test]
fn values_without_expressions_are_folded_and_secrets_stay_names() {
    let graph = compile(
        "stages:
  a:
    uses: tts.speak@1
    with: { text: \"a ${{ 1 }}\", voice: no, rate: 1.5, api_key: \"${{ secrets.key }}\" }
  b: { uses: video.compose@1, with: { clips: [{ x: 1 }, { y: \"${{ 2 }}\" }], title: x } }
",
    );
    let NodeKind::Work { with, .. } = &node(&graph, "a").kind else { panic!("no work") };
    assert_eq!(with["voice"], Template::Literal(json!("no")), "`no` is a word");
    assert_eq!(with["rate"], Template::Literal(json!(1.5)));
    assert_eq!(with["api_key"], Template::Secret("key".to_owned()));
    assert!(matches!(&with["text"], Template::Text(parts) if parts.len() == 2));
    let NodeKind::Work { with, .. } = &node(&graph, "b").kind else { panic!("no work") };
    let Template::List(clips) = &with["clips"] else { panic!("no list") };
    assert_eq!(clips[0], Template::Literal(json!({ "x": 1 })));
    assert!(matches!(&clips[1], Template::Map(_)));
}

#[test]
fn what_undoes_a_stage_stands_in_a_scope_of_its_own() {
    let yaml = r#"version: 1
name: p
defaults: { retry: 3 }
stages:
  source: { uses: script.write@1, with: { topic: x } }
  scene:
    for_each: { in: stages.source.outputs.scenes }
    uses: tts.speak@1
    with: { text: "${{ item.narration }}" }
    compensate: { uses: notify.webhook@1, with: { text: "${{ stages.source.outputs.title }}" }, timeout: 5m }
"#;
    let (graph, diagnostics) = load(yaml, &support::catalog());
    let graph = graph.unwrap_or_else(|| panic!("{diagnostics:#?}"));
    assert_eq!(reelmill_graph::graph_check::check(&graph), Ok(()));
    let undo = node(&graph, "scene.compensate");
    let undone = graph.node(graph.undoes(undo).expect("it undoes something"));
    assert_eq!((undone.path.as_str(), undone.compensate), ("scene", Some(undo.scope)));
    assert!(matches!(undone.kind, NodeKind::Work { .. }), "each item is undone");
    assert_eq!(undone.settings.cache, CacheMode::Never);
    assert_eq!(undo.reads["source"].levels_up, 2);
    assert!(undo.deps.is_empty());
    assert_eq!((undo.settings.retry.max_attempts, undo.settings.timeout.run_ms), (3, Some(300_000)));
    assert!(graph.can_be_undone(Graph::MAIN));
}
