//! JSON in what a model wrote: found in its wrappings, and mended where a mistake has only one meaning.

use serde_json::Value;

/// The first JSON object of an answer.
pub fn object(content: &str) -> Option<Value> {
    let places = places(content);
    let read = |text: &str| serde_json::from_str::<Value>(text).ok().filter(Value::is_object);
    places.iter().find_map(|text| read(text)).or_else(|| places.iter().find_map(|text| read(&mended(text))))
}

/// Where it may stand, likeliest first: the whole answer, within a fence, from the first brace to the last; each after
/// what a model thought aloud.
fn places(content: &str) -> Vec<&str> {
    let said = content.rsplit_once("</think>").map_or(content, |(_, said)| said);
    let whole = said.trim();
    let fenced = whole.split("```").nth(1).map(|inside| {
        let inside = inside.trim_start();
        inside.strip_prefix("json").or_else(|| inside.strip_prefix("JSON")).unwrap_or(inside).trim()
    });
    let braced = whole.find('{').zip(whole.rfind('}')).and_then(|(start, end)| whole.get(start..=end));
    std::iter::once(whole).chain(fenced).chain(braced).collect()
}

/// Without commas before a closing bracket, and with line breaks within texts written as JSON wants them.
fn mended(text: &str) -> String {
    let mut mended = String::with_capacity(text.len());
    let (mut is_text, mut is_escaped) = (false, false);
    for mark in text.chars() {
        match mark {
            '\n' if is_text => mended.push_str("\\n"),
            '\r' if is_text => {}
            '\t' if is_text => mended.push_str("\\t"),
            '}' | ']' if !is_text => {
                let kept = mended.trim_end().trim_end_matches(',').len();
                mended.truncate(kept);
                mended.push(mark);
            }
            _ => mended.push(mark),
        }
        is_text ^= mark == '"' && !is_escaped;
        is_escaped = mark == '\\' && !is_escaped;
    }
    mended
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_object_is_found_and_mended() {
        let good = json!({ "a": "b\nc", "d": [1] });
        for content in [
            r#"{"a":"b\nc","d":[1]}"#,
            "```json\n{\"a\":\"b\\nc\",\"d\":[1]}\n```",
            "Sure:\n```\n{\"a\":\"b\\nc\",\"d\":[1]}\n```\nEnjoy.",
            "<think>{\"a\": 1} perhaps</think> {\"a\":\"b\\nc\",\"d\":[1]}",
            "{\"a\":\"b\nc\",\"d\":[1,],}",
            "Here: {\"a\": \"b\r\nc\", \"d\": [1 , ] }",
        ] {
            assert_eq!(object(content), Some(good.clone()), "{content}");
        }
        assert_eq!(object(r#"{"a":"x,]\",}"}"#), Some(json!({ "a": "x,]\",}" })));
        for content in ["", "no", "[1]", "{\"a\":", "}{"] {
            assert_eq!(object(content), None, "{content}");
        }
    }
}
