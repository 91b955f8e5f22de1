//! Every diagnostic of the language, as people see it.

#![expect(clippy::needless_raw_string_hashes, reason = "expect-test writes them so")]
#![expect(clippy::too_many_lines, reason = "snapshots are long")]

use expect_test::{Expect, expect};
use std::fmt::Write as _;

fn check(yaml: &str, expected: &Expect) {
    let (_, diagnostics) = reelmill_spec::parse(yaml);
    expected.assert_eq(&reelmill_spec::render(&diagnostics, yaml, "p.yaml", false));
}

#[test]
fn six_mistakes_at_once() {
    check(
        r#"version: 1
name: My-Video
stages:
  script: { use: script.write@1, with: { topic: no } }
  clip:
    uses: video.clip@1
    timeout: 10
    priority: 12
    if: a ${{ b }}
    with: { a: '${{ x' }
    with: { b: 1 }
"#,
        &expect![[r#"
            error[RM-0107]: `My-Video` is no id
             --> p.yaml:2:7
              |
            2 | name: My-Video
              |       ^^^^^^^^
              |
              = help: small letters, digits and `_`, a letter first: `my_video`

            error[RM-0109]: stage `script` does nothing
             --> p.yaml:4:3
              |
            4 |   script: { use: script.write@1, with: { topic: no } }
              |   ^^^^^^
              |
              = help: give it exactly one of `uses`, `stages`, `pipeline` or `approval`

            error[RM-0103]: a stage has no key `use`
             --> p.yaml:4:13
              |
            4 |   script: { use: script.write@1, with: { topic: no } }
              |             ^^^
              |
              = help: did you mean `uses`?

            error[RM-0106]: `timeout` is 10, without a unit
             --> p.yaml:7:14
              |
            7 |     timeout: 10
              |              ^^
              |
              = help: for example `90s`, `10m` or `1h30m`

            error[RM-0106]: `priority` is 12
             --> p.yaml:8:15
              |
            8 |     priority: 12
              |               ^^
              |
              = help: a whole number from 0 to 9

            error[RM-0113]: text around `${{ }}`: this must be one expression
             --> p.yaml:9:9
              |
            9 |     if: a ${{ b }}
              |         ^^^^^^^^^^
              |
              = help: write the whole as one expression, without `${{ }}`

            error[RM-0112]: `${{` without its `}}`
              --> p.yaml:10:17
               |
            10 |     with: { a: '${{ x' }
               |                 ^^^ opened here
               |
               = help: close it with `}}`; for the characters themselves write `${{ '${{' }}`

            error[RM-0102]: key `with` is written twice
              --> p.yaml:11:5
               |
            10 |     with: { a: '${{ x' }
               |     ---- first here
            11 |     with: { b: 1 }
               |     ^^^^ again here
               |
               = help: remove or rename one of them

            8 errors
        "#]],
    );
}

#[test]
fn every_code_of_the_language_has_a_case() {
    let cases = include_str!("diagnostics.rs");
    for code in reelmill_spec::Code::ALL.iter().filter(|code| code.id() < "RM-0200") {
        assert!(cases.contains(&format!("[{}]", code.id())), "{}: {}", code.id(), code.title());
    }
}

#[test]
fn broken_yaml_stops_and_says_where() {
    check(
        "version: 1\nname: [a\nstages: {}\n",
        &expect![[r#"
        error[RM-0101]: this is not YAML: illegal placement of ':' indicator
         --> p.yaml:3:7
          |
        3 | stages: {}
          |       ^ reading stopped here
          |
          = help: check indentation, quotes and brackets here and in the line above

        1 error
    "#]],
    );
    check(
        "version: 1\nname: p\n\tstages: 1\n",
        &expect![[r#"
        error[RM-0101]: this is not YAML: while scanning a plain scalar, found a tab
         --> p.yaml:2:7
          |
        2 | name: p
          |       ^ reading stopped here
          |
          = help: check indentation, quotes and brackets here and in the line above

        1 error
    "#]],
    );
}

#[test]
fn parts_of_yaml_that_are_not_used() {
    check(
        r#"version: 1
name: !name p
stages:
  a: &a { uses: x.y@1 }
  b: { <<: *a, "${{ k }}": 1 }
  c: *a
---
second: 1
"#,
        &expect![[r#"
            error[RM-0116]: YAML tags are not part of the language: `!name`
             --> p.yaml:2:13
              |
            2 | name: !name p
              |             ^
              |
              = help: remove the tag; quote the value to make it text

            error[RM-0109]: stage `b` does nothing
             --> p.yaml:5:3
              |
            5 |   b: { <<: *a, "${{ k }}": 1 }
              |   ^
              |
              = help: give it exactly one of `uses`, `stages`, `pipeline` or `approval`

            error[RM-0116]: merge keys (`<<`) are not part of the language
             --> p.yaml:5:8
              |
            5 |   b: { <<: *a, "${{ k }}": 1 }
              |        ^^
              |
              = help: use `defaults` for what stages share

            error[RM-0116]: a key cannot have an expression
             --> p.yaml:5:16
              |
            5 |   b: { <<: *a, "${{ k }}": 1 }
              |                ^^^^^^^^^^
              |
              = help: write expressions in values only

            error[RM-0116]: the file has a second document
             --> p.yaml:7:1
              |
            7 | ---
              | ^^^
              |
              = help: write one pipeline a file; remove what follows `---`

            5 errors
        "#]],
    );
}

#[test]
fn limits() {
    check(
        r#"version: 1
name: p
unique: { window: 0s, on_conflict: ignore }
concurrency: { key: "", limit: 0 }
stages:
  a:
    uses: x.y@1
    rate_limit: { key: tts, limit: 0, per: 1 minute, burst: 1.5 }
    concurrency: { key: gpu, limit: 2, on_limit: reject }
  b: { uses: x.y@1, rate_limit: { key: tts, limit: 1000000, per: 1s } }
  c: { uses: x.y@1, rate_limit: { key: tts, limit: 1, per: 1000h } }
  d: { approval: {}, rate_limit: { key: tts, limit: 1, per: 1s } }
  e: { stages: { f: { uses: x.y@1 } }, concurrency: { key: gpu, limit: 1 } }
"#,
        &expect![[r#"
            error[RM-0104]: `unique` needs the key `key`
             --> p.yaml:3:11
              |
            3 | unique: { window: 0s, on_conflict: ignore }
              |           ^^^^^^
              |
              = help: Runs with the same key are the same.

            error[RM-0106]: `0s` is not a duration
             --> p.yaml:3:19
              |
            3 | unique: { window: 0s, on_conflict: ignore }
              |                   ^^
              |
              = help: for example `90s`, `10m` or `1h30m`

            error[RM-0106]: `on_conflict` cannot be `ignore`
             --> p.yaml:3:36
              |
            3 | unique: { window: 0s, on_conflict: ignore }
              |                                    ^^^^^^
              |
              = help: known: `existing`, `reject`, `replace`

            error[RM-0106]: `key` is empty
             --> p.yaml:4:21
              |
            4 | concurrency: { key: "", limit: 0 }
              |                     ^^
              |
              = help: write a text

            error[RM-0106]: `limit` is 0
             --> p.yaml:4:32
              |
            4 | concurrency: { key: "", limit: 0 }
              |                                ^
              |
              = help: a whole number from 1 to 100000

            error[RM-0106]: `limit` is 0
             --> p.yaml:8:36
              |
            8 |     rate_limit: { key: tts, limit: 0, per: 1 minute, burst: 1.5 }
              |                                    ^
              |
              = help: a whole number from 1 to 1000000

            error[RM-0106]: `1 minute` is not a duration
             --> p.yaml:8:44
              |
            8 |     rate_limit: { key: tts, limit: 0, per: 1 minute, burst: 1.5 }
              |                                            ^^^^^^^^
              |
              = help: for example `90s`, `10m` or `1h30m`

            error[RM-0106]: `burst` is 1.5
             --> p.yaml:8:61
              |
            8 |     rate_limit: { key: tts, limit: 0, per: 1 minute, burst: 1.5 }
              |                                                             ^^^
              |
              = help: a whole number from 1 to 1000000

            error[RM-0106]: `on_limit` cannot be `reject`
             --> p.yaml:9:50
              |
            9 |     concurrency: { key: gpu, limit: 2, on_limit: reject }
              |                                                  ^^^^^^
              |
              = help: known: `queue`, `round_robin`

            error[RM-0108]: a rate of more than 100000 starts a second is no limit
              --> p.yaml:10:66
               |
            10 |   b: { uses: x.y@1, rate_limit: { key: tts, limit: 1000000, per: 1s } }
               |                                                                  ^^
               |
               = help: make `per` longer, or remove `rate_limit`

            error[RM-0108]: `per` is longer than 31 days
              --> p.yaml:11:60
               |
            11 |   c: { uses: x.y@1, rate_limit: { key: tts, limit: 1, per: 1000h } }
               |                                                            ^^^^^
               |
               = help: make it shorter, with a smaller `limit`

            error[RM-0110]: `rate_limit` has no meaning for an approval
              --> p.yaml:12:22
               |
            12 |   d: { approval: {}, rate_limit: { key: tts, limit: 1, per: 1s } }
               |                      ^^^^^^^^^^
               |
               = help: put it on a stage with `uses`: that is what starts

            error[RM-0110]: `concurrency` has no meaning for a group
              --> p.yaml:13:40
               |
            13 |   e: { stages: { f: { uses: x.y@1 } }, concurrency: { key: gpu, limit: 1 } }
               |                                        ^^^^^^^^^^^
               |
               = help: put it on a stage with `uses`: that is what starts

            13 errors
        "#]],
    );
}

#[test]
fn limits_on_aliases_and_nesting() {
    let mut bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (name, of) in ["b", "c", "d", "e", "f", "g"].iter().zip(["a", "b", "c", "d", "e", "f"]) {
        let _ = writeln!(bomb, "{name}: &{name} [{}]", vec![format!("*{of}"); 9].join(", "));
    }
    check(
        &bomb,
        &expect![[r#"
        error[RM-0108]: the file has more than 100000 values once its aliases are followed
         --> p.yaml:6:8
          |
        6 | f: &f [*e, *e, *e, *e, *e, *e, *e, *e, *e]
          |        ^^
          |
          = help: move large data into files and pass them as inputs

        1 error
    "#]],
    );
    check(
        &format!("a: {}{}", "[".repeat(70), "]".repeat(70)),
        &expect![[r#"
        error[RM-0108]: values are nested deeper than 64 levels
         --> p.yaml:1:67
          |
        1 | a: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]...
          |                                                                   ^
          |
          = help: move large data into files and pass them as inputs

        1 error
    "#]],
    );
    let long = format!("a: {}", "x".repeat(1 << 20));
    let (spec, found) = reelmill_spec::parse(&long);
    assert!(spec.is_none() && found[0].code == reelmill_spec::Code::LimitExceeded, "{found:?}");
}

#[test]
fn a_file_that_is_no_map() {
    check(
        "- 1\n",
        &expect![[r#"
        error[RM-0105]: a pipeline must be a map, this is a list
         --> p.yaml:1:1
          |
        1 | - 1
          | ^^^

        1 error
    "#]],
    );
    check(
        "",
        &expect![[r#"
        error[RM-0105]: a pipeline must be a map, this is nothing
         --> p.yaml:1:1
          |
        1 |
          | ^
          |
          = help: give it a value or remove the key

        1 error
    "#]],
    );
}

#[test]
fn what_is_not_available_yet_is_refused_once_each() {
    check(
        r#"version: 1
name: p
unique: { key: "${{ inputs.a }}", window: 24h, on_conflict: existing }
concurrency: { key: k, limit: 4, on_limit: round_robbin }
triggers:
  nightly: { type: schedule, cron: "0 3 * * *" }
stages:
  a:
    uses: x.y@1
    runs_on: { gpu: 1, vram: 6Gi, fallback: cpu }
    rate_limit: { key: tts, limit: 60, per: 1m }
    retry: { max_attempts: 2, escalate: { vram: 2, scratch: 2 } }
    compensate: { uses: x.z@1 }
  b: { approval: { roles: [editor], timeout: 24h } }
  c: { pipeline: other@1 }
"#,
        &expect![[r#"
            error[RM-0106]: `on_limit` cannot be `round_robbin`
             --> p.yaml:4:44
              |
            4 | concurrency: { key: k, limit: 4, on_limit: round_robbin }
              |                                            ^^^^^^^^^^^^
              |
              = help: did you mean `round_robin`?

            error[RM-0111]: `scratch` is part of the language but not available yet
              --> p.yaml:12:52
               |
            12 |     retry: { max_attempts: 2, escalate: { vram: 2, scratch: 2 } }
               |                                                    ^^^^^^^
               |
               = help: remove it: ignoring it would run something else than what is written

            2 errors
        "#]],
    );
}

#[test]
fn stages_that_are_not_one_thing() {
    check(
        r#"version: 1
name: p
stages:
  none: { with: { a: 1 } }
  both: { uses: x.y@1, stages: { a: { uses: x.y@1 } } }
  group: { stages: { a: { uses: x.y@1 } }, with: { a: 1 }, retry: 2 }
  outs: { uses: x.y@1, outputs: { a: 1 } }
  fans: { uses: x.y@1, for_each: { in: a, min_success: 90% }, matrix: { x: [1] } }
  empty: { stages: {} }
  no-id: { uses: x.y@1 }
  list: [1]
"#,
        &expect![[r#"
            error[RM-0109]: stage `none` does nothing
             --> p.yaml:4:3
              |
            4 |   none: { with: { a: 1 } }
              |   ^^^^
              |
              = help: give it exactly one of `uses`, `stages`, `pipeline` or `approval`

            error[RM-0109]: stage `both` has both `uses` and `stages`
             --> p.yaml:5:24
              |
            5 |   both: { uses: x.y@1, stages: { a: { uses: x.y@1 } } }
              |           ----         ^^^^^^
              |           |
              |           the first
              |
              = help: a stage has exactly one of `uses`, `stages`, `pipeline` and `approval`; make two stages

            error[RM-0110]: `with` has no meaning for a group
             --> p.yaml:6:44
              |
            6 |   group: { stages: { a: { uses: x.y@1 } }, with: { a: 1 }, retry: 2 }
              |                                            ^^^^
              |
              = help: put it on the stages inside, or into the pipeline's `defaults`

            error[RM-0110]: `retry` has no meaning for a group
             --> p.yaml:6:60
              |
            6 |   group: { stages: { a: { uses: x.y@1 } }, with: { a: 1 }, retry: 2 }
              |                                                            ^^^^^
              |
              = help: put it on the stages inside, or into the pipeline's `defaults`

            error[RM-0110]: `outputs` belongs to a stage with `stages`
             --> p.yaml:7:24
              |
            7 |   outs: { uses: x.y@1, outputs: { a: 1 } }
              |                        ^^^^^^^
              |
              = help: its outputs are those of the plugin; remove the key, or make a group with `stages`

            error[RM-0110]: `for_each` and `matrix` on one stage
             --> p.yaml:8:63
              |
            8 |   fans: { uses: x.y@1, for_each: { in: a, min_success: 90% }, matrix: { x: [1] } }
              |                        -------- the other one                 ^^^^^^
              |
              = help: make a group with one of them around a stage with the other

            error[RM-0106]: `stages` of stage `empty` has no stages
             --> p.yaml:9:12
              |
            9 |   empty: { stages: {} }
              |            ^^^^^^
              |
              = help: add one with `uses`, or remove the key

            error[RM-0107]: `no-id` is no id
              --> p.yaml:10:3
               |
            10 |   no-id: { uses: x.y@1 }
               |   ^^^^^
               |
               = help: small letters, digits and `_`, a letter first: `no_id`

            error[RM-0105]: a stage must be a map, this is a list
              --> p.yaml:11:9
               |
            11 |   list: [1]
               |         ^^^

            9 errors
        "#]],
    );
}

#[test]
fn values_of_the_wrong_kind() {
    check(
        r#"version: 2
name: 7
labels: [a]
stages:
  a:
    uses: x.y
    needs: b
    if: 3
    allow_failure: no
    priority: 1.5
    cache: alwais
    timeout: { run: 10 minutes, idl: 5s }
    retry: { max_attempts: 0, initial: 1m, max: 1s, on: [oom, ohm] }
    for_each: { in: "", max_parallel: 0, min_success: 200% }
  b: { uses: x.y@1, with: }
  c: { uses: x.y@1, retry: 99999999999999999999 }
"#,
        &expect![[r#"
            error[RM-0106]: `version` is 2
             --> p.yaml:1:10
              |
            1 | version: 2
              |          ^
              |
              = help: must be 1

            error[RM-0105]: `name` must be an id, this is a number
             --> p.yaml:2:7
              |
            2 | name: 7
              |       ^

            error[RM-0105]: `labels` must be a map, this is a list
             --> p.yaml:3:9
              |
            3 | labels: [a]
              |         ^^^

            error[RM-0106]: `x.y` does not name a plugin's stage
             --> p.yaml:6:11
              |
            6 |     uses: x.y
              |           ^^^
              |
              = help: write `plugin.stage@major`, for example `video.clip@1`

            error[RM-0105]: `needs` must be a list, this is a string
             --> p.yaml:7:12
              |
            7 |     needs: b
              |            ^

            error[RM-0105]: `if` must be an expression, this is a number
             --> p.yaml:8:9
              |
            8 |     if: 3
              |         ^

            error[RM-0105]: `allow_failure` must be a bool (`true` or `false`), this is a string
             --> p.yaml:9:20
              |
            9 |     allow_failure: no
              |                    ^^

            error[RM-0106]: `priority` is 1.5
              --> p.yaml:10:15
               |
            10 |     priority: 1.5
               |               ^^^
               |
               = help: a whole number from 0 to 9

            error[RM-0106]: `cache` cannot be `alwais`
              --> p.yaml:11:12
               |
            11 |     cache: alwais
               |            ^^^^^^
               |
               = help: known: `auto`, `never`, `refresh`

            error[RM-0106]: `10 minutes` is not a duration
              --> p.yaml:12:21
               |
            12 |     timeout: { run: 10 minutes, idl: 5s }
               |                     ^^^^^^^^^^
               |
               = help: for example `90s`, `10m` or `1h30m`

            error[RM-0103]: `timeout` has no key `idl`
              --> p.yaml:12:33
               |
            12 |     timeout: { run: 10 minutes, idl: 5s }
               |                                 ^^^
               |
               = help: did you mean `idle`?

            error[RM-0106]: `max_attempts` is 0
              --> p.yaml:13:28
               |
            13 |     retry: { max_attempts: 0, initial: 1m, max: 1s, on: [oom, ohm] }
               |                            ^
               |
               = help: a whole number from 1 to 100

            error[RM-0106]: `max` is smaller than `initial`
              --> p.yaml:13:49
               |
            13 |     retry: { max_attempts: 0, initial: 1m, max: 1s, on: [oom, ohm] }
               |                                                 ^^
               |
               = help: make `max` at least `initial`

            error[RM-0106]: an item cannot be `ohm`
              --> p.yaml:13:63
               |
            13 |     retry: { max_attempts: 0, initial: 1m, max: 1s, on: [oom, ohm] }
               |                                                               ^^^
               |
               = help: did you mean `oom`?

            error[RM-0112]: there is no expression
              --> p.yaml:14:21
               |
            14 |     for_each: { in: "", max_parallel: 0, min_success: 200% }
               |                     ^^

            error[RM-0106]: `max_parallel` is 0
              --> p.yaml:14:39
               |
            14 |     for_each: { in: "", max_parallel: 0, min_success: 200% }
               |                                       ^
               |
               = help: a whole number from 1 to 100000

            error[RM-0110]: `min_success` has no meaning with `fail_fast`
              --> p.yaml:14:42
               |
            14 |     for_each: { in: "", max_parallel: 0, min_success: 200% }
               |                                          ^^^^^^^^^^^
               |
               = help: add `on_item_failure: continue`, or remove it

            error[RM-0106]: `min_success` is neither a count nor a percentage
              --> p.yaml:14:55
               |
            14 |     for_each: { in: "", max_parallel: 0, min_success: 200% }
               |                                                       ^^^^
               |
               = help: for example `3` or `90%`

            error[RM-0105]: `with` must be a map, this is nothing
              --> p.yaml:15:25
               |
            15 |   b: { uses: x.y@1, with: }
               |                         ^
               |
               = help: give it a value or remove the key

            error[RM-0106]: `99999999999999999999` is a number too large to be kept
              --> p.yaml:16:28
               |
            16 |   c: { uses: x.y@1, retry: 99999999999999999999 }
               |                            ^^^^^^^^^^^^^^^^^^^^
               |
               = help: quote it if it is meant as text

            error[RM-0106]: `retry` is 1e+20
              --> p.yaml:16:28
               |
            16 |   c: { uses: x.y@1, retry: 99999999999999999999 }
               |                            ^^^^^^^^^^^^^^^^^^^^
               |
               = help: a whole number from 1 to 100

            21 errors
        "#]],
    );
}

#[test]
fn inputs_that_no_value_fits() {
    check(
        r#"version: 1
name: p
inputs:
  a: { type: int, min: 3, max: 1 }
  b: { type: string, pattern: "(" , min: 1 }
  c: { type: string, enum: [a, 1], default: b }
  d: { type: duration, min: 5, default: soon }
  e: { type: bool, default: "yes", required: true }
  f: { type: text }
  g: { title: G }
  h: { type: array, items: { type: int, default: 1 }, default: [1, x] }
  i: { type: url, default: example.org }
stages: { s: { uses: x.y@1 } }
"#,
        &expect![[r#"
            error[RM-0114]: `min` is larger than `max`: no value could be given
             --> p.yaml:4:24
              |
            4 |   a: { type: int, min: 3, max: 1 }
              |                        ^
              |
              = help: swap or correct them

            error[RM-0114]: the pattern is no regular expression
             --> p.yaml:5:31
              |
            5 |   b: { type: string, pattern: "(" , min: 1 }
              |                               ^^^
              |
              = help: a regular expression without look-around and back references

            error[RM-0110]: an input of type `string` has no `min`
             --> p.yaml:5:37
              |
            5 |   b: { type: string, pattern: "(" , min: 1 }
              |                                     ^^^
              |
              = help: remove it, or change the type

            error[RM-0114]: a value of `enum` must be a string, this is `1`
             --> p.yaml:6:32
              |
            6 |   c: { type: string, enum: [a, 1], default: b }
              |                                ^

            error[RM-0115]: the default must be one of `a`, `1`, this is `b`
             --> p.yaml:6:45
              |
            6 |   c: { type: string, enum: [a, 1], default: b }
              |                                             ^
              |
              = help: did you mean `a`?

            error[RM-0115]: the default must be a duration, this is `soon`
             --> p.yaml:7:41
              |
            7 |   d: { type: duration, min: 5, default: soon }
              |                                         ^^^^
              |
              = help: for example `90s`, `10m` or `1h30m`

            error[RM-0115]: the default must be a bool, this is `yes`
             --> p.yaml:8:29
              |
            8 |   e: { type: bool, default: "yes", required: true }
              |                             ^^^^^

            error[RM-0110]: an input with a default is never required
             --> p.yaml:8:36
              |
            8 |   e: { type: bool, default: "yes", required: true }
              |                    -------         ^^^^^^^^
              |                    |
              |                    the default
              |
              = help: remove one of them

            error[RM-0106]: `type` cannot be `text`
             --> p.yaml:9:14
              |
            9 |   f: { type: text }
              |              ^^^^
              |
              = help: known: `string`, `int`, `number`, `bool`, `duration`, `bytes`, `url`, `file`, `array`, `object`

            error[RM-0104]: an input needs the key `type`
              --> p.yaml:10:8
               |
            10 |   g: { title: G }
               |        ^^^^^
               |
               = help: Its type.

            error[RM-0110]: only a whole input has a default
              --> p.yaml:11:41
               |
            11 |   h: { type: array, items: { type: int, default: 1 }, default: [1, x] }
               |                                         ^^^^^^^
               |
               = help: move it to the input

            error[RM-0115]: the default at /1: must be a whole number, this is `x`
              --> p.yaml:11:64
               |
            11 |   h: { type: array, items: { type: int, default: 1 }, default: [1, x] }
               |                                                                ^^^^^^

            error[RM-0115]: the default must be an absolute URL, this is `example.org`
              --> p.yaml:12:28
               |
            12 |   i: { type: url, default: example.org }
               |                            ^^^^^^^^^^^
               |
               = help: for example `https://example.org/clip.mp4`

            13 errors
        "#]],
    );
}

#[test]
fn templates_that_are_broken() {
    check(
        r#"version: 1
name: p
secrets: [a, a]
stages:
  s:
    uses: x.y@1
    if: ""
    with: { a: "${{ }}", b: "${{ {'a': 1} ", c: "x ${{ 'it''s' }}" }
"#,
        &expect![[r#"
            error[RM-0102]: secret `a` is listed twice
             --> p.yaml:3:14
              |
            3 | secrets: [a, a]
              |           -  ^
              |           |
              |           first here
              |
              = help: remove one of them

            error[RM-0112]: there is no expression
             --> p.yaml:7:9
              |
            7 |     if: ""
              |         ^^

            error[RM-0112]: `${{ }}` without an expression
             --> p.yaml:8:17
              |
            8 |     with: { a: "${{ }}", b: "${{ {'a': 1} ", c: "x ${{ 'it''s' }}" }
              |                 ^^^

            error[RM-0112]: `${{` without its `}}`
             --> p.yaml:8:30
              |
            8 |     with: { a: "${{ }}", b: "${{ {'a': 1} ", c: "x ${{ 'it''s' }}" }
              |                              ^^^ opened here
              |
              = help: close it with `}}`; for the characters themselves write `${{ '${{' }}`

            4 errors
        "#]],
    );
}

#[test]
fn diagnostics_as_json_point_into_the_document() {
    let yaml = "version: 1\nname: p\nstages:\n  a: { uses: x.y@1, needs: [b, B/c], tymeout: 1s }\n";
    let (_, found) = reelmill_spec::parse(yaml);
    let places: Vec<_> = found.iter().map(|one| (one.pointer.as_str(), one.code.id())).collect();
    assert_eq!(places, [("/stages/a/needs/1", "RM-0107"), ("/stages/a/tymeout", "RM-0103")]);
    let expected = serde_json::json!({
        "code": "RM-0103", "severity": "error", "message": "a stage has no key `tymeout`",
        "line": 4, "column": 38, "end_line": 4, "end_column": 45,
        "pointer": "/stages/a/tymeout", "help": "did you mean `timeout`?",
    });
    assert_eq!(serde_json::to_value(&found[1]).expect("JSON"), expected);
}

#[test]
fn approvals() {
    check(
        r#"version: 1
name: p
stages:
  fine: { approval: { roles: [editor, owner], timeout: 24h, on_timeout: approve, message: "Is ${{ inputs.x }} fine?" } }
  bare: { approval: {} }
  timeless: { approval: { on_timeout: reject } }
  wrong: { approval: { roles: editor, timeout: 1, on_timeout: skip, massage: a } }
  both: { approval: {}, uses: a.b@1 }
  more: { approval: {}, with: { a: 1 }, retry: 2, timeout: 1h, outputs: { a: 1 } }
  named: { approval: yes }
"#,
        &expect![[r#"
            error[RM-0110]: `on_timeout` has no meaning without `timeout`
             --> p.yaml:6:27
              |
            6 |   timeless: { approval: { on_timeout: reject } }
              |                           ^^^^^^^^^^
              |
              = help: add a `timeout`, or remove it: without one it waits until someone decides

            error[RM-0105]: `roles` must be a list, this is a string
             --> p.yaml:7:31
              |
            7 |   wrong: { approval: { roles: editor, timeout: 1, on_timeout: skip, massage: a } }
              |                               ^^^^^^

            error[RM-0106]: `timeout` is 1, without a unit
             --> p.yaml:7:48
              |
            7 |   wrong: { approval: { roles: editor, timeout: 1, on_timeout: skip, massage: a } }
              |                                                ^
              |
              = help: for example `90s`, `10m` or `1h30m`

            error[RM-0106]: `on_timeout` cannot be `skip`
             --> p.yaml:7:63
              |
            7 |   wrong: { approval: { roles: editor, timeout: 1, on_timeout: skip, massage: a } }
              |                                                               ^^^^
              |
              = help: known: `reject`, `approve`

            error[RM-0103]: `approval` has no key `massage`
             --> p.yaml:7:69
              |
            7 |   wrong: { approval: { roles: editor, timeout: 1, on_timeout: skip, massage: a } }
              |                                                                     ^^^^^^^
              |
              = help: did you mean `message`?

            error[RM-0109]: stage `both` has both `approval` and `uses`
             --> p.yaml:8:25
              |
            8 |   both: { approval: {}, uses: a.b@1 }
              |           --------      ^^^^
              |           |
              |           the first
              |
              = help: a stage has exactly one of `uses`, `stages`, `pipeline` and `approval`; make two stages

            error[RM-0110]: `with` has no meaning for an approval
             --> p.yaml:9:25
              |
            9 |   more: { approval: {}, with: { a: 1 }, retry: 2, timeout: 1h, outputs: { a: 1 } }
              |                         ^^^^
              |
              = help: remove it; how long it waits is said by `approval.timeout`

            error[RM-0110]: `retry` has no meaning for an approval
             --> p.yaml:9:41
              |
            9 |   more: { approval: {}, with: { a: 1 }, retry: 2, timeout: 1h, outputs: { a: 1 } }
              |                                         ^^^^^
              |
              = help: remove it; how long it waits is said by `approval.timeout`

            error[RM-0110]: `timeout` has no meaning for an approval
             --> p.yaml:9:51
              |
            9 |   more: { approval: {}, with: { a: 1 }, retry: 2, timeout: 1h, outputs: { a: 1 } }
              |                                                   ^^^^^^^
              |
              = help: remove it; how long it waits is said by `approval.timeout`

            error[RM-0110]: `outputs` belongs to a stage with `stages`
             --> p.yaml:9:64
              |
            9 |   more: { approval: {}, with: { a: 1 }, retry: 2, timeout: 1h, outputs: { a: 1 } }
              |                                                                ^^^^^^^
              |
              = help: its outputs are those of the person's answer: `approved`, `by` and `reason`; remove the key, or make a group with `stages`

            error[RM-0105]: `approval` must be a map, this is a string
              --> p.yaml:10:22
               |
            10 |   named: { approval: yes }
               |                      ^^^

            11 errors
        "#]],
    );
}

#[test]
fn compensations() {
    check(
        r#"version: 1
name: p
stages:
  fine: { uses: a.b@1, compensate: { uses: a.c@1, with: { id: "${{ self.outputs.id }}" }, retry: 3, timeout: 5m } }
  empty: { uses: a.b@1, compensate: {} }
  wrong: { uses: a.b@1, compensate: { uses: a.c, if: true } }
  group: { stages: { a: { uses: a.b@1 } }, compensate: { uses: a.c@1 } }
  asks: { approval: {}, compensate: { uses: a.c@1 } }
  handled:
    uses: a.b@1
    on_failure: { x: { uses: a.b@1, compensate: { uses: a.c@1 } } }
finally:
  last: { uses: a.b@1, compensate: { uses: a.c@1 } }
"#,
        &expect![[r#"
            error[RM-0104]: `compensate` needs the key `uses`
             --> p.yaml:5:37
              |
            5 |   empty: { uses: a.b@1, compensate: {} }
              |                                     ^^
              |
              = help: The plugin's stage that undoes the work.

            error[RM-0106]: `a.c` does not name a plugin's stage
             --> p.yaml:6:45
              |
            6 |   wrong: { uses: a.b@1, compensate: { uses: a.c, if: true } }
              |                                             ^^^
              |
              = help: write `plugin.stage@major`, for example `video.clip@1`

            error[RM-0103]: `compensate` has no key `if`
             --> p.yaml:6:50
              |
            6 |   wrong: { uses: a.b@1, compensate: { uses: a.c, if: true } }
              |                                                  ^^
              |
              = help: its keys are `uses`, `with`, `timeout`, `retry`

            error[RM-0110]: `compensate` belongs to a stage with `uses`
             --> p.yaml:7:44
              |
            7 |   group: { stages: { a: { uses: a.b@1 } }, compensate: { uses: a.c@1 } }
              |                                            ^^^^^^^^^^
              |
              = help: put it on the stages inside that have effects

            error[RM-0110]: `compensate` belongs to a stage with `uses`
             --> p.yaml:8:25
              |
            8 |   asks: { approval: {}, compensate: { uses: a.c@1 } }
              |                         ^^^^^^^^^^
              |
              = help: put it on the stages inside that have effects

            error[RM-0110]: `compensate` has no meaning in the pipeline's `on_failure` and `finally`
              --> p.yaml:13:24
               |
            13 |   last: { uses: a.b@1, compensate: { uses: a.c@1 } }
               |                        ^^^^^^^^^^
               |
               = help: they run after everything was undone; remove it

            6 errors
        "#]],
    );
}

#[test]
fn escalations() {
    check(
        r#"version: 1
name: p
stages:
  fine: { uses: a.b@1, retry: { max_attempts: 3, on: [oom, worker_lost], escalate: { memory: 2, timeout: 4 } } }
  wrong: { uses: a.b@1, retry: { max_attempts: 3, escalate: { memory: 1, timeout: 2s, disk: 2 } } }
  never: { uses: a.b@1, retry: { max_attempts: 3, on: [transient], escalate: { memory: 2 } } }
  large: { uses: a.b@1, runs_on: { gpu: 1 }, retry: { max_attempts: 2, escalate: { vram: 2 } } }
  right: { uses: a.b@1, runs_on: { vram: 2Gi }, retry: { max_attempts: 2, escalate: { vram: 2 } } }
"#,
        &expect![[r#"
            error[RM-0106]: `memory` is 1
             --> p.yaml:5:71
              |
            5 |   wrong: { uses: a.b@1, retry: { max_attempts: 3, escalate: { memory: 1, timeout: 2s, disk: 2 } } }
              |                                                                       ^
              |
              = help: a whole number from 2 to 16

            error[RM-0105]: `timeout` must be a whole number, this is a string
             --> p.yaml:5:83
              |
            5 |   wrong: { uses: a.b@1, retry: { max_attempts: 3, escalate: { memory: 1, timeout: 2s, disk: 2 } } }
              |                                                                                   ^^

            error[RM-0103]: `escalate` has no key `disk`
             --> p.yaml:5:87
              |
            5 |   wrong: { uses: a.b@1, retry: { max_attempts: 3, escalate: { memory: 1, timeout: 2s, disk: 2 } } }
              |                                                                                       ^^^^
              |
              = help: its keys are `cpu`, `memory`, `vram`, `scratch`, `timeout`

            error[RM-0110]: `escalate` has no meaning: no class is tried again that it answers
             --> p.yaml:6:68
              |
            6 |   never: { uses: a.b@1, retry: { max_attempts: 3, on: [transient], escalate: { memory: 2 } } }
              |                                                                    ^^^^^^^^
              |
              = help: add `oom`, `resource` or `timeout` to `on`

            error[RM-0110]: `vram` cannot grow: none is asked for
             --> p.yaml:7:84
              |
            7 |   large: { uses: a.b@1, runs_on: { gpu: 1 }, retry: { max_attempts: 2, escalate: { vram: 2 } } }
              |                                                                                    ^^^^
              |
              = help: ask for `vram` in `runs_on`, or remove it

            5 errors
        "#]],
    );
}

#[test]
fn machines() {
    check(
        r#"version: 1
name: p
stages:
  fine: { uses: a.b@1, runs_on: { gpu: 1, vram: 6Gi, encoder: av1, scratch: 20Gi, labels: { zone: eu }, fallback: cpu } }
  wrong: { uses: a.b@1, runs_on: { cpu: 0, memory: 6, encoder: h.264, fallback: gpu } }
  none: { uses: a.b@1, runs_on: { gpu: 0, vram: 1Gi } }
  nothing: { uses: a.b@1, runs_on: { cpu: 4, fallback: cpu } }
  group: { runs_on: { cpu: 4 }, stages: { a: { uses: a.b@1 } } }
"#,
        &expect![[r#"
            error[RM-0106]: `cpu` is 0
             --> p.yaml:5:41
              |
            5 |   wrong: { uses: a.b@1, runs_on: { cpu: 0, memory: 6, encoder: h.264, fallback: gpu } }
              |                                         ^
              |
              = help: a whole number from 1 to 1024

            error[RM-0106]: `memory` is 6, without a unit
             --> p.yaml:5:52
              |
            5 |   wrong: { uses: a.b@1, runs_on: { cpu: 0, memory: 6, encoder: h.264, fallback: gpu } }
              |                                                    ^
              |
              = help: for example `500M` or `6Gi`

            error[RM-0107]: `h.264` is no id
             --> p.yaml:5:64
              |
            5 |   wrong: { uses: a.b@1, runs_on: { cpu: 0, memory: 6, encoder: h.264, fallback: gpu } }
              |                                                                ^^^^^
              |
              = help: small letters, digits and `_`, a letter first: `h_264`

            error[RM-0106]: `fallback` cannot be `gpu`
             --> p.yaml:5:81
              |
            5 |   wrong: { uses: a.b@1, runs_on: { cpu: 0, memory: 6, encoder: h.264, fallback: gpu } }
              |                                                                                 ^^^
              |
              = help: did you mean `cpu`?

            error[RM-0110]: `vram` without a GPU
             --> p.yaml:6:43
              |
            6 |   none: { uses: a.b@1, runs_on: { gpu: 0, vram: 1Gi } }
              |                                           ^^^^
              |
              = help: ask for a `gpu`, or remove it

            error[RM-0110]: `fallback` has nothing to fall back from
             --> p.yaml:7:46
              |
            7 |   nothing: { uses: a.b@1, runs_on: { cpu: 4, fallback: cpu } }
              |                                              ^^^^^^^^
              |
              = help: ask for a `gpu` or an `encoder`, or remove it

            error[RM-0110]: `runs_on` has no meaning for a group
             --> p.yaml:8:12
              |
            8 |   group: { runs_on: { cpu: 4 }, stages: { a: { uses: a.b@1 } } }
              |            ^^^^^^^
              |
              = help: put it on the stages inside, or into the pipeline's `defaults`

            7 errors
        "#]],
    );
}
