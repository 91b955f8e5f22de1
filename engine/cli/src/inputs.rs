//! A run's inputs as they are given on the command line: a file, then flags over it.

use crate::exit::CliError;
use anyhow::Context as _;
use indexmap::IndexMap;
use reelmill_graph::InputDef;
use reelmill_spec::{Problems, yaml};
use serde_json::{Map, Value};
use std::fs;
use std::path::Path;

/// One `--input` or `--label`: a name and a text.
pub fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(format!("{text:?} is not NAME=VALUE")),
    }
}

/// One `--set`: a value of a stage's `with`.
#[derive(Clone, Debug, PartialEq)]
pub struct SetFlag {
    /// Path of the stage, where it was named.
    pub stage: Option<String>,
    /// Key of its `with`.
    pub key: String,
    /// The value.
    pub value: Value,
}

/// `STAGE.with.KEY=VALUE`, or without the stage. What is JSON is taken as that, anything else as text.
pub fn set(text: &str) -> Result<SetFlag, String> {
    let wrong = || format!("{text:?} is not STAGE.with.KEY=VALUE");
    let (place, value) = text.split_once('=').ok_or_else(wrong)?;
    let (stage, key) = match place.strip_prefix("with.") {
        Some(key) => (None, key),
        None => {
            place.rsplit_once(".with.").map(|(stage, key)| (Some(stage.to_owned()), key)).ok_or_else(wrong)?
        }
    };
    if key.is_empty() || key.contains('.') {
        return Err(format!(
            "{text:?} names no key of `with`; a value within another is set as a whole, as JSON"
        ));
    }
    let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
    Ok(SetFlag { stage, key: key.to_owned(), value })
}

/// The inputs of a file with those of the flags over them. A flag's text takes the type of its input; whether the
/// values fit is checked when the run is submitted.
pub fn gather(
    defs: &IndexMap<String, InputDef>,
    file: Option<&Path>,
    flags: &[(String, String)],
) -> Result<Map<String, Value>, CliError> {
    let mut inputs = match file {
        Some(file) => read(file)?,
        None => Map::new(),
    };
    for (name, text) in flags {
        let value = defs
            .get(name)
            .map_or_else(|| Value::from(text.as_str()), |def| reelmill_spec::parse_flag(def, text));
        inputs.insert(name.clone(), value);
    }
    Ok(inputs)
}

/// A YAML or JSON file that holds a map. It is read by the rules of pipeline files: `no` is a text, and a key that
/// stands twice is a mistake.
fn read(file: &Path) -> Result<Map<String, Value>, CliError> {
    let name = file.display().to_string();
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {name}"))?;
    let mut problems = Problems::default();
    let tree = yaml::read(&text, &mut problems);
    let value = tree.as_ref().map(yaml::Node::to_json);
    let diagnostics = problems.finish(tree.as_ref());
    match value {
        Some(Value::Object(inputs)) if diagnostics.is_empty() => Ok(inputs),
        _ if diagnostics.is_empty() => Err(CliError::Invalid(format!("{name} is no map of inputs"))),
        _ => {
            let shown = reelmill_spec::render(&diagnostics, &text, &name, false);
            Err(CliError::Invalid(format!("{name} cannot be read:\n{}", shown.trim_end())))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn flags_stand_over_the_file() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let file = folder.path().join("in.yaml");
        fs::write(&file, "topic: Tides\nlanguage: no\nscenes: 3\n").expect("a file can be written");
        let flags = [("topic".to_owned(), "Moons = stones".to_owned())];
        let inputs = gather(&IndexMap::new(), Some(&file), &flags).expect("they can be read");
        assert_eq!(
            Value::Object(inputs),
            json!({ "topic": "Moons = stones", "language": "no", "scenes": 3 })
        );
    }

    #[test]
    fn what_is_no_map_is_told_with_its_file() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let file = folder.path().join("in.json");
        fs::write(&file, "[1, 2]").expect("a file can be written");
        let error = gather(&IndexMap::new(), Some(&file), &[]).expect_err("it is a list");
        assert_eq!(error.exit().code(), 78);
        assert!(error.to_string().contains("in.json"), "{error}");
    }

    #[test]
    fn a_setting_names_a_key_and_its_value_is_json_or_text() {
        let flag = |stage: Option<&str>, value: Value| {
            Ok(SetFlag { stage: stage.map(str::to_owned), key: "key".to_owned(), value })
        };
        assert_eq!(set("with.key=3"), flag(None, json!(3)));
        assert_eq!(set("scene.clip.with.key=[1]"), flag(Some("scene.clip"), json!([1])));
        assert_eq!(set("with.key=a = b"), flag(None, json!("a = b")));
        for wrong in ["key=3", "with.=3", "with.a.b=3", "with.key", "clip.key=3"] {
            assert!(set(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_pair_has_a_name() {
        assert_eq!(pair("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        assert_eq!(pair("a="), Ok(("a".to_owned(), String::new())));
        assert!(pair("=b").is_err() && pair("a").is_err());
    }
}
