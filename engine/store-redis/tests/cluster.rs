//! What is not part of a run, on a cluster of three nodes: keys that one command reads together lie on one of them.

#[path = "common/cluster.rs"]
mod cluster;

use cluster::ClusterBed;
use reelmill_ports::conformance::{fleet, registry};

#[tokio::test]
async fn pipelines_marks_and_keys() {
    let bed = ClusterBed::default();
    registry::pipelines_are_paged_by_name(&bed).await;
    registry::a_pipeline_is_kept_revision_by_revision(&bed).await;
    registry::two_people_at_once_are_told(&bed).await;
    registry::a_mark_is_compared_and_set(&bed).await;
    fleet::a_key_is_claimed_once(&bed).await;
}

#[tokio::test]
async fn a_removed_pipeline() {
    registry::a_removed_pipeline_is_gone(&ClusterBed::default()).await;
}
