//! Whether a call is signed by whoever has the secret: HMAC-SHA256 over the body, as the header
//! `X-Hub-Signature-256: sha256=<hex>` of widespread senders has it.

use hmac::{Hmac, KeyInit as _, Mac as _};
use reelmill_model::limits::WEBHOOK_BODY_BYTES_MAX;
use sha2::Sha256;

/// Why a call is not taken. It says nothing of the signature that would be right.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadSignature {
    /// The header is missing, or is not `sha256=` and 64 hexadecimal digits.
    #[error("the call has no signature of the form `sha256=<64 hexadecimal digits>`")]
    Malformed,
    /// The signature is of another body or another secret.
    #[error("the signature does not fit the body")]
    Wrong,
    /// The body is over the limit; it was not looked at.
    #[error("the body has more than {WEBHOOK_BODY_BYTES_MAX} bytes")]
    TooLong,
}

/// Checks the signature of a body, in a time that does not depend on where it is wrong.
pub fn verify(secret: &[u8], body: &[u8], header: &str) -> Result<(), BadSignature> {
    if body.len() > WEBHOOK_BODY_BYTES_MAX {
        return Err(BadSignature::TooLong);
    }
    let hex = header.trim().strip_prefix("sha256=").ok_or(BadSignature::Malformed)?;
    let signature = bytes_of(hex).ok_or(BadSignature::Malformed)?;
    let mac = mac(secret, body).ok_or(BadSignature::Wrong)?;
    mac.verify_slice(&signature).map_err(|_| BadSignature::Wrong)
}

/// The header that [`verify`] takes for this body.
#[must_use]
pub fn sign(secret: &[u8], body: &[u8]) -> String {
    use std::fmt::Write as _;
    let tag = mac(secret, body).map(|mac| mac.finalize().into_bytes()).unwrap_or_default();
    tag.iter().fold("sha256=".to_owned(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A secret of any length is a key, so there always is one.
fn mac(secret: &[u8], body: &[u8]) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).ok()?;
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

    #[test]
    fn the_second_test_case_of_rfc_4231() {
        let header = "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(sign(b"Jefe", b"what do ya want for nothing?"), header);
        assert_eq!(verify(b"Jefe", b"what do ya want for nothing?", header), Ok(()));
        assert_eq!(
            verify(b"Jefe", b"what do ya want for nothing?", &header.to_uppercase()),
            Err(BadSignature::Malformed)
        );
    }

    #[test]
    fn anything_else_is_refused() {
        let header = sign(b"secret", b"body");
        assert_eq!(verify(b"secret", b"body", &format!(" {header} ")), Ok(()));
        assert_eq!(verify(b"other", b"body", &header), Err(BadSignature::Wrong));
        assert_eq!(verify(b"secret", b"Body", &header), Err(BadSignature::Wrong));
        for bad in [
            "",
            "sha256=",
            "sha256=00",
            &header[7..],
            &format!("{header}0"),
            &header.replace("sha256", "sha1"),
        ] {
            assert_eq!(verify(b"secret", b"body", bad), Err(BadSignature::Malformed), "{bad}");
        }
        let long = vec![0; WEBHOOK_BODY_BYTES_MAX + 1];
        assert_eq!(verify(b"secret", &long, &sign(b"secret", &long)), Err(BadSignature::TooLong));
    }
}
