//! Whether a hardware encoder works here: it encodes one real frame.

use crate::codec::{Chain, Probed, VideoCodec, Wish, chain};
use crate::encode::{VideoEncoder, VideoSettings};
use crate::error::{Error, Result};
use crate::frames::planes_mut;
use ffmpeg_next::{format::Pixel, frame};

/// The size of that frame: some encoders refuse smaller ones.
const SIZE: (u32, u32) = (640, 360);

/// Encodes one frame with a hardware encoder. It may hang or take the process with it: whoever calls it is a process that
/// nobody misses.
pub fn try_encoder(probed: &Probed) -> Result<()> {
    let codec = match probed.encoder.split('_').next() {
        Some("h264") => VideoCodec::H264,
        Some("hevc") => VideoCodec::H265,
        Some("av1") => VideoCodec::Av1,
        _ => return Err(Error::Setting(format!("{} is no hardware encoder", probed.encoder))),
    };
    let settings = VideoSettings {
        codec,
        width: SIZE.0,
        height: SIZE.1,
        fps: 30,
        crf: codec.default_crf(),
        preset: "medium".to_owned(),
        threads: 1,
        keyframe_interval: 30,
        ten_bit: false,
    };
    let Chain { choices, left_out } =
        chain(&settings, &Wish::Named(probed.encoder.clone()), false, std::slice::from_ref(probed));
    let Some(choice) = choices.first() else {
        let why = left_out.first().map_or("no stage knows it", |one| one.reason.as_str());
        return Err(Error::encoder(&probed.encoder, why));
    };
    let mut encoder = VideoEncoder::open_for(&settings, choice, true)?;
    let mut frame = frame::Video::new(Pixel::YUV420P, SIZE.0, SIZE.1);
    for (plane, _) in planes_mut(&mut frame)? {
        plane.fill(128);
    }
    let mut bytes = 0;
    encoder.encode(&mut frame, |packet| {
        bytes += packet.size();
        Ok(())
    })?;
    encoder.finish(|packet| {
        bytes += packet.size();
        Ok(())
    })?;
    if bytes == 0 { Err(Error::encoder(&probed.encoder, "it gave an empty packet")) } else { Ok(()) }
}
