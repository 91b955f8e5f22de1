//! What must never be seen: keys and tokens, in every form in which a request or an echo of it could show them.

use crate::url::encode;

/// What stands where a secret stood.
const MASK: &str = "***";

/// Secrets of one service.
#[derive(Clone, Default)]
pub struct Secrets(Vec<String>);

impl Secrets {
    /// Remembers a secret and the forms it takes in addresses and in JSON.
    pub fn add(&mut self, secret: &str) {
        if secret.is_empty() {
            return;
        }
        let json = serde_json::Value::from(secret).to_string();
        for form in [secret.to_owned(), encode(secret), json[1..json.len() - 1].to_owned()] {
            if !self.0.contains(&form) {
                self.0.push(form);
            }
        }
        // A longer form goes first, so that no part of it is left when it holds a shorter one.
        self.0.sort_by_key(|form| std::cmp::Reverse(form.len()));
    }

    /// The text without them.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), MASK))
    }
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secrets({})", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_masked_in_every_form() {
        let mut secrets = Secrets::default();
        secrets.add("");
        secrets.add("a+b/c\"d");
        secrets.add("a+b");
        let text = r#"key=a%2Bb%2Fc%22d, "a+b/c\"d", a+b/c"d, a+b, abc"#;
        assert_eq!(secrets.redact(text), r#"key=***, "***", ***, ***, abc"#);
        assert!(!format!("{secrets:?}").contains('b'));
    }
}
