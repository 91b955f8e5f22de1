//! Stages that make videos. A scene (`video.clip`) and a composition (`video.compose`) are descriptions, not
//! files: nothing is encoded until `video.encode` renders the whole timeline in one pass from the original
//! material. Two aspect ratios are two such passes over one timeline, and no generation of quality is lost.
//!
//! The rooms: `timeline`, `style`, `overlay` and `transition` (what a composition is), `plan` (milliseconds to frames),
//! `fit`, `motion`, `crop` and `focus` (how material fills the picture), `shot` and `sequence` (its frames in order),
//! `captions` and `finish` (what lies over them), `mix` (its sound), `render` (all of them into a file), `thumbnail` and
//! `merits` (one picture of it), `dice` (what a seed decides), and `stages` (the doors for pipelines).

mod captions;
mod chunks;
mod crop;
mod dice;
mod finish;
mod fit;
mod focus;
mod merits;
mod mix;
mod motion;
mod overlay;
mod plan;
mod render;
mod samples;
mod scan;
mod sequence;
mod shot;
mod stages;
mod style;
mod thumbnail;
mod timeline;
mod transition;

pub use captions::{Captions, Cue};
pub use overlay::{Corner, Logo, ProgressBar, Title, TitlePlace, TitleStyle};
pub use plan::{Canvas, Plan};
pub use render::{Output, Rendered, render, render_by, render_part, render_sound};
pub use stages::{
    Analyse, Clip as ClipStage, Compose, Encode, EncodeChunk, Join, Probe, SoundStage, Split, Subtitles,
    Thumbnail,
};
pub use style::{CaptionStyle, Corners, Delivery, Karaoke, Place, Platform, Position, Safe};
pub use timeline::{
    Clip, Fit, Focus, Loudness, Media, Motion, Music, Shot, Sound, Timeline, VERSION, WhenShort, Word,
};
pub use transition::{Transition, TransitionKind};

reelmill_sdk::export_plugin! {
    name: "video",
    version: env!("CARGO_PKG_VERSION"),
    license: "MIT OR Apache-2.0",
    description: "Scenes, compositions and finished videos, rendered in one pass by libav",
    stages: [Analyse, ClipStage, Compose, Encode, EncodeChunk, Join, Probe, SoundStage, Split, Subtitles, Thumbnail],
}
