//! One compilation: what is known so far of every site, and the problems found.

use super::catalog::{Catalog, Found};
use super::layout::Layout;
use super::names::Target;
use super::types::{Typed, Types};
use super::units::{Unit, Units};
use crate::expr::{self, Parsed};
use crate::graph::DepKind;
use indexmap::IndexMap;
use indexmap::map::Entry;
use reelmill_model::Item;
use reelmill_model::limits::EXPRESSIONS_MAX;
use reelmill_spec::template::Expr;
use reelmill_spec::{Code, Diagnostic, Problems, Span};
use std::collections::HashMap;
use std::rc::Rc;

/// What is known of the compilation.
pub struct Session<'s> {
    /// The parsed pipeline and those that it names.
    pub units: &'s [Unit],
    /// The known plugins.
    pub catalog: &'s Catalog,
    /// Where everything stands.
    pub layout: Layout<'s>,
    /// What is wrong.
    pub problems: Problems,
    /// Of every site: what it waits for.
    pub edges: Vec<IndexMap<usize, Edge>>,
    /// Of every site: the stages its expressions read, by name.
    pub reads: Vec<IndexMap<String, Target>>,
    /// Of every area: the sites that the `outputs` of its owner (of the pipeline, for area 0) read.
    pub output_reads: Vec<IndexMap<String, usize>>,
    /// Of every site that does work: the plugin's stage.
    pub plugins: Vec<Option<Found<'s>>>,
    /// Of every site with a matrix: its combinations.
    pub rows: HashMap<usize, Vec<Item>>,
    /// Every expression whose references are sound.
    pub typed: Vec<Typed<'s>>,
    /// What is known of types.
    pub types: Types,
    /// Whether the key of a limit is looked at.
    pub in_key: bool,
    parsed: HashMap<&'s str, Rc<Parsed>>,
}

/// Why a site waits for another.
#[derive(Clone, Copy, Debug)]
pub struct Edge {
    /// For its outputs, or only for its end.
    pub kind: DepKind,
    /// What in the file says so.
    pub span: Span,
}

impl<'s> Session<'s> {
    /// A compilation of these files, nothing looked at yet.
    pub fn new(units: &'s Units, catalog: &'s Catalog) -> Self {
        let layout = Layout::new(units);
        let (sites, areas) = (layout.sites.len(), layout.areas.len());
        Self {
            units: &units.all,
            catalog,
            layout,
            problems: Problems::default(),
            edges: vec![IndexMap::new(); sites],
            reads: vec![IndexMap::new(); sites],
            output_reads: vec![IndexMap::new(); areas],
            plugins: vec![None; sites],
            rows: HashMap::new(),
            typed: Vec::new(),
            types: Types::default(),
            in_key: false,
            parsed: HashMap::new(),
        }
    }

    /// Looks at another file: what is reported from now on is in it.
    pub fn enter(&mut self, unit: usize) {
        self.problems.enter(self.units[unit].file.clone());
    }

    /// Adds an edge; a data edge outweighs an order edge.
    pub fn edge(&mut self, from: usize, to: usize, kind: DepKind, span: Span) {
        match self.edges[from].entry(to) {
            Entry::Vacant(slot) => {
                slot.insert(Edge { kind, span });
            }
            Entry::Occupied(mut slot) if kind == DepKind::Data => slot.get_mut().kind = kind,
            Entry::Occupied(_) => {}
        }
    }

    /// An expression that was parsed before without a mistake.
    pub fn parsed(&self, expr: &Expr) -> Option<Rc<Parsed>> {
        self.parsed.get(expr.source.as_str()).map(Rc::clone)
    }

    /// Parses an expression once; a mistake in it is reported at each place it stands.
    pub fn parse(&mut self, expr: &'s Expr) -> Option<Rc<Parsed>> {
        if let Some(parsed) = self.parsed.get(expr.source.as_str()) {
            return Some(Rc::clone(parsed));
        }
        if self.parsed.len() >= EXPRESSIONS_MAX {
            let message = format!("the pipeline has more than {EXPRESSIONS_MAX} different expressions");
            self.error(Code::LimitExceeded, expr.span, message, "use `for_each` for stages that are alike");
            return None;
        }
        match expr::parse(&expr.source) {
            Ok(parsed) => {
                let parsed = Rc::new(parsed);
                self.parsed.insert(&expr.source, Rc::clone(&parsed));
                Some(parsed)
            }
            Err(error) => {
                let span = expr.part(error.offset..error.offset + 1);
                self.problems
                    .push(Diagnostic::error(Code::BadExpression, span, error.message).maybe_help(error.help));
                None
            }
        }
    }

    /// Reports an error.
    pub fn error(&mut self, code: Code, span: Span, message: impl Into<String>, help: impl Into<String>) {
        self.problems.push(Diagnostic::error(code, span, message).help(help));
    }
}
