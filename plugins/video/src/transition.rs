//! How one picture becomes the next. Pure.

use crate::dice::Dice;
use reelmill_sdk::prelude::*;

/// Writes the kinds once, for the type, its names and the list of all.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident => $xfade:literal,)*) => {
        /// How one scene becomes the next: a cut, or what libav's filter `xfade` knows.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum TransitionKind {
            /// At once.
            #[default]
            Cut,
            $($(#[$doc])* $kind,)*
        }

        impl TransitionKind {
            /// All but the cut.
            pub const MOVING: &[Self] = &[$(Self::$kind),*];

            /// libav's name in the filter `xfade`; nothing for a cut.
            #[must_use]
            pub fn xfade(self) -> Option<&'static str> {
                match self {
                    Self::Cut => None,
                    $(Self::$kind => Some($xfade),)*
                }
            }
        }
    };
}

kinds! {
    /// One picture fades into the other.
    Fade => "fade",
    /// Through black.
    FadeBlack => "fadeblack",
    /// Through white.
    FadeWhite => "fadewhite",
    /// Through grey.
    FadeGrays => "fadegrays",
    /// A fade that is quick at first.
    FadeFast => "fadefast",
    /// A fade that is slow at first.
    FadeSlow => "fadeslow",
    /// Grain by grain.
    Dissolve => "dissolve",
    /// Through large blocks.
    Pixelize => "pixelize",
    /// The nearer two colours are, the sooner.
    Distance => "distance",
    /// Through a blur across.
    Hblur => "hblur",
    /// An edge goes to the left.
    WipeLeft => "wipeleft",
    /// An edge goes to the right.
    WipeRight => "wiperight",
    /// An edge goes up.
    WipeUp => "wipeup",
    /// An edge goes down.
    WipeDown => "wipedown",
    /// An edge goes to the upper left.
    WipeTl => "wipetl",
    /// An edge goes to the upper right.
    WipeTr => "wipetr",
    /// An edge goes to the lower left.
    WipeBl => "wipebl",
    /// An edge goes to the lower right.
    WipeBr => "wipebr",
    /// The new picture comes from the right.
    SlideLeft => "slideleft",
    /// The new picture comes from the left.
    SlideRight => "slideright",
    /// The new picture comes from below.
    SlideUp => "slideup",
    /// The new picture comes from above.
    SlideDown => "slidedown",
    /// A soft edge goes to the left.
    SmoothLeft => "smoothleft",
    /// A soft edge goes to the right.
    SmoothRight => "smoothright",
    /// A soft edge goes up.
    SmoothUp => "smoothup",
    /// A soft edge goes down.
    SmoothDown => "smoothdown",
    /// The picture shrinks to a circle, and the new one grows from it.
    CircleCrop => "circlecrop",
    /// The picture shrinks to a rectangle, and the new one grows from it.
    RectCrop => "rectcrop",
    /// A circle opens.
    CircleOpen => "circleopen",
    /// A circle closes.
    CircleClose => "circleclose",
    /// From the middle to both sides.
    VertOpen => "vertopen",
    /// From both sides to the middle.
    VertClose => "vertclose",
    /// From the middle up and down.
    HorzOpen => "horzopen",
    /// From above and below to the middle.
    HorzClose => "horzclose",
    /// An edge turns like a hand of a clock.
    Radial => "radial",
    /// A soft edge goes to the upper left.
    DiagTl => "diagtl",
    /// A soft edge goes to the upper right.
    DiagTr => "diagtr",
    /// A soft edge goes to the lower left.
    DiagBl => "diagbl",
    /// A soft edge goes to the lower right.
    DiagBr => "diagbr",
    /// Slices go to the left.
    HlSlice => "hlslice",
    /// Slices go to the right.
    HrSlice => "hrslice",
    /// Slices go up.
    VuSlice => "vuslice",
    /// Slices go down.
    VdSlice => "vdslice",
    /// The picture is pressed together from above and below.
    SqueezeH => "squeezeh",
    /// The picture is pressed together from both sides.
    SqueezeV => "squeezev",
    /// Into the picture, out of which the new one comes.
    ZoomIn => "zoomin",
}

/// How scenes follow each other. A transition runs at the start of the new scene, over which the old one goes
/// on, so that scenes keep their lengths and narrations their places.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Transition {
    /// In which way.
    pub kind: TransitionKind,
    /// How long; half of the shorter scene at most.
    pub duration_ms: u64,
}

impl Default for Transition {
    fn default() -> Self {
        Self { kind: TransitionKind::Cut, duration_ms: 400 }
    }
}

/// Which transitions are taken: always the same, any, or some of a list.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "the name of a transition, random, or a list of names")]
pub enum Choice {
    /// Always this one.
    One(TransitionKind),
    /// Any of them, by the seed.
    Any(AnyKind),
    /// Those of a list in an order that the seed says, each once before one comes again.
    Some(#[schemars(length(min = 1, max = 50))] Vec<TransitionKind>),
}

/// The word for any transition.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AnyKind {
    /// Another one at each join.
    Random,
}

impl Choice {
    /// The kind at each of `count` joins.
    #[must_use]
    pub fn kinds(&self, count: usize, dice: &mut Dice) -> Vec<TransitionKind> {
        let from: &[TransitionKind] = match self {
            Self::One(kind) => return vec![*kind; count],
            Self::Any(AnyKind::Random) => TransitionKind::MOVING,
            Self::Some(kinds) => kinds,
        };
        let mut taken: Vec<TransitionKind> = Vec::with_capacity(count);
        while taken.len() < count && !from.is_empty() {
            taken.extend(dice.shuffled(from));
        }
        taken.truncate(count);
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::{Choice, TransitionKind};
    use crate::dice::Dice;

    #[test]
    fn names_are_words_of_libavs_names() {
        for kind in TransitionKind::MOVING {
            let name = serde_json::to_value(kind).unwrap().as_str().unwrap().replace('_', "");
            assert_eq!(Some(name.as_str()), kind.xfade());
        }
        assert_eq!(TransitionKind::Cut.xfade(), None);
    }

    #[test]
    fn a_seed_says_the_order_and_a_list_is_used_up_before_it_begins_again() {
        let choice: Choice = serde_json::from_str(r#"["fade", "wipe_left", "zoom_in"]"#).unwrap();
        let kinds = choice.kinds(6, &mut Dice::new(7));
        assert_eq!(kinds, choice.kinds(6, &mut Dice::new(7)));
        for part in kinds.chunks(3) {
            assert!(part[0] != part[1] && part[1] != part[2] && part[0] != part[2], "{kinds:?}");
        }
        let random: Choice = serde_json::from_str(r#""random""#).unwrap();
        assert_ne!(random.kinds(8, &mut Dice::new(1)), random.kinds(8, &mut Dice::new(2)));
        let one: Choice = serde_json::from_str(r#""fade_black""#).unwrap();
        assert_eq!(one.kinds(2, &mut Dice::new(1)), [TransitionKind::FadeBlack; 2]);
    }
}
