//! Every diagnostic of the language, as people see it.

#![expect(clippy::needless_raw_string_hashes, reason = "expect-test writes them so")]

use expect_test::{Expect, expect};

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
