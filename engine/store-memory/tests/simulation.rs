//! Random worlds over the twin. `SEED=n` replays one.

mod common;

use reelmill_ports::conformance::simulation::play;

#[test]
fn worlds_keep_their_invariants() {
    play(300, 120, common::Bed::default);
}
