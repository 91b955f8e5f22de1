//! What this worker has learned of stages: noted with every attempt, asked before the next one, and kept in a file, so that
//! a worker that starts again knows it.

use reelmill_learn::Prediction;
use reelmill_lifecycle::slots::{Ask, Learned, Mix, Share, Stages, Used};
use reelmill_model::Usage;
use reelmill_model::limits::{LEARNED_ATTEMPTS_MIN, LEARNED_FILE_BYTES_MAX, LEARNED_STAGES_SHOWN_MAX};
use reelmill_ports::StageUse;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What was learned. A clone is another handle on the same.
#[derive(Clone, Debug, Default)]
pub struct Learning(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// Whether attempts are reckoned with what was learned, and where it is kept.
    file: Option<PathBuf>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    stages: Stages,
    mix: Mix,
    crowd: Crowd,
    /// Whether something was learned since it was kept.
    news: bool,
}

/// How short CPU is: all that was seen of it since the worker began.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Crowd {
    looks: u64,
    /// The shares of all looks together, in thousandths.
    sum_milli: u64,
    /// That of the last one; none before the first.
    last_milli: Option<u32>,
}

impl Crowd {
    /// The share in the mean since another moment; the last one where nobody looked meanwhile.
    fn share_milli(&self, begun: Self) -> u32 {
        let looks = self.looks.saturating_sub(begun.looks);
        if looks == 0 {
            return self.last_milli.unwrap_or(1_000);
        }
        u32::try_from(self.sum_milli.saturating_sub(begun.sum_milli) / looks).unwrap_or(1_000)
    }
}

impl Learning {
    /// Reckons with what attempts were seen to use, and keeps that in a file. What is there already is known; a file that
    /// cannot be read is as none.
    #[must_use]
    pub fn open(file: &Path) -> Self {
        let stages = read(file).unwrap_or_else(|error| {
            tracing::warn!(%error, file = %file.display(), "what stages use is learned anew");
            Stages::default()
        });
        let known = Mutex::new(Known { stages, ..Known::default() });
        Self(Arc::new(Inner { file: Some(file.to_owned()), known }))
    }

    /// Whether attempts are reckoned with what was learned.
    #[must_use]
    pub fn is_used(&self) -> bool {
        self.0.file.is_some()
    }

    /// Stages that are known.
    #[must_use]
    pub fn stages(&self) -> usize {
        self.known().stages.all().len()
    }

    /// Takes over what is remembered of a stage that is not known yet.
    pub fn take_over(&self, stage: &str, expected: &Prediction) {
        let mut known = self.known();
        if known.stages.all().iter().any(|learned| learned.stage == stage) {
            return;
        }
        let (Some(memory), Some(cores)) = (expected.memory_p95_bytes, expected.cores_p50) else { return };
        let used = Used {
            cpu_milli: whole(cores * 1_000.0),
            memory_mib: whole(memory / f64::from(1 << 20)),
            share_milli: 1_000,
        };
        for _ in 0..LEARNED_ATTEMPTS_MIN {
            known.stages.note(stage, used);
        }
        known.news = true;
    }

    /// What the next attempt of a stage takes.
    pub(crate) fn reckon(&self, stage: &str, ask: Ask) -> Share {
        let mut known = self.known();
        known.mix.came(stage, ask);
        if self.is_used() { known.stages.reckon(stage, &ask) } else { Stages::default().reckon(stage, &ask) }
    }

    /// How crowded it is, for [`Self::note`] to compare with.
    pub(crate) fn crowd(&self) -> Crowd {
        self.known().crowd
    }

    /// Notes how much of the CPU that it wants everybody gets now, in thousandths.
    pub(crate) fn see_share(&self, share_milli: u32) {
        let crowd = &mut self.known().crowd;
        crowd.looks += 1;
        crowd.sum_milli += u64::from(share_milli);
        crowd.last_milli = Some(share_milli);
    }

    /// Notes what an attempt used that began in that crowd.
    pub(crate) fn note(&self, stage: &str, usage: &Usage, begun: Crowd) {
        if usage.rss_peak_bytes == 0 {
            return;
        }
        let mut known = self.known();
        let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        // CPU time is rounded up, and so has time to be.
        let used = Used {
            cpu_milli: small(usage.cpu_ms.saturating_mul(1_000) / usage.execute_ms.saturating_add(1)),
            memory_mib: small(usage.rss_peak_bytes.div_ceil(1 << 20)),
            share_milli: known.crowd.share_milli(begun),
        };
        known.stages.note(stage, used);
        known.news = true;
    }

    /// What one of the attempts that came last takes of a room in the mean.
    pub(crate) fn typical(&self, room: Share) -> Option<Share> {
        let known = self.known();
        known.mix.typical(&known.stages, room)
    }

    /// As it is announced: the stages seen last.
    pub(crate) fn now(&self) -> Vec<StageUse> {
        let shown = |learned: &Learned| StageUse {
            stage: learned.stage.clone(),
            attempts: learned.attempts,
            cpu_milli: learned.cpu_milli(),
            memory_mib: learned.memory_mib(),
        };
        self.known().stages.all().iter().take(LEARNED_STAGES_SHOWN_MAX).map(shown).collect()
    }

    /// Keeps what was learned since it was kept last. Blocks.
    pub(crate) fn keep(&self) {
        let Some(file) = &self.0.file else { return };
        let stages = {
            let mut known = self.known();
            if !std::mem::take(&mut known.news) {
                return;
            }
            known.stages.clone()
        };
        if let Err(error) = write(file, &stages) {
            tracing::warn!(%error, file = %file.display(), "what stages use could not be kept");
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A number without its fraction, as far as it can be one.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is cut to what fits")]
fn whole(number: f64) -> u32 {
    number.ceil().clamp(0.0, f64::from(u32::MAX)) as u32
}

fn read(file: &Path) -> io::Result<Stages> {
    let mut text = String::new();
    match std::fs::File::open(file) {
        Ok(open) => open.take(LEARNED_FILE_BYTES_MAX).read_to_string(&mut text)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Stages::default()),
        Err(error) => return Err(error),
    };
    let stages: Stages = serde_json::from_str(&text)?;
    Ok(Stages::new(stages.all().iter().cloned()))
}

/// Whole or not at all: other workers of this home read and write it too, and whoever is last is right.
fn write(file: &Path, stages: &Stages) -> io::Result<()> {
    let fresh = file.with_extension(format!("{}.new", std::process::id()));
    let mut open = std::fs::File::create(&fresh)?;
    open.write_all(&serde_json::to_vec(stages)?)?;
    drop(open);
    std::fs::rename(&fresh, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(execute_ms: u64, cpu_ms: u64, mib: u64) -> Usage {
        Usage { execute_ms, cpu_ms, rss_peak_bytes: mib << 20, store_ms: 0 }
    }

    fn ask() -> Ask {
        let declared = Share { cpu_milli: 1_000, memory_mib: 256, gpus: 0 };
        Ask { declared, floor: Share::default() }
    }

    #[test]
    fn what_was_learned_survives_and_a_broken_file_does_not_hurt() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("learned.json");
        let learning = Learning::open(&file);
        for _ in 0..3 {
            learning.note("a.wait", &usage(1_000, 10, 40), learning.crowd());
        }
        learning.keep();
        let again = Learning::open(&file);
        assert_eq!(again.reckon("a.wait", ask()), Share { cpu_milli: 62, memory_mib: 50, gpus: 0 });
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left there");
        std::fs::write(&file, "{").unwrap();
        assert_eq!(Learning::open(&file).reckon("a.wait", ask()), ask().declared);
    }

    #[test]
    fn what_is_remembered_of_a_stage_is_believed_until_it_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let learning = Learning::open(&folder.path().join("learned.json"));
        let expected = Prediction {
            known: 9,
            seconds_p50: 1.0,
            seconds_p90: 2.0,
            memory_p95_bytes: Some(f64::from(1 << 30)),
            cores_p50: Some(1.5),
        };
        learning.take_over("a.wait", &Prediction { cores_p50: None, ..expected });
        assert_eq!(learning.stages(), 0, "half of it is not enough");
        learning.take_over("a.wait", &expected);
        let share = learning.reckon("a.wait", ask());
        assert_eq!((share.cpu_milli, share.memory_mib), (1_500, 1_280));
        learning.take_over("a.wait", &Prediction { cores_p50: Some(9.0), ..expected });
        assert_eq!(learning.reckon("a.wait", ask()), share, "it is known already");
    }

    #[test]
    fn slots_that_were_told_reckon_with_what_was_said() {
        let learning = Learning::default();
        for _ in 0..9 {
            learning.note("a.wait", &usage(1_000, 10, 40), learning.crowd());
        }
        assert_eq!(learning.reckon("a.wait", ask()), ask().declared);
        assert_eq!(learning.now()[0].cpu_milli, 62, "it is shown all the same");
    }

    #[test]
    fn what_an_attempt_got_in_a_crowd_is_less_than_it_wanted() {
        let folder = tempfile::tempdir().unwrap();
        let learning = Learning::open(&folder.path().join("learned.json"));
        for _ in 0..9 {
            let begun = learning.crowd();
            for share in [1_000, 250, 250, 1_000] {
                learning.see_share(share);
            }
            learning.note("a.burn", &usage(999, 625, 40), begun);
        }
        assert_eq!(learning.reckon("a.burn", ask()).cpu_milli, 1_000);
        learning.see_share(500);
        for _ in 0..9 {
            learning.note("a.short", &usage(999, 250, 40), learning.crowd());
        }
        assert_eq!(learning.reckon("a.short", ask()).cpu_milli, 500, "nobody looked while it ran");
    }
}
