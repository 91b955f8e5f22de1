//! How many attempts run at once.

use reelmill_model::limits::WORKER_SLOTS_MAX;

/// Memory that one attempt is counted with, in bytes. A 1080×1920 render with x264 peaks at about 750 MB
/// (measured; see `benches/`), and the page cache wants its share.
pub const SLOT_MEMORY_BYTES: u64 = 1 << 30;

/// Slots of a worker on a machine of so many processors and so much memory: one for each processor, as far as the
/// memory lasts, and never none.
#[must_use]
pub fn slots(cpus: usize, memory_bytes: u64) -> usize {
    let by_memory = usize::try_from(memory_bytes / SLOT_MEMORY_BYTES).unwrap_or(usize::MAX);
    cpus.min(by_memory).clamp(1, WORKER_SLOTS_MAX as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scarcer_of_processors_and_memory_decides() {
        for (cpus, gib, expected) in [
            (8, 64, 8),
            (8, 4, 4),
            (2, 64, 2),
            (8, 0, 1),
            (0, 64, 1),
            (1024, 4096, WORKER_SLOTS_MAX as usize),
        ] {
            assert_eq!(slots(cpus, gib << 30), expected, "{cpus} processors, {gib} GiB");
        }
    }
}
