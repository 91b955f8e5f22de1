//! For how long a service asks to be left alone.

use std::time::{Duration, SystemTime};
use ureq::http::HeaderMap;

/// The longest pause a service may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_hours(24);

/// `Retry-After` as RFC 9110 has it: seconds, or a date, which is compared with the service's own clock when it
/// sends one.
pub fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let asked = text("retry-after")?;
    let pause = if let Ok(seconds) = asked.parse::<u64>() {
        Duration::from_secs(seconds)
    } else {
        let until = httpdate::parse_http_date(asked).ok()?;
        let now = text("date").and_then(|date| httpdate::parse_http_date(date).ok()).unwrap_or(now);
        until.duration_since(now).unwrap_or(Duration::ZERO)
    };
    Some(pause.min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(&'static str, &str)]) -> HeaderMap {
        list.iter()
            .map(|(name, value)| ((*name).parse().unwrap(), value.parse().unwrap()))
            .collect::<HeaderMap>()
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        let later = "Sun, 06 Nov 1994 08:50:07 GMT";
        let pause = |list: &[(&'static str, &str)]| retry_after(&headers(list), now);
        assert_eq!(pause(&[("retry-after", "7")]), Some(Duration::from_secs(7)));
        assert_eq!(pause(&[("retry-after", later)]), Some(Duration::from_secs(30)));
        let with_clock = [("retry-after", later), ("date", "Sun, 06 Nov 1994 08:50:00 GMT")];
        assert_eq!(pause(&with_clock), Some(Duration::from_secs(7)));
        assert_eq!(pause(&[("retry-after", "soon")]), None);
        assert_eq!(pause(&[("retry-after", "99999999999")]), Some(RETRY_AFTER_MAX));
        assert_eq!(pause(&[]), None);
    }
}
