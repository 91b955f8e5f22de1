//! How much faster a GPU is than this machine's cores, operation by operation: `frame_ops [FRAMES [WIDTH HEIGHT]]`.
//!
//! Times are milliseconds a frame, the median of several rounds. `copied` has everything: pictures lie in pinned
//! memory of this machine, figures come back to it. `there` has the pictures on the GPU already. Copies alone are
//! printed first. Without a GPU only the CPU's columns are filled.

use reelmill_gpu::{Cpu, Cuda, FrameOps, Frames, Layer, Result, Scaling};
use std::time::{Duration, Instant};

/// At least this long is measured for each figure.
const LONG: Duration = Duration::from_millis(250);

fn main() {
    let arguments: Vec<usize> = std::env::args().skip(1).filter_map(|a| a.parse().ok()).collect();
    let frames = arguments.first().copied().unwrap_or(32).max(2);
    let (width, height) = match arguments[..] {
        [_, width, height] => (width, height),
        _ => (1_920, 1_080),
    };
    if let Err(error) = bench(width, height, frames) {
        eprintln!("frame_ops: {error}");
        std::process::exit(1);
    }
}

/// Pictures in which a pattern moves, with noise, in memory that `ops` reads fast.
fn pictures(ops: &dyn FrameOps, width: usize, height: usize, count: usize, seed: u64) -> Result<Frames> {
    let mut frames = Frames::new(width, height, ops.buffer(width * height * count)?)?;
    let mut state = seed | 1;
    for picture in 0..count {
        for (at, pixel) in frames.frame_mut(picture).iter_mut().enumerate() {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let (x, y) = (at % width + picture * 3, at / width + picture);
            let [pattern, noise] =
                [((x >> 3) ^ (y >> 4)) * 11 % 200, usize::from(state.to_le_bytes()[3] & 7)];
            *pixel = u8::try_from(pattern + noise).unwrap_or(255);
        }
    }
    Ok(frames)
}

/// Milliseconds that something takes, the median of at least three rounds.
fn measure<T>(mut work: impl FnMut() -> Result<T>) -> Result<f64> {
    work()?;
    let (started, mut rounds) = (Instant::now(), Vec::new());
    while rounds.len() < 3 || (started.elapsed() < LONG && rounds.len() < 1_000) {
        let round = Instant::now();
        std::hint::black_box(work()?);
        rounds.push(round.elapsed().as_secs_f64() * 1_000.0);
    }
    rounds.sort_by(f64::total_cmp);
    Ok(rounds[rounds.len() / 2])
}

/// An operation over pictures and references, by name.
type Operation = (&'static str, fn(&dyn FrameOps, &Frames, &Frames, &mut Frames) -> Result<()>);

const SMALL: &str = "scale to 320x180";
const MEDIUM: &str = "scale to 1280x720";

/// Room for what an operation puts out.
fn room(ops: &dyn FrameOps, name: &str, like: &Frames) -> Result<Frames> {
    let (width, height) = match name {
        SMALL => (320, 180),
        MEDIUM => (1_280, 720),
        _ => like.size(),
    };
    Frames::new(width, height, ops.buffer(width * height * like.count())?)
}

const OPERATIONS: [Operation; 8] = [
    ("SSIM and PSNR", |ops, a, b, _| ops.likeness(a, b).map(drop)),
    ("difference, TI", |ops, a, _, _| ops.difference(a).map(drop)),
    ("motion search", |ops, a, _, _| ops.motion(a).map(drop)),
    ("histogram", |ops, a, _, _| ops.histogram(a).map(drop)),
    ("detail, SI", |ops, a, _, _| ops.detail(a).map(drop)),
    (SMALL, |ops, a, _, into| ops.scale(a, into, Scaling::Box)),
    (MEDIUM, |ops, a, _, into| ops.scale(a, into, Scaling::Bilinear)),
    ("blend a layer", |ops, a, b, into| ops.blend(a, Layer { luma: b.frame(0), opacity: b.frame(1) }, into)),
];

/// The same over pictures on the GPU.
fn there(gpu: &Cuda, index: usize, a: &Frames, b: &Frames) -> Result<f64> {
    let (on_gpu, reference) = (gpu.upload(a)?, gpu.upload(b)?);
    let layer = Layer { luma: b.frame(0), opacity: b.frame(1) };
    match index {
        0 => measure(|| gpu.likeness_there(&on_gpu, &reference)),
        1 => measure(|| gpu.difference_there(&on_gpu)),
        2 => measure(|| gpu.motion_there(&on_gpu)),
        3 => measure(|| gpu.histogram_there(&on_gpu)),
        4 => measure(|| gpu.detail_there(&on_gpu)),
        5 => measure(|| gpu.scale_there(&on_gpu, 320, 180, Scaling::Box)),
        6 => measure(|| gpu.scale_there(&on_gpu, 1_280, 720, Scaling::Bilinear)),
        _ => measure(|| gpu.blend_there(&on_gpu, layer)),
    }
}

fn bench(width: usize, height: usize, count: usize) -> Result<()> {
    let gpu = match Cuda::open(0) {
        Ok(gpu) => Some(gpu),
        Err(error) => {
            println!("{error}");
            None
        }
    };
    let host: &dyn FrameOps = gpu.as_ref().map_or(&Cpu, |gpu| gpu);
    let (a, b) = (pictures(host, width, height, count, 1)?, pictures(host, width, height, count, 2)?);
    // Two pictures are the fewest that all operations take; their figures are halved.
    let (two, other_two) = (pictures(host, width, height, 2, 1)?, pictures(host, width, height, 2, 2)?);
    println!("{width}x{height}, batches of {count}; {}; {}", host.name(), Cpu.name());
    if let Some(gpu) = &gpu {
        copies(gpu, &a)?;
    }
    println!(
        "milliseconds a frame      1 core  all cores   all, batch |  GPU, 2  GPU, batch   batch, there |  batch : all cores   there : all cores   there : 1 core"
    );
    let one_core = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread can be started");
    for (index, (name, work)) in OPERATIONS.iter().enumerate() {
        let (mut into, mut into_two) = (room(host, name, &a)?, room(host, name, &two)?);
        let one = one_core.install(|| measure(|| work(&Cpu, &two, &other_two, &mut into_two)))? / 2.0;
        let all = measure(|| work(&Cpu, &two, &other_two, &mut into_two))? / 2.0;
        let batch = measure(|| work(&Cpu, &a, &b, &mut into))? / count as f64;
        print!("{name:20}    {one:8.3}   {all:8.3}     {batch:8.3} |");
        let Some(gpu) = &gpu else {
            println!();
            continue;
        };
        let pair = measure(|| work(gpu, &two, &other_two, &mut into_two))? / 2.0;
        let copied = measure(|| work(gpu, &a, &b, &mut into))? / count as f64;
        let there = there(gpu, index, &a, &b)? / count as f64;
        print!(" {pair:8.4}    {copied:8.4}       {there:8.4} |");
        println!(" {:15.1} x {:17.1} x {:14.1} x", batch / copied, batch / there, one / there);
    }
    Ok(())
}

/// What copies alone take.
fn copies(gpu: &Cuda, pinned: &Frames) -> Result<()> {
    let bytes = pinned.pixels().len() as f64;
    let rate = |ms: f64| bytes / ms / 1e6;
    let plain = Frames::new(pinned.width(), pinned.height(), pinned.pixels().to_vec())?;
    let there = gpu.upload(pinned)?;
    let up = measure(|| gpu.upload(pinned))?;
    let up_plain = measure(|| gpu.upload(&plain))?;
    let mut into = Frames::new(pinned.width(), pinned.height(), gpu.buffer(pinned.pixels().len())?)?;
    let down = measure(|| gpu.download(&there, &mut into))?;
    let count = pinned.count() as f64;
    println!(
        "to the GPU {:.3} ms a frame ({:.1} GB/s) pinned, {:.3} ms ({:.1} GB/s) plain; from it {:.3} ms ({:.1} GB/s)",
        up / count,
        rate(up),
        up_plain / count,
        rate(up_plain),
        down / count,
        rate(down)
    );
    Ok(())
}
