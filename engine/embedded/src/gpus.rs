//! The GPUs of a worker, looked at while it works: what the next attempt is given depends on it, and `/metrics` shows it.

use prometheus::{GaugeVec, Opts, Registry};
use reelmill_hardware::{Gpu, GpuWatch, Held};
use reelmill_runtime::Gpus;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Time between two looks.
const PAUSE: Duration = Duration::from_secs(2);

/// Figures of GPUs, each with the label `gpu`.
struct Figures {
    memory_total: GaugeVec,
    memory_used: GaugeVec,
    busy: GaugeVec,
    encoder_busy: GaugeVec,
    decoder_busy: GaugeVec,
    sessions: GaugeVec,
    leased: GaugeVec,
    temperature: GaugeVec,
}

impl Figures {
    fn register(registry: &Registry) -> prometheus::Result<Self> {
        let gauge = |name: &str, help: &str| {
            let gauge = GaugeVec::new(Opts::new(name, help), &["gpu", "name"])?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<_, prometheus::Error>(gauge)
        };
        Ok(Self {
            memory_total: gauge("reelmill_gpu_memory_total_bytes", "Memory of the GPU")?,
            memory_used: gauge(
                "reelmill_gpu_memory_used_bytes",
                "Memory of the GPU that is in use, by whoever",
            )?,
            busy: gauge("reelmill_gpu_busy_ratio", "Time in which something ran on the GPU")?,
            encoder_busy: gauge("reelmill_gpu_encoder_busy_ratio", "Use of the GPU's encoders")?,
            decoder_busy: gauge("reelmill_gpu_decoder_busy_ratio", "Use of the GPU's decoders")?,
            sessions: gauge("reelmill_gpu_encoder_sessions", "Encode sessions that are open, of whoever")?,
            leased: gauge(
                "reelmill_gpu_leases",
                "Attempts of this worker that have the GPU or a session on it",
            )?,
            temperature: gauge("reelmill_gpu_temperature_celsius", "Temperature of the GPU")?,
        })
    }

    fn show(&self, number: usize, gpu: &Gpu, held: &Held) {
        let labels = [number.to_string(), gpu.name.clone()];
        let labels = [labels[0].as_str(), labels[1].as_str()];
        let set = |gauge: &GaugeVec, value: Option<f64>| {
            if let Some(value) = value {
                gauge.with_label_values(&labels).set(value);
            }
        };
        let percent = |value: Option<u32>| value.map(|value| f64::from(value) / 100.0);
        let (total, free) = (gpu.memory_total_bytes, gpu.memory_free_bytes);
        let reading = &gpu.reading;
        set(&self.memory_total, total.map(|bytes| bytes as f64));
        set(&self.memory_used, total.zip(free).map(|(total, free)| total.saturating_sub(free) as f64));
        set(&self.busy, percent(reading.busy_percent));
        set(&self.encoder_busy, percent(reading.encoder_percent));
        set(&self.decoder_busy, percent(reading.decoder_percent));
        set(&self.sessions, reading.encoder_sessions.map(f64::from));
        set(&self.leased, Some(f64::from(held.sessions + u32::from(held.alone))));
        set(&self.temperature, reading.temperature_celsius.map(f64::from));
    }
}

/// Looks at the GPUs until `end`. A machine without any is not looked at again.
pub(crate) fn watch(gpus: Gpus, registry: &Registry, end: CancellationToken) -> prometheus::Result<()> {
    if gpus.is_empty() {
        return Ok(());
    }
    let figures = Figures::register(registry)?;
    let look = move |watch: &GpuWatch| {
        gpus.update(watch.look());
        for (number, (gpu, held)) in gpus.held().iter().enumerate() {
            figures.show(number, gpu, held);
        }
    };
    // Drivers may take their time, and answer from C: they have a thread of their own.
    let spawned = std::thread::Builder::new().name("gpus".into()).spawn(move || {
        let watch = GpuWatch::open();
        while !end.is_cancelled() {
            look(&watch);
            std::thread::park_timeout(PAUSE);
        }
    });
    if let Err(error) = spawned {
        tracing::warn!(%error, "GPUs are not looked at again");
    }
    Ok(())
}
