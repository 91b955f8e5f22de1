//! A plugin that can be run: what was found of it, and what is compiled or loaded of it once.

use crate::check;
use jsonschema::Validator;
use reelmill_loader::{Instance, Library};
use reelmill_model::manifest::{Located, build};
use reelmill_model::{Failure, FailureClass, PluginKind, StageManifest};
use reelmill_protocol::Program;
use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};

/// A plugin that can be run.
pub struct Plugin {
    /// Its manifest and digest.
    pub located: Located,
    /// The library, or an exec plugin's `plugin.json`.
    pub path: PathBuf,
    /// The folder it lies in.
    pub dir: PathBuf,
    /// Whether it came with the engine: only then may its inline stages run inside the worker.
    pub trusted: bool,
    stages: Vec<Parts>,
    library: OnceLock<Library>,
}

/// What is kept of one stage; in the order of the manifest.
#[derive(Default)]
pub(crate) struct Parts {
    input: OnceLock<Result<Validator, String>>,
    output: OnceLock<Result<Validator, String>>,
    /// Inline instances nobody uses at the moment.
    pub(crate) instances: Mutex<Vec<Instance>>,
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugin")
            .field("path", &self.path)
            .field("digest", &self.located.digest)
            .finish_non_exhaustive()
    }
}

impl Plugin {
    /// A plugin of a manifest. Without trust, no stage of it is inline.
    #[must_use]
    pub fn new(mut located: Located, path: PathBuf, trusted: bool) -> Self {
        if !trusted || located.manifest.kind != PluginKind::Native {
            located.manifest.stages.iter_mut().for_each(|stage| stage.inline = false);
        }
        located.shipped = trusted;
        let dir = path.parent().unwrap_or(Path::new("/")).to_owned();
        let stages = located.manifest.stages.iter().map(|_| Parts::default()).collect();
        Self { located, path, dir, trusted, stages, library: OnceLock::new() }
    }

    /// The name of this build of it.
    #[must_use]
    pub fn build(&self) -> String {
        build(&self.located.manifest.name, self.located.digest)
    }

    /// A stage of the manifest.
    #[must_use]
    pub fn stage(&self, id: &str) -> Option<&StageManifest> {
        self.find(id).map(|(stage, _)| stage)
    }

    /// Whether a stage runs inside the worker.
    #[must_use]
    pub fn runs_inline(&self, stage: &StageManifest) -> bool {
        self.trusted && stage.inline
    }

    /// Whether the input schema of a stage accepts a `with`.
    #[must_use]
    pub fn accepts(&self, stage: &str, with: &serde_json::Value) -> bool {
        self.find(stage).is_some_and(|(stage, parts)| parts.check_input(stage, with).is_ok())
    }

    pub(crate) fn find(&self, id: &str) -> Option<(&StageManifest, &Parts)> {
        self.located.manifest.stages.iter().zip(&self.stages).find(|(stage, _)| stage.id == id)
    }

    /// A stage, or the failure that says there is none.
    pub(crate) fn require(&self, id: &str) -> Result<(&StageManifest, &Parts), Box<Failure>> {
        self.find(id).ok_or_else(|| {
            let message = format!("plugin `{}` has no stage `{id}`", self.located.manifest.name);
            Box::new(Failure::new(FailureClass::InvalidConfig, message).with_code("no_such_stage"))
        })
    }

    /// The library, loaded into this process at the first call.
    pub(crate) fn library(&self) -> Result<&Library, Box<Failure>> {
        if let Some(library) = self.library.get() {
            return Ok(library);
        }
        let library = Library::load(&self.path).map_err(|error| Box::new(Failure::from(error)))?;
        Ok(self.library.get_or_init(|| library))
    }

    /// What a runner starts: the library, or the program of the manifest's `command`.
    pub(crate) fn program(&self) -> Result<Program, Box<Failure>> {
        match self.located.manifest.kind {
            PluginKind::Native => Ok(Program::Library(self.path.clone())),
            PluginKind::Exec => command(&self.located.manifest.command, &self.dir),
        }
    }
}

impl Parts {
    /// What is wrong with a `with`; none when nothing is.
    pub(crate) fn check_input(
        &self,
        stage: &StageManifest,
        with: &serde_json::Value,
    ) -> Result<(), Box<Failure>> {
        let validator = compiled(&self.input, &stage.input, stage)?;
        match check::problems(validator, with) {
            None => Ok(()),
            Some(problems) => {
                let message = format!("`with` does not fit stage `{}`: {problems}", stage.id);
                Err(Box::new(Failure::new(FailureClass::InvalidInput, message).with_code("bad_with")))
            }
        }
    }

    /// What is wrong with outputs; none when nothing is.
    pub(crate) fn check_output(
        &self,
        stage: &StageManifest,
        outputs: &serde_json::Value,
    ) -> Result<(), Box<Failure>> {
        let validator = compiled(&self.output, &stage.output, stage)?;
        let problems = if outputs.is_object() {
            check::problems(validator, outputs)
        } else {
            Some("the whole: outputs must be an object".to_owned())
        };
        match problems {
            None => Ok(()),
            Some(problems) => {
                let message = format!("stage `{}` put out what its own schema refuses: {problems}", stage.id);
                Err(Box::new(Failure::new(FailureClass::Protocol, message).with_code("bad_outputs")))
            }
        }
    }
}

fn compiled<'a>(
    cell: &'a OnceLock<Result<Validator, String>>,
    schema: &serde_json::Value,
    stage: &StageManifest,
) -> Result<&'a Validator, Box<Failure>> {
    cell.get_or_init(|| check::compile(schema)).as_ref().map_err(|reason| {
        let message = format!("a schema of stage `{}` is unusable: {reason}", stage.id);
        Box::new(Failure::new(FailureClass::InvalidConfig, message).with_code("bad_schema"))
    })
}

/// The program of an exec plugin: a path, a file of the plugin's folder, or a name on `PATH`.
fn command(command: &[String], dir: &Path) -> Result<Program, Box<Failure>> {
    let failure = |message: String| {
        Box::new(Failure::new(FailureClass::InvalidConfig, message).with_code("no_such_program"))
    };
    let (name, args) =
        command.split_first().ok_or_else(|| failure("the manifest names no command".into()))?;
    let beside = dir.join(name);
    let path = if name.contains('/') || beside.is_file() { Some(beside) } else { find_on_path(name) };
    let path = path.filter(|path| path.is_file()).ok_or_else(|| {
        failure(format!("the program `{name}` is neither in {} nor on PATH; install it", dir.display()))
    })?;
    Ok(Program::Command { path, args: args.to_vec(), dir: dir.to_owned() })
}

/// A program on `PATH`. Scripts come last: version managers put scripts of the same name before a program, and
/// what such a script starts in its turn the sandbox refuses.
fn find_on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found: Vec<PathBuf> =
        std::env::split_paths(&path).map(|dir| dir.join(name)).filter(|file| file.is_file()).collect();
    found.iter().find(|file| !is_script(file)).or(found.first()).cloned()
}

fn is_script(file: &Path) -> bool {
    let mut start = [0; 2];
    std::fs::File::open(file).and_then(|mut file| file.read_exact(&mut start)).is_ok() && start == *b"#!"
}
