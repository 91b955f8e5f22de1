//! Spec + catalog → [`Graph`]: stages resolved to plugins, edges typed, expressions checked, cycles refused.
//!
//! Pure: no clock, no file, no environment. A graph is immutable and addressed by its digest.

pub mod canonical;
pub mod compile;
pub mod expr;
pub mod graph;
pub mod graph_check;
pub mod placement;
pub mod render;
pub mod sketch;

pub use reelmill_spec::inputs;

pub use graph::{
    Approval, Backoff, BodyKind, CacheMode, Call, Concurrency, Dep, DepKind, Escalate, Expr, FanOut, Graph,
    InputDef, InputType, ItemFailure, Jitter, MinSuccess, Node, NodeKind, OnConflict, OnLimit, OnTimeout,
    PluginLock, RateLimit, Read, Retry, Scope, ScopeKind, Settings, Template, TextPart, Timeout, Trigger,
    Unique, is_light_lane, light_lane,
};
