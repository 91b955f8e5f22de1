//! Keys: who may do what. Without keys everybody who reaches the server may do everything, which is why it then listens
//! on this machine only.

use std::fmt;

/// Characters that a key has at least: fewer can be guessed.
const KEY_CHARS_MIN: usize = 16;
/// Keys of one file.
const KEYS_MAX: usize = 1_000;

/// What somebody may do; each may do what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Look at everything.
    Viewer,
    /// Upload files, and start runs of pipelines that are there.
    Submitter,
    /// Start pipelines of their own; cancel, retry, approve and delete runs; delete files; pause queues.
    Operator,
    /// Register and remove pipelines.
    Admin,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Submitter, Self::Operator, Self::Admin];

    /// Its word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Submitter => "submitter",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

/// Whoever asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Its name, as the file of keys has it.
    pub name: String,
    /// What it may do.
    pub role: Role,
}

/// A file of keys cannot be used. The key itself is never told.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("line {line}: {what}")]
pub struct KeysError {
    /// Where.
    line: usize,
    /// What is wrong.
    what: String,
}

/// One key; only its hash is kept.
struct Key {
    hash: blake3::Hash,
    caller: Caller,
}

/// The keys that there are.
#[derive(Default)]
pub struct Keys(Vec<Key>);

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} keys", self.0.len())
    }
}

impl Keys {
    /// Reads a file of keys: a line each, `NAME ROLE KEY`; empty lines and those with `#` in front say nothing.
    pub fn parse(text: &str) -> Result<Self, KeysError> {
        let mut keys: Vec<Key> = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let wrong = |what: String| KeysError { line: index + 1, what };
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let parts: Vec<&str> = line.split_whitespace().collect();
            let [name, role, key] = parts[..] else {
                return Err(wrong("write NAME ROLE KEY, with blanks between them".to_owned()));
            };
            let role = Role::ALL.into_iter().find(|one| one.word() == role).ok_or_else(|| {
                let words = Role::ALL.map(Role::word).join(", ");
                wrong(format!("`{role}` is no role; there are {words}"))
            })?;
            if key.len() < KEY_CHARS_MIN {
                let what = format!(
                    "a key has {KEY_CHARS_MIN} characters at least: `openssl rand -hex 24` makes one"
                );
                return Err(wrong(what));
            }
            let hash = blake3::hash(key.as_bytes());
            if keys.iter().any(|other| other.hash == hash) {
                return Err(wrong("this key stands in an earlier line too".to_owned()));
            }
            if keys.len() == KEYS_MAX {
                return Err(wrong(format!("there are more than {KEYS_MAX} keys")));
            }
            keys.push(Key { hash, caller: Caller { name: name.to_owned(), role } });
        }
        if keys.is_empty() {
            return Err(KeysError { line: 1, what: "there is no key in it".to_owned() });
        }
        Ok(Self(keys))
    }

    /// Whether there are none: then nobody is asked for one.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whose key this is. Hashes are compared, in constant time.
    pub fn caller(&self, key: &str) -> Option<Caller> {
        let hash = blake3::hash(key.as_bytes());
        self.0.iter().find(|one| one.hash == hash).map(|one| one.caller.clone())
    }

    /// Whoever asks where there are no keys.
    pub fn anyone() -> Caller {
        Caller { name: "local".to_owned(), role: Role::Admin }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "0123456789abcdef0123";

    #[test]
    fn a_key_has_a_name_and_a_role() {
        let keys =
            Keys::parse(&format!("# people\n\nann operator {KEY}\nbob viewer {KEY}b\n")).expect("keys");
        assert_eq!(keys.caller(KEY), Some(Caller { name: "ann".to_owned(), role: Role::Operator }));
        assert_eq!(keys.caller(&format!("{KEY}b")).map(|caller| caller.role), Some(Role::Viewer));
        assert_eq!(keys.caller(&KEY[1..]), None);
        assert!(
            Role::Viewer < Role::Submitter
                && Role::Submitter < Role::Operator
                && Role::Operator < Role::Admin
        );
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line_and_without_the_key() {
        for (text, line) in [
            (format!("ann operator {KEY}\nbob boss {KEY}b"), 2),
            (format!("ann {KEY}"), 1),
            ("\nann viewer short".to_owned(), 2),
            (format!("ann viewer {KEY}\nbob admin {KEY}"), 2),
            ("# nobody\n".to_owned(), 1),
        ] {
            let error = Keys::parse(&text).expect_err(&text);
            assert_eq!(error.line, line, "{error}");
            assert!(!error.to_string().contains(KEY), "{error}");
        }
    }
}
