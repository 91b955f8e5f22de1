//! What a control group (version 2) lets this process use of memory, itself and the groups around it.

use std::fs;
use std::path::Path;

/// Memory of the tightest group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GroupMemory {
    /// How much may be used, in bytes.
    pub limit_bytes: u64,
    /// How much is left of it, in bytes; what the page cache could give back counts as left.
    pub available_bytes: u64,
}

/// The tightest limit that holds for this process; none where there is none.
pub(crate) fn memory() -> Option<GroupMemory> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let own = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    memory_of(Path::new("/sys/fs/cgroup"), Path::new(own))
}

fn memory_of(root: &Path, own: &Path) -> Option<GroupMemory> {
    // `..` stands there when the group lies outside of what a container sees.
    let inside = own.components().all(|part| matches!(part, std::path::Component::Normal(_)));
    let own = if inside { own } else { Path::new("") };
    let groups = own.ancestors().map(|group| root.join(group));
    groups.filter_map(|group| one(&group)).min_by_key(|group| group.available_bytes)
}

fn one(group: &Path) -> Option<GroupMemory> {
    let read = |name: &str| fs::read_to_string(group.join(name)).ok();
    let number = |name: &str| read(name)?.trim().parse::<u64>().ok();
    // Without a limit it says `max`.
    let limit_bytes = number("memory.max")?;
    let used = number("memory.current")?;
    let stat = read("memory.stat").unwrap_or_default();
    let cache = stat.lines().find_map(|line| line.strip_prefix("inactive_file ")?.trim().parse().ok());
    let used = used.saturating_sub(cache.unwrap_or(0));
    Some(GroupMemory { limit_bytes, available_bytes: limit_bytes.saturating_sub(used) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tightest_group_counts_and_the_page_cache_is_left() {
        let root = tempfile::tempdir().unwrap();
        let group = |path: &str, max: &str, current: u64, cache: u64| {
            let folder = root.path().join(path);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("memory.max"), format!("{max}\n")).unwrap();
            fs::write(folder.join("memory.current"), format!("{current}\n")).unwrap();
            fs::write(folder.join("memory.stat"), format!("anon 1\ninactive_file {cache}\n")).unwrap();
        };
        group("a/b", "max", 900, 0);
        assert_eq!(memory_of(root.path(), Path::new("a/b")), None);
        group("a", "1000", 900, 300);
        let tight = GroupMemory { limit_bytes: 1000, available_bytes: 400 };
        assert_eq!(memory_of(root.path(), Path::new("a/b")), Some(tight));
        group("a/b", "2000", 100, 0);
        assert_eq!(memory_of(root.path(), Path::new("a/b")), Some(tight), "the outer one is tighter");
        assert_eq!(memory_of(root.path(), Path::new("../elsewhere")), None);
    }
}
