//! Edit decision lists: timelines that come as a JSON file, with names or paths for the files they use.

use crate::timeline::{Media, Timeline, VERSION};
use reelmill_sdk::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;

/// Bytes of a list that is a file.
const BYTES_MAX: u64 = 16 * 1024 * 1024;

/// An edit decision list.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "a timeline (see schemas/edl.schema.json) or a JSON file of one")]
pub enum Edl {
    /// As an object.
    Inline(Box<Timeline>),
    /// As a file.
    File(Media),
}

impl Edl {
    /// The timeline, with every file in its place: one of `files` by its name, or below `folder`.
    pub fn load(
        self,
        files: &BTreeMap<String, Media>,
        folder: Option<&InputPath>,
    ) -> Result<Timeline, StageError> {
        match self {
            Self::Inline(timeline) => Ok(placed(*timeline, files, folder.map(InputPath::as_path))),
            Self::File(file) => {
                let beside = file.path().parent().map(Path::to_owned);
                let folder = folder.map(InputPath::as_path).or(beside.as_deref());
                Ok(placed(read(&file)?, files, folder))
            }
        }
    }
}

/// Whether a file is a list, and no video.
pub fn is_list(media: &Media) -> bool {
    match media {
        Media::Stored(artifact) => artifact.media_type() == "application/json",
        Media::Path(path) => path.as_path().extension().is_some_and(|e| e.eq_ignore_ascii_case("json")),
    }
}

/// Reads a list.
pub fn read(file: &Media) -> Result<Timeline, StageError> {
    let path = file.path();
    let bad = |why: String| {
        StageError::invalid_input(format!("{} is no edit decision list: {why}", path.display()))
            .code("bad_edl")
    };
    let length = path.metadata().map_err(|e| bad(e.to_string()))?.len();
    if length > BYTES_MAX {
        return Err(bad(format!("it has more than {BYTES_MAX} bytes")));
    }
    let text = std::fs::read_to_string(path).map_err(|e| bad(e.to_string()))?;
    let timeline: Timeline = serde_json::from_str(&text).map_err(|e| bad(e.to_string()))?;
    if timeline.version != VERSION {
        return Err(bad(format!("its version is {}; this build reads {VERSION}", timeline.version)));
    }
    Ok(timeline)
}

fn placed(mut timeline: Timeline, files: &BTreeMap<String, Media>, folder: Option<&Path>) -> Timeline {
    timeline.each_media(&mut |media| {
        let Media::Path(path) = &*media else { return };
        if let Some(file) = path.as_path().to_str().and_then(|name| files.get(name)) {
            *media = file.clone();
        } else if let (Some(folder), true) = (folder, path.as_path().is_relative()) {
            *media = Media::Path(InputPath(folder.join(path.as_path())));
        }
    });
    timeline
}

/// A list in which every file has a name, and the files by these names.
pub fn named(mut timeline: Timeline) -> (Timeline, BTreeMap<String, Media>) {
    let mut files: BTreeMap<String, Media> = BTreeMap::new();
    timeline.each_media(&mut |media| {
        let known = files.iter().find(|(_, file)| *file == media).map(|(name, _)| name.clone());
        let name = known.unwrap_or_else(|| {
            let name = free_name(&base_name(media), &files);
            files.insert(name.clone(), media.clone());
            name
        });
        *media = Media::Path(InputPath(name.into()));
    });
    (timeline, files)
}

fn base_name(media: &Media) -> String {
    match media {
        Media::Stored(artifact) => artifact.name().to_owned(),
        Media::Path(path) => {
            path.as_path().file_name().map_or_else(|| "file".into(), |n| n.to_string_lossy().into())
        }
    }
}

fn free_name(name: &str, files: &BTreeMap<String, Media>) -> String {
    let mut free = name.to_owned();
    let mut number = 2;
    while files.contains_key(&free) {
        free = match name.rsplit_once('.') {
            Some((stem, ending)) => format!("{stem}_{number}.{ending}"),
            None => format!("{name}_{number}"),
        };
        number += 1;
    }
    free
}

#[cfg(test)]
mod tests {
    use super::{Edl, named};
    use crate::timeline::{Clip, Media, Shot, Timeline};
    use reelmill_sdk::prelude::InputPath;
    use std::path::Path;

    fn of(paths: &[&str]) -> Timeline {
        let shots = paths.iter().map(|path| Shot::new(Some(Media::from(Path::new(path))), 1_000)).collect();
        Timeline::new(vec![Clip::silent(shots)])
    }

    #[test]
    fn a_list_with_names_and_its_files_are_the_timeline_again() {
        let timeline = of(&["/a/sea.mp4", "/b/sea.mp4", "/a/sea.mp4"]);
        let (list, files) = named(timeline.clone());
        assert_eq!(files.keys().collect::<Vec<_>>(), ["sea.mp4", "sea_2.mp4"]);
        assert_eq!(list, of(&["sea.mp4", "sea_2.mp4", "sea.mp4"]));
        let json = serde_json::to_string(&list).unwrap();
        let again: Edl = serde_json::from_str(&json).unwrap();
        assert_eq!(again.load(&files, None).unwrap(), timeline);
    }

    #[test]
    fn paths_start_from_the_folder() {
        let edl = Edl::Inline(Box::new(of(&["media/sea.mp4", "/abs.mp4"])));
        let folder = InputPath("/here".into());
        let loaded = edl.load(&std::collections::BTreeMap::new(), Some(&folder)).unwrap();
        assert_eq!(loaded, of(&["/here/media/sea.mp4", "/abs.mp4"]));
    }
}
