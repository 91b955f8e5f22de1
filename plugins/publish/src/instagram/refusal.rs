//! Why Meta refuses, by the numbers in its answer
//! (<https://developers.facebook.com/docs/graph-api/guides/error-handling>).

use reelmill_http::Answer;
use reelmill_sdk::prelude::*;
use std::time::Duration;

/// When to try again what is too much for a day, which moves with the posts in it.
const DAY_PAUSE: Duration = Duration::from_hours(1);
/// When to try again what is too much for an hour.
const HOUR_PAUSE: Duration = Duration::from_mins(10);

#[derive(Deserialize)]
struct Body {
    error: Problem,
}

#[derive(Deserialize)]
struct Problem {
    #[serde(default)]
    code: i64,
    #[serde(default)]
    error_subcode: i64,
    #[serde(default)]
    is_transient: bool,
}

/// What an answer holds, or the failure it means.
pub fn read<T: reelmill_sdk::serde::de::DeserializeOwned>(answer: &Answer) -> Result<T, StageError> {
    if answer.status() == 200 && answer.json::<Body>().is_err() {
        answer.json()
    } else {
        Err(refusal(answer))
    }
}

/// The failure that a refusal means.
pub fn refusal(answer: &Answer) -> StageError {
    let refused = answer.refused();
    let Ok(Body { error: problem }) = answer.json::<Body>() else { return refused };
    let said = answer.quote();
    let pause = refused.failure().retry_after_ms.map(Duration::from_millis);
    match (problem.code, problem.error_subcode) {
        // Posts of a day.
        (9, _) | (_, 2_207_042) => quota(&said, pause),
        // Calls of an hour, of the app, the account or the page.
        (4 | 17 | 32 | 613 | 80_000..=80_014, _) => {
            StageError::transient(format!("Instagram asks to slow down: {said}"))
                .code("rate_limited")
                .retry_after(pause.unwrap_or(HOUR_PAUSE))
        }
        (190 | 102, _) => StageError::invalid_config(format!(
            "Instagram refuses the token (ended or withdrawn); put a new one into the secret behind \
             `auth.access_token`: {said}"
        ))
        .code("unauthorized"),
        (10 | 200..=299, _) => StageError::invalid_config(format!(
            "the token lacks a permission (instagram_content_publish), or the account is none for professionals: {said}"
        ))
        .code("not_permitted"),
        (1 | 2, _) => StageError::dependency(format!("Instagram failed: {said}")).code("endpoint_failed"),
        _ if problem.is_transient => {
            StageError::dependency(format!("Instagram failed: {said}")).code("endpoint_failed")
        }
        _ if answer.status() == 200 => {
            StageError::invalid_input(format!("Instagram refuses the request: {said}")).code("refused_request")
        }
        _ => refused,
    }
}

/// The posts of a day are used up.
pub fn quota(said: &str, pause: Option<Duration>) -> StageError {
    StageError::resource(format!("Instagram takes no more posts of this account today: {said}"))
        .code("quota_exceeded")
        .retry_after(pause.unwrap_or(DAY_PAUSE))
}
