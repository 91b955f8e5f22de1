//! Pipelines as commands are given them: read from a file or standard input, or registered under a name; and what is
//! wrong with them shown.

use crate::commands::Context;
use crate::engine;
use crate::exit::CliError;
use crate::output::Output;
use crate::words;
use anyhow::Context as _;
use reelmill_control::texts::{Kept, Pins, names};
use reelmill_control::{Control, ControlError, Pipeline, PipelineRef, prepare};
use reelmill_graph::compile::Catalog;
use reelmill_model::{Revision, limits};
use reelmill_spec::files::{NotRegistered, RegisteredText};
use reelmill_spec::{Diagnostic, FileText, Files, Severity};
use std::fs::File;
use std::io::{Read as _, stdin};
use std::path::{Path, PathBuf};

/// A pipeline's text, and where it comes from.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its name for people: the path as it was given.
    pub name: String,
    /// What stands in it.
    pub text: String,
    /// The folder it lies in, absolute; for standard input the current one.
    pub folder: PathBuf,
    /// That folder as it was given, for the names of other files.
    shown: PathBuf,
    /// Its name within the folder; none for standard input.
    file: Option<String>,
    /// The revision that it is, where it is a registered pipeline.
    revision: Option<Revision>,
    /// The registered pipelines that it names, where it is none.
    pins: Pins,
}

/// A registered pipeline, where a command line names one: what looks like a name and is no file.
pub fn name_of(given: &Path) -> Option<PipelineRef> {
    let name = given.to_str()?.parse().ok()?;
    (given.is_dir() || !given.exists()).then_some(name)
}

/// One byte more than allowed is enough for the parser to see that it is too much.
const MOST: u64 = limits::PIPELINE_BYTES_MAX as u64 + 1;

/// The files that it names lie beside it; those of a registered pipeline were kept with it.
impl Files for Source {
    fn main(&self) -> Option<&str> {
        self.file.as_deref()
    }

    fn open(&self, path: &str) -> Result<FileText, String> {
        if let Some(revision) = &self.revision {
            return Kept(revision).open(path);
        }
        let mut text = String::new();
        let file = File::open(self.folder.join(path)).map_err(|error| error.to_string())?;
        file.take(MOST).read_to_string(&mut text).map_err(|error| error.to_string())?;
        Ok(FileText { name: self.shown.join(path).display().to_string(), text })
    }

    fn registered_as(&self) -> Option<&str> {
        match &self.revision {
            Some(revision) => Some(&revision.head.id.name),
            None => self.pins.own(),
        }
    }

    fn registered(&self, within: &[String], name: &str) -> Result<RegisteredText, NotRegistered> {
        match &self.revision {
            Some(revision) => Kept(revision).registered(within, name),
            None => self.pins.registered(within, name),
        }
    }

    fn open_within(&self, within: &[String], path: &str) -> Result<FileText, String> {
        match &self.revision {
            Some(revision) => Kept(revision).open_within(within, path),
            None => self.pins.open_within(within, path),
        }
    }
}

impl Source {
    /// Reads a file; `-` is standard input.
    pub fn read(path: &Path) -> Result<Self, CliError> {
        let is_stdin = path == Path::new("-");
        let name = if is_stdin { "standard input".to_owned() } else { path.display().to_string() };
        let mut bytes = Vec::new();
        let read = if is_stdin {
            stdin().take(MOST).read_to_end(&mut bytes)
        } else {
            File::open(path).and_then(|file| file.take(MOST).read_to_end(&mut bytes))
        };
        read.with_context(|| format!("cannot read {name}"))?;
        let text = String::from_utf8(bytes).map_err(|error| {
            CliError::Invalid(format!("{name} is not UTF-8 text: {}", error.utf8_error()))
        })?;
        let parent = if is_stdin { Path::new("") } else { path.parent().unwrap_or(Path::new("")) };
        let folder = std::path::absolute(if parent.as_os_str().is_empty() { Path::new(".") } else { parent })
            .with_context(|| format!("cannot tell where {name} is"))?;
        let file = path.file_name().filter(|_| !is_stdin).map(|name| name.to_string_lossy().into_owned());
        Ok(Self { name, text, folder, shown: parent.to_owned(), file, revision: None, pins: Pins::default() })
    }

    /// A text that is no file; the files that it names lie in `folder`.
    pub fn inline(text: String, folder: PathBuf) -> Self {
        let name = "the envelope's pipeline".to_owned();
        Self { name, text, shown: folder.clone(), folder, file: None, revision: None, pins: Pins::default() }
    }

    /// A revision of a registered pipeline.
    pub fn registered(revision: Revision) -> Self {
        let folder = PathBuf::from(&revision.text.folder);
        Self {
            name: format!("{}@{}", revision.head.id, revision.head.revision),
            text: revision.text.main.clone(),
            shown: folder.clone(),
            folder,
            file: revision.text.file.clone(),
            revision: Some(revision),
            pins: Pins::default(),
        }
    }

    /// Looks up the registered pipelines that it names, for somebody of a namespace. `own` is the name that it is put
    /// under itself.
    pub async fn pinned(
        mut self,
        control: &Control,
        namespace: &str,
        own: Option<String>,
    ) -> Result<Self, ControlError> {
        let wanted = names(&self.text, &self);
        self.pins = control.pins(namespace, own, wanted).await?;
        Ok(self)
    }

    /// What was found of them.
    pub fn pins(&self) -> &Pins {
        &self.pins
    }

    /// A file, or a registered pipeline that is named for somebody of a namespace.
    pub async fn find(control: &Control, given: &Path, namespace: &str) -> Result<Self, CliError> {
        match name_of(given) {
            Some(name) => Ok(Self::registered(control.registered(namespace, &name).await?)),
            None => Ok(Self::read(given)?.pinned(control, namespace, None).await?),
        }
    }

    /// The same for commands that need no state where a file is given that names no registered pipeline.
    pub fn look(cx: &Context, given: &Path) -> Result<Self, CliError> {
        if name_of(given).is_none() {
            let read = Self::read(given)?;
            if names(&read.text, &read).is_empty() {
                return Ok(read);
            }
            let control = engine::open(cx)?.control;
            return engine::block_on(async { Ok(read.pinned(&control, "default", None).await?) });
        }
        let control = engine::open(cx)?.control;
        engine::block_on(Self::find(&control, given, "default"))
    }

    /// Its name within its folder; none for standard input.
    pub fn file(&self) -> Option<&str> {
        self.file.as_deref()
    }

    /// The revision that it is, where it is a registered pipeline.
    pub fn revision(&self) -> Option<&Revision> {
        self.revision.as_ref()
    }

    /// Parses and compiles it. What is wrong with it is shown on standard error, warnings too.
    pub fn prepare(&self, catalog: &Catalog, output: Output) -> Result<Pipeline, CliError> {
        self.prepare_with(catalog, self, output)
    }

    /// The same, with other files than those beside it.
    pub fn prepare_with(
        &self,
        catalog: &Catalog,
        files: &dyn Files,
        output: Output,
    ) -> Result<Pipeline, CliError> {
        match prepare(&self.text, catalog, files) {
            Ok(pipeline) => {
                self.show(&pipeline.warnings, output);
                Ok(pipeline)
            }
            Err(invalid) => {
                self.show(&invalid.0, output);
                Err(CliError::Invalid(format!("{}: {}", self.name, tally(&invalid.0))))
            }
        }
    }

    fn show(&self, diagnostics: &[Diagnostic], output: Output) {
        if !diagnostics.is_empty() {
            eprintln!(
                "{}",
                reelmill_spec::render(diagnostics, &self.text, &self.name, output.color).trim_end()
            );
        }
    }
}

/// `2 errors, 1 warning`.
fn tally(diagnostics: &[Diagnostic]) -> String {
    let of = |severity| diagnostics.iter().filter(|one| one.severity == severity).count() as u64;
    let parts = [(of(Severity::Error), "error"), (of(Severity::Warning), "warning")];
    let told: Vec<String> = parts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, noun)| words::count(*count, noun))
        .collect();
    if told.is_empty() { "no problems".to_owned() } else { told.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_knows_its_folder() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let file = folder.path().join("p.yaml");
        std::fs::write(&file, "version: 1\n").expect("a file can be written");
        let source = Source::read(&file).expect("it can be read");
        assert_eq!((source.folder.as_path(), source.text.as_str()), (folder.path(), "version: 1\n"));
    }

    #[test]
    fn a_missing_file_and_a_file_that_is_no_text_are_told_apart() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let missing = Source::read(&folder.path().join("none.yaml")).expect_err("there is none");
        assert_eq!(missing.exit().code(), 1);
        let file = folder.path().join("picture.yaml");
        std::fs::write(&file, [0xff, 0xd8, 0xff]).expect("a file can be written");
        let binary = Source::read(&file).expect_err("it is no text");
        assert_eq!(binary.exit().code(), 78);
        assert!(binary.to_string().contains("not UTF-8"), "{binary}");
    }
}
