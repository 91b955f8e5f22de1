//! Random worlds over the store of a fleet. `SEED=n` replays one.

mod common;

use reelmill_ports::conformance::simulation::play;

#[test]
fn worlds_keep_their_invariants() {
    play(40, 100, common::Bed::default);
}

#[test]
fn worlds_of_several_partitions_keep_their_invariants() {
    play(15, 100, || common::Bed::with_partitions(3));
}
