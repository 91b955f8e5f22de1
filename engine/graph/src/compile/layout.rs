//! Spec -> scopes and sites, before anything is resolved: which stage stands where, and what can see what.

use reelmill_model::NodeNo;
use reelmill_spec::Spanned;
use reelmill_spec::spec::{FanOut, Spec, Stage, StageBody, Stages, Uses};
use reelmill_spec::template::Templates;
use std::collections::HashMap;

use crate::graph::ScopeKind;

/// All scopes and sites of a pipeline. Scope 0 is the main one.
#[derive(Debug, Default)]
pub struct Layout<'s> {
    /// The scopes.
    pub areas: Vec<Area>,
    /// The stages, handlers and inner nodes.
    pub sites: Vec<Site<'s>>,
    /// The names that the handlers of one stage see of each other.
    pub handlers: Vec<HashMap<&'s str, usize>>,
    /// What names mean in each scope.
    pub names: Vec<HashMap<&'s str, usize>>,
}

/// A scope to be.
#[derive(Debug)]
pub struct Area {
    /// What it is.
    pub kind: ScopeKind,
    /// The site whose body it is.
    pub owner: Option<usize>,
    /// The scope whose stages it may read too.
    pub outward: Option<usize>,
    /// Its sites, in the order of the file.
    pub sites: Vec<usize>,
    /// Whether it is the body of the single `uses` of a fan-out.
    pub single: bool,
}

/// A node to be.
#[derive(Debug)]
pub struct Site<'s> {
    /// The stage as written.
    pub stage: &'s Stage,
    /// Its keys from the outside in.
    pub path: String,
    /// Its scope.
    pub area: usize,
    /// What it does.
    pub role: Role<'s>,
    /// The names its fellow handlers have, when it is a handler.
    pub fellows: Option<usize>,
    /// When it runs.
    pub when: When,
}

/// What a node to be does.
#[derive(Debug)]
pub enum Role<'s> {
    /// Runs a stage of a plugin.
    Work(&'s Spanned<Uses>, &'s Spanned<Templates>),
    /// Has a body.
    Body(usize),
    /// Not understood by the parser.
    Unknown,
}

/// When a node runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum When {
    /// When those it waits for ended well.
    Success,
    /// When that site failed.
    FailureOf(usize),
    /// After that site, whatever became of it.
    After(usize),
}

impl<'s> Layout<'s> {
    /// The layout of a spec.
    #[must_use]
    pub fn new(spec: &'s Spec) -> Self {
        let mut layout = Self::default();
        layout.area(ScopeKind::Main, None, None, &spec.stages, "");
        if !spec.on_failure.is_empty() {
            layout.area(ScopeKind::OnFailure, None, Some(0), &spec.on_failure, "on_failure.");
        }
        if !spec.finally.is_empty() {
            layout.area(ScopeKind::Finally, None, Some(0), &spec.finally, "finally.");
        }
        layout
    }

    fn area(
        &mut self,
        kind: ScopeKind,
        owner: Option<usize>,
        outward: Option<usize>,
        stages: &'s Stages,
        path: &str,
    ) -> usize {
        let area = self.empty_area(kind, owner, outward, false);
        for stage in stages.values() {
            let site = self.site(stage, area, format!("{path}{}", stage.name.value), None, When::Success);
            self.names[area].insert(&stage.name.value, site);
            self.handlers_of(stage, site);
        }
        area
    }

    fn empty_area(
        &mut self,
        kind: ScopeKind,
        owner: Option<usize>,
        outward: Option<usize>,
        single: bool,
    ) -> usize {
        self.areas.push(Area { kind, owner, outward, sites: Vec::new(), single });
        self.names.push(HashMap::new());
        self.areas.len() - 1
    }

    fn site(
        &mut self,
        stage: &'s Stage,
        area: usize,
        path: String,
        fellows: Option<usize>,
        when: When,
    ) -> usize {
        let site = self.sites.len();
        self.sites.push(Site { stage, path: path.clone(), area, role: Role::Unknown, fellows, when });
        self.areas[area].sites.push(site);
        let role = match &stage.body {
            StageBody::Uses { uses, with } if stage.fan_out.is_none() => Role::Work(uses, with),
            StageBody::Uses { uses, with } => {
                let inner = self.empty_area(ScopeKind::Body, Some(site), Some(area), true);
                self.areas[inner].sites.push(self.sites.len());
                let role = Role::Work(uses, with);
                self.sites.push(Site { stage, path, area: inner, role, fellows: None, when: When::Success });
                Role::Body(inner)
            }
            StageBody::Group(stages) => {
                Role::Body(self.area(ScopeKind::Body, Some(site), Some(area), stages, &format!("{path}.")))
            }
            StageBody::Unknown => Role::Unknown,
        };
        self.sites[site].role = role;
        site
    }

    /// A stage's `on_failure` and `finally` become nodes beside it.
    fn handlers_of(&mut self, stage: &'s Stage, site: usize) {
        let area = self.sites[site].area;
        let mut on_failure = Vec::new();
        for (key, stages, when) in [
            ("on_failure", &stage.on_failure, When::FailureOf(site)),
            ("finally", &stage.finally, When::After(site)),
        ] {
            let fellows = self.handlers.len();
            self.handlers.push(HashMap::new());
            for handler in stages.values() {
                let path = format!("{}.{key}.{}", self.sites[site].path, handler.name.value);
                let made = self.site(handler, area, path, Some(fellows), when);
                self.handlers[fellows].insert(&handler.name.value, made);
                if when == When::FailureOf(site) {
                    on_failure.push(made);
                }
                self.handlers_of(handler, made);
            }
        }
    }

    /// The other nodes that a handler waits for whatever it reads: the stage it belongs to and, in `finally`,
    /// the stage's `on_failure`.
    #[must_use]
    pub fn watched(&self, site: usize) -> Vec<usize> {
        match self.sites[site].when {
            When::Success => Vec::new(),
            When::FailureOf(stage) => vec![stage],
            When::After(stage) => {
                let of_failure = |other: &usize| self.sites[*other].when == When::FailureOf(stage);
                let fellows = self.areas[self.sites[site].area].sites.iter().copied().filter(of_failure);
                std::iter::once(stage).chain(fellows).collect()
            }
        }
    }

    /// Whether what a site reads may be missing without harm: handlers run after failures.
    #[must_use]
    pub fn is_handler(&self, site: usize) -> bool {
        self.sites[site].when != When::Success
    }

    /// Whether a stage is given `failure`: it stands, at any depth, in `on_failure`.
    #[must_use]
    pub fn sees_failure(&self, mut site: usize) -> bool {
        loop {
            let area = &self.areas[self.sites[site].area];
            if matches!(self.sites[site].when, When::FailureOf(_)) || area.kind == ScopeKind::OnFailure {
                return true;
            }
            let Some(owner) = area.owner else { return false };
            site = owner;
        }
    }

    /// The fan-outs around an area, innermost first.
    pub fn fan_outs(&self, area: usize) -> impl Iterator<Item = &'s FanOut> + '_ {
        let mut next = Some(area);
        std::iter::from_fn(move || {
            let owner = self.areas[next?].owner;
            next = owner.map(|owner| self.sites[owner].area);
            owner.map(|owner| self.sites[owner].stage.fan_out.as_ref())
        })
        .flatten()
    }

    /// Whether a site is the node within a fan-out over a single `uses`: its other modifiers are on the outside.
    #[must_use]
    pub fn is_single(&self, site: usize) -> bool {
        self.areas[self.sites[site].area].single
    }
}

/// A site's number once sites are numbered in their final order.
pub type Numbers = HashMap<usize, NodeNo>;
