//! Redis servers for tests and benchmarks. Each is a real `redis-server` of its own, on a free port, in a folder that
//! is gone at the end; it can be asked, killed, and started again where it was.

mod ask;
mod certificates;
mod cluster;
mod proxy;
mod sentinel;
mod server;

pub use certificates::Certificates;
pub use cluster::RedisCluster;
pub use proxy::Proxy;
pub use sentinel::RedisSentinel;
pub use server::RedisServer;

use std::time::Duration;

/// Time after which waiting is given up; far more than anything takes.
const PATIENCE: Duration = Duration::from_mins(1);
