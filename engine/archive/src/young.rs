//! Which runs can be submitted while the archive is away. Most ids are new, but some are drawn from what started the run (a
//! firing, an envelope, a row), and the same run may have been archived long ago. Only the archive knows; of young ids the
//! live store does, because whoever moves such a run leaves a mark there.

use reelmill_model::RunId;
use reelmill_model::limits::{MOVED_MARK_MS, RUN_YOUNG_MS_MAX};

/// How long a mark is kept, in milliseconds: until no clock takes the run for a young one.
pub const MARK_KEPT_MS: u64 = 2 * MOVED_MARK_MS;

/// Whether a run with this id cannot have been moved, unless there is a mark that says so.
pub fn is_young(id: RunId, now_ms: u64) -> bool {
    id.0.timestamp_ms().abs_diff(now_ms) <= RUN_YOUNG_MS_MAX
}

/// Whether a run that is moved now leaves a mark. Clocks of machines may differ by what lies between the two bounds.
pub fn leaves_mark(id: RunId, now_ms: u64) -> bool {
    id.0.timestamp_ms() + MOVED_MARK_MS > now_ms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_takes_a_run_for_a_young_one_finds_its_mark_though_clocks_differ() {
        let (made_ms, apart_ms) = (1_700_000_000_000, MOVED_MARK_MS - RUN_YOUNG_MS_MAX);
        let id = RunId::from_parts(made_ms, 7);
        for moved_ms in [made_ms, made_ms + RUN_YOUNG_MS_MAX, made_ms + MOVED_MARK_MS, made_ms + 3_600_000] {
            for asked_ms in [moved_ms.saturating_sub(apart_ms - 1), moved_ms, moved_ms + 1] {
                assert!(!is_young(id, asked_ms) || leaves_mark(id, moved_ms), "{moved_ms} {asked_ms}");
            }
        }
        assert!(is_young(id, made_ms) && is_young(id, made_ms - 1));
        assert!(!is_young(id, made_ms + RUN_YOUNG_MS_MAX + 1), "an old id is asked of the archive");
        assert!(!leaves_mark(id, made_ms + 3_600_000), "most runs leave none");
    }
}
