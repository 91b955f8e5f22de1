//! What a recogniser answers (`verbose_json`), in the forms that servers give it: words beside the segments (`OpenAI`,
//! Groq, faster-whisper), words within them (whisper.cpp), or segments alone.

use crate::matching::Said;
use reelmill_http::Answer;
use reelmill_sdk::prelude::*;

/// The answer about one piece.
pub struct Part {
    pub text: String,
    pub words: Vec<Said>,
    pub segments: Vec<Said>,
    pub language: Option<String>,
}

#[derive(Deserialize)]
struct Verbose {
    text: String,
    #[serde(default)]
    language: Option<String>,
    #[serde(default)]
    words: Option<Vec<Word>>,
    #[serde(default)]
    segments: Option<Vec<Segment>>,
}

#[derive(Deserialize)]
struct Segment {
    text: String,
    start: f64,
    end: f64,
    #[serde(default)]
    words: Option<Vec<Word>>,
}

#[derive(Deserialize)]
struct Word {
    #[serde(rename = "word")]
    text: String,
    start: f64,
    end: f64,
}

/// Reads it.
pub fn read(answer: &Answer) -> Result<Part, StageError> {
    let verbose: Verbose = answer.json()?;
    parts(verbose).ok_or_else(|| {
        answer.malformed(
            "it says no times; the server and the model have to answer in `verbose_json` (of OpenAI's models \
             `whisper-1` does)",
        )
    })
}

/// `None` when something was said and no times came with it.
fn parts(verbose: Verbose) -> Option<Part> {
    let segments = verbose.segments.unwrap_or_default();
    let within: Vec<&Word> = segments.iter().filter_map(|segment| segment.words.as_ref()).flatten().collect();
    let beside = verbose.words.unwrap_or_default();
    let words = if beside.is_empty() { glued(within) } else { glued(beside.iter().collect()) };
    let segments: Vec<Said> =
        segments.iter().map(|segment| said(&segment.text, segment.start, segment.end)).collect();
    // Of a segment without words the words share the time.
    let words = if words.is_empty() { segments.clone() } else { words };
    let is_timed = !words.is_empty() || verbose.text.trim().is_empty();
    is_timed.then_some(Part { text: verbose.text, words, segments, language: verbose.language })
}

/// Seconds become milliseconds.
fn said(text: &str, start: f64, end: f64) -> Said {
    Said::new(text, start * 1000.0, end * 1000.0)
}

/// Words as they are written: where some begin with a space, the others are pieces of the word before them.
fn glued(words: Vec<&Word>) -> Vec<Said> {
    let is_spaced = words.iter().any(|word| word.text.starts_with(' '));
    let mut whole: Vec<Said> = Vec::new();
    for word in words {
        match whole.last_mut() {
            Some(last) if is_spaced && !word.text.starts_with(' ') => {
                last.text.push_str(word.text.trim());
                last.end_ms = word.end * 1000.0;
            }
            _ => whole.push(said(&word.text, word.start, word.end)),
        }
    }
    whole.retain(|said| !said.text.is_empty());
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(value: Value) -> Option<Vec<(String, f64, f64)>> {
        let part = parts(serde_json::from_value(value).unwrap())?;
        Some(part.words.into_iter().map(|said| (said.text, said.start_ms, said.end_ms)).collect())
    }

    fn word(text: &str, start: f64, end: f64) -> (String, f64, f64) {
        (text.to_owned(), start, end)
    }

    #[test]
    fn words_are_found_where_servers_put_them() {
        let beside = json!({
            "text": "That's it.", "language": "english", "segments": [{ "text": "That's it.", "start": 0, "end": 1 }],
            "words": [{ "word": "That's", "start": 0.25, "end": 0.5 }, { "word": "it", "start": 0.5, "end": 1 }]
        });
        assert_eq!(of(beside), Some(vec![word("That's", 250.0, 500.0), word("it", 500.0, 1000.0)]));
        let within = json!({ "text": " That's it.\\n", "segments": [{ "text": " That's it.", "start": 0, "end": 1, "words": [
            { "word": " That", "start": 0.25, "end": 0.3, "probability": 0.3 },
            { "word": "'s", "start": 0.3, "end": 0.5, "probability": 0.8 },
            { "word": " it", "start": 0.5, "end": 1, "probability": 0.8 },
            { "word": ".", "start": 1, "end": 1, "probability": 0.8 }
        ]}]});
        assert_eq!(of(within), Some(vec![word("That's", 250.0, 500.0), word("it.", 500.0, 1000.0)]));
        let alone = json!({ "text": "That's it.", "segments": [{ "text": "That's it.", "start": 0, "end": 1 }], "words": [] });
        assert_eq!(of(alone), Some(vec![word("That's it.", 0.0, 1000.0)]));
    }

    #[test]
    fn an_answer_without_times_is_none_and_silence_is_one() {
        assert_eq!(of(json!({ "text": "That's it." })), None);
        assert_eq!(of(json!({ "text": " ", "segments": [] })), Some(Vec::new()));
    }
}
