//! Spec + catalog -> graph, or every reason why there is none.
//!
//! The walk: `layout` says which stage stands in which scope; `matrix` writes combinations out; `with` looks
//! plugins up and checks literal values; `reads` looks through every expression, resolves what it reads by
//! `names` and draws edges; `types` says which expressions cannot have the type that is needed; `order` finds
//! the order of each scope or the circle in it; `emit` writes the graph down.

mod catalog;
mod emit;
mod layout;
mod matrix;
mod names;
mod order;
mod reads;
mod session;
mod triggers;
mod types;
mod with;

pub use catalog::{Catalog, Found};
pub use triggers::{Trigger, compile as triggers};

use crate::graph::Graph;
use reelmill_spec::spec::FanOut;
use reelmill_spec::{Diagnostic, Severity, Spec};
use session::Session;

/// Compiles a parsed pipeline. There is a graph when neither the parser nor the compiler found an error.
#[must_use]
pub fn compile(spec: &Spec, catalog: &Catalog) -> (Option<Graph>, Vec<Diagnostic>) {
    let mut session = Session::new(spec, catalog);
    expand_matrices(&mut session);
    session.check_plugins();
    session.read_all();
    session.check_types();
    let areas = session.layout.areas.len();
    let orders: Vec<Vec<usize>> = (0..areas).map(|area| session.order(area)).collect();
    let whole = spec.complete && session.problems.errors() == 0;
    let graph = whole.then(|| emit::emit(&session, &orders)).flatten();
    (graph, session.problems.finish(Some(&spec.tree)))
}

/// Parses and compiles a pipeline file; all problems of both come together, in the order of the file.
#[must_use]
pub fn load(text: &str, catalog: &Catalog) -> (Option<Graph>, Vec<Diagnostic>) {
    let loaded = load_all(text, catalog);
    (loaded.graph, loaded.diagnostics)
}

/// A pipeline file, compiled.
#[derive(Debug)]
pub struct Loaded {
    /// Its graph; none when something is wrong.
    pub graph: Option<Graph>,
    /// What starts its runs by itself; none when something is wrong. No part of the graph: runs do not depend on it.
    pub triggers: Vec<Trigger>,
    /// What is wrong, and what should be known.
    pub diagnostics: Vec<Diagnostic>,
}

/// The same, with the triggers.
#[must_use]
pub fn load_all(text: &str, catalog: &Catalog) -> Loaded {
    let (spec, mut diagnostics) = reelmill_spec::parse(text);
    let Some(spec) = spec else { return Loaded { graph: None, triggers: Vec::new(), diagnostics } };
    let (graph, more) = compile(&spec, catalog);
    diagnostics.extend(more);
    let (triggers, more) = triggers::compile(&spec);
    diagnostics.extend(more);
    diagnostics.sort_by_key(|diagnostic| (diagnostic.span.start, diagnostic.code));
    let broken = diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error);
    let graph = graph.filter(|_| !broken);
    let triggers = if graph.is_some() { triggers } else { Vec::new() };
    Loaded { graph, triggers, diagnostics }
}

fn expand_matrices(session: &mut Session<'_>) {
    for site in 0..session.layout.sites.len() {
        let Some(FanOut::Matrix(matrix)) = &session.layout.sites[site].stage.fan_out else { continue };
        if session.layout.is_single(site) {
            continue;
        }
        match matrix::expand(matrix) {
            Ok(rows) => {
                session.rows.insert(site, rows);
            }
            Err(diagnostic) => session.problems.push(*diagnostic),
        }
    }
}
