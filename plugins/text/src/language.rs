//! Language tags, reduced to what the rules here tell apart.

/// The primary language of a tag such as `en-GB` or `zh_Hans`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Language(String);

impl Language {
    /// Reads a tag: case and region are dropped, and the two written forms of Norwegian become `no`.
    #[must_use]
    pub fn of(tag: &str) -> Self {
        let primary = tag.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase();
        Self(match primary.as_str() {
            "nb" | "nn" => "no".to_owned(),
            "cmn" => "zh".to_owned(),
            _ => primary,
        })
    }

    /// The lower-case primary tag.
    #[must_use]
    pub fn tag(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn region_and_case_are_dropped() {
        for (tag, primary) in [("en-GB", "en"), ("ZH_Hans", "zh"), ("nb", "no"), ("cmn", "zh"), ("", "")] {
            assert_eq!(Language::of(tag).tag(), primary, "{tag}");
        }
    }
}
