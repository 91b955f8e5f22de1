//! Where a request may connect to. The check stands in the resolver, on the addresses that are then connected to, so
//! that a name which answers differently the second time gains nothing.

use crate::address::is_public;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// Public addresses only, and the hosts that are allowed by name whatever their address is.
#[derive(Clone, Default, Debug)]
pub struct Guard {
    allowed: Vec<String>,
}

impl Guard {
    /// Public addresses only.
    #[must_use]
    pub fn public() -> Self {
        Self::default()
    }

    /// Allows hosts too: `nas.local`, or `nas.local:8080` for one port. Names are compared as they stand in the
    /// address, without case.
    #[must_use]
    pub fn allow<S: AsRef<str>>(mut self, hosts: impl IntoIterator<Item = S>) -> Self {
        self.allowed.extend(hosts.into_iter().map(|host| host.as_ref().trim().to_ascii_lowercase()));
        self
    }

    /// Whether a host is allowed by name.
    fn allows(&self, host: &str, port: Option<u16>) -> bool {
        let host = host.to_ascii_lowercase();
        let with_port = port.map(|port| format!("{host}:{port}"));
        self.allowed.iter().any(|allowed| *allowed == host || Some(allowed) == with_port.as_ref())
    }
}

/// A host was refused.
#[derive(Debug)]
pub struct Refused {
    /// Its name.
    pub host: String,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}` has an address that is not public", self.host)
    }
}

impl std::error::Error for Refused {}

/// The resolver of a guarded client.
#[derive(Debug)]
pub struct Guarded {
    guard: Guard,
    inner: DefaultResolver,
}

impl Guarded {
    pub fn new(guard: Guard) -> Self {
        Self { guard, inner: DefaultResolver::default() }
    }
}

impl Resolver for Guarded {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let addresses = self.inner.resolve(uri, config, timeout)?;
        let host = uri.host().unwrap_or_default();
        let port = uri.port_u16().or(match uri.scheme_str() {
            Some("https") => Some(443),
            Some("http") => Some(80),
            _ => None,
        });
        // One private address among public ones is enough: which of them is connected to is not decided here.
        if self.guard.allows(host, port) || addresses.iter().all(|address| is_public(address.ip())) {
            return Ok(addresses);
        }
        Err(ureq::Error::Other(Box::new(Refused { host: host.to_owned() })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_allowed_by_name_and_port() {
        let guard = Guard::public().allow(["NAS.local", "127.0.0.1:8080", "[::1]"]);
        for (host, port, allowed) in [
            ("nas.local", Some(80), true),
            ("nas.LOCAL", Some(443), true),
            ("127.0.0.1", Some(8080), true),
            ("127.0.0.1", Some(80), false),
            ("[::1]", Some(1), true),
            ("evil-nas.local", Some(80), false),
            ("nas.local.evil.org", Some(80), false),
        ] {
            assert_eq!(guard.allows(host, port), allowed, "{host}:{port:?}");
        }
    }
}
