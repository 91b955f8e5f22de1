//! What a stage may be given as a video: a timeline, one scene, or a file.

use super::common::failure;
use super::edl::{Edl, is_list};
use crate::plan::Canvas;
use crate::timeline::{Clip, Fit, Media, Motion, Shot, Sound, Timeline, WhenShort};
use reelmill_media::{MediaInfo, VideoInfo, probe};
use reelmill_sdk::prelude::*;
use std::collections::BTreeMap;

/// A video that is to be worked on.
#[derive(Clone, PartialEq, Debug, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "the `video` of video.compose or video.clip, an artifact of a video file, or a path"
)]
pub enum Source {
    /// What `video.compose` put out.
    Timeline(Box<Timeline>),
    /// What `video.clip` put out.
    Clip(Box<Clip>),
    /// A video file, or a JSON file of an edit decision list.
    File(Media),
}

/// A source made ready.
pub struct Ready {
    /// What is rendered.
    pub timeline: Timeline,
    /// The pictures of the file, when it is one.
    pub file: Option<VideoInfo>,
}

impl Source {
    /// Makes the timeline of any source; `fit` is how a file fills another shape.
    pub fn ready(self, fit: Fit) -> Result<Ready, StageError> {
        match self {
            Self::Timeline(timeline) => Ok(Ready { timeline: *timeline, file: None }),
            Self::Clip(clip) => Ok(Ready { timeline: alone(*clip), file: None }),
            Self::File(media) if is_list(&media) => {
                let timeline = Edl::File(media).load(&BTreeMap::new(), None)?;
                Ok(Ready { timeline, file: None })
            }
            Self::File(media) => {
                let (clip, info) = clip_of_file(&media, fit)?;
                Ok(Ready { timeline: alone(clip), file: Some(info) })
            }
        }
    }
}

impl Ready {
    /// The canvas that is asked for; a file keeps its own size and rate where nothing is.
    pub fn canvas(
        &self,
        aspect: Option<&str>,
        height: Option<u32>,
        fps: Option<u32>,
    ) -> Result<Canvas, StageError> {
        let fps = fps.unwrap_or_else(|| self.file.as_ref().map_or_else(super::common::default_fps, own_rate));
        if let (None, None, Some(file)) = (aspect, height, &self.file) {
            let (width, height) = file.display_size();
            return Ok(Canvas { width: even(width), height: even(height), fps });
        }
        let own = self.file.as_ref().map(|file| {
            let (w, h) = file.display_size();
            (if w >= h { "16:9" } else { "9:16" }, even(w.min(h)))
        });
        let aspect = aspect.or(own.map(|o| o.0)).unwrap_or("9:16");
        let height = height.or(own.map(|o| o.1)).unwrap_or_else(super::common::default_height);
        super::common::canvas(aspect, height, fps)
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a frame rate within 1 to 60")]
fn own_rate(file: &VideoInfo) -> u32 {
    if file.fps > 0.0 { file.fps.round().clamp(1.0, 60.0) as u32 } else { super::common::default_fps() }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the side of a picture")]
fn even(side: f64) -> u32 {
    ((side / 2.0).round() as u32 * 2).clamp(16, 8_192)
}

fn alone(clip: Clip) -> Timeline {
    Timeline::new(vec![clip])
}

/// A file as a scene: all of its pictures with its own sound.
pub fn clip_of_file(media: &Media, fit: Fit) -> Result<(Clip, VideoInfo), StageError> {
    let (info, video) = pictures(media)?;
    let duration_ms = if video.duration_ms > 0 { video.duration_ms } else { info.duration_ms };
    if info.picture || duration_ms == 0 {
        let name = media.path().display();
        return Err(StageError::invalid_input(format!(
            "{name} has no length; give pictures to video.clip with a duration"
        ))
        .code("no_length"));
    }
    let shot = Shot {
        fit,
        motion: Motion::None,
        when_short: WhenShort::Freeze,
        ..Shot::new(Some(media.clone()), duration_ms)
    };
    let mut clip = Clip::silent(vec![shot]);
    clip.sounds = info.audio.map(|_| Sound::new(media.clone())).into_iter().collect();
    Ok((clip, video))
}

/// Probes a file that has to have pictures.
pub fn pictures(media: &Media) -> Result<(MediaInfo, VideoInfo), StageError> {
    let info = probe(media.path()).map_err(failure)?;
    let video = info.video.clone().ok_or_else(|| {
        let name = media.path().display();
        StageError::invalid_input(format!("{name} has no pictures; give a clip or a picture"))
            .code("no_pictures")
    })?;
    Ok((info, video))
}

/// Length of the sound of a file that has to have some.
pub fn sound_ms(media: &Media) -> Result<u64, StageError> {
    let info = probe(media.path()).map_err(failure)?;
    let audio = info.audio.ok_or_else(|| {
        let name = media.path().display();
        StageError::invalid_input(format!("{name} has no sound; give an audio file")).code("no_sound")
    })?;
    Ok(audio.duration_ms.max(info.duration_ms))
}
