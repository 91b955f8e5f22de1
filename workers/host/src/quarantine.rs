//! Plugins that keep crashing are left alone for a while. Time is an argument.

use reelmill_model::{Digest, Failure, FailureClass};
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

/// The crashes of late, by plugin.
#[derive(Debug)]
pub struct Quarantine {
    crashes_max: usize,
    window: Duration,
    crashes: HashMap<Digest, VecDeque<Instant>>,
}

impl Quarantine {
    /// Nobody is in quarantine yet.
    pub fn new(crashes_max: usize, window: Duration) -> Self {
        Self { crashes_max: crashes_max.max(1), window, crashes: HashMap::new() }
    }

    /// Takes note of a crash.
    pub fn note(&mut self, plugin: Digest, now: Instant) {
        let crashes = self.crashes.entry(plugin).or_default();
        crashes.push_back(now);
        if crashes.len() > self.crashes_max {
            crashes.pop_front();
        }
    }

    /// The failure of an attempt that must not start; none when it may.
    pub fn refusal(&mut self, plugin: Digest, name: &str, now: Instant) -> Option<Failure> {
        let crashes = self.crashes.get_mut(&plugin)?;
        let last = *crashes.back()?;
        if now.duration_since(last) >= self.window {
            self.crashes.remove(&plugin);
            return None;
        }
        let first = *crashes.front()?;
        if crashes.len() < self.crashes_max || last.duration_since(first) > self.window {
            return None;
        }
        let left = self.window.saturating_sub(now.duration_since(last));
        let message = format!(
            "plugin `{name}` crashed {} times within {} s and is not started for another {} s; look at the \
             earlier failures of its stages, then replace the plugin",
            crashes.len(),
            self.window.as_secs(),
            left.as_secs().max(1)
        );
        Some(Failure::new(FailureClass::Quarantined, message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLUGIN: Digest = Digest([1; 32]);
    const OTHER: Digest = Digest([2; 32]);

    #[test]
    fn crashes_within_the_window_lock_a_plugin_until_it_has_passed() {
        let window = Duration::from_mins(1);
        let mut quarantine = Quarantine::new(3, window);
        let start = Instant::now();
        for second in 0..3 {
            let now = start + Duration::from_secs(second);
            assert_eq!(quarantine.refusal(PLUGIN, "p", now), None, "{second} crashes are not enough");
            quarantine.note(PLUGIN, now);
        }
        let now = start + Duration::from_secs(3);
        assert_eq!(quarantine.refusal(PLUGIN, "p", now).unwrap().class, FailureClass::Quarantined);
        assert_eq!(quarantine.refusal(OTHER, "o", now), None);
        assert_eq!(quarantine.refusal(PLUGIN, "p", start + Duration::from_secs(2) + window), None);
    }

    #[test]
    fn slow_crashes_do_not_add_up() {
        let window = Duration::from_mins(1);
        let mut quarantine = Quarantine::new(3, window);
        let start = Instant::now();
        for crash in 0..50 {
            let now = start + Duration::from_secs(crash * 40);
            quarantine.note(PLUGIN, now);
            assert_eq!(quarantine.refusal(PLUGIN, "p", now), None);
        }
    }
}
