//! Times of day that come again: a cron pattern in a time zone. Pure: all times are arguments, in milliseconds since
//! the epoch.
//!
//! When clocks go forward, a fixed time that does not exist that day comes at the first moment after the gap, and an
//! interval goes on after it. When clocks go back, a fixed time comes once, at its first occurrence, and an interval
//! goes through the hour twice.

use crate::check::shown;
use crate::suggest;
use chrono::{DateTime, SecondsFormat, TimeZone as _};
use chrono_tz::{TZ_VARIANTS, Tz};
use croner::parser::{CronParser, Seconds, Year};

/// A pattern of five fields (minute, hour, day of month, month, day of week) in a time zone.
#[derive(Clone)]
pub struct Cron {
    pattern: String,
    // Boxed: it is a few hundred bytes.
    compiled: Box<croner::Cron>,
    zone: Tz,
}

/// Two are the same when they say the same.
impl PartialEq for Cron {
    fn eq(&self, other: &Self) -> bool {
        self.pattern == other.pattern && self.zone == other.zone
    }
}

/// As it was written: what it was compiled to fills pages.
impl std::fmt::Debug for Cron {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Cron({} in {})", self.pattern, self.zone())
    }
}

/// Why there is no such schedule.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CronProblem {
    /// The pattern is none.
    #[error("`{pattern}` is no cron pattern: {why}")]
    Pattern {
        /// What was given.
        pattern: String,
        /// Why not.
        why: String,
    },
    /// The pattern is one, but no day ever matches it.
    #[error("`{0}` never comes")]
    Never(String),
    /// There is no such time zone.
    #[error("there is no time zone `{zone}`")]
    Zone {
        /// What was given.
        zone: String,
        /// The nearest there is.
        near: Option<&'static str>,
    },
}

/// A moment from which every pattern that comes at all comes within the years that the search looks through: before
/// a leap year.
const SEARCH_FROM_MS: u64 = 1_704_067_200_000;

impl Cron {
    /// Reads a pattern and the IANA name of a time zone (`Europe/Oslo`). An error says what is wrong with either.
    pub fn parse(pattern: &str, zone: &str) -> Result<Self, Vec<CronProblem>> {
        match (compiled(pattern), zone_of(zone)) {
            (Ok(compiled), Ok(zone)) => {
                let this = Self { pattern: pattern.to_owned(), compiled: Box::new(compiled), zone };
                match this.next_after(SEARCH_FROM_MS) {
                    Some(_) => Ok(this),
                    None => Err(vec![CronProblem::Never(shown(pattern))]),
                }
            }
            (compiled, zone) => Err(compiled.err().into_iter().chain(zone.err()).collect()),
        }
    }

    /// The pattern as written.
    #[must_use]
    pub fn pattern(&self) -> &str {
        &self.pattern
    }

    /// The name of the time zone.
    #[must_use]
    pub fn zone(&self) -> &'static str {
        self.zone.name()
    }

    /// The first time after a moment. None where the calendar ends.
    #[must_use]
    pub fn next_after(&self, ms: u64) -> Option<u64> {
        /// Searches that are begun a second later, where one finds nothing after its beginning: an hour of them.
        const TRIES_MAX: u64 = 3_600;
        // Times are whole seconds, so what comes after the second's beginning comes after every moment in it.
        let second = ms - ms % 1_000;
        for late in 0..TRIES_MAX {
            let from = self.at(second + late * 1_000)?;
            let found = ms_of(&self.compiled.find_next_occurrence(&from, false).ok()?)?;
            if found > ms {
                return Some(found);
            }
        }
        None
    }

    /// A moment as the clocks of the time zone show it: `2026-03-29T03:00:00+02:00`.
    #[must_use]
    pub fn local(&self, ms: u64) -> String {
        self.at(ms).map(|at| at.to_rfc3339_opts(SecondsFormat::Secs, false)).unwrap_or_default()
    }

    fn at(&self, ms: u64) -> Option<DateTime<Tz>> {
        self.zone.timestamp_millis_opt(i64::try_from(ms).ok()?).single()
    }
}

fn ms_of(at: &DateTime<Tz>) -> Option<u64> {
    u64::try_from(at.timestamp_millis()).ok()
}

fn compiled(pattern: &str) -> Result<croner::Cron, CronProblem> {
    let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
    parser.parse(pattern).map_err(|error| {
        let text = error.to_string();
        let why = text.split_once(": ").map_or(text.as_str(), |(_, why)| why);
        CronProblem::Pattern { pattern: shown(pattern), why: uncapitalised(why.trim_end_matches('.')) }
    })
}

fn zone_of(name: &str) -> Result<Tz, CronProblem> {
    name.parse().map_err(|_| {
        let near = suggest::nearest(name, TZ_VARIANTS.iter().map(|zone| zone.name()));
        CronProblem::Zone { zone: shown(name), near }
    })
}

fn uncapitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(text: &str) -> u64 {
        let at = DateTime::parse_from_rfc3339(text).expect("a time");
        u64::try_from(at.timestamp_millis()).expect("after 1970")
    }

    /// The first times of a pattern in Oslo after a moment.
    fn oslo(pattern: &str, after: &str, count: usize) -> Vec<String> {
        let cron = Cron::parse(pattern, "Europe/Oslo").expect("a pattern");
        let mut at = ms(after);
        let mut next = || {
            at = cron.next_after(at).expect("the calendar does not end");
            cron.local(at)
        };
        (0..count).map(|_| next()).collect()
    }

    #[test]
    fn clocks_go_forward() {
        let after = "2026-03-28T12:00:00Z";
        let nightly = ["2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"];
        assert_eq!(oslo("30 2 * * *", after, 2), nightly);
        let hourly = ["2026-03-29T01:15:00+01:00", "2026-03-29T03:15:00+02:00"];
        assert_eq!(oslo("15 * * * *", "2026-03-28T23:30:00Z", 2), hourly);
    }

    #[test]
    fn clocks_go_back() {
        let after = "2026-10-24T12:00:00Z";
        let nightly = ["2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"];
        assert_eq!(oslo("30 2 * * *", after, 2), nightly);
        let hourly = ["2026-10-25T02:15:00+02:00", "2026-10-25T02:15:00+01:00", "2026-10-25T03:15:00+01:00"];
        assert_eq!(oslo("15 * * * *", "2026-10-24T23:30:00Z", 3), hourly);
    }

    #[test]
    fn what_cannot_be_a_schedule() {
        let said = |pattern: &str, zone: &str| match Cron::parse(pattern, zone) {
            Ok(cron) => format!("{} in {}", cron.pattern(), cron.zone()),
            Err(problems) => problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
        };
        assert_eq!(said("0 3 * * *", "Asia/Kathmandu"), "0 3 * * * in Asia/Kathmandu");
        assert_eq!(said("0 0 29 2 *", "UTC"), "0 0 29 2 * in UTC");
        assert_eq!(said("0 0 30 2 *", "UTC"), "`0 0 30 2 *` never comes");
        assert_eq!(said("* * * * *", "Europe/Osl"), "there is no time zone `Europe/Osl`");
        assert!(said("x", "y").ends_with("; there is no time zone `y`"), "both at once");
        for pattern in ["", "0 3 * *", "*/5 * * * * *", "61 * * * *", "a b c d e", "* * * * * 2030"] {
            assert!(said(pattern, "UTC").contains("is no cron pattern: "), "{}", said(pattern, "UTC"));
        }
    }
}
