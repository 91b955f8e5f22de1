//! What can be wrong with a manifest, seen without running anything.

use crate::check;
use reelmill_model::limits::ID_CHARS_MAX;
use reelmill_model::{Manifest, PluginKind, StageManifest};
use serde_json::Value;
use std::collections::HashSet;

/// Stages of one plugin.
const STAGES_MAX: usize = 200;

/// Everything wrong with a manifest, each in a sentence; empty when it is right.
#[must_use]
pub fn faults(manifest: &Manifest) -> Vec<String> {
    let mut faults = Vec::new();
    if !is_id(&manifest.name) {
        faults.push(id_fault("the plugin's name", &manifest.name));
    }
    if !is_version(&manifest.version) {
        faults.push(version_fault("the plugin", &manifest.version));
    }
    if manifest.license.trim().is_empty() {
        faults.push("`license` is empty; say an SPDX expression such as `MIT`".to_owned());
    }
    match (manifest.kind, manifest.command.is_empty()) {
        (PluginKind::Exec, true) => faults.push("an exec plugin needs a `command`".to_owned()),
        (PluginKind::Native, false) => faults.push("a native plugin has no `command`".to_owned()),
        _ => {}
    }
    if manifest.stages.is_empty() || manifest.stages.len() > STAGES_MAX {
        faults.push(format!("it has {} stages; 1 to {STAGES_MAX} are possible", manifest.stages.len()));
    }
    let mut seen = HashSet::new();
    for stage in &manifest.stages {
        if !seen.insert((&stage.id, stage.major())) {
            faults.push(format!("stage `{}@{}` is there twice", stage.id, stage.major()));
        }
        stage_faults(stage, &mut faults);
    }
    faults
}

fn stage_faults(stage: &StageManifest, faults: &mut Vec<String>) {
    let id = &stage.id;
    if !is_id(id) {
        faults.push(id_fault("a stage's id", id));
    }
    if !is_version(&stage.version) {
        faults.push(version_fault(&format!("stage `{id}`"), &stage.version));
    }
    if let Some(path) = stage.needs.read.iter().find(|path| !path.starts_with('/')) {
        faults.push(format!("stage `{id}` needs to read `{path}`, which is not an absolute path"));
    }
    for (what, schema) in [("input", &stage.input), ("output", &stage.output)] {
        if let Err(reason) = check::compile(schema) {
            faults.push(format!("the {what} schema of stage `{id}` is unusable: {reason}"));
        } else if !is_object_schema(schema) {
            faults.push(format!("the {what} schema of stage `{id}` must have `\"type\": \"object\"`"));
        }
    }
    if let Ok(validator) = check::compile(&stage.input) {
        for example in &stage.examples {
            if let Some(problems) = check::problems(&validator, &example.with) {
                faults.push(format!(
                    "the example \"{}\" of stage `{id}` is refused by its own schema: {problems}",
                    example.note
                ));
            }
        }
    }
}

fn is_object_schema(schema: &Value) -> bool {
    schema.get("type") == Some(&Value::from("object"))
        || ["oneOf", "anyOf", "allOf", "$ref"].iter().any(|key| schema.get(key).is_some())
}

fn is_id(text: &str) -> bool {
    text.len() <= ID_CHARS_MAX
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

fn id_fault(what: &str, text: &str) -> String {
    format!("{what} is `{text}`; it must match [a-z][a-z0-9_]* and have at most {ID_CHARS_MAX} characters")
}

/// Three numbers, then perhaps a pre-release or a build.
fn is_version(text: &str) -> bool {
    let core = text.split(['-', '+']).next().unwrap_or_default();
    let parts: Vec<&str> = core.split('.').collect();
    parts.len() == 3 && parts.iter().all(|part| part.parse::<u32>().is_ok())
}

fn version_fault(what: &str, text: &str) -> String {
    format!("{what} has version `{text}`; it must be three numbers such as `1.0.0`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn manifest(change: impl FnOnce(&mut Value)) -> Manifest {
        let mut value = json!({
            "name": "acme", "version": "1.0.0", "license": "MIT", "kind": "exec", "command": ["python3", "main.py"],
            "stages": [{
                "id": "shout", "version": "1.0.0", "summary": "",
                "input": { "type": "object", "required": ["text"] }, "output": { "type": "object" },
                "examples": [{ "note": "hey", "with": { "text": "hey" } }]
            }]
        });
        change(&mut value);
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_right_manifest_has_no_faults() {
        assert_eq!(faults(&manifest(|_| ())), Vec::<String>::new());
    }

    #[test]
    fn each_fault_is_named() {
        let fault = |change: fn(&mut Value)| faults(&manifest(change)).join("; ");
        assert!(fault(|m| m["name"] = "Acme".into()).contains("`Acme`"));
        assert!(fault(|m| m["version"] = "1".into()).contains("`1.0.0`"));
        assert!(fault(|m| m["command"] = json!([])).contains("`command`"));
        assert!(fault(|m| m["stages"] = json!([])).contains("0 stages"));
        assert!(fault(|m| m["stages"][0]["input"] = json!({ "type": "nonsense" })).contains("unusable"));
        assert!(fault(|m| m["stages"][0]["output"] = json!({ "type": "array" })).contains("object"));
        assert!(fault(|m| m["stages"][0]["examples"][0]["with"] = json!({})).contains("\"hey\""));
        assert!(fault(|m| m["stages"][0]["needs"] = json!({ "read": ["data"] })).contains("absolute"));
        assert!(fault(|m| m["stages"] = json!([m["stages"][0], m["stages"][0]])).contains("twice"));
    }
}
