//! From a model's answer to a draft, or to the complaint that is sent back. Trusts nothing.

use crate::types::SCENES_MAX;
use reelmill_sdk::prelude::*;

/// Characters of one narration at the most.
const NARRATION_CHARS_MAX: usize = 2_000;
/// Keywords kept of a scene, and characters of one.
const KEYWORDS_MAX: usize = 8;
const KEYWORD_CHARS_MAX: usize = 60;
/// Characters kept of a title.
const TITLE_CHARS_MAX: usize = 200;

/// A script as the model wrote it.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub struct Draft {
    /// The title.
    pub title: String,
    /// The scenes.
    pub scenes: Vec<DraftScene>,
}

/// A scene as the model wrote it.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub struct DraftScene {
    /// What is said.
    pub narration: String,
    /// Words to look for footage by.
    #[serde(default)]
    pub keywords: Vec<String>,
}

/// Whether another number of scenes than was asked for is refused.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// It is.
    Strict,
    /// It is taken: the model was asked twice.
    Lenient,
}

/// Reads an answer; the error is the complaint.
pub fn read(content: &str, scenes: u32, patience: Patience) -> Result<Draft, String> {
    let json = candidates(content)
        .into_iter()
        .find_map(|text| serde_json::from_str::<Value>(text).ok().filter(Value::is_object))
        .ok_or("it holds no complete JSON object")?;
    let mut draft: Draft = serde_json::from_value(json)
        .map_err(|error| format!("the JSON is not of the form asked for ({error})"))?;
    if draft.scenes.is_empty() || draft.scenes.len() > SCENES_MAX as usize {
        return Err(format!("it has {} scenes", draft.scenes.len()));
    }
    if patience == Patience::Strict && draft.scenes.len() != scenes as usize {
        return Err(format!("it has {} scenes, but {scenes} were asked for", draft.scenes.len()));
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
        scene.keywords.retain(|word| !word.trim().is_empty() && word.chars().count() <= KEYWORD_CHARS_MAX);
        scene.keywords.truncate(KEYWORDS_MAX);
    }
    if draft.title.trim().is_empty() {
        return Err("the title is empty".to_owned());
    }
    draft.title = draft.title.chars().take(TITLE_CHARS_MAX).collect();
    Ok(draft)
}

/// Where the JSON may stand, likeliest first: the whole answer, within a fence, from the first brace to the last.
fn candidates(content: &str) -> Vec<&str> {
    let whole = content.trim();
    let fenced = whole.split("```").nth(1).map(|inside| {
        let inside = inside.trim_start();
        inside.strip_prefix("json").or_else(|| inside.strip_prefix("JSON")).unwrap_or(inside).trim()
    });
    let braced = whole.find('{').zip(whole.rfind('}')).and_then(|(start, end)| whole.get(start..=end));
    std::iter::once(whole).chain(fenced).chain(braced).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str =
        r#"{"title":"T","scenes":[{"narration":"One.","keywords":["a"," "]},{"narration":"Two."}]}"#;

    #[test]
    fn json_is_found_in_its_wrappings() {
        let wrapped = [
            GOOD.to_owned(),
            format!("```json\n{GOOD}\n```"),
            format!("Sure! Here it is:\n```\n{GOOD}\n```\nEnjoy."),
            format!("<think>a {{ b</think>\n{GOOD}").replace("a { b", "hm"),
        ];
        for content in wrapped {
            let draft = read(&content, 2, Patience::Strict).unwrap_or_else(|why| panic!("{why}: {content}"));
            assert_eq!(draft.scenes[0].keywords, ["a"]);
            assert!(draft.scenes[1].keywords.is_empty());
        }
    }

    #[test]
    fn complaints_name_what_is_wrong() {
        let cases = [
            ("no", "no complete JSON"),
            (&GOOD[..GOOD.len() - 4], "no complete JSON"),
            (r#"{"title":"T"}"#, "missing field `scenes`"),
            (r#"{"title":"T","scenes":[]}"#, "0 scenes"),
            (r#"{"title":"T","scenes":[{"narration":"a"}]}"#, "1 scenes, but 2"),
            (r#"{"title":"T","scenes":[{"narration":"a"},{"narration":" . "}]}"#, "scene 2 is empty"),
            (r#"{"title":" ","scenes":[{"narration":"a"},{"narration":"b"}]}"#, "title is empty"),
        ];
        for (content, word) in cases {
            let complaint = read(content, 2, Patience::Strict).unwrap_err();
            assert!(complaint.contains(word), "{content}: {complaint}");
        }
        assert!(read(r#"{"title":"T","scenes":[{"narration":"a"}]}"#, 2, Patience::Lenient).is_ok());
    }
}
