//! Addresses of a Redis, and connections to it.

use redis::cluster::{ClusterClient, ClusterConnection};
use redis::sentinel::{SentinelClientBuilder, SentinelServerType};
use redis::{
    Client, ClientTlsConfig, Connection, ConnectionAddr, ConnectionInfo, ConnectionLike, ErrorKind,
    IntoConnectionInfo, RedisError, RedisResult, TlsCertificates, TlsMode,
};
use std::time::Duration;

/// How long it may take to be connected.
pub(crate) const CONNECT: Duration = Duration::from_secs(3);
/// How long an answer may take; a script over a very large fan-out stays far below.
const ANSWER: Duration = Duration::from_secs(20);

/// A connection. An answer may take 20 s: a server that died without a word is given up then.
pub enum Conn {
    /// To one server.
    One(Box<Connection>),
    /// To a cluster.
    Cluster(Box<ClusterConnection>),
}

impl std::fmt::Debug for Conn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if matches!(self, Self::One(_)) { "Conn::One" } else { "Conn::Cluster" })
    }
}

impl AsMut<dyn ConnectionLike> for Conn {
    fn as_mut(&mut self) -> &mut (dyn ConnectionLike + 'static) {
        match self {
            Self::One(conn) => conn.as_mut(),
            Self::Cluster(conn) => conn.as_mut(),
        }
    }
}

/// Where a Redis is.
///
/// - `redis://[user:password@]host:port[/db]`, `rediss://…` over TLS, `unix:///path`
/// - `redis-cluster://[user:password@]host:port,host:port,…`, `rediss-cluster://…`
/// - `redis-sentinel://[user:password@]host:port,host:port,…/master-name[/db]`, `rediss-sentinel://…`: the addresses
///   are the sentinels', user and password those of the servers they watch
///
/// After a `?`, separated by `&`: `ca=FILE`, certificates to trust instead of the public ones; `cert=FILE` and
/// `key=FILE`, the client's own; `sentinel_user` and `sentinel_password`, for sentinels that ask for one.
#[derive(Clone)]
pub struct Address {
    shown: String,
    kind: Kind,
    tls: Option<TlsCertificates>,
}

#[derive(Clone)]
enum Kind {
    One(ConnectionInfo),
    Cluster(Vec<String>),
    Sentinel { nodes: Vec<ConnectionInfo>, master: String, db: i64, login: Login },
}

/// A user and password.
#[derive(Clone, Default)]
struct Login {
    user: Option<String>,
    password: Option<String>,
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Address").field(&self.shown).finish()
    }
}

fn wrong(text: impl Into<String>) -> RedisError {
    RedisError::from((ErrorKind::InvalidClientConfig, "the address is not understood", text.into()))
}

/// An address without what is secret in it, for messages.
pub fn shown(url: &str) -> String {
    let url = url.split('?').next().unwrap_or(url);
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://{host}"),
        _ => url.to_owned(),
    }
}

impl Address {
    /// Reads an address, and the files it names.
    pub fn parse(url: &str) -> RedisResult<Self> {
        let (plain, options) = Options::split(url)?;
        let kind = match plain.split_once("://") {
            Some(("redis-cluster", rest)) => Kind::Cluster(nodes("redis", rest)),
            Some(("rediss-cluster", rest)) => Kind::Cluster(nodes("rediss", rest)),
            Some(("redis-sentinel", rest)) => sentinel("redis", rest, options.login.clone())?,
            Some(("rediss-sentinel", rest)) => sentinel("rediss", rest, options.login.clone())?,
            _ => Kind::One(plain.as_str().into_connection_info()?),
        };
        let tls = options.certificates()?;
        if tls.is_some() && !plain.starts_with("rediss") {
            return Err(wrong("`ca`, `cert` and `key` are for TLS: begin it with rediss://"));
        }
        Ok(Self { shown: shown(url), kind, tls })
    }

    /// Whether it is a cluster.
    pub fn is_cluster(&self) -> bool {
        matches!(self.kind, Kind::Cluster(_))
    }

    /// The name that sentinels know the server by, if they are asked for it.
    pub fn sentinel_master(&self) -> Option<&str> {
        match &self.kind {
            Kind::Sentinel { master, .. } => Some(master),
            _ => None,
        }
    }

    /// The address without its password, for messages.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// The single servers that the address names: for questions to each.
    pub(crate) fn servers(&self) -> RedisResult<Vec<Self>> {
        let Kind::Cluster(nodes) = &self.kind else { return Ok(vec![self.clone()]) };
        let one = |url: &String| {
            let kind = Kind::One(url.as_str().into_connection_info()?);
            Ok(Self { shown: shown(url), kind, tls: self.tls.clone() })
        };
        nodes.iter().map(one).collect()
    }

    /// The one server that the address leads to now, if it is reached without TLS. Sentinels are asked for it.
    pub(crate) fn plain_server(&self) -> RedisResult<Option<ConnectionInfo>> {
        let info = match &self.kind {
            Kind::One(info) => info.clone(),
            Kind::Sentinel { nodes, master, db, login } => {
                self.master(nodes, master, *db, login)?.get_connection_info().clone()
            }
            Kind::Cluster(_) => return Ok(None),
        };
        let is_plain = matches!(info.addr(), ConnectionAddr::Tcp(..) | ConnectionAddr::Unix(_));
        Ok(is_plain.then_some(info))
    }

    /// A connection.
    pub fn connect(&self) -> RedisResult<Conn> {
        match &self.kind {
            Kind::One(info) => one(&match &self.tls {
                Some(tls) => Client::build_with_tls(info.clone(), tls.clone())?,
                None => Client::open(info.clone())?,
            }),
            Kind::Sentinel { nodes, master, db, login } => one(&self.master(nodes, master, *db, login)?),
            Kind::Cluster(nodes) => {
                let mut client = ClusterClient::builder(nodes.clone()).connection_timeout(CONNECT);
                if let Some(tls) = &self.tls {
                    client = client.certs(tls.clone());
                }
                let connection = client.build()?.get_connection()?;
                connection.set_read_timeout(Some(ANSWER))?;
                connection.set_write_timeout(Some(ANSWER))?;
                Ok(Conn::Cluster(Box::new(connection)))
            }
        }
    }

    /// The server that the sentinels say is the master now.
    fn master(&self, nodes: &[ConnectionInfo], master: &str, db: i64, login: &Login) -> RedisResult<Client> {
        let places = nodes.iter().map(|node| node.addr().clone());
        let mut client = SentinelClientBuilder::new(places, master, SentinelServerType::Master)?
            .set_client_to_redis_db(db);
        if let Some(server) = nodes.first() {
            if let Some(user) = server.redis_settings().username() {
                client = client.set_client_to_redis_username(user);
            }
            if let Some(password) = server.redis_settings().password() {
                client = client.set_client_to_redis_password(password);
            }
            if matches!(server.addr(), ConnectionAddr::TcpTls { .. }) {
                client = client.set_client_to_redis_tls_mode(TlsMode::Secure);
            }
        }
        if let Some(user) = &login.user {
            client = client.set_client_to_sentinel_username(user);
        }
        if let Some(password) = &login.password {
            client = client.set_client_to_sentinel_password(password);
        }
        if let Some(tls) = &self.tls {
            client = client
                .set_client_to_redis_certificates(tls.clone())
                .set_client_to_sentinel_certificates(tls.clone());
        }
        client.build()?.get_client()
    }
}

fn one(client: &Client) -> RedisResult<Conn> {
    let connection = client.get_connection_with_timeout(CONNECT)?;
    connection.set_read_timeout(Some(ANSWER))?;
    connection.set_write_timeout(Some(ANSWER))?;
    Ok(Conn::One(Box::new(connection)))
}

/// What stands after the `?` of an address.
#[derive(Default)]
struct Options {
    ca: Option<String>,
    cert: Option<String>,
    key: Option<String>,
    login: Login,
}

impl Options {
    /// The address without them, and what they say. Others are the client library's.
    fn split(url: &str) -> RedisResult<(String, Self)> {
        let mut options = Self::default();
        let Some((plain, query)) = url.split_once('?') else { return Ok((url.to_owned(), options)) };
        let mut others = Vec::new();
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let place = match name {
                "ca" => &mut options.ca,
                "cert" => &mut options.cert,
                "key" => &mut options.key,
                "sentinel_user" => &mut options.login.user,
                "sentinel_password" => &mut options.login.password,
                "protocol" => {
                    others.push(pair);
                    continue;
                }
                _ => {
                    return Err(wrong(format!(
                        "it knows no `{name}`; after the `?` may stand ca, cert, key, sentinel_user and sentinel_password"
                    )));
                }
            };
            *place = Some(value.to_owned());
        }
        let plain =
            if others.is_empty() { plain.to_owned() } else { format!("{plain}?{}", others.join("&")) };
        Ok((plain, options))
    }

    fn certificates(&self) -> RedisResult<Option<TlsCertificates>> {
        let client_tls = match (&self.cert, &self.key) {
            (Some(cert), Some(key)) => {
                Some(ClientTlsConfig { client_cert: file(cert)?, client_key: file(key)? })
            }
            (None, None) => None,
            _ => return Err(wrong("`cert` and `key` come together")),
        };
        let root_cert = self.ca.as_deref().map(file).transpose()?;
        let any = client_tls.is_some() || root_cert.is_some();
        Ok(any.then_some(TlsCertificates { client_tls, root_cert }))
    }
}

/// A file in PEM.
fn file(path: &str) -> RedisResult<Vec<u8>> {
    let text = std::fs::read(path).map_err(|error| wrong(format!("{path} cannot be read: {error}")))?;
    if text.windows(11).any(|window| window == b"-----BEGIN ") {
        Ok(text)
    } else {
        Err(wrong(format!("{path} is no PEM file: it has no line that starts with -----BEGIN")))
    }
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

fn sentinel(scheme: &str, rest: &str, login: Login) -> RedisResult<Kind> {
    let form = || wrong(format!("write {scheme}-sentinel://host:port,host:port/master-name"));
    let (hosts, path) = rest.split_once('/').ok_or_else(form)?;
    let (master, db) = path.split_once('/').unwrap_or((path, ""));
    let db = if db.is_empty() { 0 } else { db.parse().map_err(|_| form())? };
    if master.is_empty() {
        return Err(form());
    }
    let infos = nodes(scheme, hosts).into_iter().map(IntoConnectionInfo::into_connection_info);
    Ok(Kind::Sentinel { nodes: infos.collect::<RedisResult<_>>()?, master: master.to_owned(), db, login })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        for (url, expected) in [
            ("redis://me:secret@db:7000/2", "redis://db:7000/2"),
            ("redis-cluster://me:secret@a:1,b:2", "redis-cluster://a:1,b:2"),
            ("redis-sentinel://me:secret@a:1/main?sentinel_password=secret", "redis-sentinel://a:1/main"),
            ("redis://db", "redis://db"),
        ] {
            let address = Address::parse(url).expect("it is an address");
            assert_eq!((address.shown(), format!("{address:?}").contains("secret")), (expected, false));
        }
    }

    #[test]
    fn every_node_of_a_cluster_gets_the_user() {
        let nodes = nodes("rediss", "me:secret@a:1,b:2");
        assert_eq!(nodes, ["rediss://me:secret@a:1", "rediss://me:secret@b:2"]);
    }

    #[test]
    fn the_user_of_a_sentinel_address_is_the_servers() {
        let address = Address::parse("rediss-sentinel://me:p%40ss@a:1,b:2/main/3?sentinel_user=watch");
        let Ok(Kind::Sentinel { nodes, master, db, login }) = address.map(|address| address.kind) else {
            panic!("it is one of sentinels");
        };
        assert_eq!((nodes.len(), master.as_str(), db, login.user.as_deref()), (2, "main", 3, Some("watch")));
        assert_eq!(nodes[0].redis_settings().password(), Some("p@ss"));
    }

    #[test]
    fn a_wrong_address_says_what_to_write() {
        for (url, word) in [
            ("redis-sentinel://a:1", "master-name"),
            ("redis-sentinel://a:1/main/x", "master-name"),
            ("rediss://a?ca=/nowhere.pem", "/nowhere.pem cannot be read"),
            ("rediss://a?ca=/dev/null", "-----BEGIN"),
            ("rediss://a?cert=/dev/null", "come together"),
            ("rediss://a?certificate=x", "`certificate`"),
        ] {
            let refused = Address::parse(url).unwrap_err().to_string();
            assert!(refused.contains(word), "{url}: {refused}");
        }
        assert!(Address::parse("http://x").is_err());
    }
}
