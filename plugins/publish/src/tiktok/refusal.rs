//! Why TikTok refuses, by the code in its answer.

use reelmill_http::Answer;
use reelmill_sdk::prelude::*;
use std::time::Duration;

/// When to try again what is too much for a day; the platform does not say when the day begins.
const DAY_PAUSE: Duration = Duration::from_hours(6);

/// The envelope of every answer.
#[derive(Deserialize)]
pub struct Envelope {
    /// What was asked for.
    #[serde(default)]
    pub data: Value,
    /// `ok`, or why not.
    pub error: Problem,
}

/// A code with words.
#[derive(Deserialize)]
pub struct Problem {
    /// `ok`, `rate_limit_exceeded`, …
    pub code: String,
}

/// What an answer holds, or the failure it means.
pub fn read(answer: &Answer) -> Result<Value, StageError> {
    let envelope: Envelope = match answer.json() {
        Ok(envelope) => envelope,
        Err(_) if answer.status() != 200 => return Err(answer.refused()),
        Err(error) => return Err(error),
    };
    match envelope.error.code.as_str() {
        "ok" if answer.status() == 200 => Ok(envelope.data),
        code => Err(refusal(answer, code)),
    }
}

/// Whether the token is not taken: with status 401, or without.
pub fn is_unauthorized(answer: &Answer) -> bool {
    answer.status() == 401
        || answer.json::<Envelope>().is_ok_and(|envelope| envelope.error.code == "access_token_invalid")
}

fn refusal(answer: &Answer, code: &str) -> StageError {
    let said = answer.quote();
    let refused = answer.refused();
    let pause = refused.failure().retry_after_ms.map(Duration::from_millis);
    match code {
        "rate_limit_exceeded" => {
            let error = StageError::transient(format!("TikTok asks to slow down: {said}")).code("rate_limited");
            pause.into_iter().fold(error, StageError::retry_after)
        }
        "spam_risk_too_many_posts" | "spam_risk_too_many_pending_share" | "reached_active_user_cap" => {
            StageError::resource(format!("TikTok takes no more of this account or app for now: {said}"))
                .code("quota_exceeded")
                .retry_after(pause.unwrap_or(DAY_PAUSE))
        }
        "unaudited_client_can_only_post_to_private_accounts" => StageError::invalid_config(format!(
            "the app was not audited by TikTok, so the account has to be private and `audience` self_only: {said}"
        ))
        .code("not_audited"),
        "privacy_level_option_mismatch" => StageError::invalid_input(format!(
            "the account does not offer this `audience`: {said}"
        ))
        .code("audience"),
        "scope_not_authorized" | "scope_permission_missed" => StageError::invalid_config(format!(
            "the account did not allow this to the app: sign in with the scopes video.publish and video.upload: {said}"
        ))
        .code("not_permitted"),
        "access_token_invalid" => StageError::invalid_config(format!(
            "TikTok refuses the token; check `auth`: {said}"
        ))
        .code("unauthorized"),
        "spam_risk_user_banned_from_posting" => {
            StageError::permanent(format!("the account may not post any more: {said}")).code("banned")
        }
        "internal_error" => StageError::dependency(format!("TikTok failed: {said}")).code("endpoint_failed"),
        // A refusal in other words, with a status that says nothing.
        _ if answer.status() == 200 => {
            StageError::invalid_input(format!("TikTok refuses the request ({code}): {said}")).code("refused_request")
        }
        _ => refused,
    }
}

/// The failure of a post that the platform gave up, by its reason.
pub fn of_post(reason: &str) -> StageError {
    let message = format!("TikTok made no post of the video: {reason}");
    match reason {
        "internal" | "video_pull_failed" => StageError::dependency(message).code("endpoint_failed"),
        "auth_removed" => StageError::invalid_config(message).code("unauthorized"),
        reason if reason.starts_with("spam_risk") => {
            StageError::resource(message).code("quota_exceeded").retry_after(DAY_PAUSE)
        }
        _ => StageError::permanent(message).code("rejected"),
    }
}
