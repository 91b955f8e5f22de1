//! The conformance suite: what every store has to do, run against each of them, and a seeded simulation.
//!
//! A store's tests implement [`Bed`] and call [`conformance_suite!`](crate::conformance_suite); every case is a
//! function of this module that panics when the store does not do what the traits promise.

pub mod approvals;
mod audit;
mod bed;
pub mod compensation;
pub mod fans;
pub mod fences;
pub mod fleet;
pub mod flow;
pub mod limits;
pub mod pauses;
pub mod reads;
pub mod registry;
pub mod repair;
mod rig;
pub mod simulation;
pub mod stops;
mod watch;

pub use audit::audit;
pub use bed::{Bed, ManualClock, Store};
pub use rig::{Rig, lanes, new_run};

/// Makes a test of every case of the suite. The argument is an expression that makes a fresh [`Bed`].
#[macro_export]
macro_rules! conformance_suite {
    ($bed:expr) => {
        $crate::conformance_suite!(@ $bed;
            flow: a_chain_runs_in_order, a_run_is_submitted_once, an_unknown_graph_is_refused,
                higher_priority_then_age, a_more_urgent_run_goes_first, only_what_was_asked_for_is_leased, light_work_has_its_own_lane, needs_have_lanes_of_their_own,
                parts_follow_one_another, a_failing_finally_fails_the_run, an_allowed_failure_is_allowed,
                waiting_ends_when_a_task_becomes_ready, a_step_may_wait_for_its_tasks;
            fans: items_keep_their_order, no_items_is_a_success, max_parallel_holds, fail_fast_stops_the_others,
                continue_is_judged_at_the_end, bodies_within_bodies, a_group_and_a_matrix_have_paths,
                what_does_not_fit_is_refused;
            fences: a_stale_token_changes_nothing, a_lost_lease_is_leased_again, a_killer_task_ends,
                an_external_stage_is_not_repeated, a_heartbeat_extends, a_released_task_counts_no_attempt,
                a_dead_worker_gives_back_everything, leases_survive_a_crash;
            repair: a_failed_attempt_waits_out_its_backoff, want_is_counted, a_provider_says_when, hopeless_failures_end_at_once,
                a_ready_task_waits_only_so_long;
            approvals: an_approval_waits_without_a_worker, a_rejection_fails_at_once, time_decides_an_approval,
                only_what_waits_is_decided, a_cancelled_run_waits_for_nobody, a_retry_asks_again;
            compensation: what_succeeded_is_undone_in_reverse, a_failed_compensation_stops_nothing,
                a_cancelled_run_is_undone, items_are_undone_one_by_one, a_retry_does_again_what_was_undone,
                nothing_is_undone_after_a_success;
            stops: cancelling_stops_and_cleans_up, cancelling_twice_is_once, a_retry_keeps_what_succeeded,
                a_retry_of_items_reruns_the_failed_ones, a_retry_from_a_stage, a_retry_of_all, a_retry_of_what_failed_of_one_stage,
                a_retry_with_other_values,
                a_failed_finally_is_retried;
            pauses: a_paused_run_rests, whatever_becomes_ready_is_held, a_pause_stops_the_queue_timeout,
                a_paused_run_is_cancelled, a_paused_finally_is_released_by_cancelling, only_what_runs_is_paused;
            reads: runs_are_listed_newest_first, many_runs_are_listed_and_leased_once, tasks_are_paged,
                events_follow_their_cursor,
                logs_have_limits, progress_is_the_latest, the_cache_forgets_the_oldest,
                a_miss_is_explained, a_deleted_run_is_gone, waiting_ends_with_an_event;
            limits: places_are_never_more_than_the_limit, every_end_frees_a_place, who_is_cancelled_leaves_the_line,
                a_late_end_frees_nothing, a_place_is_kept_for_a_time_only, who_waits_already_goes_first, owners_take_turns, starts_are_spaced, a_promise_is_no_start,
                a_run_has_its_place_until_it_ends, a_full_limit_rejects_or_cancels_the_oldest,
                asking_again_changes_nothing, both_limits_or_none;
            fleet: workers_are_heard_and_forgotten, a_paused_lane_rests, a_paused_queue_keeps_needs_back, a_ready_task_has_its_place, a_key_is_claimed_once, a_run_that_was_moved_is_known;
            registry: a_pipeline_is_kept_revision_by_revision, two_people_at_once_are_told, pipelines_are_paged_by_name,
                old_revisions_make_room, a_removed_pipeline_is_gone, a_mark_is_compared_and_set;
        );
    };
    (@ $bed:expr; $($room:ident: $($case:ident),+;)+) => {
        $(mod $room {
            $(#[tokio::test]
            async fn $case() {
                $crate::conformance::$room::$case(&$bed).await;
            })+
        })+
    };
}
