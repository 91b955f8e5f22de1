//! Which music a video gets: a file, one of several, or one of a folder that suits a mood.

use super::source::sound_ms;
use crate::dice::Dice;
use crate::timeline::Media;
use reelmill_sdk::prelude::*;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Files of a folder that are looked at.
const FILES_MAX: usize = 5_000;
/// Bytes of a file beside a song that are read.
const SIDECAR_MAX: u64 = 64 * 1024;
const ENDINGS: [&str; 9] = ["mp3", "m4a", "aac", "ogg", "opus", "flac", "wav", "wma", "aiff"];

/// Music.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "an audio file, a list of them, or { folder: … }")]
pub enum Choice {
    /// This file.
    File(Media),
    /// One of these, by the seed.
    Files(#[schemars(length(min = 1, max = 1000))] Vec<Media>),
    /// One of a folder, by the seed.
    Folder(Folder),
}

/// A folder of music.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Folder {
    /// The folder; its subfolders are not looked into.
    folder: InputPath,
}

impl Choice {
    /// The file that is taken: one with the mood if one is wanted. A file has the moods that its name is made of
    /// (`calm_piano.mp3`), and those in `keywords`, `mood` or `tags` of a JSON file or in the words of a text file
    /// beside it.
    pub fn take(self, mood: Option<&str>, dice: &mut Dice) -> Result<Media, StageError> {
        let files: Vec<Media> = match self {
            Self::File(media) => return sound_ms(&media).map(|_| media).context("music"),
            Self::Files(files) => files,
            Self::Folder(Folder { folder }) => {
                listed(folder.as_path())?.into_iter().map(|path| Media::from(path.as_path())).collect()
            }
        };
        let suits = |media: &&Media| mood.is_none_or(|mood| moods(media).contains(&mood.to_lowercase()));
        let fitting: Vec<&Media> = files.iter().filter(suits).collect();
        if fitting.is_empty() {
            return Err(none_fits(&files, mood));
        }
        let taken = fitting[dice.below(fitting.len())].clone();
        sound_ms(&taken).context("music")?;
        Ok(taken)
    }
}

fn none_fits(files: &[Media], mood: Option<&str>) -> StageError {
    let Some(mood) = mood else {
        return StageError::invalid_input("music: there is no audio file to choose from").code("no_music");
    };
    let there: BTreeSet<String> =
        files.iter().flat_map(moods).filter(|word| word.len() > 2).take(200).collect();
    let there: Vec<String> = there.into_iter().take(30).collect();
    let text = format!("music: no file has the mood `{mood}`; files have {}", there.join(", "));
    StageError::invalid_input(text).code("no_music")
}

/// The audio files of a folder in the order of their names.
fn listed(folder: &Path) -> Result<Vec<PathBuf>, StageError> {
    let entries = std::fs::read_dir(folder).map_err(|error| {
        StageError::invalid_input(format!("music: {} cannot be listed: {error}", folder.display()))
            .code("no_folder")
    })?;
    let is_audio = |path: &PathBuf| {
        path.extension()
            .and_then(|e| e.to_str())
            .is_some_and(|e| ENDINGS.contains(&e.to_lowercase().as_str()))
    };
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(is_audio)
        .take(FILES_MAX)
        .collect();
    files.sort();
    Ok(files)
}

fn moods(media: &Media) -> BTreeSet<String> {
    let name = match media {
        Media::Stored(artifact) => artifact.name().to_owned(),
        Media::Path(path) => {
            path.as_path().file_stem().map_or_else(String::new, |n| n.to_string_lossy().into())
        }
    };
    let mut words = split(&name);
    if let Media::Path(path) = media {
        for ending in ["json", "txt"] {
            words.extend(read(&path.as_path().with_extension(ending), ending == "json").unwrap_or_default());
        }
    }
    words
}

fn split(text: &str) -> BTreeSet<String> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).map(str::to_lowercase).collect()
}

/// The words of a file beside a song; nothing when there is none that can be read.
fn read(path: &Path, json: bool) -> Option<BTreeSet<String>> {
    let length = path.metadata().ok()?.len();
    let text = (length <= SIDECAR_MAX).then(|| std::fs::read_to_string(path).ok()).flatten()?;
    if !json {
        return Some(split(&text));
    }
    let value: serde_json::Value = serde_json::from_str(&text).ok()?;
    let of = |name: &str| match value.get(name) {
        Some(serde_json::Value::Array(items)) => {
            items.iter().filter_map(|i| i.as_str()).collect::<Vec<_>>().join(" ")
        }
        Some(serde_json::Value::String(text)) => text.clone(),
        _ => String::new(),
    };
    Some(split(&["keywords", "mood", "moods", "tags"].map(of).join(" ")))
}

#[cfg(test)]
mod tests {
    use super::{listed, moods, none_fits};
    use crate::timeline::Media;

    #[test]
    fn moods_stand_in_names_and_beside_files() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("Calm-piano.MP3", ""),
            ("b.ogg", ""),
            ("b.json", r#"{"tags": ["Epic", "drums"], "mood": "dark"}"#),
            ("c.txt", "calm"),
        ] {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let files = listed(folder.path()).unwrap();
        assert_eq!(files.len(), 2, "{files:?}");
        let media: Vec<Media> = files.iter().map(|path| Media::from(path.as_path())).collect();
        assert!(moods(&media[0]).contains("calm") && !moods(&media[0]).contains("dark"));
        assert!(["epic", "drums", "dark"].iter().all(|mood| moods(&media[1]).contains(*mood)));
        assert!(none_fits(&media, Some("happy")).to_string().contains("piano"));
    }
}
