//! Walks a file beside the grammar: unknown and missing keys, wrong types, bad values, keys not executed yet.

use crate::code::Code;
use crate::diagnostic::{Diagnostic, Problems};
use crate::grammar::{Record, Shape};
use crate::span::Span;
use crate::suggest;
use crate::template::is_id;
use crate::units;
use crate::yaml::{Entry, Kind, Node};
use reelmill_model::limits::ID_CHARS_MAX;

/// Reports everything in the file that the grammar of a record does not allow.
pub fn check_record(node: &Node, record: &'static Record, problems: &mut Problems) {
    Checker { problems, inside_later: false }.record(node, record);
}

struct Checker<'a> {
    problems: &'a mut Problems,
    // Within a key that is not available, its parts are checked but not each reported as unavailable.
    inside_later: bool,
}

impl Checker<'_> {
    fn record(&mut self, node: &Node, record: &'static Record) {
        if !matches!(node.kind, Kind::Map(_)) {
            self.wrong_type(node, record.what, "a map");
            return;
        }
        for entry in node.entries() {
            let Some(key) = record.keys.iter().find(|key| key.name == entry.key) else {
                self.unknown_key(entry, record);
                continue;
            };
            let outer = self.inside_later;
            if !key.available && !outer {
                let message = format!("`{}` is part of the language but not available yet", key.name);
                let help = "remove it: ignoring it would run something else than what is written";
                self.problems.push(Diagnostic::error(Code::NotAvailable, entry.key_span, message).help(help));
                self.inside_later = true;
            }
            self.value(&entry.value, key.shape, &format!("`{}`", key.name));
            self.inside_later = outer;
        }
        for key in record.keys.iter().filter(|key| key.required && node.get(key.name).is_none()) {
            let message = format!("{} needs the key `{}`", record.what, key.name);
            self.problems.push(Diagnostic::error(Code::MissingKey, head(node), message).help(key.doc));
        }
    }

    fn unknown_key(&mut self, entry: &Entry, record: &Record) {
        if self.problems.is_full() {
            self.problems.push(Diagnostic::error(Code::UnknownKey, entry.key_span, ""));
            return;
        }
        let known = record.keys.iter().map(|key| key.name);
        let message = format!("{} has no key `{}`", record.what, shown(&entry.key));
        let help = match suggest::nearest(&entry.key, known.clone()) {
            Some(word) => format!("did you mean `{word}`?"),
            None => {
                format!("its keys are {}", known.map(|k| format!("`{k}`")).collect::<Vec<_>>().join(", "))
            }
        };
        self.problems.push(Diagnostic::error(Code::UnknownKey, entry.key_span, message).help(help));
    }

    fn value(&mut self, node: &Node, shape: Shape, name: &str) {
        match shape {
            Shape::Value | Shape::Literal => {}
            Shape::Text | Shape::TextTemplate => match node.text() {
                Some(text) if text.trim().is_empty() => {
                    self.bad(node, format!("{name} is empty"), "write a text");
                }
                Some(_) => {}
                None => self.wrong_type(node, name, "a string"),
            },
            Shape::Id => match node.text() {
                Some(text) => self.id(text, node.span),
                None => self.wrong_type(node, name, "an id"),
            },
            Shape::Uses => self.uses(node, name),
            Shape::Expr => {
                if !matches!(node.kind, Kind::Text(_) | Kind::Bool(_)) {
                    self.wrong_type(node, name, "an expression");
                }
            }
            Shape::Bool => {
                if !matches!(node.kind, Kind::Bool(_)) {
                    self.wrong_type(node, name, "a bool (`true` or `false`)");
                }
            }
            Shape::Int(min, max) => self.int(node, name, min, max),
            Shape::Bound => {
                if !matches!(node.kind, Kind::Number(_) | Kind::Text(_)) {
                    self.wrong_type(node, name, "a number, a duration or a size");
                }
            }
            Shape::Duration => {
                self.unit(node, name, "a duration", "for example `90s`, `10m` or `1h30m`", |text| {
                    units::duration_ms(text).is_some_and(|ms| ms > 0)
                });
            }
            Shape::Bytes => self.unit(node, name, "a size", "for example `500M` or `6Gi`", |text| {
                units::bytes(text).is_some()
            }),
            Shape::Share => self.share(node, name),
            Shape::Word(words) => self.word(node, name, words),
            Shape::List(shape) => match &node.kind {
                Kind::List(items) => items.iter().for_each(|item| self.value(item, *shape, "an item")),
                _ => self.wrong_type(node, name, "a list"),
            },
            Shape::Record(record) => self.record(node, record),
            Shape::Table(shape) => self.table(node, *shape, name),
            Shape::Labels => self.labels(node, name),
            Shape::Values => {
                if !matches!(node.kind, Kind::Map(_)) {
                    self.wrong_type(node, name, "a map");
                }
            }
            Shape::Matrix => self.matrix(node),
            Shape::Either(scalar, record) => match node.kind {
                Kind::Map(_) => self.record(node, record),
                _ => self.value(node, *scalar, name),
            },
        }
    }

    fn table(&mut self, node: &Node, shape: Shape, name: &str) {
        if !matches!(node.kind, Kind::Map(_)) {
            self.wrong_type(node, name, "a map");
            return;
        }
        for entry in node.entries() {
            self.id(&entry.key, entry.key_span);
            self.value(&entry.value, shape, &format!("`{}`", shown(&entry.key)));
        }
    }

    fn labels(&mut self, node: &Node, name: &str) {
        if !matches!(node.kind, Kind::Map(_)) {
            self.wrong_type(node, name, "a map");
        }
        for entry in node.entries() {
            if matches!(entry.value.kind, Kind::Null | Kind::List(_) | Kind::Map(_)) {
                self.wrong_type(&entry.value, &format!("`{}`", shown(&entry.key)), "a string");
            }
        }
    }

    fn matrix(&mut self, node: &Node) {
        if !matches!(node.kind, Kind::Map(_)) {
            self.wrong_type(node, "`matrix`", "a map of dimensions");
        }
        for entry in node.entries() {
            let special = matches!(entry.key.as_str(), "include" | "exclude");
            if !special {
                self.id(&entry.key, entry.key_span);
            }
            let name = format!("`{}`", shown(&entry.key));
            match &entry.value.kind {
                Kind::List(items) if special => {
                    for item in items.iter().filter(|item| !matches!(item.kind, Kind::Map(_))) {
                        self.wrong_type(item, &format!("an item of {name}"), "a map");
                    }
                }
                Kind::List(items) if items.is_empty() => {
                    self.bad(&entry.value, format!("{name} is empty"), "name at least one value");
                }
                Kind::List(_) => {}
                _ => self.wrong_type(&entry.value, &name, "a list"),
            }
        }
    }

    fn id(&mut self, text: &str, span: Span) {
        if text.chars().count() > ID_CHARS_MAX {
            let message = format!("`{}` is longer than {ID_CHARS_MAX} characters", shown(text));
            self.problems.push(Diagnostic::error(Code::BadId, span, message).help("choose a shorter name"));
        } else if !is_id(text) {
            let message = format!("`{text}` is no id");
            let help = match as_id(text) {
                Some(id) => format!("small letters, digits and `_`, a letter first: `{id}`"),
                None => "small letters, digits and `_`, a letter first".to_owned(),
            };
            self.problems.push(Diagnostic::error(Code::BadId, span, message).help(help));
        }
    }

    fn uses(&mut self, node: &Node, name: &str) {
        match node.text() {
            None => self.wrong_type(node, name, "a string"),
            Some(text) if crate::spec::Uses::parse(text).is_none() => {
                let help = "write `plugin.stage@major`, for example `video.clip@1`";
                self.bad(node, format!("`{}` does not name a plugin's stage", shown(text)), help);
            }
            Some(_) => {}
        }
    }

    fn int(&mut self, node: &Node, name: &str, min: u64, max: u64) {
        let Kind::Number(number) = &node.kind else {
            self.wrong_type(node, name, "a whole number");
            return;
        };
        if !number.as_u64().is_some_and(|n| (min..=max).contains(&n)) {
            let only = if min == max {
                format!("must be {min}")
            } else {
                format!("a whole number from {min} to {max}")
            };
            self.bad(node, format!("{name} is {number}"), &only);
        }
    }

    fn unit(&mut self, node: &Node, name: &str, what: &str, help: &str, good: impl Fn(&str) -> bool) {
        match &node.kind {
            Kind::Text(text) if good(text) => {}
            Kind::Text(text) => self.bad(node, format!("`{}` is not {what}", shown(text)), help),
            Kind::Number(number) => self.bad(node, format!("{name} is {number}, without a unit"), help),
            _ => self.wrong_type(node, name, what),
        }
    }

    fn share(&mut self, node: &Node, name: &str) {
        let good = match &node.kind {
            Kind::Number(number) => number.as_u64().is_some_and(|n| u32::try_from(n).is_ok()),
            Kind::Text(text) => crate::settings::MinSuccess::parse(text).is_some(),
            _ => return self.wrong_type(node, name, "a count or a percentage"),
        };
        if !good {
            self.bad(node, format!("{name} is neither a count nor a percentage"), "for example `3` or `90%`");
        }
    }

    fn word(&mut self, node: &Node, name: &str, words: &'static [&'static str]) {
        match node.text() {
            Some(text) if words.contains(&text) => {}
            Some(text) => {
                let help = suggest::or_list(text, words.iter().copied(), "");
                let diagnostic = Diagnostic::error(
                    Code::BadValue,
                    node.span,
                    format!("{name} cannot be `{}`", shown(text)),
                );
                self.problems.push(diagnostic.maybe_help(help));
            }
            None => self.wrong_type(node, name, &format!("one of {}", words.join(", "))),
        }
    }

    fn bad(&mut self, node: &Node, message: String, help: &str) {
        self.problems.push(Diagnostic::error(Code::BadValue, node.span, message).help(help));
    }

    fn wrong_type(&mut self, node: &Node, name: &str, wanted: &str) {
        let message = format!("{name} must be {wanted}, this is {}", node.what());
        let help = match node.kind {
            Kind::Null => Some("give it a value or remove the key"),
            Kind::Number(_) | Kind::Bool(_) if wanted.contains("string") => Some("quote it"),
            _ => None,
        };
        let diagnostic = Diagnostic::error(Code::WrongType, head(node), message);
        self.problems.push(diagnostic.maybe_help(help.map(str::to_owned)));
    }
}

/// A map or list is marked at its first key or item, not over all of its lines.
fn head(node: &Node) -> Span {
    match &node.kind {
        Kind::Map(entries) => entries.first().map_or(node.span, |entry| entry.key_span),
        _ => node.span,
    }
}

/// User text in a message: shortened, on one line.
pub(crate) fn shown(text: &str) -> String {
    const CHARS: usize = 60;
    let clean: String = text.chars().take(CHARS).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().count() > CHARS { format!("{clean}…") } else { clean }
}

/// The id nearest to a text, for the remedy.
fn as_id(text: &str) -> Option<String> {
    let mapped: String =
        text.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let id = mapped.trim_matches('_').trim_start_matches(|c: char| c.is_ascii_digit() || c == '_').to_owned();
    is_id(&id).then_some(id)
}
