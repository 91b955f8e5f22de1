//! `triggers`: each with what it waits for, and its inputs against those of the pipeline.

use super::Lower;
use super::modifiers::word;
use crate::check::shown;
use crate::code::Code;
use crate::cron::{Cron, CronProblem};
use crate::diagnostic::Diagnostic;
use crate::inputs::{InputDef, convert_and_check};
use crate::span::{Span, Spanned};
use crate::suggest;
use crate::template::{Template, TemplateKind, Templates, is_id, template};
use crate::trigger::{Trigger, TriggerInputs, When};
use crate::units::duration_ms;
use crate::yaml::{Entry, Node};
use indexmap::IndexMap;
use reelmill_model::limits::TRIGGERS_MAX;
use serde_json::{Map, Value};

/// How long a file must not have changed, in milliseconds, unless the trigger says.
const SETTLE_MS: u64 = 5_000;

/// Keys that only some types of triggers take.
const OF_TYPES: [(&str, &[&str]); 3] = [
    ("schedule", &["cron", "timezone", "catchup"]),
    ("webhook", &["secret"]),
    ("file", &["folder", "pattern", "settle"]),
];

type Inputs = IndexMap<String, InputDef>;

impl Lower<'_> {
    pub(super) fn triggers(&mut self, tree: &Node, inputs: &Inputs) -> IndexMap<String, Trigger> {
        let entries = tree.get("triggers").map(Node::entries).unwrap_or_default();
        if let Some(beyond) = entries.get(TRIGGERS_MAX) {
            let message = format!("the pipeline has more than {TRIGGERS_MAX} triggers");
            self.error(Code::LimitExceeded, beyond.key_span, message, "let one trigger do what is alike");
        }
        let good = entries.iter().take(TRIGGERS_MAX).filter(|entry| is_id(&entry.key));
        good.filter_map(|entry| Some((entry.key.clone(), self.trigger(entry, tree, inputs)?))).collect()
    }

    fn trigger(&mut self, entry: &Entry, tree: &Node, inputs: &Inputs) -> Option<Trigger> {
        let node = &entry.value;
        let kind = node.get("type").and_then(Node::text)?;
        self.foreign_keys(node, kind);
        let when = match kind {
            "schedule" => self.schedule(entry),
            "webhook" => self.webhook(entry, tree),
            "file" => self.file(entry),
            _ => None,
        };
        let given = self.trigger_inputs(entry, inputs);
        Some(Trigger {
            name: Spanned { value: entry.key.clone(), span: entry.key_span },
            when: when?,
            overlap: node.get("overlap").and_then(word).unwrap_or_default(),
            inputs: given?,
        })
    }

    fn foreign_keys(&mut self, node: &Node, kind: &str) {
        let foreign = |key: &str| {
            OF_TYPES.iter().any(|(other, keys)| *other != kind && keys.contains(&key))
                && !OF_TYPES.iter().any(|(own, keys)| *own == kind && keys.contains(&key))
        };
        for entry in node.entries().iter().filter(|entry| foreign(&entry.key)) {
            let message = format!("a trigger of type `{kind}` has no `{}`", entry.key);
            self.error(Code::Conflict, entry.key_span, message, "remove it, or change the type");
        }
    }

    /// The text of a key that a type of trigger must have.
    fn needed<'n>(&mut self, entry: &'n Entry, key: &str, help: &str) -> Option<&'n Node> {
        let found = entry.value.get(key);
        if found.is_none() {
            let message = format!("trigger `{}` needs the key `{key}`", entry.key);
            self.error(Code::MissingKey, entry.key_span, message, help);
        }
        found.filter(|node| node.text().is_some_and(|text| !text.trim().is_empty()))
    }

    fn schedule(&mut self, entry: &Entry) -> Option<When> {
        let node = &entry.value;
        let cron = self.needed(entry, "cron", "for example `0 3 * * *`, every night at three")?;
        let zone = node.get("timezone");
        let parsed = Cron::parse(cron.text()?, zone.and_then(Node::text).unwrap_or("UTC"));
        let cron = match parsed {
            Ok(parsed) => parsed,
            Err(problems) => {
                for problem in &problems {
                    self.no_schedule(problem, cron, zone);
                }
                return None;
            }
        };
        Some(When::Schedule { cron, catchup: node.get("catchup").and_then(word).unwrap_or_default() })
    }

    fn no_schedule(&mut self, problem: &CronProblem, cron: &Node, zone: Option<&Node>) {
        let (span, help) = match problem {
            CronProblem::Pattern { .. } => (
                cron.span,
                "five fields: minute, hour, day of month, month, day of week; for example `0 3 * * mon-fri`"
                    .to_owned(),
            ),
            CronProblem::Never(_) => (cron.span, "no month has such a day".to_owned()),
            CronProblem::Zone { near, .. } => (
                zone.map_or(cron.span, |zone| zone.span),
                match near {
                    Some(name) => format!("did you mean `{name}`?"),
                    None => "write its IANA name, for example `Europe/Oslo`".to_owned(),
                },
            ),
        };
        self.error(Code::BadValue, span, problem.to_string(), help);
    }

    fn webhook(&mut self, entry: &Entry, tree: &Node) -> Option<When> {
        let help = "the name of the secret that signs its calls, one of the pipeline's `secrets`";
        let node = self.needed(entry, "secret", help)?;
        let name = node.text()?;
        let declared = tree.get("secrets").map(Node::items).unwrap_or_default().iter().filter_map(Node::text);
        if !declared.clone().any(|known| known == name) {
            let help = suggest::nearest(name, declared).map(|near| format!("did you mean `{near}`?"));
            let help = help.unwrap_or_else(|| format!("add `{name}` to the pipeline's `secrets`"));
            let message = format!("secret `{}` is not declared", shown(name));
            self.error(Code::UnknownSecret, node.span, message, help);
            return None;
        }
        Some(When::Webhook { secret: name.to_owned() })
    }

    fn file(&mut self, entry: &Entry) -> Option<When> {
        let node = &entry.value;
        let folder = self.needed(entry, "folder", "the folder whose new files start runs")?;
        let path = folder.text()?;
        if !path.starts_with('/') {
            let message =
                format!("`folder` is `{}`, which depends on where a process was started", shown(path));
            self.error(Code::BadValue, folder.span, message, "write an absolute path");
            return None;
        }
        let text = |key: &str| node.get(key).and_then(Node::text).map(str::to_owned);
        Some(When::File {
            folder: path.to_owned(),
            pattern: text("pattern"),
            settle_ms: text("settle").and_then(|text| duration_ms(&text)).unwrap_or(SETTLE_MS),
        })
    }

    /// What the runs are given; literal values are checked here as those of a run are.
    fn trigger_inputs(&mut self, entry: &Entry, inputs: &Inputs) -> Option<TriggerInputs> {
        let Some(node) = entry.value.get("inputs") else {
            self.not_given(entry.key_span, &entry.key, &Templates::new(), inputs);
            return Some(TriggerInputs::Each(Templates::new()));
        };
        let whole = template(node, self.file, self.problems);
        let given = match whole.kind {
            TemplateKind::Expr(expr) => return Some(TriggerInputs::Whole(expr)),
            TemplateKind::Map(given) => given,
            _ => {
                let message = format!("`inputs` must be a map or one expression, this is {}", node.what());
                let help = "for example `{ topic: daily news }` or `${{ trigger.body }}`";
                self.error(Code::WrongType, node.span, message, help);
                return None;
            }
        };
        for (name, value) in &given {
            self.trigger_input(name, value, inputs);
        }
        let at = entry.value.entry("inputs").map_or(entry.key_span, |inputs| inputs.key_span);
        self.not_given(at, &entry.key, &given, inputs);
        Some(TriggerInputs::Each(given))
    }

    fn trigger_input(&mut self, name: &str, value: &Spanned<Template>, inputs: &Inputs) {
        let Some(def) = inputs.get(name) else {
            let known = inputs.keys().map(String::as_str);
            let help = suggest::or_list(name, known, "the pipeline has no inputs");
            let message = format!("`{}` is not an input of the pipeline", shown(name));
            self.problems.push(Diagnostic::error(Code::UnknownInput, value.span, message).maybe_help(help));
            return;
        };
        let Some(literal) = literal(&value.value) else { return };
        for (message, help) in convert_and_check(def, &literal).err().unwrap_or_default() {
            let message = format!("input `{name}` {message}");
            self.problems.push(Diagnostic::error(Code::BadValue, value.value.span, message).maybe_help(help));
        }
    }

    fn not_given(&mut self, at: Span, trigger: &str, given: &Templates, inputs: &Inputs) {
        for (name, _) in inputs.iter().filter(|(name, def)| def.required && !given.contains_key(*name)) {
            let message = format!("trigger `{trigger}` does not give the input `{name}`");
            self.error(Code::MissingKey, at, message, "give it in `inputs`, or give the input a default");
        }
    }
}

/// The value of a template without expressions.
fn literal(template: &Template) -> Option<Value> {
    match &template.kind {
        TemplateKind::Literal(value) => Some(value.clone()),
        TemplateKind::Expr(_) | TemplateKind::Text(_) => None,
        TemplateKind::List(items) => items.iter().map(literal).collect::<Option<Vec<_>>>().map(Value::Array),
        TemplateKind::Map(members) => {
            let one =
                |(name, member): (&String, &Spanned<Template>)| Some((name.clone(), literal(&member.value)?));
            members.iter().map(one).collect::<Option<Map<_, _>>>().map(Value::Object)
        }
    }
}
