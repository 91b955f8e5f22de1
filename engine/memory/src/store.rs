//! The memory itself: what is asked of a database for each thing that can be done.

use crate::check;
use crate::database::{Arg, Cells, Database};
use crate::error::MemoryError;
use crate::model::{
    Agent, Cleaned, Entry, EntryQuery, Event, HistoryQuery, OutcomeQuery, Remembered, Session, Stats,
};
use crate::postgres::Postgres;
use crate::sqlite::Sqlite;
use crate::statements as sql;
use reelmill_learn::{Advice, ArmHistory, Measures, Outcome, Summary};
use reelmill_model::limits::{MEMORY_CLEANED_AT_ONCE, MEMORY_GROUPS_MAX, MEMORY_ROWS_MAX, PAGE_ROWS_MAX};
use serde::de::DeserializeOwned;
use std::path::Path;

/// A memory.
pub struct Memory(Box<dyn Database>);

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Memory")
    }
}

/// The memory at an address of PostgreSQL, or else in a file, which is made when there is none.
pub fn open(url: Option<&str>, file: &Path) -> Result<Memory, MemoryError> {
    Ok(Memory(match url {
        Some(url) => Box::new(Postgres::new(url)?),
        None => Box::new(Sqlite::open(file)?),
    }))
}

/// Tags as they stand in a row: each between the ends of two lines.
fn tag_lines<'a>(tags: impl IntoIterator<Item = &'a str>) -> String {
    tags.into_iter().fold("\n".to_owned(), |lines, tag| lines + tag + "\n")
}

fn page(limit: usize) -> Arg {
    Arg::int(if limit == 0 { PAGE_ROWS_MAX } else { limit.min(PAGE_ROWS_MAX) } as u64)
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T, MemoryError> {
    serde_json::from_str(text)
        .map_err(|error| MemoryError::Corrupt(format!("what was remembered is no JSON: {error}")))
}

impl Memory {
    async fn ask(&self, statement: impl Into<String>, args: Vec<Arg>) -> Result<Vec<Cells>, MemoryError> {
        self.0.ask(statement.into(), args).await
    }

    /// Remembers a value, in place of what had its name.
    pub async fn put(&self, entry: &Entry) -> Result<(), MemoryError> {
        check::name("the namespace", &entry.namespace)?;
        check::name("the key", &entry.key)?;
        check::tags(&entry.tags)?;
        check::until("the entry", entry.put_ms, entry.expires_ms)?;
        let args = vec![
            Arg::text(&entry.namespace),
            Arg::text(&entry.key),
            Arg::text(check::json("the value", &entry.value)?),
            Arg::text(tag_lines(entry.tags.iter().map(String::as_str))),
            Arg::int(entry.put_ms),
            Arg::int(entry.expires_ms),
        ];
        self.ask(sql::PUT, args).await.map(drop)
    }

    /// A value that is not forgotten.
    pub async fn get(&self, namespace: &str, key: &str, now_ms: u64) -> Result<Option<Entry>, MemoryError> {
        let statement = format!("{} WHERE namespace = $1 AND key = $2 AND expires_ms > $3", sql::ENTRY);
        let args = vec![Arg::text(namespace), Arg::text(key), Arg::int(now_ms)];
        self.ask(statement, args).await?.first().map(entry).transpose()
    }

    /// Forgets a value; says whether there was one.
    pub async fn remove(&self, namespace: &str, key: &str) -> Result<bool, MemoryError> {
        let args = vec![Arg::text(namespace), Arg::text(key)];
        Ok(!self.ask(sql::REMOVE, args).await?.is_empty())
    }

    /// Values that are not forgotten, by namespace and key.
    pub async fn entries(&self, query: &EntryQuery, now_ms: u64) -> Result<Vec<Entry>, MemoryError> {
        let mut tests = Tests::new("expires_ms >", Arg::int(now_ms));
        tests.add("namespace =", query.namespace.as_ref().map(Arg::text));
        tests.add(&format!("key {}", sql::LIKE), query.pattern.clone().map(Arg::Pattern));
        if let Some(tag) = &query.tag {
            let place = tests.place(Arg::text(tag_lines([tag.as_str()])));
            tests.tests.push(format!("replace(tags, {place}, '') <> tags"));
        }
        if let Some((namespace, key)) = &query.after {
            let (namespace, key) = (tests.place(Arg::text(namespace)), tests.place(Arg::text(key)));
            tests.tests.push(format!("(namespace, key) > ({namespace}, {key})"));
        }
        let (tests, args) = tests.end("namespace, key", query.limit);
        self.ask(format!("{} {tests}", sql::ENTRY), args).await?.iter().map(entry).collect()
    }

    /// Begins a session, or goes on with it.
    pub async fn begin(&self, session: &Session) -> Result<(), MemoryError> {
        check::name("the session", &session.id)?;
        check::name("the kind", &session.kind)?;
        let data = check::json("what is known of the session", &session.data)?;
        let args = vec![
            Arg::text(&session.id),
            Arg::text(&session.kind),
            Arg::text(data),
            Arg::int(session.began_ms),
        ];
        self.ask(sql::BEGIN, args).await.map(drop)
    }

    /// Ends a session; says whether there was one.
    pub async fn end(&self, id: &str, now_ms: u64) -> Result<bool, MemoryError> {
        Ok(!self.ask(sql::END, vec![Arg::text(id), Arg::int(now_ms)]).await?.is_empty())
    }

    /// Sessions, newest first, before one of them.
    pub async fn sessions(&self, before: Option<&str>, limit: usize) -> Result<Vec<Session>, MemoryError> {
        let args = vec![Arg::text(before.unwrap_or_default()), page(limit)];
        let session = |row: &Cells| {
            Ok(Session {
                id: row.text(0)?,
                kind: row.text(1)?,
                data: parse(&row.text(2)?)?,
                began_ms: row.number(3)?,
                ended_ms: row.maybe_number(4)?,
            })
        };
        self.ask(sql::SESSIONS, args).await?.iter().map(session).collect()
    }

    /// Remembers what happened.
    pub async fn note(&self, events: &[Event]) -> Result<(), MemoryError> {
        if events.is_empty() {
            return Ok(());
        }
        check::batch("events", events.len())?;
        let mut args = Vec::new();
        for event in events {
            check::name("the session", &event.session)?;
            check::name("the kind", &event.kind)?;
            let data = check::json("the event", &event.data)?;
            args.extend([
                Arg::text(&event.session),
                Arg::int(event.at_ms),
                Arg::text(&event.kind),
                Arg::text(data),
            ]);
        }
        let rows = sql::rows(events.len(), 4);
        let statement =
            format!("INSERT INTO reelmill_memory.event (session, at_ms, kind, data) VALUES {rows}");
        self.ask(statement, args).await.map(drop)
    }

    /// What happened in a session, oldest first, after the one of this number.
    pub async fn events(
        &self,
        session: &str,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, Event)>, MemoryError> {
        let event = |row: &Cells| {
            let (session, kind, data) = (row.text(1)?, row.text(3)?, parse(&row.text(4)?)?);
            Ok((row.number(0)?, Event { session, at_ms: row.number(2)?, kind, data }))
        };
        let args = vec![Arg::text(session), Arg::int(after), page(limit)];
        self.ask(sql::EVENTS, args).await?.iter().map(event).collect()
    }

    /// Somebody says that they are there.
    pub async fn beat(&self, agent: &Agent) -> Result<(), MemoryError> {
        check::name("the agent", &agent.id)?;
        check::name("the role", &agent.role)?;
        check::until("the agent", agent.beat_ms, agent.until_ms)?;
        let args = vec![
            Arg::text(&agent.id),
            Arg::text(&agent.role),
            Arg::text(check::json("what is known of the agent", &agent.data)?),
            Arg::int(agent.beat_ms),
            Arg::int(agent.until_ms),
        ];
        self.ask(sql::BEAT, args).await.map(drop)
    }

    /// Those who are there: a page of them.
    pub async fn agents(&self, now_ms: u64) -> Result<Vec<Agent>, MemoryError> {
        let agent = |row: &Cells| {
            let (id, role, data) = (row.text(0)?, row.text(1)?, parse(&row.text(2)?)?);
            Ok(Agent { id, role, data, beat_ms: row.number(3)?, until_ms: row.number(4)? })
        };
        self.ask(sql::AGENTS, vec![Arg::int(now_ms), page(0)]).await?.iter().map(agent).collect()
    }

    /// Remembers outcomes: all of them or none.
    pub async fn record(&self, outcomes: &[Remembered]) -> Result<(), MemoryError> {
        if outcomes.is_empty() {
            return Ok(());
        }
        check::batch("outcomes", outcomes.len())?;
        let mut args = Vec::new();
        for one in outcomes {
            check::name("the kind", &one.kind)?;
            check::name("the host", &one.host)?;
            check::short("the context", &one.outcome.context)?;
            check::short("the arm", &one.outcome.arm)?;
            let Measures { seconds, bytes, score, memory, cpu } = one.outcome.measures();
            args.extend([
                Arg::text(&one.kind),
                Arg::text(&one.host),
                Arg::int(one.at_ms),
                Arg::text(&one.outcome.context),
                Arg::text(&one.outcome.arm),
                Arg::text(check::json("the outcome", &one.outcome)?),
            ]);
            args.extend([seconds, bytes, score, memory, cpu].map(Arg::Real));
        }
        let (columns, rows) = (sql::MEASURES.join(", "), sql::rows(outcomes.len(), 11));
        let statement = format!(
            "INSERT INTO reelmill_memory.outcome (kind, host, at_ms, context, arm, told, {columns}) VALUES {rows}"
        );
        self.ask(statement, args).await.map(drop)
    }

    /// Outcomes as they came, newest first, each with its number.
    pub async fn outcomes(&self, query: &OutcomeQuery) -> Result<Vec<(u64, Remembered)>, MemoryError> {
        let before = query.before.map_or(Arg::Int(i64::MAX), Arg::int);
        let mut tests = Tests::new("number <", before);
        tests.add("kind =", query.kind.as_ref().map(Arg::text));
        tests.add(&format!("context {}", sql::LIKE), query.context.clone().map(Arg::Pattern));
        tests.add("arm =", query.arm.as_ref().map(Arg::text));
        let (tests, args) = tests.end("number DESC", query.limit);
        let remembered = |row: &Cells| {
            let outcome: Outcome = parse(&row.text(4)?)?;
            Ok((
                row.number(0)?,
                Remembered { kind: row.text(1)?, host: row.text(2)?, at_ms: row.number(3)?, outcome },
            ))
        };
        self.ask(format!("{} {tests}", sql::OUTCOME), args).await?.iter().map(remembered).collect()
    }

    /// Outcomes of a kind, summed up: what is chosen by.
    pub async fn history(&self, query: &HistoryQuery) -> Result<Advice, MemoryError> {
        let args = vec![
            Arg::text(&query.kind),
            Arg::text(&query.host),
            Arg::int(query.since_ms),
            Arg::int(MEMORY_GROUPS_MAX as u64),
        ];
        let arm = |row: &Cells| {
            let sum = |place: usize| {
                let at = 3 + 3 * place;
                let (sum, squares) = (row.real(at + 1).unwrap_or(0.0), row.real(at + 2).unwrap_or(0.0));
                row.number(at).map(|n| Summary::of_sums(n, sum, squares))
            };
            Ok(ArmHistory {
                context: row.text(0)?,
                arm: row.text(1)?,
                here: row.number(2)? == 1,
                seconds: sum(0)?,
                bytes: sum(1)?,
                score: sum(2)?,
                memory: sum(3)?,
                cpu: sum(4)?,
            })
        };
        let rows = self.ask(sql::history(), args).await?;
        Ok(Advice { arms: rows.iter().map(arm).collect::<Result<_, MemoryError>>()? })
    }

    /// How much there is.
    pub async fn stats(&self, now_ms: u64) -> Result<Stats, MemoryError> {
        let count = async |table: &str, test: &str| {
            let statement = format!("SELECT count(*) FROM reelmill_memory.{table} WHERE {test} > $1");
            let rows = self.ask(statement, vec![Arg::int(now_ms)]).await?;
            rows.first().map_or(Ok(0), |row| row.number(0))
        };
        let oldest = self.ask("SELECT min(at_ms) FROM reelmill_memory.outcome", Vec::new()).await?;
        // What has no end is counted whole.
        let whole = "9223372036854775807";
        Ok(Stats {
            entries: count("entry", "expires_ms").await?,
            sessions: count("session", whole).await?,
            events: count("event", whole).await?,
            agents: count("agent", "until_ms").await?,
            outcomes: count("outcome", whole).await?,
            oldest_ms: oldest.first().map(|row| row.maybe_number(0)).transpose()?.flatten(),
        })
    }

    /// Forgets for good what is older than `before_ms` or has run out, and what is beyond what is kept: some of each, so
    /// that nobody waits long. Any number of processes may do so at once.
    pub async fn clean(&self, before_ms: u64, now_ms: u64) -> Result<Cleaned, MemoryError> {
        let at_once = || Arg::int(MEMORY_CLEANED_AT_ONCE as u64);
        let old = async |table: &str, key: &str, age: &str, before_ms: u64| {
            let args = vec![Arg::int(before_ms), at_once()];
            Ok::<_, MemoryError>(self.ask(sql::delete_old(table, key, age), args).await?.len())
        };
        let beyond = async |table: &str| {
            let args = vec![Arg::int(MEMORY_ROWS_MAX), at_once()];
            Ok::<_, MemoryError>(self.ask(sql::delete_beyond(table), args).await?.len())
        };
        let now_ms = now_ms.saturating_add(1);
        let counts = [
            old("entry", "namespace, key", "expires_ms", now_ms).await?,
            old("session", "id", "seen_ms", before_ms).await?,
            old("event", "number", "at_ms", before_ms).await?,
            old("agent", "id", "until_ms", now_ms).await?,
            old("outcome", "number", "at_ms", before_ms).await?,
            beyond("event").await?,
            beyond("outcome").await?,
        ];
        let [entries, sessions, events, agents, outcomes, more_events, more_outcomes] =
            counts.map(|count| count as u64);
        Ok(Cleaned {
            entries,
            sessions,
            events: events + more_events,
            agents,
            outcomes: outcomes + more_outcomes,
            more: counts.iter().any(|count| *count >= MEMORY_CLEANED_AT_ONCE),
        })
    }
}

fn entry(row: &Cells) -> Result<Entry, MemoryError> {
    let tags = row.text(3)?;
    Ok(Entry {
        namespace: row.text(0)?,
        key: row.text(1)?,
        value: parse(&row.text(2)?)?,
        tags: tags.lines().filter(|tag| !tag.is_empty()).map(str::to_owned).collect(),
        put_ms: row.number(4)?,
        expires_ms: row.number(5)?,
    })
}

/// What rows are asked for by.
struct Tests {
    tests: Vec<String>,
    args: Vec<Arg>,
}

impl Tests {
    fn new(test: &str, value: Arg) -> Self {
        let mut tests = Self { tests: Vec::new(), args: Vec::new() };
        tests.add(test, Some(value));
        tests
    }

    /// The place of a value.
    fn place(&mut self, value: Arg) -> String {
        self.args.push(value);
        format!("${}", self.args.len())
    }

    fn add(&mut self, test: &str, value: Option<Arg>) {
        if let Some(value) = value {
            let place = self.place(value);
            self.tests.push(format!("{test} {place}"));
        }
    }

    /// What follows `FROM`, and the values.
    fn end(mut self, order: &str, limit: usize) -> (String, Vec<Arg>) {
        let limit = self.place(page(limit));
        (format!("WHERE {} ORDER BY {order} LIMIT {limit}", self.tests.join(" AND ")), self.args)
    }
}
