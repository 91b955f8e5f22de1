//! Asking one service, with one of its keys after the other.

use super::candidate::Candidate;
use super::providers::{Ask, KeyPlace, Provider, Question};
use super::settings::Source;
use super::shelf::Shelf;
use reelmill_http::{Answer, Service, Settings};
use reelmill_sdk::prelude::*;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What Wikimedia wants to know of a program; others do not mind.
const USER_AGENT: &str =
    concat!("reelmill/", env!("CARGO_PKG_VERSION"), " (video pipelines; footage search)");
/// Numbers of `X-RateLimit-Reset` beyond this are moments, those below it are pauses, in seconds.
const MOMENT_MIN: u64 = 100_000_000;

/// One service.
pub struct Desk {
    provider: Provider,
    base: String,
    /// One for each key; without keys, one.
    services: Vec<Service>,
    /// Why a key is not used any more.
    spent: Vec<Option<StageError>>,
    /// The key whose turn it is.
    turn: usize,
}

impl Desk {
    /// Opens clients; nothing is sent.
    pub fn open(source: &Source) -> Result<Self, StageError> {
        let provider = source.provider;
        let base = source.base_url.clone().unwrap_or_else(|| provider.base_url().to_owned());
        let keys: Vec<&str> =
            source.keys.iter().map(|key| key.trim()).filter(|key| !key.is_empty()).collect();
        let keys = if keys.is_empty() { vec![""] } else { keys };
        let services: Vec<Service> =
            keys.iter().map(|key| service(source, &base, key)).collect::<Result<_, _>>()?;
        let spent = services.iter().map(|_| None).collect();
        Ok(Self { provider, base, services, spent, turn: 0 })
    }

    /// Its name for people.
    pub const fn name(&self) -> &'static str {
        self.provider.name()
    }

    /// The requests for a question.
    pub fn asks(&self, question: &Question<'_>) -> Vec<Ask> {
        self.provider.asks(&self.base, question)
    }

    /// What it answers. A key that has used up what it may ask, or is refused, gives way to the next; only when none
    /// is left this fails.
    pub fn search(&mut self, ask: &Ask, kept: &Shelf, cx: &Cx<'_>) -> Result<Vec<Candidate>, StageError> {
        if let Some(body) = kept.answer(&ask.url, SystemTime::now())
            && let Ok(candidates) = self.provider.read(ask.kind, &body)
        {
            return Ok(candidates);
        }
        while let Some(key) = self.next_key() {
            let answer = self.services[key].get(&ask.url).exchange(cx)?;
            if answer.status() == 200 {
                let body = answer.text();
                let candidates = self.provider.read(ask.kind, &body).map_err(|why| answer.malformed(&why))?;
                kept.keep(&ask.url, &body, cx);
                return Ok(candidates);
            }
            let error = refusal(&answer);
            if !matches!(error.failure().code.as_str(), "rate_limited" | "unauthorized") {
                return Err(error);
            }
            if self.services.len() > 1 {
                cx.info(format!(
                    "key {} of {} for {} is not used any more",
                    key + 1,
                    self.services.len(),
                    self.name()
                ));
            }
            self.spent[key] = Some(error);
        }
        Err(self.all_spent())
    }

    /// The next key that may be used: each in its turn, so that they are used alike.
    fn next_key(&mut self) -> Option<usize> {
        let count = self.services.len();
        let key = (0..count).map(|step| (self.turn + step) % count).find(|key| self.spent[*key].is_none())?;
        self.turn = (key + 1) % count;
        Some(key)
    }

    /// Keys that may be used again are waited for, the shortest time; refused ones are somebody's mistake.
    fn all_spent(&self) -> StageError {
        let known = self.spent.iter().flatten();
        let best = known.min_by_key(|error| {
            let failure = error.failure();
            (failure.code != "rate_limited", failure.retry_after_ms.unwrap_or(u64::MAX))
        });
        let Some(failure) = best.map(StageError::failure) else {
            return StageError::internal("no key was tried");
        };
        let again = match failure.code.as_str() {
            "rate_limited" => StageError::transient(failure.message.clone()),
            _ => StageError::invalid_config(failure.message.clone()),
        };
        let pause = failure.retry_after_ms.map(Duration::from_millis);
        pause.into_iter().fold(again.code(failure.code.clone()), StageError::retry_after)
    }
}

fn service(source: &Source, base: &str, key: &str) -> Result<Service, StageError> {
    let provider = source.provider;
    let settings = Settings {
        address: "sources.base_url",
        key: "sources.keys",
        timeout: "sources.timeout_seconds",
        ..Settings::default()
    };
    let builder = Service::new(provider.name(), base)
        .settings(settings)
        .timeout(Duration::from_secs(u64::from(source.timeout_seconds)))
        .header("accept", "application/json")
        .header("user-agent", USER_AGENT);
    let question = Question {
        text: "",
        orientation: crate::types::Orientation::Any,
        kinds: crate::types::Kinds::Any,
        language: "",
        min_side: 0,
    };
    let place = provider.asks(base, &question).first().map_or(KeyPlace::None, |ask| ask.key);
    match place {
        _ if key.is_empty() => builder,
        KeyPlace::None => builder,
        KeyPlace::Header(word) => builder.secret(key).secret_header("authorization", &format!("{word}{key}")),
        KeyPlace::Parameter(name) => builder.secret_query(name, key),
    }
    .open()
}

/// What a refusal means, in the words of these services.
fn refusal(answer: &Answer) -> StageError {
    let error = answer.refused();
    // Pixabay says so with status 400.
    if answer.status() == 400 && answer.quote().to_ascii_lowercase().contains("api key") {
        return StageError::invalid_config(format!("{}; check `sources.keys`", error.failure().message))
            .code("unauthorized");
    }
    if answer.status() == 429 && error.failure().retry_after_ms.is_none() {
        let reset = answer.header("x-ratelimit-reset").and_then(|text| text.trim().parse::<u64>().ok());
        let pause = reset.map(|reset| pause_until(reset, SystemTime::now()));
        return pause.into_iter().fold(error, StageError::retry_after);
    }
    error
}

/// `X-RateLimit-Reset`: seconds of pause (Pixabay), or seconds since the epoch (Pexels).
fn pause_until(reset: u64, now: SystemTime) -> Duration {
    const PAUSE_MAX: Duration = Duration::from_hours(24);
    if reset < MOMENT_MIN {
        return Duration::from_secs(reset).min(PAUSE_MAX);
    }
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    Duration::from_secs(reset.saturating_sub(now)).min(PAUSE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reset_is_a_pause_or_a_moment() {
        let now = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        assert_eq!(pause_until(42, now), Duration::from_secs(42));
        assert_eq!(pause_until(1_700_000_090, now), Duration::from_secs(90));
        assert_eq!(pause_until(1_600_000_000, now), Duration::ZERO);
        assert_eq!(pause_until(9_700_000_000, now), Duration::from_hours(24));
    }
}
