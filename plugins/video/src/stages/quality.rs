//! How good a video is to look: a word, a figure that is searched for, or as good as is seen.

use super::common::{Watch, failure};
use super::encoder::Quality;
use crate::render::Output;
use crate::samples::samples;
use crate::timeline::Timeline;
use reelmill_content::{Class, Figures, Filter, Found, Goal, Tried, Wanted, find};
use reelmill_gpu::Cpu;
use reelmill_media::{Chain, Vendor, VideoCodec};
use reelmill_sdk::prelude::*;

/// How good pictures look: a word, `auto`, or a figure to be reached.
#[derive(Clone, Copy, PartialEq, Debug, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "`draft`, `good`, `high`, `archive`, `auto`, or a figure such as { target_ssim: 0.98 }"
)]
pub enum QualityWish {
    /// One of four levels.
    Level(Quality),
    /// As good as `good`, but no better than is seen, with the fewest bytes.
    Auto(Auto),
    /// A figure.
    Target(Target),
}

/// By what is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Auto {
    /// A few seconds of the video are looked at, and decide.
    Auto,
}

/// A figure to be reached with the fewest bytes.
#[derive(Clone, Copy, PartialEq, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// SSIM of luma, mean over frames. Pages and text keep a PSNR of 37 dB too, because most of them is flat and always alike.
    #[schemars(range(min = 0.5, max = 0.9999))]
    target_ssim: f64,
}

impl Default for QualityWish {
    fn default() -> Self {
        Self::Level(Quality::default())
    }
}

impl QualityWish {
    /// The constant rate factor to begin with.
    pub fn crf(self, codec: VideoCodec) -> f32 {
        match self {
            Self::Level(level) => level.crf(codec),
            Self::Auto(_) | Self::Target(_) => Quality::Good.crf(codec),
        }
    }

    fn wanted(self) -> Option<Wanted> {
        match self {
            Self::Level(_) => None,
            Self::Auto(_) => Some(Wanted::Auto),
            Self::Target(target) => Some(Wanted::Ssim(target.target_ssim)),
        }
    }
}

/// What was found out about the pictures, and what follows for their encoder.
#[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
pub struct Content {
    /// What they show: `static`, `slides`, `low_motion`, `high_motion`, `text_heavy` or `mixed`.
    class: Class,
    /// That in figures.
    figures: Figures,
    /// The constant rate factor that was taken, on the scale of the codec's software encoder.
    crf: f32,
    /// What was to be reached.
    goal: Goal,
    /// The samples at the usual CRF with the preset alone, where `auto` compares with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    usual: Option<Tried>,
    /// The tries that led there.
    tried: Vec<Tried>,
}

impl From<&Found> for Content {
    fn from(found: &Found) -> Self {
        Self {
            class: found.shown.class,
            figures: found.shown.figures,
            crf: found.crf,
            goal: found.goal,
            usual: found.usual,
            tried: found.tried.clone(),
        }
    }
}

/// Which filters are put before the encoder.
#[derive(Clone, PartialEq, Debug, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "`auto`, or a list of `denoise`, `deband`, `sharpen`")]
pub enum FilterWish {
    /// Those that suit what is shown.
    Auto(Auto),
    /// These.
    These(#[schemars(length(max = 3))] Vec<Filter>),
}

impl Default for FilterWish {
    fn default() -> Self {
        Self::These(Vec::new())
    }
}

/// Finds the settings and filters that wishes mean for a timeline, and sets them; nothing where nothing had to be looked at.
pub fn settle(
    wish: QualityWish,
    filters: FilterWish,
    timeline: &mut Timeline,
    output: &mut Output,
    cx: &Cx<'_>,
) -> Result<Option<Found>, StageError> {
    let watch = Watch(cx);
    match filters {
        FilterWish::These(filters) => timeline.filters.extend(filters),
        FilterWish::Auto(_) => {
            let (_, shown) = samples(timeline, output.canvas, cx.scratch(), &watch).map_err(failure)?;
            timeline.filters.extend(reelmill_content::filters(shown.class, shown.grain));
        }
    }
    let Some(wanted) = wish.wanted() else { return Ok(None) };
    let (samples, shown) = samples(timeline, output.canvas, cx.scratch(), &watch).map_err(failure)?;
    let found =
        find(&samples, shown, &output.video(), wanted, cx.scratch(), &Cpu, &watch).map_err(failure)?;
    output.crf = found.crf;
    Ok(Some(found))
}

/// Tells the software encoders of a chain what was found beside the CRF.
pub fn tell_encoders(found: Option<&Found>, chain: &mut Chain) {
    let Some(found) = found else { return };
    for choice in chain.choices.iter_mut().filter(|choice| choice.encoder == "libx264") {
        debug_assert_eq!(choice.vendor(), Vendor::Software);
        choice.parameters.extend(found.parameters.iter().cloned());
    }
}

#[cfg(test)]
mod tests {
    use super::{Auto, QualityWish, Target};
    use crate::stages::encoder::Quality;
    use reelmill_sdk::serde_json::{from_value, json};

    #[test]
    fn a_wish_is_a_word_or_a_figure() {
        let wish = |value| from_value::<QualityWish>(value);
        assert_eq!(wish(json!("high")).unwrap(), QualityWish::Level(Quality::High));
        assert_eq!(wish(json!("auto")).unwrap(), QualityWish::Auto(Auto::Auto));
        let target = QualityWish::Target(Target { target_ssim: 0.97 });
        assert_eq!(wish(json!({ "target_ssim": 0.97 })).unwrap(), target);
        for wrong in [json!("best"), json!({ "target": 0.97 }), json!({ "target_ssim": 0.9, "crf": 3 })] {
            assert!(wish(wrong.clone()).unwrap_err().to_string().contains("target_ssim"), "{wrong}");
        }
    }
}
