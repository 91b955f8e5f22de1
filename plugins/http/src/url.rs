//! The little that is needed of URLs: parts written into them, and references resolved against them (RFC 3986).

use std::fmt::Write;
use ureq::http::Uri;

/// A text as it stands within a part of a URL: everything but unreserved characters percent-encoded.
#[must_use]
pub fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// Adds a query parameter.
pub fn push_query(url: &mut String, name: &str, value: &str) {
    url.push(if url.contains('?') { '&' } else { '?' });
    url.push_str(&encode(name));
    url.push('=');
    url.push_str(&encode(value));
}

/// Reads an address for a request: http or https, with a host, without a user. The error completes "the address …".
pub fn parse(url: &str) -> Result<Uri, String> {
    let url = url.trim().split('#').next().unwrap_or_default();
    // What people paste: spaces and letters of every language. What is encoded already stays as it is.
    let plain: String = url
        .chars()
        .map(|mark| if mark.is_ascii_graphic() { mark.to_string() } else { encode(&mark.to_string()) })
        .collect();
    let scheme = plain.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    if !matches!(scheme.as_deref(), Some("http" | "https")) {
        return Err("must start with http:// or https://".to_owned());
    }
    let uri: Uri = plain.parse().map_err(|_| "is not a URL".to_owned())?;
    match uri.authority() {
        Some(authority) if authority.as_str().contains('@') => {
            Err("holds a user or a password, which would end up in logs".to_owned())
        }
        Some(authority) if !authority.host().is_empty() => Ok(uri),
        _ => Err("names no host".to_owned()),
    }
}

/// The text of an address for messages: without its query, where keys may stand.
pub fn shown(uri: &Uri) -> String {
    let text = uri.to_string();
    text.split('?').next().unwrap_or_default().to_owned()
}

/// Scheme, host and port: whether two addresses are of one server.
pub fn is_same_origin(one: &Uri, other: &Uri) -> bool {
    let origin = |uri: &Uri| {
        let scheme = uri.scheme_str().unwrap_or_default().to_owned();
        let default = if scheme == "https" { 443 } else { 80 };
        (scheme, uri.host().unwrap_or_default().to_ascii_lowercase(), uri.port_u16().unwrap_or(default))
    };
    origin(one) == origin(other)
}

/// A reference (a `Location`, a link) as it is meant by whoever answered at `base`.
#[must_use]
pub fn resolve(base: &Uri, reference: &str) -> String {
    let reference = reference.trim();
    let has_scheme = reference.find(':').is_some_and(|at| {
        reference[..at].chars().all(|mark| mark.is_ascii_alphanumeric() || "+-.".contains(mark))
            && reference.starts_with(|mark: char| mark.is_ascii_alphabetic())
    });
    if has_scheme {
        return reference.to_owned();
    }
    let scheme = base.scheme_str().unwrap_or("http");
    if let Some(rest) = reference.strip_prefix("//") {
        return format!("{scheme}://{rest}");
    }
    let root = format!("{scheme}://{}", base.authority().map_or("", |authority| authority.as_str()));
    if reference.is_empty() {
        return base.to_string();
    }
    if reference.starts_with('?') {
        return format!("{root}{}{reference}", base.path());
    }
    let cut = reference.find(['?', '#']).unwrap_or(reference.len());
    let (path, rest) = reference.split_at(cut);
    let joined = if path.starts_with('/') {
        path.to_owned()
    } else {
        let folder = base.path().rfind('/').map_or("/", |at| &base.path()[..=at]);
        format!("{folder}{path}")
    };
    format!("{root}{}{rest}", without_dots(&joined))
}

fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut ends_in_folder = false;
    for part in path.split('/').skip(1) {
        ends_in_folder = matches!(part, "." | "..");
        match part {
            "." => {}
            ".." => {
                kept.pop();
            }
            part => kept.push(part),
        }
    }
    let tail = if ends_in_folder && !kept.is_empty() { "/" } else { "" };
    format!("/{}{tail}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_encoded() {
        assert_eq!(encode("a b&c=é/~"), "a%20b%26c%3D%C3%A9%2F~");
        let mut url = "https://x/y".to_owned();
        push_query(&mut url, "q", "salt & sea");
        push_query(&mut url, "page", "2");
        assert_eq!(url, "https://x/y?q=salt%20%26%20sea&page=2");
    }

    #[test]
    fn addresses_that_cannot_be_meant_are_refused() {
        for (url, word) in [
            ("ftp://x/y", "http://"),
            ("file:///etc/passwd", "http://"),
            ("x/y", "http://"),
            ("http://me:secret@x/", "password"),
            ("http://", "URL"),
            ("http", "http://"),
            ("", "http://"),
        ] {
            assert!(parse(url).unwrap_err().contains(word), "{url}: {}", parse(url).unwrap_err());
        }
        assert_eq!(parse(" https://x/a b/ø?q=1#top ").unwrap().to_string(), "https://x/a%20b/%C3%B8?q=1");
        assert_eq!(shown(&parse("https://x/a?key=secret").unwrap()), "https://x/a");
    }

    #[test]
    fn references_are_resolved() {
        let base: Uri = "https://x:8443/a/b/c?d=1".parse().unwrap();
        for (reference, whole) in [
            ("http://y/z", "http://y/z"),
            ("//y/z", "https://y/z"),
            ("/z?e=2", "https://x:8443/z?e=2"),
            ("z", "https://x:8443/a/b/z"),
            ("../z/./w", "https://x:8443/a/z/w"),
            ("../../../..", "https://x:8443/"),
            ("..", "https://x:8443/a/"),
            ("?e=2", "https://x:8443/a/b/c?e=2"),
            ("", "https://x:8443/a/b/c?d=1"),
            ("z?u=http://q/..", "https://x:8443/a/b/z?u=http://q/.."),
        ] {
            assert_eq!(resolve(&base, reference), whole, "{reference}");
        }
    }

    #[test]
    fn origins_are_compared_with_their_default_ports() {
        let same = |a: &str, b: &str| is_same_origin(&a.parse().unwrap(), &b.parse().unwrap());
        assert!(same("https://X/a", "https://x:443/b"));
        assert!(!same("https://x/a", "http://x/a"));
        assert!(!same("http://x/a", "http://x:8080/a"));
    }
}
