//! Maps by ids, for what is looked up at every step. Their hash is seeded, so that whoever chooses ids cannot make them
//! collide, and quicker than the standard library's.

use std::collections::{HashMap, HashSet};

/// A map by an id.
pub type IdMap<K, V> = HashMap<K, V, foldhash::fast::RandomState>;
/// A set of ids.
pub type IdSet<K> = HashSet<K, foldhash::fast::RandomState>;
