//! Small pictures and clips for tests.

use reelmill_media::{Unwatched, VideoCodec, VideoSettings, synth};
use std::path::Path;

/// A PNG of one grey pixel would have no shape: this one is `width` x `height`, as a BMP, which needs no coder.
pub fn picture(path: &Path, width: u32, height: u32) {
    let row = (width * 3).div_ceil(4) * 4;
    let mut bytes = b"BM".to_vec();
    for number in [54 + row * height, 0, 54, 40, width, height] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend([1, 0, 24, 0]);
    bytes.extend([0; 24]);
    bytes.resize(bytes.len() + (row * height) as usize, 120);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

/// Two seconds that move, 64 x 48.
pub fn clip(path: &Path) {
    let settings = VideoSettings {
        codec: VideoCodec::H264,
        width: 64,
        height: 48,
        fps: 10,
        crf: 30.0,
        preset: "ultrafast".into(),
        threads: 1,
        keyframe_interval: 10,
        ten_bit: false,
    };
    let graph = "testsrc2=size=64x48:rate=10:duration=2,setsar=1,format=yuv420p[out]";
    synth(path, Some((graph, &settings)), None, &Unwatched).unwrap();
}

/// The bytes of a picture; each shade is another content.
pub fn bmp(width: u32, height: u32, shade: u8) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.bmp");
    picture(&path, width, height);
    let mut bytes = std::fs::read(path).unwrap();
    bytes[54..].fill(shade);
    bytes
}

/// The bytes of a clip.
pub fn mp4() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.mp4");
    clip(&path);
    std::fs::read(path).unwrap()
}
