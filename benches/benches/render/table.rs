//! What is printed: each step with the time at which it began, and each figure beside its goal.

use reelmill_benches::process::Cost;
use std::io::Write as _;
use std::time::{Duration, Instant};

/// From this part of the processors' time on that others took, wall and the use of cores say little.
const OTHERS_TELL: f64 = 0.05;

/// The rows, from the first one on.
pub struct Table(Instant);

impl Table {
    /// Prints the head.
    pub fn begin() -> Self {
        println!(
            "{:>7} {:<28} {:>10} {:>10} {:>10} {:>10}",
            "at", "", "CPU s", "wall s", "RSS MiB", "others"
        );
        Self(Instant::now())
    }

    /// How long ago that was.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    /// Something that is measured.
    pub fn row(&self, who: &str, run: impl FnOnce() -> anyhow::Result<Cost>) -> anyhow::Result<Cost> {
        self.open(who);
        let cost = run()?;
        let others = cost.others * 100.0;
        print!(" {:>10.2} {:>10.2} {:>10.0} {others:>8.0} %", cost.cpu_s, cost.wall_s, cost.rss_mib);
        println!("{}", if cost.others > OTHERS_TELL { "  busy: wall says little" } else { "" });
        Ok(cost)
    }

    /// Something else that takes time.
    pub fn step(&self, what: &str, run: impl FnOnce() -> anyhow::Result<f64>) -> anyhow::Result<f64> {
        self.open(what);
        let found = run()?;
        println!(" {found:>10.4}");
        Ok(found)
    }

    /// The beginning of a line: what is going on now.
    fn open(&self, what: &str) {
        let seconds = self.elapsed().as_secs();
        print!("{:>4}:{:02} {what:<28}", seconds / 60, seconds % 60);
        // Without it, whoever looks sees it late.
        let _ = std::io::stdout().flush();
    }
}

/// A figure beside its goal.
pub struct Verdict {
    what: &'static str,
    found: f64,
    goal: f64,
    /// Whether less is better.
    most: bool,
    /// Whether the goal is one for what was measured.
    judged: bool,
}

impl Verdict {
    /// A figure that is to be no larger.
    pub fn most(what: &'static str, found: f64, goal: f64) -> Self {
        Self { what, found, goal, most: true, judged: true }
    }

    /// A figure that is to be no smaller.
    pub fn least(what: &'static str, found: f64, goal: f64) -> Self {
        Self { what, found, goal, most: false, judged: true }
    }

    /// The same, only shown where the goal is not one for what was measured.
    pub fn judged_if(self, judged: bool) -> Self {
        Self { judged, ..self }
    }

    /// Whether it is so.
    pub fn met(&self) -> bool {
        let met = if self.most { self.found <= self.goal } else { self.found >= self.goal };
        met || !self.judged
    }

    /// A line of it.
    pub fn print(&self) {
        let how = if self.most { "at most" } else { "at least" };
        let met = match (self.judged, self.met()) {
            (false, _) => "not judged at this size",
            (true, true) => "met",
            (true, false) => "MISSED",
        };
        println!("{:<46} {:>9.3}   {how} {:.2}: {met}", self.what, self.found, self.goal);
    }
}
