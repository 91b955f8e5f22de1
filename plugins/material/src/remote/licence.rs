//! What a licence lets one do, read from the names that services give it.

use reelmill_sdk::prelude::*;

/// Which licences may be used.
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Licences {
    /// Also files that must not be used to earn money (NC).
    pub non_commercial: bool,
    /// Also files that must not be changed (ND): a crop or a caption is a change.
    pub no_derivatives: bool,
    /// Also files whose licence the result has to be given too (SA).
    pub share_alike: bool,
    /// Also files whose licence is not known.
    pub unknown: bool,
}

impl Default for Licences {
    fn default() -> Self {
        Self { non_commercial: false, no_derivatives: false, share_alike: true, unknown: false }
    }
}

/// A licence, as far as it matters here.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Licence {
    /// Its name for people: `CC BY-SA 4.0`.
    pub name: String,
    /// Where it can be read.
    pub url: Option<String>,
    terms: Terms,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Terms {
    /// Nobody can tell.
    #[default]
    Unknown,
    /// Free to use, change and sell; with these conditions.
    Open { non_commercial: bool, no_derivatives: bool, share_alike: bool },
}

impl Licence {
    /// The licence of a service's own, which lets one use, change and sell.
    pub fn of_service(name: &str, url: &str) -> Self {
        let terms = Terms::Open { non_commercial: false, no_derivatives: false, share_alike: false };
        Self { name: name.to_owned(), url: Some(url.to_owned()), terms }
    }

    /// The licence of a name such as `CC BY-SA 4.0`, `by-nc`, `cc0`, `pdm` or `Public domain`.
    pub fn named(name: &str, url: Option<&str>) -> Self {
        let lower = name.to_ascii_lowercase();
        let parts: Vec<&str> = lower.split(|mark: char| !mark.is_ascii_alphanumeric()).collect();
        let has = |part: &str| parts.contains(&part);
        let is_open = has("cc") || has("by") || has("cc0") || has("pdm") || has("zero") || has("sampling");
        let is_public = lower.contains("public domain") || has("pd") || lower.contains("no restrictions");
        let terms = if is_open || is_public {
            Terms::Open {
                // The sampling licences forbid advertising and unchanged use: treated as the strictest.
                non_commercial: has("nc") || has("noncommercial") || has("sampling"),
                no_derivatives: has("nd") || has("noderivs") || has("noderivatives"),
                share_alike: has("sa") || has("sharealike"),
            }
        } else {
            Terms::Unknown
        };
        Self { name: name.trim().to_owned(), url: url.map(str::to_owned), terms }
    }

    /// Whether a file under it may be used.
    pub const fn is_allowed(&self, wanted: Licences) -> bool {
        match self.terms {
            Terms::Unknown => wanted.unknown,
            Terms::Open { non_commercial, no_derivatives, share_alike } => {
                (wanted.non_commercial || !non_commercial)
                    && (wanted.no_derivatives || !no_derivatives)
                    && (wanted.share_alike || !share_alike)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_must_not_be_sold_or_changed_is_left_out_unless_asked_for() {
        let strict = Licences { share_alike: false, ..Licences::default() };
        let all = Licences { non_commercial: true, no_derivatives: true, share_alike: true, unknown: true };
        for (name, by_default, strictly) in [
            ("CC BY-SA 4.0", true, false),
            ("CC BY 2.0", true, true),
            ("CC0", true, true),
            ("Public domain", true, true),
            ("pdm", true, true),
            ("by", true, true),
            ("by-nc", false, false),
            ("by-nd", false, false),
            ("CC BY-NC-SA 2.0", false, false),
            ("sampling+", false, false),
            ("Fair use", false, false),
            ("", false, false),
        ] {
            let licence = Licence::named(name, None);
            assert_eq!(licence.is_allowed(Licences::default()), by_default, "{name}");
            assert_eq!(licence.is_allowed(strict), strictly, "{name}");
            assert!(licence.is_allowed(all), "{name}");
        }
        assert!(Licence::of_service("Pexels License", "u").is_allowed(strict));
    }
}
