//! Material out of nothing: pictures and sound made by libav's own generators, for tests, benchmarks and
//! last-resort backgrounds; and saving one picture.

use crate::control::Control;
use crate::encode::{AudioEncoder, AudioSettings, VideoEncoder, VideoSettings};
use crate::error::{Error, Result};
use crate::frames::interleaved;
use crate::graph::{Graph, Pull};
use crate::mux::Muxer;
use ffmpeg_next::{self as av, format::Pixel, frame};
use std::path::Path;

/// Writes a video from two generator graphs: `video` without inputs (its size and rate have to be those of
/// `settings`, its end in a `format` filter) and `sound` likewise (48 kHz stereo, ending in `aformat`).
pub fn synth(
    path: &Path,
    video: Option<(&str, &VideoSettings)>,
    sound: Option<&str>,
    control: &dyn Control,
) -> Result<u64> {
    let mut muxer = Muxer::create(path)?;
    let mut pictures = match video {
        Some((spec, settings)) => {
            let encoder = VideoEncoder::open(settings)?;
            let stream = muxer.add_video(&encoder)?;
            Some((Graph::video(spec, &[])?, encoder, stream))
        }
        None => None,
    };
    let mut audio = match sound {
        Some(spec) => {
            let encoder = AudioEncoder::open(AudioSettings { bit_rate: 192_000 })?;
            let stream = muxer.add_audio(&encoder)?;
            Some((Graph::audio(spec, &[])?, encoder, stream))
        }
        None => None,
    };
    if let Some((graph, encoder, stream)) = pictures.as_mut() {
        let mut frame = frame::Video::empty();
        while graph.pull(&mut frame)? == Pull::Frame {
            control.check()?;
            encoder.encode(&mut frame, |p| muxer.write(*stream, p))?;
            frame = frame::Video::empty();
        }
        encoder.finish(|p| muxer.write(*stream, p))?;
    }
    if let Some((graph, encoder, stream)) = audio.as_mut() {
        let mut frame = frame::Audio::empty();
        while graph.pull(&mut frame)? == Pull::Frame {
            control.check()?;
            encoder.encode(&interleaved(&frame)?, |p| muxer.write(*stream, p))?;
        }
        encoder.finish(|p| muxer.write(*stream, p))?;
    }
    muxer.finish()
}

/// Writes a picture as PNG (from `rgb24`) or JPEG (from `yuvj420p`), by the extension of `path`.
pub fn save_picture(frame: &frame::Video, path: &Path) -> Result<u64> {
    crate::log::clear();
    let png = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("png"));
    let (name, pixel) = if png { ("png", Pixel::RGB24) } else { ("mjpeg", Pixel::YUVJ420P) };
    if frame.format() != pixel {
        return Err(Error::mismatch(name, format!("{pixel:?}"), format!("{:?}", frame.format())));
    }
    let codec =
        av::encoder::find_by_name(name).ok_or_else(|| Error::Missing { what: format!("encoder {name}") })?;
    let context = av::codec::Context::new_with_codec(codec);
    let mut video = context.encoder().video().map_err(|e| Error::encoder(name, e))?;
    video.set_width(frame.width());
    video.set_height(frame.height());
    video.set_format(pixel);
    video.set_time_base(av::Rational(1, 1));
    if !png {
        // 2 is the finest step of the JPEG quantiser that libav offers.
        video.set_qmin(2);
        video.set_qmax(2);
    }
    let mut encoder = video.open_as(codec).map_err(|e| Error::encoder(name, e))?;
    encoder.send_frame(frame).and_then(|()| encoder.send_eof()).map_err(|e| Error::encoder(name, e))?;
    let mut packet = av::Packet::empty();
    encoder.receive_packet(&mut packet).map_err(|e| Error::encoder(name, e))?;
    let bytes = packet.data().ok_or_else(|| Error::encoder(name, "it gave an empty picture"))?;
    std::fs::write(path, bytes).map_err(|e| Error::output(path, e))?;
    Ok(bytes.len() as u64)
}
