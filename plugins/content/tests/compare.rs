//! Figures of likeness are those of libav, and bad seconds are found.

use reelmill_content::compare;
use reelmill_gpu::Cpu;
use reelmill_media::{
    Graph, Pull, Unwatched, VideoCodec, VideoFormat, VideoFrame, VideoReader, VideoSettings, synth,
};
use std::path::{Path, PathBuf};

fn video(dir: &Path, name: &str, pictures: &str, crf: f32) -> PathBuf {
    let settings = VideoSettings {
        codec: VideoCodec::H264,
        width: 176,
        height: 96,
        fps: 20,
        crf,
        preset: "ultrafast".into(),
        threads: 1,
        keyframe_interval: 20,
        ten_bit: false,
    };
    let path = dir.join(name);
    synth(&path, Some((&format!("{pictures},setsar=1,format=yuv420p[out]"), &settings)), None, &Unwatched)
        .unwrap();
    path
}

/// SSIM of luma and the mean squared error by libav's own filters.
fn by_libav(video: &Path, reference: &Path) -> (f64, f64) {
    let mut sides = [video, reference].map(|path| VideoReader::open(path, 0, 1).unwrap());
    let firsts = sides.each_mut().map(|side| side.next_frame().unwrap());
    let formats: Vec<VideoFormat> = firsts
        .iter()
        .zip(&sides)
        .map(|(frame, side)| VideoFormat::of(frame.as_ref().unwrap(), side.time_base()))
        .collect();
    // The two filters hang their figures on the same frames, one after the other.
    let spec = "[in0]settb=1/1000,setpts=N[a];[in1]settb=1/1000,setpts=N,split[c][d];\
                [a][c]ssim[s];[s][d]psnr,format=yuv420p[out]";
    let mut graph = Graph::video(spec, &formats).unwrap();
    let mut firsts = firsts.map(Some);
    let (mut ssim, mut mse, mut frames) = (0.0, 0.0, 0.0);
    let mut frame = VideoFrame::empty();
    loop {
        match graph.pull(&mut frame).unwrap() {
            Pull::Frame => {
                let figure = |name: &str| frame.metadata().get(name).unwrap().parse::<f64>().unwrap();
                ssim += figure("lavfi.ssim.Y");
                mse += figure("lavfi.psnr.mse.y");
                frames += 1.0;
            }
            Pull::Feed(side) => {
                match firsts[side].take().unwrap_or_else(|| sides[side].next_frame().unwrap()) {
                    Some(next) => graph.send_video(side, next).unwrap(),
                    None => (0..2).for_each(|side| graph.end_once(side).unwrap()),
                }
            }
            Pull::End => return (ssim / frames, mse / frames),
        }
    }
}

#[test]
fn the_figures_are_those_of_libav() {
    let dir = tempfile::tempdir().unwrap();
    let reference = video(dir.path(), "reference.mp4", "testsrc2=s=176x96:r=20:d=1", 10.0);
    let coarse = video(dir.path(), "coarse.mp4", "testsrc2=s=176x96:r=20:d=1", 36.0);
    let found = compare(&coarse, &reference, 20.0, &Cpu, &Unwatched).unwrap();
    let (ssim, mse) = by_libav(&coarse, &reference);
    assert!((found.ssim - ssim).abs() < 2e-4, "{found:?}, libav says {ssim}");
    assert!((found.psnr - 10.0 * (255.0 * 255.0 / mse).log10()).abs() < 0.02, "{found:?}, libav says {mse}");
    assert!(found.ssim < 0.98 && found.textured <= found.ssim + 1e-9 && found.frames == 20, "{found:?}");
}

#[test]
fn the_worst_second_and_a_missing_end_are_found() {
    let dir = tempfile::tempdir().unwrap();
    let reference = video(dir.path(), "reference.mp4", "testsrc2=s=176x96:r=20:d=4", 10.0);
    let bad = "testsrc2=s=176x96:r=20:d=3,gblur=sigma=5:enable='between(t,1,1.99)'";
    let bad = video(dir.path(), "bad.mp4", bad, 10.0);
    let found = compare(&bad, &reference, 20.0, &Cpu, &Unwatched).unwrap();
    assert_eq!((found.frames, found.longer, found.worst.1), (60, -20, 20), "{found:?}");
    assert!(found.worst.0 < found.ssim - 0.1, "{found:?}");
    let back = compare(&reference, &bad, 20.0, &Cpu, &Unwatched).unwrap();
    assert_eq!(back.longer, 20);
}
