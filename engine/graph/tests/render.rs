//! Whole graphs as text, and what the drawings have to have.

#![expect(clippy::needless_raw_string_hashes, reason = "expect-test writes them so")]

mod support;

use expect_test::{Expect, expect};
use reelmill_graph::{Graph, compile::load, render};

fn graph(name: &str) -> Graph {
    let text = std::fs::read_to_string(format!("../spec/tests/pipelines/{name}.yaml")).expect("read");
    load(&text, &support::catalog()).0.expect("a graph")
}

fn check(shown: &str, expected: &Expect) {
    expected.assert_eq(shown);
}

#[test]
fn graphs_as_text() {
    check(
        &render::text(&graph("topic_to_video")),
        &expect![[r#"
        topic_to_video
        stages
          script       script.write@1
          scene ×≤200                      after script
            speech     tts.speak@1
            material   material.fetch@1
            clip       video.clip@1        after speech, material
          compose      video.compose@1     after scene
          encode ×3    video.encode@1      after compose
          thumbnail    video.thumbnail@1   after compose; may fail
          quality      quality.gate@1      after encode
          publish      publish.post@1      after encode, thumbnail, quality; if inputs.publish && stages.quality.outputs.passed
        on_failure
          alert        notify.webhook@1
        finally
          usage        analytics.record@1
    "#]],
    );
    check(
        &render::text(&graph("handlers")),
        &expect![[r#"
        handlers
        stages
          prepare   tts.speak@1
          tell      notify.webhook@1   after prepare; when prepare failed
          note      notify.webhook@1   after prepare, tell; always
          both                         after prepare
            first   tts.speak@1
            second  video.clip@1       after first
          last      video.thumbnail@1  after both; if stages.both.state == 'succeeded'
        finally
          report    notify.webhook@1
    "#]],
    );
}

#[test]
fn graphs_as_mermaid() {
    check(
        &render::mermaid(&graph("handlers")),
        &expect![[r#"
        flowchart LR
          subgraph stages
            n0["prepare<br/>tts.speak@1"]
            n1["tell<br/>notify.webhook@1<br/>when prepare failed"]
            n2["note<br/>notify.webhook@1<br/>always"]
            subgraph n3["both"]
              n5["first<br/>tts.speak@1"]
              n6["second<br/>video.clip@1"]
            end
            n4["last<br/>video.thumbnail@1"]
          end
          subgraph finally
            n7["report<br/>notify.webhook@1"]
          end
          n0 -.-> n1
          n0 -.-> n2
          n1 -.-> n2
          n0 --> n3
          n3 --> n4
          n5 --> n6
    "#]],
    );
}

#[test]
fn a_drawing_has_every_stage_once_and_every_arrow_that_is_not_implied() {
    let graph = graph("topic_to_video");
    let svg = render::svg(&graph);
    for title in ["script", "scene ×≤200", "clip", "encode ×3", "alert", "usage"] {
        assert_eq!(svg.matches(&format!(">{title}<")).count(), 1, "{title}");
    }
    // All but the one from encode to publish, which goes by way of quality.
    let arrows: usize = graph.nodes.iter().map(|node| node.deps.len()).sum();
    assert_eq!(svg.matches("<path class=").count(), arrows - 1);
    assert!(!svg.contains("NaN") && !svg.contains("=\"-"), "{svg}");
}
