//! New plugins from templates that are part of this program. Each builds and passes the checks as it is.

use std::io::{Error, ErrorKind, Result};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// What a plugin is written in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Language {
    /// With the SDK.
    Rust,
    /// From the header alone.
    C,
    /// A program; nothing but the standard library.
    Python,
}

impl FromStr for Language {
    type Err = String;
    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text {
            "rust" => Ok(Self::Rust),
            "c" => Ok(Self::C),
            "python" => Ok(Self::Python),
            _ => Err(format!("`{text}` is no language of a template; there are rust, c and python")),
        }
    }
}

/// One file of a template: its path and its text.
type File = (&'static str, &'static str);

const RUST: &[File] = &[
    ("Cargo.toml", include_str!("../templates/rust/Cargo.toml.txt")),
    ("src/lib.rs", include_str!("../templates/rust/src/lib.rs.txt")),
    (".gitignore", "/target\n"),
];
const C: &[File] = &[
    ("Makefile", include_str!("../templates/c/Makefile.txt")),
    ("plugin.c", include_str!("../templates/c/plugin.c.txt")),
    ("reelmill_plugin.h", include_str!("../../../schemas/reelmill_plugin.h")),
    (".gitignore", "*.so\n"),
];
const PYTHON: &[File] = &[
    ("plugin.json", include_str!("../templates/python/plugin.json.txt")),
    ("main.py", include_str!("../templates/python/main.py.txt")),
];

/// What a template says where the plugin's name belongs.
const NAME: &str = "{{name}}";
/// What the Rust template says where its dependency on the SDK belongs.
const SDK: &str = "{{sdk}}";

/// Writes a new plugin into a folder that is empty or not there yet, and says which files it wrote. `sdk` is the
/// folder of the SDK for a Rust plugin; without it, the one of the checkout this program was built in, or else
/// the released one.
///
/// # Errors
/// `InvalidInput` when the name cannot be a plugin's, `AlreadyExists` when the folder has something in it.
pub fn scaffold(dir: &Path, name: &str, language: Language, sdk: Option<&Path>) -> Result<Vec<PathBuf>> {
    check_name(name)?;
    if dir.exists() && dir.read_dir()?.next().is_some() {
        let message = format!("{} is not empty; name another folder", dir.display());
        return Err(Error::new(ErrorKind::AlreadyExists, message));
    }
    let files = match language {
        Language::Rust => RUST,
        Language::C => C,
        Language::Python => PYTHON,
    };
    let sdk = dependency(sdk)?;
    let mut written = Vec::with_capacity(files.len());
    for (path, text) in files {
        let path = dir.join(path);
        std::fs::create_dir_all(path.parent().unwrap_or(dir))?;
        std::fs::write(&path, text.replace(NAME, name).replace(SDK, &sdk))?;
        written.push(path);
    }
    Ok(written)
}

fn check_name(name: &str) -> Result<()> {
    let right = name.len() <= reelmill_model::limits::ID_CHARS_MAX
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if right {
        return Ok(());
    }
    let message = format!("`{name}` cannot be a plugin's name: it must match [a-z][a-z0-9_]*");
    Err(Error::new(ErrorKind::InvalidInput, message))
}

/// The right-hand side of `reelmill-sdk = …`.
fn dependency(sdk: Option<&Path>) -> Result<String> {
    let folder = match sdk {
        Some(sdk) => Some(sdk.canonicalize()?),
        None => checkout_sdk(),
    };
    Ok(match folder {
        Some(folder) => format!("{{ path = {:?} }}", folder.to_string_lossy()),
        None => format!("{:?}", env!("CARGO_PKG_VERSION")),
    })
}

/// The SDK of the checkout in which this program was built and still lies.
fn checkout_sdk() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    program.ancestors().map(|dir| dir.join("plugins/sdk")).find(|sdk| sdk.join("Cargo.toml").is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_with_something_in_it_and_a_wrong_name_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("mine"), "x").unwrap();
        let error = scaffold(dir.path(), "acme", Language::C, None).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        let error = scaffold(&dir.path().join("new"), "Acme", Language::C, None).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(!dir.path().join("new").exists());
    }

    #[test]
    fn no_placeholder_is_left() {
        let dir = tempfile::tempdir().unwrap();
        for (folder, language) in [("r", Language::Rust), ("c", Language::C), ("p", Language::Python)] {
            for file in scaffold(&dir.path().join(folder), "acme", language, None).unwrap() {
                let text = std::fs::read_to_string(&file).unwrap();
                assert!(!text.contains(NAME) && !text.contains(SDK), "{}", file.display());
            }
        }
    }
}
