//! `inputs`: each becomes a definition with a JSON Schema 2020-12 of its own.

use super::Lower;
use super::modifiers::word;
use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::inputs::{InputDef, InputType, TYPE_KEYWORD, convert_and_check, seconds};
use crate::template::is_id;
use crate::units;
use crate::values::ValueChecker;
use crate::yaml::{Entry, Kind, Node};
use indexmap::IndexMap;
use serde_json::{Map, Value, json};

/// Keys that only some types take.
fn takes(kind: InputType, key: &str) -> bool {
    use InputType::{Array, Bytes, Duration, File, Int, Number, Object, String, Url};
    match key {
        "min" | "max" => matches!(kind, Int | Number | Duration | Bytes),
        "min_length" | "max_length" | "pattern" => matches!(kind, String | Url),
        "min_items" | "max_items" | "items" => kind == Array,
        "properties" => kind == Object,
        "accept" => kind == File,
        "enum" => matches!(kind, String | Int | Number | Url),
        _ => true,
    }
}

impl Lower<'_> {
    pub(super) fn inputs(&mut self, node: Option<&Node>) -> IndexMap<String, InputDef> {
        let entries = node.map(Node::entries).unwrap_or_default();
        let good = entries.iter().filter(|entry| is_id(&entry.key));
        good.filter_map(|entry| Some((entry.key.clone(), self.input(&entry.value)?))).collect()
    }

    fn input(&mut self, node: &Node) -> Option<InputDef> {
        let schema = self.input_schema(node)?;
        let text = |key: &str| node.get(key).and_then(Node::text).map(str::to_owned);
        let mut def = InputDef {
            r#type: node.get("type").and_then(word)?,
            required: !matches!(node.get("required").map(|n| &n.kind), Some(Kind::Bool(false)))
                && node.get("default").is_none(),
            default: None,
            title: text("title"),
            description: text("description"),
            schema,
            accept: strings(node.get("accept")),
        };
        if let (Some(default), Some(required)) = (node.entry("default"), node.entry("required"))
            && matches!(required.value.kind, Kind::Bool(true))
        {
            self.problems.push(
                Diagnostic::error(
                    Code::Conflict,
                    required.key_span,
                    "an input with a default is never required",
                )
                .related(default.key_span, "the default")
                .help("remove one of them"),
            );
        }
        def.default = node.entry("default").and_then(|entry| self.default(&def, entry));
        Some(def)
    }

    fn default(&mut self, def: &InputDef, entry: &Entry) -> Option<Value> {
        let value = entry.value.to_json();
        match convert_and_check(def, &value) {
            Ok(_) => Some(value),
            Err(found) => {
                for (message, help) in found {
                    let message = format!("the default {message}");
                    let diagnostic = Diagnostic::error(Code::BadDefault, entry.value.span, message);
                    self.problems.push(diagnostic.maybe_help(help));
                }
                None
            }
        }
    }

    /// The schema of an input, an item or a property. None when its type is not known.
    fn input_schema(&mut self, node: &Node) -> Option<Value> {
        let kind: InputType = node.get("type").and_then(word)?;
        for entry in node.entries().iter().filter(|entry| !takes(kind, &entry.key)) {
            let message = format!("an input of type `{}` has no `{}`", kind.word(), entry.key);
            self.error(Code::Conflict, entry.key_span, message, "remove it, or change the type");
        }
        let mut schema = base(kind);
        for key in ["title", "description"] {
            if let Some(text) = node.get(key).and_then(Node::text) {
                schema.insert(key.to_owned(), json!(text));
            }
        }
        self.limits(node, kind, &mut schema);
        self.enumeration(node, &mut schema);
        self.members(node, &mut schema);
        let accept = strings(node.get("accept"));
        if !accept.is_empty() {
            schema.insert("x-accept".to_owned(), json!(accept));
        }
        Some(Value::Object(schema))
    }

    fn limits(&mut self, node: &Node, kind: InputType, schema: &mut Map<String, Value>) {
        const PAIRS: [(&str, &str, &str, &str); 3] = [
            ("min", "max", "minimum", "maximum"),
            ("min_length", "max_length", "minLength", "maxLength"),
            ("min_items", "max_items", "minItems", "maxItems"),
        ];
        for (low_key, high_key, low_word, high_word) in PAIRS {
            let low = self.limit(node.entry(low_key), kind);
            let high = self.limit(node.entry(high_key), kind);
            if let (Some(low), Some(high)) = (&low, &high)
                && low.as_f64() > high.as_f64()
            {
                let span = node.get(low_key).map_or(node.span, |low| low.span);
                let message = format!("`{low_key}` is larger than `{high_key}`: no value could be given");
                self.error(Code::BadInput, span, message, "swap or correct them");
                continue;
            }
            schema.extend(low.map(|low| (low_word.to_owned(), low)));
            schema.extend(high.map(|high| (high_word.to_owned(), high)));
        }
        if let Some(pattern) = node.get("pattern")
            && let Some(text) = pattern.text()
        {
            if ValueChecker::new(&json!({ "pattern": text })).is_ok() {
                schema.insert("pattern".to_owned(), json!(text));
            } else {
                let help = "a regular expression without look-around and back references";
                self.error(Code::BadInput, pattern.span, "the pattern is no regular expression", help);
            }
        }
    }

    /// A bound as the schema has it: durations in seconds, sizes in bytes.
    fn limit(&mut self, entry: Option<&Entry>, kind: InputType) -> Option<Value> {
        let node = &entry?.value;
        let (value, wanted) = match (kind, &node.kind) {
            (InputType::Duration, Kind::Text(text)) => {
                (units::duration_ms(text).map(seconds), "a duration, for example `90s`")
            }
            (InputType::Bytes, Kind::Text(text)) => {
                (units::bytes(text).map(Value::from), "a size, for example `500M`")
            }
            (InputType::Int, Kind::Number(number)) => {
                (number.is_f64().then_some(()).map_or(Some(json!(number)), |()| None), "a whole number")
            }
            (_, Kind::Number(number)) => (Some(json!(number)), "a number"),
            (_, Kind::Text(_)) => (None, "a number"),
            _ => return None,
        };
        if value.is_none() {
            let key = entry.map(|entry| entry.key.as_str()).unwrap_or_default();
            self.error(
                Code::BadValue,
                node.span,
                format!("`{key}` must be {wanted}"),
                format!("the input's type is `{}`", kind.word()),
            );
        }
        value
    }

    fn enumeration(&mut self, node: &Node, schema: &mut Map<String, Value>) {
        let Some(list) = node.get("enum").filter(|list| matches!(list.kind, Kind::List(_))) else { return };
        if list.items().is_empty() {
            self.error(
                Code::BadInput,
                list.span,
                "`enum` is empty: no value could be given",
                "name at least one value",
            );
            return;
        }
        if let Ok(checker) = ValueChecker::new(&Value::Object(schema.clone())) {
            for item in list.items() {
                for problem in checker.check(&item.to_json()) {
                    let message = format!("a value of `enum` {}", problem.message);
                    self.problems
                        .push(Diagnostic::error(Code::BadInput, item.span, message).maybe_help(problem.help));
                }
            }
        }
        schema.insert("enum".to_owned(), list.to_json());
    }

    fn members(&mut self, node: &Node, schema: &mut Map<String, Value>) {
        let items = node.get("items").and_then(|items| self.member(items));
        schema.extend(items.map(|items| ("items".to_owned(), items)));
        let Some(properties) = node.get("properties") else { return };
        let mut members = Map::new();
        let mut required = Vec::new();
        for entry in properties.entries() {
            let Some(member) = self.member(&entry.value) else { continue };
            members.insert(entry.key.clone(), member);
            if !matches!(entry.value.get("required").map(|n| &n.kind), Some(Kind::Bool(false))) {
                required.push(json!(entry.key));
            }
        }
        schema.insert("properties".to_owned(), Value::Object(members));
        schema.insert("required".to_owned(), Value::Array(required));
        schema.insert("additionalProperties".to_owned(), json!(false));
    }

    fn member(&mut self, node: &Node) -> Option<Value> {
        if let Some(entry) = node.entry("default") {
            self.error(
                Code::Conflict,
                entry.key_span,
                "only a whole input has a default",
                "move it to the input",
            );
        }
        self.input_schema(node)
    }
}

fn strings(node: Option<&Node>) -> Vec<String> {
    node.map(Node::items).unwrap_or_default().iter().filter_map(|n| n.text().map(str::to_owned)).collect()
}

/// The schema of a type without limits.
fn base(kind: InputType) -> Map<String, Value> {
    let schema = match kind {
        InputType::String => json!({ "type": "string" }),
        InputType::Int => json!({ "type": "integer" }),
        InputType::Number => json!({ "type": "number" }),
        InputType::Bool => json!({ "type": "boolean" }),
        InputType::Duration => {
            json!({ "type": ["string", "number"], "minimum": 0, "pattern": "^([0-9]+(d|h|m|s|ms))+$" })
        }
        InputType::Bytes => {
            json!({ "type": ["string", "integer"], "minimum": 0, "pattern": "^[0-9]+(\\.[0-9]+)? ?([KMGT]i?|k)?B?$" })
        }
        InputType::Url => json!({ "type": "string", "format": "uri" }),
        InputType::File => json!({ "type": ["string", "object"], "minLength": 1, "required": ["$artifact"] }),
        InputType::Array => json!({ "type": "array" }),
        InputType::Object => json!({ "type": "object" }),
    };
    let Value::Object(mut schema) = schema else { return Map::new() };
    if matches!(kind, InputType::Duration | InputType::Bytes | InputType::Url | InputType::File) {
        schema.insert(TYPE_KEYWORD.to_owned(), json!(kind.word()));
    }
    schema
}
