//! The files of a compilation: the first one, and those that its stages name, each read and parsed once.

use reelmill_model::limits::{PIPELINE_DEPTH_MAX, PIPELINE_FILES_MAX};
use reelmill_model::pipeline::bare_name;
use reelmill_spec::files::{self, FileText, Files, NotRegistered};
use reelmill_spec::spec::{Spec, Stage, StageBody, Stages};
use reelmill_spec::{Code, Diagnostic, Problems, Spanned};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// One file.
#[derive(Debug)]
pub struct Unit {
    /// What it says.
    pub spec: Spec,
    /// The file; none for the first one.
    pub file: Option<Arc<FileText>>,
    /// The registered pipeline that it is, with its revision.
    pub registered: Option<String>,
    /// Its folder, seen from that of the first one.
    pub folder: String,
    /// Where it lies.
    home: Home,
    /// The files that its stages name, by where they name them.
    pub calls: HashMap<u32, usize>,
}

/// Where a file lies: in which registered pipeline, and in which folder of it.
#[derive(Clone, Debug, Default)]
struct Home {
    /// The names of the registered pipelines around it, outermost first; none for what belongs to the first file.
    within: Vec<String>,
    /// The folder of the outermost of its files, seen from that of the first one.
    root: String,
    /// Its own folder, seen from that one.
    folder: String,
}

/// What tells files apart: the registered pipeline, and the path within it.
type Key = (Vec<String>, String);

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
    read_all(spec, files).units
}

/// The registered pipelines that a pipeline and its files name, as they are written. What those name is their own matter.
#[must_use]
pub fn registered_names(text: &str, files: &dyn Files) -> BTreeSet<String> {
    reelmill_spec::parse(text).0.map(|spec| read_all(spec, files).names).unwrap_or_default()
}

fn read_all(spec: Spec, files: &dyn Files) -> Reader<'_> {
    let main = files.main().map_or_else(String::new, |name| files::join("", name));
    let own = files.registered_as().map(str::to_owned);
    let open = Open { shown: own.clone().unwrap_or_else(|| main.clone()), registered: own };
    let first = Unit {
        spec,
        file: None,
        registered: None,
        folder: String::new(),
        home: Home::default(),
        calls: HashMap::new(),
    };
    let mut reader = Reader {
        files,
        units: Units { all: vec![first], problems: Problems::default() },
        known: HashMap::from([((Vec::new(), main.clone()), Some(0))]),
        open: vec![((Vec::new(), main), open)],
        names: BTreeSet::new(),
    };
    reader.calls_of(0);
    reader
}

/// A file that is being read.
struct Open {
    /// Its name in a circle.
    shown: String,
    /// The name that it is registered under, without a revision.
    registered: Option<String>,
}

struct Reader<'f> {
    files: &'f dyn Files,
    units: Units,
    /// Files by what tells them apart; none for one that cannot be used.
    known: HashMap<Key, Option<usize>>,
    /// The files that are being read, outermost first.
    open: Vec<(Key, Open)>,
    /// The registered pipelines that the first file and those beside it name.
    names: BTreeSet<String>,
}

impl Reader<'_> {
    fn calls_of(&mut self, unit: usize) {
        let mut named = Vec::new();
        let spec = &self.units.all[unit].spec;
        for stages in [&spec.stages, &spec.on_failure, &spec.finally] {
            collect(stages, &mut named);
        }
        for file in named {
            let home = self.units.all[unit].home.clone();
            let of = self.units.all[unit].file.clone();
            self.units.problems.enter(of);
            let called = if files::is_registered(&file.value) {
                self.registered(&home, &file)
            } else {
                self.file(&home, &file)
            };
            if let Some(called) = called {
                self.units.all[unit].calls.insert(file.span.start, called);
            }
        }
    }

    fn file(&mut self, home: &Home, named: &Spanned<String>) -> Option<usize> {
        let path = files::join(&home.folder, &named.value);
        let key = (home.within.clone(), path.clone());
        if let Some(at) = self.open.iter().position(|(open, _)| *open == key) {
            self.circle(at, &path, named);
            return None;
        }
        if let Some(known) = self.known.get(&key) {
            return *known;
        }
        if !self.has_room(named) {
            return None;
        }
        let unit = self.read(home, &path, named);
        self.known.insert(key, unit);
        unit
    }

    fn read(&mut self, home: &Home, path: &str, named: &Spanned<String>) -> Option<usize> {
        let found = if home.within.is_empty() {
            self.files.open(path)
        } else {
            self.files.open_within(&home.within, path)
        };
        let file = match found {
            Ok(file) => file,
            Err(why) => {
                let message = format!("pipeline `{}` cannot be read: {why}", named.value);
                let help = "name a file, seen from the folder of this one";
                self.problem(named, Code::BadPipeline, message, help);
                return None;
            }
        };
        let home = Home { folder: files::folder(path).to_owned(), ..home.clone() };
        let open = Open { shown: path.to_owned(), registered: None };
        self.add(file, home, None, (path.to_owned(), open))
    }

    fn registered(&mut self, home: &Home, named: &Spanned<String>) -> Option<usize> {
        let (name, bare) = (named.value.clone(), bare_name(&named.value).to_owned());
        if home.within.is_empty() {
            self.names.insert(name.clone());
        }
        let same = |open: &Open| open.registered.as_ref() == Some(&bare);
        if let Some(at) = self.open.iter().position(|(_, open)| same(open)) {
            self.circle(at, &bare, named);
            return None;
        }
        let within: Vec<String> = home.within.iter().cloned().chain([name.clone()]).collect();
        // A registered pipeline stands for its whole folder; no file has an empty path.
        let key = (within.clone(), String::new());
        if let Some(known) = self.known.get(&key) {
            return *known;
        }
        if !self.has_room(named) {
            return None;
        }
        let unit = self.read_registered(home, within, named);
        self.known.insert(key, unit);
        unit
    }

    fn read_registered(
        &mut self,
        home: &Home,
        within: Vec<String>,
        named: &Spanned<String>,
    ) -> Option<usize> {
        let bare = bare_name(&named.value).to_owned();
        let found = match self.files.registered(&home.within, &named.value) {
            Ok(found) => found,
            Err(NotRegistered { why, help }) => {
                let message = format!("registered pipeline `{}` cannot be used: {why}", named.value);
                self.problem(named, Code::BadPipeline, message, &help);
                return None;
            }
        };
        let file = FileText { name: found.pinned.clone(), text: found.text };
        let home = Home { within, root: found.folder, folder: String::new() };
        let path = found.file.map_or_else(String::new, |name| files::join("", &name));
        let open = Open { shown: bare.clone(), registered: Some(bare) };
        self.add(file, home, Some(found.pinned), (path, open))
    }

    /// Parses a file, and reads those that it names.
    fn add(
        &mut self,
        file: FileText,
        home: Home,
        registered: Option<String>,
        (path, open): (String, Open),
    ) -> Option<usize> {
        let file = Arc::new(file);
        let (spec, found) = reelmill_spec::parse(&file.text);
        for mut diagnostic in found {
            diagnostic.file = Some(Arc::clone(&file));
            self.units.problems.push(diagnostic);
        }
        let spec = spec?;
        self.warn_of_ignored(&spec, &file);
        let unit = self.units.all.len();
        let folder = files::join(&home.root, &home.folder);
        let key = (home.within.clone(), path);
        self.units.all.push(Unit { spec, file: Some(file), registered, folder, home, calls: HashMap::new() });
        self.open.push((key, open));
        self.calls_of(unit);
        self.open.pop();
        Some(unit)
    }

    /// What is said of runs says nothing of a pipeline that has none of its own.
    fn warn_of_ignored(&mut self, spec: &Spec, file: &Arc<FileText>) {
        for key in ["unique", "concurrency", "triggers"] {
            let Some(entry) = spec.tree.entry(key) else { continue };
            let message = format!("`{key}` does nothing here: this pipeline runs within another one");
            let help = match key {
                "triggers" => "put it into the pipeline that is to be started by it",
                "unique" => "put it into the pipeline that names this one",
                _ => {
                    "put it into the pipeline that names this one, or onto the stages that must not run at once"
                }
            };
            let mut warning = Diagnostic::warning(Code::IgnoredWithin, entry.key_span, message).help(help);
            warning.file = Some(Arc::clone(file));
            self.units.problems.push(warning);
        }
    }

    fn circle(&mut self, from: usize, again: &str, named: &Spanned<String>) {
        let mut chain: Vec<&str> = self.open[from..].iter().map(|(_, open)| open.shown.as_str()).collect();
        chain.push(again);
        let message = format!("pipelines name each other: {}", chain.join(" → "));
        self.problem(named, Code::BadPipeline, message, "a pipeline cannot be a part of itself");
    }

    fn has_room(&mut self, named: &Spanned<String>) -> bool {
        if self.open.len() >= PIPELINE_DEPTH_MAX {
            let message = format!("pipelines are nested deeper than {PIPELINE_DEPTH_MAX} levels");
            self.problem(named, Code::LimitExceeded, message, "run one of them by itself");
            return false;
        }
        if self.units.all.len() >= PIPELINE_FILES_MAX {
            let message = format!("the pipeline is made of more than {PIPELINE_FILES_MAX} files");
            self.problem(named, Code::LimitExceeded, message, "run some of them by themselves");
            return false;
        }
        true
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
