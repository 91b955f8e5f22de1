//! What is wrong with triggers, as people see it.

#![expect(clippy::needless_raw_string_hashes, reason = "expect-test writes them so")]

use expect_test::{Expect, expect};

fn check(triggers: &str, expected: &Expect) {
    let yaml = format!(
        "version: 1\nname: p\nsecrets: [hook_key]\ninputs:\n  topic: {{ type: string, min_length: 3 }}\n  \
         scenes: {{ type: int, default: 8 }}\nstages:\n  a: {{ uses: x.y@1 }}\ntriggers:\n{triggers}"
    );
    let (_, diagnostics) = reelmill_spec::parse(&yaml);
    expected.assert_eq(&reelmill_spec::render(&diagnostics, &yaml, "p.yaml", false));
}

#[test]
fn good_ones_say_nothing() {
    check(
        r#"  nightly: { type: schedule, cron: "0 3 * * *", timezone: Europe/Oslo, overlap: cancel_previous, catchup: last, inputs: { topic: daily news } }
  hook: { type: webhook, secret: hook_key, inputs: "${{ trigger.body }}" }
  drop: { type: file, folder: /srv/in, pattern: "*.csv", settle: 10s, overlap: allow, inputs: { topic: "${{ trigger.path }}", scenes: 3 } }
"#,
        &expect![""],
    );
}

#[test]
fn times_and_zones_that_are_none() {
    check(
        r#"  a: { type: schedule, cron: "0 25 * * *", inputs: { topic: abc } }
  b: { type: schedule, cron: "0 0 30 2 *", inputs: { topic: abc } }
  c: { type: schedule, cron: "* * *", timezone: Europe/Olso, inputs: { topic: abc } }
  d: { type: schedule, cron: "* * * * *", timezone: Middle of nowhere, inputs: { topic: abc } }
  e: { type: schedule, cron: "*/10 * * * * *", inputs: { topic: abc } }
  f: { type: schedule, inputs: { topic: abc } }
"#,
        &expect![[r#"
            error[RM-0106]: `0 25 * * *` is no cron pattern: number out of bounds
              --> p.yaml:10:30
               |
            10 |   a: { type: schedule, cron: "0 25 * * *", inputs: { topic: abc } }
               |                              ^^^^^^^^^^^^
               |
               = help: five fields: minute, hour, day of month, month, day of week; for example `0 3 * * mon-fri`

            error[RM-0106]: `0 0 30 2 *` never comes
              --> p.yaml:11:30
               |
            11 |   b: { type: schedule, cron: "0 0 30 2 *", inputs: { topic: abc } }
               |                              ^^^^^^^^^^^^
               |
               = help: no month has such a day

            error[RM-0106]: `* * *` is no cron pattern: pattern must have 5 fields when seconds are disallowed
              --> p.yaml:12:30
               |
            12 |   c: { type: schedule, cron: "* * *", timezone: Europe/Olso, inputs: { topic: abc } }
               |                              ^^^^^^^
               |
               = help: five fields: minute, hour, day of month, month, day of week; for example `0 3 * * mon-fri`

            error[RM-0106]: there is no time zone `Europe/Olso`
              --> p.yaml:12:49
               |
            12 |   c: { type: schedule, cron: "* * *", timezone: Europe/Olso, inputs: { topic: abc } }
               |                                                 ^^^^^^^^^^^
               |
               = help: did you mean `Europe/Oslo`?

            error[RM-0106]: there is no time zone `Middle of nowhere`
              --> p.yaml:13:53
               |
            13 |   d: { type: schedule, cron: "* * * * *", timezone: Middle of nowhere, inputs: { topic: abc } }
               |                                                     ^^^^^^^^^^^^^^^^^
               |
               = help: write its IANA name, for example `Europe/Oslo`

            error[RM-0106]: `*/10 * * * * *` is no cron pattern: pattern must have 5 fields when seconds are disallowed
              --> p.yaml:14:30
               |
            14 |   e: { type: schedule, cron: "*/10 * * * * *", inputs: { topic: abc } }
               |                              ^^^^^^^^^^^^^^^^
               |
               = help: five fields: minute, hour, day of month, month, day of week; for example `0 3 * * mon-fri`

            error[RM-0104]: trigger `f` needs the key `cron`
              --> p.yaml:15:3
               |
            15 |   f: { type: schedule, inputs: { topic: abc } }
               |   ^
               |
               = help: for example `0 3 * * *`, every night at three

            7 errors
        "#]],
    );
}

#[test]
fn inputs_that_the_pipeline_does_not_take() {
    check(
        r#"  a: { type: schedule, cron: "* * * * *", inputs: { topik: abc } }
  b: { type: schedule, cron: "* * * * *", inputs: { topic: no, scenes: many } }
  c: { type: schedule, cron: "* * * * *" }
  d: { type: schedule, cron: "* * * * *", inputs: [topic] }
  e: { type: schedule, cron: "* * * * *", inputs: { topic: "${{ " } }
"#,
        &expect![[r#"
            error[RM-0104]: trigger `a` does not give the input `topic`
              --> p.yaml:10:43
               |
            10 |   a: { type: schedule, cron: "* * * * *", inputs: { topik: abc } }
               |                                           ^^^^^^
               |
               = help: give it in `inputs`, or give the input a default

            error[RM-0210]: `topik` is not an input of the pipeline
              --> p.yaml:10:53
               |
            10 |   a: { type: schedule, cron: "* * * * *", inputs: { topik: abc } }
               |                                                     ^^^^^
               |
               = help: did you mean `topic`?

            error[RM-0106]: input `topic` "no" is shorter than 3 characters
              --> p.yaml:11:60
               |
            11 |   b: { type: schedule, cron: "* * * * *", inputs: { topic: no, scenes: many } }
               |                                                            ^^

            error[RM-0106]: input `scenes` must be a whole number, this is `many`
              --> p.yaml:11:72
               |
            11 |   b: { type: schedule, cron: "* * * * *", inputs: { topic: no, scenes: many } }
               |                                                                        ^^^^

            error[RM-0104]: trigger `c` does not give the input `topic`
              --> p.yaml:12:3
               |
            12 |   c: { type: schedule, cron: "* * * * *" }
               |   ^
               |
               = help: give it in `inputs`, or give the input a default

            error[RM-0105]: `inputs` must be a map or one expression, this is a list
              --> p.yaml:13:51
               |
            13 |   d: { type: schedule, cron: "* * * * *", inputs: [topic] }
               |                                                   ^^^^^^^
               |
               = help: for example `{ topic: daily news }` or `${{ trigger.body }}`

            error[RM-0112]: `${{` without its `}}`
              --> p.yaml:14:61
               |
            14 |   e: { type: schedule, cron: "* * * * *", inputs: { topic: "${{ " } }
               |                                                             ^^^ opened here
               |
               = help: close it with `}}`; for the characters themselves write `${{ '${{' }}`

            7 errors
        "#]],
    );
}

#[test]
fn keys_of_other_types_and_words_that_are_none() {
    check(
        r#"  a: { type: schedule, cron: "* * * * *", folder: /x, overlap: skipp, catchup: some, inputs: { topic: abc } }
  b: { type: file, folder: in, cron: "* * * * *", settle: 5, inputs: { topic: abc } }
  c: { type: webhook, inputs: { topic: abc } }
  d: { type: webhook, secret: hookkey, inputs: { topic: abc } }
  e: { type: email, inputs: { topic: abc } }
"#,
        &expect![[r#"
            error[RM-0110]: a trigger of type `schedule` has no `folder`
              --> p.yaml:10:43
               |
            10 |   a: { type: schedule, cron: "* * * * *", folder: /x, overlap: skipp, catchup: some, inputs: { topic: abc } }
               |                                           ^^^^^^
               |
               = help: remove it, or change the type

            error[RM-0106]: `overlap` cannot be `skipp`
              --> p.yaml:10:64
               |
            10 |   a: { type: schedule, cron: "* * * * *", folder: /x, overlap: skipp, catchup: some, inputs: { topic: abc } }
               |                                                                ^^^^^
               |
               = help: did you mean `skip`?

            error[RM-0106]: `catchup` cannot be `some`
              --> p.yaml:10:80
               |
            10 |   a: { type: schedule, cron: "* * * * *", folder: /x, overlap: skipp, catchup: some, inputs: { topic: abc } }
               |                                                                                ^^^^
               |
               = help: known: `none`, `last`, `all`

            error[RM-0106]: `folder` is `in`, which depends on where a process was started
              --> p.yaml:11:28
               |
            11 |   b: { type: file, folder: in, cron: "* * * * *", settle: 5, inputs: { topic: abc } }
               |                            ^^
               |
               = help: write an absolute path

            error[RM-0110]: a trigger of type `file` has no `cron`
              --> p.yaml:11:32
               |
            11 |   b: { type: file, folder: in, cron: "* * * * *", settle: 5, inputs: { topic: abc } }
               |                                ^^^^
               |
               = help: remove it, or change the type

            error[RM-0106]: `settle` is 5, without a unit
              --> p.yaml:11:59
               |
            11 |   b: { type: file, folder: in, cron: "* * * * *", settle: 5, inputs: { topic: abc } }
               |                                                           ^
               |
               = help: for example `90s`, `10m` or `1h30m`

            error[RM-0104]: trigger `c` needs the key `secret`
              --> p.yaml:12:3
               |
            12 |   c: { type: webhook, inputs: { topic: abc } }
               |   ^
               |
               = help: the name of the secret that signs its calls, one of the pipeline's `secrets`

            error[RM-0214]: secret `hookkey` is not declared
              --> p.yaml:13:31
               |
            13 |   d: { type: webhook, secret: hookkey, inputs: { topic: abc } }
               |                               ^^^^^^^
               |
               = help: did you mean `hook_key`?

            error[RM-0106]: `type` cannot be `email`
              --> p.yaml:14:14
               |
            14 |   e: { type: email, inputs: { topic: abc } }
               |              ^^^^^
               |
               = help: known: `schedule`, `webhook`, `file`

            9 errors
        "#]],
    );
}

#[test]
fn too_many() {
    let one = |n| format!("  t{n}: {{ type: file, folder: /in, inputs: {{ topic: abc }} }}");
    let triggers: Vec<String> = (0..33).map(one).collect();
    check(
        &format!("{}\n", triggers.join("\n")),
        &expect![[r#"
        error[RM-0108]: the pipeline has more than 32 triggers
          --> p.yaml:42:3
           |
        42 |   t32: { type: file, folder: /in, inputs: { topic: abc } }
           |   ^^^
           |
           = help: let one trigger do what is alike

        1 error
    "#]],
    );
}
