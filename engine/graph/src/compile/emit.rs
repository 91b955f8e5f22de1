//! A checked compilation -> the graph: numbers, settings, templates. Nothing is refused here any more.

use super::layout::{Numbers, Role, When};
use super::session::Session;
use crate::graph::{
    Approval, BodyKind, CacheMode, Call, Concurrency, Dep, Expr, FanOut, Graph, ItemFailure, MinSuccess,
    Node, NodeKind, PluginLock, RateLimit, Read, Scope, Settings, Template, TextPart, Timeout, Trigger,
    Unique,
};
use indexmap::IndexMap;
use reelmill_model::limits::FAN_OUT_DEFAULT_MAX;
use reelmill_model::manifest::build;
use reelmill_model::{Effects, NodeNo, Requirements, ScopeNo};
use reelmill_spec::settings::{Modifiers, RetryParts};
use reelmill_spec::spec;
use reelmill_spec::template::{self as written, TemplateKind, Templates};
use serde_json::{Map, Value};

/// The graph of a compilation, given the order of every area.
pub fn emit(session: &Session<'_>, orders: &[Vec<usize>]) -> Option<Graph> {
    let mut numbers = Numbers::new();
    for site in orders.iter().flatten() {
        numbers.insert(*site, NodeNo(number(numbers.len())));
    }
    let emitter = Emitter { session, numbers };
    let mut nodes = Vec::with_capacity(emitter.numbers.len());
    for order in orders {
        for (offset, site) in order.iter().enumerate() {
            nodes.push(emitter.node(*site, number(offset))?);
        }
    }
    wire_dependents(&mut nodes);
    let scope = |(area, order): (usize, &Vec<usize>)| Scope {
        kind: session.layout.areas[area].kind,
        owner: session.layout.areas[area].owner.map(|owner| emitter.numbers[&owner]),
        nodes: order.iter().map(|site| emitter.numbers[site]).collect(),
    };
    let spec = &session.units[0].spec;
    Some(Graph {
        format: Graph::FORMAT,
        name: spec.name.clone(),
        labels: spec.labels.clone(),
        inputs: spec.inputs.clone(),
        vars: templates(&spec.vars, false),
        secrets: spec.secrets.iter().map(|secret| secret.value.clone()).collect(),
        unique: spec.unique.as_ref().map(unique),
        concurrency: spec.concurrency.as_ref().map(concurrency),
        scopes: orders.iter().enumerate().map(scope).collect(),
        nodes,
        outputs: templates(&spec.outputs, false),
        output_reads: emitter.output_reads(0),
    })
}

fn wire_dependents(nodes: &mut [Node]) {
    let edges: Vec<(NodeNo, NodeNo)> =
        nodes.iter().flat_map(|node| node.deps.iter().map(|dep| (dep.node, node.no))).collect();
    for (upstream, dependent) in edges {
        nodes[upstream.index()].dependents.push(dependent);
    }
}

struct Emitter<'a, 's> {
    session: &'a Session<'s>,
    numbers: Numbers,
}

impl Emitter<'_, '_> {
    fn node(&self, site: usize, offset: u32) -> Option<Node> {
        let from = &self.session.layout.sites[site];
        let inner = self.session.layout.is_single(site);
        let mut deps: Vec<Dep> = self.session.edges[site]
            .iter()
            .map(|(to, edge)| Dep { node: self.numbers[to], kind: edge.kind })
            .collect();
        deps.sort_by_key(|dep| dep.node);
        let reads = self.session.reads[site].iter();
        Some(Node {
            no: self.numbers[&site],
            name: if self.session.layout.undoes(site).is_some() {
                "compensate".to_owned()
            } else {
                from.stage.name.value.clone()
            },
            path: from.path.clone(),
            scope: ScopeNo(number(from.area)),
            offset,
            kind: self.kind(site)?,
            deps,
            dependents: Vec::new(),
            reads: reads
                .map(|(name, target)| {
                    (name.clone(), Read { node: self.numbers[&target.site], levels_up: target.levels_up })
                })
                .collect(),
            trigger: match from.when {
                When::Success => Trigger::Success,
                When::FailureOf(stage) => Trigger::FailureOf(self.numbers[&stage]),
                When::FailureOfScope => Trigger::FailureInScope,
                When::After(_) | When::AfterScope => Trigger::Always,
            },
            condition: from.stage.condition.as_ref().filter(|_| !inner).map(expr),
            compensate: from.compensate.map(|area| ScopeNo(number(area))),
            settings: self.settings(site),
        })
    }

    fn kind(&self, site: usize) -> Option<NodeKind> {
        let from = &self.session.layout.sites[site];
        match from.role {
            Role::Work(_, with) => {
                let found = self.session.plugins[site]?;
                let plugin = PluginLock {
                    plugin: found.plugin.manifest.name.clone(),
                    stage: found.stage.id.clone(),
                    version: found.stage.version.clone(),
                    digest: found.plugin.digest,
                    external: found.stage.effects == Effects::External,
                    idempotent: found.stage.idempotent,
                    inline: found.stage.inline,
                };
                Some(NodeKind::Work { plugin, with: templates(&with.value, true) })
            }
            Role::Body(area) => Some(NodeKind::Body {
                scope: ScopeNo(number(area)),
                of: self.body_kind(site)?,
                fan_out: fan_out(from.stage.fan_out.as_ref()),
                outputs: (!self.session.layout.areas[area].single)
                    .then(|| templates(&from.stage.outputs, false)),
                output_reads: self.output_reads(area),
            }),
            Role::Pipeline(area, with) => {
                let unit = &self.session.units[self.session.layout.areas[area].unit];
                Some(NodeKind::Body {
                    scope: ScopeNo(number(area)),
                    of: BodyKind::Pipeline(Box::new(Call {
                        name: unit.spec.name.clone(),
                        registered: unit.registered.clone(),
                        folder: unit.folder.clone(),
                        inputs: unit.spec.inputs.clone(),
                        vars: templates(&unit.spec.vars, false),
                        with: templates(&with.value, false),
                        line: with.span.line,
                    })),
                    fan_out: fan_out(None),
                    outputs: Some(templates(&unit.spec.outputs, false)),
                    output_reads: self.output_reads(area),
                })
            }
            Role::Approval(approval) => Some(NodeKind::Approval(Approval {
                roles: approval.roles.iter().map(|role| role.value.clone()).collect(),
                timeout_ms: approval.timeout_ms,
                on_timeout: approval.on_timeout,
                message: approval.message.as_ref().map(|message| template(message, false)),
            })),
            Role::Unknown => None,
        }
    }

    fn body_kind(&self, site: usize) -> Option<BodyKind> {
        Some(match &self.session.layout.sites[site].stage.fan_out {
            None => BodyKind::Group,
            Some(spec::FanOut::ForEach(each)) => {
                BodyKind::ForEach { items: expr(&each.items), key: each.key.as_ref().map(expr) }
            }
            Some(spec::FanOut::Matrix(_)) => BodyKind::Matrix { rows: self.session.rows.get(&site)?.clone() },
        })
    }

    fn output_reads(&self, area: usize) -> IndexMap<String, NodeNo> {
        let reads = self.session.output_reads[area].iter();
        reads.map(|(name, site)| (name.clone(), self.numbers[site])).collect()
    }

    /// A body makes no attempts of its own beyond finding its items, an approval none beyond asking; a node within a fan-out over one `uses`
    /// leaves it to the fan-out whether failing is allowed.
    fn settings(&self, site: usize) -> Settings {
        let layout = &self.session.layout;
        let from = &layout.sites[site];
        let undoes = layout.undoes(site).and(from.stage.compensate.as_ref());
        let written = undoes.map_or(&from.stage.modifiers, |compensate| &compensate.modifiers);
        let merged = written.over(&self.session.units[from.unit].spec.defaults);
        let kept = undoes.is_some() || from.compensate.is_some();
        let body = !matches!(from.role, Role::Work(..));
        let limited = !body && undoes.is_none();
        let plugin = self.session.plugins[site];
        let external = plugin.is_some_and(|found| found.stage.effects == Effects::External);
        let guest = plugin.map(|found| found.plugin).filter(|plugin| !plugin.shipped);
        Settings {
            priority: merged.priority.unwrap_or(Modifiers::PRIORITY),
            queue: merged.queue.unwrap_or_else(|| Modifiers::QUEUE.to_owned()),
            timeout: if body { Timeout::default() } else { merged.timeout },
            retry: if body { RetryParts::default().finish() } else { merged.retry.finish() },
            cache: match merged.cache {
                // A result that was taken from the cache would not be there to be undone.
                _ if external || body || kept => CacheMode::Never,
                cache => cache.unwrap_or(CacheMode::Auto),
            },
            allow_failure: merged.allow_failure && !layout.is_single(site),
            requires: Requirements {
                plugin: guest.map(|plugin| build(&plugin.manifest.name, plugin.digest)),
                ..merged.runs_on.filter(|_| !body).unwrap_or_default()
            },
            concurrency: from.stage.concurrency.as_ref().filter(|_| limited).map(concurrency),
            rate_limit: from.stage.rate_limit.as_ref().filter(|_| limited).map(rate_limit),
        }
    }
}

fn unique(from: &spec::Unique) -> Unique {
    Unique { key: template(&from.key, false), window_ms: from.window_ms, on_conflict: from.on_conflict }
}

fn concurrency(from: &spec::Concurrency) -> Concurrency {
    Concurrency { key: template(&from.key, false), limit: from.limit, on_limit: from.on_limit }
}

fn rate_limit(from: &spec::RateLimit) -> RateLimit {
    let key = template(&from.key, false);
    RateLimit { key, limit: from.limit, per_ms: from.per_ms, burst: from.burst }
}

fn fan_out(from: Option<&spec::FanOut>) -> FanOut {
    let fan_out = FanOut {
        max_parallel: None,
        max_items: number(FAN_OUT_DEFAULT_MAX),
        on_item_failure: ItemFailure::FailFast,
        min_success: MinSuccess::Ratio(1.0),
    };
    match from {
        Some(spec::FanOut::ForEach(each)) => FanOut {
            max_parallel: each.max_parallel,
            max_items: each.max_items.unwrap_or(fan_out.max_items),
            on_item_failure: each.on_item_failure,
            min_success: each.min_success.unwrap_or(fan_out.min_success),
        },
        _ => fan_out,
    }
}

pub(super) fn templates(from: &Templates, secrets: bool) -> IndexMap<String, Template> {
    from.iter().map(|(name, member)| (name.clone(), template(&member.value, secrets))).collect()
}

/// A template without its places; maps and lists that are all literal become one literal.
fn template(from: &written::Template, secrets: bool) -> Template {
    match &from.kind {
        TemplateKind::Literal(value) => Template::Literal(value.clone()),
        TemplateKind::Expr(written) => match written.secret() {
            Some(name) if secrets => Template::Secret(name.to_owned()),
            _ => Template::Expr(expr(written)),
        },
        TemplateKind::Text(parts) => Template::Text(parts.iter().map(part).collect()),
        TemplateKind::List(items) => {
            let items: Vec<Template> = items.iter().map(|item| template(item, secrets)).collect();
            let literals: Option<Vec<Value>> = items.iter().map(literal).collect();
            literals.map_or(Template::List(items), |values| Template::Literal(Value::Array(values)))
        }
        TemplateKind::Map(map) => {
            let members = templates(map, secrets);
            let literals: Option<Map<String, Value>> =
                members.iter().map(|(name, member)| Some((name.clone(), literal(member)?))).collect();
            literals.map_or(Template::Map(members), |values| Template::Literal(Value::Object(values)))
        }
    }
}

fn literal(template: &Template) -> Option<Value> {
    match template {
        Template::Literal(value) => Some(value.clone()),
        _ => None,
    }
}

fn part(from: &written::TextPart) -> TextPart {
    match from {
        written::TextPart::Text(text) => TextPart::Text(text.clone()),
        written::TextPart::Expr(written) => TextPart::Expr(expr(written)),
    }
}

pub(super) fn expr(from: &written::Expr) -> Expr {
    Expr { source: from.source.clone(), line: from.span.line }
}

/// Numbers of stages and items are far below 2^32: their limits say so.
fn number(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
