//! Tables of many rows on the real binaries and a real Redis: streamed into the store, cut short and gone on with, held
//! back while nobody works.

use reelmill_tests::engine::{Working, pipeline, signal, wait_until};
use reelmill_tests::{Place, RedisServer};
use std::fmt::Write as _;

const ROWS: usize = 5_000;

fn rows_pipeline() -> String {
    pipeline(
        "inputs: { n: { type: int, max: 9999 } }
stages: { one: { uses: probe.echo@1, with: { n: \"${{ inputs.n }}\" } } }
outputs: { n: \"${{ stages.one.outputs.n }}\" }
",
    )
}

fn table(rows: usize) -> String {
    (0..rows).fold("n\n".to_owned(), |mut text, n| {
        writeln!(text, "{n}").expect("a text takes text");
        text
    })
}

/// `batch ID: …, 12 new, 3 there before`: the id and both numbers.
fn told(stderr: &str) -> (String, usize, usize) {
    let line = stderr.lines().rev().find(|line| line.contains(" there before")).expect("a summary");
    let number = |word: &str| {
        let before = line.split(word).next().expect("a part");
        before.rsplit(' ').next().and_then(|number| number.parse().ok()).expect("a number")
    };
    let id = line.strip_prefix("batch ").and_then(|rest| rest.split(':').next()).expect("an id");
    (id.to_owned(), number(" new"), number(" there before"))
}

/// How many runs of a batch Redis holds: the sum over the chunks of its index.
fn runs_of(server: &RedisServer, batch: &str) -> String {
    let count = "local n = 0 for _, bound in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do \
                 n = n + redis.call('ZCARD', KEYS[1] .. ':' .. bound) end return n";
    server.ask(&["EVAL", count, "1", &format!("rm:{{0}}:batched:{batch}")])
}

#[test]
fn a_table_that_was_cut_short_twice_goes_on_and_every_row_is_there_once() {
    let server = RedisServer::start();
    let place = Place::of_fleet(&server);
    place.write("p.yaml", &rows_pipeline());
    place.write("rows.csv", &table(ROWS));
    let submit = |ahead: &str| place.engine(&["submit", "p.yaml", "--each", "rows.csv", "--ahead", ahead]);
    let keys = || server.ask(&["DBSIZE"]).parse::<usize>().expect("a number");
    // Nobody works, so that none of the first two can be through before it is stopped.
    let killed = Working::start(&place, submit("2000"));
    wait_until("some rows to be there", || keys() >= 1_000);
    signal("KILL", &[killed.id()]);
    let _ = killed.end();
    let after_kill = keys();

    let interrupted = Working::start(&place, submit("3500"));
    wait_until("some more rows to be there", || keys() >= after_kill + 500);
    signal("INT", &[interrupted.id()]);
    let ended = interrupted.end().expect(130);
    assert!(ended.stderr.contains("of 5000 rows submitted; the same command goes on"), "{ended:?}");

    let ended = Working::start(&place, submit("10000")).end().expect(0);
    let (batch, new, before) = told(&ended.stderr);
    assert_eq!(new + before, ROWS);
    assert!(new > 0 && before >= 1_000, "{new} new, {before} before");
    assert_eq!(ended.stdout.trim(), batch);
    assert_eq!(runs_of(&server, &batch), ROWS.to_string());

    let again = place.ask(&["submit", "p.yaml", "--each", "rows.csv"]).expect(0);
    assert_eq!(told(&again.stderr), (batch.clone(), 0, ROWS));
}

#[test]
fn no_more_rows_wait_than_may() {
    let server = RedisServer::start();
    let place = Place::of_fleet(&server);
    place.write("p.yaml", &rows_pipeline());
    place.write("rows.csv", &table(40));
    let command = |name: &str, more: &[&str]| {
        place.engine(
            &[&["submit", "p.yaml", "--each", "rows.csv", "--batch", name, "-o", "json"], more].concat(),
        )
    };
    let mut submitting = Working::start(&place, command("held", &["--ahead", "7", "--wait"]));
    let said = submitting.wait_for("wait to be begun");
    let batch =
        said.strip_prefix("batch ").and_then(|rest| rest.split(':').next()).expect("an id").to_owned();
    assert!(said.contains("7 of 40 rows submitted (7 of them wait to be begun"), "{said}");
    let there = || runs_of(&server, &batch);
    assert_eq!(there(), "7");
    let mut worker = Working::start(&place, place.engine(&["worker", "--slots", "2"]));
    worker.wait_for("working for the fleet");
    let report = submitting.end().expect(0).json();
    assert_eq!((&report["rows"], &report["succeeded"]), (&40.into(), &40.into()), "{report:#}");
    let numbers: Vec<u64> = report["runs"]
        .as_array()
        .expect("a list of runs")
        .iter()
        .map(|run| run["inputs"]["n"].as_u64().expect("a number"))
        .collect();
    assert_eq!(numbers, (0..40).collect::<Vec<_>>(), "each row once, in order");
    assert_eq!(there(), "40");
    let ended = Working::start(&place, command("other", &[])).end().expect(0);
    let (other, new, before) = told(&ended.stderr);
    assert!(other != batch && (new, before) == (40, 0), "another name is another batch: {ended:?}");
}

#[test]
fn bad_rows_are_named_before_any_is_submitted() {
    let server = RedisServer::start();
    let place = Place::of_fleet(&server);
    place.write("p.yaml", &rows_pipeline());
    place.write("rows.csv", &(table(300) + "many\n10000\n"));
    let refused = place.ask(&["submit", "p.yaml", "--each", "rows.csv"]).expect(78);
    assert!(refused.stderr.contains("line 302") && refused.stderr.contains("line 303"), "{refused:?}");
    assert_eq!(place.ask(&["status"]).expect(0).stdout, "no runs\n");
}
