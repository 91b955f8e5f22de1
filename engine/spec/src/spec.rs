//! The parsed pipeline: what the file says, typed, each part with its place. Nothing is resolved yet.

use crate::inputs::InputDef;
use crate::settings::{ItemFailure, MinSuccess, Modifiers, OnConflict, OnLimit, OnTimeout};
use crate::span::{Span, Spanned};
use crate::template::{Expr, Template, Templates, is_id};
use crate::trigger::Trigger;
use crate::yaml::Node;
use indexmap::IndexMap;
use serde_json::{Map, Value};

/// A parsed pipeline file.
#[derive(Clone, Debug)]
pub struct Spec {
    /// Its `name`.
    pub name: String,
    /// Its `labels`.
    pub labels: IndexMap<String, String>,
    /// Its `inputs`.
    pub inputs: IndexMap<String, InputDef>,
    /// Its `vars`.
    pub vars: Templates,
    /// The secrets it may use.
    pub secrets: Vec<Spanned<String>>,
    /// Its `unique`.
    pub unique: Option<Unique>,
    /// Its `concurrency`.
    pub concurrency: Option<Concurrency>,
    /// Its `triggers`.
    pub triggers: IndexMap<String, Trigger>,
    /// Its `defaults`.
    pub defaults: Modifiers,
    /// Its `stages`.
    pub stages: Stages,
    /// Its `on_failure`.
    pub on_failure: Stages,
    /// Its `finally`.
    pub finally: Stages,
    /// Its `outputs`.
    pub outputs: Templates,
    /// How many stages it has, inner ones included.
    pub stage_count: usize,
    /// Whether no error was found: only then does it say all that the file says.
    pub complete: bool,
    /// The file as a tree, for places and pointers.
    pub tree: Node,
}

/// Stages by name, in the order of the file.
pub type Stages = IndexMap<String, Stage>;

/// A stage as written.
#[derive(Clone, Debug)]
pub struct Stage {
    /// Its name, and where that stands.
    pub name: Spanned<String>,
    /// What it does.
    pub body: StageBody,
    /// Its `needs`.
    pub needs: Vec<Spanned<String>>,
    /// Its `if`.
    pub condition: Option<Expr>,
    /// Its `for_each` or `matrix`.
    pub fan_out: Option<FanOut>,
    /// Its `outputs`.
    pub outputs: Templates,
    /// Its other modifiers.
    pub modifiers: Modifiers,
    /// Its `concurrency`.
    pub concurrency: Option<Concurrency>,
    /// Its `rate_limit`.
    pub rate_limit: Option<RateLimit>,
    /// Its `compensate`.
    pub compensate: Option<Box<Compensate>>,
    /// Its `on_failure`.
    pub on_failure: Stages,
    /// Its `finally`.
    pub finally: Stages,
}

/// What a stage does.
#[derive(Clone, Debug)]
pub enum StageBody {
    /// Runs a stage of a plugin.
    Uses {
        /// Which.
        uses: Spanned<Uses>,
        /// Its `with`; the span is that of the key, or of `uses` when there is none.
        with: Spanned<Templates>,
    },
    /// Runs another pipeline.
    Pipeline {
        /// Its file, seen from this one.
        file: Spanned<String>,
        /// Its inputs; the span is that of the key, or of `pipeline` when there is none.
        with: Spanned<Templates>,
    },
    /// Waits for a person.
    Approval(Box<Approval>),
    /// Has stages of its own.
    Group(Stages),
    /// Was not understood; reported already. Others may still refer to the stage.
    Unknown,
}

/// `compensate` as written.
#[derive(Clone, Debug)]
pub struct Compensate {
    /// The plugin's stage that undoes the work.
    pub uses: Spanned<Uses>,
    /// Its `with`; the span is that of the key, or of `uses` when there is none.
    pub with: Spanned<Templates>,
    /// Its modifiers.
    pub modifiers: Modifiers,
}

/// `approval` as written.
#[derive(Clone, Debug)]
pub struct Approval {
    /// Who may decide; empty means everyone.
    pub roles: Vec<Spanned<String>>,
    /// How long it waits, in milliseconds; none means for ever.
    pub timeout_ms: Option<u64>,
    /// What happens then.
    pub on_timeout: OnTimeout,
    /// What the person is told.
    pub message: Option<Template>,
}

/// `unique` as written.
#[derive(Clone, Debug)]
pub struct Unique {
    /// What runs that are the same have in common.
    pub key: Template,
    /// For how long, in milliseconds; none means until the run has ended.
    pub window_ms: Option<u64>,
    /// What happens to a second one.
    pub on_conflict: OnConflict,
}

/// `concurrency` as written.
#[derive(Clone, Debug)]
pub struct Concurrency {
    /// What those that share the limit have in common.
    pub key: Template,
    /// How many at once.
    pub limit: u32,
    /// What happens to the others.
    pub on_limit: OnLimit,
}

/// `rate_limit` as written.
#[derive(Clone, Debug)]
pub struct RateLimit {
    /// What those that share the limit have in common.
    pub key: Template,
    /// Starts.
    pub limit: u32,
    /// In so many milliseconds.
    pub per_ms: u64,
    /// Starts that may come at once after a pause.
    pub burst: u32,
}

/// `plugin.stage@major`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Uses {
    /// The plugin's name.
    pub plugin: String,
    /// The stage's id.
    pub stage: String,
    /// The first number of its version.
    pub major: u32,
}

impl Uses {
    /// Reads `plugin.stage@major`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (name, major) = text.split_once('@')?;
        let (plugin, stage) = name.split_once('.')?;
        let digits = !major.is_empty() && major.bytes().all(|b| b.is_ascii_digit());
        (is_id(plugin) && is_id(stage) && digits).then_some(())?;
        Some(Self { plugin: plugin.to_owned(), stage: stage.to_owned(), major: major.parse().ok()? })
    }
}

impl std::fmt::Display for Uses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}@{}", self.plugin, self.stage, self.major)
    }
}

/// What makes a stage run many times.
#[derive(Clone, Debug)]
pub enum FanOut {
    /// `for_each`.
    ForEach(Box<ForEach>),
    /// `matrix`.
    Matrix(Matrix),
}

/// `for_each` as written.
#[derive(Clone, Debug)]
pub struct ForEach {
    /// Gives the list.
    pub items: Expr,
    /// Gives an item's key.
    pub key: Option<Expr>,
    /// Items at once.
    pub max_parallel: Option<u32>,
    /// Most items.
    pub max_items: Option<u32>,
    /// What happens to the others when one fails.
    pub on_item_failure: ItemFailure,
    /// How many must succeed.
    pub min_success: Option<MinSuccess>,
}

/// `matrix` as written.
#[derive(Clone, Debug)]
pub struct Matrix {
    /// Where it stands.
    pub span: Span,
    /// Its dimensions and their values.
    pub dimensions: IndexMap<String, Vec<Value>>,
    /// Combinations, or parts of them, to add.
    pub include: Vec<Map<String, Value>>,
    /// Combinations, or parts of them, to leave out.
    pub exclude: Vec<Map<String, Value>>,
}
