//! The clock of a store: leases, delays and time stamps go by it. Injected, so that tests own the time.

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Milliseconds since the epoch.
    fn now_ms(&self) -> u64;
}
