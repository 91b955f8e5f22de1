//! A thin, checked layer over libav: probe, decode, filter, encode, mux and measure.
//!
//! libav accepts many wrong calls without an error (a frame of another pixel format is encoded as garbage, a
//! wiped flag opens the GOP). Every door here therefore checks what goes through it: format, size, sample rate
//! and channels of each frame, and that time only moves forward. This crate knows nothing of stages, timelines
//! or the engine; whoever calls it brings the graph text, and hears of progress through [`Control`].
//!
//! Architecture invariant: no process is started here, and nothing opens a network connection.

mod codec;
mod compare;
mod control;
mod decode;
mod encode;
mod error;
mod fault;
mod fonts;
mod frames;
mod graph;
mod join;
mod limiter;
mod log;
mod loudness;
mod mux;
mod pcm;
mod probe;
mod reader;
mod stereo;
mod synth;
mod tryout;
mod upload;
mod version;

pub use codec::{
    Chain, Choice, Generation, LeftOut, Outcome, Parameter, Probed, Tried, Vendor, VideoCodec, Wish, chain,
    hardware_encoders, walk,
};
pub use compare::{Ssim, ssim};
pub use control::{Control, Progress, Unwatched};
pub use decode::{Decoded, Decoding, GpuDecoder};
pub use encode::{AudioEncoder, AudioSettings, VideoEncoder, VideoSettings};
pub use error::{Error, ErrorKind, Result};
pub use fonts::{Font, font_families, font_of_family, font_of_file, font_with, usual_font};
pub use frames::{
    Plane, audio_frame, copy_samples, gray_mean, interleaved, plane, planes_mut, prepare_for_encoder, share,
};
pub use graph::{AudioFormat, Graph, Pull, VideoFormat, escape};
pub use join::{Part, join};
pub use limiter::Limiter;
pub use loudness::{Loudness, Meter, Target, normalise};
pub use mux::Muxer;
pub use pcm::{CHANNELS, PcmReader, PcmWriter, RATE};
pub use probe::{AudioInfo, ColourInfo, MediaInfo, Rotation, VideoInfo, probe};
pub use reader::{AudioReader, VideoReader};
pub use stereo::StereoReader;
pub use synth::{save_picture, synth};
pub use tryout::try_encoder;
pub use version::{tools, video_encoders};

/// libav's frame and pixel format types, so that callers need not name the crate below.
pub use ffmpeg_next::{
    Rational,
    format::Pixel,
    frame::{Audio as AudioFrame, Video as VideoFrame},
};
