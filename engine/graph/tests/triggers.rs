//! Triggers: what their expressions may read, and what they give a run.

use expect_test::{Expect, expect};
use reelmill_graph::compile::{Catalog, Loaded, NoFiles, load_all};
use serde_json::json;

fn load(triggers: &str) -> (String, Loaded) {
    let yaml = format!(
        "version: 1\nname: p\ninputs:\n  topic: {{ type: string }}\n  n: {{ type: int, default: 1 }}\n\
         stages:\n  a: {{ uses: x.y@1 }}\ntriggers:\n{triggers}"
    );
    let loaded = load_all(&yaml, &Catalog::new(Vec::new()), &NoFiles);
    (yaml, loaded)
}

fn check(triggers: &str, expected: &Expect) {
    let (yaml, mut loaded) = load(triggers);
    // There is no catalog here.
    loaded.diagnostics.retain(|diagnostic| diagnostic.code != reelmill_spec::Code::UnknownPlugin);
    expected.assert_eq(&reelmill_spec::render(&loaded.diagnostics, &yaml, "p.yaml", false));
}

#[test]
fn there_is_no_run_yet() {
    check(
        r#"  a: { type: schedule, cron: "0 3 * * *", inputs: { topic: "for ${{ trigger.dat }} by ${{ run.id }}" } }
  b: { type: file, folder: /in, inputs: { topic: "${{ trigger.scheduled_at }}", n: "${{ 1 + }}" } }
"#,
        &expect![[r#"
            error[RM-0209]: `trigger` of a schedule has no `dat`
             --> p.yaml:9:77
              |
            9 |   a: { type: schedule, cron: "0 3 * * *", inputs: { topic: "for ${{ trigger.dat }} by ${{ run.id }}" } }
              |                                                                             ^^^
              |
              = help: did you mean `date`?

            error[RM-0209]: `run` has no value here: a trigger fires before there is a run
             --> p.yaml:9:91
              |
            9 |   a: { type: schedule, cron: "0 3 * * *", inputs: { topic: "for ${{ trigger.dat }} by ${{ run.id }}" } }
              |                                                                                           ^^^
              |
              = help: read `trigger`

            error[RM-0209]: `trigger` of a file has no `scheduled_at`
              --> p.yaml:10:63
               |
            10 |   b: { type: file, folder: /in, inputs: { topic: "${{ trigger.scheduled_at }}", n: "${{ 1 + }}" } }
               |                                                               ^^^^^^^^^^^^
               |
               = help: known: `name`, `type`, `path`, `file`, `size`

            error[RM-0207]: the expression ends too early
              --> p.yaml:10:92
               |
            10 |   b: { type: file, folder: /in, inputs: { topic: "${{ trigger.scheduled_at }}", n: "${{ 1 + }}" } }
               |                                                                                            ^

            4 errors
        "#]],
    );
}

#[test]
fn a_run_is_given_what_the_trigger_knows() {
    let (_, loaded) = load(
        r#"  a: { type: schedule, cron: "0 3 * * *", inputs: { topic: "for ${{ trigger.date }}", n: 3 } }
  b: { type: webhook, secret: key, inputs: "${{ trigger.body }}" }
"#,
    );
    // The plugin is not known, so this pipeline has no graph and starts nothing.
    assert!(loaded.graph.is_none() && loaded.triggers.is_empty());
    let yaml = "version: 1\nname: p\nsecrets: [key]\ninputs: { topic: { type: string } }\nstages: { a: { uses: x.y@1 } }\n\
                triggers:\n  a: { type: schedule, cron: \"0 3 * * *\", inputs: { topic: \"for ${{ trigger.date }}\" } }\n  \
                b: { type: webhook, secret: key, inputs: \"${{ trigger.body }}\" }\n";
    let (spec, _) = reelmill_spec::parse(yaml);
    let (triggers, problems) = reelmill_graph::compile::triggers(&spec.expect("it parses"));
    assert_eq!(problems, []);
    let given = triggers[0].inputs(json!({"date": "2026-03-29"})).expect("it has a value");
    assert_eq!(json!(given), json!({"topic": "for 2026-03-29"}));
    let given = triggers[1].inputs(json!({"body": {"topic": "x", "n": 2}})).expect("it has a value");
    assert_eq!(json!(given), json!({"topic": "x", "n": 2}));
    assert!(triggers[1].inputs(json!({"body": [1]})).is_err(), "a list is no map of inputs");
    assert!(triggers[1].inputs(json!({})).is_err(), "there is no body");
}
