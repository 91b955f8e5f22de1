//! Whose browser is let in. A page of any site can send requests to this machine, and a site can give its own name this
//! machine's address (DNS rebinding). Both are told by headers that pages cannot set: `Host`, `Origin`, `Sec-Fetch-Site`.
//! Pure.

use std::net::IpAddr;

/// Why a request is not looked at any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stranger {
    /// It was sent to a name that is none of ours.
    Host,
    /// It was sent by a page of another site.
    Origin,
}

/// What a request says of where it comes from and goes to.
#[derive(Clone, Copy, Debug, Default)]
pub struct From<'r> {
    /// `Host`.
    pub host: Option<&'r str>,
    /// `Origin`.
    pub origin: Option<&'r str>,
    /// `Sec-Fetch-Site`.
    pub site: Option<&'r str>,
    /// Whether another site may link to what is asked for: only the page itself.
    pub linkable: bool,
}

/// Checks a request. `names` are those that the server has beside addresses and `localhost`.
pub fn check(from: From<'_>, names: &[String]) -> Result<(), Stranger> {
    let host = from.host.ok_or(Stranger::Host)?;
    if !is_ours(host, names) {
        return Err(Stranger::Host);
    }
    match from.origin {
        Some(origin) => {
            let same = origin
                .strip_prefix("http://")
                .or_else(|| origin.strip_prefix("https://"))
                .is_some_and(|origin| origin.eq_ignore_ascii_case(host) || is_named(origin, names));
            if same { Ok(()) } else { Err(Stranger::Origin) }
        }
        None => match from.site {
            None | Some("same-origin" | "none") => Ok(()),
            Some(_) if from.linkable => Ok(()),
            Some(_) => Err(Stranger::Origin),
        },
    }
}

/// An address cannot be rebound: only names are looked up.
fn is_ours(host: &str, names: &[String]) -> bool {
    let bare = without_port(host);
    let address = bare.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(bare);
    address.parse::<IpAddr>().is_ok() || bare.eq_ignore_ascii_case("localhost") || is_named(host, names)
}

fn is_named(host: &str, names: &[String]) -> bool {
    let bare = without_port(host);
    names.iter().any(|name| name.eq_ignore_ascii_case(bare) || name.eq_ignore_ascii_case(host))
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.ends_with(':') => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(host: &str, origin: Option<&str>, site: Option<&str>, linkable: bool) -> Result<(), Stranger> {
        let names = ["reels.example.org".to_owned()];
        check(From { host: Some(host), origin, site, linkable }, &names)
    }

    #[test]
    fn only_our_own_names_are_answered_to() {
        for host in [
            "127.0.0.1:7070",
            "localhost:7070",
            "LOCALHOST",
            "[::1]:7070",
            "10.0.0.3",
            "reels.example.org:443",
        ] {
            assert_eq!(told(host, None, None, false), Ok(()), "{host}");
        }
        for host in
            ["evil.example", "evil.example:7070", "127.0.0.1.evil.example", "localhost.evil", "", "::1x"]
        {
            assert_eq!(told(host, None, None, false), Err(Stranger::Host), "{host}");
        }
        assert_eq!(check(From::default(), &[]), Err(Stranger::Host), "a browser always says");
    }

    #[test]
    fn pages_of_other_sites_are_kept_out() {
        let ours = "127.0.0.1:7070";
        assert_eq!(told(ours, Some("http://127.0.0.1:7070"), Some("same-origin"), false), Ok(()));
        let proxied = told("10.0.0.3:7070", Some("https://reels.example.org"), None, false);
        assert_eq!(proxied, Ok(()), "a proxy that ends TLS may send another host on");
        for origin in ["http://127.0.0.1:3000", "http://evil.example", "null", "127.0.0.1:7070", ""] {
            assert_eq!(told(ours, Some(origin), None, false), Err(Stranger::Origin), "{origin}");
        }
        for site in ["cross-site", "same-site"] {
            assert_eq!(
                told(ours, None, Some(site), false),
                Err(Stranger::Origin),
                "an image, a form: {site}"
            );
            assert_eq!(told(ours, None, Some(site), true), Ok(()), "a link to the page: {site}");
        }
        assert_eq!(told(ours, None, Some("none"), false), Ok(()), "typed into the address bar");
    }
}
