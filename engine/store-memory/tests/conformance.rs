//! The twin passes the suite of all stores.

mod common;

reelmill_ports::conformance_suite!(crate::common::Bed::default());
