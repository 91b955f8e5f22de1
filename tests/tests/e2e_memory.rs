//! What is remembered from one run to the next, on the real binaries: choices change with what came of them, in a file and
//! in a PostgreSQL that homes share; and a memory that is away is in nobody's way.

use reelmill_tests::engine::pipeline;
use reelmill_tests::{Place, PostgresServer};
use serde_json::Value;

/// Chooses so many times, one after another. `usual` costs ten times what `quick` does.
fn choosing(times: usize) -> String {
    let items: Vec<String> = (0..times).map(|time| time.to_string()).collect();
    pipeline(&format!(
        r#"
stages:
  each:
    for_each: {{ in: "[{}]", max_parallel: 1 }}
    stages:
      pick:
        uses: faulty.pick@1
        with:
          context: test/one
          among: [usual, quick]
          costs: {{ usual: 10, quick: 1 }}
          time: "${{{{ item }}}}"
"#,
        items.join(", ")
    ))
}

/// What was chosen, newest first.
fn chosen(place: &Place, more: &[&str]) -> Vec<String> {
    let found = place.reelmill(
        &[&["memory", "outcomes", "--kind", "pick", "--limit", "200", "-o", "json"], more].concat(),
    );
    let found = found.expect(0).json();
    let outcomes = found["outcomes"].as_array().expect("a list");
    outcomes.iter().map(|one| one["arm"].as_str().expect("a way").to_owned()).collect()
}

fn quick(ways: &[String]) -> usize {
    ways.iter().filter(|way| *way == "quick").count()
}

#[test]
fn a_choice_changes_with_what_came_of_it_and_the_next_run_begins_with_that() {
    let place = Place::new().with_faulty();
    let _ = place.run(&choosing(30), &["--slots", "1"]).expect(0);
    let first = chosen(&place, &[]);
    assert_eq!(first.len(), 30);
    assert_eq!(first[29], "usual", "before anything is known");
    assert!(quick(&first[..15]) >= 13, "{first:?}");
    // The same once more is in the result cache: nothing is chosen, and nothing learned.
    let _ = place.run(&choosing(30), &["--slots", "1"]).expect(0);
    assert_eq!(chosen(&place, &[]).len(), 30);
    let _ = place.run(&choosing(20), &["--slots", "1", "--no-cache"]).expect(0);
    let second = chosen(&place, &[]);
    assert_eq!(second.len(), 50);
    assert!(quick(&second[..20]) >= 18, "{second:?}");

    let stats = place.reelmill(&["memory", "stats", "-o", "json"]).expect(0).json();
    assert!(stats["outcomes"].as_u64() > Some(50), "attempts are remembered too: {stats}");
    assert!(stats["sessions"].as_u64() >= Some(2), "{stats}");
    let attempts =
        place.reelmill(&["memory", "outcomes", "--kind", "attempt", "-o", "json"]).expect(0).json();
    let attempt = &attempts["outcomes"][0];
    assert_eq!(attempt["context"], "faulty.pick", "{attempt}");
    assert!(attempt["memory_bytes"].as_u64() > Some(0), "{attempt}");
}

#[test]
fn homes_that_share_a_memory_learn_from_each_other() {
    let server = PostgresServer::start();
    let url = server.url();
    let shared = ["--memory-store", url.as_str()];
    let (one, other) = (Place::new().with_faulty(), Place::new().with_faulty());
    let _ = one.run(&choosing(20), &[&["--slots", "1"], &shared[..]].concat()).expect(0);
    let _ = other.run(&choosing(10), &[&["--slots", "1"], &shared[..]].concat()).expect(0);
    let all = chosen(&other, &shared);
    assert_eq!(all.len(), 30);
    assert!(quick(&all[..10]) >= 8, "{all:?}");
    assert!(chosen(&other, &[]).is_empty(), "nothing is in the file at home");
    let third = Place::new().with_faulty();
    third.write("p.yaml", &choosing(2));
    let plan = third.ask(&[&["plan", "p.yaml", "-o", "json"], &shared[..]].concat()).expect(0).json();
    let stages = plan["stages"].as_array().expect("a list");
    let pick = stages
        .iter()
        .find(|stage| stage["uses"].as_str().is_some_and(|uses| uses.starts_with("faulty.pick")));
    assert!(pick.expect("a stage")["expected_ms"].is_u64(), "others know how long it takes: {plan}");
}

#[test]
fn a_memory_that_is_away_is_in_nobodys_way() {
    let place = Place::new().with_faulty();
    // Nobody listens at port 9 of this machine.
    let away = ["--memory-store", "postgres://me:secret@127.0.0.1:9/none"];
    let _ = place.run(&choosing(3), &away).expect(0);
    let told = place.reelmill(&[&["memory", "stats"], &away[..]].concat()).expect(75);
    assert!(told.stderr.contains("127.0.0.1:9/none") && !told.stderr.contains("secret"), "{}", told.stderr);
    let told = place.run(&choosing(3), &["--memory-store", "mysql://db"]).expect(2);
    assert!(told.stdout.contains("write postgres://"), "{}", told.stdout);
}

#[test]
fn values_are_put_found_and_forgotten() {
    let place = Place::new();
    let ask = |arguments: &[&str]| place.reelmill(&[&["memory"], arguments].concat());
    let _ = ask(&["put", "voices", "anna", r#"{"rate": 1.1}"#, "--tag", "warm", "--ttl", "7d"]).expect(0);
    let _ = ask(&["put", "voices", "bert", "deep and slow"]).expect(0);
    assert_eq!(ask(&["get", "voices", "anna"]).expect(0).stdout.trim(), r#"{"rate":1.1}"#);
    assert_eq!(ask(&["get", "voices", "bert"]).expect(0).stdout.trim(), "deep and slow");
    let keys = |arguments: &[&str]| -> Vec<Value> {
        let found = ask(&[&["list"], arguments, &["-o", "json"]].concat()).expect(0).json();
        found["entries"].as_array().expect("a list").iter().map(|entry| entry["key"].clone()).collect()
    };
    assert_eq!(keys(&["voices", "b*"]), ["bert"]);
    assert_eq!(keys(&["--tag", "warm"]), ["anna"]);
    assert_eq!(keys(&["voices", "--after", "anna"]), ["bert"]);
    assert!(ask(&["list"]).expect(0).stdout.contains("deep and slow"));
    let _ = ask(&["rm", "voices", "bert"]).expect(0);
    let gone = ask(&["get", "voices", "bert"]).expect(2);
    assert!(gone.stderr.contains("reelmill memory list"), "{}", gone.stderr);
    let _ = ask(&["put", "voices", "carl", "x", "--ttl", "1ms"]).expect(0);
    let cleaned = ask(&["clean", "-o", "json"]).expect(0).json();
    assert_eq!((cleaned["entries"].as_u64(), cleaned["more"].as_bool()), (Some(1), Some(false)), "{cleaned}");
}
