//! `reelmill plugins`: what there is, what one of them takes, a new one, and whether one keeps the contract.

mod new;
mod test;

use super::Context;
use crate::exit::{CliError, Exit};
use crate::output::{Output, Tone, table};
use crate::plugins::{self, Found};
use clap::Subcommand;
use reelmill_host::Plugin;
use reelmill_model::{Effects, StageManifest};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;

/// List, show, make and test plugins
#[derive(clap::Args)]
#[command(after_help = "Examples:
  reelmill plugins list
  reelmill plugins show tts.speak
  reelmill plugins new acme --lang python
  reelmill plugins test ./acme")]
pub struct Plugins {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List the plugins that are found, and where
    List,
    /// Show what a plugin or a stage takes and puts out
    Show {
        /// A plugin (`tts`) or a stage (`tts.speak`)
        name: String,
    },
    /// Make a plugin that builds and passes `plugins test` as it is
    New(new::New),
    /// Run a plugin through what pipelines may do to it
    Test(test::Test),
}

impl Plugins {
    pub(super) fn run(self, cx: &Context) -> Result<Exit, CliError> {
        match self.command {
            Command::List => list(cx),
            Command::Show { name } => show(cx, &name),
            Command::New(command) => command.run(cx),
            Command::Test(command) => command.run(cx),
        }
    }
}

fn list(cx: &Context) -> Result<Exit, CliError> {
    let found = plugins::find(cx, Path::new("."))?;
    if cx.output.is_json() {
        let all: Vec<Value> = found.plugins.iter().map(|plugin| brief(plugin)).collect();
        cx.output.json(&json!({ "plugins": all, "problems": found.problems }))?;
    } else if found.plugins.is_empty() {
        cx.output.text("no plugins; name their folder with --plugin-dir DIR")?;
    } else {
        let rows: Vec<Vec<String>> = found.plugins.iter().map(|plugin| row(plugin, cx.output)).collect();
        cx.output.text(&table(&rows))?;
    }
    Ok(Exit::Ok)
}

fn brief(plugin: &Plugin) -> Value {
    let manifest = &plugin.located.manifest;
    json!({
        "name": manifest.name,
        "version": manifest.version,
        "license": manifest.license,
        "kind": manifest.kind,
        "digest": plugin.located.digest,
        "path": plugin.path,
        "trusted": plugin.trusted,
        "stages": manifest.stages.iter().map(|stage| &stage.id).collect::<Vec<_>>(),
    })
}

/// A plugin as a line: name, version, kind, stages, where it lies.
fn row(plugin: &Plugin, output: Output) -> Vec<String> {
    let manifest = &plugin.located.manifest;
    let stages: Vec<String> =
        manifest.stages.iter().map(|stage| format!("{}@{}", stage.id, stage.major())).collect();
    vec![
        output.paint(Tone::Strong, &manifest.name),
        manifest.version.clone(),
        manifest.kind.to_string(),
        stages.join(" "),
        output.paint(Tone::Faint, &plugin.path.display().to_string()),
    ]
}

fn show(cx: &Context, name: &str) -> Result<Exit, CliError> {
    let found = plugins::find(cx, Path::new("."))?;
    let (plugin_name, stage_name) = name.split_once('.').map_or((name, None), |(p, s)| (p, Some(s)));
    let plugin = find(&found, plugin_name)?;
    let stages: Vec<&StageManifest> = plugin
        .located
        .manifest
        .stages
        .iter()
        .filter(|stage| stage_name.is_none_or(|wanted| stage.id == wanted))
        .collect();
    if stages.is_empty() {
        let known: Vec<&str> = plugin.located.manifest.stages.iter().map(|stage| stage.id.as_str()).collect();
        let message = format!("plugin `{plugin_name}` has no stage `{name}`; it has: {}", known.join(", "));
        return Err(CliError::Usage(message));
    }
    if cx.output.is_json() {
        match stage_name {
            Some(_) => cx.output.json(stages[0])?,
            None => cx.output.json(&plugin.located.manifest)?,
        }
        return Ok(Exit::Ok);
    }
    let manifest = &plugin.located.manifest;
    let head = format!("{} {} ({})", manifest.name, manifest.version, manifest.license);
    let mut parts = vec![cx.output.paint(Tone::Strong, &head)];
    parts.extend(Some(manifest.description.clone()).filter(|text| !text.is_empty()));
    parts.extend(stages.iter().map(|stage| describe(&manifest.name, stage, cx.output)));
    cx.output.text(&parts.join("\n"))?;
    Ok(Exit::Ok)
}

fn find<'f>(found: &'f Found, name: &str) -> Result<&'f Plugin, CliError> {
    let plugin = found.plugins.iter().find(|plugin| plugin.located.manifest.name == name);
    plugin.map(Arc::as_ref).ok_or_else(|| {
        let known: Vec<&str> =
            found.plugins.iter().map(|plugin| plugin.located.manifest.name.as_str()).collect();
        CliError::Usage(format!("there is no plugin `{name}`; there are: {}", known.join(", ")))
    })
}

/// A stage for people: what it does, what it takes, what it puts out, how it is used.
fn describe(plugin: &str, stage: &StageManifest, output: Output) -> String {
    let uses = format!("{plugin}.{}@{}", stage.id, stage.major());
    let mut parts = vec![format!("\n{}  {}", output.paint(Tone::Strong, &uses), stage.summary)];
    if stage.effects == Effects::External {
        let again = if stage.idempotent { "may be repeated" } else { "is not repeated after a lost worker" };
        parts.push(format!("acts on the world outside: never cached, {again}"));
    }
    parts.push(format!("with:\n{}", properties(&stage.input)));
    parts.push(format!("outputs:\n{}", properties(&stage.output)));
    for example in &stage.examples {
        let with = serde_json::to_string(&example.with).unwrap_or_default();
        parts.push(format!("# {}\nuses: {uses}\nwith: {with}", example.note));
    }
    parts.join("\n")
}

/// The properties of an object's schema, one a line: name, type, default, what it is.
fn properties(schema: &Value) -> String {
    let required: Vec<&str> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let rows: Vec<Vec<String>> = schema["properties"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, property)| {
            let mark =
                if required.contains(&name.as_str()) { "required".to_owned() } else { default(property) };
            let what = property["description"].as_str().unwrap_or_default();
            vec![
                format!("  {name}"),
                type_of(schema, property),
                mark,
                what.lines().next().unwrap_or_default().to_owned(),
            ]
        })
        .collect();
    table(&rows).trim_end().to_owned()
}

fn default(property: &Value) -> String {
    match &property["default"] {
        Value::Null => String::new(),
        value => format!("= {value}"),
    }
}

/// Choices of a property that are named; the schema has them all.
const CHOICES_SHOWN: usize = 10;

/// The type of a property in a word or two.
fn type_of(root: &Value, property: &Value) -> String {
    let named = property["$ref"].as_str().and_then(|path| root.pointer(path.strip_prefix('#')?));
    let property = named.unwrap_or(property);
    if let Some(choices) = property["enum"].as_array() {
        return either(choices.iter().filter_map(Value::as_str).map(str::to_owned));
    }
    let one = |value: &Value| value.as_str().map(str::to_owned);
    if let Some(value) = property.get("const") {
        return one(value).unwrap_or_else(|| value.to_string());
    }
    match &property["type"] {
        Value::Array(types) => either(types.iter().filter_map(one).filter(|name| name != "null")),
        Value::String(name) if name == "array" => format!("list of {}", type_of(root, &property["items"])),
        Value::String(name) => name.clone(),
        _ => ["anyOf", "oneOf"]
            .iter()
            .find_map(|key| property[*key].as_array())
            .map(|choices| choices.iter().map(|choice| type_of(root, choice)).filter(|name| name != "null"))
            .map_or_else(|| "any".to_owned(), either),
    }
}

/// Names of types or values, each once, and only the first of many.
fn either(names: impl Iterator<Item = String>) -> String {
    let mut shown: Vec<String> = Vec::new();
    for name in names {
        if !shown.contains(&name) {
            shown.push(name);
        }
    }
    if shown.len() > CHOICES_SHOWN {
        shown.truncate(CHOICES_SHOWN - 1);
        shown.push("…".into());
    }
    shown.join("|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_is_told_one_property_a_line() {
        let schema = json!({
            "type": "object",
            "required": ["text"],
            "properties": {
                "text": { "type": "string", "description": "What is said." },
                "voice": { "$ref": "#/$defs/Voice", "default": "slt" },
                "keys": { "type": ["array", "null"], "items": { "type": "string" } },
                "tags": { "type": "array", "items": { "type": "string" } },
                "rate": { "anyOf": [{ "type": "number" }, { "type": "null" }] },
                "how": { "oneOf": [{ "const": "cut", "type": "string" }, { "const": "fade", "type": "string" }] },
                "of": { "anyOf": [{ "type": "string" }, { "type": "object" }, { "type": "string" }] },
            },
            "$defs": { "Voice": { "enum": ["slt", "rms"] } },
        });
        let text = properties(&schema);
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        assert_eq!(
            lines,
            [
                "text   string          required  What is said.",
                "voice  slt|rms         = \"slt\"",
                "keys   array",
                "tags   list of string",
                "rate   number",
                "how    cut|fade",
                "of     string|object",
            ]
        );
    }
}
