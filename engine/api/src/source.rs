//! Pipelines as requests name them: `NAME.yaml` is a file of the folder that is served, `NAME` and `NAME@3` are registered;
//! a name of which none is registered is the file of that name. Files lie in that folder and nowhere else: a request must
//! not be able to read another one.

use crate::problem::Problem;
use crate::site::Site;
use reelmill_control::registry::labels_of;
use reelmill_control::texts::{Kept, Pins, names};
use reelmill_control::{ControlError, Pipeline, PipelineRef, prepare};
use reelmill_model::limits;
use reelmill_model::{Revision, RevisionHead};
use reelmill_spec::files::{NotRegistered, RegisteredText, join};
use reelmill_spec::{Diagnostic, FileText, Files};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// One byte more than allowed is enough for the parser to see that it is too much.
const MOST: u64 = limits::PIPELINE_BYTES_MAX as u64 + 1;
/// The ending of a pipeline's file.
const ENDING: &str = ".yaml";

/// A pipeline's text, and where it comes from.
pub enum Source {
    /// A file of the folder, or a text that came with the request.
    Text(Text),
    /// A revision of a registered one.
    Registered(Box<Revision>),
}

/// A text beside whose folder other files lie.
pub struct Text {
    /// What stands in it.
    pub content: String,
    /// Its name within the folder; none for one that came with the request.
    pub file: Option<String>,
    folder: PathBuf,
    pins: Pins,
}

impl Files for Text {
    fn main(&self) -> Option<&str> {
        self.file.as_deref()
    }

    fn open(&self, path: &str) -> Result<FileText, String> {
        let path = join("", path);
        if path.starts_with('/') || path == ".." || path.starts_with("../") {
            return Err("it does not lie in the folder of pipelines that this server has".to_owned());
        }
        let text = read(&self.folder.join(&path)).map_err(|error| error.to_string())?;
        Ok(FileText { name: path, text })
    }

    fn registered_as(&self) -> Option<&str> {
        self.pins.own()
    }

    fn registered(&self, within: &[String], name: &str) -> Result<RegisteredText, NotRegistered> {
        self.pins.registered(within, name)
    }

    fn open_within(&self, within: &[String], path: &str) -> Result<FileText, String> {
        self.pins.open_within(within, path)
    }
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(MOST).read_to_string(&mut text)?;
    Ok(text)
}

impl Text {
    /// A text that came with a request. `own` is the name that it is put under.
    pub async fn inline(
        site: &Site,
        namespace: &str,
        text: String,
        own: Option<String>,
    ) -> Result<Self, Problem> {
        Self::pinned(site, namespace, text, None, own).await
    }

    async fn pinned(
        site: &Site,
        namespace: &str,
        text: String,
        file: Option<String>,
        own: Option<String>,
    ) -> Result<Self, Problem> {
        let mut text = Self { content: text, file, folder: site.pipelines.clone(), pins: Pins::default() };
        let wanted = names(&text.content, &text);
        text.pins = site.control.pins(namespace, own, wanted).await?;
        Ok(text)
    }

    /// What was found of the registered pipelines that it names.
    pub fn pins(&self) -> &Pins {
        &self.pins
    }

    /// The folder against which its stages resolve paths.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Source {
    /// The pipeline that a request names.
    pub async fn find(site: &Site, namespace: &str, name: &str) -> Result<Self, Problem> {
        if let Some(stem) = name.strip_suffix(ENDING) {
            return Self::file(site, namespace, stem).await;
        }
        let wanted: PipelineRef = name.parse().map_err(|help: String| {
            Problem::missing("no_such_pipeline", format!("{help}, or NAME.yaml for a file of the folder"))
        })?;
        match site.control.registered(namespace, &wanted).await {
            Ok(revision) => Ok(Self::Registered(Box::new(revision))),
            Err(error @ ControlError::NoSuchPipeline { .. }) => {
                let missing = Problem::from(error);
                if wanted.namespace.is_some() || wanted.revision.is_some() {
                    return Err(missing);
                }
                Self::file(site, namespace, name).await.map_err(|_| missing)
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn file(site: &Site, namespace: &str, stem: &str) -> Result<Self, Problem> {
        let file = format!("{stem}{ENDING}");
        let missing = |why: &str| Problem::missing("no_such_pipeline", format!("there is no {file}: {why}"));
        if !is_stem(stem) {
            return Err(missing("a name has letters, digits, `_` and `-`"));
        }
        let text = match read(&site.pipelines.join(&file)) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(missing("the folder of pipelines has no such file"));
            }
            Err(error) => return Err(missing(&error.to_string())),
        };
        Ok(Self::Text(Text::pinned(site, namespace, text, Some(file), None).await?))
    }

    /// What stands in it.
    pub fn text(&self) -> &str {
        match self {
            Self::Text(text) => &text.content,
            Self::Registered(revision) => &revision.text.main,
        }
    }

    /// The revision that it is.
    pub fn head(&self) -> Option<&RevisionHead> {
        match self {
            Self::Text(_) => None,
            Self::Registered(revision) => Some(&revision.head),
        }
    }

    /// The folder against which its stages resolve paths.
    pub fn folder(&self) -> PathBuf {
        match self {
            Self::Text(text) => text.folder.clone(),
            Self::Registered(revision) => PathBuf::from(&revision.text.folder),
        }
    }

    /// Labels that its runs have.
    pub fn labels(&self) -> BTreeMap<String, String> {
        match self {
            Self::Text(text) => text.file.iter().map(|file| ("pipeline".to_owned(), file.clone())).collect(),
            Self::Registered(revision) => labels_of(revision),
        }
    }

    /// Parses and compiles it, for looking at: everything that is wrong with it comes along.
    pub fn look(&self, site: &Site) -> (Option<Pipeline>, Vec<Diagnostic>) {
        let compiled = match self {
            Self::Text(text) => prepare(&text.content, &site.catalog, text),
            Self::Registered(revision) => prepare(&revision.text.main, &site.catalog, &Kept(revision)),
        };
        match compiled {
            Ok(pipeline) => {
                let warnings = pipeline.warnings.clone();
                (Some(pipeline), warnings)
            }
            Err(invalid) => (None, invalid.0),
        }
    }

    /// The pipeline as it can be run.
    pub async fn compiled(&self, site: &Site) -> Result<Pipeline, Problem> {
        match self {
            Self::Text(text) => prepare(&text.content, &site.catalog, text)
                .map_err(|invalid| Problem::diagnostics(&invalid.0)),
            Self::Registered(revision) => Ok(site.control.runnable(revision, &site.catalog).await?),
        }
    }
}

/// Whether a text is a file's name without its ending, and no way out of the folder.
fn is_stem(stem: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    (1..=limits::ID_CHARS_MAX).contains(&stem.len()) && stem.chars().all(fits)
}

/// Names of the files of the folder, in order, and what the comment at the top of each says.
pub fn files(folder: &Path) -> Vec<(String, String)> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> =
        names.filter(|name| name.strip_suffix(ENDING).is_some_and(is_stem)).collect();
    names.sort_unstable();
    names.truncate(limits::API_PIPELINE_FILES_MAX);
    names
        .into_iter()
        .filter_map(|name| {
            let text = read(&folder.join(&name)).ok()?;
            Some((name, about(&text)))
        })
        .collect()
}

/// The first sentence of the comment at the top.
pub fn about(text: &str) -> String {
    let comments = text.lines().map_while(|line| line.strip_prefix('#'));
    let words: Vec<&str> =
        comments.map(str::trim).filter(|line| !line.starts_with("yaml-language-server")).collect();
    let all = words.join(" ");
    let end = all.find(". ").map_or(all.len(), |end| end + 1);
    all[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stem_is_no_path() {
        assert!(is_stem("topic_to_video") && is_stem("a-1"));
        for stem in ["", "..", "a/b", "a.b", "/etc/passwd", "..%2f", "ä"] {
            assert!(!is_stem(stem), "{stem}");
        }
    }

    #[test]
    fn other_files_than_those_of_the_folder_are_not_read() {
        let folder = tempfile::tempdir().expect("a folder can be made");
        std::fs::create_dir(folder.path().join("in")).expect("a folder can be made");
        std::fs::write(folder.path().join("secret.yaml"), "x").expect("a file can be written");
        std::fs::write(folder.path().join("in/a.yaml"), "y").expect("a file can be written");
        let text = Text {
            content: String::new(),
            file: None,
            folder: folder.path().join("in"),
            pins: Pins::default(),
        };
        assert_eq!(text.open("./b/../a.yaml").map(|file| file.text), Ok("y".to_owned()));
        let outside = folder.path().join("secret.yaml").display().to_string();
        for path in ["../secret.yaml", "x/../../secret.yaml", "..", &outside] {
            let error = text.open(path).expect_err(path);
            assert!(error.contains("folder of pipelines"), "{path}: {error}");
        }
    }

    #[test]
    fn the_comment_at_the_top_says_what_it_is() {
        let text = "# yaml-language-server: $schema=x\n# A topic becomes\n# a video. As it stands\nversion: 1\n# no\n";
        assert_eq!(about(text), "A topic becomes a video.");
        assert_eq!(about("version: 1\n"), "");
    }
}
