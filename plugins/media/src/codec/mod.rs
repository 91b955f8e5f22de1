//! Codecs, and which encoders make them: who is tried first, with which parameters, and what happens when one fails.
//!
//! `plan` and `parameters` are pure: from what is wanted and what was probed they make a [`Chain`]. `walk` goes along
//! it with the real encoders, and tells how that went.

mod parameters;
mod plan;
mod walk;

pub use parameters::Parameter;
pub use plan::{Chain, Choice, LeftOut, Probed, Wish, chain, hardware_encoders};
pub use walk::{Outcome, Tried, walk};

/// Names of presets, from fast to slow; the same for all codecs here.
pub(crate) const PRESETS: [&str; 10] = [
    "ultrafast",
    "superfast",
    "veryfast",
    "faster",
    "fast",
    "medium",
    "slow",
    "slower",
    "veryslow",
    "placebo",
];

/// The codecs videos are written in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum VideoCodec {
    /// H.264.
    H264,
    /// H.265.
    H265,
    /// AV1.
    Av1,
}

impl VideoCodec {
    /// libav's name of the software encoder: `libx264`, `libx265`, SVT-AV1.
    #[must_use]
    pub const fn encoder(self) -> &'static str {
        match self {
            Self::H264 => "libx264",
            Self::H265 => "libx265",
            Self::Av1 => "libsvtav1",
        }
    }

    /// The constant rate factor that looks like x264's 23.
    #[must_use]
    pub const fn default_crf(self) -> f32 {
        match self {
            Self::H264 => 23.0,
            Self::H265 => 26.0,
            Self::Av1 => 32.0,
        }
    }

    /// The first part of the names of hardware encoders.
    const fn stem(self) -> &'static str {
        match self {
            Self::H264 => "h264",
            Self::H265 => "hevc",
            Self::Av1 => "av1",
        }
    }
}

/// By which door hardware encodes, or that it is software.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Vendor {
    /// NVIDIA's encoder.
    Nvenc,
    /// Intel's Quick Sync.
    Qsv,
    /// AMD's Advanced Media Framework.
    Amf,
    /// Intel's and AMD's, by the kernel's interface.
    Vaapi,
    /// The processor.
    Software,
}

impl Vendor {
    /// All that is hardware, in the order in which they are tried.
    pub const HARDWARE: [Self; 4] = [Self::Nvenc, Self::Qsv, Self::Amf, Self::Vaapi];

    /// Its word: the last part of the names of its encoders.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Nvenc => "nvenc",
            Self::Qsv => "qsv",
            Self::Amf => "amf",
            Self::Vaapi => "vaapi",
            Self::Software => "software",
        }
    }

    /// The vendor with this word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::HARDWARE.into_iter().chain([Self::Software]).find(|vendor| vendor.word() == word)
    }

    /// Whose encoder this is, by its name in libav.
    #[must_use]
    pub fn of(encoder: &str) -> Self {
        let last = encoder.rsplit('_').next().unwrap_or_default();
        Self::from_word(last).unwrap_or(Self::Software)
    }
}

/// What a GPU is a child of; it decides which parameters its encoder takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Generation {
    /// Not known: only what all of a vendor take.
    #[default]
    Unknown,
    /// NVIDIA, compute capability 7.5.
    Turing,
    /// NVIDIA, 8.6 and 8.7.
    Ampere,
    /// NVIDIA, 8.9.
    Ada,
    /// NVIDIA, 12.
    Blackwell,
    /// Intel's cards: Alchemist, Battlemage.
    Arc,
    /// Intel's graphics within processors.
    Integrated,
    /// AMD's, before RDNA 3.
    Radeon,
    /// AMD's RDNA 3 and later, which write AV1.
    Rdna3,
}

impl Generation {
    /// Its word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Turing => "turing",
            Self::Ampere => "ampere",
            Self::Ada => "ada",
            Self::Blackwell => "blackwell",
            Self::Arc => "arc",
            Self::Integrated => "integrated",
            Self::Radeon => "radeon",
            Self::Rdna3 => "rdna3",
        }
    }

    /// The generation with this word; unknown for any other word.
    #[must_use]
    pub fn from_word(word: &str) -> Self {
        [
            Self::Turing,
            Self::Ampere,
            Self::Ada,
            Self::Blackwell,
            Self::Arc,
            Self::Integrated,
            Self::Radeon,
            Self::Rdna3,
        ]
        .into_iter()
        .find(|generation| generation.word() == word)
        .unwrap_or_default()
    }
}
