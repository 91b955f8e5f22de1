//! Files made by this crate's own encoders, looked at through its own readers, and damaged by hand.

use reelmill_media::{
    AudioFormat, Control, Error, ErrorKind, Graph, Meter, PcmReader, PcmWriter, Pixel, Progress, Pull,
    StereoReader, Target, Unwatched, VideoCodec, VideoEncoder, VideoFrame, VideoReader, VideoSettings,
    audio_frame, escape, interleaved, normalise, probe, save_picture, synth,
};
use std::path::{Path, PathBuf};

fn settings(codec: VideoCodec) -> VideoSettings {
    VideoSettings {
        codec,
        width: 180,
        height: 320,
        fps: 30,
        crf: codec.default_crf(),
        preset: "ultrafast".into(),
        threads: 1,
        keyframe_interval: 60,
        ten_bit: false,
    }
}

const PICTURES: &str = "testsrc2=s=180x320:r=30:d=2,setsar=1,format=yuv420p[out]";
const SOUND: &str =
    "sine=f=440:r=48000:d=2,aformat=sample_fmts=flt:sample_rates=48000:channel_layouts=stereo[out]";

fn make(dir: &Path, codec: VideoCodec) -> PathBuf {
    let path = dir.join(format!("{}.mp4", codec.encoder()));
    synth(&path, Some((PICTURES, &settings(codec))), Some(SOUND), &Unwatched).unwrap();
    path
}

fn frames_of(path: &Path) -> Vec<VideoFrame> {
    let mut reader = VideoReader::open(path, 0, 1).unwrap();
    std::iter::from_fn(|| reader.next_frame().unwrap()).collect()
}

#[test]
fn every_codec_writes_what_was_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    for codec in [VideoCodec::H264, VideoCodec::H265, VideoCodec::Av1] {
        let path = make(dir.path(), codec);
        let info = probe(&path).unwrap();
        let video = info.video.unwrap();
        assert_eq!((video.width, video.height, video.frames), (180, 320, Some(60)), "{codec:?}");
        assert!((video.fps - 30.0).abs() < 1e-6);
        let c = &video.colour;
        let tags = [&c.primaries, &c.transfer, &c.matrix, &c.range].map(String::as_str);
        assert_eq!(tags, ["bt709", "bt709", "bt709", "tv"], "{codec:?}");
        assert!(info.audio.unwrap().duration_ms.abs_diff(2_000) <= 25);
        let frames = frames_of(&path);
        assert_eq!(frames.len(), 60, "{codec:?}");
        assert!(frames.iter().all(|f| f.format() == Pixel::YUV420P));
        assert!(frames.windows(2).all(|w| w[0].pts() < w[1].pts()), "time moves forward");
    }
}

#[test]
fn an_encoder_refuses_frames_of_another_shape_or_format() {
    let mut encoder = VideoEncoder::open(&settings(VideoCodec::H264)).unwrap();
    for mut wrong in [VideoFrame::new(Pixel::YUV444P, 180, 320), VideoFrame::new(Pixel::YUV420P, 320, 180)] {
        let error = encoder.encode(&mut wrong, |_| Ok(())).unwrap_err();
        assert!(matches!(error, Error::Mismatch { .. }), "{error}");
    }
}

#[test]
fn a_graph_must_end_in_a_format_and_refuses_other_frames() {
    let format = reelmill_media::VideoFormat {
        width: 180,
        height: 320,
        pixel: Pixel::YUV420P,
        time_base: reelmill_media::Rational(1, 30),
        sar: reelmill_media::Rational(1, 1),
        rate: None,
    };
    let open_ended = Graph::video("[in0]hflip[out]", std::slice::from_ref(&format)).err().unwrap();
    assert!(open_ended.to_string().contains("format="), "{open_ended}");
    let mut graph = Graph::video("[in0]hflip,format=yuv420p[out]", &[format]).unwrap();
    let error = graph.send_video(0, VideoFrame::new(Pixel::YUV444P, 180, 320)).unwrap_err();
    assert!(matches!(error, Error::Mismatch { .. }));
    let unknown = Graph::video("[in0]no_such_filter,format=yuv420p[out]", &[]).err().unwrap();
    assert!(unknown.to_string().contains("no_such_filter"), "libav's log is in the error: {unknown}");
}

#[test]
fn a_wrong_setting_is_named() {
    let odd = VideoSettings { width: 181, ..settings(VideoCodec::H264) };
    assert!(VideoEncoder::open(&odd).err().unwrap().to_string().contains("181x320"));
    let preset = VideoSettings { preset: "warp".into(), ..settings(VideoCodec::H264) };
    let error = VideoEncoder::open(&preset).err().unwrap();
    assert!(error.to_string().contains("warp"), "{error}");
}

#[test]
fn unreadable_files_say_which_and_why() {
    let dir = tempfile::tempdir().unwrap();
    let text = dir.path().join("notes.mp4");
    std::fs::write(&text, "this is no film").unwrap();
    for path in [text, dir.path().join("missing.mp4")] {
        let error = probe(&path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Input);
        assert!(error.to_string().contains(path.to_str().unwrap()));
    }
    let sound = dir.path().join("sound.m4a");
    synth(&sound, None, Some(SOUND), &Unwatched).unwrap();
    let error = VideoReader::open(&sound, 0, 1).err().unwrap();
    assert!(error.to_string().contains("no picture"), "{error}");
}

#[test]
fn a_file_that_was_cut_off_ends_early() {
    let dir = tempfile::tempdir().unwrap();
    let whole = make(dir.path(), VideoCodec::H264);
    let bytes = std::fs::read(&whole).unwrap();
    let cut = dir.path().join("cut.mp4");
    std::fs::write(&cut, &bytes[..bytes.len() * 2 / 3]).unwrap();
    let count = frames_of(&cut).len();
    assert!((1..60).contains(&count), "{count} frames of 60");
}

/// Writes another matrix into the track header, as phones do.
fn turn(bytes: &mut [u8]) {
    let at = bytes.windows(4).position(|w| w == b"tkhd").unwrap() + 4 + 40;
    let matrix: [i32; 9] = [0, 65_536, 0, -65_536, 0, 0, 180 * 65_536, 0, 1 << 30];
    for (four, value) in bytes[at..at + 36].chunks_exact_mut(4).zip(matrix) {
        four.copy_from_slice(&value.to_be_bytes());
    }
}

#[test]
fn a_phones_rotation_is_seen() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("phone.mp4");
    synth(&path, Some((PICTURES, &settings(VideoCodec::H264))), None, &Unwatched).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    turn(&mut bytes);
    std::fs::write(&path, bytes).unwrap();
    let video = probe(&path).unwrap().video.unwrap();
    assert_eq!(video.rotation.quarter_turns, 1);
    assert_eq!(video.display_size(), (320.0, 180.0));
}

#[test]
fn a_picture_is_a_picture() {
    let dir = tempfile::tempdir().unwrap();
    for (name, format) in [("p.jpg", "yuvj420p"), ("p.png", "rgb24")] {
        let spec = format!("testsrc2=s=360x200:r=1:d=1,scale=181:99,format={format}[out]");
        let mut frame = VideoFrame::empty();
        let mut graph = Graph::video(&spec, &[]).unwrap();
        assert_eq!(graph.pull(&mut frame).unwrap(), Pull::Frame);
        let path = dir.path().join(name);
        save_picture(&frame, &path).unwrap();
        let info = probe(&path).unwrap();
        assert!(info.picture, "{name}");
        assert_eq!(info.duration_ms, 0);
        let video = info.video.unwrap();
        assert_eq!((video.width, video.height), (181, 99));
    }
}

struct StopAt(std::cell::Cell<u32>);

impl Control for StopAt {
    fn cancelled(&self) -> bool {
        self.0.set(self.0.get().saturating_sub(1));
        self.0.get() == 0
    }
    fn progress(&self, _: &Progress) {}
}

#[test]
fn cancelled_work_leaves_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.mp4");
    let control = StopAt(std::cell::Cell::new(20));
    let error = synth(&path, Some((PICTURES, &settings(VideoCodec::H264))), None, &control).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert!(!path.exists());
}

fn pcm(path: &Path, spec: &str) -> reelmill_media::Loudness {
    let mut graph = Graph::audio(spec, &[]).unwrap();
    let (mut writer, mut meter) = (PcmWriter::create(path).unwrap(), Meter::new().unwrap());
    let mut frame = reelmill_media::AudioFrame::empty();
    while graph.pull(&mut frame).unwrap() == Pull::Frame {
        let samples = interleaved(&frame).unwrap();
        meter.add(&samples).unwrap();
        writer.write(&samples).unwrap();
    }
    writer.finish().unwrap();
    meter.read()
}

#[test]
fn loudness_comes_to_the_target_with_peaks_held() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("a"), dir.path().join("b"));
    // Quiet, with bursts 20 dB above the rest: a plain gain would clip them.
    let spec = "sine=f=300:r=48000:d=6,volume='if(lt(mod(t,1),0.02),1,0.1)':eval=frame,\
        aformat=sample_fmts=flt:sample_rates=48000:channel_layouts=stereo[out]";
    let measured = pcm(&from, spec);
    let target = Target { lufs: -14.0, true_peak_dbtp: -1.0 };
    let result = normalise(&from, &to, measured, target, &Unwatched).unwrap();
    assert!((result.lufs.unwrap() + 14.0).abs() <= 0.5, "{result:?} from {measured:?}");
    assert!(result.true_peak_dbtp.unwrap() <= -1.5, "{result:?}");
    let length = |p: &Path| std::fs::metadata(p).unwrap().len();
    assert_eq!(length(&from), length(&to));
}

#[test]
fn silence_stays_silence() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("a"), dir.path().join("b"));
    let spec = "anullsrc=r=48000:cl=stereo:d=1,aformat=sample_fmts=flt:sample_rates=48000:channel_layouts=stereo[out]";
    let measured = pcm(&from, spec);
    assert_eq!(measured.lufs, None);
    normalise(&from, &to, measured, Target { lufs: -14.0, true_peak_dbtp: -1.0 }, &Unwatched).unwrap();
    let mut samples = Vec::new();
    PcmReader::open(&to).unwrap().read(48_000, &mut samples).unwrap();
    assert_eq!(samples.len(), 96_000);
    assert!(samples.iter().all(|s| *s == 0.0));
}

#[test]
fn text_in_a_filter_option_arrives_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let odd = dir.path().join("it's [a],b;c:d\\e.txt");
    std::fs::write(&odd, "x").unwrap();
    // `sendcmd` reads its file when the graph is made, and fails if the name arrived changed.
    let commands = dir.path().join("c'o,m:m[a]n;d.txt");
    std::fs::write(&commands, "1.0 volume volume 0.5;\n").unwrap();
    for (path, works) in [(commands, true), (dir.path().join("missing"), false)] {
        let spec = format!(
            "[in0]asendcmd=filename={},volume=1,aformat=sample_fmts=flt[out]",
            escape(path.to_str().unwrap())
        );
        assert_eq!(Graph::audio(&spec, &[AudioFormat::house()]).is_ok(), works, "{spec}");
    }
    let mut graph =
        Graph::audio("[in0]volume=0.5,aformat=sample_fmts=flt[out]", &[AudioFormat::house()]).unwrap();
    graph.send_audio(0, audio_frame(&[0.5, -0.5], 0).unwrap()).unwrap();
    let mut out = reelmill_media::AudioFrame::empty();
    assert_eq!(graph.pull(&mut out).unwrap(), Pull::Frame);
    assert_eq!(interleaved(&out).unwrap(), [0.25, -0.25]);
}

#[test]
fn a_pictures_exif_orientation_is_seen() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("phone.jpg");
    let mut frame = VideoFrame::empty();
    let mut graph = Graph::video("testsrc2=s=160x90:r=1:d=1,format=yuvj420p[out]", &[]).unwrap();
    assert_eq!(graph.pull(&mut frame).unwrap(), Pull::Frame);
    save_picture(&frame, &path).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    // One entry, tag 0x0112 (orientation), type 3 (short), value 6: to be turned a quarter clockwise.
    let mut exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0".to_vec();
    let length = u16::try_from(exif.len() + 2).unwrap().to_be_bytes();
    exif.splice(0..0, [0xff, 0xe1, length[0], length[1]]);
    bytes.splice(2..2, exif);
    std::fs::write(&path, bytes).unwrap();
    let video = probe(&path).unwrap().video.unwrap();
    assert_eq!((video.rotation.quarter_turns, video.rotation.mirrored), (1, false));
    assert_eq!(video.display_size(), (90.0, 160.0));
}

/// A WAV file as simple programs write it: 16 bits, no word about which channel is which.
fn wav(path: &Path, rate: u32, channels: u16, frames: u32) {
    let block = u32::from(channels) * 2;
    let mut bytes = b"RIFF".to_vec();
    bytes.extend((36 + frames * block).to_le_bytes());
    bytes.extend(b"WAVEfmt \x10\0\0\0\x01\0");
    bytes.extend(channels.to_le_bytes());
    bytes.extend(rate.to_le_bytes());
    bytes.extend((rate * block).to_le_bytes());
    bytes.extend(u16::try_from(block).unwrap().to_le_bytes());
    bytes.extend(b"\x10\0data");
    bytes.extend((frames * block).to_le_bytes());
    bytes.extend((0..frames * u32::from(channels)).flat_map(|_| 8_000_i16.to_le_bytes()));
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn mono_and_surround_become_stereo_of_the_same_length() {
    let dir = tempfile::tempdir().unwrap();
    for (rate, channels) in [(16_000, 1), (22_050, 2), (44_100, 6)] {
        let path = dir.path().join(format!("{channels}.wav"));
        wav(&path, rate, channels, rate / 2);
        let info = probe(&path).unwrap();
        assert_eq!(info.audio.unwrap().channels, u32::from(channels));
        let (mut reader, mut samples) = (StereoReader::open(&path, 0).unwrap(), Vec::new());
        reader.read(48_000, &mut samples).unwrap();
        assert!((samples.len() / 2).abs_diff(24_000) <= 2, "{channels} channels: {}", samples.len());
        let (left, right) = (samples[24_000], samples[24_001]);
        assert!((left - right).abs() < 1e-4 && left > 0.1, "{channels} channels: {left} {right}");
        let (mut later, mut rest) = (StereoReader::open(&path, 400).unwrap(), Vec::new());
        later.read(48_000, &mut rest).unwrap();
        assert!((rest.len() / 2).abs_diff(4_800) <= 2, "from 0.4 s on: {}", rest.len());
    }
}
