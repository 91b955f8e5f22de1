//! The embedded store passes the suite of all stores, on real files.

mod common;

reelmill_ports::conformance_suite!(crate::common::Bed::default());
