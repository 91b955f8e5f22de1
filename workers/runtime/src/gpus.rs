//! The GPUs of this worker: who has which, and what an attempt is told of them. An attempt that asks for GPUs has them
//! alone; one whose stage can use a GPU gets a session on the least loaded one, or none, and never waits for it.

use reelmill_hardware::{Candidate, Gpu, GpuTask, Held, SESSIONS_MAX, best_gpu_for, memory_within_reach};
use reelmill_model::EncoderSeen;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// A hardware encoder that was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probed {
    /// What was tried.
    pub candidate: Candidate,
    /// Why it does not work; none where it does.
    pub failure: Option<String>,
}

/// The GPUs of one worker. A clone is another handle on the same.
#[derive(Clone, Debug, Default)]
pub struct Gpus(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    probed: Vec<Probed>,
    all: Mutex<Vec<(Gpu, Held)>>,
    /// Somebody gave one back, or they were looked at again.
    changed: Notify,
}

/// Held while an attempt uses GPUs.
#[derive(Debug, Default)]
pub(crate) struct GpuLease {
    gpus: Gpus,
    /// The place of each, and the memory that was promised of it, in bytes.
    places: Vec<(usize, u64)>,
    task: Option<GpuTask>,
}

/// Memory of a GPU, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct GpuMemory {
    /// What the pipeline asks for: with less no attempt begins.
    pub(crate) asked_bytes: u64,
    /// What an attempt would have after others that failed for want of some; not less than what is asked for.
    pub(crate) wanted_bytes: u64,
}

impl Gpus {
    /// Of these GPUs, and of the encoders that were tried on them.
    #[must_use]
    pub fn new(gpus: Vec<Gpu>, probed: Vec<Probed>) -> Self {
        let all = gpus.into_iter().map(|gpu| (gpu, Held::default())).collect();
        Self(Arc::new(Inner { probed, all: Mutex::new(all), changed: Notify::new() }))
    }

    /// Whether there are any.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all().is_empty()
    }

    /// They were looked at again. One that is not there any more keeps what was read of it last.
    pub fn update(&self, now: Vec<Gpu>) {
        let mut all = self.all();
        for gpu in now {
            if let Some(one) = all.iter_mut().find(|one| one.0.id == gpu.id) {
                one.0 = gpu;
            }
        }
        drop(all);
        self.0.changed.notify_waiters();
    }

    /// All of them, and who has them.
    #[must_use]
    pub fn held(&self) -> Vec<(Gpu, Held)> {
        self.all().clone()
    }

    /// So many GPUs alone, each with so much memory free. Waits until there are as many; more than this worker has are as
    /// many as it has. Whoever calls has a place among the slots already, so that the count of GPUs is not what it waits for.
    pub(crate) async fn alone(&self, count: u32, memory: GpuMemory) -> GpuLease {
        let count = self.all().len().min(count as usize);
        let mut lease = GpuLease { gpus: self.clone(), places: Vec::new(), task: Some(GpuTask::Alone) };
        while lease.places.len() < count {
            // Whatever changes from here on is noticed.
            let mut changed = std::pin::pin!(self.0.changed.notified());
            changed.as_mut().enable();
            match self.take_alone(memory, &lease.places) {
                Some(place) => lease.places.push(place),
                None => changed.await,
            }
        }
        lease
    }

    /// A session on the GPU that suits best; none where all are taken.
    pub(crate) fn session(&self) -> GpuLease {
        let place = take(&mut self.all(), GpuTask::Encode, 0);
        GpuLease { gpus: self.clone(), places: place.into_iter().collect(), task: Some(GpuTask::Encode) }
    }

    fn take_alone(&self, memory: GpuMemory, own: &[(usize, u64)]) -> Option<(usize, u64)> {
        let mut all = self.all();
        let own: Vec<usize> = own.iter().map(|(place, _)| *place).collect();
        let bytes = memory_within_reach(memory.asked_bytes, memory.wanted_bytes, &all, &own);
        take(&mut all, GpuTask::Alone, bytes)
    }

    fn all(&self) -> MutexGuard<'_, Vec<(Gpu, Held)>> {
        self.0.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn take(all: &mut [(Gpu, Held)], task: GpuTask, memory_bytes: u64) -> Option<(usize, u64)> {
    let place = best_gpu_for(task, memory_bytes, all)?;
    let held = &mut all[place].1;
    held.memory_bytes += memory_bytes;
    match task {
        GpuTask::Alone => held.alone = true,
        GpuTask::Encode => held.sessions += 1,
    }
    Some((place, memory_bytes))
}

impl GpuLease {
    /// The numbers by which drivers know the GPUs.
    pub(crate) fn numbers(&self) -> Vec<u32> {
        let all = self.gpus.all();
        self.places.iter().filter_map(|(place, _)| Some(all.get(*place)?.0.index)).collect()
    }

    /// The encoders that were tried: those of these GPUs, those that belong to none, and why others do not work.
    pub(crate) fn encoders(&self) -> Vec<EncoderSeen> {
        if self.task.is_none() {
            return Vec::new();
        }
        let failure = |one: &Probed| match (&one.failure, one.candidate.gpu) {
            (Some(failure), _) => Some(failure.clone()),
            (None, Some(gpu)) if self.places.is_empty() => {
                Some(format!("GPU {gpu} is had alone, or all of its {SESSIONS_MAX} sessions are taken"))
            }
            _ => None,
        };
        let here = |one: &&Probed| {
            one.candidate.gpu.is_none_or(|gpu| {
                self.places.is_empty() || self.places.iter().any(|(place, _)| *place == gpu)
            })
        };
        let seen = |one: &Probed| EncoderSeen {
            encoder: one.candidate.encoder.clone(),
            device: one.candidate.device.clone(),
            generation: one.candidate.generation.clone(),
            failure: failure(one),
        };
        self.gpus.0.probed.iter().filter(here).map(seen).collect()
    }
}

impl Drop for GpuLease {
    fn drop(&mut self) {
        let Some(task) = self.task else { return };
        let mut all = self.gpus.all();
        for (place, memory_bytes) in self.places.drain(..) {
            let Some((_, held)) = all.get_mut(place) else { continue };
            held.memory_bytes = held.memory_bytes.saturating_sub(memory_bytes);
            match task {
                GpuTask::Alone => held.alone = false,
                GpuTask::Encode => held.sessions = held.sessions.saturating_sub(1),
            }
        }
        drop(all);
        self.gpus.0.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;
    use reelmill_hardware::{GpuDriver, Reading, Vendor, candidates};

    fn gpu(index: u32, free_gib: u64) -> Gpu {
        Gpu {
            driver: GpuDriver::Nvml,
            vendor: Vendor::Nvidia,
            index,
            id: format!("GPU-{index}"),
            name: "card".to_owned(),
            driver_version: None,
            generation: "ada".to_owned(),
            compute: None,
            memory_total_bytes: Some(24 << 30),
            memory_free_bytes: Some(free_gib << 30),
            reading: Reading::default(),
            node: None,
        }
    }

    fn gpus() -> Gpus {
        let all = vec![gpu(0, 20), gpu(1, 8)];
        let failure = |one: &Candidate| (one.encoder == "av1_nvenc").then(|| "no AV1".to_owned());
        let probed = candidates(&all, &["h264_qsv".to_owned()])
            .into_iter()
            .map(|candidate| Probed { failure: failure(&candidate), candidate });
        let probed = probed.collect();
        Gpus::new(all, probed)
    }

    fn asked(gib: u64) -> GpuMemory {
        GpuMemory { asked_bytes: gib << 30, wanted_bytes: gib << 30 }
    }

    fn works(lease: &GpuLease) -> Vec<(String, Option<String>)> {
        let all = lease.encoders().into_iter().filter(|one| one.failure.is_none());
        all.map(|one| (one.encoder, one.device)).collect()
    }

    #[tokio::test]
    async fn memory_decides_which_gpu_and_a_given_one_comes_back() {
        let gpus = gpus();
        let large = gpus.alone(1, asked(10)).await;
        assert_eq!(large.numbers(), [0]);
        let mut second = Box::pin(gpus.alone(1, asked(10)));
        assert!((&mut second).now_or_never().is_none(), "the other one has 8 GiB free");
        gpus.update(vec![gpu(1, 12)]);
        let second = second.await;
        assert_eq!(second.numbers(), [1], "it was looked at again and has 12");
        assert!(gpus.session().numbers().is_empty(), "both are had alone");
        drop((large, second));
        assert!(gpus.held().iter().all(|(_, held)| *held == Held::default()));
    }

    #[tokio::test]
    async fn what_grew_waits_for_a_gpu_that_comes_back_and_else_takes_the_largest() {
        let gpus = gpus();
        let grown = |gib: u64| GpuMemory { asked_bytes: 4 << 30, wanted_bytes: gib << 30 };
        let first = gpus.alone(1, grown(16)).await;
        assert_eq!(first.numbers(), [0], "the other one has 8 GiB free");
        let mut second = Box::pin(gpus.alone(1, grown(16)));
        assert!((&mut second).now_or_never().is_none(), "the large one comes back");
        drop(first);
        assert_eq!(second.await.numbers(), [0]);
        let both = gpus.alone(2, grown(64)).await;
        assert_eq!(both.numbers(), [0, 1], "no GPU has so much: those that have most");
        let promised: Vec<u64> = gpus.held().iter().map(|(_, held)| held.memory_bytes >> 30).collect();
        assert_eq!(promised, [20, 8]);
        drop(both);
        assert!(gpus.held().iter().all(|(_, held)| *held == Held::default()));
    }

    #[tokio::test]
    async fn an_attempt_is_told_of_the_encoders_of_its_gpu_and_why_others_do_not_work() {
        let gpus = gpus();
        let (first, second) = (gpus.session(), gpus.session());
        assert_eq!((first.numbers(), second.numbers()), (vec![0], vec![1]));
        let of = |device: &str| {
            let device = Some(device.to_owned());
            let nvenc = |codec: &str| (format!("{codec}_nvenc"), device.clone());
            vec![nvenc("h264"), nvenc("hevc"), ("h264_qsv".to_owned(), None)]
        };
        assert_eq!((works(&first), works(&second)), (of("0"), of("1")));
        assert!(first.encoders().iter().any(|one| one.failure.as_deref() == Some("no AV1")));
        let _alone = (gpus.alone(1, asked(0)).await, gpus.alone(1, asked(0)).await);
        let none = gpus.session();
        assert_eq!(works(&none), [("h264_qsv".to_owned(), None)]);
        let told = none.encoders().into_iter().find(|one| one.encoder == "h264_nvenc");
        assert!(told.and_then(|one| one.failure).is_some_and(|why| why.contains("alone")));
        assert!(GpuLease::default().encoders().is_empty(), "a stage without a GPU is told nothing");
    }
}
