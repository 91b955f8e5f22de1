//! Who may enter a room that is shared: attempts that wait stand in one line, and each takes its share of everything at
//! once, so that nobody holds a core while it waits for memory.

/// Shares of a machine: what an attempt takes, or all there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// CPU, in thousandths of a core.
    pub cpu_milli: u32,
    /// Memory, in MiB.
    pub memory_mib: u32,
    /// GPUs.
    pub gpus: u32,
}

impl Share {
    fn each(self, other: Self, of: impl Fn(u32, u32) -> u32) -> Self {
        Self {
            cpu_milli: of(self.cpu_milli, other.cpu_milli),
            memory_mib: of(self.memory_mib, other.memory_mib),
            gpus: of(self.gpus, other.gpus),
        }
    }

    /// The lesser of each.
    #[must_use]
    pub fn min(self, other: Self) -> Self {
        self.each(other, u32::min)
    }

    /// The greater of each.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        self.each(other, u32::max)
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        self.each(other, u32::saturating_add)
    }

    /// What is left of it; nothing where less was there.
    #[must_use]
    pub fn less(self, other: Self) -> Self {
        self.each(other, u32::saturating_sub)
    }

    /// Whether it fits into what is free.
    #[must_use]
    pub fn fits(self, free: Self) -> bool {
        self.cpu_milli <= free.cpu_milli && self.memory_mib <= free.memory_mib && self.gpus <= free.gpus
    }
}

/// What of a room an attempt enters with that is reckoned with `share`, and that somebody asked `floor` for: half of the
/// cores at most, and one at least. With all of them, the next one would begin only when the last thread of this one has
/// ended, and cores would idle at both ends of each. Whoever asks for more gets it.
#[must_use]
pub fn beside_others(room: Share, share: Share, floor: Share) -> Share {
    let half = (room.cpu_milli / 2).max(1_000);
    Share { cpu_milli: share.cpu_milli.min(half).max(floor.cpu_milli), ..share }
}

/// Whether an attempt may enter a room in which so much is used, with these before it in line. It passes those who wait
/// for something else only if it leaves them everything that they will take: so nobody is passed for ever, and who waits
/// for a GPU keeps nobody from the cores that it does not need.
///
/// What is larger than the room counts as large as the room: it enters alone instead of never.
#[must_use]
pub fn may_enter(room: Share, used: Share, ahead: impl IntoIterator<Item = Share>, own: Share) -> bool {
    let free = ahead.into_iter().fold(room.less(used), |free, other| free.less(other.min(room)));
    own.min(room).fits(free)
}
