//! What is in a file: read from its headers, and for a picture from the picture itself.
#![expect(unsafe_code, reason = "stream parameters are plain fields of C structures")]

use crate::error::{Error, Result};
use crate::reader::{VideoReader, find_stream, open_input};
use ffmpeg_next::{self as av, codec::packet::side_data, ffi, media};
use std::ffi::{CStr, c_char};
use std::path::Path;

/// How the stored picture has to be turned to stand upright: mirrored left to right first, then turned clockwise.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Rotation {
    /// Quarter turns clockwise, 0 to 3.
    pub quarter_turns: u8,
    /// Whether left and right change places first.
    pub mirrored: bool,
}

impl Rotation {
    /// From the nine numbers of a display matrix (ISO 14496-12), in 16.16 fixed point.
    fn from_matrix(matrix: &[i32; 9]) -> Self {
        // Where one step to the right goes, and where one step down goes.
        let right = (i64::from(matrix[0]), i64::from(matrix[1]));
        let down = (i64::from(matrix[3]), i64::from(matrix[4]));
        let mirrored = right.0 * down.1 - right.1 * down.0 < 0;
        let (x, y) = if mirrored { (-right.0, -right.1) } else { right };
        let quarter_turns = match (x.abs() >= y.abs(), x >= 0, y >= 0) {
            (true, true, _) => 0,
            (false, _, true) => 1,
            (true, false, _) => 2,
            (false, _, false) => 3,
        };
        Self { quarter_turns, mirrored }
    }

    /// From the value of EXIF tag 0x0112, 1 to 8; anything else means upright.
    fn from_exif(orientation: u32) -> Self {
        let (quarter_turns, mirrored) = match orientation {
            2 => (0, true),
            3 => (2, false),
            4 => (2, true),
            5 => (3, true),
            6 => (1, false),
            7 => (1, true),
            8 => (3, false),
            _ => (0, false),
        };
        Self { quarter_turns, mirrored }
    }

    /// Whether width and height change places.
    #[must_use]
    pub fn is_sideways(self) -> bool {
        self.quarter_turns % 2 == 1
    }

    /// The filters that turn the picture, or nothing when it stands.
    #[must_use]
    pub fn filters(self) -> Vec<&'static str> {
        let mut filters = Vec::new();
        if self.mirrored {
            filters.push("hflip");
        }
        match self.quarter_turns {
            1 => filters.push("transpose=clock"),
            2 => filters.extend(["hflip", "vflip"]),
            3 => filters.push("transpose=cclock"),
            _ => {}
        }
        filters
    }
}

/// How colours are coded, in libav's words (`bt709`, `smpte2084`, `tv`); `unknown` where the file does not say.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ColourInfo {
    /// Primaries.
    pub primaries: String,
    /// Transfer characteristic.
    pub transfer: String,
    /// Matrix.
    pub matrix: String,
    /// Range: `tv` (limited) or `pc` (full).
    pub range: String,
}

impl ColourInfo {
    /// Whether brightness is coded for HDR screens (PQ or HLG).
    #[must_use]
    pub fn is_hdr(&self) -> bool {
        matches!(self.transfer.as_str(), "smpte2084" | "arib-std-b67")
    }
}

/// A file's video stream, or its one picture.
#[derive(Clone, PartialEq, Debug)]
pub struct VideoInfo {
    /// libav's name of the codec.
    pub codec: String,
    /// Stored pixels across.
    pub width: u32,
    /// Stored pixels down.
    pub height: u32,
    /// Shape of a stored pixel, width over height; 1 is square.
    pub pixel_aspect: f64,
    /// How it has to be turned.
    pub rotation: Rotation,
    /// Average frames a second; 0 for a picture.
    pub fps: f64,
    /// Number of frames where the container says so.
    pub frames: Option<u64>,
    /// libav's name of the pixel format.
    pub pixel: String,
    /// Colour coding.
    pub colour: ColourInfo,
    /// Whether frames are woven from two fields.
    pub interlaced: bool,
    /// Length in milliseconds; 0 when unknown.
    pub duration_ms: u64,
}

impl VideoInfo {
    /// Width and height as seen: pixels made square, picture upright.
    #[must_use]
    pub fn display_size(&self) -> (f64, f64) {
        let (w, h) = (f64::from(self.width) * self.pixel_aspect, f64::from(self.height));
        if self.rotation.is_sideways() { (h, w) } else { (w, h) }
    }
}

/// A file's audio stream.
#[derive(Clone, PartialEq, Debug)]
pub struct AudioInfo {
    /// libav's name of the codec.
    pub codec: String,
    /// Samples a second.
    pub rate: u32,
    /// Number of channels.
    pub channels: u32,
    /// Length in milliseconds; 0 when unknown.
    pub duration_ms: u64,
}

/// What is in a file.
#[derive(Clone, PartialEq, Debug)]
pub struct MediaInfo {
    /// libav's name of the container.
    pub container: String,
    /// Whether it is one still picture.
    pub picture: bool,
    /// Length in milliseconds; 0 for a picture or when unknown.
    pub duration_ms: u64,
    /// Its pictures.
    pub video: Option<VideoInfo>,
    /// Its sound.
    pub audio: Option<AudioInfo>,
}

/// Looks into a file.
pub fn probe(path: &Path) -> Result<MediaInfo> {
    let input = open_input(path)?;
    let container = input.format().name().to_owned();
    let picture = container == "image2" || container.ends_with("_pipe");
    let whole_ms = u64::try_from(input.duration() / 1_000).unwrap_or(0);
    let stream = |kind| find_stream(&input, kind).and_then(|index| input.stream(index));
    let video = stream(media::Type::Video).map(|s| video_info(&s, if picture { 0 } else { whole_ms }));
    let audio = stream(media::Type::Audio).map(|s| audio_info(&s, whole_ms));
    if video.is_none() && audio.is_none() {
        return Err(Error::input(path, "it has neither pictures nor sound"));
    }
    let duration_ms = if picture { 0 } else { whole_ms };
    let mut info = MediaInfo { container, picture, duration_ms, video, audio };
    if picture && let Some(video) = info.video.as_mut() {
        look_at_picture(path, video)?;
    }
    if let Some(video) = info.video.as_ref()
        && (video.width == 0 || video.height == 0)
    {
        return Err(Error::input(path, "its pictures have no size"));
    }
    Ok(info)
}

fn text(pointer: *const c_char) -> String {
    if pointer.is_null() {
        return "unknown".into();
    }
    // SAFETY: libav's name tables are static texts closed by a zero.
    unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned()
}

fn stream_ms(stream: &av::Stream<'_>, whole_ms: u64) -> u64 {
    let ticks = stream.duration();
    if ticks <= 0 {
        return whole_ms;
    }
    let tb = stream.time_base();
    let ms = i128::from(ticks) * 1_000 * i128::from(tb.numerator()) / i128::from(tb.denominator().max(1));
    u64::try_from(ms).unwrap_or(whole_ms)
}

fn video_info(stream: &av::Stream<'_>, whole_ms: u64) -> VideoInfo {
    let parameters = stream.parameters();
    // SAFETY: the parameters belong to the open input and are only read here.
    let raw = unsafe { &*parameters.as_ptr() };
    let sar = raw.sample_aspect_ratio;
    let rate = stream.avg_frame_rate();
    // SAFETY: the value comes from libav and these functions look it up in static tables.
    let (pixel, colour) = unsafe {
        let pixel =
            text(ffi::av_get_pix_fmt_name(std::mem::transmute::<i32, ffi::AVPixelFormat>(raw.format)));
        let colour = ColourInfo {
            primaries: text(ffi::av_color_primaries_name(raw.color_primaries)),
            transfer: text(ffi::av_color_transfer_name(raw.color_trc)),
            matrix: text(ffi::av_color_space_name(raw.color_space)),
            range: text(ffi::av_color_range_name(raw.color_range)),
        };
        (pixel, colour)
    };
    let rotation = stream
        .side_data()
        .find(|s| s.kind() == side_data::Type::DisplayMatrix)
        .and_then(|s| matrix(s.data()))
        .map_or_else(Rotation::default, |m| Rotation::from_matrix(&m));
    VideoInfo {
        codec: parameters.id().name().to_owned(),
        width: u32::try_from(raw.width).unwrap_or(0),
        height: u32::try_from(raw.height).unwrap_or(0),
        pixel_aspect: if sar.num > 0 && sar.den > 0 { f64::from(sar.num) / f64::from(sar.den) } else { 1.0 },
        rotation,
        fps: if rate.denominator() > 0 { f64::from(rate) } else { 0.0 },
        frames: u64::try_from(stream.frames()).ok().filter(|n| *n > 0),
        pixel,
        colour,
        interlaced: !matches!(
            raw.field_order,
            ffi::AVFieldOrder::AV_FIELD_UNKNOWN | ffi::AVFieldOrder::AV_FIELD_PROGRESSIVE
        ),
        duration_ms: if whole_ms == 0 { 0 } else { stream_ms(stream, whole_ms) },
    }
}

fn matrix(bytes: &[u8]) -> Option<[i32; 9]> {
    let mut m = [0; 9];
    for (value, four) in m.iter_mut().zip(bytes.chunks_exact(4)) {
        *value = i32::from_ne_bytes(four.try_into().ok()?);
    }
    (bytes.len() >= 36).then_some(m)
}

fn audio_info(stream: &av::Stream<'_>, whole_ms: u64) -> AudioInfo {
    let parameters = stream.parameters();
    // SAFETY: the parameters belong to the open input and are only read here.
    let raw = unsafe { &*parameters.as_ptr() };
    AudioInfo {
        codec: parameters.id().name().to_owned(),
        rate: u32::try_from(raw.sample_rate).unwrap_or(0),
        channels: u32::try_from(raw.ch_layout.nb_channels).unwrap_or(0),
        duration_ms: stream_ms(stream, whole_ms),
    }
}

/// A picture's orientation stands in its EXIF data, which only the decoder reads.
fn look_at_picture(path: &Path, video: &mut VideoInfo) -> Result<()> {
    let frame = VideoReader::open(path, 0, 1)?
        .next_frame()?
        .ok_or_else(|| Error::input(path, "it holds no picture"))?;
    (video.width, video.height) = (frame.width(), frame.height());
    video.fps = 0.0;
    video.duration_ms = 0;
    if video.rotation == Rotation::default() {
        let orientation = frame.metadata().get("Orientation").and_then(|v| v.trim().parse().ok());
        video.rotation = orientation.map_or_else(Rotation::default, Rotation::from_exif);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::Rotation;

    const ONE: i32 = 65_536;

    #[test]
    fn a_phones_matrix_is_a_quarter_turn() {
        let turned = Rotation::from_matrix(&[0, ONE, 0, -ONE, 0, 0, 0, 0, 1 << 30]);
        assert_eq!(turned, Rotation { quarter_turns: 1, mirrored: false });
        assert_eq!(turned.filters(), ["transpose=clock"]);
        let back = Rotation::from_matrix(&[0, -ONE, 0, ONE, 0, 0, 0, 0, 1 << 30]);
        assert_eq!(back.quarter_turns, 3);
        let head_down = Rotation::from_matrix(&[-ONE, 0, 0, 0, -ONE, 0, 0, 0, 1 << 30]);
        assert_eq!(head_down, Rotation { quarter_turns: 2, mirrored: false });
    }

    #[test]
    fn a_mirroring_matrix_is_told_from_a_turning_one() {
        let mirror = Rotation::from_matrix(&[-ONE, 0, 0, 0, ONE, 0, 0, 0, 1 << 30]);
        assert_eq!(mirror, Rotation { quarter_turns: 0, mirrored: true });
        let upside_down = Rotation::from_matrix(&[ONE, 0, 0, 0, -ONE, 0, 0, 0, 1 << 30]);
        assert_eq!(upside_down, Rotation { quarter_turns: 2, mirrored: true });
        assert_eq!(upside_down, Rotation::from_exif(4));
    }
}
