//! The search with real encoders on real samples.

use reelmill_content::testing::{Shape, clip};
use reelmill_content::{Class, GOOD_ENOUGH, Goal, Wanted, find, sample_file};
use reelmill_gpu::Cpu;
use reelmill_media::{Unwatched, VideoCodec, VideoSettings, synth};
use std::path::{Path, PathBuf};

const SHAPE: Shape = Shape { width: 320, height: 180, fps: 20, seconds: 3.0 };

fn settings(crf: f32, preset: &str) -> VideoSettings {
    VideoSettings {
        codec: VideoCodec::H264,
        width: SHAPE.width,
        height: SHAPE.height,
        fps: SHAPE.fps,
        crf,
        preset: preset.into(),
        threads: 1,
        keyframe_interval: 20,
        ten_bit: false,
    }
}

fn made(class: Class, seed: u64, folder: &Path) -> PathBuf {
    let file = folder.join(format!("{}-{seed}.mp4", class.word()));
    synth(&file, Some((&clip(class, seed, SHAPE), &settings(8.0, "ultrafast"))), None, &Unwatched).unwrap();
    file
}

#[test]
fn an_ssim_is_met_in_three_tries() {
    let folder = tempfile::tempdir().unwrap();
    let file = made(Class::HighMotion, 3_000, folder.path());
    let (samples, shown) = sample_file(&file, &settings(23.0, "veryfast"), &Cpu, &Unwatched).unwrap();
    for wanted in [0.95, 0.985] {
        let search = || {
            let settings = settings(23.0, "veryfast");
            find(&samples, shown, &settings, Wanted::Ssim(wanted), folder.path(), &Cpu, &Unwatched)
        };
        let found = search().unwrap();
        assert!(found.tried.len() <= 3 && found.usual.is_none(), "{found:?}");
        let goal = Goal { ssim: wanted, textured: None, psnr: None };
        assert!(
            found.shown.class == Class::HighMotion && (found.goal.ssim - goal.ssim).abs() < 1e-9,
            "{found:?}"
        );
        // Of all tries the taken CRF lies beside the one that came nearest.
        let nearest = found
            .tried
            .iter()
            .min_by(|a, b| (a.score.ssim - wanted).abs().total_cmp(&(b.score.ssim - wanted).abs()));
        let nearest = nearest.unwrap();
        assert!((nearest.score.ssim - wanted).abs() < 0.012, "{found:?}");
        assert!((f64::from(found.crf) - nearest.crf).abs() < 1.5, "{found:?}");
    }
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().flatten().map(|e| e.path()).collect();
    assert_eq!(left, [file], "samples of tries are removed");
}

#[test]
fn what_is_better_than_is_seen_gets_a_higher_crf_and_pages_keep_their_floor() {
    let folder = tempfile::tempdir().unwrap();
    let file = made(Class::TextHeavy, 3_001, folder.path());
    let settings = settings(16.0, "veryfast");
    let (samples, shown) = sample_file(&file, &settings, &Cpu, &Unwatched).unwrap();
    let found = find(&samples, shown, &settings, Wanted::Auto, folder.path(), &Cpu, &Unwatched).unwrap();
    assert_eq!(found.shown.class, Class::TextHeavy, "{:?}", found.shown);
    assert!(found.crf > 16.0 && found.tried.len() <= 3, "{found:?}");
    assert!(
        found.usual.is_none(),
        "what is good enough far beyond the usual CRF is not compared with it: {found:?}"
    );
    assert!(found.goal.psnr.is_some() && found.goal.textured.is_some());
    assert!(!found.parameters.is_empty(), "hasty presets are told more");
    assert!(found.tried.iter().all(|tried| tried.score.bytes > 0));
}

#[test]
fn what_is_not_good_with_the_usual_crf_is_compared_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = made(Class::HighMotion, 3_002, folder.path());
    let settings = settings(30.0, "veryfast");
    let (samples, shown) = sample_file(&file, &settings, &Cpu, &Unwatched).unwrap();
    let found = find(&samples, shown, &settings, Wanted::Auto, folder.path(), &Cpu, &Unwatched).unwrap();
    let usual = found.usual.unwrap();
    assert!((usual.crf - 30.0).abs() < 1e-9 && usual.score.ssim < GOOD_ENOUGH, "{usual:?}");
    assert!(found.goal.ssim <= usual.score.ssim && found.goal.ssim > usual.score.ssim - 0.002, "{found:?}");
    assert!(found.crf >= 30.0 && found.tried.len() <= 2, "{found:?}");
}
