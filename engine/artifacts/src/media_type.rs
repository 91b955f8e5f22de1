//! Media types by file extension, for the files that pipelines deal with.

use std::path::Path;

/// Extensions and their media types (IANA's registry, and what browsers agree on).
const TYPES: &[(&str, &str)] = &[
    ("aac", "audio/aac"),
    ("ass", "text/x-ssa"),
    ("avi", "video/x-msvideo"),
    ("csv", "text/csv"),
    ("flac", "audio/flac"),
    ("gif", "image/gif"),
    ("html", "text/html"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("json", "application/json"),
    ("m4a", "audio/mp4"),
    ("m4v", "video/mp4"),
    ("md", "text/markdown"),
    ("mkv", "video/x-matroska"),
    ("mov", "video/quicktime"),
    ("mp3", "audio/mpeg"),
    ("mp4", "video/mp4"),
    ("ogg", "audio/ogg"),
    ("opus", "audio/ogg"),
    ("otf", "font/otf"),
    ("png", "image/png"),
    ("srt", "application/x-subrip"),
    ("svg", "image/svg+xml"),
    ("ttf", "font/ttf"),
    ("txt", "text/plain"),
    ("vtt", "text/vtt"),
    ("wav", "audio/wav"),
    ("webm", "video/webm"),
    ("webp", "image/webp"),
    ("yaml", "application/yaml"),
    ("yml", "application/yaml"),
];

/// The media type of a file by its extension; `application/octet-stream` when it is not known.
#[must_use]
pub fn media_type(path: &Path) -> &'static str {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let extension = extension.to_ascii_lowercase();
    TYPES
        .binary_search_by(|(known, _)| (*known).cmp(extension.as_str()))
        .map_or("application/octet-stream", |place| TYPES[place].1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_extension_of_the_table_is_found() {
        for (extension, expected) in TYPES {
            let upper = format!("Clip.{}", extension.to_uppercase());
            assert_eq!(media_type(Path::new(&upper)), *expected);
        }
        assert_eq!(media_type(Path::new("clip")), "application/octet-stream");
        assert_eq!(media_type(Path::new("clip.unknown")), "application/octet-stream");
    }
}
