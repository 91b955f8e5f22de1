//! One connection, made when it is first needed and again when it broke. Questions of many callers go over it at once.

use crate::schema::{self, Tables, Unready};
use std::error::Error as _;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Config, Error, NoTls, Row};

/// How long it may take to be connected, unless the address says so (`connect_timeout`).
const CONNECT: Duration = Duration::from_secs(3);
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(30);

/// Why something was not answered.
#[derive(Debug)]
pub enum LinkError {
    /// The database said no, or its address is none.
    Refused(String),
    /// It cannot be reached, or does not answer, for now.
    Away {
        /// Where it is, why, and what to look at.
        message: String,
        /// The cause, where there is one.
        source: Option<Error>,
    },
    /// A newer program has made its tables.
    Newer(String),
}

/// A connection to come.
pub struct Link {
    config: Config,
    tables: &'static Tables,
    client: Mutex<Option<Arc<Client>>>,
    /// How often it could not be made: whoever has waited for somebody else's try does not try once more.
    failures: AtomicU64,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("at", &self.shown()).finish_non_exhaustive()
    }
}

impl Link {
    /// Reads the address of a database with these tables. Nothing is connected yet; the tables are made when they are
    /// first needed.
    pub fn parse(url: &str, tables: &'static Tables) -> Result<Self, LinkError> {
        let whose = tables.whose;
        let mut config: Config = url.parse().map_err(|error: Error| {
            LinkError::Refused(format!(
                "the address of {whose} is not understood ({}); write postgres://user:password@host:5432/database",
                why(&error)
            ))
        })?;
        if config.get_ssl_mode() == SslMode::Require {
            return Err(LinkError::Refused(format!(
                "{whose} is reached without TLS: leave `sslmode=require` out of its address, and put the database into a \
                 network that is trusted, or a tunnel before it"
            )));
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT);
        }
        if config.get_application_name().is_none() {
            config.application_name("reelmill");
        }
        Ok(Self { config, tables, client: Mutex::new(None), failures: AtomicU64::new(0) })
    }

    /// Asks something, and once more over a new connection if the one there was had broken.
    pub async fn ask(
        &self,
        sql: &str,
        values: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Vec<Row>, LinkError> {
        let mut again = false;
        loop {
            let client = self.client().await?;
            let answer = tokio::time::timeout(ANSWER, client.query_typed(sql, values)).await;
            let Ok(answer) = answer else {
                self.lose(&client).await;
                return Err(self.unavailable(&format!("no answer in {} s", ANSWER.as_secs()), None));
            };
            match answer {
                Ok(rows) => return Ok(rows),
                Err(error) if again || !(client.is_closed() || error.is_closed()) => {
                    return Err(self.refused(error));
                }
                Err(_) => self.lose(&client).await,
            }
            again = true;
        }
    }

    async fn client(&self) -> Result<Arc<Client>, LinkError> {
        let failures = self.failures.load(Ordering::Acquire);
        let mut held = self.client.lock().await;
        if let Some(client) = held.as_ref().filter(|client| !client.is_closed()) {
            return Ok(Arc::clone(client));
        }
        if self.failures.load(Ordering::Acquire) != failures {
            return Err(self.unavailable("it could not be reached a moment ago", None));
        }
        let made = self.connect(&mut held).await;
        if made.is_err() {
            self.failures.fetch_add(1, Ordering::AcqRel);
        }
        made
    }

    async fn connect(&self, held: &mut Option<Arc<Client>>) -> Result<Arc<Client>, LinkError> {
        let (mut client, connection) =
            self.config.connect(NoTls).await.map_err(|error| self.refused(error))?;
        // It ends when its client is dropped; how it ended, the client's next question tells.
        tokio::spawn(async move { drop(connection.await) });
        match tokio::time::timeout(ANSWER, schema::prepare(&mut client, self.tables)).await {
            Ok(Ok(())) => Ok(Arc::clone(held.insert(Arc::new(client)))),
            Ok(Err(Unready::Error(error))) => Err(self.refused(error)),
            Ok(Err(Unready::Newer(found))) => Err(LinkError::Newer(format!(
                "{} at {} has version {found}, and this program knows {}; use a newer one",
                self.tables.whose,
                self.shown(),
                self.tables.version()
            ))),
            Err(_) => Err(self.unavailable("its tables could not be looked at in time", None)),
        }
    }

    /// Forgets a connection, unless there is another one by now.
    async fn lose(&self, client: &Arc<Client>) {
        let mut held = self.client.lock().await;
        if held.as_ref().is_some_and(|now| Arc::ptr_eq(now, client)) {
            *held = None;
        }
    }

    /// What an error means: a database that cannot answer for now, or a no.
    fn refused(&self, error: Error) -> LinkError {
        // Connection, rollback, resources, operator: classes of SQLSTATE that pass.
        let passes = |code: &str| ["08", "40", "53", "57"].iter().any(|class| code.starts_with(class));
        match error.as_db_error() {
            Some(said) if !passes(said.code().code()) => LinkError::Refused(format!(
                "{} at {} refused: {}",
                self.tables.whose,
                self.shown(),
                said.message()
            )),
            _ => self.unavailable(&why(&error), Some(error)),
        }
    }

    fn unavailable(&self, message: &str, source: Option<Error>) -> LinkError {
        let named_by = self.tables.named_by;
        let message = format!(
            "PostgreSQL at {} ({message}); see that it runs and that {named_by} names it",
            self.shown()
        );
        LinkError::Away { message, source }
    }

    /// Where it is, without its password.
    fn shown(&self) -> String {
        let host = match self.config.get_hosts().first() {
            Some(Host::Tcp(name)) => name.clone(),
            Some(Host::Unix(path)) => path.display().to_string(),
            None => "localhost".to_owned(),
        };
        let port = self.config.get_ports().first().copied().unwrap_or(5432);
        format!("{host}:{port}/{}", self.config.get_dbname().unwrap_or_default())
    }
}

/// The cause of an error, or the error when it has none.
fn why(error: &Error) -> String {
    error.source().map_or_else(|| error.to_string(), ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    static TABLES: Tables =
        Tables { schema: "none", migrations: &[], lock: 0, whose: "the archive", named_by: "--archive" };

    fn refusal(url: &str) -> String {
        match Link::parse(url, &TABLES) {
            Err(LinkError::Refused(message)) => message,
            other => panic!("it is none: {other:?}"),
        }
    }

    #[test]
    fn an_address_is_shown_without_its_password() {
        let link = Link::parse("postgres://me:secret@db:5433/runs", &TABLES).expect("an address");
        assert_eq!(link.shown(), "db:5433/runs");
        assert!(!format!("{link:?}").contains("secret"));
    }

    #[test]
    fn what_is_no_address_is_refused_with_an_example() {
        let message = refusal("mysql://db");
        assert!(message.contains("write postgres://"), "{message}");
    }

    #[test]
    fn whoever_asks_for_tls_is_told_that_there_is_none() {
        let message = refusal("postgres://db/runs?sslmode=require");
        assert!(message.contains("without TLS"), "{message}");
    }
}
