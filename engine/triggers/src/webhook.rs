//! Whether a call is signed by whoever has the secret, and when.
//!
//! A call is signed with HMAC-SHA256 in one of two forms:
//!
//! - `X-Reelmill-Signature: sha256=<hex>` over `v1:<time>:<body>`, with `X-Reelmill-Timestamp: <time>` in seconds since
//!   the epoch. It is taken while that time is near: what somebody recorded is of no use later.
//! - `X-Hub-Signature-256: sha256=<hex>` over the body alone, as widespread senders have it.
//!
//! What is signed in the first form is never JSON, and a body has to be: neither form can be passed for the other.

use hmac::{Hmac, KeyInit as _, Mac as _};
use reelmill_model::limits::{WEBHOOK_BODY_BYTES_MAX, WEBHOOK_CLOCK_MS_MAX};
use sha2::Sha256;

/// The header with the signature over time and body.
pub const SIGNATURE: &str = "x-reelmill-signature";
/// The header with the time, in seconds since the epoch.
pub const TIMESTAMP: &str = "x-reelmill-timestamp";
/// The header with the signature over the body alone.
pub const BODY_SIGNATURE: &str = "x-hub-signature-256";

/// Why a call is not taken. It says nothing of the signature that would be right.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadSignature {
    /// There is no signature.
    #[error("the call is not signed: it needs {SIGNATURE} and {TIMESTAMP}, or {BODY_SIGNATURE}")]
    Missing,
    /// The signature is not `sha256=` and 64 hexadecimal digits.
    #[error("the signature is not of the form `sha256=<64 hexadecimal digits>`")]
    Malformed,
    /// The time is missing or no number.
    #[error("{TIMESTAMP} is not a number of seconds since the epoch")]
    NoTime,
    /// The time is not near.
    #[error("the call was signed more than {} minutes from now: sign it anew, or set the clock", WEBHOOK_CLOCK_MS_MAX / 60_000)]
    Late,
    /// The signature is of another body, time or secret.
    #[error("the signature does not fit the call")]
    Wrong,
    /// The body is over the limit; it was not looked at.
    #[error("the body has more than {WEBHOOK_BODY_BYTES_MAX} bytes")]
    TooLong,
}

/// The headers of a call that say who made it, as they came.
#[derive(Clone, Copy, Debug, Default)]
pub struct Signed<'a> {
    /// `X-Reelmill-Signature`.
    pub signature: Option<&'a str>,
    /// `X-Reelmill-Timestamp`.
    pub timestamp: Option<&'a str>,
    /// `X-Hub-Signature-256`.
    pub body_signature: Option<&'a str>,
}

/// Checks a call, in a time that does not depend on where its signature is wrong. Gives the signature's digits, which
/// no other call of this secret has.
pub fn verify(secret: &[u8], body: &[u8], signed: Signed<'_>, now_ms: u64) -> Result<String, BadSignature> {
    if body.len() > WEBHOOK_BODY_BYTES_MAX {
        return Err(BadSignature::TooLong);
    }
    let (header, time) = match (signed.signature, signed.body_signature) {
        (Some(header), _) => (header, Some(near(signed.timestamp, now_ms)?)),
        (None, Some(header)) => (header, None),
        (None, None) => return Err(BadSignature::Missing),
    };
    let digits = header.trim().strip_prefix("sha256=").ok_or(BadSignature::Malformed)?;
    let signature = bytes_of(digits).ok_or(BadSignature::Malformed)?;
    let mac = mac(secret, time, body).ok_or(BadSignature::Wrong)?;
    mac.verify_slice(&signature).map_err(|_| BadSignature::Wrong)?;
    Ok(digits.to_ascii_lowercase())
}

/// The time of a header, if it is near.
fn near(timestamp: Option<&str>, now_ms: u64) -> Result<&str, BadSignature> {
    let text = timestamp.map(str::trim).ok_or(BadSignature::NoTime)?;
    let seconds: u64 = text.parse().map_err(|_| BadSignature::NoTime)?;
    let apart = seconds.saturating_mul(1_000).abs_diff(now_ms);
    if apart > WEBHOOK_CLOCK_MS_MAX { Err(BadSignature::Late) } else { Ok(text) }
}

/// The header that [`verify`] takes for this body: with a time, `X-Reelmill-Signature`; without,
/// `X-Hub-Signature-256`.
#[must_use]
pub fn sign(secret: &[u8], time: Option<&str>, body: &[u8]) -> String {
    use std::fmt::Write as _;
    let tag = mac(secret, time, body).map(|mac| mac.finalize().into_bytes()).unwrap_or_default();
    tag.iter().fold("sha256=".to_owned(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A secret of any length is a key, so there always is one; but an empty one is no secret.
fn mac(secret: &[u8], time: Option<&str>, body: &[u8]) -> Option<Hmac<Sha256>> {
    if secret.is_empty() {
        return None;
    }
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).ok()?;
    if let Some(time) = time {
        mac.update(b"v1:");
        mac.update(time.as_bytes());
        mac.update(b":");
    }
    mac.update(body);
    Some(mac)
}

fn bytes_of(hex: &str) -> Option<[u8; 32]> {
    let digits = hex.as_bytes();
    if digits.len() != 64 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: u64 = 1_774_746_000_500;

    fn body_only(header: &str) -> Signed<'_> {
        Signed { body_signature: Some(header), ..Signed::default() }
    }

    fn timed<'a>(header: &'a str, time: &'a str) -> Signed<'a> {
        Signed { signature: Some(header), timestamp: Some(time), body_signature: None }
    }

    #[test]
    fn the_second_test_case_of_rfc_4231() {
        let digits = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        let header = format!("sha256={digits}");
        let body = b"what do ya want for nothing?";
        assert_eq!(sign(b"Jefe", None, body), header);
        assert_eq!(verify(b"Jefe", body, body_only(&header), 0), Ok(digits.to_owned()));
        let upper = format!("sha256={}", digits.to_uppercase());
        assert_eq!(verify(b"Jefe", body, body_only(&upper), 0), Ok(digits.to_owned()), "the same call");
    }

    #[test]
    fn anything_else_is_refused() {
        let header = sign(b"secret", None, b"body");
        let check = |secret: &[u8], body: &[u8], header: &str| {
            verify(secret, body, body_only(header), NOW_MS).map(drop)
        };
        assert_eq!(check(b"secret", b"body", &format!(" {header} ")), Ok(()));
        assert_eq!(check(b"other", b"body", &header), Err(BadSignature::Wrong));
        assert_eq!(check(b"secret", b"Body", &header), Err(BadSignature::Wrong));
        for bad in [
            "",
            "sha256=",
            "sha256=00",
            &header[7..],
            &format!("{header}0"),
            &header.replace("sha256", "sha1"),
        ] {
            assert_eq!(check(b"secret", b"body", bad), Err(BadSignature::Malformed), "{bad}");
        }
        let long = vec![0; WEBHOOK_BODY_BYTES_MAX + 1];
        assert_eq!(check(b"secret", &long, &sign(b"secret", None, &long)), Err(BadSignature::TooLong));
        assert_eq!(verify(b"secret", b"body", Signed::default(), NOW_MS), Err(BadSignature::Missing));
        assert_eq!(check(b"", b"body", &sign(b"", None, b"body")), Err(BadSignature::Wrong), "no secret");
    }

    #[test]
    fn a_call_with_a_time_is_taken_near_it_and_its_time_is_signed() {
        let header = sign(b"secret", Some("1774746000"), b"{}");
        let check = |time, now_ms| verify(b"secret", b"{}", timed(&header, time), now_ms).map(drop);
        let window = WEBHOOK_CLOCK_MS_MAX;
        assert_eq!(check("1774746000", NOW_MS), Ok(()));
        assert_eq!(check("1774746000", 1_774_746_000_000 + window), Ok(()));
        assert_eq!(check("1774746000", 1_774_746_000_000 - window), Ok(()), "its clock may be ahead");
        assert_eq!(check("1774746000", 1_774_746_000_001 + window), Err(BadSignature::Late));
        assert_eq!(check("1774746000", 1_774_745_999_999 - window), Err(BadSignature::Late));
        assert_eq!(check("1774746001", NOW_MS), Err(BadSignature::Wrong), "another time");
        for bad in ["", "now", "-1", "1774746000.5", "99999999999999999999999"] {
            assert_eq!(check(bad, NOW_MS), Err(BadSignature::NoTime), "{bad}");
        }
        let without = Signed { signature: Some(&header), ..Signed::default() };
        assert_eq!(verify(b"secret", b"{}", without, NOW_MS), Err(BadSignature::NoTime));
    }

    #[test]
    fn neither_form_can_be_passed_for_the_other() {
        let timed_header = sign(b"secret", Some("1774746000"), b"5");
        let whole = b"v1:1774746000:5";
        assert!(verify(b"secret", whole, body_only(&timed_header), NOW_MS).is_ok(), "the signature fits");
        assert!(serde_json::from_slice::<serde_json::Value>(whole).is_err(), "but it is no body");
    }
}
