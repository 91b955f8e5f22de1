//! Which files of a folder are footage. It only looks at names; nothing is opened.

use crate::types::{Kind, Kinds};
use reelmill_sdk::prelude::*;
use std::path::{Path, PathBuf};

/// Files of one folder at the most.
const FILES_MAX: usize = 5_000;
/// Folders within folders at the most.
const DEPTH_MAX: usize = 8;

const CLIPS: &[&str] = &["mp4", "mov", "mkv", "webm", "avi", "m4v", "mpg", "mpeg", "ts", "gif"];
const PICTURES: &[&str] = &["jpg", "jpeg", "png", "webp", "bmp", "tif", "tiff"];

/// A file that may be footage.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found {
    /// Where it is.
    pub path: PathBuf,
    /// Its path relative to the folder, with `/`.
    pub name: String,
    /// What its name says it is.
    pub kind: Kind,
}

/// All footage below a folder, in the order of names.
pub fn list(folder: &Path, kinds: Kinds) -> Result<Vec<Found>, StageError> {
    if !folder.is_dir() {
        return Err(StageError::invalid_input(format!(
            "`folder` {} is not a folder that can be read; relative paths start beside the pipeline file",
            folder.display()
        ))
        .code("no_folder"));
    }
    let mut found = Vec::new();
    walk(folder, "", 0, kinds, &mut found)?;
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

fn walk(
    folder: &Path,
    prefix: &str,
    depth: usize,
    kinds: Kinds,
    found: &mut Vec<Found>,
) -> Result<(), StageError> {
    let entries = std::fs::read_dir(folder).context(format!("read the folder {}", folder.display()))?;
    for entry in entries {
        let entry = entry.context(format!("read the folder {}", folder.display()))?;
        let Ok(own) = entry.file_name().into_string() else { continue };
        if own.starts_with('.') {
            continue;
        }
        let name = format!("{prefix}{own}");
        // A link to a folder could lead in circles, so only links to files are followed.
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_folder {
            if depth < DEPTH_MAX {
                walk(&entry.path(), &format!("{name}/"), depth + 1, kinds, found)?;
            }
        } else if let Some(kind) = kind_of(&own).filter(|kind| kinds.admit(*kind))
            && entry.path().is_file()
        {
            found.push(Found { path: entry.path(), name, kind });
            if found.len() > FILES_MAX {
                return Err(StageError::invalid_input(format!(
                    "`folder` holds more than {FILES_MAX} clips and pictures; name a subfolder"
                ))
                .code("too_many_files"));
            }
        }
    }
    Ok(())
}

/// What the name of a file says it is.
pub fn kind_of(name: &str) -> Option<Kind> {
    let extension = Path::new(name).extension()?.to_str()?.to_ascii_lowercase();
    if CLIPS.contains(&extension.as_str()) {
        Some(Kind::Clip)
    } else if PICTURES.contains(&extension.as_str()) {
        Some(Kind::Picture)
    } else {
        None
    }
}

/// The media type by the extension.
pub fn media_type(name: &str) -> &'static str {
    let extension = Path::new(name).extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    match extension.to_ascii_lowercase().as_str() {
        "mp4" | "m4v" => "video/mp4",
        "mov" => "video/quicktime",
        "mkv" => "video/x-matroska",
        "webm" => "video/webm",
        "avi" => "video/x-msvideo",
        "mpg" | "mpeg" => "video/mpeg",
        "ts" => "video/mp2t",
        "gif" => "image/gif",
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        "webp" => "image/webp",
        "bmp" => "image/bmp",
        "tif" | "tiff" => "image/tiff",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn footage_is_found_in_order_whatever_else_lies_about() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.MP4", "a/c.jpg", "a/notes.txt", ".hidden.png", "x.doc", "a/.git/y.png"] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        std::os::unix::fs::symlink(folder.path(), folder.path().join("a/loop")).unwrap();
        let names = |kinds| -> Vec<String> {
            list(folder.path(), kinds).unwrap().into_iter().map(|found| found.name).collect()
        };
        assert_eq!(names(Kinds::Any), ["a/c.jpg", "b.MP4"]);
        assert_eq!(names(Kinds::Clips), ["b.MP4"]);
        assert_eq!(list(&folder.path().join("none"), Kinds::Any).unwrap_err().failure().code, "no_folder");
    }

    #[test]
    fn every_extension_has_a_media_type() {
        for extension in CLIPS.iter().chain(PICTURES) {
            assert_ne!(media_type(&format!("x.{extension}")), "application/octet-stream", "{extension}");
        }
    }
}
