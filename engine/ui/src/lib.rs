//! The web page: files that are part of the program, so that it needs no network and no build of its own. Plain HTML, CSS
//! and JavaScript; whatever comes from the server is shown as text, never as markup.

/// A file of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct File {
    /// Its path.
    pub path: &'static str,
    /// Its media type.
    pub media_type: &'static str,
    /// What is in it.
    pub content: &'static str,
}

macro_rules! files {
    ($($path:literal = $file:literal as $media_type:literal),+ $(,)?) => {
        /// Every file.
        pub const FILES: &[File] = &[$(File {
            path: $path,
            media_type: $media_type,
            content: include_str!(concat!("../page/", $file)),
        }),+];
    };
}

files! {
    "/" = "index.html" as "text/html; charset=utf-8",
    "/app.css" = "app.css" as "text/css; charset=utf-8",
    "/app.js" = "app.js" as "text/javascript; charset=utf-8",
    "/icon.svg" = "icon.svg" as "image/svg+xml",
}

/// The file at a path.
#[must_use]
pub fn file(path: &str) -> Option<&'static File> {
    FILES.iter().find(|file| file.path == path)
}
