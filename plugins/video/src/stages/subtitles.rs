//! `video.subtitles`: the words of a video as a file beside it.

use super::common::{failure, traits};
use super::source::Source;
use crate::captions::Captions;
use crate::plan::Plan;
use crate::style::{CaptionStyle, Delivery};
use crate::timeline::Fit;
use reelmill_media::Error;
use reelmill_sdk::prelude::*;

/// The form of the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Format {
    /// `SubRip`: text and times, for every player and platform.
    #[default]
    Srt,
    /// `WebVTT`: the same for the web.
    Vtt,
    /// Advanced `SubStation`: with fonts, colours, places and karaoke.
    Ass,
}

/// Subtitles.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// `video` of `video.compose` or `video.clip`.
    source: Source,
    /// The form of the file.
    #[serde(default)]
    format: Format,
    /// How they look and how long lines are; without it, as the timeline says.
    #[serde(default)]
    captions: Option<CaptionStyle>,
    /// Shape of the picture for which lines are broken, as for `video.encode`.
    #[serde(default)]
    aspect: Option<String>,
    /// Length of its shorter side in pixels.
    #[serde(default)]
    #[schemars(range(min = 64, max = 4320))]
    height: Option<u32>,
    /// Whether fonts are part of an ASS file, so that it looks the same where they are not installed.
    #[serde(default = "yes")]
    embed_fonts: bool,
}

fn yes() -> bool {
    true
}

/// The file.
#[derive(Serialize, JsonSchema)]
pub struct Written {
    /// The subtitles.
    #[schemars(extend("x-media-types" = ["application/x-subrip", "text/vtt", "text/x-ass"]))]
    subtitles: OutputFile,
    /// How many captions there are.
    cues: usize,
}

/// The stage.
pub struct Subtitles;

impl Stage for Subtitles {
    const ID: &'static str = "subtitles";
    const VERSION: &'static str = "1.0.0";
    const SUMMARY: &'static str =
        "The words of a video as a subtitle file: SRT, WebVTT or ASS with its fonts";
    type Input = Input;
    type Output = Written;

    fn traits() -> StageTraits {
        let note = "What is said in a scene, as SRT".to_owned();
        let with = json!({
            "source": { "duration_ms": 1_000, "shots": [{ "media": "media/sea.mp4", "duration_ms": 1_000 }],
                "words": [{ "text": "Sea.", "start_ms": 0, "end_ms": 400 }] },
            "format": "srt"
        });
        traits(1, 512, vec![Example { note, with }])
    }

    fn open() -> Result<Self, StageError> {
        Ok(Self)
    }

    fn run(&mut self, input: Input, cx: &Cx<'_>) -> Result<Written, StageError> {
        let mut ready = input.source.ready(Fit::Cover)?;
        let canvas = ready.canvas(input.aspect.as_deref(), input.height, None)?;
        let mut style = input.captions.or(ready.timeline.captions).unwrap_or_default();
        // Only an ASS file says which fonts it is drawn in.
        style.show = if input.format == Format::Ass { Delivery::Burnt } else { Delivery::Soft };
        ready.timeline.captions = Some(style);
        let plan = Plan::new(&ready.timeline, canvas).map_err(|e| failure(Error::Setting(e)))?;
        let captions = Captions::set(&ready.timeline, &plan, canvas, cx.scratch());
        let captions = captions.map_err(failure)?;
        let captions = captions.ok_or_else(|| {
            StageError::invalid_input("nobody speaks in this video: give `words` to its scenes (video.clip)")
                .code("no_words")
        })?;
        let (name, media_type, text) = match input.format {
            Format::Srt => ("subtitles.srt", "application/x-subrip", captions.srt()),
            Format::Vtt => ("subtitles.vtt", "text/vtt", captions.vtt()),
            Format::Ass => ("subtitles.ass", "text/x-ass", captions.ass(input.embed_fonts).map_err(failure)?),
        };
        let to = cx.output(name);
        std::fs::write(&to, text)
            .map_err(|e| StageError::resource(format!("{name}: {e}")).code("not_written"))?;
        Ok(Written { subtitles: OutputFile::new(cx, &to, media_type)?, cues: captions.cues.len() })
    }
}
