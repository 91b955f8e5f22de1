//! Every crate that is built carries a licence that `deny.toml` allows; proved here, so that the rule holds where
//! cargo-deny is not installed.

use cargo_metadata::MetadataCommand;

/// The strings of `allow = [ … ]` under `[licenses]`.
fn allowed(deny_toml: &str) -> Vec<String> {
    deny_toml
        .lines()
        .skip_while(|line| line.trim() != "[licenses]")
        .skip_while(|line| line.trim() != "allow = [")
        .skip(1)
        .take_while(|line| line.trim() != "]")
        .filter(|line| !line.trim_start().starts_with('#'))
        .filter_map(|line| line.split('"').nth(1).map(str::to_owned))
        .collect()
}

/// Whether an SPDX expression can be met with these licences. `AND` binds tighter than `OR`; crates.io also
/// holds the older `A/B`, which means `OR`.
fn is_met(expression: &str, allowed: &[String]) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let (met, rest) = any_of(&words, allowed);
    met && rest.is_empty()
}

fn any_of<'a, 'w>(words: &'a [&'w str], allowed: &[String]) -> (bool, &'a [&'w str]) {
    let (mut met, mut rest) = all_of(words, allowed);
    while let ["OR", after @ ..] = rest {
        let (other, behind) = all_of(after, allowed);
        (met, rest) = (met || other, behind);
    }
    (met, rest)
}

fn all_of<'a, 'w>(words: &'a [&'w str], allowed: &[String]) -> (bool, &'a [&'w str]) {
    let (mut met, mut rest) = one(words, allowed);
    while let ["AND", after @ ..] = rest {
        let (other, behind) = one(after, allowed);
        (met, rest) = (met && other, behind);
    }
    (met, rest)
}

fn one<'a, 'w>(words: &'a [&'w str], allowed: &[String]) -> (bool, &'a [&'w str]) {
    match words {
        ["(", inner @ ..] => {
            let (met, rest) = any_of(inner, allowed);
            match rest {
                [")", after @ ..] => (met, after),
                _ => (false, rest),
            }
        }
        [licence, "WITH", exception, rest @ ..] => {
            (allowed.contains(&format!("{licence} WITH {exception}")), rest)
        }
        [licence, rest @ ..] => (allowed.iter().any(|name| name == licence), rest),
        [] => (false, words),
    }
}

#[test]
fn expressions_are_read_as_spdx_says() {
    let allowed = ["MIT".to_owned(), "Apache-2.0".to_owned(), "Apache-2.0 WITH LLVM-exception".to_owned()];
    for met in [
        "MIT",
        "MIT OR GPL-3.0",
        "GPL-3.0/MIT",
        "(MIT OR X) AND Apache-2.0",
        "X OR Apache-2.0 WITH LLVM-exception",
    ] {
        assert!(is_met(met, &allowed), "{met}");
    }
    for refused in ["GPL-3.0", "MIT AND GPL-3.0", "(MIT OR X) AND Y", "MIT WITH Odd-exception", "", "(MIT"] {
        assert!(!is_met(refused, &allowed), "{refused}");
    }
}

#[test]
fn every_crate_has_an_allowed_licence() {
    let root = reelmill_tests::repository();
    let deny_toml = std::fs::read_to_string(root.join("deny.toml")).expect("deny.toml can be read");
    let allowed = allowed(&deny_toml);
    assert!(allowed.contains(&"MIT".to_owned()), "the list was not found in deny.toml");
    let metadata = MetadataCommand::new()
        .manifest_path(root.join("Cargo.toml"))
        .other_options(reelmill_tests::METADATA_OPTIONS.map(str::to_owned))
        .exec()
        .expect("cargo metadata answers for this workspace");
    let refused: Vec<String> = metadata
        .packages
        .iter()
        .filter(|package| !is_met(package.license.as_deref().unwrap_or(""), &allowed))
        .map(|package| format!("{} {}: {:?}", package.name, package.version, package.license))
        .collect();
    assert!(refused.is_empty(), "look at these licences, then allow or replace them: {refused:#?}");
}
