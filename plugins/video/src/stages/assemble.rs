//! A timeline from what `video.compose` is given.

use super::compose::Input;
use super::source::clip_of_file;
use crate::dice::Dice;
use crate::overlay::{Logo, ProgressBar, Title, TitlePlace, TitleStyle};
use crate::style::CaptionStyle;
use crate::timeline::{Clip, Fit, Media, Music, Shot, Sound, Timeline, Transition, TransitionKind};
use reelmill_sdk::prelude::*;

/// A scene.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "the `video` of video.clip, an artifact of a video file, or a path")]
pub enum Scene {
    /// What `video.clip` put out.
    Clip(Box<Clip>),
    /// A file, shown with its own sound.
    File(Media),
}

/// Captions on, off, or in a style.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "true, false or a caption style")]
pub enum Captions {
    /// In the usual style, or none.
    Switch(bool),
    /// In this style.
    Style(Box<CaptionStyle>),
}

/// A logo.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "a picture, or { media: …, place: …, opacity: … }")]
pub enum Mark {
    /// A picture in the usual place.
    File(Media),
    /// A picture with its place.
    Placed(Box<Logo>),
}

/// A bar that grows with the time.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "true, false or { colour: … }")]
pub enum Bar {
    /// The usual one, or none.
    Switch(bool),
    /// In this style.
    Styled(ProgressBar),
}

/// A card: a title on a colour.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// What it says.
    #[schemars(length(min = 1, max = 300))]
    text: String,
    /// A smaller line under it.
    #[serde(default)]
    subtitle: Option<String>,
    /// How long it stands.
    #[serde(default = "card_seconds")]
    #[schemars(range(min = 0.3, max = 60.0))]
    seconds: f64,
    /// Its colour, `#rrggbb`.
    #[serde(default = "card_colour")]
    background: String,
    /// A picture or clip behind the title, in place of the colour.
    #[serde(default)]
    media: Option<Media>,
    /// How the title looks.
    #[serde(default = "card_style")]
    style: TitleStyle,
}

fn card_seconds() -> f64 {
    2.5
}
fn card_colour() -> String {
    "#14213d".into()
}
fn card_style() -> TitleStyle {
    TitleStyle { place: TitlePlace::Centre, ..TitleStyle::default() }
}

impl Card {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "up to a minute")]
    fn duration_ms(&self) -> u64 {
        (self.seconds.clamp(0.3, 60.0) * 1_000.0) as u64
    }

    fn clip(&self) -> Clip {
        let shot =
            Shot { background: self.background.clone(), ..Shot::new(self.media.clone(), self.duration_ms()) };
        Clip::silent(vec![shot])
    }

    fn title(self, at_ms: u64) -> Title {
        let duration_ms = self.duration_ms();
        Title { text: self.text, subtitle: self.subtitle, at_ms, duration_ms, style: self.style }
    }
}

/// Puts it all together.
pub fn assemble(mut input: Input, cx: &Cx<'_>) -> Result<Timeline, StageError> {
    let mut dice = Dice::new(input.seed);
    let listed = input.edl.take().map(|edl| edl.load(&input.files, input.folder.as_ref())).transpose()?;
    let begun = listed.is_some();
    let mut timeline = listed.unwrap_or_else(|| Timeline::new(Vec::new()));
    if begun != input.clips.is_empty() {
        let text =
            if begun { "give `clips` or `edl`, not both" } else { "clips is empty: a video needs a scene" };
        return Err(StageError::invalid_input(text).code("no_clips"));
    }
    for scene in std::mem::take(&mut input.clips) {
        cx.check()?;
        timeline.clips.push(match scene {
            Scene::Clip(clip) => *clip,
            Scene::File(media) => cut_file(&media, &input)?,
        });
    }
    let order = input.order.of(timeline.clips.len(), &mut dice);
    timeline.clips = order.into_iter().map(|index| timeline.clips[index].clone()).collect();
    frame(&mut timeline, &mut input)?;
    joins(&mut timeline, &input, &mut dice);
    match input.captions {
        Some(Captions::Switch(on)) => timeline.captions = on.then(CaptionStyle::default),
        Some(Captions::Style(style)) => timeline.captions = Some(*style),
        None if !begun => timeline.captions = Some(CaptionStyle::default()),
        None => {}
    }
    match input.progress {
        Some(Bar::Switch(on)) => timeline.progress = on.then(ProgressBar::default),
        Some(Bar::Styled(bar)) => timeline.progress = Some(bar),
        None => {}
    }
    timeline.titles.append(&mut input.titles);
    timeline.logos.extend(input.logo.map(|mark| match mark {
        Mark::File(media) => Logo::usual(media),
        Mark::Placed(logo) => *logo,
    }));
    if let Some(choice) = input.music {
        timeline.music = Some(Music {
            media: choice.take(input.music_mood.as_deref(), &mut dice)?,
            gain_db: input.music_gain_db,
            duck: input.duck,
            fade_in_ms: input.music_fade_in_ms,
            fade_out_ms: input.music_fade_out_ms,
        });
    }
    if !begun {
        timeline.loudness = input.loudness;
    }
    Ok(timeline)
}

/// A file among the scenes, at most as long as it may be.
fn cut_file(media: &Media, input: &Input) -> Result<Clip, StageError> {
    let (mut clip, _) = clip_of_file(media, input.fit)?;
    let whole_ms = super::cut::slower(clip.duration_ms, input.speed);
    clip.duration_ms = input.max_clip_ms.map_or(whole_ms, |most| whole_ms.min(most)).max(1);
    for shot in &mut clip.shots {
        (shot.duration_ms, shot.speed) = (clip.duration_ms, input.speed);
    }
    clip.sounds.iter_mut().for_each(|sound: &mut Sound| sound.speed = input.speed);
    Ok(clip)
}

/// What comes before and after the scenes.
fn frame(timeline: &mut Timeline, input: &mut Input) -> Result<(), StageError> {
    let mut before = Vec::new();
    if let Some(intro) = &input.intro {
        before.push(clip_of_file(intro, Fit::Blur).context("intro")?.0);
    }
    let intro_ms: u64 = before.iter().map(|clip| clip.duration_ms).sum();
    let card = input.title_card.take();
    before.extend(card.as_ref().map(Card::clip));
    let shift: u64 = before.iter().map(|clip| clip.duration_ms).sum();
    // Titles of a list count from the start of its scenes.
    timeline.titles.iter_mut().for_each(|title| title.at_ms += shift);
    timeline.titles.extend(card.map(|card| card.title(intro_ms)));
    timeline.clips.splice(0..0, before);
    if let Some(card) = input.end_card.take() {
        let at_ms = timeline.duration_ms();
        timeline.clips.push(card.clip());
        timeline.titles.push(card.title(at_ms));
    }
    if let Some(outro) = &input.outro {
        timeline.clips.push(clip_of_file(outro, Fit::Blur).context("outro")?.0);
    }
    Ok(())
}

/// How each scene follows the one before.
fn joins(timeline: &mut Timeline, input: &Input, dice: &mut Dice) {
    let Some(choice) = &input.transition else { return };
    let duration_ms = input.transition_ms;
    let kinds = choice.kinds(timeline.clips.len(), dice);
    let first = kinds.first().copied().unwrap_or(TransitionKind::Cut);
    timeline.transition = Transition { kind: first, duration_ms };
    for (clip, kind) in timeline.clips.iter_mut().zip(kinds) {
        clip.transition = (kind != first).then_some(Transition { kind, duration_ms });
    }
}
