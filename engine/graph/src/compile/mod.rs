//! Spec + catalog -> graph, or every reason why there is none.
//!
//! The walk: `units` reads the files and registered pipelines that stages name; `layout` says which stage stands in which scope; `matrix` writes combinations out; `with` looks
//! plugins up and checks literal values; `reads` looks through every expression, resolves what it reads by
//! `names` and draws edges; `types` says which expressions cannot have the type that is needed; `order` finds
//! the order of each scope or the circle in it; `emit` writes the graph down.

mod catalog;
mod emit;
mod inputs;
mod layout;
mod matrix;
mod names;
mod order;
mod reads;
mod session;
mod triggers;
mod types;
mod units;
mod with;

pub use catalog::{Catalog, Found};
pub use reelmill_spec::{FileText, Files, NoFiles};
pub use triggers::{Trigger, compile as triggers};
pub use units::registered_names;

use crate::graph::Graph;
use reelmill_model::limits::STAGES_MAX;
use reelmill_spec::spec::FanOut;
use reelmill_spec::{Code, Diagnostic, Severity, Spec, diagnostic};
use session::Session;

/// Compiles a parsed pipeline and the files that it names. There is a graph when neither the parser nor the
/// compiler found an error.
#[must_use]
pub fn compile(spec: Spec, catalog: &Catalog, files: &dyn Files) -> (Option<Graph>, Vec<Diagnostic>) {
    let mut units = units::gather(spec, files);
    let found = std::mem::take(&mut units.problems);
    let mut session = Session::new(&units, catalog);
    session.problems = found;
    too_many_stages(&mut session);
    expand_matrices(&mut session);
    session.check_plugins();
    session.read_all();
    session.check_types();
    let areas = session.layout.areas.len();
    let orders: Vec<Vec<usize>> = (0..areas).map(|area| session.order(area)).collect();
    let whole = units.all.iter().all(|unit| unit.spec.complete) && session.problems.errors() == 0;
    let graph = whole.then(|| emit::emit(&session, &orders)).flatten();
    (graph, session.problems.finish(Some(&units.all[0].spec.tree)))
}

/// Parses and compiles a pipeline that names no other one.
#[must_use]
pub fn load(text: &str, catalog: &Catalog) -> (Option<Graph>, Vec<Diagnostic>) {
    load_with(text, catalog, &NoFiles)
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

/// Parses and compiles a pipeline file and those that it names; all problems come together, in the order of the
/// files.
#[must_use]
pub fn load_with(text: &str, catalog: &Catalog, files: &dyn Files) -> (Option<Graph>, Vec<Diagnostic>) {
    let loaded = load_all(text, catalog, files);
    (loaded.graph, loaded.diagnostics)
}

/// The same, with the triggers.
#[must_use]
pub fn load_all(text: &str, catalog: &Catalog, files: &dyn Files) -> Loaded {
    let (spec, mut diagnostics) = reelmill_spec::parse(text);
    let Some(spec) = spec else { return Loaded { graph: None, triggers: Vec::new(), diagnostics } };
    let (triggers, more) = triggers::compile(&spec);
    diagnostics.extend(more);
    let (graph, more) = compile(spec, catalog, files);
    diagnostics.extend(more);
    diagnostics.sort_by(diagnostic::in_order);
    let broken = diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error);
    let graph = graph.filter(|_| !broken);
    let triggers = if graph.is_some() { triggers } else { Vec::new() };
    Loaded { graph, triggers, diagnostics }
}

fn too_many_stages(session: &mut Session<'_>) {
    let Some(site) = session.layout.too_many else { return };
    let from = &session.layout.sites[site];
    let span = from.stage.name.span;
    session.enter(from.unit);
    let message = format!("with this pipeline there are more than {STAGES_MAX} stages");
    session.error(Code::LimitExceeded, span, message, "use `for_each` for stages that are alike");
}

fn expand_matrices(session: &mut Session<'_>) {
    for site in 0..session.layout.sites.len() {
        let Some(FanOut::Matrix(matrix)) = &session.layout.sites[site].stage.fan_out else { continue };
        if session.layout.is_single(site) {
            continue;
        }
        session.enter(session.layout.sites[site].unit);
        match matrix::expand(matrix) {
            Ok(rows) => {
                session.rows.insert(site, rows);
            }
            Err(diagnostic) => session.problems.push(*diagnostic),
        }
    }
}
