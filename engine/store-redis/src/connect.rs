//! Addresses of a Redis, and connections to it.

use crate::error::Trouble;
use redis::cluster::ClusterClient;
use redis::sentinel::{SentinelClient, SentinelServerType};
use redis::{Client, ConnectionLike, ErrorKind, IntoConnectionInfo, RedisError};
use std::time::Duration;

/// How long it may take to be connected.
const CONNECT: Duration = Duration::from_secs(3);
/// How long an answer may take; a script over a very large fan-out stays far below.
const ANSWER: Duration = Duration::from_secs(20);

/// A connection to one server or to a cluster.
pub type Conn = Box<dyn ConnectionLike + Send>;

/// Where a Redis is.
///
/// - `redis://[user:password@]host:port[/db]`, `rediss://…` over TLS, `unix:///path`
/// - `redis-cluster://[user:password@]host:port,host:port,…`, `rediss-cluster://…`
/// - `redis-sentinel://[user:password@]host:port,host:port,…/master-name[/db]`: the addresses are the sentinels'
#[derive(Clone, Debug)]
pub struct Address {
    url: String,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    One,
    Cluster(Vec<String>),
    Sentinel { nodes: Vec<String>, master: String },
}

fn wrong(text: &str) -> Trouble {
    RedisError::from((ErrorKind::InvalidClientConfig, "the address is not understood", text.to_owned()))
        .into()
}

impl Address {
    /// Reads an address.
    pub fn parse(url: &str) -> Result<Self, Trouble> {
        let kind = match url.split_once("://") {
            Some(("redis-cluster", rest)) => Kind::Cluster(nodes("redis", rest)),
            Some(("rediss-cluster", rest)) => Kind::Cluster(nodes("rediss", rest)),
            Some(("redis-sentinel", rest)) => sentinel(rest)
                .ok_or_else(|| wrong("write redis-sentinel://host:port,host:port/master-name"))?,
            _ => {
                url.into_connection_info()?;
                Kind::One
            }
        };
        Ok(Self { url: url.to_owned(), kind })
    }

    /// Whether it is a cluster.
    pub fn is_cluster(&self) -> bool {
        matches!(self.kind, Kind::Cluster(_))
    }

    /// The address without its password, for messages.
    pub fn shown(&self) -> String {
        match (self.url.split_once("://"), self.url.rsplit_once('@')) {
            (Some((scheme, _)), Some((_, host))) => format!("{scheme}://{host}"),
            _ => self.url.clone(),
        }
    }

    /// A connection. One that may block gets no limit on answers.
    pub fn connect(&self, may_block: bool) -> Result<Conn, Trouble> {
        let answer = (!may_block).then_some(ANSWER);
        match &self.kind {
            Kind::One => one(&Client::open(self.url.as_str())?, answer),
            Kind::Sentinel { nodes, master } => {
                let mut sentinel =
                    SentinelClient::build(nodes.clone(), master.clone(), None, SentinelServerType::Master)?;
                let connection = sentinel.get_connection()?;
                connection.set_read_timeout(answer)?;
                Ok(Box::new(connection))
            }
            Kind::Cluster(nodes) => {
                let client = ClusterClient::builder(nodes.clone()).connection_timeout(CONNECT).build()?;
                let connection = client.get_connection()?;
                connection.set_read_timeout(answer)?;
                Ok(Box::new(connection))
            }
        }
    }
}

fn one(client: &Client, answer: Option<Duration>) -> Result<Conn, Trouble> {
    let connection = client.get_connection_with_timeout(CONNECT)?;
    connection.set_read_timeout(answer)?;
    connection.set_write_timeout(Some(ANSWER))?;
    Ok(Box::new(connection))
}

/// `[user:password@]host:port,host:port` as one address a node, with the user and password on each.
fn nodes(scheme: &str, list: &str) -> Vec<String> {
    let (user, hosts) = match list.rsplit_once('@') {
        Some((user, hosts)) => (format!("{user}@"), hosts),
        None => (String::new(), list),
    };
    let hosts = hosts.trim_end_matches('/').split(',');
    hosts.map(|host| format!("{scheme}://{user}{host}")).collect()
}

fn sentinel(rest: &str) -> Option<Kind> {
    let (hosts, master) = rest.split_once('/')?;
    let master = master.split('/').next().filter(|name| !name.is_empty())?;
    Some(Kind::Sentinel { nodes: nodes("redis", hosts), master: master.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        let shown = |url: &str| Address::parse(url).expect("it is an address").shown();
        assert_eq!(shown("redis://me:secret@db:7000/2"), "redis://db:7000/2");
        assert_eq!(shown("redis-cluster://me:secret@a:1,b:2"), "redis-cluster://a:1,b:2");
        assert_eq!(shown("redis://db"), "redis://db");
    }

    #[test]
    fn every_node_of_a_cluster_gets_the_user() {
        let nodes = nodes("rediss", "me:secret@a:1,b:2");
        assert_eq!(nodes, ["rediss://me:secret@a:1", "rediss://me:secret@b:2"]);
    }

    #[test]
    fn a_wrong_address_says_what_to_write() {
        let refused = Address::parse("redis-sentinel://a:1").unwrap_err().into_store_error("x").to_string();
        assert!(refused.contains("master-name"), "{refused}");
        assert!(Address::parse("http://x").is_err());
    }
}
