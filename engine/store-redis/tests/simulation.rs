//! Random worlds over the store of a fleet. `SEED=n` replays one.

#[path = "common/cluster.rs"]
mod cluster;
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

#[test]
fn worlds_on_a_cluster_keep_their_invariants() {
    play(4, 60, cluster::ClusterBed::default);
}
