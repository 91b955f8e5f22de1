//! What `stages.name` means at a place: the stage, and the node whose edge makes the reader wait for it.

use super::layout::{Layout, When};
use crate::graph::ScopeKind;
use reelmill_spec::suggest;
use reelmill_spec::{Code, Diagnostic, Span};

/// A stage that was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Target {
    /// The stage.
    pub site: usize,
    /// How many scopes outward it stands.
    pub levels_up: u32,
    /// The node beside the stage that has to wait for it: the reader or a body around it. None across parts of
    /// the pipeline that run one after another.
    pub waiter: Option<usize>,
}

/// Looks a name up from a site outward.
pub fn find(layout: &Layout<'_>, reader: usize, name: &str, span: Span) -> Result<Target, Box<Diagnostic>> {
    let mut waiter = Some(reader);
    let mut area = layout.sites[reader].area;
    let fellow = layout.sites[reader].fellows.and_then(|fellows| layout.handlers[fellows].get(name));
    let mut found = fellow.or_else(|| layout.names[area].get(name));
    let mut levels_up = 0;
    while found.is_none() {
        let here = &layout.areas[area];
        let Some(outward) = here.outward else { return Err(unknown(layout, reader, name, span)) };
        // A handler's fellows stay visible from within its body.
        let owner = here.owner;
        // What is undone is over, and so is everything around it.
        waiter = waiter.and(owner).filter(|_| here.kind != ScopeKind::Compensate);
        levels_up += 1;
        area = outward;
        let fellows = owner.and_then(|owner| layout.sites[owner].fellows);
        found = fellows.and_then(|f| layout.handlers[f].get(name)).or_else(|| layout.names[area].get(name));
    }
    let site = *found.unwrap_or(&reader);
    if waiter == Some(site) {
        let message = if site == reader || layout.is_single(reader) {
            format!("stage `{name}` reads itself")
        } else {
            format!("stage `{name}` is the one around this stage")
        };
        let help = "a stage has outputs only when it has ended; read the stages beside this one";
        return Err(Diagnostic::error(Code::NotVisible, span, message).help(help).into());
    }
    Ok(Target { site, levels_up, waiter })
}

/// Looks a name up among the stages of one scope, for `outputs`.
pub fn find_in(layout: &Layout<'_>, area: usize, name: &str, span: Span) -> Result<usize, Box<Diagnostic>> {
    if let Some(site) = layout.names[area].get(name) {
        return Ok(*site);
    }
    // The pipeline's outputs are evaluated when all is done, so they may read what `finally` made.
    let finally = layout.areas.iter().position(|area| area.kind == ScopeKind::Finally).filter(|_| area == 0);
    if let Some(site) = finally.and_then(|area| layout.names[area].get(name)) {
        return Ok(*site);
    }
    if layout.areas[area].sealed {
        let last = layout.areas[area].sites.iter().find(|site| layout.sites[**site].when == When::AfterScope);
        let fellows = last.and_then(|site| layout.sites[*site].fellows);
        if let Some(site) = fellows.and_then(|fellows| layout.handlers[fellows].get(name)) {
            return Ok(*site);
        }
    }
    let unit = layout.areas[area].unit;
    if layout.areas[area].owner.is_some()
        && !layout.areas[area].sealed
        && elsewhere(layout, unit, name).is_some()
    {
        let message = format!("`outputs` of a group cannot read stage `{name}`, which is outside of it");
        let help = "read it in a stage inside and put out what that stage puts out";
        return Err(Diagnostic::error(Code::NotVisible, span, message).help(help).into());
    }
    Err(missing(layout, unit, name, span, &mut layout.names[area].keys().copied()))
}

fn unknown(layout: &Layout<'_>, reader: usize, name: &str, span: Span) -> Box<Diagnostic> {
    let mut areas = vec![layout.sites[reader].area];
    while let Some(outward) = areas.last().and_then(|area| layout.areas[*area].outward) {
        areas.push(outward);
    }
    let mut names = areas.iter().flat_map(|area| layout.names[*area].keys().copied());
    missing(layout, layout.sites[reader].unit, name, span, &mut names)
}

/// The stage is out of reach or there is none.
fn missing(
    layout: &Layout<'_>,
    unit: usize,
    name: &str,
    span: Span,
    visible: &mut dyn Iterator<Item = &str>,
) -> Box<Diagnostic> {
    if let Some(site) = elsewhere(layout, unit, name) {
        let path = &layout.sites[site].path;
        let message = format!("stage `{name}` cannot be read from here: it is `{path}`");
        let area = &layout.areas[layout.sites[site].area];
        let help = match area.owner {
            Some(owner) => {
                let group = &layout.sites[owner].stage.name.value;
                format!("put it out in `outputs` of `{group}` and read `stages.{group}.outputs`")
            }
            None => "stages of the main part cannot read handlers".to_owned(),
        };
        return Diagnostic::error(Code::NotVisible, span, message)
            .help(help)
            .related(layout.sites[site].stage.name.span, "it stands here")
            .into();
    }
    let mut names: Vec<&str> = visible.collect();
    names.sort_unstable();
    let help = suggest::or_list(name, names.iter().copied(), "there are no stages here");
    Diagnostic::error(Code::UnknownStage, span, format!("there is no stage `{name}`")).maybe_help(help).into()
}

/// A stage of that name anywhere in the same file.
fn elsewhere(layout: &Layout<'_>, unit: usize, name: &str) -> Option<usize> {
    layout.sites.iter().position(|site| site.unit == unit && site.stage.name.value == name)
}
