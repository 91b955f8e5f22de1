//! The envelope of `MiniMax`: what went wrong stands in the body of an answer whose status is a success, and sound comes
//! as hexadecimal digits.

use crate::Answer;
use reelmill_sdk::prelude::*;

#[derive(Deserialize)]
struct Envelope {
    base_resp: Told,
    #[serde(default)]
    data: Option<Value>,
}

#[derive(Deserialize)]
struct Told {
    status_code: i64,
    #[serde(default)]
    status_msg: String,
}

/// The `data` of a good answer.
///
/// # Errors
/// What the answer says is wrong, by the service's table of codes; `malformed_answer`.
pub fn data(answer: &Answer) -> Result<Value, StageError> {
    let envelope: Envelope = answer.json()?;
    let told = envelope.base_resp;
    if told.status_code != 0 {
        let code = told.status_code;
        return Err(answer.told(status(code), &code.to_string(), &told.status_msg, None));
    }
    envelope.data.filter(Value::is_object).ok_or_else(|| answer.malformed("it has no `data`"))
}

/// The status of HTTP that means the same as a code.
fn status(code: i64) -> u16 {
    match code {
        // Requests, tokens or connections a minute; growth of either; what a plan allows.
        1002 | 1039 | 1041 | 2045 | 2056 => 429,
        // The key is not of the group, or not one at all.
        1004 | 2049 => 401,
        1008 => 402,
        // Unknown, timeout, internal, downstream.
        1000 | 1001 | 1013 | 1024 | 1033 => 500,
        // What was sent, or would come of it, is not allowed; too few letters; wrong options; no such voice.
        1026 | 1027 | 1042 | 2013 | 20132 | 2042 => 422,
        _ => 409,
    }
}

/// The sound of such an answer.
///
/// # Errors
/// `malformed_answer`.
pub fn sound(answer: &Answer, data: &Value) -> Result<Vec<u8>, StageError> {
    let digits = data["audio"].as_str().unwrap_or_default();
    match bytes(digits.trim()) {
        Some(bytes) if !bytes.is_empty() => Ok(bytes),
        _ => Err(answer.malformed("`data.audio` holds no sound in hexadecimal digits")),
    }
}

fn bytes(digits: &str) -> Option<Vec<u8>> {
    let value = |digit: u8| char::from(digit).to_digit(16);
    let pairs = digits.as_bytes().chunks(2);
    pairs
        .map(|pair| match pair {
            [high, low] => u8::try_from(value(*high)? * 16 + value(*low)?).ok(),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_bytes() {
        assert_eq!(bytes("00ffA5"), Some(vec![0, 255, 165]));
        assert_eq!(bytes(""), Some(vec![]));
        for bad in ["0", "0g", "ø0"] {
            assert_eq!(bytes(bad), None, "{bad}");
        }
    }

    #[test]
    fn codes_mean_what_the_table_says() {
        for (code, expected) in
            [(1002, 429), (1004, 401), (2049, 401), (1008, 402), (1001, 500), (2013, 422), (7, 409)]
        {
            assert_eq!(status(code), expected, "{code}");
        }
    }
}
