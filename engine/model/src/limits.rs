//! Every limit of the system, in one place. Going over one is a clear error that names it.

/// Bytes of a pipeline file.
pub const PIPELINE_BYTES_MAX: usize = 1 << 20;
/// Nesting of maps and lists in a pipeline file.
pub const YAML_DEPTH_MAX: usize = 64;
/// Values in a pipeline file, after aliases are followed.
pub const YAML_NODES_MAX: usize = 100_000;
/// Stages of a pipeline, inner ones included.
pub const STAGES_MAX: usize = 1_000;
/// Nesting of groups and fan-outs.
pub const STAGE_DEPTH_MAX: usize = 8;
/// Pipelines within pipelines, the first one counted.
pub const PIPELINE_DEPTH_MAX: usize = 6;
/// Files that one pipeline is made of.
pub const PIPELINE_FILES_MAX: usize = 100;
/// Characters of an id (stage, input, variable).
pub const ID_CHARS_MAX: usize = 64;
/// Different expressions of a pipeline.
pub const EXPRESSIONS_MAX: usize = 10_000;
/// Characters of one expression.
pub const EXPRESSION_CHARS_MAX: usize = 4_096;
/// Nesting of brackets in one expression.
pub const EXPRESSION_DEPTH_MAX: usize = 32;
/// Operators, member accesses and calls in one expression.
pub const EXPRESSION_OPERATORS_MAX: usize = 200;
/// Steps one evaluation may take: elements visited, and values copied into new lists and texts.
pub const EVALUATION_STEPS_MAX: u64 = 4_000_000;
/// Items of one fan-out when the stage sets no `max_items`.
pub const FAN_OUT_DEFAULT_MAX: usize = 1_000;
/// Items of one fan-out at the very most.
pub const FAN_OUT_MAX: usize = 100_000;
/// Combinations of one matrix.
pub const MATRIX_MAX: usize = 256;
/// Bytes of JSON of one matrix as written: its values are copied into every combination.
pub const MATRIX_BYTES_MAX: usize = 16 * 1024;
/// Bytes of an item's key.
pub const ITEM_KEY_BYTES_MAX: usize = 200;
/// Bytes of JSON that a stage takes or puts out; more belongs in an artifact.
pub const PAYLOAD_BYTES_MAX: usize = 256 * 1024;
/// Bytes of JSON of a run's inputs.
pub const RUN_INPUTS_BYTES_MAX: usize = 1 << 20;
/// Bytes of one log line; the rest is cut.
pub const LOG_LINE_BYTES_MAX: usize = 8 * 1024;
/// Log lines kept of one attempt; later ones are counted, not kept.
pub const LOG_LINES_PER_ATTEMPT_MAX: usize = 10_000;
/// Bytes of the name and of the reason that come with a decision about an approval, and of what is asked.
pub const DECISION_BYTES_MAX: usize = 4 * 1024;
/// Roles that one approval names.
pub const APPROVAL_ROLES_MAX: usize = 32;
/// How many times a resource is multiplied by at most, however often an attempt fails for want of it.
pub const ESCALATION_MAX: u64 = 1_024;
/// Labels that one stage asks of its worker.
pub const WORKER_LABELS_MAX: usize = 16;
/// Attempts of one task, whatever the pipeline asks for.
pub const ATTEMPTS_MAX: u32 = 100;
/// Attempts of a task whose workers were lost, unless the pipeline allows more: enough to outlive restarts,
/// few enough to stop a task that kills every worker it meets.
pub const LOST_ATTEMPTS_MAX: u32 = 5;
/// Events kept; older ones are dropped.
pub const EVENTS_KEPT_MAX: u64 = 500_000;
/// Age of the oldest event kept, in milliseconds: 30 days.
pub const EVENT_AGE_MS_MAX: u64 = 30 * 24 * 3_600_000;
/// Settles and leases in one `step`.
pub const STEP_BATCH_MAX: usize = 512;
/// Rows of one page of a listing.
pub const PAGE_ROWS_MAX: usize = 200;
/// Bytes of one frame between worker and runner.
pub const FRAME_BYTES_MAX: usize = 8 << 20;
/// Diagnostics reported for one file; the rest is counted.
pub const DIAGNOSTICS_MAX: usize = 200;
