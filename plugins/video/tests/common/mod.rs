//! A folder with small made material, and helpers that look into files.
#![allow(dead_code, reason = "each test program takes what it needs")]

use reelmill_media::{
    Graph, Pull, StereoReader, Unwatched, VideoCodec, VideoFrame, VideoReader, VideoSettings, font_of_family,
    gray_mean, plane, save_picture, synth,
};
use reelmill_plugin_video::Encode;
use reelmill_sdk::serde_json::{Value, json};
use reelmill_sdk::testing::Bench;
use std::path::{Path, PathBuf};

/// A folder with material, and one for what the stages write.
pub struct World {
    dir: tempfile::TempDir,
    pub bench: Bench,
}

impl World {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let scratch = dir.path().join("scratch");
        std::fs::create_dir(&scratch).unwrap();
        Self { bench: Bench::new(&scratch), dir }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn out(&self, file: &Value) -> PathBuf {
        self.dir.path().join("scratch").join(file["$file"].as_str().unwrap())
    }

    /// A clip from a generator, 160 x 90.
    pub fn clip(&self, name: &str, source: &str, seconds: f64) -> String {
        let (generator, filters) = source.split_once(',').unwrap_or((source, "null"));
        self.encoded(name, &format!("{generator}:s=160x90:r=25:d={seconds},{filters}"))
    }

    fn encoded(&self, name: &str, spec: &str) -> String {
        let settings = VideoSettings {
            codec: VideoCodec::H264,
            width: 160,
            height: 90,
            fps: 25,
            crf: 20.0,
            preset: "ultrafast".into(),
            threads: 1,
            keyframe_interval: 25,
            ten_bit: false,
        };
        let spec = format!("{spec},setsar=1,format=yuv420p[out]");
        let path = self.path(name);
        synth(&path, Some((&spec, &settings)), None, &Unwatched).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// A clip that grows brighter, 80 a second at first 40.
    pub fn ramp(&self, name: &str, seconds: f64) -> String {
        let spec = format!("color=c=black:s=160x90:r=25:d={seconds},geq=lum='40+80*T':cb=128:cr=128");
        self.encoded(name, &spec)
    }

    /// A film with sound, from a generator at 24 frames a second, 320 x 180.
    pub fn film(&self, name: &str, pictures: &str, seconds: f64) -> String {
        let settings = VideoSettings {
            codec: VideoCodec::H264,
            width: 320,
            height: 180,
            fps: 24,
            crf: 14.0,
            preset: "ultrafast".into(),
            threads: 1,
            keyframe_interval: 48,
            ten_bit: false,
        };
        let pictures = format!("{pictures},setsar=1,format=yuv420p[out]");
        let sound = format!(
            "sine=f=440:r=48000:d={seconds},aformat=sample_fmts=flt:sample_rates=48000:channel_layouts=stereo[out]"
        );
        let path = self.path(name);
        synth(&path, Some((&pictures, &settings)), Some(&sound), &Unwatched).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// A tone, a stand-in for speech: it comes and goes three times a second.
    pub fn tone(&self, name: &str, seconds: f64, volume: f64) -> String {
        let spec = format!(
            "sine=f=300:r=48000:d={seconds},volume='{volume}*(0.55+0.45*sin(18.8*t))':eval=frame,\
             aformat=sample_fmts=flt:sample_rates=48000:channel_layouts=stereo[out]"
        );
        let path = self.path(name);
        synth(&path, None, Some(&spec), &Unwatched).unwrap();
        path.to_str().unwrap().to_owned()
    }

    pub fn picture(&self, name: &str, spec: &str) -> String {
        let pixel = if name.ends_with("png") { "rgb24" } else { "yuvj420p" };
        let mut graph = Graph::video(&format!("{spec},format={pixel}[out]"), &[]).unwrap();
        let mut frame = VideoFrame::empty();
        assert_eq!(graph.pull(&mut frame).unwrap(), Pull::Frame);
        let path = self.path(name);
        save_picture(&frame, &path).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// A copy of an installed font.
    pub fn font(&self, family: &str) -> String {
        let installed = font_of_family(family, true).unwrap().unwrap();
        let path = self.path("font.ttf");
        std::fs::copy(installed.file, &path).unwrap();
        path.to_str().unwrap().to_owned()
    }

    pub fn encode(&self, source: &Value, more: &Value) -> Value {
        let mut with = json!({ "source": source, "preset": "ultrafast", "height": 180, "threads": 1 });
        with.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.bench.run::<Encode>(with).unwrap()
    }
}

pub fn frames(path: &Path) -> Vec<VideoFrame> {
    let mut reader = VideoReader::open(path, 0, 1).unwrap();
    std::iter::from_fn(|| reader.next_frame().unwrap()).collect()
}

pub fn samples(path: &Path) -> Vec<f32> {
    let (mut reader, mut all) = (StereoReader::open(path, 0).unwrap(), Vec::new());
    reader.read(60 * 48_000, &mut all).unwrap();
    all
}

pub fn words(text: &str, each_ms: u64) -> Value {
    let words = (0u64..).zip(text.split(' '));
    words
        .map(|(i, w)| json!({ "text": w, "start_ms": i * each_ms, "end_ms": i * each_ms + each_ms - 20 }))
        .collect()
}

pub fn mean(frame: &VideoFrame) -> f64 {
    gray_mean(plane(frame, 0))
}
