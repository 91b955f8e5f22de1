//! The rules, judged by labelled clips of seeds that they were not tuned on.

use reelmill_content::testing::{Shape, TUNING, clip};
use reelmill_content::{Analysis, Class, analyse};
use reelmill_gpu::Cpu;
use reelmill_media::{Unwatched, VideoCodec, VideoSettings, synth};
use std::path::Path;

const SHAPE: Shape = Shape { width: 320, height: 180, fps: 20, seconds: 3.0 };

fn look(class: Class, seed: u64, folder: &Path) -> Analysis {
    let file = folder.join(format!("{}-{seed}.mp4", class.word()));
    let settings = VideoSettings {
        codec: VideoCodec::H264,
        width: SHAPE.width,
        height: SHAPE.height,
        fps: SHAPE.fps,
        crf: 12.0,
        preset: "ultrafast".into(),
        threads: 1,
        keyframe_interval: 250,
        ten_bit: false,
    };
    synth(&file, Some((&clip(class, seed, SHAPE), &settings)), None, &Unwatched).unwrap();
    analyse(&file, 20.0, 0, &Cpu, &Unwatched).unwrap()
}

#[test]
fn clips_of_other_seeds_are_given_their_class() {
    let folder = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    let mut clips = 0;
    for class in Class::ALL {
        for seed in 2_000..2_003 {
            assert!(!TUNING.contains(&seed));
            clips += 1;
            let found = look(class, seed, folder.path());
            if found.class != class {
                wrong.push(format!("{} {seed}: {} by {:?}", class.word(), found.class.word(), found.figures));
            }
        }
    }
    // One of 18 may be taken for another.
    assert!(wrong.len() <= 1, "{} of {clips} are wrong: {wrong:#?}", wrong.len());
}

#[test]
fn pages_are_scenes_to_the_frame() {
    let folder = tempfile::tempdir().unwrap();
    let found = look(Class::Slides, 2_004, folder.path());
    let starts: Vec<usize> = found.scenes.iter().map(|scene| scene.from).collect();
    let ends: Vec<usize> = found.scenes.iter().map(|scene| scene.to).collect();
    assert_eq!(found.frames, 60);
    assert_eq!(starts[1..], ends[..ends.len() - 1], "no frame is left out");
    assert_eq!((starts[0], *ends.last().unwrap()), (0, 60));
    // Each of the pages lasts equally long, and a tenth of a second longer than its share.
    let pages = starts.len();
    assert!((3..=5).contains(&pages), "{starts:?}");
    let each = 3.0 / pages as f64 + 0.1;
    for (page, start) in starts.iter().enumerate() {
        assert!((*start as f64 - page as f64 * each * 20.0).abs() <= 1.0, "page {page} at {start}, {each}");
    }
}
