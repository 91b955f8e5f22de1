//! The compiled pipeline: plain data, the same in every process that reads it.
//!
//! A graph is a list of scopes and a list of nodes. A scope is a body: the main one (scope 0), `on_failure`,
//! `finally`, and the body of every group and fan-out. A node is a stage within its scope. Edges never leave
//! a scope: an inner stage that reads an outer one makes the node around it wait.
//!
//! At run time a scope is copied once for every item of its fan-out; such a copy is an *instance*, and a node
//! in an instance is a *task*. The tasks of an instance are numbered in the order of `Scope::nodes`.

use crate::placement;
use indexmap::IndexMap;
use reelmill_model::manifest::build;
use reelmill_model::{Digest, NodeNo, Requirements, ScopeNo};
pub use reelmill_spec::inputs::{InputDef, InputType};
pub use reelmill_spec::settings::{
    Backoff, CacheMode, Escalate, ItemFailure, Jitter, MinSuccess, OnConflict, OnLimit, OnTimeout, Retry,
    Timeout,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A compiled pipeline.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Graph {
    /// Layout of this structure; a reader refuses a number it does not know.
    pub format: u32,
    /// The pipeline's `name`.
    pub name: String,
    /// The pipeline's `labels`.
    pub labels: IndexMap<String, String>,
    /// The pipeline's `inputs`, in order.
    pub inputs: IndexMap<String, InputDef>,
    /// The pipeline's `vars`: evaluated for each task from `inputs`, `run` and earlier `vars`.
    pub vars: IndexMap<String, Template>,
    /// Names of the secrets it may use.
    pub secrets: Vec<String>,
    /// What makes two runs the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unique: Option<Unique>,
    /// How many runs may be at work at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<Concurrency>,
    /// All bodies. Scope 0 is the main one.
    pub scopes: Vec<Scope>,
    /// All stages, scope by scope.
    pub nodes: Vec<Node>,
    /// The pipeline's `outputs`, evaluated in scope 0 when the main part has succeeded.
    pub outputs: IndexMap<String, Template>,
    /// Stages of the main body that `outputs` read, by name.
    pub output_reads: IndexMap<String, NodeNo>,
}

impl Graph {
    /// The layout this code writes and reads.
    pub const FORMAT: u32 = 1;
    /// The main body.
    pub const MAIN: ScopeNo = ScopeNo(0);

    /// The node of a number.
    #[must_use]
    pub fn node(&self, no: NodeNo) -> &Node {
        &self.nodes[no.index()]
    }

    /// The scope of a number.
    #[must_use]
    pub fn scope(&self, no: ScopeNo) -> &Scope {
        &self.scopes[no.index()]
    }

    /// The folder against which paths in a node's `with` are resolved, seen from that of the pipeline file.
    #[must_use]
    pub fn folder_of(&self, node: &Node) -> &str {
        let mut owner = self.scope(node.scope).owner;
        while let Some(around) = owner.map(|no| self.node(no)) {
            if let NodeKind::Body { of: BodyKind::Pipeline(call), .. } = &around.kind {
                return &call.folder;
            }
            owner = self.scope(around.scope).owner;
        }
        ""
    }

    /// The part of the pipeline that a node belongs to.
    #[must_use]
    pub fn part_of(&self, node: &Node) -> ScopeKind {
        let mut scope = self.scope(node.scope);
        while let (Some(owner), ScopeKind::Body) = (scope.owner, scope.kind) {
            scope = self.scope(self.node(owner).scope);
        }
        scope.kind
    }

    /// Whether a stage of a body, or of one within it, can be undone.
    #[must_use]
    pub fn can_be_undone(&self, scope: ScopeNo) -> bool {
        self.scope(scope).nodes.iter().map(|no| self.node(*no)).any(|node| {
            let inner = if let NodeKind::Body { scope, .. } = &node.kind { Some(*scope) } else { None };
            node.compensate.is_some() || inner.is_some_and(|scope| self.can_be_undone(scope))
        })
    }

    /// Whether a node undoes another one.
    #[must_use]
    pub fn undoes(&self, node: &Node) -> Option<NodeNo> {
        let scope = self.scope(node.scope);
        scope.owner.filter(|_| scope.kind == ScopeKind::Compensate)
    }

    /// Whether the failure of a node that this one waits for is what it is there for.
    #[must_use]
    pub fn answers(&self, node: &Node, upstream: NodeNo) -> bool {
        match node.trigger {
            Trigger::FailureOf(watched) => watched == upstream,
            Trigger::FailureInScope => self.node(upstream).trigger != Trigger::FailureInScope,
            Trigger::Success | Trigger::Always => false,
        }
    }

    /// The first scope of a kind, for `on_failure` and `finally`.
    #[must_use]
    pub fn scope_of_kind(&self, kind: ScopeKind) -> Option<ScopeNo> {
        self.scopes.iter().position(|s| s.kind == kind).map(|i| ScopeNo(u32::try_from(i).unwrap_or(u32::MAX)))
    }
}

/// What a body is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScopeKind {
    /// The pipeline's `stages`.
    Main,
    /// The pipeline's `on_failure`.
    OnFailure,
    /// The pipeline's `finally`.
    Finally,
    /// The body of a group, a `for_each` or a `matrix`.
    Body,
    /// The one node that undoes a stage.
    Compensate,
}

/// A body.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Scope {
    /// What it is.
    pub kind: ScopeKind,
    /// The node whose body it is, or that it undoes; none for main, `on_failure` and `finally`.
    pub owner: Option<NodeNo>,
    /// Its nodes, dependencies before dependents.
    pub nodes: Vec<NodeNo>,
}

/// A stage.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Node {
    /// Its place in `Graph::nodes`.
    pub no: NodeNo,
    /// Its key in the pipeline file.
    pub name: String,
    /// Its keys from the outside in, joined by dots: `scene.clip`.
    pub path: String,
    /// The body it stands in.
    pub scope: ScopeNo,
    /// Its place in `Scope::nodes`: its task's offset within an instance.
    pub offset: u32,
    /// What it does.
    pub kind: NodeKind,
    /// Nodes of the same scope that must have ended before it may start.
    pub deps: Vec<Dep>,
    /// Nodes of the same scope that wait for it.
    pub dependents: Vec<NodeNo>,
    /// Stages its expressions read, by the name they use; possibly of an outer scope.
    pub reads: IndexMap<String, Read>,
    /// When it runs, seen from the stages it waits for.
    pub trigger: Trigger,
    /// Its `if`.
    pub condition: Option<Expr>,
    /// The scope with the node that undoes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compensate: Option<ScopeNo>,
    /// Its modifiers, with the pipeline's `defaults` filled in.
    pub settings: Settings,
}

impl Node {
    /// The ready list its tasks stand in: the queue, with what the machine must have, and apart from it a lane for work that takes a worker
    /// microseconds (expanding a body, inline stages), so that such tasks are leased by the hundred while
    /// others are leased by the slot.
    #[must_use]
    pub fn lane(&self) -> String {
        let Settings { queue, requires, .. } = &self.settings;
        if self.is_light() { light_lane(queue) } else { placement::lane(queue, requires) }
    }

    /// Whether nothing has to be evaluated before its tasks run.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        let NodeKind::Work { with, .. } = &self.kind else { return false };
        self.condition.is_none() && !self.settings.is_limited() && with.values().all(Template::is_plain)
    }

    /// Whether its tasks take a worker microseconds.
    #[must_use]
    pub fn is_light(&self) -> bool {
        match &self.kind {
            NodeKind::Work { plugin, .. } => plugin.inline && self.settings.requires.is_empty(),
            NodeKind::Approval(_) | NodeKind::Body { .. } => true,
        }
    }
}

/// The lane of a queue for work that takes a worker microseconds.
#[must_use]
pub fn light_lane(queue: &str) -> String {
    format!("{queue}{LIGHT}")
}

/// Whether a lane is one for work that takes a worker microseconds.
#[must_use]
pub fn is_light_lane(lane: &str) -> bool {
    lane.ends_with(LIGHT)
}

/// How the names of such lanes end. Tasks with needs are never light.
const LIGHT: &str = "/light";

/// What a node does.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum NodeKind {
    /// Runs a stage of a plugin.
    Work {
        /// Which.
        plugin: PluginLock,
        /// Its `with`, by property.
        with: IndexMap<String, Template>,
    },
    /// Waits for a person.
    Approval(Approval),
    /// Becomes one instance of a body for every item.
    Body {
        /// The body.
        scope: ScopeNo,
        /// Where the items come from.
        of: BodyKind,
        /// How the items are run and judged.
        fan_out: FanOut,
        /// What an item puts out, evaluated in its instance. None when the body is the single `uses` of a
        /// stage with `for_each` or `matrix`: then the item puts out what that node puts out.
        outputs: Option<IndexMap<String, Template>>,
        /// Stages of the body that `outputs` read, by name. Stages outside the body cannot be read there.
        output_reads: IndexMap<String, NodeNo>,
    },
}

/// A question to a person. The answer is what the stage puts out: `approved`, `by` and `reason`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Approval {
    /// Who may decide; empty means everyone.
    pub roles: Vec<String>,
    /// How long it waits, in milliseconds; none means for ever.
    pub timeout_ms: Option<u64>,
    /// What happens then.
    pub on_timeout: OnTimeout,
    /// What the person is told.
    pub message: Option<Template>,
}

/// Where the items of a body come from.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "of")]
pub enum BodyKind {
    /// A group: one item with an empty key; `stages.group.outputs` is that item's outputs.
    Group,
    /// `for_each`: `stages.x.outputs` is a list in item order, `stages.x.by_key` a map.
    ForEach {
        /// Evaluates to the list of items.
        items: Expr,
        /// Evaluates, with `item` and `index`, to an item's key; none means the index.
        key: Option<Expr>,
    },
    /// Another pipeline: as a group, with inputs and vars of its own. Its one item has the inputs for a value.
    Pipeline(Box<Call>),
    /// `matrix`: as `for_each`, over combinations known when the graph is compiled.
    Matrix {
        /// The combinations, in order, each with its key (`9:16`, `16:9,hevc`).
        rows: Vec<reelmill_model::Item>,
    },
}

/// The use of another pipeline. Nothing that is around it is seen within.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Call {
    /// That pipeline's `name`.
    pub name: String,
    /// The registered pipeline and its revision, where it is one: `news@3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registered: Option<String>,
    /// The folder of its file, seen from that of the first one: paths in its `with` are resolved there.
    pub folder: String,
    /// Its `inputs`.
    pub inputs: IndexMap<String, InputDef>,
    /// Its `vars`.
    pub vars: IndexMap<String, Template>,
    /// What it is given, evaluated outside of it.
    pub with: IndexMap<String, Template>,
    /// The line in which that stands.
    pub line: u32,
}

impl BodyKind {
    /// Whether the body has one item, with an empty key, and is seen from outside as one stage.
    #[must_use]
    pub fn is_one(&self) -> bool {
        matches!(self, Self::Group | Self::Pipeline(_))
    }
}

/// How items are run and judged.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct FanOut {
    /// Items that run at once; none means all.
    pub max_parallel: Option<u32>,
    /// Most items allowed.
    pub max_items: u32,
    /// What happens to the others when one fails.
    pub on_item_failure: ItemFailure,
    /// With `continue`: how many must succeed.
    pub min_success: MinSuccess,
}

/// An edge.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Dep {
    /// The node waited for.
    pub node: NodeNo,
    /// Why.
    pub kind: DepKind,
}

/// Why a node waits for another.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DepKind {
    /// `needs`, or an expression that reads only `state`: satisfied by a skipped stage.
    Order,
    /// An expression reads its outputs: a skipped stage skips this one.
    Data,
}

/// A stage that an expression reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Read {
    /// The node.
    pub node: NodeNo,
    /// How many scopes outward its instance is; 0 is the reader's own.
    pub levels_up: u32,
}

/// When a node runs, seen from the stages it waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// When none of them failed or was cancelled.
    Success,
    /// When that stage failed (a stage's `on_failure`).
    FailureOf(NodeNo),
    /// When one of the stages it waits for failed that is no such handler itself (`on_failure` of a pipeline that
    /// another one runs).
    FailureInScope,
    /// Whatever became of them (a stage's `finally`).
    Always,
}

/// The plugin stage a node is locked to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PluginLock {
    /// The plugin's name.
    pub plugin: String,
    /// The stage's id.
    pub stage: String,
    /// The stage's version.
    pub version: String,
    /// The digest of the plugin's file.
    pub digest: Digest,
    /// Whether a result may be cached and whether a lost attempt may be repeated: `effects: external`.
    pub external: bool,
    /// Of an external stage: whether a repeat with the same idempotency token is harmless.
    pub idempotent: bool,
    /// Whether it may run inside the worker.
    pub inline: bool,
}

impl PluginLock {
    /// The name of the build it is locked to.
    #[must_use]
    pub fn build(&self) -> String {
        build(&self.plugin, self.digest)
    }
}

/// A stage's modifiers.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Settings {
    /// Larger is leased first; 0 to 9, 5 by default.
    pub priority: u8,
    /// The capability a worker must have; `default` unless `queue` names one.
    pub queue: String,
    /// Time limits.
    pub timeout: Timeout,
    /// What happens after a failed attempt.
    pub retry: Retry,
    /// Whether the result cache is used.
    pub cache: CacheMode,
    /// Whether the run may succeed although this failed.
    pub allow_failure: bool,
    /// What the machine must have.
    #[serde(default, skip_serializing_if = "Requirements::is_empty")]
    pub requires: Requirements,
    /// How many tasks may be at work at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<Concurrency>,
    /// How often tasks may start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limit: Option<RateLimit>,
}

impl Settings {
    /// Whether tasks have to ask before they start.
    #[must_use]
    pub fn is_limited(&self) -> bool {
        self.concurrency.is_some() || self.rate_limit.is_some()
    }
}

/// What makes two runs the same, and what then happens.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Unique {
    /// What they have in common; evaluated at submit.
    pub key: Template,
    /// For how long, in milliseconds; none means until the run has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_ms: Option<u64>,
    /// What happens to a second one.
    pub on_conflict: OnConflict,
}

/// How many tasks, or runs, may be at work at once.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Concurrency {
    /// What those that share the limit have in common; evaluated when one is leased.
    pub key: Template,
    /// How many at once.
    pub limit: u32,
    /// What happens to the others.
    pub on_limit: OnLimit,
}

/// How often tasks may start.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct RateLimit {
    /// What those that share the limit have in common; evaluated when one is leased.
    pub key: Template,
    /// Starts.
    pub limit: u32,
    /// In so many milliseconds.
    pub per_ms: u64,
    /// Starts that may come at once after a pause.
    pub burst: u32,
}

/// A CEL expression and where it stands in the pipeline file.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Expr {
    /// Its source, without `${{ }}`.
    pub source: String,
    /// Line in the pipeline file, from 1; 0 when unknown.
    pub line: u32,
}

/// A value with expressions in it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Template {
    /// A value as it is.
    Literal(Value),
    /// The whole value is one expression and keeps its type.
    Expr(Expr),
    /// Text with expressions in it: the result is a string.
    Text(Vec<TextPart>),
    /// A list.
    List(Vec<Template>),
    /// A map.
    Map(IndexMap<String, Template>),
    /// A secret, by name; it becomes `{"$secret": name}` and is resolved in the worker.
    Secret(String),
}

impl Template {
    /// Whether it has no expression in it.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        match self {
            Self::Literal(_) | Self::Secret(_) => true,
            Self::Expr(_) => false,
            Self::Text(parts) => parts.iter().all(|part| matches!(part, TextPart::Text(_))),
            Self::List(items) => items.iter().all(Self::is_plain),
            Self::Map(items) => items.values().all(Self::is_plain),
        }
    }
}

/// A part of a text with expressions in it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TextPart {
    /// Text as it is.
    Text(String),
    /// An expression, whose value is written out.
    Expr(Expr),
}
