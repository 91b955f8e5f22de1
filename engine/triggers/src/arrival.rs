//! When a file has arrived: decided from listings of its folder alone.
//!
//! Whoever writes into a folder does not say when it is done. A file counts as complete when its size and its time of
//! change were the same at every look for a while. An empty file is not complete, and names that writers use for what
//! is not done yet (`.name`, `name.part`, `name.tmp`) never count.

use reelmill_model::limits::WATCHED_FILES_MAX;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A file as a listing shows it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct FileStat {
    /// Its name within the folder.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// When it was last changed, in milliseconds since the epoch.
    pub modified_ms: u64,
}

impl FileStat {
    /// What this state of the file has in common with no other.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let text = format!("{}\0{}\0{}", self.name, self.size, self.modified_ms);
        blake3::hash(text.as_bytes()).to_hex()[..16].to_owned()
    }
}

/// What was seen of a folder.
#[derive(Clone, Debug, Default)]
pub struct Arrivals {
    // Of every file that is there and has not fired: its state, and since when it is in it.
    open: BTreeMap<String, (FileStat, u64)>,
    // Of every file that is there and has fired.
    fired: BTreeSet<String>,
}

impl Arrivals {
    /// Looks at a listing: which files have become complete, by name. `now_ms` is of a clock that only goes forward.
    pub fn look(
        &mut self,
        mut listing: Vec<FileStat>,
        pattern: Option<&str>,
        settle_ms: u64,
        now_ms: u64,
    ) -> Vec<FileStat> {
        listing.retain(|file| counts(&file.name) && pattern.is_none_or(|pattern| fits(pattern, &file.name)));
        listing.sort_unstable();
        listing.truncate(WATCHED_FILES_MAX);
        // What is not there any more is forgotten.
        let mut fired = BTreeSet::new();
        let mut open = BTreeMap::new();
        let mut complete = Vec::new();
        for file in listing {
            let fingerprint = file.fingerprint();
            if self.fired.contains(&fingerprint) {
                fired.insert(fingerprint);
                continue;
            }
            let since_ms = match self.open.get(&file.name) {
                Some((before, since_ms)) if *before == file => *since_ms,
                _ => now_ms,
            };
            if file.size > 0 && now_ms.saturating_sub(since_ms) >= settle_ms {
                fired.insert(fingerprint);
                complete.push(file);
            } else {
                open.insert(file.name.clone(), (file, since_ms));
            }
        }
        (self.open, self.fired) = (open, fired);
        complete
    }

    /// Takes over what others have seen fire.
    pub fn note(&mut self, fired: &[String]) {
        self.fired.extend(fired.iter().cloned());
    }

    /// The files that are there and have fired, for `note`.
    #[must_use]
    pub fn fired(&self) -> Vec<String> {
        self.fired.iter().cloned().collect()
    }
}

/// Whether a name is one of a file that may be done.
fn counts(name: &str) -> bool {
    !name.starts_with('.') && ![".part", ".tmp", "~"].iter().any(|end| name.ends_with(end))
}

/// Whether a name fits a pattern, in which `*` stands for any text and `?` for one character.
fn fits(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    // Where to go on when what follows the last star does not fit here.
    let mut again: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                again = Some((p, n));
                p += 1;
            }
            Some(c) if *c == '?' || *c == name[n] => (p, n) = (p + 1, n + 1),
            _ => {
                let Some((star, taken)) = again else { return false };
                again = Some((star, taken + 1));
                (p, n) = (star + 1, taken + 1);
            }
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, size: u64, modified_ms: u64) -> FileStat {
        FileStat { name: name.to_owned(), size, modified_ms }
    }

    fn names(files: &[FileStat]) -> Vec<&str> {
        files.iter().map(|file| file.name.as_str()).collect()
    }

    #[test]
    fn a_file_is_complete_when_it_stopped_changing_and_fires_once() {
        let mut arrivals = Arrivals::default();
        let mut look = |size, modified, now| {
            names(&arrivals.look(vec![file("a.csv", size, modified)], None, 5_000, now)).len()
        };
        assert_eq!(look(0, 1, 0), 0);
        assert_eq!(look(0, 1, 9_000), 0, "it is empty");
        assert_eq!(look(10, 2, 10_000), 0);
        assert_eq!(look(20, 2, 14_000), 0, "it grew");
        assert_eq!(look(20, 3, 18_000), 0, "it was changed");
        assert_eq!(look(20, 3, 22_999), 0);
        assert_eq!(look(20, 3, 23_000), 1);
        assert_eq!(look(20, 3, 99_000), 0, "it has fired");
        assert_eq!(look(30, 4, 100_000), 0);
        assert_eq!(look(30, 4, 105_000), 1, "another file of the same name");
    }

    #[test]
    fn what_fired_is_known_after_a_restart_and_forgotten_when_it_is_gone() {
        let mut arrivals = Arrivals::default();
        let there = || vec![file("a", 1, 1), file("b", 1, 1)];
        arrivals.look(there(), None, 10, 0);
        assert_eq!(names(&arrivals.look(there(), None, 10, 10)), ["a", "b"]);
        let mut restarted = Arrivals::default();
        restarted.note(&arrivals.fired());
        restarted.look(there(), None, 10, 0);
        assert_eq!(names(&restarted.look(there(), None, 10, 10)), Vec::<&str>::new());
        restarted.look(vec![file("b", 1, 1)], None, 10, 20);
        assert_eq!(restarted.fired().len(), 1);
        restarted.look(there(), None, 10, 30);
        assert_eq!(names(&restarted.look(there(), None, 10, 40)), ["a"], "it came again");
    }

    #[test]
    fn names_of_what_is_not_done_never_count() {
        let mut arrivals = Arrivals::default();
        let listing =
            || [".hidden", "a.part", "b.tmp", "c~", "d.csv", "e.txt"].map(|name| file(name, 1, 1)).to_vec();
        arrivals.look(listing(), Some("*.csv"), 1, 0);
        assert_eq!(names(&arrivals.look(listing(), Some("*.csv"), 1, 1)), ["d.csv"]);
        let mut all = Arrivals::default();
        all.look(listing(), None, 1, 0);
        assert_eq!(names(&all.look(listing(), None, 1, 1)), ["d.csv", "e.txt"]);
    }

    #[test]
    fn a_folder_without_end_has_one() {
        let mut arrivals = Arrivals::default();
        let listing: Vec<FileStat> =
            (0..WATCHED_FILES_MAX + 5).map(|n| file(&format!("{n:06}"), 1, 1)).collect();
        arrivals.look(listing.clone(), None, 1, 0);
        assert_eq!(arrivals.look(listing, None, 1, 1).len(), WATCHED_FILES_MAX);
    }

    #[test]
    fn patterns() {
        for (pattern, name, fit) in [
            ("*.csv", "a.csv", true),
            ("*.csv", "a.csv.gz", false),
            ("a?c*", "abcd", true),
            ("a?c*", "ac", false),
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("**a**b", "xxaxxb", true),
            ("*ab", "aab", true),
            ("ü*", "über", true),
        ] {
            assert_eq!(fits(pattern, name), fit, "{pattern} {name}");
        }
    }
}
