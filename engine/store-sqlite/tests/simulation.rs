//! Random worlds over the embedded store. `SEED=n` replays one.

mod common;

use reelmill_ports::conformance::simulation::play;

#[test]
fn worlds_keep_their_invariants() {
    play(12, 80, common::Bed::default);
}
