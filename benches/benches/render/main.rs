//! Videos rendered by this project and by one `ffmpeg` command with the same graph, in turn on the same machine; only
//! ratios count.
//!
//! `cargo bench -p reelmill-benches --bench render` renders 48 s of 1080 x 1920 at 30 frames a second from eight
//! clips of 1920 x 1080, captions burnt in, narration over ducked music, x264 medium crf 23, AAC 192k; then with settings
//! of our choice; then, at 540 x 960, ten short videos at once, and five variants of one. `-- --quick` does 12 s of 540 x 960,
//! `-- --rounds N` more rounds (2 by default).
//!
//! Where this build has `reelmill` and its plugins (`make build`), the project's side is `reelmill run`; elsewhere it
//! is the video plugin's own code in a child process, and the table says so.

mod crowd;
mod engine;
mod material;
mod ours;
mod theirs;

use anyhow::{Context as _, bail};
use material::{Composition, SAMPLE, WHOLE};
use ours::{CHOICE, LOSSLESS, SAME, Settings};
use reelmill_benches::median;
use reelmill_benches::process::{Cost, measure};
use reelmill_media::{Unwatched, ssim};
use std::path::{Path, PathBuf};

/// At most this many times the cost of the one command, and at least this alike.
const CPU_MOST: f64 = 1.05;
const WALL_MOST: f64 = 1.05;
const MEMORY_MOST: f64 = 0.80;
const ALIKE_LEAST: f64 = 0.99;
/// `MoneyPrinterTurbo` 1.3.9 on this composition, measured beside the same command: times its wall time, and the SSIM of
/// what comes out against a lossless rendering.
const PEER_WALL: f64 = 3.8;
const PEER_SSIM: f64 = 0.88;
/// With settings of our choice, at least so many times as fast as that.
const FASTER_LEAST: f64 = 6.0;
/// Ten at once: MiB over one after another, and the part of the cores' time that is used.
const GROWTH_MOST: f64 = 500.0;
const USED_LEAST: f64 = 0.95;
/// Five variants of one video, in CPU time of one.
const VARIANTS_MOST: f64 = 2.5;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [verb, folder, to] = arguments.as_slice()
        && verb == ours::CHILD
    {
        return ours::render_in_this_process(&PathBuf::from(folder), &PathBuf::from(to));
    }
    let quick = arguments.iter().any(|a| a == "--quick");
    let rounds = arguments.iter().position(|a| a == "--rounds").and_then(|at| arguments.get(at + 1));
    let rounds: usize = rounds.map_or(Ok(2), |n| n.parse()).context("--rounds takes a number")?;
    let composition = if quick { Composition::quick() } else { Composition::full() };
    composition.make()?;
    println!("{:<28} {:>10} {:>10} {:>10}", "", "CPU s", "wall s", "RSS MiB");
    let mut verdicts = compare(&composition, rounds.max(1))?;
    if let Some(program) = engine::program() {
        verdicts.extend(crowds(&program, &composition.small(), rounds.max(1))?);
    } else {
        println!("no `reelmill` in this build: ten at once and variants were not measured");
    }
    println!();
    for verdict in &verdicts {
        verdict.print();
    }
    if verdicts.iter().any(|verdict| !verdict.met()) {
        bail!("a target was missed");
    }
    Ok(())
}

/// One video: the command, the same by us, and ours with settings of our choice.
fn compare(composition: &Composition, rounds: usize) -> anyhow::Result<Vec<Verdict>> {
    let file = |name: &str| composition.file(name);
    let (our_file, their_file, chosen_file) = (file("ours.mp4"), file("theirs.mp4"), file("chosen.mp4"));
    let (mut ours, mut theirs, mut chosen) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds {
        // Who goes first changes, so that a machine that grows warm or busy favours nobody.
        for turn in 0..3 {
            match (round + turn) % 3 {
                0 => theirs.push(row(
                    "one ffmpeg command",
                    measure(&mut theirs::command(composition, &their_file))?,
                )),
                1 => ours.push(render_ours(composition, "the same", SAME, &our_file)?),
                _ => chosen.push(render_ours(composition, "settings of our choice", CHOICE, &chosen_file)?),
            }
        }
    }
    let alike = ssim(&our_file, &their_file, &Unwatched)?.mean;
    let (lossless, sample) = (file("lossless.mp4"), file("sample.mp4"));
    measure(&mut ours::command(composition, SAMPLE, LOSSLESS, &lossless)?)?;
    measure(&mut ours::command(composition, SAMPLE, CHOICE, &sample)?)?;
    let quality = ssim(&sample, &lossless, &Unwatched)?.mean;
    std::fs::remove_file(lossless)?;
    let figure = |costs: &[Cost], of: fn(&Cost) -> f64| median(costs.iter().map(of).collect());
    let ratio = |of: fn(&Cost) -> f64| figure(&ours, of) / figure(&theirs, of);
    let faster = PEER_WALL * figure(&theirs, |c| c.wall_s) / figure(&chosen, |c| c.wall_s);
    Ok(vec![
        Verdict::most("same settings: CPU, times ffmpeg's", ratio(|c| c.cpu_s), CPU_MOST),
        Verdict::most("same settings: wall, times ffmpeg's", ratio(|c| c.wall_s), WALL_MOST),
        Verdict::most("same settings: peak memory, times ffmpeg's", ratio(|c| c.rss_mib), MEMORY_MOST),
        Verdict::least("same settings: SSIM to ffmpeg's", alike, ALIKE_LEAST),
        Verdict::least("our choice: SSIM to lossless", quality, PEER_SSIM),
        Verdict::least("our choice: times as fast as the peer", faster, FASTER_LEAST),
    ])
}

/// Many videos.
fn crowds(program: &Path, composition: &Composition, rounds: usize) -> anyhow::Result<Vec<Verdict>> {
    let (mut after, mut at_once) = (Vec::new(), Vec::new());
    let (mut one, mut five) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        after.push(row("ten, one after another", crowd::videos(program, composition, 1)?));
        at_once.push(row("ten at once", crowd::videos(program, composition, crowd::VIDEOS)?));
        one.push(row("one variant", crowd::variants(program, composition, 1)?));
        five.push(row("five variants", crowd::variants(program, composition, 5)?));
    }
    let figure = |costs: &[Cost], of: fn(&Cost) -> f64| median(costs.iter().map(of).collect());
    let growth = figure(&at_once, |c| c.rss_mib) - figure(&after, |c| c.rss_mib);
    let variants = figure(&five, |c| c.cpu_s) / figure(&one, |c| c.cpu_s);
    Ok(vec![
        Verdict::most("ten at once: MiB more than one after another", growth, GROWTH_MOST),
        Verdict::least("ten at once: part of the cores used", figure(&at_once, crowd::used), USED_LEAST),
        Verdict::most("five variants: CPU, times one's", variants, VARIANTS_MOST),
    ])
}

/// One rendering by this project, as a user would start it where that is possible.
fn render_ours(composition: &Composition, what: &str, settings: Settings, to: &Path) -> anyhow::Result<Cost> {
    let Some(program) = engine::program() else {
        let cost = measure(&mut ours::command(composition, WHOLE, settings, to)?)?;
        return Ok(row(&format!("{what} (library)"), cost));
    };
    let stages = serde_json::json!({ "encode": engine::encode(composition, WHOLE, settings)? });
    let outputs = serde_json::json!({ "video": "${{ stages.encode.outputs.video }}" });
    let cost = measure(&mut engine::command(&program, composition, "home", &stages, &outputs)?)?;
    engine::collect(composition, to)?;
    Ok(row(what, cost))
}

fn row(who: &str, cost: Cost) -> Cost {
    println!("{who:<28} {:>10.2} {:>10.2} {:>10.0}", cost.cpu_s, cost.wall_s, cost.rss_mib);
    cost
}

/// A figure beside its goal.
struct Verdict {
    what: &'static str,
    found: f64,
    goal: f64,
    /// Whether less is better.
    most: bool,
}

impl Verdict {
    fn most(what: &'static str, found: f64, goal: f64) -> Self {
        Self { what, found, goal, most: true }
    }

    fn least(what: &'static str, found: f64, goal: f64) -> Self {
        Self { what, found, goal, most: false }
    }

    fn met(&self) -> bool {
        if self.most { self.found <= self.goal } else { self.found >= self.goal }
    }

    fn print(&self) {
        let how = if self.most { "at most" } else { "at least" };
        let met = if self.met() { "met" } else { "MISSED" };
        println!("{:<46} {:>9.3}   {how} {:.2}: {met}", self.what, self.found, self.goal);
    }
}
