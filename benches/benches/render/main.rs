//! Videos rendered by this project and by one `ffmpeg` command with the same graph, in turn on the same machine; only
//! ratios count.
//!
//! `make bench-render` renders 48 s of 1080 x 1920 at 30 frames a second from eight clips of 1920 x 1080, captions burnt
//! in, narration over ducked music, x264 medium crf 23, AAC 192k; then with settings of our choice; then, at 540 x 960, ten
//! videos of four seconds one after another and at once, and five variants of one. On two idle cores it takes some ten
//! minutes, and half a gigabyte of clips is made before the first time. `RENDER='--quick'` does 12 s of 540 x 960 in five,
//! `RENDER='--rounds N'` goes round more often (once by default, twice with `--quick`).
//!
//! Each figure is printed when it is known, beside its goal, and all of them at the end. CPU and memory are worth something
//! on a machine that does other work too; wall and the use of cores are not, so how much others took stands beside them.
//!
//! Where this build has `reelmill` and its plugins (`make build`), the project's side is `reelmill run`; elsewhere it
//! is the video plugin's own code in a child process, and the table says so.

mod crowd;
mod engine;
mod material;
mod ours;
mod table;
mod theirs;

use anyhow::{Context as _, bail};
use material::{Composition, SAMPLE, WHOLE};
use ours::{CHOICE, LOSSLESS, SAME, Settings};
use reelmill_benches::median;
use reelmill_benches::process::{Cost, measure};
use reelmill_media::{Unwatched, ssim};
use std::path::{Path, PathBuf};
use table::{Table, Verdict};

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
    let usual = if quick { 2 } else { 1 };
    let rounds: usize = rounds.map_or(Ok(usual), |n| n.parse()).context("--rounds takes a number")?;
    let composition = if quick { Composition::quick() } else { Composition::full() };
    composition.make()?;
    let table = Table::begin();
    let mut verdicts = compare(&table, &composition, rounds.max(1))?;
    if let Some(program) = engine::program() {
        verdicts.extend(crowds(&table, &program, &composition.small(), rounds.max(1))?);
    } else {
        println!("no `reelmill` in this build: ten at once and variants were not measured");
    }
    println!("\nall of it in {:.0} s", table.elapsed().as_secs_f64());
    verdicts.iter().for_each(Verdict::print);
    if verdicts.iter().any(|verdict| !verdict.met()) {
        bail!("a target was missed");
    }
    Ok(())
}

/// One video: the command, the same by us, and ours with settings of our choice.
fn compare(table: &Table, composition: &Composition, rounds: usize) -> anyhow::Result<Vec<Verdict>> {
    let file = |name: &str| composition.file(name);
    let (our_file, their_file, chosen_file) = (file("ours.mp4"), file("theirs.mp4"), file("chosen.mp4"));
    let (mut ours, mut theirs, mut chosen) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds {
        // Who goes first changes, so that a machine that grows warm or busy favours nobody.
        for turn in 0..3 {
            match (round + turn) % 3 {
                0 => theirs.push(table.row("one ffmpeg command", || {
                    Ok(measure(&mut theirs::command(composition, &their_file))?)
                })?),
                1 => ours.push(render_ours(table, composition, "the same", SAME, &our_file)?),
                _ => {
                    let what = "settings of our choice";
                    chosen.push(render_ours(table, composition, what, CHOICE, &chosen_file)?);
                }
            }
        }
    }
    let figure = |costs: &[Cost], of: fn(&Cost) -> f64| median(costs.iter().map(of).collect());
    let ratio = |of: fn(&Cost) -> f64| figure(&ours, of) / figure(&theirs, of);
    let faster = PEER_WALL * figure(&theirs, |c| c.wall_s) / figure(&chosen, |c| c.wall_s);
    let mut verdicts = vec![
        Verdict::most("same settings: CPU, times ffmpeg's", ratio(|c| c.cpu_s), CPU_MOST),
        Verdict::most("same settings: wall, times ffmpeg's", ratio(|c| c.wall_s), WALL_MOST),
        // Of small pictures little is needed, and what any process of ours takes weighs more.
        Verdict::most("same settings: peak memory, times ffmpeg's", ratio(|c| c.rss_mib), MEMORY_MOST)
            .judged_if(composition.canvas.short_side() >= 1_080),
        Verdict::least("our choice: times as fast as the peer", faster, FASTER_LEAST),
    ];
    verdicts.iter().for_each(Verdict::print);
    let alike = table.step("comparing both", || Ok(ssim(&our_file, &their_file, &Unwatched)?.mean))?;
    let quality = table.step("comparing with lossless", || quality(composition))?;
    let seen = [
        Verdict::least("same settings: SSIM to ffmpeg's", alike, ALIKE_LEAST),
        Verdict::least("our choice: SSIM to lossless", quality, PEER_SSIM),
    ];
    seen.iter().for_each(Verdict::print);
    verdicts.extend(seen);
    Ok(verdicts)
}

/// How alike the sample with settings of our choice and without loss are.
fn quality(composition: &Composition) -> anyhow::Result<f64> {
    let (lossless, sample) = (composition.file("lossless.mp4"), composition.file("sample.mp4"));
    measure(&mut ours::command(composition, SAMPLE, LOSSLESS, &lossless)?)?;
    measure(&mut ours::command(composition, SAMPLE, CHOICE, &sample)?)?;
    let quality = ssim(&sample, &lossless, &Unwatched)?.mean;
    std::fs::remove_file(lossless)?;
    Ok(quality)
}

/// Many videos.
fn crowds(
    table: &Table,
    program: &Path,
    composition: &Composition,
    rounds: usize,
) -> anyhow::Result<Vec<Verdict>> {
    let (mut after, mut at_once) = (Vec::new(), Vec::new());
    let (mut one, mut five) = (Vec::new(), Vec::new());
    let all = crowd::VIDEOS;
    for _ in 0..rounds {
        after.push(table.row("ten, one after another", || crowd::videos(program, composition, 1))?);
        at_once.push(table.row("ten at once", || crowd::videos(program, composition, all))?);
        one.push(table.row("one variant", || crowd::variants(program, composition, 1))?);
        five.push(table.row("five variants", || crowd::variants(program, composition, 5))?);
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
fn render_ours(
    table: &Table,
    composition: &Composition,
    what: &str,
    settings: Settings,
    to: &Path,
) -> anyhow::Result<Cost> {
    let Some(program) = engine::program() else {
        let mut command = ours::command(composition, WHOLE, settings, to)?;
        return table.row(&format!("{what} (library)"), || Ok(measure(&mut command)?));
    };
    let stages = serde_json::json!({ "encode": engine::encode(composition, WHOLE, settings)? });
    let outputs = serde_json::json!({ "video": "${{ stages.encode.outputs.video }}" });
    let mut command = engine::command(&program, composition, "home", &stages, &outputs)?;
    let cost = table.row(what, || Ok(measure(&mut command)?))?;
    engine::collect(composition, to)?;
    Ok(cost)
}
