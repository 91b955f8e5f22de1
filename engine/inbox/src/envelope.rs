//! The envelope: what one entry of the inbox says. Its JSON Schema is `schemas/envelope.schema.json`.

use reelmill_model::limits::{
    ENVELOPE_ID_CHARS_MAX, ENVELOPE_LABEL_CHARS_MAX, ENVELOPE_LABELS_MAX, ID_CHARS_MAX, PIPELINE_BYTES_MAX,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// A run that another system asks for: JSON in the field `envelope` of an entry of the stream `rm:inbox`. It names its
/// pipeline by `pipeline`, or brings it as `yaml`: exactly one of them.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Reelmill envelope")]
pub struct Envelope {
    /// Version of the envelope: 1.
    #[schemars(extend("const" = 1))]
    pub version: u8,
    /// Names the request within its namespace. The same id again, within seven days, is the same run: whoever is
    /// not sure that an envelope arrived sends it once more.
    #[schemars(length(min = 1, max = ENVELOPE_ID_CHARS_MAX))]
    pub id: String,
    /// A registered pipeline: `name` for its newest revision, `name@3` for one of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", extend("pattern" = "^[a-z][a-z0-9_]*(@[0-9]{1,9})?$"))]
    pub pipeline: Option<String>,
    /// The text of a pipeline, instead of the name of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(min = 1, max = PIPELINE_BYTES_MAX))]
    pub yaml: Option<String>,
    /// The run's inputs, by name.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub inputs: Map<String, Value>,
    /// Name of the run for people; the pipeline's unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(min = 1, max = ENVELOPE_LABEL_CHARS_MAX))]
    pub name: Option<String>,
    /// Labels of the run, beside those of the pipeline.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = ENVELOPE_LABELS_MAX, "additionalProperties" = label()))]
    pub labels: BTreeMap<String, String>,
    /// Tenant whose run it is; `default` unless given.
    #[serde(default = "default_namespace")]
    #[schemars(extend("pattern" = "^[a-z][a-z0-9_]*$"), length(max = ID_CHARS_MAX))]
    pub namespace: String,
    /// Larger goes first; 5 unless given.
    #[serde(default = "default_priority")]
    #[schemars(range(max = 9))]
    pub priority: u8,
    /// Seed for whatever stages draw at random; drawn from pipeline and inputs unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u64")]
    pub seed: Option<u64>,
}

fn label() -> Value {
    serde_json::json!({ "type": "string", "maxLength": ENVELOPE_LABEL_CHARS_MAX })
}

fn default_namespace() -> String {
    "default".to_owned()
}

const fn default_priority() -> u8 {
    5
}

impl Envelope {
    /// The version this code reads.
    pub const VERSION: u8 = 1;

    /// A request for a run of a registered pipeline, with everything else left as it is by default.
    #[must_use]
    pub fn new(id: impl Into<String>, pipeline: impl Into<String>) -> Self {
        Self {
            version: Self::VERSION,
            id: id.into(),
            pipeline: Some(pipeline.into()),
            yaml: None,
            inputs: Map::new(),
            name: None,
            labels: BTreeMap::new(),
            namespace: default_namespace(),
            priority: default_priority(),
            seed: None,
        }
    }
}

/// JSON Schema 2020-12 of an envelope, as editors and other systems use it: with the rule that exactly one of
/// `pipeline` and `yaml` stands there.
#[must_use]
pub fn schema() -> Value {
    let mut schema = parts();
    if let Some(map) = schema.as_object_mut() {
        let one = |key: &str| serde_json::json!({ "required": [key] });
        map.insert("oneOf".to_owned(), Value::Array(vec![one("pipeline"), one("yaml")]));
    }
    schema
}

/// The same without that rule, which the parser tells in words of its own.
pub(crate) fn parts() -> Value {
    schemars::schema_for!(Envelope).to_value()
}
