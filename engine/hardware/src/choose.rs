//! Which GPU a task gets. Pure: from what was read of all of them, and from who has them already.

use crate::gpu::Gpu;

/// What a GPU is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GpuTask {
    /// To have it alone.
    Alone,
    /// To encode a video beside others.
    Encode,
}

/// Who has a GPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Whether somebody has it alone.
    pub alone: bool,
    /// Encode sessions that were given.
    pub sessions: u32,
    /// Memory that was promised, in bytes.
    pub memory_bytes: u64,
}

/// Encode sessions that are given on one GPU at once. NVIDIA's drivers allow as many on cards that are not for
/// workstations; whoever is refused one all the same goes on with another encoder.
pub const SESSIONS_MAX: u32 = 8;

/// The place of the GPU that suits a task best, with so much memory free; none where no GPU has it now.
///
/// Of those that suit, the one with the fewest sessions, then the least busy, then the one with the most free memory, then
/// the first. Memory that was promised counts as used; where a driver does not say how much there is, none may be asked for.
#[must_use]
pub fn best_gpu_for(task: GpuTask, memory_bytes: u64, gpus: &[(Gpu, Held)]) -> Option<usize> {
    let suits = |one: &(Gpu, Held)| {
        let open = one.0.reading.encoder_sessions.unwrap_or(0).max(one.1.sessions);
        !one.1.alone
            && (memory_bytes == 0 || free(one) >= memory_bytes)
            && (task == GpuTask::Alone || open < SESSIONS_MAX)
    };
    let load = |one: &(Gpu, Held)| {
        let reading = &one.0.reading;
        let sessions = reading.encoder_sessions.unwrap_or(0).max(one.1.sessions);
        let busy = match task {
            GpuTask::Encode => reading.encoder_percent.or(reading.busy_percent),
            GpuTask::Alone => reading.busy_percent,
        };
        (sessions, busy.unwrap_or(0), u64::MAX - free(one))
    };
    let places = gpus.iter().enumerate().filter(|(_, one)| suits(one));
    places.min_by_key(|(place, one)| (load(one), *place)).map(|(place, _)| place)
}

/// What an attempt that wants more memory of a GPU than it asks for, in bytes, waits for: all it wants, while a GPU that
/// somebody has alone may give as much when it comes back; else the most that one has free now, and never less than it
/// asks for. `own` are the places of GPUs that it has already.
#[must_use]
pub fn memory_within_reach(asked_bytes: u64, wanted_bytes: u64, gpus: &[(Gpu, Held)], own: &[usize]) -> u64 {
    let comes_back = gpus.iter().enumerate().any(|(place, (gpu, held))| {
        held.alone && !own.contains(&place) && gpu.memory_total_bytes.unwrap_or(0) >= wanted_bytes
    });
    if comes_back {
        return wanted_bytes;
    }
    let most = gpus.iter().filter(|(_, held)| !held.alone).map(free).max().unwrap_or(0);
    wanted_bytes.min(most).max(asked_bytes)
}

/// Memory of a GPU that nobody uses and that is promised to nobody, in bytes.
fn free((gpu, held): &(Gpu, Held)) -> u64 {
    let unpromised = gpu.memory_total_bytes.unwrap_or(0).saturating_sub(held.memory_bytes);
    gpu.memory_free_bytes.unwrap_or(0).min(unpromised)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::nvidia;

    fn with(gpu: Gpu, sessions: Option<u32>, busy: u32) -> Gpu {
        let reading = crate::gpu::Reading {
            encoder_sessions: sessions,
            busy_percent: Some(busy),
            ..crate::gpu::Reading::default()
        };
        Gpu { reading, ..gpu }
    }

    #[test]
    fn sessions_are_spread_over_gpus() {
        let mut gpus = vec![
            (nvidia(0, 24, 20), Held::default()),
            (nvidia(1, 24, 22), Held::default()),
            (nvidia(2, 24, 22), Held::default()),
        ];
        let mut given = Vec::new();
        for _ in 0..SESSIONS_MAX * 3 {
            let place = best_gpu_for(GpuTask::Encode, 0, &gpus).expect("one has a session");
            gpus[place].1.sessions += 1;
            given.push(place);
        }
        assert_eq!(given[..6], [1, 2, 0, 1, 2, 0], "the most free memory first, then in turn");
        assert_eq!(best_gpu_for(GpuTask::Encode, 0, &gpus), None, "all sessions are given");
        assert_eq!(best_gpu_for(GpuTask::Alone, 0, &gpus), Some(1));
    }

    #[test]
    fn memory_that_was_promised_or_is_used_by_others_is_not_free() {
        let promised = Held { memory_bytes: 20 << 30, ..Held::default() };
        let gpus = [(nvidia(0, 24, 24), promised), (nvidia(1, 24, 6), Held::default())];
        assert_eq!(best_gpu_for(GpuTask::Alone, 5 << 30, &gpus), Some(1));
        assert_eq!(best_gpu_for(GpuTask::Alone, 7 << 30, &gpus), None);
        let silent = Gpu { memory_total_bytes: None, memory_free_bytes: None, ..nvidia(0, 0, 0) };
        let silent = [(silent, Held::default())];
        assert_eq!(best_gpu_for(GpuTask::Alone, 0, &silent), Some(0));
        assert_eq!(best_gpu_for(GpuTask::Alone, 1, &silent), None, "nobody knows whether it has it");
    }

    #[test]
    fn more_than_was_asked_for_is_waited_for_only_where_it_may_come_back() {
        let gib = |n: u64| n << 30;
        let alone = Held { alone: true, memory_bytes: gib(8), ..Held::default() };
        let reach = |wanted, gpus: &[(Gpu, Held)], own: &[usize]| {
            memory_within_reach(gib(8), gib(wanted), gpus, own) >> 30
        };
        let idle = [(nvidia(0, 24, 23), Held::default()), (nvidia(1, 12, 11), Held::default())];
        assert_eq!(reach(16, &idle, &[]), 16);
        assert_eq!(reach(32, &idle, &[]), 23, "the largest, as far as it is free");
        let busy = [(nvidia(0, 24, 9), alone), (nvidia(1, 12, 11), Held::default())];
        assert_eq!(reach(16, &busy, &[]), 16, "the large one comes back");
        assert_eq!(reach(32, &busy, &[]), 11, "none that comes back is so large");
        assert_eq!(reach(16, &busy, &[0]), 11, "it has the large one, and wants another");
        assert_eq!(reach(16, &busy[..1], &[0]), 8, "never less than it asks for");
    }

    #[test]
    fn whoever_has_it_alone_keeps_others_away_and_sessions_of_other_programs_count() {
        let alone = Held { alone: true, ..Held::default() };
        let gpus = [
            (nvidia(0, 24, 24), alone),
            (with(nvidia(1, 24, 24), Some(7), 0), Held::default()),
            (with(nvidia(2, 24, 24), Some(8), 0), Held::default()),
        ];
        assert_eq!(best_gpu_for(GpuTask::Encode, 0, &gpus), Some(1));
        assert_eq!(best_gpu_for(GpuTask::Encode, 0, &gpus[..1]), None);
        let busy = [
            (with(nvidia(0, 24, 24), Some(0), 90), Held::default()),
            (with(nvidia(1, 24, 10), Some(0), 5), Held::default()),
        ];
        assert_eq!(best_gpu_for(GpuTask::Alone, 0, &busy), Some(1), "the less busy one");
    }
}
