//! Stages that misbehave in every way the boundary must contain, and a few that behave, for tests and
//! benchmarks. Never part of a pipeline.
#![expect(unsafe_code, reason = "a segmentation fault cannot be had without it")]

mod good;
mod learner;
mod wrong;

reelmill_sdk::export_plugin! {
    name: "faulty",
    version: env!("CARGO_PKG_VERSION"),
    license: "MIT OR Apache-2.0",
    description: "Stages that misbehave, to test what contains them",
    stages: [
        good::Noop, good::Clock, good::Nap, good::Echo, good::Pooled, good::WriteFile, good::Keep, learner::Pick,
        good::Post, good::UntilCancelled, good::Report,
        wrong::Panic, wrong::Segfault, wrong::Abort, wrong::Oom, wrong::Hang, wrong::Flood, wrong::Noise, wrong::Garbage,
        wrong::Exit, wrong::Forbidden, wrong::OpenFails, wrong::Leak, wrong::LeaveProcess,
    ],
}
