//! The store of a fleet passes the suite of all stores, on a real server.

mod common;

reelmill_ports::conformance_suite!(crate::common::Bed::default());
