//! Spec -> scopes and sites, before anything is resolved: which stage stands where, and what can see what.

use super::units::Units;
use reelmill_model::NodeNo;
use reelmill_model::limits::STAGES_MAX;
use reelmill_spec::Spanned;
use reelmill_spec::spec::{Approval, FanOut, Stage, StageBody, Stages, Uses};
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
    /// The first site whose pipeline makes the stages too many.
    pub too_many: Option<usize>,
    /// Stages so far, as they are written, those of a pipeline that runs twice counted twice.
    stages: usize,
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
    /// Whether it is the body of the single `uses` of a fan-out, or the node that undoes one.
    pub single: bool,
    /// The file its stages stand in.
    pub unit: usize,
    /// Whether it is the body of another pipeline: nothing of what is around it is seen within.
    pub sealed: bool,
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
    /// The file it stands in.
    pub unit: usize,
    /// The scope with the node that undoes it.
    pub compensate: Option<usize>,
}

/// What a node to be does.
#[derive(Debug)]
pub enum Role<'s> {
    /// Runs a stage of a plugin.
    Work(&'s Spanned<Uses>, &'s Spanned<Templates>),
    /// Has a body.
    Body(usize),
    /// Has another pipeline for a body, which is given these inputs.
    Pipeline(usize, &'s Spanned<Templates>),
    /// Waits for a person.
    Approval(&'s Approval),
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
    /// When a stage of its pipeline failed, which is not the first one.
    FailureOfScope,
    /// After the stages of its pipeline, which is not the first one, whatever became of them.
    AfterScope,
}

impl Area {
    fn new(kind: ScopeKind, owner: Option<usize>, outward: Option<usize>, unit: usize) -> Self {
        Self { kind, owner, outward, sites: Vec::new(), single: false, unit, sealed: false }
    }
}

impl<'s> Layout<'s> {
    /// The layout of a pipeline and of those that it names.
    #[must_use]
    pub fn new(units: &'s Units) -> Self {
        let spec = &units.all[0].spec;
        let mut layout = Self { stages: spec.stage_count, ..Self::default() };
        let mut part = |kind, outward, stages: &'s Stages, path: &str| {
            let area = layout.empty_area(Area::new(kind, None, outward, 0));
            layout.fill(units, area, stages, path);
        };
        part(ScopeKind::Main, None, &spec.stages, "");
        if !spec.on_failure.is_empty() {
            part(ScopeKind::OnFailure, Some(0), &spec.on_failure, "on_failure.");
        }
        if !spec.finally.is_empty() {
            part(ScopeKind::Finally, Some(0), &spec.finally, "finally.");
        }
        layout
    }

    fn fill(&mut self, units: &'s Units, area: usize, stages: &'s Stages, path: &str) {
        for stage in stages.values() {
            let path = format!("{path}{}", stage.name.value);
            let site = self.site(units, stage, area, path, None, When::Success);
            self.names[area].insert(&stage.name.value, site);
            self.handlers_of(units, stage, site);
        }
    }

    fn empty_area(&mut self, area: Area) -> usize {
        self.areas.push(area);
        self.names.push(HashMap::new());
        self.areas.len() - 1
    }

    fn site(
        &mut self,
        units: &'s Units,
        stage: &'s Stage,
        area: usize,
        path: String,
        fellows: Option<usize>,
        when: When,
    ) -> usize {
        let site = self.bare_site(stage, area, path, fellows, when);
        self.sites[site].role = match &stage.body {
            StageBody::Group(stages) => {
                let inner = self.body_of(site);
                let path = format!("{}.", self.sites[site].path);
                self.fill(units, inner, stages, &path);
                Role::Body(inner)
            }
            // What runs many times and is no group has a body with a single node in it.
            _ if stage.fan_out.is_some() => {
                let inner = self.body_of(site);
                self.areas[inner].single = true;
                let only = self.bare_site(stage, inner, self.sites[site].path.clone(), None, When::Success);
                self.sites[only].role = self.role(units, only);
                Role::Body(inner)
            }
            _ => self.role(units, site),
        };
        site
    }

    fn bare_site(
        &mut self,
        stage: &'s Stage,
        area: usize,
        path: String,
        fellows: Option<usize>,
        when: When,
    ) -> usize {
        let unit = self.areas[area].unit;
        self.areas[area].sites.push(self.sites.len());
        let role = Role::Unknown;
        self.sites.push(Site { stage, path, area, role, fellows, when, unit, compensate: None });
        self.sites.len() - 1
    }

    fn body_of(&mut self, site: usize) -> usize {
        let Site { area, unit, .. } = self.sites[site];
        self.empty_area(Area::new(ScopeKind::Body, Some(site), Some(area), unit))
    }

    /// What a site does that is no group and no fan-out.
    fn role(&mut self, units: &'s Units, site: usize) -> Role<'s> {
        match &self.sites[site].stage.body {
            StageBody::Uses { uses, with } => {
                self.compensate(site);
                Role::Work(uses, with)
            }
            StageBody::Pipeline { file, with } => {
                let called = units.called(self.sites[site].unit, file);
                match called.and_then(|unit| self.pipeline(units, unit, site)) {
                    Some(area) => Role::Pipeline(area, with),
                    None => Role::Unknown,
                }
            }
            StageBody::Approval(approval) => Role::Approval(approval),
            StageBody::Group(_) | StageBody::Unknown => Role::Unknown,
        }
    }

    /// What undoes a site stands in a scope of its own and sees what the site sees.
    fn compensate(&mut self, site: usize) {
        let Site { stage, area, unit, .. } = self.sites[site];
        let Some(compensate) = &stage.compensate else { return };
        let inner = self.empty_area(Area {
            single: true,
            ..Area::new(ScopeKind::Compensate, Some(site), Some(area), unit)
        });
        let path = format!("{}.compensate", self.sites[site].path);
        let made = self.bare_site(stage, inner, path, None, When::Success);
        self.sites[made].role = Role::Work(&compensate.uses, &compensate.with);
        self.sites[site].compensate = Some(inner);
    }

    /// Another pipeline becomes the body of a site: its stages, and beside them those of its `on_failure` and
    /// `finally`, which wait for all of them.
    fn pipeline(&mut self, units: &'s Units, unit: usize, site: usize) -> Option<usize> {
        let spec = &units.all[unit].spec;
        self.stages += spec.stage_count;
        if self.stages > STAGES_MAX {
            self.too_many = self.too_many.or(Some(site));
            return None;
        }
        let area =
            self.empty_area(Area { sealed: true, ..Area::new(ScopeKind::Body, Some(site), None, unit) });
        let path = self.sites[site].path.clone();
        self.fill(units, area, &spec.stages, &format!("{path}."));
        for (key, stages, when) in [
            ("on_failure", &spec.on_failure, When::FailureOfScope),
            ("finally", &spec.finally, When::AfterScope),
        ] {
            self.handlers(units, area, &format!("{path}.{key}."), stages, when);
        }
        Some(area)
    }

    /// A stage's `on_failure` and `finally` become nodes beside it.
    fn handlers_of(&mut self, units: &'s Units, stage: &'s Stage, site: usize) {
        let (area, path) = (self.sites[site].area, self.sites[site].path.clone());
        for (key, stages, when) in [
            ("on_failure", &stage.on_failure, When::FailureOf(site)),
            ("finally", &stage.finally, When::After(site)),
        ] {
            self.handlers(units, area, &format!("{path}.{key}."), stages, when);
        }
    }

    fn handlers(&mut self, units: &'s Units, area: usize, path: &str, stages: &'s Stages, when: When) {
        let fellows = self.handlers.len();
        self.handlers.push(HashMap::new());
        for handler in stages.values() {
            let path = format!("{path}{}", handler.name.value);
            let made = self.site(units, handler, area, path, Some(fellows), when);
            self.handlers[fellows].insert(&handler.name.value, made);
            self.handlers_of(units, handler, made);
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
            When::FailureOfScope => self.beside(site, &[When::FailureOfScope, When::AfterScope]),
            When::AfterScope => self.beside(site, &[When::AfterScope]),
        }
    }

    /// The sites of the same area, without those of these kinds and what belongs to them.
    fn beside(&self, site: usize, without: &[When]) -> Vec<usize> {
        let sites = self.areas[self.sites[site].area].sites.iter().copied();
        sites.filter(|other| !without.contains(&self.occasion(*other))).collect()
    }

    /// When a site runs, seen from the handlers of its pipeline: a handler of a handler belongs to that one.
    fn occasion(&self, mut site: usize) -> When {
        loop {
            match self.sites[site].when {
                When::FailureOf(stage) | When::After(stage) => site = stage,
                when => return when,
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
            let handles = matches!(self.sites[site].when, When::FailureOf(_) | When::FailureOfScope);
            if handles || area.kind == ScopeKind::OnFailure {
                return true;
            }
            let Some(owner) = area.owner.filter(|_| !area.sealed) else { return false };
            site = owner;
        }
    }

    /// The fan-outs around an area, innermost first.
    pub fn fan_outs(&self, area: usize) -> impl Iterator<Item = &'s FanOut> + '_ {
        let mut next = Some(area);
        std::iter::from_fn(move || {
            let here = &self.areas[next?];
            let owner = here.owner.filter(|_| !here.sealed);
            next = owner.map(|owner| self.sites[owner].area);
            owner.map(|owner| self.sites[owner].stage.fan_out.as_ref())
        })
        .flatten()
    }

    /// The site that a site undoes.
    #[must_use]
    pub fn undoes(&self, site: usize) -> Option<usize> {
        let area = &self.areas[self.sites[site].area];
        area.owner.filter(|_| area.kind == ScopeKind::Compensate)
    }

    /// Whether a site is the node within a fan-out over a single `uses`: its other modifiers are on the outside.
    #[must_use]
    pub fn is_single(&self, site: usize) -> bool {
        self.areas[self.sites[site].area].single
    }
}

/// A site's number once sites are numbered in their final order.
pub type Numbers = HashMap<usize, NodeNo>;
