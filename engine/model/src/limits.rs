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
/// Pipelines that are registered in one store.
pub const PIPELINES_MAX: usize = 10_000;
/// Revisions kept of one registered pipeline; older ones are dropped.
pub const PIPELINE_REVISIONS_KEPT_MAX: u32 = 100;
/// Bytes of one revision: the texts of the pipeline and of those that it names.
pub const PIPELINE_REVISION_BYTES_MAX: usize = 4 << 20;
/// Labels of one revision of a registered pipeline.
pub const REVISION_LABELS_MAX: usize = 64;
/// Characters of the key and of the value of such a label.
pub const REVISION_LABEL_CHARS_MAX: usize = 256;
/// Characters of the name of whoever puts a revision.
pub const REVISION_BY_CHARS_MAX: usize = 200;
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
/// Bytes of one line of a table of JSON lines.
pub const TABLE_LINE_BYTES_MAX: usize = 2 << 20;
/// Runs of one batch that wait to be begun at most, unless the submitter says otherwise.
pub const BATCH_AHEAD_DEFAULT: usize = 10_000;
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
/// Bytes of events that a partition in Redis keeps, some 300,000 events; beyond, the oldest sixteenth goes.
pub const EVENTS_KEPT_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// Age of the oldest event kept, in milliseconds: 30 days.
pub const EVENT_AGE_MS_MAX: u64 = 30 * 24 * 3_600_000;
/// Milliseconds after which a worker that says nothing is forgotten.
pub const WORKER_SILENT_MS: u64 = 60_000;
/// Lanes that a worker announces the pace of: those it worked on last.
pub const PACES_MAX: usize = 32;
/// Tasks that a worker's mean duration of a lane stands for at most, so that it follows what changes.
pub const PACE_TASKS_MAX: u32 = 100;
/// Slots of one worker; more machines are better than more slots.
pub const WORKER_SLOTS_MAX: u32 = 256;
/// Slots for each core at most, where slots follow what stages use: each attempt is a process that wants memory too.
pub const SLOTS_PER_CPU_MAX: u32 = 16;
/// Attempts of a stage after which what they used is believed.
pub const LEARNED_ATTEMPTS_MIN: u32 = 3;
/// Stages that a worker remembers the use of: those that it saw last.
pub const LEARNED_STAGES_MAX: usize = 256;
/// Stages whose use a worker announces and shows on `/metrics`: those that it saw last.
pub const LEARNED_STAGES_SHOWN_MAX: usize = 32;
/// Bytes of the file in which a worker keeps what it has learned.
pub const LEARNED_FILE_BYTES_MAX: u64 = 256 * 1024;
/// Lanes with figures on `/metrics`: those with the most to do.
pub const LANES_SHOWN_MAX: usize = 256;
/// Milliseconds for which an idempotency key is kept: 7 days.
pub const CLAIM_KEPT_MS: u64 = 7 * 24 * 3_600_000;
/// Bytes of the key of a limit (`unique`, `concurrency`, `rate_limit`).
pub const LIMIT_KEY_BYTES_MAX: usize = 200;
/// Starts in a second that a `rate_limit` may allow.
pub const STARTS_PER_SECOND_MAX: u64 = 100_000;
/// The longest `per` of a `rate_limit`, in milliseconds: 31 days.
pub const RATE_PER_MS_MAX: u64 = 31 * 24 * 3_600_000;
/// How long a place of a `concurrency` is kept for a task whose turn has come and that no worker has taken yet, in
/// milliseconds. Then the next in line has it.
pub const PLACE_KEPT_MS: u64 = 10_000;
/// How long a task waits in line at most before it asks again by itself, in milliseconds: what the line lost (a failover
/// of Redis) costs no more than that.
pub const LINE_ASKED_MS: u64 = 300_000;
/// How long a key of `unique` without a `window` is kept at most, in milliseconds: 30 days.
pub const UNIQUE_KEPT_MS: u64 = 30 * 24 * 3_600_000;
/// Settles and leases in one `step`.
pub const STEP_BATCH_MAX: usize = 512;
/// Runs that a look for dead tasks goes through, newest first.
pub const DEAD_RUNS_MAX: usize = 100_000;
/// Kinds of failures that dead tasks are put together by.
pub const DEAD_GROUPS_MAX: usize = 1_000;
/// Rows of one page of a listing.
pub const PAGE_ROWS_MAX: usize = 200;
/// Bytes of one frame between worker and runner.
pub const FRAME_BYTES_MAX: usize = 8 << 20;
/// Diagnostics reported for one file; the rest is counted.
pub const DIAGNOSTICS_MAX: usize = 200;
/// Bytes of an envelope from another system: a pipeline's text and a run's inputs, and room for quoting both.
pub const ENVELOPE_BYTES_MAX: usize = 4 << 20;
/// Characters of an envelope's id.
pub const ENVELOPE_ID_CHARS_MAX: usize = 200;
/// Labels of one envelope.
pub const ENVELOPE_LABELS_MAX: usize = 64;
/// Characters of the value of a label of an envelope.
pub const ENVELOPE_LABEL_CHARS_MAX: usize = 256;
/// Envelopes taken from the inbox in one call, and submitted side by side.
pub const INBOX_BATCH_MAX: usize = 32;
/// Envelopes that a consumer holds because they could not be submitted for now; it takes no more meanwhile.
pub const INBOX_WAITING_MAX: usize = 256;
/// Times an envelope is taken over from consumers that died with it; then it counts as bad.
pub const INBOX_TAKEOVERS_MAX: u64 = 10;
/// Bad envelopes kept for people to look at; older ones are dropped.
pub const INBOX_DEAD_KEPT_MAX: usize = 1_000;
/// Bytes kept of a bad envelope; the rest is cut.
pub const INBOX_DEAD_BYTES_MAX: usize = 256 * 1024;
/// How long an envelope's id is remembered, in milliseconds: seven days. Sent again later, it is a new run.
pub const INBOX_ID_KEPT_MS_MAX: u64 = 7 * 24 * 3_600_000;
/// Triggers of one pipeline.
pub const TRIGGERS_MAX: usize = 32;
/// Triggers that one scheduler looks after.
pub const SCHEDULED_TRIGGERS_MAX: usize = 10_000;
/// Missed times that a schedule with `catchup: all` makes up for; older ones are dropped.
pub const CATCHUP_MAX: usize = 100;
/// How late a schedule may fire and still be on time, in milliseconds; what is later was missed.
pub const TRIGGER_LATE_MS_MAX: u64 = 60_000;
/// Firings of one trigger that wait for the run before them (`overlap: queue`); later ones are skipped.
pub const FIRINGS_QUEUED_MAX: usize = 16;
/// Files of a watched folder that are looked at; the rest, by name, is not seen.
pub const WATCHED_FILES_MAX: usize = 10_000;
/// Bytes of the body of a webhook's call.
pub const WEBHOOK_BODY_BYTES_MAX: usize = 1 << 20;
/// How far the time that a call was signed with may be from the clock of whoever takes it, in milliseconds.
pub const WEBHOOK_CLOCK_MS_MAX: u64 = 5 * 60_000;
/// Calls of webhooks that a process works on at once; more are asked to come again.
pub const WEBHOOK_CALLS_AT_ONCE_MAX: usize = 8;
/// Runs of an archive in PostgreSQL that a process holds to read them: whoever reads one asks for its tasks, items and
/// lines one after another.
pub const ARCHIVE_RUNS_OPEN_MAX: usize = 4;
/// Age of a run's id up to which it is submitted while the archive is away, in milliseconds: two minutes.
pub const RUN_YOUNG_MS_MAX: u64 = 120_000;
/// Age of a run's id up to which moving it into the archive leaves a mark, in milliseconds: ten minutes. What it is more than
/// the one above, clocks of machines may differ.
pub const MOVED_MARK_MS: u64 = 600_000;
/// Runs that a mover remembers because the archive did not take them; with more of them it waits.
pub const ARCHIVE_STUCK_MAX: usize = 10_000;
/// Runs that are deleted from an archive in one transaction.
pub const ARCHIVE_DELETED_AT_ONCE: usize = 100;
/// Bytes of artifacts kept on a machine whose artifacts lie in a shared store too, unless it is told otherwise: 20 GiB.
pub const ARTIFACT_CACHE_BYTES_DEFAULT: u64 = 20 << 30;
/// Bytes of one part of an upload or a download; larger files go in several. S3 takes 5 MiB at least.
pub const ARTIFACT_PART_BYTES: u64 = 8 << 20;
/// Parts of one upload: S3's own limit. The parts of files beyond it are larger.
pub const ARTIFACT_PARTS_MAX: u64 = 10_000;
/// Parts of one file on their way at once.
pub const ARTIFACT_PARTS_AT_ONCE_MAX: usize = 4;
/// Parts of all files of a process on their way at once: each lies in memory.
pub const ARTIFACT_PARTS_IN_MEMORY_MAX: usize = 8;
/// Age below which an artifact that nothing names is left alone, in milliseconds: 24 hours. An attempt that has stored
/// it may not have settled yet.
pub const ARTIFACT_GRACE_MS: u64 = 24 * 3_600_000;
/// Bytes of a name in the memory: a namespace, a key, a tag, a kind, a context, an arm.
pub const MEMORY_NAME_BYTES_MAX: usize = 256;
/// Bytes of JSON of a value in the memory.
pub const MEMORY_VALUE_BYTES_MAX: usize = 64 * 1024;
/// Tags of one entry of the memory.
pub const MEMORY_TAGS_MAX: usize = 16;
/// Outcomes, or events, that are handed to the memory at once.
pub const MEMORY_BATCH_MAX: usize = 256;
/// Outcomes, and events, that the memory keeps: the newest.
pub const MEMORY_ROWS_MAX: u64 = 500_000;
/// Rows of each table that are deleted from the memory in one go.
pub const MEMORY_CLEANED_AT_ONCE: usize = 1_000;
/// Contexts and arms of one kind that a history tells apart: those with the most outcomes.
pub const MEMORY_GROUPS_MAX: usize = 256;
/// Outcomes of one attempt that are remembered; a stage may put out more.
pub const MEMORY_OUTCOMES_PER_ATTEMPT_MAX: usize = 64;
/// Outcomes of a worker that wait to be remembered, while the memory is away for example; later ones are lost.
pub const MEMORY_WAITING_MAX: usize = 4_096;
/// Attempts in a second that a worker remembers the use of.
pub const MEMORY_ATTEMPTS_PER_SECOND_MAX: u32 = 4;
/// Kinds of outcomes that a worker has the history of at hand; of others nothing is known.
pub const MEMORY_KINDS_MAX: usize = 64;
/// How long the memory keeps what says no more of it, in milliseconds: 30 days.
pub const MEMORY_KEPT_MS: u64 = 30 * 24 * 3_600_000;
/// How far ahead an entry of the memory is forgotten at most, in milliseconds: ten years.
pub const MEMORY_AHEAD_MS_MAX: u64 = 3_650 * 24 * 3_600_000;
/// Connections that the API serves at once; more wait to be taken.
pub const API_CONNECTIONS_MAX: usize = 256;
/// Those who listen to events through the API at once.
pub const API_LISTENERS_MAX: usize = 64;
/// Uploads that the API takes at once.
pub const API_UPLOADS_AT_ONCE_MAX: usize = 8;
/// Bytes of a body of JSON: a pipeline's text and a run's inputs, and room for quoting both.
pub const API_JSON_BYTES_MAX: usize = 4 << 20;
/// Bytes of one upload, unless the server is told otherwise: 2 GiB.
pub const API_UPLOAD_BYTES_DEFAULT: u64 = 2 << 30;
/// Files of one shelf of uploads.
pub const API_SHELF_FILES_MAX: usize = 10_000;
/// Pipeline files of a folder that the API shows.
pub const API_PIPELINE_FILES_MAX: usize = 1_000;
/// Characters of an idempotency key.
pub const API_KEY_CHARS_MAX: usize = 200;
/// Labels of a run that is submitted through the API.
pub const API_LABELS_MAX: usize = 64;
/// Characters of the key and of the value of such a label, and of a run's name.
pub const API_LABEL_CHARS_MAX: usize = 256;
