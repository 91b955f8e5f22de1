//! The grammar of the language as data: every key with its shape and its sentence.
//!
//! One table serves three rooms: `check` walks a file beside it, `schema` turns it into JSON Schema, and
//! `lower` relies on what both have established. A key exists in the language when it is in this file.

/// What a value may look like.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// Anything, with expressions in it.
    Value,
    /// Anything that is written out here, without expressions.
    Literal,
    /// Text that is not empty.
    Text,
    /// Text with expressions in it.
    TextTemplate,
    /// An id: `[a-z][a-z0-9_]*`.
    Id,
    /// `plugin.stage@major`.
    Uses,
    /// A bare expression.
    Expr,
    /// `true` or `false`.
    Bool,
    /// A whole number within bounds.
    Int(u64, u64),
    /// A duration.
    Duration,
    /// A duration, a size or a number: the bounds of an input, whose type says which.
    Bound,
    /// A size in bytes.
    Bytes,
    /// A count or a percentage.
    Share,
    /// One of some words.
    Word(&'static [&'static str]),
    /// A list.
    List(&'static Shape),
    /// A map with keys of the language.
    Record(&'static Record),
    /// A map from ids to values of one shape.
    Table(&'static Shape),
    /// A map from any keys to text.
    Labels,
    /// A map from any keys to values with expressions.
    Values,
    /// The dimensions of a matrix.
    Matrix,
    /// Either of two shapes; the second is the one that is a map.
    Either(&'static Shape, &'static Record),
}

/// A map with keys of the language.
#[derive(Debug)]
pub struct Record {
    /// What such a map is, for messages: `a stage`.
    pub what: &'static str,
    /// Its keys, in the order of the documentation.
    pub keys: &'static [Key],
}

/// A key of the language.
#[derive(Debug)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// Its shape.
    pub shape: Shape,
    /// Whether it must be there.
    pub required: bool,
    /// Whether it is executed by this version.
    pub available: bool,
    /// What it is for, in a sentence.
    pub doc: &'static str,
}

const fn key(name: &'static str, shape: Shape, doc: &'static str) -> Key {
    Key { name, shape, required: false, available: true, doc }
}

const fn required(name: &'static str, shape: Shape, doc: &'static str) -> Key {
    Key { required: true, ..key(name, shape, doc) }
}

const fn later(name: &'static str, shape: Shape, doc: &'static str) -> Key {
    Key { available: false, ..key(name, shape, doc) }
}

use Shape::{
    Bool, Bound, Bytes, Duration, Either, Expr, Id, Int, Labels, List, Literal, Matrix, Share, Table, Text,
    TextTemplate, Uses, Value, Values, Word,
};

/// The whole file.
pub static PIPELINE: Record = Record {
    what: "a pipeline",
    keys: &[
        required("version", Int(1, 1), "Version of the language: 1."),
        required("name", Id, "Name of the pipeline."),
        key("labels", Labels, "Labels for finding runs of this pipeline."),
        key("inputs", Table(&Shape::Record(&INPUT)), "What a run is given. Compiled to JSON Schema."),
        key("vars", Table(&Value), "Values computed from inputs, run and earlier vars, by name."),
        key("secrets", List(&Id), "Names of the secrets that stages may use."),
        key(
            "unique",
            Shape::Record(&UNIQUE),
            "What makes two runs the same, and what then happens. Of a pipeline within another it says nothing.",
        ),
        key(
            "concurrency",
            Shape::Record(&CONCURRENCY),
            "How many runs may be at work at once. Of a pipeline within another it says nothing.",
        ),
        key("triggers", Table(&Shape::Record(&TRIGGER)), "What starts runs by itself."),
        key("defaults", Shape::Record(&DEFAULTS), "Modifiers of every stage that does not set them itself."),
        required("stages", Table(&Shape::Record(&STAGE)), "The steps, by name."),
        key("on_failure", Table(&Shape::Record(&STAGE)), "Stages that run when the run has failed."),
        key("finally", Table(&Shape::Record(&STAGE)), "Stages that run at the very end, whatever happened."),
        key("outputs", Values, "What the run puts out, by name."),
    ],
};

/// One stage.
pub static STAGE: Record = Record {
    what: "a stage",
    keys: &[
        key("uses", Uses, "The plugin's stage that does the work: `plugin.stage@major`."),
        key(
            "pipeline",
            Text,
            "Another pipeline that does the work: its file, seen from this one (`./FILE`, `FILE.yaml`), or a registered one (`NAME`, `NAME@REVISION`).",
        ),
        key("stages", Table(&Shape::Record(&STAGE)), "A group: stages with a scope of their own."),
        key("approval", Shape::Record(&APPROVAL), "Waits for a person, who says yes or no."),
        key(
            "with",
            Values,
            "What the plugin's stage or the pipeline is given. Checked before anything runs.",
        ),
        key("needs", List(&Id), "Stages that must have ended first. Data edges need not be listed."),
        key("if", Expr, "Runs only when this CEL expression is true."),
        key("for_each", Shape::Record(&FOR_EACH), "Runs once for every item of a list."),
        key("matrix", Matrix, "Runs once for every combination."),
        key("outputs", Values, "What the group, or each of its items, puts out."),
        key("runs_on", Shape::Record(&RUNS_ON), "What the machine must have."),
        key("queue", Id, "The queue whose workers may take it; `default` unless set."),
        key("priority", Int(0, 9), "Larger goes first; 5 unless set."),
        key("rate_limit", Shape::Record(&RATE_LIMIT), "How often it may start, over all runs."),
        key(
            "concurrency",
            Shape::Record(&STAGE_CONCURRENCY),
            "How many tasks may be at work at once, over all runs.",
        ),
        key(
            "timeout",
            Either(&Duration, &TIMEOUT),
            "Time limits of an attempt; a duration alone limits `run`.",
        ),
        key(
            "retry",
            Either(&Int(1, 100), &RETRY),
            "What happens after a failed attempt; a number alone is `max_attempts`.",
        ),
        key(
            "cache",
            Word(&["auto", "never", "refresh"]),
            "Whether earlier results are used: `auto` unless set.",
        ),
        key("allow_failure", Bool, "Whether the run may succeed although this stage failed."),
        key(
            "compensate",
            Shape::Record(&COMPENSATE),
            "Undoes the stage when the run fails or is cancelled later.",
        ),
        key("on_failure", Table(&Shape::Record(&STAGE)), "Stages that run when this one has failed."),
        key(
            "finally",
            Table(&Shape::Record(&STAGE)),
            "Stages that run after this one, whatever became of it.",
        ),
    ],
};

/// `defaults`.
pub static DEFAULTS: Record = Record {
    what: "`defaults`",
    keys: &[
        key("queue", Id, "The queue whose workers may take it; `default` unless set."),
        key("priority", Int(0, 9), "Larger goes first; 5 unless set."),
        key(
            "timeout",
            Either(&Duration, &TIMEOUT),
            "Time limits of an attempt; a duration alone limits `run`.",
        ),
        key(
            "retry",
            Either(&Int(1, 100), &RETRY),
            "What happens after a failed attempt; a number alone is `max_attempts`.",
        ),
        key(
            "cache",
            Word(&["auto", "never", "refresh"]),
            "Whether earlier results are used: `auto` unless set.",
        ),
    ],
};

/// `timeout` as a map.
pub static TIMEOUT: Record = Record {
    what: "`timeout`",
    keys: &[
        key("run", Duration, "From start to answer."),
        key("queue", Duration, "How long a ready task may wait for a worker."),
        key("idle", Duration, "How long it may be silent: no progress, no log."),
    ],
};

/// `retry` as a map.
pub static RETRY: Record = Record {
    what: "`retry`",
    keys: &[
        key("max_attempts", Int(1, 100), "Attempts in all; 1 means no retry."),
        key("backoff", Word(&["constant", "linear", "exponential"]), "How the delay grows."),
        key("initial", Duration, "The first delay."),
        key("max", Duration, "The largest delay."),
        key("jitter", Word(&["none", "equal", "full"]), "How the delay is spread."),
        key(
            "on",
            List(&Word(FAILURE_CLASSES)),
            "Failure classes that are tried again; without it those for which it can help.",
        ),
        key(
            "escalate",
            Shape::Record(&ESCALATE),
            "What the next attempt has more of when one failed for want of it (`oom`, `resource`, `timeout`).",
        ),
    ],
};

/// `retry.escalate`.
pub static ESCALATE: Record = Record {
    what: "`escalate`",
    keys: &[
        key("cpu", Int(2, 16), "By what the CPU cores are multiplied, as far as the worker has them."),
        key(
            "memory",
            Int(2, 16),
            "By what the memory of an attempt is multiplied, as far as the worker has it.",
        ),
        key(
            "vram",
            Int(2, 16),
            "By what `runs_on.vram` is multiplied, as far as the worker has a GPU with so much memory.",
        ),
        later("scratch", Int(2, 16), "By what the disk is multiplied."),
        key("timeout", Int(2, 16), "By what `timeout.run` is multiplied."),
    ],
};

/// The words of `retry.on`; a test compares them with `FailureClass`.
pub const FAILURE_CLASSES: &[&str] = &[
    "transient",
    "dependency",
    "resource",
    "invalid_input",
    "invalid_config",
    "permanent",
    "internal",
    "cancelled",
    "crashed",
    "oom",
    "timeout",
    "protocol",
    "sandbox_denied",
    "quarantined",
    "worker_lost",
    "expression",
];

/// `for_each`.
pub static FOR_EACH: Record = Record {
    what: "`for_each`",
    keys: &[
        required("in", Expr, "A CEL expression that gives the list of items."),
        key(
            "key",
            Expr,
            "A CEL expression over `item` and `index` that names an item; the index unless set.",
        ),
        key("max_parallel", Int(1, 100_000), "Items that run at once; all unless set."),
        key("max_items", Int(1, 100_000), "Most items allowed; 1000 unless set."),
        key(
            "on_item_failure",
            Word(&["fail_fast", "continue"]),
            "What happens to the other items; `fail_fast` unless set.",
        ),
        key("min_success", Share, "With `continue`: how many items, or what part (`90%`), must succeed."),
    ],
};

/// An input.
pub static INPUT: Record = Record {
    what: "an input",
    keys: &[
        required("type", Word(INPUT_TYPES), "Its type."),
        key("title", Text, "Short label for people."),
        key("description", Text, "Longer text for people."),
        key("required", Bool, "Whether a run must give it: true unless set or there is a default."),
        key("default", Literal, "The value when a run gives none."),
        key("enum", List(&Literal), "The only values allowed."),
        key("min", Bound, "Smallest value (int, number, duration, bytes)."),
        key("max", Bound, "Largest value (int, number, duration, bytes)."),
        key("min_length", Int(0, 1 << 20), "Fewest characters (string, url)."),
        key("max_length", Int(0, 1 << 20), "Most characters (string, url)."),
        key("pattern", Text, "Regular expression that the text must match (string, url)."),
        key("accept", List(&Text), "Media types a file may have: `audio/*`."),
        key("min_items", Int(0, 1 << 20), "Fewest items (array)."),
        key("max_items", Int(0, 1 << 20), "Most items (array)."),
        key("items", Shape::Record(&INPUT), "What each item is (array)."),
        key("properties", Table(&Shape::Record(&INPUT)), "What the map has (object)."),
    ],
};

/// The types of inputs.
pub const INPUT_TYPES: &[&str] =
    &["string", "int", "number", "bool", "duration", "bytes", "url", "file", "array", "object"];

static UNIQUE: Record = Record {
    what: "`unique`",
    keys: &[
        required("key", TextTemplate, "Runs with the same key are the same."),
        key(
            "window",
            Duration,
            "For how long, from when the run was submitted; until it has ended unless set.",
        ),
        key(
            "on_conflict",
            Word(&["existing", "reject", "replace"]),
            "What then happens: the run that is there is the answer (unless set), the new one is refused, or the old one is cancelled.",
        ),
    ],
};

static CONCURRENCY: Record = Record {
    what: "`concurrency`",
    keys: &[
        required("key", TextTemplate, "Runs with the same key share the limit."),
        required("limit", Int(1, 100_000), "Runs at once."),
        key(
            "on_limit",
            Word(&["queue", "round_robin", "reject", "cancel_oldest"]),
            "What happens to the others: they wait in line (unless set), namespaces take turns, the new run fails, or the one \
             at work longest is cancelled.",
        ),
    ],
};

static STAGE_CONCURRENCY: Record = Record {
    what: "`concurrency`",
    keys: &[
        required("key", TextTemplate, "Tasks with the same key share the limit, whatever their run."),
        required("limit", Int(1, 100_000), "Tasks at once."),
        key(
            "on_limit",
            Word(&["queue", "round_robin"]),
            "How the others wait: in line (unless set), or runs take turns.",
        ),
    ],
};

static TRIGGER: Record = Record {
    what: "a trigger",
    keys: &[
        required("type", Word(&["schedule", "webhook", "file"]), "What starts a run."),
        key("cron", Text, "When, for a schedule: minute, hour, day of month, month, day of week."),
        key("timezone", Text, "The time zone of `cron` by its IANA name; `UTC` unless set."),
        key(
            "overlap",
            Word(&["skip", "allow", "queue", "cancel_previous"]),
            "What happens when the run before has not ended; `skip` unless set. With `queue`, calls are asked to come again.",
        ),
        key(
            "catchup",
            Word(&["none", "last", "all"]),
            "What happens with times of a schedule that were missed; `none` unless set.",
        ),
        key(
            "secret",
            Id,
            "The secret that signs the calls of a webhook (HMAC-SHA256); one of the pipeline's `secrets`.",
        ),
        key("folder", Text, "The folder whose new files start runs, absolute."),
        key("pattern", Text, "Names of the files that count, with `*` and `?`; all unless set."),
        key("settle", Duration, "How long a file must not have changed; 5s unless set."),
        key("inputs", Value, "The inputs of the run, by name; expressions read `trigger`."),
    ],
};

static APPROVAL: Record = Record {
    what: "`approval`",
    keys: &[
        key("roles", List(&Id), "Who may approve."),
        key("timeout", Duration, "How long it waits; for ever unless set."),
        key("on_timeout", Word(&["reject", "approve"]), "What happens then; `reject` unless set."),
        key("message", TextTemplate, "What the person is told."),
    ],
};

static RUNS_ON: Record = Record {
    what: "`runs_on`",
    keys: &[
        key("cpu", Int(1, 1_024), "CPU cores that an attempt keeps busy."),
        key("memory", Bytes, "Memory that an attempt may use."),
        key("labels", Labels, "Labels the worker must have."),
        key("gpu", Int(0, 64), "GPUs."),
        key("vram", Bytes, "Memory of each GPU; asks for one GPU if `gpu` does not say how many."),
        key("encoder", Id, "An encoder that works on the worker, for example `h264_nvenc`."),
        key("scratch", Bytes, "Disk for the attempt."),
        key(
            "fallback",
            Word(&["cpu", "none"]),
            "With `cpu` it does without GPUs and encoder where no worker has them; `none` unless set.",
        ),
    ],
};

static RATE_LIMIT: Record = Record {
    what: "`rate_limit`",
    keys: &[
        required("key", TextTemplate, "Tasks with the same key share the limit, whatever their run."),
        required("limit", Int(1, 1_000_000), "Starts."),
        required("per", Duration, "In which time."),
        key("burst", Int(1, 1_000_000), "Starts that may come at once after a pause; `limit` unless set."),
    ],
};

static COMPENSATE: Record = Record {
    what: "`compensate`",
    keys: &[
        required("uses", Uses, "The plugin's stage that undoes the work."),
        key("with", Values, "What it is given; `self.outputs` is what the stage that is undone has put out."),
        key(
            "timeout",
            Either(&Duration, &TIMEOUT),
            "Time limits of an attempt; a duration alone limits `run`.",
        ),
        key(
            "retry",
            Either(&Int(1, 100), &RETRY),
            "What happens after a failed attempt; a number alone is `max_attempts`.",
        ),
    ],
};

#[cfg(test)]
mod tests {
    use super::{FAILURE_CLASSES, INPUT_TYPES};
    use crate::inputs::InputType;
    use reelmill_model::FailureClass;

    #[test]
    fn the_words_are_those_of_the_types() {
        let classes: Vec<&str> = FailureClass::ALL.iter().map(|class| class.word()).collect();
        assert_eq!(FAILURE_CLASSES, classes);
        for word in INPUT_TYPES {
            assert_eq!(InputType::from_word(word).map(InputType::word), Some(*word));
        }
    }
}
