//! `video.thumbnail`: one picture that stands for a video.

use super::common::{Watch, failure, traits};
use super::source::Source;
use crate::overlay::{Title, TitlePlace, TitleStyle};
use crate::thumbnail::{Moment, thumbnail};
use crate::timeline::Fit;
use reelmill_sdk::prelude::*;

/// Frames looked at for the best one.
const CANDIDATES: u32 = 12;
/// Height of a title's line in percent of the picture's shorter side.
const TITLE_PERCENT: f64 = 14.0;

/// How the picture is stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Format {
    /// Small.
    #[default]
    Jpeg,
    /// Without loss.
    Png,
}

/// A moment.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "seconds, a percentage such as 10%, or best")]
enum At {
    /// Seconds from the start.
    Seconds(f64),
    /// `10%`, `3.5s` or `best`.
    Text(String),
}

/// A thumbnail.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// `video` of `video.compose`, `video.clip` or `video.encode`, or a video file.
    source: Source,
    /// Which moment: seconds (`3.5`), a part (`10%`), or `best`: of twelve the one that is sharp, colourful, rich in
    /// contrast, and neither dark nor pale.
    #[serde(default = "best")]
    at: At,
    /// Shape, as for `video.encode`.
    #[serde(default)]
    aspect: Option<String>,
    /// Length of the shorter side in pixels, as for `video.encode`.
    #[serde(default)]
    #[schemars(range(min = 64, max = 4320))]
    height: Option<u32>,
    /// How the picture is stored.
    #[serde(default)]
    format: Format,
    /// How a file of another shape fills the picture.
    #[serde(default)]
    fit: Fit,
    /// A title on the picture: a text, or one with a smaller line and a style.
    #[serde(default)]
    title: Option<Headline>,
}

/// A title.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "a text, or { text: …, subtitle: …, style: … }")]
enum Headline {
    /// In the usual style.
    Text(#[schemars(length(min = 1, max = 300))] String),
    /// With a style.
    Styled(Box<Styled>),
}

/// A title and how it looks.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Styled {
    /// What it says.
    #[schemars(length(min = 1, max = 300))]
    text: String,
    /// A smaller line under it.
    #[serde(default)]
    #[schemars(length(max = 300))]
    subtitle: Option<String>,
    /// How it looks.
    #[serde(default = "headline")]
    style: TitleStyle,
}

fn headline() -> TitleStyle {
    TitleStyle { place: TitlePlace::Centre, stroke_percent: 0.9, ..TitleStyle::default() }
}

impl From<Headline> for Title {
    fn from(headline_of: Headline) -> Self {
        let Styled { text, subtitle, mut style } = match headline_of {
            Headline::Text(text) => Styled { text, subtitle: None, style: headline() },
            Headline::Styled(styled) => *styled,
        };
        style.size_percent.get_or_insert(TITLE_PERCENT);
        Self { text, subtitle, at_ms: 0, duration_ms: 1_000, style }
    }
}

fn best() -> At {
    At::Text("best".into())
}

/// The thumbnail.
#[derive(Serialize, JsonSchema)]
pub struct Taken {
    /// The picture.
    #[schemars(extend("x-media-types" = ["image/jpeg", "image/png"]))]
    image: OutputFile,
    /// Pixels across.
    width: u32,
    /// Pixels down.
    height: u32,
    /// The moment it shows.
    at_ms: u64,
    /// Its mean brightness, 0 (black) to 255.
    brightness: f64,
    /// How good a picture it is without its title, 0 to 1.
    score: f64,
}

/// The stage.
pub struct Thumbnail;

impl Stage for Thumbnail {
    const ID: &'static str = "thumbnail";
    const VERSION: &'static str = "1.0.0";
    const SUMMARY: &'static str =
        "One picture of a video: at a moment or the best of several, with a title if wanted";
    type Input = Input;
    type Output = Taken;

    fn traits() -> StageTraits {
        let note = "The best of twelve moments, with a title".to_owned();
        let with = json!({ "source": "media/sea.mp4", "title": { "text": "Why the sea rises", "subtitle": "in a minute" } });
        traits(1, 1_024, vec![Example { note, with }])
    }

    fn open() -> Result<Self, StageError> {
        Ok(Self)
    }

    fn run(&mut self, input: Input, cx: &Cx<'_>) -> Result<Taken, StageError> {
        let moment = moment(&input.at)?;
        let ready = input.source.ready(input.fit)?;
        let canvas = ready.canvas(input.aspect.as_deref(), input.height, None)?;
        let (name, media_type) = match input.format {
            Format::Jpeg => ("thumbnail.jpg", "image/jpeg"),
            Format::Png => ("thumbnail.png", "image/png"),
        };
        let to = cx.output(name);
        let title = input.title.map(Title::from);
        let title = title.as_ref();
        let taken = thumbnail(&ready.timeline, moment, title, canvas, &to, cx.scratch(), &Watch(cx));
        let taken = taken.map_err(failure)?;
        Ok(Taken {
            image: OutputFile::new(cx, &to, media_type)?,
            width: canvas.width,
            height: canvas.height,
            at_ms: taken.at_ms,
            brightness: (taken.merits.brightness * 10.0).round() / 10.0,
            score: (taken.merits.score() * 1_000.0).round() / 1_000.0,
        })
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be a time in range")]
fn moment(at: &At) -> Result<Moment, StageError> {
    let seconds = |s: f64| Moment::Ms((s.clamp(0.0, 1e8) * 1_000.0) as u64);
    let text = match at {
        At::Seconds(s) if s.is_finite() && *s >= 0.0 => return Ok(seconds(*s)),
        At::Seconds(s) => return Err(StageError::invalid_input(format!("`at: {s}` is no moment"))),
        At::Text(text) => text.trim(),
    };
    let number = |text: &str| text.trim().parse::<f64>().ok().filter(|v| v.is_finite() && *v >= 0.0);
    let parsed = if text == "best" {
        Some(Moment::Best(CANDIDATES))
    } else if let Some(percent) = text.strip_suffix('%') {
        number(percent).filter(|p| *p <= 100.0).map(|p| Moment::Part(p / 100.0))
    } else {
        number(text.strip_suffix('s').unwrap_or(text)).map(seconds)
    };
    parsed.ok_or_else(|| {
        StageError::invalid_input(format!("`at: {text}` is no moment; write 10%, 3.5s or best"))
            .code("bad_moment")
    })
}

#[cfg(test)]
mod tests {
    use super::{At, Moment, moment};

    #[test]
    fn moments_are_seconds_parts_or_the_best() {
        let of = |text: &str| moment(&At::Text(text.into())).ok();
        assert_eq!(of("10%"), Some(Moment::Part(0.1)));
        assert_eq!(of("3.5s"), Some(Moment::Ms(3_500)));
        assert_eq!(of("best"), Some(Moment::Best(12)));
        assert_eq!(of("120%"), None);
        assert_eq!(of("soon"), None);
        assert_eq!(moment(&At::Seconds(2.0)).ok(), Some(Moment::Ms(2_000)));
        assert!(moment(&At::Seconds(-1.0)).is_err());
    }
}
