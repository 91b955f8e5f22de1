//! `make bench-quality`: quality by content beside one fixed setting (x264, veryfast, CRF 23), clip by clip.
//!
//! Clips are made of seeds that no rule was tuned on, three a class; `FOOTAGE=folder` adds the videos of a folder. Rules
//! were tuned on seeds 0 to 2, 20 to 22, 11000 to 11002, 12000 to 12002, 13000 to 13002 and, by two allowances, 14000 to
//! 14002; 7000 to 7002, 8000 to 8002 and 9000 to 9002 judged what was before them, and 15000 to 15002 judge now: who tunes
//! further takes others. Who
//! judges is neither side: the `ffmpeg` program's own SSIM and PSNR of luma, over all frames. Bytes are those of the
//! whole file. CPU is what this process took, user and system, all threads, reading the source included.

use reelmill_content::testing::{Shape, TUNING, clip};
use reelmill_content::{Class, FLAT_PSNR, Found, GOOD_ENOUGH, Wanted, find, sample_file, tuned_encoder};
use reelmill_gpu::Cpu;
use reelmill_media::{
    Error, Muxer, Parameter, Result, Unwatched, VideoCodec, VideoReader, VideoSettings, probe, synth,
};
use std::path::{Path, PathBuf};
use std::process::Command;

const CLASSES: [Class; 4] = [Class::Slides, Class::TextHeavy, Class::LowMotion, Class::HighMotion];
const SEEDS: std::ops::Range<u64> = 15_000..15_003;
const SHAPE: Shape = Shape { width: 640, height: 360, fps: 30, seconds: 20.0 };
/// By how much SSIM may be below what is asked.
const TOLERANCE: f64 = 0.002;

fn main() {
    // `cargo test` runs benches too, and then asks for nothing.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let folder = std::env::var_os("BENCH_FOLDER")
        .map_or_else(|| std::env::temp_dir().join("bench-quality"), PathBuf::from);
    let seeds = std::env::var("SEEDS").ok().and_then(|text| {
        let (from, to) = text.split_once("..")?;
        Some(from.parse().ok()?..to.parse().ok()?)
    });
    match bench(&folder, seeds.unwrap_or(SEEDS)) {
        Ok(true) => {}
        Ok(false) => std::process::exit(1),
        Err(error) => {
            eprintln!("bench-quality: {error}");
            std::process::exit(2);
        }
    }
}

/// A clip to be judged by.
struct Source {
    name: String,
    path: PathBuf,
    settings: VideoSettings,
}

/// One side's encode of a clip.
struct Side {
    bytes: u64,
    ssim: f64,
    psnr: f64,
    cpu: f64,
}

/// Both sides of a clip.
struct Row {
    name: String,
    class: Class,
    crf: f32,
    tries: usize,
    fixed: Side,
    ours: Side,
    /// Bytes of the fixed preset at our SSIM.
    at_equal: f64,
}

fn settings(width: u32, height: u32, fps: u32, crf: f32, preset: &str) -> VideoSettings {
    VideoSettings {
        codec: VideoCodec::H264,
        width,
        height,
        fps,
        crf,
        preset: preset.into(),
        threads: 2,
        keyframe_interval: fps * 5,
        ten_bit: false,
    }
}

fn bench(folder: &Path, seeds: std::ops::Range<u64>) -> Result<bool> {
    std::fs::create_dir_all(folder).map_err(|e| Error::Setting(format!("{}: {e}", folder.display())))?;
    let mut sources = Vec::new();
    let only = std::env::var("CLASS").ok();
    for class in CLASSES.into_iter().filter(|class| only.as_ref().is_none_or(|word| word == class.word())) {
        for seed in seeds.clone() {
            sources.push(made(class, seed, folder)?);
        }
    }
    if let Some(footage) = std::env::var_os("FOOTAGE") {
        sources.extend(found(Path::new(&footage))?);
    }
    let tuned = seeds.clone().any(|seed| TUNING.contains(&seed));
    let kind = if tuned { "TUNING seeds: not for judging" } else { "held-out seeds" };
    println!(
        "quality by content beside x264 veryfast CRF 23; {} clips, {kind}; judged by the ffmpeg program",
        sources.len()
    );
    println!(
        "{:22} {:12} {:>5} {:>5} | {:>9} {:>7} {:>6} | {:>9} {:>7} {:>6} | {:>6} {:>8} {:>5}",
        "clip",
        "class",
        "crf",
        "tries",
        "bytes",
        "SSIM",
        "PSNR",
        "bytes",
        "SSIM",
        "PSNR",
        "bytes",
        "at equal",
        "CPU"
    );
    let mut rows = Vec::new();
    for source in &sources {
        let row = compare(source, folder)?;
        print_row(&row);
        rows.push(row);
    }
    print_classes(&rows);
    Ok(verdict(&rows))
}

/// A labelled clip, nearly without loss; it is kept for the next run.
fn made(class: Class, seed: u64, folder: &Path) -> Result<Source> {
    let Shape { width, height, fps, .. } = SHAPE;
    let name = format!("{}-{seed}", class.word());
    let path = folder.join(format!("{name}.mp4"));
    if !path.exists() {
        let lossless =
            VideoSettings { keyframe_interval: fps, ..settings(width, height, fps, 6.0, "ultrafast") };
        synth(&path, Some((&clip(class, seed, SHAPE), &lossless)), None, &Unwatched)?;
    }
    Ok(Source { name, path, settings: settings(width, height, fps, 23.0, "veryfast") })
}

/// The videos of a folder.
fn found(folder: &Path) -> Result<Vec<Source>> {
    let listed =
        std::fs::read_dir(folder).map_err(|e| Error::Setting(format!("{}: {e}", folder.display())))?;
    let mut sources = Vec::new();
    for path in listed.flatten().map(|entry| entry.path()).filter(|path| path.is_file()) {
        let Ok(info) = probe(&path) else { continue };
        let Some(video) = info.video.filter(|_| !info.picture) else { continue };
        let even = |side: u32| side / 2 * 2;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a frame rate")]
        let fps = video.fps.round().clamp(1.0, 120.0) as u32;
        let name = path.file_stem().unwrap_or_default().to_string_lossy().chars().take(22).collect();
        sources.push(Source {
            name,
            settings: settings(even(video.width), even(video.height), fps, 23.0, "veryfast"),
            path,
        });
    }
    Ok(sources)
}

fn compare(source: &Source, folder: &Path) -> Result<Row> {
    let file = folder.join("out.mp4");
    let fixed = side(source, &source.settings, &[], &file, 0.0)?;
    let before = cpu_seconds();
    let found = search(source, folder)?;
    let searched = cpu_seconds() - before;
    let settings = VideoSettings { crf: found.crf, ..source.settings.clone() };
    let ours = side(source, &settings, &found.parameters, &file, searched)?;
    let at_equal = equal(source, &fixed, &ours, found.crf, &file)?;
    let _ = std::fs::remove_file(&file);
    let tries = found.tried.len() + usize::from(found.usual.is_some() && !found.parameters.is_empty());
    Ok(Row {
        name: source.name.clone(),
        class: found.shown.class,
        crf: found.crf,
        tries,
        fixed,
        ours,
        at_equal,
    })
}

fn search(source: &Source, folder: &Path) -> Result<Found> {
    let (samples, shown) = sample_file(&source.path, &source.settings, &Cpu, &Unwatched)?;
    find(&samples, shown, &source.settings, Wanted::Auto, folder, &Cpu, &Unwatched)
}

/// Encodes a whole clip and has it judged.
fn side(
    source: &Source,
    settings: &VideoSettings,
    parameters: &[Parameter],
    to: &Path,
    before: f64,
) -> Result<Side> {
    let started = cpu_seconds();
    let bytes = encode(&source.path, settings, parameters, to)?;
    let cpu = before + cpu_seconds() - started;
    let (ssim, psnr) = judge(to, &source.path)?;
    Ok(Side { bytes, ssim, psnr, cpu })
}

fn encode(from: &Path, settings: &VideoSettings, parameters: &[Parameter], to: &Path) -> Result<u64> {
    let mut reader = VideoReader::open(from, 0, 2)?;
    let mut encoder = tuned_encoder(settings, parameters)?;
    let mut muxer = Muxer::create(to)?;
    let stream = muxer.add_video(&encoder)?;
    while let Some(mut frame) = reader.next_frame()? {
        encoder.encode(&mut frame, |packet| muxer.write(stream, packet))?;
    }
    encoder.finish(|packet| muxer.write(stream, packet))?;
    muxer.finish()
}

/// SSIM and PSNR of luma by the `ffmpeg` program.
fn judge(video: &Path, reference: &Path) -> Result<(f64, f64)> {
    let graph = "[0:v]settb=1/1000,setpts=N,split[a][b];[1:v]settb=1/1000,setpts=N,split[c][d];\
                 [a][c]ssim=f=/dev/null;[b][d]psnr=f=/dev/null";
    let mut program = Command::new("ffmpeg");
    program.args(["-nostdin", "-hide_banner", "-i"]).arg(video).arg("-i").arg(reference);
    program.args(["-lavfi", graph, "-f", "null", "-"]);
    let output = program.output().map_err(|e| Error::Setting(format!("ffmpeg does not start: {e}")))?;
    let text = String::from_utf8_lossy(&output.stderr);
    let figure = |label: &str| {
        let (_, after) = text.rsplit_once(label)?;
        let word = after.split_whitespace().next()?;
        if word == "inf" { Some(100.0) } else { word.parse::<f64>().ok() }
    };
    let (ssim, psnr) = (figure("SSIM Y:"), figure("PSNR y:"));
    ssim.zip(psnr).ok_or_else(|| Error::Setting(format!("ffmpeg gave no figures: {text}")))
}

/// Bytes of the fixed preset where its SSIM is ours, between two CRFs around it.
fn equal(source: &Source, fixed: &Side, ours: &Side, crf: f32, file: &Path) -> Result<f64> {
    let db = |ssim: f64| -10.0 * (1.0 - ssim).max(1e-9).log10();
    let mut points = vec![(db(fixed.ssim), (fixed.bytes as f64).ln())];
    // The preset at our CRF looks nearly as ours does; a step more on either side encloses it.
    for crf in [crf - 1.0, crf + 1.0] {
        let one = side(source, &VideoSettings { crf, ..source.settings.clone() }, &[], file, 0.0)?;
        points.push((db(one.ssim), (one.bytes as f64).ln()));
    }
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    let wanted = db(ours.ssim);
    let at = points.windows(2).position(|pair| wanted <= pair[1].0).unwrap_or(points.len() - 2);
    let (low, high) = (points[at], points[at + 1]);
    let share = if high.0 - low.0 > 1e-9 { (wanted - low.0) / (high.0 - low.0) } else { 0.5 };
    Ok((low.1 + share * (high.1 - low.1)).exp())
}

fn print_row(row: &Row) {
    let Row { fixed, ours, .. } = row;
    println!(
        "{:22} {:12} {:5.1} {:5} | {:9} {:7.4} {:6.2} | {:9} {:7.4} {:6.2} | {:5.3}x {:7.3}x {:4.2}x",
        row.name,
        row.class.word(),
        row.crf,
        row.tries,
        fixed.bytes,
        fixed.ssim,
        fixed.psnr,
        ours.bytes,
        ours.ssim,
        ours.psnr,
        ours.bytes as f64 / fixed.bytes as f64,
        ours.bytes as f64 / row.at_equal,
        ours.cpu / fixed.cpu
    );
}

/// Geometric mean of our bytes beside those of the fixed setting.
fn bytes_ratio(rows: &[&Row]) -> f64 {
    let logs = rows.iter().map(|r| (r.ours.bytes as f64 / r.fixed.bytes as f64).ln());
    (logs.sum::<f64>() / rows.len() as f64).exp()
}

/// Our CPU time beside that of the fixed setting.
fn cpu_ratio(rows: &[&Row]) -> f64 {
    rows.iter().map(|r| r.ours.cpu).sum::<f64>() / rows.iter().map(|r| r.fixed.cpu).sum::<f64>()
}

/// By how much our SSIM is below what is asked.
fn below(row: &Row) -> f64 {
    row.fixed.ssim.min(GOOD_ENOUGH) - row.ours.ssim
}

/// Prints the figures class by class, as clips are labelled.
fn print_classes(rows: &[Row]) {
    println!();
    for class in CLASSES {
        let of: Vec<&Row> = rows.iter().filter(|r| r.name.starts_with(class.word())).collect();
        if of.is_empty() {
            continue;
        }
        let loss = of.iter().map(|r| below(r)).fold(f64::NEG_INFINITY, f64::max);
        let (bytes, cpu) = (bytes_ratio(&of), cpu_ratio(&of));
        println!("{:12} bytes {bytes:.3}x  SSIM below, most {loss:7.4}  CPU {cpu:.2}x", class.word());
    }
}

/// Prints each figure beside its goal; whether all are reached.
fn verdict(rows: &[Row]) -> bool {
    let all_rows: Vec<&Row> = rows.iter().collect();
    let (mean, cpu) = (bytes_ratio(&all_rows), cpu_ratio(&all_rows));
    let worst = rows.iter().max_by(|a, b| below(a).total_cmp(&below(b)));
    let flat: Vec<&Row> = rows.iter().filter(|r| r.class.is_flat()).collect();
    let under = |r: &Row| r.fixed.psnr.min(FLAT_PSNR) - r.ours.psnr;
    let lowest = flat.iter().map(|r| under(r)).fold(f64::NEG_INFINITY, f64::max);
    let larger = rows.iter().map(|r| r.ours.bytes as f64 / r.at_equal).fold(0.0, f64::max);
    let fewest =
        CLASSES.iter().map(|class| rows.iter().filter(|r| r.name.starts_with(class.word())).count()).min();
    let mut all = true;
    let mut line = |what: &str, found: String, wanted: String, reached: bool| {
        all &= reached;
        println!("{what:52} {found:>10}   goal {wanted:12} {}", if reached { "reached" } else { "MISSED" });
    };
    println!();
    line(
        "clips, fewest of a class",
        format!("{} / {}", rows.len(), fewest.unwrap_or(0)),
        "12 / 3".into(),
        rows.len() >= 12 && fewest >= Some(3),
    );
    line(
        "bytes beside the fixed setting, geometric mean",
        format!("{mean:.3}"),
        "<= 0.80".into(),
        mean <= 0.80,
    );
    if let Some(worst) = worst {
        let what = format!("SSIM below min(fixed, {GOOD_ENOUGH}), most ({})", worst.name);
        line(&what, format!("{:.4}", below(worst)), format!("<= {TOLERANCE}"), below(worst) <= TOLERANCE);
    }
    line(
        &format!("PSNR of flat clips below min(fixed, {FLAT_PSNR}), most"),
        format!("{lowest:.2} dB"),
        "<= 0".into(),
        lowest <= 0.0,
    );
    line("bytes at equal SSIM, the worst clip", format!("{larger:.3}"), "<= 1.00".into(), larger <= 1.0);
    line("CPU beside the fixed setting, tries included", format!("{cpu:.2}"), "<= 1.5".into(), cpu <= 1.5);
    all
}

/// Seconds of CPU that this process has taken.
#[expect(unsafe_code, reason = "the clock of the process has no safe door")]
fn cpu_seconds() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a valid timespec, which the call fills; this clock exists on every Linux.
    let code = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    assert_eq!(code, 0, "the clock of the process cannot be read");
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
