//! When a schedule is due.

use crate::firing::Firing;
use reelmill_model::limits::{CATCHUP_MAX, TRIGGER_LATE_MS_MAX};
use reelmill_spec::cron::Cron;
use reelmill_spec::trigger::Catchup;

/// The firings of a schedule after `last_ms`, up to and with `now_ms`, oldest first.
///
/// What is at most `TRIGGER_LATE_MS_MAX` late is on time. What is later was missed: `none` drops it, `last` makes up
/// for the last time that passed, `all` for the last `CATCHUP_MAX` of them.
#[must_use]
pub fn due(cron: &Cron, last_ms: u64, now_ms: u64, catchup: Catchup) -> Vec<Firing> {
    let (after, most) = match catchup {
        Catchup::None => (last_ms.max(now_ms.saturating_sub(TRIGGER_LATE_MS_MAX + 1)), CATCHUP_MAX),
        Catchup::Last => (last_ms, 1),
        Catchup::All => (last_ms, CATCHUP_MAX),
    };
    // A year that was missed has half a million minutes, of which only the last ones count: look at the last
    // stretch in which so many could lie, and at twice as much while they do not.
    let mut stretch_ms = most as u64 * SPACING_MS;
    loop {
        let from = after.max(now_ms.saturating_sub(stretch_ms));
        let mut found = between(cron, from, now_ms);
        if found.len() >= most || from <= after {
            let firings = found.split_off(found.len().saturating_sub(most));
            return firings.into_iter().map(|at_ms| Firing { at_ms, file: None }).collect();
        }
        stretch_ms = stretch_ms.saturating_mul(2);
    }
}

/// Least time between two times of a schedule, in milliseconds.
const SPACING_MS: u64 = 60_000;

/// The times in `(from, until]`.
fn between(cron: &Cron, from: u64, until: u64) -> Vec<u64> {
    let next = |at: u64| cron.next_after(at).filter(|next| *next <= until);
    std::iter::successors(next(from), |at| next(*at)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeZone as _, Timelike as _};
    use chrono_tz::Tz;
    use proptest::prelude::*;

    const MINUTE: u64 = 60_000;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    /// Whole hours, half hours, a clock that goes back before midnight, both halves of the earth, none at all.
    const ZONES: [&str; 8] = [
        "UTC",
        "Europe/Oslo",
        "America/New_York",
        "Australia/Lord_Howe",
        "America/Santiago",
        "Africa/Casablanca",
        "Asia/Kathmandu",
        "Pacific/Auckland",
    ];
    const PATTERNS: [&str; 10] = [
        "* * * * *",
        "*/15 * * * *",
        "0 * * * *",
        "30 2 * * *",
        "0 0 * * *",
        "15 1,2,3 * * *",
        "0 3 * * mon-fri",
        "59 23 28-31 * *",
        "*/7 1-3 * * *",
        "0 12 l * *",
    ];

    fn times(firings: &[Firing]) -> Vec<u64> {
        firings.iter().map(|firing| firing.at_ms).collect()
    }

    fn utc(text: &str) -> u64 {
        let at = DateTime::parse_from_rfc3339(text).expect("a time");
        u64::try_from(at.timestamp_millis()).expect("after 1970")
    }

    #[test]
    fn what_was_missed_is_dropped_made_up_for_once_or_made_up_for() {
        let cron = Cron::parse("0 * * * *", "UTC").expect("a pattern");
        let (last, now) = (utc("2026-01-01T00:00:00Z"), utc("2026-01-01T03:00:30Z"));
        let hours = |hours: &[u64]| hours.iter().map(|hour| last + hour * HOUR).collect::<Vec<_>>();
        assert_eq!(times(&due(&cron, last, now, Catchup::None)), hours(&[3]));
        assert_eq!(times(&due(&cron, last, now + MINUTE, Catchup::None)), hours(&[]));
        assert_eq!(times(&due(&cron, last, now + MINUTE, Catchup::Last)), hours(&[3]));
        assert_eq!(times(&due(&cron, last, now + MINUTE, Catchup::All)), hours(&[1, 2, 3]));
        assert_eq!(times(&due(&cron, last + 3 * HOUR, now, Catchup::All)), hours(&[]));
    }

    #[test]
    fn a_year_of_minutes_is_the_last_hundred_of_them() {
        let cron = Cron::parse("* * * * *", "UTC").expect("a pattern");
        let now = utc("2026-01-01T00:00:00Z");
        let found = due(&cron, now - 365 * DAY, now, Catchup::All);
        assert_eq!(found.len(), CATCHUP_MAX);
        assert_eq!(found.last().map(|firing| firing.at_ms), Some(now));
        assert!(found.is_sorted_by_key(|firing| firing.at_ms));
    }

    /// A moment near a change of the clocks, or anywhere from 2015 to 2035.
    fn moments() -> impl Strategy<Value = u64> {
        let changes = prop::sample::select(vec![
            utc("2026-03-29T01:00:00Z"),
            utc("2026-10-25T01:00:00Z"),
            utc("2026-03-08T07:00:00Z"),
            utc("2026-11-01T06:00:00Z"),
            utc("2026-04-04T15:00:00Z"),
            utc("2026-10-03T15:30:00Z"),
            utc("2026-09-06T04:00:00Z"),
            utc("2026-04-05T03:00:00Z"),
            utc("2026-02-15T02:00:00Z"),
        ]);
        let near = (changes, 0..4 * HOUR).prop_map(|(change, off)| change + off - 2 * HOUR);
        let anywhere = utc("2015-01-01T00:00:00Z")..utc("2035-01-01T00:00:00Z");
        prop_oneof![near, anywhere]
    }

    fn schedules() -> impl Strategy<Value = Cron> {
        (prop::sample::select(&PATTERNS[..]), prop::sample::select(&ZONES[..]))
            .prop_map(|(pattern, zone)| Cron::parse(pattern, zone).expect("a pattern"))
    }

    /// Patterns of intervals, and at which hours and minutes they come.
    type Interval = (&'static str, fn(u32, u32) -> bool);
    const INTERVALS: [Interval; 5] = [
        ("* * * * *", |_, _| true),
        ("*/15 * * * *", |_, minute| minute % 15 == 0),
        ("0 * * * *", |_, minute| minute == 0),
        ("15 1,2,3 * * *", |hour, minute| (1..=3).contains(&hour) && minute == 15),
        ("*/7 1-3 * * *", |hour, minute| (1..=3).contains(&hour) && minute % 7 == 0),
    ];

    proptest! {
        /// Every minute is looked at beside the clocks of the place, whatever these do.
        #[test]
        fn an_interval_comes_whenever_the_clocks_show_it(
            (pattern, comes) in prop::sample::select(&INTERVALS[..]),
            zone in prop::sample::select(&ZONES[..]), from in moments(), span in 0..6 * HOUR,
        ) {
            let tz: Tz = zone.parse().expect("a zone");
            let cron = Cron::parse(pattern, zone).expect("a pattern");
            let shown = |ms: &u64| {
                let at = tz.timestamp_millis_opt(i64::try_from(*ms).expect("soon")).single().expect("a moment");
                comes(at.hour(), at.minute())
            };
            let minutes = (from / MINUTE + 1..=(from + span) / MINUTE).map(|minute| minute * MINUTE);
            let expected: Vec<u64> = minutes.filter(shown).collect();
            prop_assert_eq!(between(&cron, from, from + span), expected, "{} in {}", pattern, zone);
        }

        #[test]
        fn of_all_times_the_last_ones_are_made_up_for(
            cron in schedules(), from in moments(), span in 0..48 * HOUR,
        ) {
            let all = between(&cron, from, from + span);
            let found = due(&cron, from, from + span, Catchup::All);
            prop_assert_eq!(times(&found), &all[all.len().saturating_sub(CATCHUP_MAX)..]);
        }

        #[test]
        fn looking_often_fires_the_same_as_looking_once(
            cron in schedules(), from in moments(), looks in prop::collection::vec(1..20 * MINUTE, 1..12),
        ) {
            let mut last = from;
            let mut found = Vec::new();
            for pause in &looks {
                let firings = due(&cron, last, last + pause, Catchup::All);
                found.extend(times(&firings));
                last += pause;
            }
            let once = times(&due(&cron, from, last, Catchup::All));
            prop_assert!(found.ends_with(&once), "{found:?} {once:?}");
            prop_assert!(found.len() == once.len() || once.len() == CATCHUP_MAX);
        }

        #[test]
        fn times_of_none_are_on_time_and_those_of_last_the_last(
            cron in schedules(), from in moments(), span in 0..6 * HOUR,
        ) {
            let now = from + span;
            let all = times(&due(&cron, from, now, Catchup::All));
            let last: Vec<u64> = all.last().copied().into_iter().collect();
            prop_assert_eq!(times(&due(&cron, from, now, Catchup::Last)), last);
            let late = |at: &u64| now - at <= TRIGGER_LATE_MS_MAX;
            let on_time: Vec<u64> = all.iter().copied().filter(late).collect();
            prop_assert_eq!(times(&due(&cron, from, now, Catchup::None)), on_time);
        }

        /// Whatever the clocks do, a time of day comes once every day.
        #[test]
        fn a_fixed_time_comes_once_on_every_day(
            zone in prop::sample::select(&ZONES[..]), hour in 0_u32..24, minute in 0_u32..60, day in 0_u64..7_000,
        ) {
            let tz: Tz = zone.parse().expect("a zone");
            let cron = Cron::parse(&format!("{minute} {hour} * * *"), zone).expect("a pattern");
            let date = NaiveDate::from_ymd_opt(2015, 1, 1).expect("a day") + Days::new(day);
            let start = |date: NaiveDate| {
                // Where midnight does not exist, the day begins after the gap.
                let local = (0..180).map(|late| date.and_time(NaiveTime::MIN) + chrono::TimeDelta::minutes(late));
                let first = local.map(|at| tz.from_local_datetime(&at).earliest()).find_map(|at| at);
                u64::try_from(first.expect("a day begins").timestamp_millis()).expect("after 1970")
            };
            let (from, until) = (start(date) - 1, start(date + Days::new(1)) - 1);
            prop_assert_eq!(between(&cron, from, until).len(), 1, "{} in {}", date, zone);
        }
    }
}
