//! One composition rendered twice, by this project and by one `ffmpeg` command with the same graph, in turn on
//! the same machine; only ratios count.
//!
//! `cargo bench -p reelmill-benches --bench render` renders 48 s of 1080 x 1920 at 30 frames a second from eight
//! clips of 1920 x 1080, captions burnt in, narration over ducked music, x264 medium crf 23, AAC 192k. `-- --quick`
//! does 12 s of 540 x 960, `-- --rounds N` more rounds (2 by default).
//!
//! Where this build has `reelmill` and its plugins (`make build`), the project's side is `reelmill run`; elsewhere it
//! is the video plugin's own code in a child process, and the table says so.

mod engine;
mod material;
mod ours;
mod theirs;

use anyhow::{Context as _, bail};
use material::Composition;
use reelmill_benches::median;
use reelmill_benches::process::{Cost, measure};
use reelmill_media::{Unwatched, ssim};
use std::path::{Path, PathBuf};

/// What the project promises: at most this many times the cost of the one command, and at least this alike.
const CPU_MOST: f64 = 1.05;
const WALL_MOST: f64 = 1.10;
const MEMORY_MOST: f64 = 0.90;
const SSIM_LEAST: f64 = 0.99;

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
    compare(quick, rounds.max(1))
}

fn compare(quick: bool, rounds: usize) -> anyhow::Result<()> {
    let composition = if quick { Composition::quick() } else { Composition::full() };
    composition.make()?;
    let (our_file, their_file) = (composition.file("ours.mp4"), composition.file("theirs.mp4"));
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    println!("{:<8} {:>10} {:>10} {:>10}", "", "CPU s", "wall s", "RSS MiB");
    for round in 0..rounds {
        // Who goes first changes, so that a machine that grows warm or busy favours nobody.
        for turn in 0..2 {
            if (round + turn) % 2 == 0 {
                theirs.push(row("ffmpeg", measure(&mut theirs::command(&composition, &their_file))?));
            } else {
                ours.push(render_ours(&composition, &our_file)?);
            }
        }
    }
    let alike = ssim(&our_file, &their_file, &Unwatched)?;
    let ratio = |figure: fn(&Cost) -> f64| {
        median(ours.iter().map(figure).collect()) / median(theirs.iter().map(figure).collect())
    };
    let (cpu, wall, memory) = (ratio(|c| c.cpu_s), ratio(|c| c.wall_s), ratio(|c| c.rss_mib));
    let verdicts = [
        verdict("CPU", cpu, "at most", CPU_MOST, cpu <= CPU_MOST),
        verdict("wall", wall, "at most", WALL_MOST, wall <= WALL_MOST),
        verdict("memory", memory, "at most", MEMORY_MOST, memory <= MEMORY_MOST),
        verdict("SSIM", alike.mean, "at least", SSIM_LEAST, alike.mean >= SSIM_LEAST),
    ];
    println!("{} frames compared, the least alike at {:.4}", alike.frames, alike.lowest);
    if verdicts.contains(&false) {
        bail!("a target was missed");
    }
    Ok(())
}

/// One rendering by this project, as a user would start it where that is possible.
fn render_ours(composition: &Composition, to: &Path) -> anyhow::Result<Cost> {
    let Some(program) = engine::program() else {
        return Ok(row("library", measure(&mut ours::command(composition, to)?)?));
    };
    let cost = measure(&mut engine::command(&program, composition)?)?;
    engine::collect(composition, to)?;
    Ok(row("reelmill", cost))
}

fn row(who: &str, cost: Cost) -> Cost {
    println!("{who:<8} {:>10.2} {:>10.2} {:>10.0}", cost.cpu_s, cost.wall_s, cost.rss_mib);
    cost
}

fn verdict(what: &str, found: f64, how: &str, target: f64, met: bool) -> bool {
    println!("{what:<8} {found:>10.3}   {how} {target:.2}: {}", if met { "met" } else { "MISSED" });
    met
}
