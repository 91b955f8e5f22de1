//! What failed for good, on the real binaries and a real Redis: put together, looked at, mended and sent around again;
//! and why what waits does.

use reelmill_tests::engine::{pipeline, wait_until};
use reelmill_tests::fleet::{end_of, submit, worker};
use reelmill_tests::{Place, RedisServer};
use serde_json::{Value, json};

/// Items of which one fails, with a message that is a little different in each run.
fn broken_clips() -> String {
    pipeline(
        "inputs: { n: { type: int } }
stages:
  list: { uses: probe.count@1, with: { to: 3 } }
  scene:
    for_each: { in: stages.list.outputs.items, key: \"'s' + string(item)\", on_item_failure: continue }
    stages:
      good: { uses: probe.echo@1, with: { n: \"${{ item }}\" } }
      clip:
        uses: probe.fail@1
        if: item == 1
        with:
          class: permanent
          code: low_tide
          message: \"no water in /tmp/basin/${{ string(inputs.n) }} after ${{ string(inputs.n) }} s\"
    outputs: { n: \"${{ stages.good.outputs.n }}\" }
  all: { uses: probe.echo@1, with: { n: \"${{ stages.scene.outputs.map(s, s.n) }}\" } }
",
    )
}

fn groups(place: &Place, more: &[&str]) -> Value {
    place.ask(&[&["dead", "list", "-o", "json"], more].concat()).expect(0).json()
}

#[test]
fn failures_of_one_cause_are_one_group_that_goes_around_again_with_another_value() {
    let server = RedisServer::start();
    let place = Place::of_fleet(&server);
    let _worker = worker(&place, &["--slots", "4"]);
    assert_eq!(place.ask(&["dead", "list"]).expect(0).stdout, "nothing has failed for good\n");
    let runs: Vec<String> =
        (1..=3).map(|n| submit(&place, &broken_clips(), &["--input", &format!("n={n}")])).collect();
    let other = submit(
        &place,
        &pipeline("stages: { one: { uses: probe.fail@1, with: { class: permanent, message: nothing } } }\n"),
        &["--name", "other"],
    );
    for run in runs.iter().chain([&other]) {
        assert_eq!(end_of(&place, run)["state"], "failed");
    }

    let listed = groups(&place, &[]);
    let all = listed["groups"].as_array().expect("a list of groups");
    assert_eq!(
        all.len(),
        2,
        "the fan-out around what failed says it again, and is none of its own: {listed:#}"
    );
    let clips = &all[0];
    assert_eq!(
        [&clips["stage"], &clips["class"], &clips["code"], &clips["message"]],
        ["scene.clip", "permanent", "low_tide", "no water in PATH after N s"]
    );
    assert_eq!((&clips["tasks"], &clips["runs"]), (&json!(3), &json!(3)));
    assert_eq!(clips["examples"][0]["path"], "scene[s1].clip");
    assert!(clips["first_ms"].as_u64() <= clips["last_ms"].as_u64());
    let group = clips["group"].as_str().expect("a name");
    let page = groups(&place, &["--limit", "1", "--page", "2"]);
    assert_eq!((&page["groups"][0]["name"], &page["of"]), (&json!("other"), &json!(2)));
    assert_eq!(groups(&place, &["--stage", "one"])["of"], 1);
    assert_eq!(groups(&place, &["--class", "timeout"])["of"], 0);
    let text = place.ask(&["dead", "list"]).expect(0).stdout;
    assert!(
        text.contains(group) && text.contains("permanent low_tide: no water in PATH after N s"),
        "{text}"
    );
    let shown = place.ask(&["dead", "show", group, "-o", "json"]).expect(0).json();
    let shown: Vec<&Value> =
        shown["tasks"].as_array().expect("tasks").iter().map(|task| &task["run"]).collect();
    assert_eq!(shown, [&runs[2], &runs[1], &runs[0]], "newest run first");

    let refused = place.ask(&["dead", "replay", "0123456789"]).expect(2);
    assert!(refused.stderr.contains("dead list"), "{refused:?}");
    let refused = place.ask(&["dead", "replay", &runs[0], "scene", "--set", "with.n=1"]).expect(1);
    assert!(refused.stderr.contains("takes no `with`"), "{refused:?}");
    let again = place.ask(&["dead", "replay", group, "--set", "with.until=1", "-o", "json"]).expect(0).json();
    assert_eq!(again["again"], 3, "{again:#}");
    for run in &runs {
        let ended = end_of(&place, run);
        assert_eq!(ended["state"], "succeeded", "{ended:#}");
        assert_eq!(ended["set"], json!({ "scene.clip": { "until": 1 } }));
        let good =
            ended["stages"].as_array().and_then(|all| all.iter().find(|one| one["path"] == "scene.good"));
        assert_eq!(good.expect("it is there")["settled"], 3, "what succeeded is not done again");
    }
    let why = place.ask(&["why", &runs[0], "scene[s1].clip"]).expect(0).stdout;
    assert!(why.contains("a retry by hand has set with.until = 1"), "{why}");
    assert_eq!(groups(&place, &[])["of"], 1, "what succeeded since is not dead any more");
    let again = place.ask(&["dead", "replay", &other, "one", "--set", "with.until=1"]).expect(0).stdout;
    assert!(again.contains("1 of 1 run around again"), "{again}");
    assert_eq!(end_of(&place, &other)["state"], "succeeded");
}

#[test]
fn dead_tasks_of_archived_runs_are_seen_and_not_replayed() {
    let server = RedisServer::start();
    let place = Place::of_fleet(&server);
    let _worker = worker(&place, &["--keep", "0s"]);
    let text = pipeline("stages: { one: { uses: probe.fail@1, with: { class: permanent } } }\n");
    let run = submit(&place, &text, &[]);
    wait_until("the run to be archived", || {
        let refused = place.ask(&["retry", &run, "--detach"]);
        refused.code == Some(1) && refused.stderr.contains("archived")
    });
    let listed = groups(&place, &[]);
    let group = listed["groups"][0]["group"].as_str().expect("a group");
    let refused = place.ask(&["dead", "replay", group]).expect(1).stdout;
    assert!(refused.contains("archived") && refused.contains("0 of 1 run"), "{refused}");
}

#[test]
fn a_stage_of_one_machine_is_retried_by_what_failed_of_it() {
    let place = Place::new();
    place.write("p.yaml", &broken_clips());
    let _ = place.ask(&["run", "p.yaml", "--input", "n=1"]).expect(1);
    let retry =
        ["retry", "last", "--from", "scene", "--failed", "--set", "scene.clip.with.until=1", "-o", "json"];
    let ended = place.ask(&retry).expect(0).json();
    let settled = |path: &str| {
        let stages = ended["stages"].as_array().expect("a list of stages");
        stages.iter().find(|one| one["path"] == path).map(|one| one["settled"].clone())
    };
    assert_eq!((settled("list"), settled("scene.good")), (Some(json!(1)), Some(json!(3))));
    let refused = place.ask(&["retry", "last", "--set", "with.until=1"]).expect(2);
    assert!(refused.stderr.contains("name the stage"), "{refused:?}");
}

#[test]
fn whatever_a_ready_task_waits_for_is_told() {
    let server = RedisServer::start();
    let place = Place::of_fleet(&server);
    let text = pipeline(
        "stages: { one: { uses: probe.echo@1, queue: slow, timeout: { queue: 1h }, with: { n: 1 } } }\n",
    );
    let first = submit(&place, &text, &[]);
    let second = submit(&place, &text, &["--priority", "9"]);
    let _ = submit(&place, &text, &["--namespace", "other"]);
    let why = |run: &str| place.ask(&["why", run, "one"]).expect(0).stdout;
    let told = why(&first);
    for part in [
        "no worker was heard lately",
        "1 task of more urgent or older runs stands before it",
        "1 other namespace with ready tasks take turns",
        "(`timeout.queue`)",
        "reelmill worker --queue slow",
    ] {
        assert!(told.contains(part), "{part} is not in {told}");
    }
    assert!(!why(&second).contains("before it"), "it is first");
    let _ = place.ask(&["queues", "--pause", "slow"]).expect(0);
    let _worker = worker(&place, &[]);
    let told = why(&second);
    assert!(told.contains("its queue `slow` is paused") && told.contains("queues --resume slow"), "{told}");
    wait_until("the worker to be seen", || {
        why(&second).contains("none of the 1 workers serves queue `slow`")
    });
    let of_run = place.ask(&["why", &second]).expect(0).stdout;
    assert!(of_run.contains("`one`: its queue `slow` is paused"), "{of_run}");
}

#[test]
fn a_pipeline_with_triggers_is_run_once_and_says_so() {
    let place = Place::new();
    let text = pipeline(
        "triggers: { daily: { type: schedule, cron: \"0 6 * * *\" } }
stages: { one: { uses: probe.echo@1, with: { n: 1 } } }
",
    );
    let ended = place.run(&text, &[]).expect(0);
    assert!(ended.stderr.contains("p.yaml has 1 trigger; this command starts one run now"), "{ended:?}");
}
