//! Secrets: resolved here, just before the plugin gets them, and struck out of everything that leaves an
//! attempt. They are never stored, logged or made part of a cache key.

use reelmill_model::artifact::SECRET_KEY;
use reelmill_model::{Failure, FailureClass};
use serde_json::Value;
use std::path::PathBuf;

/// What stands where a secret stood.
const STRUCK_OUT: &str = "***";
/// Shorter values are not struck out: they would strike out ordinary words.
const STRIKE_CHARS_MIN: usize = 4;

/// Where secrets come from: the environment first, then a folder with one file a secret.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    /// The folder.
    pub folder: Option<PathBuf>,
}

impl Secrets {
    /// The variable that holds a secret.
    #[must_use]
    pub fn variable(name: &str) -> String {
        format!("REELMILL_SECRET_{}", name.to_uppercase())
    }

    /// The value of a secret.
    pub fn get(&self, name: &str) -> Result<String, Failure> {
        let variable = Self::variable(name);
        if let Ok(value) = std::env::var(&variable) {
            return Ok(value);
        }
        let file = self.folder.as_ref().map(|folder| folder.join(name));
        if let Some(value) = file.as_ref().and_then(|file| std::fs::read_to_string(file).ok()) {
            return Ok(value.trim_end_matches(['\r', '\n']).to_owned());
        }
        let place = file.map_or(String::new(), |file| format!(", or write it to {}", file.display()));
        let message = format!("secret `{name}` has no value; set {variable}{place}");
        Err(Failure::new(FailureClass::InvalidConfig, message).with_code("secret_missing"))
    }

    /// Puts the values in the place of `{"$secret": name}`; gives what must be struck out.
    pub fn resolve(&self, with: &mut Value) -> Result<Redactor, Failure> {
        let mut redactor = Redactor::default();
        self.resolve_value(with, &mut redactor)?;
        Ok(redactor)
    }

    fn resolve_value(&self, value: &mut Value, redactor: &mut Redactor) -> Result<(), Failure> {
        match value {
            Value::Array(items) => items.iter_mut().try_for_each(|item| self.resolve_value(item, redactor)),
            Value::Object(map) => {
                if let Some(Value::String(name)) = map.get(SECRET_KEY) {
                    let secret = self.get(name)?;
                    redactor.add(&secret);
                    *value = Value::String(secret);
                    return Ok(());
                }
                map.values_mut().try_for_each(|item| self.resolve_value(item, redactor))
            }
            _ => Ok(()),
        }
    }
}

/// Strikes secrets out of text.
#[derive(Clone, Debug, Default)]
pub struct Redactor {
    // Invariant: longest first, so that a secret that contains another is struck out whole.
    values: Vec<String>,
}

impl Redactor {
    fn add(&mut self, secret: &str) {
        let json = Value::from(secret).to_string();
        let escaped = json.trim_matches('"').to_owned();
        for value in [secret.to_owned(), escaped] {
            if value.chars().count() >= STRIKE_CHARS_MIN && !self.values.contains(&value) {
                self.values.push(value);
            }
        }
        self.values.sort_by_key(|value| std::cmp::Reverse(value.len()));
    }

    /// The text without secrets.
    #[must_use]
    pub fn text(&self, text: &str) -> String {
        self.values.iter().fold(text.to_owned(), |text, secret| text.replace(secret, STRUCK_OUT))
    }

    /// The value without secrets, in keys and strings alike.
    #[must_use]
    pub fn value(&self, value: Value) -> Value {
        if self.values.is_empty() {
            return value;
        }
        match value {
            Value::String(text) => Value::String(self.text(&text)),
            Value::Array(items) => items.into_iter().map(|item| self.value(item)).collect(),
            Value::Object(map) => {
                map.into_iter().map(|(key, item)| (self.text(&key), self.value(item))).collect()
            }
            other => other,
        }
    }

    /// The failure without secrets.
    #[must_use]
    pub fn failure(&self, mut failure: Failure) -> Failure {
        failure.message = self.text(&failure.message);
        failure.code = self.text(&failure.code);
        failure.causes = failure.causes.iter().map(|cause| self.text(cause)).collect();
        failure.detail = failure.detail.map(|detail| self.value(detail));
        failure
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_secret_is_put_in_and_struck_out_everywhere() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("tts_key"), "s3cr\"et\n").expect("written");
        let secrets = Secrets { folder: Some(folder.path().to_owned()) };
        let mut with = json!({"auth": [{"$secret": "tts_key"}], "text": "hi"});
        let redactor = secrets.resolve(&mut with).expect("resolved");
        assert_eq!(with, json!({"auth": ["s3cr\"et"], "text": "hi"}));
        assert_eq!(redactor.text("key s3cr\"et used"), "key *** used");
        assert_eq!(redactor.text(r#"{"key":"s3cr\"et"}"#), r#"{"key":"***"}"#);
        assert_eq!(redactor.value(json!({"s3cr\"et": ["s3cr\"et!"]})), json!({"***": ["***!"]}));
    }

    #[test]
    fn a_missing_secret_says_where_to_put_it() {
        let failure = Secrets::default().get("no_such").expect_err("it is not set");
        assert_eq!(failure.class, FailureClass::InvalidConfig);
        assert!(failure.message.contains("REELMILL_SECRET_NO_SUCH"), "{}", failure.message);
    }
}
