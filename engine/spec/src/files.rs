//! Pipeline files that other pipeline files name. Reading them is the caller's: this crate knows paths as text.

/// A pipeline file that was read, beside the one that was asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FileText {
    /// Its name for people.
    pub name: String,
    /// What stands in it.
    pub text: String,
}

/// A registered pipeline that was found under its name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RegisteredText {
    /// The name with the revision that was found: `news@3`.
    pub pinned: String,
    /// What stands in it.
    pub text: String,
    /// Name of its file within its folder; none where it came from no file.
    pub file: Option<String>,
    /// The folder against which its stages resolve paths.
    pub folder: String,
}

/// Why there is no registered pipeline of a name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NotRegistered {
    /// Why, in a sentence.
    pub why: String,
    /// What to do about it.
    pub help: String,
}

/// Whether `pipeline: …` names a registered pipeline (`news`, `news@3`) and no file: files have a dot or a slash.
#[must_use]
pub fn is_registered(name: &str) -> bool {
    !name.contains(['/', '.'])
}

/// Where the files and the registered pipelines come from that `pipeline: …` names. `within` are the names of the
/// registered pipelines that one stands in, outermost first.
pub trait Files {
    /// Name of the first file within its folder; none when it has none (standard input, a request).
    fn main(&self) -> Option<&str>;

    /// The file at a path, relative to the folder of the first one, or why it cannot be had, in a sentence.
    fn open(&self, path: &str) -> Result<FileText, String>;

    /// The name that the first pipeline is registered under, where it is.
    fn registered_as(&self) -> Option<&str> {
        None
    }

    /// The registered pipeline of a name.
    fn registered(&self, within: &[String], name: &str) -> Result<RegisteredText, NotRegistered> {
        let _ = (within, name);
        Err(NotRegistered {
            why: "there is no store to look it up in".to_owned(),
            help: "name a file, with its ending or as `./FILE`, or register the pipeline where it runs"
                .to_owned(),
        })
    }

    /// A file of a registered pipeline, as `open`.
    fn open_within(&self, within: &[String], path: &str) -> Result<FileText, String> {
        let _ = within;
        self.open(path)
    }
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
