//! The files of a compilation: the first one, and those that its stages name, each read and parsed once.

use reelmill_model::limits::{PIPELINE_DEPTH_MAX, PIPELINE_FILES_MAX};
use reelmill_spec::files::{self, FileText, Files};
use reelmill_spec::spec::{Spec, Stage, StageBody, Stages};
use reelmill_spec::{Code, Diagnostic, Problems, Spanned};
use std::collections::HashMap;
use std::sync::Arc;

/// One file.
#[derive(Debug)]
pub struct Unit {
    /// What it says.
    pub spec: Spec,
    /// The file; none for the first one.
    pub file: Option<Arc<FileText>>,
    /// Its folder, seen from that of the first one.
    pub folder: String,
    /// The files that its stages name, by where they name them.
    pub calls: HashMap<u32, usize>,
}

/// All files. Number 0 is the first one.
#[derive(Debug)]
pub struct Units {
    /// The files.
    pub all: Vec<Unit>,
    /// What is wrong with those that were read, and with naming them.
    pub problems: Problems,
}

impl Units {
    /// The file that a stage of another file names.
    #[must_use]
    pub fn called(&self, unit: usize, file: &Spanned<String>) -> Option<usize> {
        self.all[unit].calls.get(&file.span.start).copied()
    }
}

/// Reads every file that a pipeline is made of.
pub fn gather(spec: Spec, files: &dyn Files) -> Units {
    let main = files.main().map_or_else(String::new, |name| files::join("", name));
    let mut reader = Reader {
        files,
        units: Units {
            all: vec![Unit { spec, file: None, folder: String::new(), calls: HashMap::new() }],
            problems: Problems::default(),
        },
        known: HashMap::from([(main.clone(), Some(0))]),
        open: vec![main],
    };
    reader.calls_of(0);
    reader.units
}

struct Reader<'f> {
    files: &'f dyn Files,
    units: Units,
    /// Files by their path; none for one that cannot be used.
    known: HashMap<String, Option<usize>>,
    /// The paths of the files that are being read, outermost first.
    open: Vec<String>,
}

impl Reader<'_> {
    fn calls_of(&mut self, unit: usize) {
        let mut named = Vec::new();
        let spec = &self.units.all[unit].spec;
        for stages in [&spec.stages, &spec.on_failure, &spec.finally] {
            collect(stages, &mut named);
        }
        for file in named {
            let (of, folder) = (&self.units.all[unit].file, &self.units.all[unit].folder);
            let path = files::join(folder, &file.value);
            self.units.problems.enter(of.clone());
            if let Some(called) = self.file(&path, &file) {
                self.units.all[unit].calls.insert(file.span.start, called);
            }
        }
    }

    fn file(&mut self, path: &str, named: &Spanned<String>) -> Option<usize> {
        if let Some(at) = self.open.iter().position(|open| open == path) {
            let mut chain: Vec<&str> = self.open[at..].iter().map(String::as_str).collect();
            chain.push(path);
            let message = format!("pipelines name each other: {}", chain.join(" → "));
            self.problem(named, Code::BadPipeline, message, "a pipeline cannot be a part of itself");
            return None;
        }
        if let Some(known) = self.known.get(path) {
            return *known;
        }
        if self.open.len() >= PIPELINE_DEPTH_MAX {
            let message = format!("pipelines are nested deeper than {PIPELINE_DEPTH_MAX} levels");
            self.problem(named, Code::LimitExceeded, message, "run one of them by itself");
            return None;
        }
        if self.units.all.len() >= PIPELINE_FILES_MAX {
            let message = format!("the pipeline is made of more than {PIPELINE_FILES_MAX} files");
            self.problem(named, Code::LimitExceeded, message, "run some of them by themselves");
            return None;
        }
        let unit = self.read(path, named);
        self.known.insert(path.to_owned(), unit);
        unit
    }

    fn read(&mut self, path: &str, named: &Spanned<String>) -> Option<usize> {
        let file = match self.files.open(path) {
            Ok(file) => Arc::new(file),
            Err(why) => {
                let message = format!("pipeline `{}` cannot be read: {why}", named.value);
                self.problem(
                    named,
                    Code::BadPipeline,
                    message,
                    "name a file, seen from the folder of this one",
                );
                return None;
            }
        };
        let (spec, found) = reelmill_spec::parse(&file.text);
        for mut diagnostic in found {
            diagnostic.file = Some(Arc::clone(&file));
            self.units.problems.push(diagnostic);
        }
        let unit = self.units.all.len();
        let folder = files::folder(path).to_owned();
        self.units.all.push(Unit { spec: spec?, file: Some(file), folder, calls: HashMap::new() });
        self.open.push(path.to_owned());
        self.calls_of(unit);
        self.open.pop();
        Some(unit)
    }

    fn problem(&mut self, named: &Spanned<String>, code: Code, message: String, help: &str) {
        self.units.problems.push(Diagnostic::error(code, named.span, message).help(help));
    }
}

/// The files that stages name, in the order of the file.
fn collect(stages: &Stages, named: &mut Vec<Spanned<String>>) {
    for stage in stages.values() {
        let Stage { body, on_failure, finally, .. } = stage;
        match body {
            StageBody::Pipeline { file, .. } => named.push(file.clone()),
            StageBody::Group(inner) => collect(inner, named),
            StageBody::Uses { .. } | StageBody::Approval(_) | StageBody::Unknown => {}
        }
        collect(on_failure, named);
        collect(finally, named);
    }
}
