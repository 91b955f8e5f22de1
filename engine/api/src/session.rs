//! Browsers: a key that is typed in once is kept in a cookie that scripts cannot read and other sites cannot send, because
//! a video in a page cannot have a header of its own.

use crate::answer::{self, Answer};
use crate::asked::{Answered, Asked};
use crate::problem::Problem;
use hyper::StatusCode;
use hyper::header::{COOKIE, HeaderMap, HeaderValue, SET_COOKIE};
use serde::Deserialize;
use serde_json::json;

/// Its name.
const NAME: &str = "reelmill_key";

/// Whoever signs in.
#[derive(Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SignIn {
    /// The key.
    key: String,
}

/// The key in the cookie.
pub fn cookie(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == NAME).map(|(_, key)| key)
}

/// Who asks, and what the page has to know of this server.
pub fn who_am_i(asked: &Asked) -> Answer {
    answer::ok(&json!({
        "name": asked.caller.name,
        "role": asked.caller.role.word(),
        "keys": !asked.site.keys.is_empty(),
        "upload_bytes_max": asked.site.upload_bytes_max,
        "version": env!("CARGO_PKG_VERSION"),
    }))
}

/// Keeps a key.
pub async fn sign_in(mut asked: Asked) -> Answered {
    let SignIn { key } = asked.json().await?;
    let refused = || Problem::new(StatusCode::UNAUTHORIZED, "no_key", "that is no key of this server");
    let caller = asked.site.keys.caller(key.trim()).ok_or_else(refused)?;
    // Through a proxy with TLS the cookie must not leave it in the clear.
    let secure = asked.headers.get("x-forwarded-proto").is_some_and(|proto| proto == "https");
    let secure = if secure { "; Secure" } else { "" };
    let cookie = format!("{NAME}={}; Path=/; HttpOnly; SameSite=Strict; Max-Age=2592000{secure}", key.trim());
    let cookie = HeaderValue::from_str(&cookie).map_err(|_| refused())?;
    let mut answer = answer::ok(&json!({ "name": caller.name, "role": caller.role.word() }));
    answer.headers_mut().insert(SET_COOKIE, cookie);
    Ok(answer)
}

/// Forgets it.
pub fn sign_out() -> Answer {
    let mut answer = answer::nothing();
    let cookie = HeaderValue::from_static("reelmill_key=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0");
    answer.headers_mut().insert(SET_COOKIE, cookie);
    answer
}
