//! Pipelines within pipelines: what is wrong with them, with the file it is in, and the graphs they become.

#![expect(clippy::needless_raw_string_hashes, reason = "expect-test writes them so")]
#![expect(clippy::too_many_lines, reason = "snapshots are long")]

mod support;

use expect_test::{Expect, expect};
use reelmill_graph::compile::{FileText, Files, load_with, registered_names};
use reelmill_graph::graph_check;
use reelmill_graph::{BodyKind, Graph, NodeKind, Trigger};
use reelmill_spec::files::{NotRegistered, RegisteredText};

/// Files by their path.
struct Folder<'f>(&'f [(&'f str, &'f str)]);

impl Files for Folder<'_> {
    fn main(&self) -> Option<&str> {
        Some("p.yaml")
    }

    fn open(&self, path: &str) -> Result<FileText, String> {
        let found = self.0.iter().find(|(name, _)| *name == path);
        let (name, text) = found.ok_or_else(|| "there is no such file".to_owned())?;
        Ok(FileText { name: (*name).to_owned(), text: (*text).to_owned() })
    }
}

fn check(yaml: &str, files: &[(&str, &str)], expected: &Expect) {
    let (graph, diagnostics) = load_with(yaml, &support::catalog(), &Folder(files));
    assert!(graph.is_none());
    expected.assert_eq(&reelmill_spec::render(&diagnostics, yaml, "p.yaml", false));
}

fn graph(yaml: &str, files: &[(&str, &str)]) -> Graph {
    let (graph, diagnostics) = load_with(yaml, &support::catalog(), &Folder(files));
    let shown = reelmill_spec::render(&diagnostics, yaml, "p.yaml", false);
    let graph = graph.unwrap_or_else(|| panic!("{shown}"));
    assert_eq!(graph_check::check(&graph), Ok(()), "{shown}");
    graph
}

const SPEECH: &str = r#"version: 1
name: speech
inputs:
  text: { type: string, min_length: 2 }
  rate: { type: number, default: 1 }
  music: { type: file, required: false }
secrets: [tts_key]
vars: { words: "${{ inputs.text + '.' }}" }
stages:
  say: { uses: tts.speak@1, with: { text: "${{ vars.words }}", rate: "${{ inputs.rate }}", api_key: "${{ secrets.tts_key }}" } }
on_failure:
  alert: { uses: notify.webhook@1, with: { text: "${{ failure.message }}" } }
finally:
  record: { uses: analytics.record@1, with: { run: "${{ run.id + stages.say.state }}" } }
outputs: { audio: "${{ stages.say.outputs.audio }}" }
"#;

#[test]
fn wrong_uses_of_a_good_pipeline() {
    check(
        r#"version: 1
name: p
stages:
  missing: { pipeline: none.yaml }
  empty: { pipeline: lib/speech.yaml }
  wrong:
    pipeline: lib/speech.yaml
    timeout: 5m
    outputs: { a: 1 }
    with: { text: a, rat: 2, rate: fast, music: song.mp3 }
  typed: { pipeline: lib/speech.yaml, with: { text: "${{ stages.source.outputs.title.size() }}" } }
  secret: { pipeline: lib/speech.yaml, with: { text: "${{ secrets.tts_key }}" } }
  source: { uses: script.write@1, with: { topic: x } }
  reader: { uses: tts.speak@1, with: { text: "${{ stages.typed.outputs.sound }}" } }
"#,
        &[("lib/speech.yaml", SPEECH)],
        &expect![[r#"
            error[RM-0217]: pipeline `none.yaml` cannot be read: there is no such file
             --> p.yaml:4:24
              |
            4 |   missing: { pipeline: none.yaml }
              |                        ^^^^^^^^^
              |
              = help: name a file, seen from the folder of this one

            error[RM-0212]: pipeline `speech` needs the input `text`
             --> p.yaml:5:22
              |
            5 |   empty: { pipeline: lib/speech.yaml }
              |                      ^^^^^^^^^^^^^^^
              |
              = help: add `with: { text: … }`, or give it a default there

            error[RM-0214]: pipeline `speech` uses secret `tts_key`, which is not declared here
             --> p.yaml:5:22
              |
            5 |   empty: { pipeline: lib/speech.yaml }
              |                      ^^^^^^^^^^^^^^^
              |
              = help: add `tts_key` to this pipeline's `secrets`

            error[RM-0110]: `timeout` has no meaning for another pipeline
             --> p.yaml:8:5
              |
            8 |     timeout: 5m
              |     ^^^^^^^
              |
              = help: put it on the stages of that pipeline, or into its `defaults`

            error[RM-0110]: `outputs` belongs to a stage with `stages`
             --> p.yaml:9:5
              |
            9 |     outputs: { a: 1 }
              |     ^^^^^^^
              |
              = help: its outputs are those of that pipeline; remove the key, or make a group with `stages`

            error[RM-0214]: pipeline `speech` uses secret `tts_key`, which is not declared here
              --> p.yaml:10:5
               |
            10 |     with: { text: a, rat: 2, rate: fast, music: song.mp3 }
               |     ^^^^
               |
               = help: add `tts_key` to this pipeline's `secrets`

            error[RM-0212]: `text` "a" is shorter than 2 characters
              --> p.yaml:10:19
               |
            10 |     with: { text: a, rat: 2, rate: fast, music: song.mp3 }
               |                   ^

            error[RM-0212]: pipeline `speech` has no input `rat`
              --> p.yaml:10:22
               |
            10 |     with: { text: a, rat: 2, rate: fast, music: song.mp3 }
               |                      ^^^
               |
               = help: did you mean `rate`?

            error[RM-0212]: `rate` must be a number, this is `fast`
              --> p.yaml:10:36
               |
            10 |     with: { text: a, rat: 2, rate: fast, music: song.mp3 }
               |                                    ^^^^

            error[RM-0212]: `music` is a path; a pipeline within another one takes files that are stored
              --> p.yaml:10:49
               |
            10 |     with: { text: a, rat: 2, rate: fast, music: song.mp3 }
               |                                                 ^^^^^^^^
               |
               = help: give it a `file` input of the outer pipeline, or what a stage puts out

            error[RM-0214]: pipeline `speech` uses secret `tts_key`, which is not declared here
              --> p.yaml:11:39
               |
            11 |   typed: { pipeline: lib/speech.yaml, with: { text: "${{ stages.source.outputs.title.size() }}" } }
               |                                       ^^^^
               |
               = help: add `tts_key` to this pipeline's `secrets`

            error[RM-0208]: `text` must be a text, this is a whole number
              --> p.yaml:11:58
               |
            11 |   typed: { pipeline: lib/speech.yaml, with: { text: "${{ stages.source.outputs.title.size() }}" } }
               |                                                          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
               |
               = help: make it a text: `string(x)`, or write text around `${{ }}`

            error[RM-0214]: pipeline `speech` uses secret `tts_key`, which is not declared here
              --> p.yaml:12:40
               |
            12 |   secret: { pipeline: lib/speech.yaml, with: { text: "${{ secrets.tts_key }}" } }
               |                                        ^^^^
               |
               = help: add `tts_key` to this pipeline's `secrets`

            error[RM-0213]: a secret cannot be an input
              --> p.yaml:12:59
               |
            12 |   secret: { pipeline: lib/speech.yaml, with: { text: "${{ secrets.tts_key }}" } }
               |                                                           ^^^^^^^
               |
               = help: list it in `secrets` of both pipelines; the stage that needs it names it itself

            error[RM-0211]: `sound` is no output of pipeline `speech`
              --> p.yaml:14:72
               |
            14 |   reader: { uses: tts.speak@1, with: { text: "${{ stages.typed.outputs.sound }}" } }
               |                                                                        ^^^^^
               |
               = help: known: `audio`

            15 errors
        "#]],
    );
}

#[test]
fn mistakes_within_are_told_with_their_file_and_once() {
    let inner = r#"version: 1
name: inner
inputs: { text: { type: string } }
stages:
  say: { uses: tts.speek@1, with: { text: "${{ inputs.txt }}" } }
  outer: { uses: tts.speak@1, with: { text: "${{ stages.first.outputs.title + item.id }}" } }
outputs: { audio: "${{ stages.sai.outputs.audio }}" }
"#;
    check(
        r#"version: 1
name: p
stages:
  first: { uses: script.write@1, with: { topic: x } }
  one: { pipeline: ./inner.yaml, with: { text: a } }
  many: { for_each: { in: "['a', 'b']" }, pipeline: lib/../inner.yaml, with: { text: "${{ item }}" } }
"#,
        &[("inner.yaml", inner)],
        &expect![[r#"
            error[RM-0202]: plugin `tts` has no stage `speek`
             --> inner.yaml:5:16
              |
            5 |   say: { uses: tts.speek@1, with: { text: "${{ inputs.txt }}" } }
              |                ^^^^^^^^^^^
              |
              = help: did you mean `speak`?

            error[RM-0210]: the pipeline has no input `txt`
             --> inner.yaml:5:55
              |
            5 |   say: { uses: tts.speek@1, with: { text: "${{ inputs.txt }}" } }
              |                                                       ^^^
              |
              = help: did you mean `text`?

            error[RM-0204]: there is no stage `first`
             --> inner.yaml:6:57
              |
            6 |   outer: { uses: tts.speak@1, with: { text: "${{ stages.first.outputs.title + item.id }}" } }
              |                                                         ^^^^^
              |
              = help: known: `outer`, `say`

            error[RM-0209]: `item` exists within a stage with `for_each` only
             --> inner.yaml:6:79
              |
            6 |   outer: { uses: tts.speak@1, with: { text: "${{ stages.first.outputs.title + item.id }}" } }
              |                                                                               ^^^^
              |
              = help: add a `for_each`; its own `in` and `if` come before its items

            error[RM-0204]: there is no stage `sai`
             --> inner.yaml:7:31
              |
            7 | outputs: { audio: "${{ stages.sai.outputs.audio }}" }
              |                               ^^^
              |
              = help: did you mean `say`?

            5 errors
        "#]],
    );
}

#[test]
fn circles_and_depth() {
    let calls = |name: &str, file: &str| {
        format!("version: 1\nname: {name}\nstages: {{ next: {{ pipeline: {file} }} }}\n")
    };
    let (a, b) = (calls("a", "sub/b.yaml"), calls("b", "../p.yaml"));
    check(
        "version: 1\nname: p\nstages:\n  a: { pipeline: a.yaml }\n  own: { pipeline: p.yaml }\n",
        &[("a.yaml", &a), ("sub/b.yaml", &b)],
        &expect![[r#"
            error[RM-0217]: pipelines name each other: p.yaml → p.yaml
             --> p.yaml:5:20
              |
            5 |   own: { pipeline: p.yaml }
              |                    ^^^^^^
              |
              = help: a pipeline cannot be a part of itself

            error[RM-0217]: pipelines name each other: p.yaml → a.yaml → sub/b.yaml → p.yaml
             --> sub/b.yaml:3:29
              |
            3 | stages: { next: { pipeline: ../p.yaml } }
              |                             ^^^^^^^^^
              |
              = help: a pipeline cannot be a part of itself

            2 errors
        "#]],
    );
    let deep: Vec<(String, String)> =
        (1..9).map(|n| (format!("{n}.yaml"), calls(&format!("n{n}"), &format!("{}.yaml", n + 1)))).collect();
    let files: Vec<(&str, &str)> = deep.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    check(
        "version: 1\nname: p\nstages:\n  a: { pipeline: 1.yaml }\n",
        &files,
        &expect![[r#"
        error[RM-0108]: pipelines are nested deeper than 6 levels
         --> 5.yaml:3:29
          |
        3 | stages: { next: { pipeline: 6.yaml } }
          |                             ^^^^^^
          |
          = help: run one of them by itself

        1 error
    "#]],
    );
}

#[test]
fn stages_of_all_files_are_limited_together() {
    let line = |n: usize| format!("  s{n}: {{ uses: script.write@1, with: {{ topic: x }} }}\n");
    let lines = (0..600).map(line).collect::<Vec<_>>().concat();
    let many = format!("version: 1\nname: many\nstages:\n{lines}");
    check(
        "version: 1\nname: p\nstages:\n  a: { pipeline: many.yaml }\n  b: { pipeline: many.yaml }\n",
        &[("many.yaml", &many)],
        &expect![[r#"
            error[RM-0108]: with this pipeline there are more than 1000 stages
             --> p.yaml:5:3
              |
            5 |   b: { pipeline: many.yaml }
              |   ^
              |
              = help: use `for_each` for stages that are alike

            1 error
        "#]],
    );
}

#[test]
fn a_pipeline_becomes_a_sealed_body_with_its_handlers_beside_its_stages() {
    let graph = graph(
        r#"version: 1
name: p
secrets: [tts_key]
stages:
  source: { uses: script.write@1, with: { topic: x } }
  speech:
    for_each: { in: stages.source.outputs.scenes, key: item.id }
    pipeline: lib/speech.yaml
    with: { text: "${{ item.narration }}" }
  join: { uses: video.compose@1, with: { clips: "${{ stages.speech.outputs.map(s, s.audio) }}" } }
"#,
        &[("lib/speech.yaml", SPEECH)],
    );
    let node = |path: &str| graph.nodes.iter().rfind(|node| node.path == path).expect("a node");
    let NodeKind::Body { scope, of: BodyKind::Pipeline(call), output_reads, .. } = &node("speech").kind
    else {
        panic!("no pipeline: {:?}", node("speech"));
    };
    assert_eq!((call.name.as_str(), call.folder.as_str()), ("speech", "lib"));
    let say = node("speech.say");
    assert_eq!((say.scope, output_reads["say"]), (*scope, say.no));
    assert_eq!(graph.folder_of(say), "lib");
    assert_eq!(graph.folder_of(node("join")), "");
    let alert = node("speech.on_failure.alert");
    assert_eq!(alert.trigger, Trigger::FailureInScope);
    assert_eq!(alert.deps.iter().map(|dep| dep.node).collect::<Vec<_>>(), [say.no]);
    let record = node("speech.finally.record");
    assert_eq!(record.trigger, Trigger::Always);
    assert_eq!(record.deps.len(), 2);
}

/// Files, and registered pipelines by the names that lead to them: `a`, `a/b`.
struct Registry<'f> {
    files: Folder<'f>,
    own: Option<&'f str>,
    registered: &'f [(&'f str, u32, &'f str)],
}

impl Files for Registry<'_> {
    fn main(&self) -> Option<&str> {
        self.files.main()
    }

    fn open(&self, path: &str) -> Result<FileText, String> {
        self.files.open(path)
    }

    fn registered_as(&self) -> Option<&str> {
        self.own
    }

    fn registered(&self, within: &[String], name: &str) -> Result<RegisteredText, NotRegistered> {
        let path = [within, &[name.to_owned()]].concat().join("/");
        let found = self.registered.iter().find(|(known, ..)| *known == path);
        let (_, revision, text) = found.ok_or_else(|| NotRegistered {
            why: "there is none".to_owned(),
            help: "did you mean `speech`?".to_owned(),
        })?;
        Ok(RegisteredText {
            pinned: format!("{}@{revision}", name.split('@').next().unwrap_or(name)),
            text: (*text).to_owned(),
            file: Some("main.yaml".to_owned()),
            folder: "/srv/speech".to_owned(),
        })
    }

    fn open_within(&self, within: &[String], path: &str) -> Result<FileText, String> {
        self.open(&format!("{}:{path}", within.join("/")))
    }
}

fn calls(name: &str, called: &str) -> String {
    format!("version: 1\nname: {name}\nstages: {{ next: {{ pipeline: {called} }} }}\n")
}

#[test]
fn registered_pipelines_are_found_where_they_are_named_and_their_files_beside_them() {
    let say = "version: 1\nname: say\nstages: { it: { uses: tts.speak@1, with: { text: hi } } }\n";
    let (a, b) = (calls("a", "lib/inner.yaml"), calls("inner", "b"));
    let files = Registry {
        files: Folder(&[("a:lib/inner.yaml", &b), ("lib/inner.yaml", "not this one")]),
        own: None,
        registered: &[("a", 3, &a), ("a/b", 2, say), ("b", 9, "not this one"), ("b@1", 1, say)],
    };
    let yaml = "version: 1\nname: p\nstages: { one: { pipeline: a }, two: { pipeline: b@1 } }\n";
    let (graph, diagnostics) = load_with(yaml, &support::catalog(), &files);
    let graph = graph.unwrap_or_else(|| panic!("{diagnostics:#?}"));
    let called = |path: &str| {
        let node = graph.nodes.iter().find(|node| node.path == path).expect("a stage");
        let NodeKind::Body { of: BodyKind::Pipeline(call), .. } = &node.kind else { panic!("{node:?}") };
        (call.registered.clone(), call.folder.clone())
    };
    let named = |name: &str| Some(name.to_owned());
    assert_eq!(called("one"), (named("a@3"), "/srv/speech".to_owned()));
    assert_eq!(called("one.next"), (None, "/srv/speech/lib".to_owned()));
    assert_eq!(
        called("one.next.next"),
        (named("b@2"), "/srv/speech".to_owned()),
        "the one that `a` was put with"
    );
    assert_eq!(called("two"), (named("b@1"), "/srv/speech".to_owned()));
    assert_eq!(registered_names(yaml, &files).into_iter().collect::<Vec<_>>(), ["a", "b@1"], "its own alone");
}

#[test]
fn names_without_a_pipeline_and_circles_of_names() {
    let (a, b, c) = (calls("a", "b"), calls("b", "own@2"), calls("c", "./own"));
    let files = Registry {
        files: Folder(&[("c.yaml", &c)]),
        own: Some("own"),
        registered: &[("a", 1, &a), ("a/b", 4, &b)],
    };
    let yaml = "version: 1
name: own
stages:
  missing: { pipeline: speehc }
  circle: { pipeline: a }
  itself: { pipeline: own@1 }
  file: { pipeline: c.yaml }
";
    let (graph, diagnostics) = load_with(yaml, &support::catalog(), &files);
    assert!(graph.is_none());
    expect![[r#"
        error[RM-0217]: registered pipeline `speehc` cannot be used: there is none
         --> p.yaml:4:24
          |
        4 |   missing: { pipeline: speehc }
          |                        ^^^^^^
          |
          = help: did you mean `speech`?

        error[RM-0217]: pipelines name each other: own → own
         --> p.yaml:6:23
          |
        6 |   itself: { pipeline: own@1 }
          |                       ^^^^^
          |
          = help: a pipeline cannot be a part of itself

        error[RM-0217]: pipelines name each other: own → a → b → own
         --> b@4:3:29
          |
        3 | stages: { next: { pipeline: own@2 } }
          |                             ^^^^^
          |
          = help: a pipeline cannot be a part of itself

        error[RM-0217]: pipeline `./own` cannot be read: there is no such file
         --> c.yaml:3:29
          |
        3 | stages: { next: { pipeline: ./own } }
          |                             ^^^^^
          |
          = help: name a file, seen from the folder of this one

        4 errors
    "#]]
    .assert_eq(&reelmill_spec::render(&diagnostics, yaml, "p.yaml", false));
    let (_, diagnostics) = load_with(yaml, &support::catalog(), &Folder(&[]));
    let shown = reelmill_spec::render(&diagnostics, yaml, "p.yaml", false);
    assert!(shown.contains("there is no store to look it up in") && shown.contains("./FILE"), "{shown}");
}

#[test]
fn what_is_said_of_runs_does_nothing_within_another_pipeline() {
    let inner = r#"version: 1
name: inner
unique: { key: "'x'" }
concurrency: { key: x, limit: 1 }
triggers: { nightly: { type: schedule, cron: "0 3 * * *" } }
stages: { it: { uses: tts.speak@1, with: { text: hi } } }
"#;
    let yaml = format!("{}unique: {{ key: \"'y'\" }}\n", calls("p", "inner.yaml"));
    let (graph, diagnostics) = load_with(&yaml, &support::catalog(), &Folder(&[("inner.yaml", inner)]));
    assert!(graph.is_some(), "it is a warning: {diagnostics:#?}");
    expect![[r#"
        warning[RM-0218]: `unique` does nothing here: this pipeline runs within another one
         --> inner.yaml:3:1
          |
        3 | unique: { key: "'x'" }
          | ^^^^^^
          |
          = help: put it into the pipeline that names this one

        warning[RM-0218]: `concurrency` does nothing here: this pipeline runs within another one
         --> inner.yaml:4:1
          |
        4 | concurrency: { key: x, limit: 1 }
          | ^^^^^^^^^^^
          |
          = help: put it into the pipeline that names this one, or onto the stages that must not run at once

        warning[RM-0218]: `triggers` does nothing here: this pipeline runs within another one
         --> inner.yaml:5:1
          |
        5 | triggers: { nightly: { type: schedule, cron: "0 3 * * *" } }
          | ^^^^^^^^
          |
          = help: put it into the pipeline that is to be started by it

        3 warnings
    "#]]
    .assert_eq(&reelmill_spec::render(&diagnostics, &yaml, "p.yaml", false));
}
