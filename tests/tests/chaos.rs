//! A fleet while things go wrong at random: workers and runners are killed, workers are stopped for less and for longer
//! than a lease, connections are cut, the server dies and comes back from its file. Every run ends, every task is settled
//! once, what was changed outside has one committed result each, and nothing is left over.
//!
//! `CHAOS_RUNS` and `CHAOS_SEED` make it longer or replay it: `make chaos`.

use reelmill_tests::engine::{Working, files, signal, wait_until};
use reelmill_tests::fleet::{nothing_is_held, worker};
use reelmill_tests::outside::{Book, Outside};
use reelmill_tests::{Place, RedisServer};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::thread;
use std::time::{Duration, Instant};

/// Workers at any time.
const WORKERS: usize = 4;
/// Time between two blows: long enough for work to go on in between.
const LULL: Duration = Duration::from_millis(250);
/// A stop that a lease outlives, and one that outlives a lease of 10 s.
const STOPS: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(12)];
/// Time that the outside takes to answer. Posts share four places, so this and the runs say how long it all takes.
const ANSWER: Duration = Duration::from_millis(40);
/// Items of the fan-out.
const ITEMS: u64 = 3;
/// Tasks of a run: stages, the fan-out itself, and two for each of its items.
const TASKS: u64 = 10 + 2 * ITEMS;

fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// A graph of twelve stages: a fan-out of three in the middle, in it and before it a stage that posts to the outside from
/// a process of its own, and stages of the worker itself around them.
fn graph(outside: &Outside) -> String {
    let chain = |no: u32, before: &str| {
        format!("  s{no}: {{ uses: faulty.noop@1, needs: [{before}], with: {{ n: {no} }} }}\n")
    };
    let [s2, s3, s5] = [chain(2, "s1"), chain(3, "s2"), chain(5, "s4")];
    let [s6, s7, s8, s9] = [chain(6, "each"), chain(7, "s6"), chain(8, "s7"), chain(9, "s8")];
    let to = outside.address();
    format!(
        "version: 1
name: chaos
defaults: {{ retry: {{ max_attempts: 50, initial: 1ms, jitter: none }} }}
inputs: {{ row: {{ type: int }} }}
stages:
  s1: {{ uses: faulty.noop@1, with: {{ items: [1, 2, 3] }} }}
{s2}{s3}  s4: {{ uses: faulty.post@1, needs: [s3], with: {{ to: \"{to}\" }} }}
{s5}  each:
    needs: [s5]
    for_each: {{ in: stages.s1.outputs.items, key: \"'i' + string(item)\" }}
    stages:
      a: {{ uses: faulty.noop@1, with: {{ n: \"${{{{ item }}}}\" }} }}
      b:
        needs: [a]
        uses: faulty.post@1
        with: {{ to: \"{to}\" }}
        concurrency: {{ key: b, limit: 4 }}
    outputs: {{ post: \"${{{{ stages.b.outputs }}}}\" }}
{s6}{s7}{s8}{s9}outputs:
  one: \"${{{{ stages.s4.outputs }}}}\"
  others: \"${{{{ stages.each.outputs.map(e, e.post) }}}}\"
"
    )
}

/// Dice that a seed throws again.
struct Dice(u64);

impl Dice {
    fn up_to(&mut self, count: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % count
    }

    fn pick(&mut self, count: usize) -> usize {
        usize::try_from(self.up_to(count as u64)).unwrap_or(0)
    }
}

/// A blow.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Blow {
    KillWorker,
    KillRunner,
    Stop,
    StopPastLease,
    Cut,
    Restart,
}

/// What a round of blows is made of, in an order that the dice say.
const ROUND: [Blow; 15] = {
    use Blow::{Cut, KillRunner, KillWorker, Restart, Stop, StopPastLease};
    [
        KillWorker,
        KillWorker,
        KillWorker,
        KillWorker,
        KillRunner,
        KillRunner,
        KillRunner,
        KillRunner,
        Stop,
        Stop,
        StopPastLease,
        Cut,
        Cut,
        Restart,
        Restart,
    ]
};

/// How often something happened.
#[derive(Debug, Default)]
struct Counts {
    workers_killed: u32,
    runners_killed: u32,
    stops: u32,
    stops_past_lease: u32,
    restarts: u32,
    cuts: u32,
    submitted_again: u32,
    settles_refused: usize,
}

/// The fleet under its blows.
struct Fleet<'a> {
    place: &'a Place,
    server: &'a mut RedisServer,
    dice: Dice,
    workers: Vec<Working<'a>>,
    /// Workers that stand still, and until when.
    stopped: Vec<(u32, Instant)>,
    counts: Counts,
}

impl<'a> Fleet<'a> {
    fn hire(place: &'a Place) -> Working<'a> {
        worker(place, &["--slots", "2"])
    }

    /// Strikes, a round at least, until the work is done.
    fn suffer(&mut self, done: impl Fn() -> bool, deadline: Instant) {
        loop {
            let mut round = ROUND.to_vec();
            while !round.is_empty() {
                let blow = round.swap_remove(self.dice.pick(round.len()));
                self.strike(blow);
                thread::park_timeout(LULL);
                self.wake(Instant::now());
                assert!(Instant::now() < deadline, "not every run has ended: {:?}", self.counts);
            }
            if done() {
                break;
            }
        }
        while !self.stopped.is_empty() {
            thread::park_timeout(LULL);
            self.wake(Instant::now());
        }
    }

    fn strike(&mut self, blow: Blow) {
        let at = self.dice.pick(self.workers.len());
        match blow {
            Blow::KillWorker => {
                let worker = self.workers.swap_remove(at);
                signal("KILL", &[worker.id()]);
                self.stopped.retain(|(id, _)| *id != worker.id());
                self.dismiss(worker);
                self.workers.push(Self::hire(self.place));
                self.counts.workers_killed += 1;
            }
            Blow::KillRunner => {
                let runners = runners(self.place);
                if !runners.is_empty() {
                    signal("KILL", &[runners[self.dice.pick(runners.len())]]);
                    self.counts.runners_killed += 1;
                }
            }
            Blow::Stop | Blow::StopPastLease => {
                let stands = |id: u32| self.stopped.iter().any(|(other, _)| *other == id);
                let awake: Vec<u32> =
                    self.workers.iter().map(Working::id).filter(|id| !stands(*id)).collect();
                // Somebody has to go on.
                if awake.len() > 1 {
                    let id = awake[self.dice.pick(awake.len())];
                    signal("STOP", &[id]);
                    let past = blow == Blow::StopPastLease;
                    self.stopped.push((id, Instant::now() + STOPS[usize::from(past)]));
                    *(if past { &mut self.counts.stops_past_lease } else { &mut self.counts.stops }) += 1;
                }
            }
            Blow::Cut => {
                let _ = self.server.ask(&["CLIENT", "KILL", "TYPE", "normal"]);
                self.counts.cuts += 1;
            }
            Blow::Restart => {
                self.server.kill();
                self.server.start_again();
                self.counts.restarts += 1;
            }
        }
    }

    /// Lets go on who has stood still for long enough.
    fn wake(&mut self, now: Instant) {
        self.stopped.retain(|(id, until)| {
            let over = *until <= now;
            if over {
                signal("CONT", &[*id]);
            }
            !over
        });
    }

    /// Reads what a worker said until its end.
    fn dismiss(&mut self, worker: Working<'a>) -> Option<i32> {
        let ended = worker.end();
        self.counts.settles_refused += ended.stderr.matches("ended too late to count").count();
        ended.code
    }

    /// Lets all workers drain; nobody holds anything any more when the last one is gone.
    fn close(&mut self) {
        wait_until("only the living to be known, and idle", || {
            let workers = self.place.ask(&["workers", "-o", "json"]).expect(0).json();
            let workers = workers["workers"].as_array().expect("a list of workers");
            workers.len() == WORKERS && workers.iter().all(|worker| worker["held"] == 0)
        });
        while let Some(worker) = self.workers.pop() {
            signal("TERM", &[worker.id()]);
            assert_eq!(self.dismiss(worker), Some(0), "a worker drains");
        }
        let left = self.place.ask(&["workers", "-o", "json"]).expect(0).json();
        assert_eq!(left["workers"], json!([]), "workers that have ended are known no more");
    }
}

/// The processes that run plugins here.
fn runners(place: &Place) -> Vec<u32> {
    let is_runner = |pid: &u32| {
        std::fs::read_to_string(format!("/proc/{pid}/comm"))
            .is_ok_and(|name| name.trim() == "reelmill-runner")
    };
    place.processes().into_iter().filter(is_runner).collect()
}

/// Submits the batch and waits for it, again and again while the store is away; says what came of it and how often it
/// took.
fn submit(place: &Place) -> (Value, u32) {
    let mut again = 0;
    loop {
        let ended = place.ask(&["submit", "p.yaml", "--each", "rows.csv", "--wait", "-o", "json"]);
        match ended.code {
            Some(0) => return (ended.json(), again),
            Some(75) => {
                again += 1;
                thread::park_timeout(LULL);
            }
            _ => panic!("the batch could not be submitted: {ended:?}"),
        }
    }
}

/// What the tasks of some runs came to.
#[derive(Debug, Default)]
struct Sum {
    settled: u64,
    attempts: u64,
    tokens: HashSet<String>,
}

/// Looks through a run: each task was settled once, and each post has one result, that of a try that was made.
fn look_through(place: &Place, run: &str, book: &Book, sum: &mut Sum) {
    let status = place.ask(&["status", run, "-o", "json"]).expect(0).json();
    assert_eq!(status["counts"], json!({ "succeeded": TASKS }), "run {run}");
    let settled_before = sum.settled;
    for stage in status["stages"].as_array().expect("stages") {
        let tasks = &stage["counts"]["succeeded"];
        assert_eq!(&stage["settled"], tasks, "run {run}: {stage}");
        sum.settled += stage["settled"].as_u64().unwrap_or(0);
        sum.attempts += stage["attempts"].as_u64().unwrap_or(0);
    }
    assert_eq!(sum.settled - settled_before, TASKS, "run {run}");
    let outputs = &status["outputs"];
    let others = outputs["others"].as_array().expect("a post for each item");
    for post in others.iter().chain([&outputs["one"]]) {
        let token = post["token"].as_str().expect("a token");
        let answer = post["answer"].as_str().and_then(|number| number.parse().ok()).expect("a number");
        let tries = book.posts.get(token).map_or(&[][..], Vec::as_slice);
        assert!(tries.contains(&answer), "run {run}: {post} names no try of {tries:?}");
        assert!(token.starts_with(run) && sum.tokens.insert(token.to_owned()), "{token} is another's");
    }
    assert_eq!(others.len() as u64, ITEMS, "run {run}");
}

#[test]
fn every_run_ends_once_whatever_happens() {
    let (runs, seed) = (setting("CHAOS_RUNS", 150), setting("CHAOS_SEED", 20_26));
    let begun = Instant::now();
    let mut server = RedisServer::start();
    let outside = Outside::open(ANSWER);
    let place = Place::of_fleet(&server).with_faulty();
    place.write("p.yaml", &graph(&outside));
    let rows: Vec<String> = (0..runs).map(|row| row.to_string()).collect();
    place.write("rows.csv", &format!("row\n{}\n", rows.join("\n")));
    let mut fleet = Fleet {
        place: &place,
        workers: (0..WORKERS).map(|_| Fleet::hire(&place)).collect(),
        server: &mut server,
        dice: Dice(seed),
        stopped: Vec::new(),
        counts: Counts::default(),
    };
    // No run takes as long.
    let deadline = begun + Duration::from_mins(2) + Duration::from_secs(runs);
    let (ended, again) = thread::scope(|scope| {
        let submitting = scope.spawn(|| submit(&place));
        fleet.suffer(|| submitting.is_finished(), deadline);
        submitting.join().expect("the batch ends")
    });
    let suffered = begun.elapsed();
    fleet.counts.submitted_again = again;
    assert_eq!(ended["succeeded"].as_u64(), Some(runs), "{ended:#}");
    let book = outside.book();
    let mut sum = Sum::default();
    for run in ended["runs"].as_array().expect("a list of runs") {
        look_through(&place, run["run"].as_str().expect("an id"), &book, &mut sum);
    }
    assert_eq!(sum.tokens.len() as u64, runs * (1 + ITEMS));
    assert_eq!(book.posts.len(), sum.tokens.len(), "something was posted for no task");
    fleet.close();
    let limits = place.ask(&["limits", "-o", "json"]).expect(0).json();
    assert_eq!(limits["limits"], json!([]), "places are still taken");
    println!(
        "seed {seed}: {runs} runs by {WORKERS} workers in {:.0} s, looked through after {:.0} s: {} tasks settled, each \
         once, in {} attempts; {} posts outside, tried {} times, {} refused there as repeated; {:?}",
        suffered.as_secs_f64(),
        begun.elapsed().as_secs_f64(),
        sum.settled,
        sum.attempts,
        book.posts.len(),
        book.tries,
        book.tries - book.posts.len() as u64,
        fleet.counts,
    );
    assert!(fleet.counts.runners_killed > 0, "no runner was met");
    nothing_is_held(fleet.server);
    nothing_is_left(&place);
}

/// No process, no scratch, no half-written file.
fn nothing_is_left(place: &Place) {
    wait_until("the processes of workers to be gone", || place.processes().is_empty());
    let folders = std::fs::read_dir(place.path("home/scratch")).expect("there is scratch").flatten();
    let folders: Vec<_> = folders.map(|entry| entry.file_name()).collect();
    assert!(
        folders.is_empty(),
        "scratch is left over: {folders:?}, {:?}",
        files(&place.path("home/scratch"))
    );
    for half in ["tmp", "pins", "transfers"] {
        assert_eq!(files(&place.path("home/artifacts").join(half)), [], "left over in {half}");
    }
}
