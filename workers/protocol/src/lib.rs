//! Messages between worker and runner.
