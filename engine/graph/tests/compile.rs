//! Compiling: every diagnostic as people see it, and the graphs of whole pipelines.

#![expect(clippy::needless_raw_string_hashes, reason = "expect-test writes them so")]
#![expect(clippy::too_many_lines, reason = "snapshots are long")]

mod support;

use expect_test::{Expect, expect};
use reelmill_graph::compile::load;

/// What is wrong with a pipeline whose stages are these lines.
fn check(stages: &str, expected: &Expect) {
    check_file(&format!("version: 1\nname: p\nstages:\n{stages}"), expected);
}

fn check_file(yaml: &str, expected: &Expect) {
    let (graph, diagnostics) = load(yaml, &support::catalog());
    assert_eq!(graph.is_none(), diagnostics.iter().any(|d| d.severity == reelmill_spec::Severity::Error));
    expected.assert_eq(&reelmill_spec::render(&diagnostics, yaml, "p.yaml", false));
}

#[test]
fn the_pipelines_of_the_tests_compile() {
    for name in ["topic_to_video", "handlers", "inputs", "machines"] {
        let text = std::fs::read_to_string(format!("../spec/tests/pipelines/{name}.yaml")).expect("read");
        let (graph, diagnostics) = load(&text, &support::catalog());
        let shown = reelmill_spec::render(&diagnostics, &text, name, false);
        assert!(graph.is_some() && diagnostics.is_empty(), "{shown}");
    }
}

#[test]
fn plugins() {
    check(
        r#"  a: { uses: tss.speak@1, with: { text: hi } }
  b: { uses: tts.speek@1, with: { text: hi } }
  c: { uses: publish.post@3, with: { videos: [] } }
"#,
        &expect![[r#"
            error[RM-0201]: no plugin `tss` is installed
             --> p.yaml:4:14
              |
            4 |   a: { uses: tss.speak@1, with: { text: hi } }
              |              ^^^^^^^^^^^
              |
              = help: did you mean `tts`?

            error[RM-0202]: plugin `tts` has no stage `speek`
             --> p.yaml:5:14
              |
            5 |   b: { uses: tts.speek@1, with: { text: hi } }
              |              ^^^^^^^^^^^
              |
              = help: did you mean `speak`?

            error[RM-0203]: `publish.post` is not installed with version 3
             --> p.yaml:6:14
              |
            6 |   c: { uses: publish.post@3, with: { videos: [] } }
              |              ^^^^^^^^^^^^^^
              |
              = help: installed: `publish.post@1`, `publish.post@2`

            3 errors
        "#]],
    );
}

#[test]
fn with_values() {
    check(
        r#"  a: { uses: tts.speak@1 }
  b: { uses: tts.speak@1, with: { txt: hi, rate: fast, voice: "${{ 1 }}" } }
  c: { uses: video.encode@1, with: { source: "${{ stages.a.outputs.audio }}", aspect: 16:10 } }
"#,
        &expect![[r#"
            error[RM-0212]: `with` of `tts.speak@1` needs the property `text`
             --> p.yaml:4:14
              |
            4 |   a: { uses: tts.speak@1 }
              |              ^^^^^^^^^^^

            error[RM-0212]: `with` of `tts.speak@1` needs the property `text`
             --> p.yaml:5:27
              |
            5 |   b: { uses: tts.speak@1, with: { txt: hi, rate: fast, voice: "${{ 1 }}" } }
              |                           ^^^^

            error[RM-0212]: `with` of `tts.speak@1` has no property `txt`
             --> p.yaml:5:35
              |
            5 |   b: { uses: tts.speak@1, with: { txt: hi, rate: fast, voice: "${{ 1 }}" } }
              |                                   ^^^
              |
              = help: did you mean `text`?

            error[RM-0212]: `rate` must be a number, this is `fast`
             --> p.yaml:5:50
              |
            5 |   b: { uses: tts.speak@1, with: { txt: hi, rate: fast, voice: "${{ 1 }}" } }
              |                                                  ^^^^

            error[RM-0208]: `voice` must be a text, this is a whole number
             --> p.yaml:5:68
              |
            5 |   b: { uses: tts.speak@1, with: { txt: hi, rate: fast, voice: "${{ 1 }}" } }
              |                                                                    ^
              |
              = help: make it a text: `string(x)`, or write text around `${{ }}`

            error[RM-0212]: `aspect` must be one of `9:16`, `16:9`, `1:1`, this is `16:10`
             --> p.yaml:6:87
              |
            6 |   c: { uses: video.encode@1, with: { source: "${{ stages.a.outputs.audio }}", aspect: 16:10 } }
              |                                                                                       ^^^^^

            6 errors
        "#]],
    );
}

#[test]
fn stages_that_cannot_be_read() {
    check(
        r#"  a: { uses: tts.speak@1, with: { text: hi } }
  g:
    stages:
      inner: { needs: [a], uses: tts.speak@1, with: { text: "${{ stages.g.outputs }}" } }
    outputs: { audio: "${{ stages.a.outputs.audio }}" }
  b: { uses: tts.speak@1, with: { text: "${{ stages.inner.outputs.x }} ${{ stages.aa.outputs.x }}" } }
  c: { uses: tts.speak@1, with: { text: "${{ stages.c.outputs.x }} ${{ stages.a.output.x }}" }, needs: [gg] }
"#,
        &expect![[r#"
            error[RM-0205]: `needs` names stages of its own group; `a` is outside
             --> p.yaml:7:24
              |
            7 |       inner: { needs: [a], uses: tts.speak@1, with: { text: "${{ stages.g.outputs }}" } }
              |                        ^
              |
              = help: put `needs` on the group instead

            error[RM-0205]: stage `g` is the one around this stage
             --> p.yaml:7:73
              |
            7 |       inner: { needs: [a], uses: tts.speak@1, with: { text: "${{ stages.g.outputs }}" } }
              |                                                                         ^
              |
              = help: a stage has outputs only when it has ended; read the stages beside this one

            error[RM-0205]: `outputs` of a group cannot read stage `a`, which is outside of it
             --> p.yaml:8:35
              |
            8 |     outputs: { audio: "${{ stages.a.outputs.audio }}" }
              |                                   ^
              |
              = help: read it in a stage inside and put out what that stage puts out

            error[RM-0205]: stage `inner` cannot be read from here: it is `g.inner`
             --> p.yaml:9:53
              |
            7 |       inner: { needs: [a], uses: tts.speak@1, with: { text: "${{ stages.g.outputs }}" } }
              |       ----- it stands here
            8 |     outputs: { audio: "${{ stages.a.outputs.audio }}" }
            9 |   b: { uses: tts.speak@1, with: { text: "${{ stages.inner.outputs.x }} ${{ stages.aa.outputs.x }}" } }
              |                                                     ^^^^^
              |
              = help: put it out in `outputs` of `g` and read `stages.g.outputs`

            error[RM-0204]: there is no stage `aa`
             --> p.yaml:9:83
              |
            9 |   b: { uses: tts.speak@1, with: { text: "${{ stages.inner.outputs.x }} ${{ stages.aa.outputs.x }}" } }
              |                                                                                   ^^
              |
              = help: did you mean `a`?

            error[RM-0205]: stage `c` reads itself
              --> p.yaml:10:53
               |
            10 |   c: { uses: tts.speak@1, with: { text: "${{ stages.c.outputs.x }} ${{ stages.a.output.x }}" }, needs: [gg] }
               |                                                     ^
               |
               = help: a stage has outputs only when it has ended; read the stages beside this one

            error[RM-0211]: a stage has no `output`
              --> p.yaml:10:81
               |
            10 |   c: { uses: tts.speak@1, with: { text: "${{ stages.c.outputs.x }} ${{ stages.a.output.x }}" }, needs: [gg] }
               |                                                                                 ^^^^^^
               |
               = help: did you mean `stages.a.outputs`?

            error[RM-0204]: there is no stage `gg`
              --> p.yaml:10:105
               |
            10 |   c: { uses: tts.speak@1, with: { text: "${{ stages.c.outputs.x }} ${{ stages.a.output.x }}" }, needs: [gg] }
               |                                                                                                         ^^
               |
               = help: did you mean `g`?

            8 errors
        "#]],
    );
}

#[test]
fn cycles() {
    check(
        r#"  a: { uses: tts.speak@1, with: { text: "${{ stages.c.state }}" } }
  b: { uses: tts.speak@1, with: { text: hi }, needs: [a] }
  c:
    stages:
      d: { uses: tts.speak@1, with: { text: "${{ stages.b.outputs.audio }}" } }
  e: { uses: tts.speak@1, with: { text: hi }, needs: [b, f] }
  f: { uses: tts.speak@1, with: { text: hi }, needs: [e] }
"#,
        &expect![[r#"
            error[RM-0206]: stages wait for each other: a → c → b → a
             --> p.yaml:4:53
              |
            4 |   a: { uses: tts.speak@1, with: { text: "${{ stages.c.state }}" } }
              |                                                     ^ `a` waits for `c`
            5 |   b: { uses: tts.speak@1, with: { text: hi }, needs: [a] }
              |                                                       - `b` waits for `a`
            ...
            8 |       d: { uses: tts.speak@1, with: { text: "${{ stages.b.outputs.audio }}" } }
              |                                                         - `c` waits for `b`
              |
              = help: remove one of these `needs` or references

            error[RM-0208]: `text` must be a text, this is a map
             --> p.yaml:8:50
              |
            8 |       d: { uses: tts.speak@1, with: { text: "${{ stages.b.outputs.audio }}" } }
              |                                                  ^^^^^^^^^^^^^^^^^^^^^^
              |
              = help: make it a text: `string(x)`, or write text around `${{ }}`

            error[RM-0206]: stages wait for each other: e → f → e
              --> p.yaml:9:58
               |
             9 |   e: { uses: tts.speak@1, with: { text: hi }, needs: [b, f] }
               |                                                          ^ `e` waits for `f`
            10 |   f: { uses: tts.speak@1, with: { text: hi }, needs: [e] }
               |                                                       - `f` waits for `e`
               |
               = help: remove one of these `needs` or references

            3 errors
        "#]],
    );
}

#[test]
fn contexts_and_names() {
    check_file(
        r#"version: 1
name: p
inputs: { topic: { type: string } }
vars: { x: "${{ vars.y }}", y: "${{ stages.a.outputs }}" }
secrets: [key]
stages:
  a:
    for_each: { in: "inputs.topics", key: item.id + string(index) }
    if: item == 1
    uses: tts.speak@1
    with: { text: "${{ item + matrix.a + failure.stage + self.x + trigger.x }}", voice: "${{ secrets.kee }}", api_key: "x${{ secrets.key }}" }
  m:
    matrix: { aspect: [a, b] }
    uses: tts.speak@1
    with: { text: "${{ matrix.aspct + run.idd }}", api_key: "${{ secrets.key }}" }
on_failure:
  tell: { uses: notify.webhook@1, with: { text: "${{ failure.reason + attempt.no }}" } }
"#,
        &expect![[r#"
            error[RM-0210]: no variable before this one is `y`
             --> p.yaml:4:22
              |
            4 | vars: { x: "${{ vars.y }}", y: "${{ stages.a.outputs }}" }
              |                      ^
              |
              = help: there are none

            error[RM-0205]: variables cannot read stages: they are known before any has run
             --> p.yaml:4:44
              |
            4 | vars: { x: "${{ vars.y }}", y: "${{ stages.a.outputs }}" }
              |                                            ^
              |
              = help: read the stage where the variable is used

            error[RM-0210]: the pipeline has no input `topics`
             --> p.yaml:8:29
              |
            8 |     for_each: { in: "inputs.topics", key: item.id + string(index) }
              |                             ^^^^^^
              |
              = help: did you mean `topic`?

            error[RM-0209]: `item` exists within a stage with `for_each` only
             --> p.yaml:9:9
              |
            9 |     if: item == 1
              |         ^^^^
              |
              = help: add a `for_each`; its own `in` and `if` come before its items

            error[RM-0209]: `matrix` exists within a stage with `matrix` only
              --> p.yaml:11:31
               |
            11 |     with: { text: "${{ item + matrix.a + failure.stage + self.x + trigger.x }}", voice: "${{ secrets.kee }}", api_key: "x${{ secrets...
               |                               ^^^^^^
               |
               = help: add a `matrix`

            error[RM-0209]: `failure` exists in `on_failure` only
              --> p.yaml:11:42
               |
            11 |     with: { text: "${{ item + matrix.a + failure.stage + self.x + trigger.x }}", voice: "${{ secrets.kee }}", api_key: "x${{ secrets...
               |                                          ^^^^^^^
               |
               = help: move the stage there

            error[RM-0209]: `self` exists in `compensate` only
              --> p.yaml:11:58
               |
            11 |     with: { text: "${{ item + matrix.a + failure.stage + self.x + trigger.x }}", voice: "${{ secrets.kee }}", api_key: "x${{ secrets...
               |                                                          ^^^^
               |
               = help: read a stage by its name

            error[RM-0111]: `trigger` is part of the language but not available yet
              --> p.yaml:11:67
               |
            11 |     with: { text: "${{ item + matrix.a + failure.stage + self.x + trigger.x }}", voice: "${{ secrets.kee }}", api_key: "x${{ secrets...
               |                                                                   ^^^^^^^
               |
               = help: use an input

            error[RM-0214]: secret `kee` is not declared
              --> p.yaml:11:94
               |
            11 |     with: { text: "${{ item + matrix.a + failure.stage + self.x + trigger.x }}", voice: "${{ secrets.kee }}", api_key: "x${{ secrets...
               |                                                                                              ^^^^^^^^^^^
               |
               = help: did you mean `key`?

            error[RM-0213]: a secret can only be a whole value of `with`
              --> p.yaml:11:126
               |
            11 | ...+ trigger.x }}", voice: "${{ secrets.kee }}", api_key: "x${{ secrets.key }}" }
               |                                                                 ^^^^^^^
               |
               = help: give it to a stage as a whole value of `with`: `key: ${{ secrets.name }}`

            error[RM-0209]: the matrix has no `aspct`
              --> p.yaml:15:31
               |
            15 |     with: { text: "${{ matrix.aspct + run.idd }}", api_key: "${{ secrets.key }}" }
               |                               ^^^^^
               |
               = help: did you mean `aspect`?

            error[RM-0209]: `run` has no `idd`
              --> p.yaml:15:43
               |
            15 |     with: { text: "${{ matrix.aspct + run.idd }}", api_key: "${{ secrets.key }}" }
               |                                           ^^^
               |
               = help: did you mean `id`?

            error[RM-0209]: `failure` has no `reason`
              --> p.yaml:17:62
               |
            17 |   tell: { uses: notify.webhook@1, with: { text: "${{ failure.reason + attempt.no }}" } }
               |                                                              ^^^^^^
               |
               = help: known: `stage`, `class`, `code`, `message`

            error[RM-0209]: `attempt` has no `no`
              --> p.yaml:17:79
               |
            17 |   tell: { uses: notify.webhook@1, with: { text: "${{ failure.reason + attempt.no }}" } }
               |                                                                               ^^
               |
               = help: known: `number`

            14 errors
        "#]],
    );
}

#[test]
fn matrices() {
    check(
        r#"  a: { uses: tts.speak@1, with: { text: hi }, matrix: { x: [1, 2], exclude: [{ x: 1 }, { x: 2 }] } }
  b: { uses: tts.speak@1, with: { text: hi }, matrix: { x: [1, 1] } }
  c: { uses: tts.speak@1, with: { text: hi }, matrix: { x: ["${{ inputs.a }}"] } }
"#,
        &expect![[r#"
            error[RM-0215]: the matrix has no combination
             --> p.yaml:4:47
              |
            4 |   a: { uses: tts.speak@1, with: { text: hi }, matrix: { x: [1, 2], exclude: [{ x: 1 }, { x: 2 }] } }
              |                                               ^^^^^^
              |
              = help: name values, or leave out less

            error[RM-0215]: two combinations have the key `1`
             --> p.yaml:5:47
              |
            5 |   b: { uses: tts.speak@1, with: { text: hi }, matrix: { x: [1, 1] } }
              |                                               ^^^^^^
              |
              = help: remove one of them

            error[RM-0215]: a matrix cannot have expressions
             --> p.yaml:6:61
              |
            6 |   c: { uses: tts.speak@1, with: { text: hi }, matrix: { x: ["${{ inputs.a }}"] } }
              |                                                             ^^^^^^^^^^^^^^^^^
              |
              = help: write the values out; for values known only at run time use `for_each`

            3 errors
        "#]],
    );
}

#[test]
fn broken_expressions() {
    check(
        r#"  a: { if: "1 +", uses: tts.speak@1, with: { text: "${{ foo.bar }}" } }
"#,
        &expect![[r#"
            error[RM-0207]: the expression ends too early
             --> p.yaml:4:16
              |
            4 |   a: { if: "1 +", uses: tts.speak@1, with: { text: "${{ foo.bar }}" } }
              |                ^

            error[RM-0207]: `foo` is not known here
             --> p.yaml:4:57
              |
            4 |   a: { if: "1 +", uses: tts.speak@1, with: { text: "${{ foo.bar }}" } }
              |                                                         ^
              |
              = help: an expression reads inputs, vars, secrets, stages, item, index, matrix, run, trigger, attempt, self, failure; text goes into quotes

            2 errors
        "#]],
    );
}

#[test]
fn types() {
    check_file(
        r#"version: 1
name: p
inputs: { n: { type: int, default: 1 }, wait: { type: duration, default: 1s } }
vars: { t: "x${{ inputs.n }}" }
stages:
  write:
    uses: script.write@1
    with: { topic: "${{ inputs.n }}", scenes: "${{ inputs.n }}0", language: "${{ vars.t }}" }
    if: inputs.n
  scene:
    for_each: { in: stages.write.outputs.scenes, key: item.keywords }
    if: stages.write.outputs.titel == 'a'
    uses: tts.speak@1
    with: { text: "${{ item.narrations }}", rate: "${{ inputs.wait }}", voice: "${{ item.id }}" }
  grouped:
    stages:
      clip: { uses: video.clip@1, with: { audio: "${{ stages.scene.outputs.audio }}" } }
    outputs: { video: "${{ stages.clip.outputs.video }}" }
  last:
    for_each: { in: stages.grouped.outputs.video }
    uses: video.thumbnail@1
    with: { source: "${{ stages.grouped.outputs.clip }}", at: "${{ stages.scene.outputs.map(s, s.sound) }}" }
"#,
        &expect![[r#"
            error[RM-0208]: `topic` must be a text, this is a whole number
             --> p.yaml:8:25
              |
            8 |     with: { topic: "${{ inputs.n }}", scenes: "${{ inputs.n }}0", language: "${{ vars.t }}" }
              |                         ^^^^^^^^
              |
              = help: make it a text: `string(x)`, or write text around `${{ }}`

            error[RM-0208]: `scenes` must be a whole number, this is a text
             --> p.yaml:8:47
              |
            8 |     with: { topic: "${{ inputs.n }}", scenes: "${{ inputs.n }}0", language: "${{ vars.t }}" }
              |                                               ^^^^^^^^^^^^^^^^^^
              |
              = help: convert it: `int(x)` or `double(x)`; an expression within text is text

            error[RM-0208]: `if` must be a bool, this is a whole number
             --> p.yaml:9:9
              |
            9 |     if: inputs.n
              |         ^^^^^^^^
              |
              = help: compare it with something: `x == 'a'`

            error[RM-0208]: `for_each.key` must be a text or a whole number, this is a list
              --> p.yaml:11:55
               |
            11 |     for_each: { in: stages.write.outputs.scenes, key: item.keywords }
               |                                                       ^^^^^^^^^^^^^
               |
               = help: use a member that names the item

            error[RM-0211]: `titel` is no output of script.write@1
              --> p.yaml:12:30
               |
            12 |     if: stages.write.outputs.titel == 'a'
               |                              ^^^^^
               |
               = help: did you mean `title`?

            error[RM-0208]: `narrations` is no member of the item
              --> p.yaml:14:29
               |
            14 |     with: { text: "${{ item.narrations }}", rate: "${{ inputs.wait }}", voice: "${{ item.id }}" }
               |                             ^^^^^^^^^^
               |
               = help: did you mean `narration`?

            error[RM-0211]: a list has no member `audio`
              --> p.yaml:17:76
               |
            17 |       clip: { uses: video.clip@1, with: { audio: "${{ stages.scene.outputs.audio }}" } }
               |                                                                            ^^^^^
               |
               = help: take one element, or `.map(x, x.audio)`

            error[RM-0208]: `for_each.in` must be a list, this is a map
              --> p.yaml:20:21
               |
            20 |     for_each: { in: stages.grouped.outputs.video }
               |                     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^
               |
               = help: read a list, or write one: `[a, b]`

            error[RM-0211]: `clip` is no output of `grouped`
              --> p.yaml:22:49
               |
            22 |     with: { source: "${{ stages.grouped.outputs.clip }}", at: "${{ stages.scene.outputs.map(s, s.sound) }}" }
               |                                                 ^^^^
               |
               = help: known: `video`

            error[RM-0208]: `sound` is no output of tts.speak@1
              --> p.yaml:22:98
               |
            22 |     with: { source: "${{ stages.grouped.outputs.clip }}", at: "${{ stages.scene.outputs.map(s, s.sound) }}" }
               |                                                                                                  ^
               |
               = help: known: `audio`

            10 errors
        "#]],
    );
}

#[test]
fn inputs_that_may_be_missing() {
    check_file(
        r#"version: 1
name: p
inputs: { a: { type: string, required: false }, b: { type: string, required: false }, c: { type: string } }
stages:
  s:
    uses: tts.speak@1
    with: { text: "${{ inputs.a + inputs.c }}", voice: "${{ has(inputs.b) ? inputs.b : inputs.?a.orValue('x') }}" }
"#,
        &expect![[r#"
            warning[RM-0216]: input `a` is not required and may be missing here
             --> p.yaml:7:31
              |
            7 |     with: { text: "${{ inputs.a + inputs.c }}", voice: "${{ has(inputs.b) ? inputs.b : inputs.?a.orValue('x') }}" }
              |                               ^
              |
              = help: write `inputs.?a.orValue(null)`, or give the input a default

            1 warning
        "#]],
    );
}

#[test]
fn every_code_of_compiling_has_a_case() {
    let cases = concat!(include_str!("compile.rs"), include_str!("pipelines.rs"));
    for code in reelmill_spec::Code::ALL.iter().filter(|code| code.id() > "RM-0200") {
        assert!(cases.contains(&format!("[{}]", code.id())), "{}: {}", code.id(), code.title());
    }
}

#[test]
fn compensations() {
    check(
        r#"  source: { uses: script.write@1, with: { topic: x } }
  post:
    for_each: { in: stages.source.outputs.scenes, key: item.id }
    uses: publish.post@1
    with: { videos: [] }
    compensate:
      uses: notify.webhook@1
      with: { text: "${{ self.outputs.id + item.id + stages.source.outputs.title }}" }
  wrong:
    uses: publish.post@1
    with: { videos: "${{ self.outputs.id }}" }
    compensate: { uses: notify.webhook@1, with: { text: "${{ self.outputs.ip + self.state + item.id }}" } }
  unknown: { uses: publish.post@1, with: { videos: [] }, compensate: { uses: notify.webhooks@1, with: { text: a } } }
  values: { uses: publish.post@1, with: { videos: [] }, compensate: { uses: notify.webhook@1, with: { txt: a } } }
"#,
        &expect![[r#"
            error[RM-0209]: `self` exists in `compensate` only
              --> p.yaml:14:26
               |
            14 |     with: { videos: "${{ self.outputs.id }}" }
               |                          ^^^^
               |
               = help: read a stage by its name

            error[RM-0209]: `self` has no `state`
              --> p.yaml:15:85
               |
            15 |     compensate: { uses: notify.webhook@1, with: { text: "${{ self.outputs.ip + self.state + item.id }}" } }
               |                                                                                     ^^^^^
               |
               = help: known: `outputs`

            error[RM-0209]: `item` exists within a stage with `for_each` only
              --> p.yaml:15:93
               |
            15 |     compensate: { uses: notify.webhook@1, with: { text: "${{ self.outputs.ip + self.state + item.id }}" } }
               |                                                                                             ^^^^
               |
               = help: add a `for_each`; its own `in` and `if` come before its items

            error[RM-0202]: plugin `notify` has no stage `webhooks`
              --> p.yaml:16:78
               |
            16 |   unknown: { uses: publish.post@1, with: { videos: [] }, compensate: { uses: notify.webhooks@1, with: { text: a } } }
               |                                                                              ^^^^^^^^^^^^^^^^^
               |
               = help: did you mean `webhook`?

            error[RM-0212]: `with` of `notify.webhook@1` needs the property `text`
              --> p.yaml:17:95
               |
            17 |   values: { uses: publish.post@1, with: { videos: [] }, compensate: { uses: notify.webhook@1, with: { txt: a } } }
               |                                                                                               ^^^^

            error[RM-0212]: `with` of `notify.webhook@1` has no property `txt`
              --> p.yaml:17:103
               |
            17 |   values: { uses: publish.post@1, with: { videos: [] }, compensate: { uses: notify.webhook@1, with: { txt: a } } }
               |                                                                                                       ^^^
               |
               = help: did you mean `text`?

            6 errors
        "#]],
    );
}

#[test]
fn limit_keys() {
    check_file(
        r#"version: 1
name: p
inputs: { topics: { type: array } }
secrets: [tts_key]
unique: { key: "${{ inputs.topics }}" }
concurrency: { key: "${{ stages.a.outputs.title }}", limit: 1 }
stages:
  a:
    uses: tts.speak@1
    with: { text: hi }
    rate_limit: { key: "${{ secrets.tts_key }}", limit: 1, per: 1s }
    concurrency: { key: "a-${{ item.id }}-${{ stages.b.outputs.nothing }}", limit: 1 }
  b: { uses: tts.speak@1, with: { text: hi } }
"#,
        &expect![[r#"
            error[RM-0208]: a key must be a text or a whole number, this is a list
             --> p.yaml:5:21
              |
            5 | unique: { key: "${{ inputs.topics }}" }
              |                     ^^^^^^^^^^^^^
              |
              = help: make it a text: write text around `${{ }}`

            error[RM-0205]: this key cannot read stages: it is known before any has run
             --> p.yaml:6:33
              |
            6 | concurrency: { key: "${{ stages.a.outputs.title }}", limit: 1 }
              |                                 ^
              |
              = help: use `inputs`, `vars` and `run`

            error[RM-0213]: a secret cannot be a part of a key
              --> p.yaml:11:29
               |
            11 |     rate_limit: { key: "${{ secrets.tts_key }}", limit: 1, per: 1s }
               |                             ^^^^^^^
               |
               = help: name the account or the service in words: keys are shown to people

            error[RM-0209]: `item` exists within a stage with `for_each` only
              --> p.yaml:12:32
               |
            12 |     concurrency: { key: "a-${{ item.id }}-${{ stages.b.outputs.nothing }}", limit: 1 }
               |                                ^^^^
               |
               = help: add a `for_each`; its own `in` and `if` come before its items

            error[RM-0211]: `nothing` is no output of tts.speak@1
              --> p.yaml:12:64
               |
            12 |     concurrency: { key: "a-${{ item.id }}-${{ stages.b.outputs.nothing }}", limit: 1 }
               |                                                                ^^^^^^^
               |
               = help: known: `audio`

            5 errors
        "#]],
    );
}
