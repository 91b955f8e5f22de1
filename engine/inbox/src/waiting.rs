//! Envelopes that could not be submitted for now, and when each is tried again. Pure: times are arguments, in
//! milliseconds of any clock that only goes forward.

use reelmill_model::limits::INBOX_WAITING_MAX;
use std::collections::HashMap;

/// How long to wait before an attempt.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    /// Before the second attempt.
    pub first_ms: u64,
    /// At most.
    pub max_ms: u64,
}

impl Backoff {
    /// After so many attempts that failed, at least one: doubled each time.
    pub fn after(self, failed: u32) -> u64 {
        let doubled = 1_u64.checked_shl(failed.saturating_sub(1)).unwrap_or(u64::MAX);
        self.first_ms.saturating_mul(doubled).min(self.max_ms)
    }
}

/// The entries that wait.
#[derive(Debug, Default)]
pub struct Waiting {
    // Of an entry: attempts that failed, and when the next is due; none while it is being tried.
    held: HashMap<String, (u32, Option<u64>)>,
}

impl Waiting {
    /// Whether nothing more should be taken. A batch in flight may still go over it.
    pub fn is_full(&self) -> bool {
        self.held.len() >= INBOX_WAITING_MAX
    }

    /// Whether an entry is one of those.
    pub fn holds(&self, id: &str) -> bool {
        self.held.contains_key(id)
    }

    /// Notes that an attempt failed.
    pub fn failed(&mut self, id: String, now_ms: u64, backoff: Backoff) {
        let (failed, due) = self.held.entry(id).or_insert((0, None));
        *failed = failed.saturating_add(1);
        *due = Some(now_ms.saturating_add(backoff.after(*failed)));
    }

    /// Forgets an entry that is settled, or is not ours any more.
    pub fn settled(&mut self, id: &str) {
        self.held.remove(id);
    }

    /// Up to so many that are due, longest first. They are being tried until `failed` or `settled` says otherwise.
    pub fn take_due(&mut self, now_ms: u64, most: usize) -> Vec<String> {
        let mut due: Vec<(u64, String)> = self
            .held
            .iter()
            .filter_map(|(id, (_, due))| Some(((*due)?, id.clone())))
            .filter(|(due, _)| *due <= now_ms)
            .collect();
        due.sort_unstable();
        due.truncate(most);
        for (_, id) in &due {
            if let Some((_, due)) = self.held.get_mut(id) {
                *due = None;
            }
        }
        due.into_iter().map(|(_, id)| id).collect()
    }

    /// When the next is due.
    pub fn next_due(&self) -> Option<u64> {
        self.held.values().filter_map(|(_, due)| *due).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff { first_ms: 100, max_ms: 1_000 };

    #[test]
    fn the_delay_doubles_up_to_a_limit() {
        let delays: Vec<u64> = (1..=6).map(|failed| BACKOFF.after(failed)).collect();
        assert_eq!(delays, [100, 200, 400, 800, 1_000, 1_000]);
        assert_eq!(BACKOFF.after(u32::MAX), 1_000);
    }

    #[test]
    fn an_entry_is_due_once_each_time_it_failed() {
        let mut waiting = Waiting::default();
        waiting.failed("a".to_owned(), 0, BACKOFF);
        waiting.failed("b".to_owned(), 50, BACKOFF);
        assert_eq!(waiting.next_due(), Some(100));
        assert_eq!(waiting.take_due(99, 9), Vec::<String>::new());
        assert_eq!(waiting.take_due(200, 1), ["a"]);
        assert_eq!(waiting.take_due(200, 9), ["b"]);
        assert_eq!(waiting.next_due(), None);
        waiting.failed("a".to_owned(), 200, BACKOFF);
        assert_eq!(waiting.next_due(), Some(400));
        waiting.settled("a");
        assert_eq!(waiting.next_due(), None);
    }

    #[test]
    fn it_is_full_at_its_limit() {
        let mut waiting = Waiting::default();
        for n in 0..INBOX_WAITING_MAX {
            assert!(!waiting.is_full());
            waiting.failed(n.to_string(), 0, BACKOFF);
        }
        assert!(waiting.is_full());
    }
}
