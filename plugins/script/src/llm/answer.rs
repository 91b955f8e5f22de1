//! From a model's answer to a draft, or to the complaint that is sent back. Trusts nothing.

use super::chat::Verdict;
use super::json;
use crate::types::SCENES_MAX;
use reelmill_sdk::prelude::*;
use reelmill_text::{Language, Unit, speech_rate, spoken_seconds};

/// Characters of one narration at the most.
const NARRATION_CHARS_MAX: usize = 2_000;
/// Keywords or search terms kept of a scene, and characters of one.
const TERMS_MAX: usize = 8;
const TERM_CHARS_MAX: usize = 60;
/// Characters kept of a title.
const TITLE_CHARS_MAX: usize = 200;
/// How far from the length asked for a script may be.
const LENGTH_SLACK: f64 = 0.25;

/// A script as the model wrote it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Draft {
    /// The title.
    pub title: String,
    /// The language, when the model was to choose it.
    #[serde(default)]
    pub language: Option<String>,
    /// The scenes.
    pub scenes: Vec<DraftScene>,
}

/// A scene as the model wrote it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct DraftScene {
    /// What is said.
    pub narration: String,
    /// Words to look for footage by.
    #[serde(default)]
    pub keywords: Vec<String>,
    /// What to search stock sites for.
    #[serde(default)]
    pub search_terms: Vec<String>,
}

impl Draft {
    /// How long saying it takes.
    pub fn seconds(&self, language: &Language) -> f64 {
        self.scenes.iter().map(|scene| spoken_seconds(&scene.narration, language)).sum()
    }
}

/// What was asked for.
#[derive(Clone, Debug)]
pub struct Wish {
    pub scenes: u32,
    /// The length, when it was asked for.
    pub seconds: Option<f64>,
    pub language: Language,
}

/// Reads a script.
pub fn read(content: &str, wish: &Wish) -> Verdict<Draft> {
    match draft(content) {
        Err(why) => Verdict::Bad(why),
        Ok(draft) => match mismatch(&draft, wish) {
            None => Verdict::Good(draft),
            Some(why) => Verdict::Usable(draft, why),
        },
    }
}

fn draft(content: &str) -> Result<Draft, String> {
    let json = json::object(content).ok_or("it holds no complete JSON object")?;
    let mut draft: Draft = serde_json::from_value(json)
        .map_err(|error| format!("the JSON is not of the form asked for ({error})"))?;
    if draft.scenes.is_empty() || draft.scenes.len() > SCENES_MAX as usize {
        return Err(format!("it has {} scenes", draft.scenes.len()));
    }
    for (place, scene) in draft.scenes.iter_mut().enumerate() {
        let number = place + 1;
        if !scene.narration.chars().any(char::is_alphanumeric) {
            return Err(format!("the narration of scene {number} is empty"));
        }
        if scene.narration.chars().count() > NARRATION_CHARS_MAX {
            return Err(format!(
                "the narration of scene {number} has more than {NARRATION_CHARS_MAX} characters"
            ));
        }
        tidy(&mut scene.keywords);
        tidy(&mut scene.search_terms);
    }
    if draft.title.trim().is_empty() {
        return Err("the title is empty".to_owned());
    }
    draft.title = draft.title.chars().take(TITLE_CHARS_MAX).collect();
    Ok(draft)
}

/// Keeps terms that can be searched for.
pub fn tidy(terms: &mut Vec<String>) {
    for term in terms.iter_mut() {
        *term = reelmill_text::squeeze(term);
    }
    terms.retain(|term| !term.is_empty() && term.chars().count() <= TERM_CHARS_MAX);
    terms.truncate(TERMS_MAX);
}

/// What is other than was asked for, though it can be used.
fn mismatch(draft: &Draft, wish: &Wish) -> Option<String> {
    let scenes = draft.scenes.len();
    if scenes != wish.scenes as usize {
        return Some(format!("it has {scenes} scenes, but {} were asked for", wish.scenes));
    }
    let wanted = wish.seconds?;
    let seconds = draft.seconds(&wish.language);
    if (seconds / wanted - 1.0).abs() <= LENGTH_SLACK {
        return None;
    }
    let (unit, rate) = speech_rate(&wish.language);
    Some(format!(
        "reading it aloud takes about {seconds:.0} s, but {wanted:.0} s were asked for, which is about {:.0} {} in all",
        wanted * rate,
        name(unit)
    ))
}

/// The unit in a sentence.
pub const fn name(unit: Unit) -> &'static str {
    match unit {
        Unit::Words => "words",
        Unit::Characters => "characters",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str =
        r#"{"title":"T","scenes":[{"narration":"One.","keywords":["a"," "]},{"narration":"Two."}]}"#;

    fn wish(scenes: u32, seconds: Option<f64>) -> Wish {
        Wish { scenes, seconds, language: Language::of("en") }
    }

    fn complaint(content: &str, wish: &Wish) -> String {
        match read(content, wish) {
            Verdict::Bad(why) => format!("bad: {why}"),
            Verdict::Usable(_, why) => format!("usable: {why}"),
            Verdict::Good(_) => "good".to_owned(),
        }
    }

    #[test]
    fn a_draft_keeps_what_can_be_searched_for() {
        let Verdict::Good(draft) = read(GOOD, &wish(2, None)) else { panic!("refused") };
        assert_eq!(draft.scenes[0].keywords, ["a"]);
        assert!(draft.scenes[1].keywords.is_empty());
    }

    #[test]
    fn complaints_name_what_is_wrong() {
        let cases = [
            ("no", "bad: it holds no complete JSON"),
            (&GOOD[..GOOD.len() - 4], "no complete JSON"),
            (r#"{"title":"T"}"#, "missing field `scenes`"),
            (r#"{"title":"T","scenes":[]}"#, "bad: it has 0 scenes"),
            (r#"{"title":"T","scenes":[{"narration":"a"}]}"#, "usable: it has 1 scenes, but 2"),
            (r#"{"title":"T","scenes":[{"narration":"a"},{"narration":" . "}]}"#, "scene 2 is empty"),
            (r#"{"title":" ","scenes":[{"narration":"a"},{"narration":"b"}]}"#, "title is empty"),
        ];
        for (content, word) in cases {
            let said = complaint(content, &wish(2, None));
            assert!(said.contains(word), "{content}: {said}");
        }
    }

    #[test]
    fn a_script_of_another_length_is_told_how_much_to_write() {
        assert_eq!(complaint(GOOD, &wish(2, Some(1.4))), "good");
        let said = complaint(GOOD, &wish(2, Some(60.0)));
        assert!(said.starts_with("usable: reading it aloud takes about 1 s"), "{said}");
        assert!(said.ends_with("about 162 words in all"), "{said}");
        let chinese = Wish { language: Language::of("zh"), ..wish(2, Some(60.0)) };
        assert!(complaint(GOOD, &chinese).ends_with("about 270 characters in all"));
    }
}
