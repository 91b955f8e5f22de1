//! Every statement, in the words that both databases know.

/// How a column is compared with a pattern; the other database has another word for it.
pub const LIKE: &str = "LIKE";

/// The tables, as one text: how rows are numbered, and how texts are kept, so that they sort by their bytes.
macro_rules! tables {
    ($number:literal, $text:literal) => {
        concat!(
            "
CREATE TABLE reelmill_memory.entry (
    namespace ",
            $text,
            " NOT NULL, key ",
            $text,
            " NOT NULL, value ",
            $text,
            " NOT NULL, tags ",
            $text,
            " NOT NULL,
    put_ms BIGINT NOT NULL, expires_ms BIGINT NOT NULL, PRIMARY KEY (namespace, key)
);
CREATE INDEX entry_expires ON reelmill_memory.entry (expires_ms);
CREATE TABLE reelmill_memory.session (
    id ",
            $text,
            " PRIMARY KEY, kind ",
            $text,
            " NOT NULL, data ",
            $text,
            " NOT NULL, began_ms BIGINT NOT NULL, ended_ms BIGINT,
    seen_ms BIGINT NOT NULL
);
CREATE INDEX session_seen ON reelmill_memory.session (seen_ms);
CREATE TABLE reelmill_memory.event (
    number ",
            $number,
            ", session ",
            $text,
            " NOT NULL, at_ms BIGINT NOT NULL, kind ",
            $text,
            " NOT NULL, data ",
            $text,
            " NOT NULL
);
CREATE INDEX event_session ON reelmill_memory.event (session, number);
CREATE INDEX event_at ON reelmill_memory.event (at_ms);
CREATE TABLE reelmill_memory.agent (
    id ",
            $text,
            " PRIMARY KEY, role ",
            $text,
            " NOT NULL, data ",
            $text,
            " NOT NULL, beat_ms BIGINT NOT NULL, until_ms BIGINT NOT NULL
);
CREATE INDEX agent_until ON reelmill_memory.agent (until_ms);
-- An outcome as it came in `told`, and beside it what is learned of it: logarithms, for each unit of work.
CREATE TABLE reelmill_memory.outcome (
    number ",
            $number,
            ", kind ",
            $text,
            " NOT NULL, host ",
            $text,
            " NOT NULL, at_ms BIGINT NOT NULL, context ",
            $text,
            " NOT NULL,
    arm ",
            $text,
            " NOT NULL, told ",
            $text,
            " NOT NULL, seconds DOUBLE PRECISION, bytes DOUBLE PRECISION, score DOUBLE PRECISION,
    memory DOUBLE PRECISION, cpu DOUBLE PRECISION
);
CREATE INDEX outcome_kind ON reelmill_memory.outcome (kind, at_ms);
CREATE INDEX outcome_at ON reelmill_memory.outcome (at_ms);
",
        )
    };
}

pub(crate) use tables;

/// Keeps an entry, in place of what had its name.
pub const PUT: &str = "INSERT INTO reelmill_memory.entry (namespace, key, value, tags, put_ms, expires_ms) \
     VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (namespace, key) DO UPDATE SET value = excluded.value, \
     tags = excluded.tags, put_ms = excluded.put_ms, expires_ms = excluded.expires_ms";

/// The columns of an entry.
pub const ENTRY: &str = "SELECT namespace, key, value, tags, put_ms, expires_ms FROM reelmill_memory.entry";

/// Forgets an entry.
pub const REMOVE: &str =
    "DELETE FROM reelmill_memory.entry WHERE namespace = $1 AND key = $2 RETURNING expires_ms";

/// Begins a session, or goes on with one.
pub const BEGIN: &str = "INSERT INTO reelmill_memory.session (id, kind, data, began_ms, ended_ms, seen_ms) \
     VALUES ($1, $2, $3, $4, NULL, $4) ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, data = excluded.data, \
     ended_ms = NULL, seen_ms = excluded.seen_ms";

/// Ends a session.
pub const END: &str =
    "UPDATE reelmill_memory.session SET ended_ms = $2, seen_ms = $2 WHERE id = $1 RETURNING seen_ms";

/// Sessions, newest first.
pub const SESSIONS: &str = "SELECT id, kind, data, began_ms, ended_ms FROM reelmill_memory.session \
     WHERE ($1 = '' OR id < $1) ORDER BY id DESC LIMIT $2";

/// Events of a session, oldest first.
pub const EVENTS: &str = "SELECT number, session, at_ms, kind, data FROM reelmill_memory.event \
     WHERE session = $1 AND number > $2 ORDER BY number LIMIT $3";

/// Somebody says that they are there.
pub const BEAT: &str = "INSERT INTO reelmill_memory.agent (id, role, data, beat_ms, until_ms) \
     VALUES ($1, $2, $3, $4, $5) ON CONFLICT (id) DO UPDATE SET role = excluded.role, data = excluded.data, \
     beat_ms = excluded.beat_ms, until_ms = excluded.until_ms";

/// Those who are there.
pub const AGENTS: &str = "SELECT id, role, data, beat_ms, until_ms FROM reelmill_memory.agent \
     WHERE until_ms > $1 ORDER BY id LIMIT $2";

/// The columns of an outcome as it came.
pub const OUTCOME: &str = "SELECT number, kind, host, at_ms, told FROM reelmill_memory.outcome";

/// Numbers that are learned.
pub const MEASURES: [&str; 5] = ["seconds", "bytes", "score", "memory", "cpu"];

/// Outcomes of a kind since then, summed up by context, arm and whether they came on this machine; those with the most
/// outcomes first.
pub fn history() -> String {
    let sum = |name: &str| format!("count({name}), sum({name}), sum({name} * {name})");
    let sums = MEASURES.map(sum).join(", ");
    format!(
        "SELECT context, arm, CAST(CASE WHEN host = $2 THEN 1 ELSE 0 END AS BIGINT) AS here, {sums} \
         FROM reelmill_memory.outcome WHERE kind = $1 AND at_ms >= $3 GROUP BY context, arm, here \
         ORDER BY count(*) DESC, context, arm LIMIT $4"
    )
}

/// Rows of a statement that inserts many: `($1, $2), ($3, $4)`.
pub fn rows(count: usize, columns: usize) -> String {
    let row = |row: usize| {
        let places: Vec<String> =
            (1..=columns).map(|column| format!("${}", row * columns + column)).collect();
        format!("({})", places.join(", "))
    };
    (0..count).map(row).collect::<Vec<_>>().join(", ")
}

/// Deletes rows that are older than `$1`, at most `$2` of them, oldest first.
pub fn delete_old(table: &str, key: &str, age: &str) -> String {
    format!(
        "DELETE FROM reelmill_memory.{table} WHERE ({key}) IN (SELECT {key} FROM reelmill_memory.{table} \
         WHERE {age} < $1 ORDER BY {age} LIMIT $2) RETURNING {age}"
    )
}

/// Deletes numbered rows beyond the newest `$1`, at most `$2` of them, oldest first.
pub fn delete_beyond(table: &str) -> String {
    format!(
        "DELETE FROM reelmill_memory.{table} WHERE number IN (SELECT number FROM reelmill_memory.{table} WHERE number <= \
         (SELECT max(number) FROM reelmill_memory.{table}) - $1 ORDER BY number LIMIT $2) RETURNING number"
    )
}
