//! Pipeline files that other pipeline files name. Reading them is the caller's: this crate knows paths as text.

/// A pipeline file that was read, beside the one that was asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FileText {
    /// Its name for people.
    pub name: String,
    /// What stands in it.
    pub text: String,
}

/// Where the files come from that `pipeline: …` names.
pub trait Files {
    /// Name of the first file within its folder; none when it has none (standard input, a request).
    fn main(&self) -> Option<&str>;

    /// The file at a path, relative to the folder of the first one, or why it cannot be had, in a sentence.
    fn open(&self, path: &str) -> Result<FileText, String>;
}

/// No files: every `pipeline: …` is refused.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoFiles;

impl Files for NoFiles {
    fn main(&self) -> Option<&str> {
        None
    }

    fn open(&self, _path: &str) -> Result<FileText, String> {
        Err("files cannot be read here".to_owned())
    }
}

/// The path of a file named in another file, as one path without `.` and needless `..`: equal paths are the same
/// file.
#[must_use]
pub fn join(folder: &str, name: &str) -> String {
    let whole = if name.starts_with('/') { name.to_owned() } else { format!("{folder}/{name}") };
    let mut parts: Vec<&str> = Vec::new();
    for part in whole.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            other => parts.push(other),
        }
    }
    let root = if name.starts_with('/') || folder.starts_with('/') { "/" } else { "" };
    format!("{root}{}", parts.join("/"))
}

/// The folder of a path; empty for a file of the first folder.
#[must_use]
pub fn folder(path: &str) -> &str {
    match path.rsplit_once('/') {
        Some(("", _)) => "/",
        Some((folder, _)) => folder,
        None => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_joined_as_text() {
        for (from, name, joined) in [
            ("", "a.yaml", "a.yaml"),
            ("", "./b/../a.yaml", "a.yaml"),
            ("lib", "a.yaml", "lib/a.yaml"),
            ("lib", "../a.yaml", "a.yaml"),
            ("", "../a.yaml", "../a.yaml"),
            ("../x", "../a.yaml", "../a.yaml"),
            ("..", "../a.yaml", "../../a.yaml"),
            ("lib", "/etc/a.yaml", "/etc/a.yaml"),
            ("/etc", "a.yaml", "/etc/a.yaml"),
        ] {
            assert_eq!(join(from, name), joined, "{from} {name}");
        }
        assert_eq!((folder("a"), folder("x/y/a"), folder("/a")), ("", "x/y", "/"));
    }
}
