//! Fan-outs on the real binaries: `for_each` and `matrix`, their order, width, failures and nesting.

use reelmill_tests::Place;
use reelmill_tests::engine::{Events, Gate, pipeline};
use serde_json::{Value, json};

/// The most spans that overlap at one moment.
fn peak(spans: &[Value]) -> i64 {
    let mut edges: Vec<(u64, i64)> = Vec::new();
    for span in spans {
        edges.push((span["from"].as_u64().expect("a start"), 1));
        edges.push((span["to"].as_u64().expect("an end"), -1));
    }
    edges.sort_unstable();
    let sums = edges.iter().scan(0, |open, (_, step)| {
        *open += step;
        Some(*open)
    });
    sums.max().unwrap_or(0)
}

#[test]
fn items_are_made_from_outputs_keyed_and_put_out_in_order() {
    let place = Place::new();
    let text = pipeline(
        r#"
stages:
  source: { uses: probe.echo@1, with: { list: [{ id: c, n: 3 }, { id: a, n: 1 }, { id: b, n: 2 }] } }
  scene:
    for_each: { in: stages.source.outputs.list, key: item.id }
    stages:
      double: { uses: probe.echo@1, with: { value: "${{ item.n * 2 }}" } }
      name: { uses: probe.echo@1, with: { value: "${{ index }}: ${{ item.id }} ${{ stages.double.outputs.value }}" } }
    outputs: { name: "${{ stages.name.outputs.value }}", n: "${{ item.n }}" }
outputs:
  names: "${{ stages.scene.outputs.map(s, s.name) }}"
  b: "${{ stages.scene.by_key['b'].n }}"
  count: "${{ stages.scene.outputs.size() }}"
"#,
    );
    let status = place.run(&text, &[]).expect(0).json();
    assert_eq!(status["outputs"], json!({ "names": ["0: c 6", "1: a 2", "2: b 4"], "b": 2, "count": 3 }));
    let events = place.events();
    assert_eq!(events.of("task.expanded")[0]["data"]["items"], 3);
    assert_eq!(events.end_of("scene[a].double")["data"]["state"], "succeeded");
}

#[test]
fn a_stage_alone_is_fanned_out_and_an_empty_list_is_no_failure() {
    let place = Place::new();
    let text = pipeline(
        r#"
inputs: { words: { type: array, items: { type: string } } }
stages:
  each:
    for_each: { in: inputs.words }
    uses: probe.echo@1
    with: { value: "${{ item + '!' }}" }
outputs: { values: "${{ stages.each.outputs.map(o, o.value) }}" }
"#,
    );
    let status = place.run(&text, &["--input", "words=a,b"]).expect(0).json();
    assert_eq!(status["outputs"]["values"], json!(["a!", "b!"]));
    assert_eq!(
        place.events().end_of("each[1]")["data"]["state"],
        "succeeded",
        "without `key` it is the index"
    );
    let status = place.run(&text, &["--input", "words=[]"]).expect(0).json();
    assert_eq!(status["outputs"]["values"], json!([]));
}

#[test]
fn at_most_max_parallel_items_run_at_once() {
    let place = Place::new();
    let mut gates: Vec<Gate> = (0..5).map(|number| place.gate(&format!("gate{number}"))).collect();
    let text = pipeline(
        r#"
stages:
  hold:
    for_each: { in: "[0, 1, 2, 3, 4]", max_parallel: 2 }
    uses: probe.gate@1
    with: { gate: "gate${{ item }}" }
outputs: { spans: "${{ stages.hold.outputs }}" }
"#,
    );
    let working = place.start(&text, &["--slots", "4"]);
    gates[0].wait();
    gates[1].wait();
    // Two are held at their gates, so no other may have come before one of them is let go.
    for number in 2..5 {
        assert!(!gates[number].has_arrived(), "item {number} came too early");
        gates[number - 2].open();
        gates[number].wait();
    }
    gates[3].open();
    gates[4].open();
    let status = working.end().expect(0).json();
    assert_eq!(peak(status["outputs"]["spans"].as_array().expect("a list")), 2);
}

/// Three items of which the middle one fails.
fn one_of_three_fails(how: &str) -> String {
    pipeline(&format!(
        r#"
stages:
  part:
    for_each: {{ in: "['a', 'b', 'c']", key: item, max_parallel: 1, {how} }}
    stages:
      work: {{ uses: probe.echo@1, with: {{ value: "${{{{ item }}}}" }} }}
      check: {{ uses: probe.fail@1, if: item == 'b', needs: [work], with: {{ class: permanent, message: bad b }} }}
    outputs: {{ value: "${{{{ stages.work.outputs.value }}}}" }}
  after: {{ uses: probe.echo@1, with: {{ values: "${{{{ stages.part.outputs.map(p, p.value) }}}}" }} }}
outputs: {{ values: "${{{{ stages.after.outputs.values }}}}" }}
"#
    ))
}

fn ran(events: &Events) -> Vec<&str> {
    events.ended("succeeded").into_iter().filter(|path| path.ends_with("].work")).collect()
}

#[test]
fn by_default_the_first_failed_item_stops_the_others() {
    let place = Place::new();
    let status = place.run(&one_of_three_fails("on_item_failure: fail_fast"), &[]).expect(1).json();
    let events = place.events();
    assert_eq!(ran(&events), ["part[a].work", "part[b].work"], "c never starts");
    assert_eq!(status["failure"]["path"], "part[b].check");
    assert_eq!(events.end_of("part")["data"]["failure"]["message"], "item `b`: bad b");
    assert_eq!(events.skipped("after").1, "part");
}

#[test]
fn items_go_on_after_a_failure_and_enough_of_them_are_enough() {
    let place = Place::new();
    let enough = one_of_three_fails("on_item_failure: continue, min_success: 60%");
    let status = place.run(&enough, &[]).expect(0).json();
    assert_eq!(status["outputs"]["values"], json!(["a", "c"]), "only items that succeeded are put out");
    assert_eq!(ran(&place.events()), ["part[a].work", "part[b].work", "part[c].work"]);
}

#[test]
fn too_few_good_items_fail_the_fan_out() {
    let place = Place::new();
    let status =
        place.run(&one_of_three_fails("on_item_failure: continue, min_success: 3"), &[]).expect(1).json();
    assert_eq!(status["state"], "failed");
    let events = place.events();
    assert_eq!(ran(&events).len(), 3, "the others went on");
    let message = events.end_of("part")["data"]["failure"]["message"].clone();
    assert_eq!(message, "2 of 3 items succeeded, 3 had to; first failure: item `b`: bad b");
}

#[test]
fn a_matrix_has_every_combination_less_exclude_plus_include() {
    let place = Place::new();
    let text = pipeline(
        r#"
stages:
  encode:
    matrix:
      aspect: ["9:16", "16:9"]
      codec: [avc, hevc]
      exclude: [{ aspect: "16:9", codec: hevc }]
      include: [{ aspect: "9:16", height: 1920 }, { aspect: "1:1", codec: avc }]
    uses: probe.echo@1
    with: { shape: "${{ matrix.aspect }} ${{ matrix.codec }}", height: "${{ matrix.?height.orValue(1080) }}" }
outputs:
  all: "${{ stages.encode.outputs.map(o, o.shape + ' ' + string(o.height)) }}"
  one: "${{ stages.encode.by_key['9:16,hevc'].height }}"
"#,
    );
    let status = place.run(&text, &[]).expect(0).json();
    assert_eq!(
        status["outputs"],
        json!({ "all": ["9:16 avc 1920", "9:16 hevc 1920", "16:9 avc 1080", "1:1 avc 1080"], "one": 1920 })
    );
    assert_eq!(place.events().end_of("encode[16:9,avc]")["data"]["state"], "succeeded");
}

#[test]
fn fan_outs_nest_and_inner_ones_see_the_outer() {
    let place = Place::new();
    let text = pipeline(
        r#"
stages:
  base: { uses: probe.echo@1, with: { value: 100 } }
  chapter:
    for_each: { in: "[{'id': 'x', 'lines': [1, 2]}, {'id': 'y', 'lines': [3]}]", key: item.id }
    stages:
      title: { uses: probe.echo@1, with: { value: "${{ item.id }}" } }
      line:
        for_each: { in: item.lines }
        stages:
          cut:
            matrix: { side: [l, r] }
            uses: probe.echo@1
            with: { value: "${{ stages.title.outputs.value }}${{ item + stages.base.outputs.value }}${{ matrix.side }}" }
        outputs: { cuts: "${{ stages.cut.outputs.map(c, c.value) }}" }
    outputs: { lines: "${{ stages.line.outputs.map(l, l.cuts) }}" }
outputs: { all: "${{ stages.chapter.outputs.map(c, c.lines) }}" }
"#,
    );
    let status = place.run(&text, &[]).expect(0).json();
    assert_eq!(
        status["outputs"]["all"],
        json!([[["x101l", "x101r"], ["x102l", "x102r"]], [["y103l", "y103r"]]])
    );
    assert_eq!(place.events().end_of("chapter[x].line[1].cut[r]")["data"]["state"], "succeeded");
}

#[test]
fn a_fan_out_over_its_limit_and_keys_that_meet_fail_the_stage_with_a_sentence() {
    let place = Place::new();
    let over = |many: &str| {
        pipeline(&format!(
            r#"
stages:
  source: {{ uses: probe.count@1, with: {{ to: 12 }} }}
  each:
    for_each: {{ in: stages.source.outputs.items, {many} }}
    uses: probe.echo@1
    with: {{ value: "${{{{ item }}}}" }}
"#
        ))
    };
    for (how, words) in [("max_items: 10", ["12", "10"]), ("key: string(item % 3)", ["`0`", "key"])] {
        let status = place.run(&over(how), &[]).expect(1).json();
        let message = status["failure"]["failure"]["message"].as_str().expect("a message");
        assert_eq!(status["failure"]["path"], "each");
        assert!(words.iter().all(|word| message.contains(word)), "{how}: {message}");
    }
}
