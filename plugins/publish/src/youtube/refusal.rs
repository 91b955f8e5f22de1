//! Why YouTube refuses, by the reason in its answer: whose mistake it is, and when to try again.

use reelmill_http::Answer;
use reelmill_sdk::prelude::*;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const DAY: u64 = 24 * 3_600;
/// Quotas begin anew at midnight in California, which is 7 or 8 o'clock UTC: the later one is right in both halves of
/// the year.
const QUOTA_HOUR: u64 = 8 * 3_600;

#[derive(Deserialize)]
struct Body {
    error: Problem,
}

#[derive(Deserialize)]
struct Problem {
    #[serde(default)]
    errors: Vec<Reason>,
}

#[derive(Deserialize)]
struct Reason {
    reason: String,
}

/// The failure that a refusal means.
pub fn refusal(answer: &Answer, now: SystemTime) -> StageError {
    let error = answer.refused();
    let body: Option<Body> = answer.json().ok();
    let reason = body.and_then(|body| body.error.errors.into_iter().next()).map(|first| first.reason);
    let said = || answer.quote();
    match reason.as_deref() {
        Some("quotaExceeded" | "dailyLimitExceeded" | "uploadLimitExceeded") => StageError::resource(format!(
            "YouTube takes no more today (the quota of the app, or of the channel, is used up): {}",
            said()
        ))
        .code("quota_exceeded")
        .retry_after(until_quota(now)),
        Some("rateLimitExceeded" | "userRateLimitExceeded") => {
            let pause = error.failure().retry_after_ms.map(Duration::from_millis);
            let error = StageError::transient(format!("YouTube asks to slow down: {}", said())).code("rate_limited");
            pause.into_iter().fold(error, StageError::retry_after)
        }
        Some("insufficientPermissions" | "forbidden" | "youtubeSignupRequired" | "accessNotConfigured") => {
            StageError::invalid_config(format!(
                "the account may not do this: sign in with the scope youtube.upload, to an account with a channel, and \
                 with an app that has the interface switched on: {}",
                said()
            ))
            .code("not_permitted")
        }
        _ => error,
    }
}

fn until_quota(now: SystemTime) -> Duration {
    let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let of_day = (seconds + DAY - QUOTA_HOUR) % DAY;
    Duration::from_secs(DAY - of_day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas_begin_anew_in_the_morning() {
        let at = |hour: u64, minute: u64| {
            UNIX_EPOCH + Duration::from_secs(20_000 * DAY + hour * 3_600 + minute * 60)
        };
        assert_eq!(until_quota(at(7, 30)), Duration::from_mins(30));
        assert_eq!(until_quota(at(8, 0)), Duration::from_secs(DAY));
        assert_eq!(until_quota(at(20, 0)), Duration::from_hours(12));
    }
}
