//! `material.credits`: who is to be named for a video, merged over its scenes, in a file for machines and one for
//! people.

use crate::types::Credit;
use reelmill_sdk::prelude::*;
use std::collections::BTreeSet;

/// Credits of one video at the most.
const CREDITS_MAX: usize = 10_000;

/// One credit, or those of a scene, or of scenes.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub enum Given {
    // Lists first: an empty one would be read as a credit without fields.
    /// Those of a scene.
    Scene(Vec<Credit>),
    /// One.
    One(Box<Credit>),
}

/// `with` of `material.credits`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CreditsInput {
    /// What `material.plan` or `material.fetch` put out as `credits`; of a fan-out, the list of all.
    #[schemars(length(max = 10000))]
    pub credits: Vec<Given>,
    /// Files to leave out, as their names stand in `items`.
    #[serde(default)]
    pub exclude: Vec<String>,
    /// The line above the list.
    #[serde(default = "heading")]
    #[schemars(length(max = 200))]
    pub heading: String,
}

fn heading() -> String {
    "Footage and pictures".to_owned()
}

/// What `material.credits` puts out.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct CreditsOutput {
    /// `credits.json`: everything that is known.
    pub json: OutputFile,
    /// `credits.txt`: a line for each file.
    pub text: OutputFile,
    /// The lines, for a description or an end card.
    pub lines: Vec<String>,
    /// The credits, each file once.
    pub credits: Vec<Credit>,
}

/// The stage `material.credits`.
pub struct Credits;

impl Stage for Credits {
    const ID: &'static str = "credits";
    const VERSION: &'static str = "1.0.0";
    const SUMMARY: &'static str = "Merges the credits of a video's scenes into credits.json and credits.txt";
    type Input = CreditsInput;
    type Output = CreditsOutput;

    fn traits() -> StageTraits {
        StageTraits {
            examples: vec![Example {
                note: "Credits of two scenes; `credits` is what material.fetch puts out".into(),
                with: json!({
                    "credits": [
                        [{ "file": "pexels:857251", "author": "A. B.", "licence": "Pexels License" }],
                        [{ "file": "sea.jpg", "author": "C. D.", "licence": "CC BY 4.0" }]
                    ]
                }),
            }],
            ..StageTraits::default()
        }
    }

    fn open() -> Result<Self, StageError> {
        Ok(Self)
    }

    fn run(&mut self, input: CreditsInput, cx: &Cx<'_>) -> Result<CreditsOutput, StageError> {
        let credits = merged(input.credits, &input.exclude);
        if credits.len() > CREDITS_MAX {
            return Err(StageError::invalid_input(format!("`credits` has more than {CREDITS_MAX} files")));
        }
        let lines: Vec<String> = credits.iter().map(line).collect();
        let json = json!({ "version": 1, "heading": input.heading, "credits": credits });
        let json =
            serde_json::to_vec_pretty(&json).map_err(|error| StageError::internal(error.to_string()))?;
        std::fs::write(cx.output("credits.json"), json).context("write credits.json")?;
        let text = format!("{}\n\n{}\n", input.heading, lines.join("\n"));
        std::fs::write(cx.output("credits.txt"), text).context("write credits.txt")?;
        Ok(CreditsOutput {
            json: OutputFile::new(cx, "credits.json", "application/json")?,
            text: OutputFile::new(cx, "credits.txt", "text/plain")?,
            lines,
            credits,
        })
    }
}

/// What scenes said; each file once, in the order of names.
fn merged(given: Vec<Given>, exclude: &[String]) -> Vec<Credit> {
    let all = given.into_iter().flat_map(|given| match given {
        Given::One(credit) => vec![*credit],
        Given::Scene(credits) => credits,
    });
    let found: BTreeSet<Credit> = all.filter(|credit| !exclude.contains(&credit.file)).collect();
    found.into_iter().collect()
}

/// One line: what a licence wants to be said, with the links that are known.
fn line(credit: &Credit) -> String {
    let said = credit.attribution.clone().unwrap_or_else(|| {
        let what = credit.title.as_deref().unwrap_or(&credit.file);
        let by = credit.author.as_deref().map_or_else(String::new, |author| format!(" by {author}"));
        let licence = credit.licence.as_deref().map_or_else(String::new, |name| format!(", {name}"));
        format!("{what}{by}{licence}")
    });
    let links = [&credit.source, &credit.licence_url].into_iter().flatten();
    let missing: Vec<&str> = links.map(String::as_str).filter(|link| !said.contains(*link)).collect();
    // One credit is one line, whatever a service wrote.
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    if missing.is_empty() { said } else { format!("{said} \u{2014} {}", missing.join(" ")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reelmill_sdk::testing;

    #[test]
    fn scenes_are_merged_and_each_file_is_named_once() {
        let scratch = tempfile::tempdir().unwrap();
        let sea = json!({
            "file": "openverse:7", "title": "Sea", "author": "A. B.", "licence": "CC BY 4.0",
            "licence_url": "https://l/4.0", "source": "https://s/7",
            "attribution": "\"Sea\" by A. B. is licensed\nunder CC BY 4.0. See https://l/4.0"
        });
        let wave = json!({ "file": "wave.jpg", "author": "C. D.", "licence": "CC0" });
        let with =
            json!({ "credits": [[sea, wave], [], sea, [{ "file": "gone.jpg" }]], "exclude": ["gone.jpg"] });
        let output = testing::run::<Credits>(with, scratch.path()).unwrap();
        assert_eq!(
            output["lines"],
            json!([
                "\"Sea\" by A. B. is licensed under CC BY 4.0. See https://l/4.0 \u{2014} https://s/7",
                "wave.jpg by C. D., CC0"
            ])
        );
        let text = std::fs::read_to_string(scratch.path().join("credits.txt")).unwrap();
        assert_eq!(text.lines().count(), 4, "{text}");
        let json: Value =
            serde_json::from_slice(&std::fs::read(scratch.path().join("credits.json")).unwrap()).unwrap();
        assert_eq!(json["credits"], output["credits"]);
        assert_eq!(json["credits"][0]["licence_url"], "https://l/4.0");
    }
}
