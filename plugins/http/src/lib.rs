//! How plugins speak HTTP: one blocking client for all of them.
//!
//! A [`Service`] is a provider with an address, a key and a name for messages. Its requests wait together with the
//! attempt's [`Cx`](reelmill_sdk::Cx): a cancel does not wait for an answer. What each way of failing means (class,
//! code, remedy) is decided in `verdict.rs` and nowhere else, and no key is ever part of a message. A [`Fetcher`]
//! downloads what users or services name: it goes on where a connection was cut, follows redirects hop by hop, and
//! connects to public addresses only, unless its [`Guard`] allows a host by name.
//!
//! ```no_run
//! # use reelmill_sdk::{Cx, StageError, serde_json::{Value, json}};
//! # fn ask(key: &str, cx: &Cx<'_>) -> Result<Value, StageError> {
//! use reelmill_http::{Service, Settings};
//!
//! let service = Service::new("the model endpoint", "https://api.example.org/v1")
//!     .settings(Settings { address: "llm.base_url", key: "llm.api_key", ..Settings::default() })
//!     .bearer(key)
//!     .open()?;
//! service.post("/chat/completions").json(&json!({ "model": "m" })).send(cx)?.json()
//! # }
//! ```
//!
//! Tests of a client use the server of [`testing`] (feature `testing`).

mod address;
mod answer;
mod body;
mod builder;
mod download;
mod endpoint;
mod exchange;
mod guard;
pub mod minimax;
mod part;
mod patience;
mod request;
mod retry_after;
mod secrets;
mod service;
mod sink;
#[cfg(feature = "testing")]
pub mod testing;
mod url;
mod verdict;

pub use address::is_public;
pub use answer::Answer;
pub use body::{Body, Form};
pub use builder::Builder;
pub use download::{Digest, Fetched, Fetcher, Wanted};
pub use endpoint::Endpoint;
pub use guard::Guard;
pub use patience::after_a_moment;
pub use request::Request;
pub use secrets::Secrets;
pub use service::{Service, Settings};
pub use sink::Saved;
pub use ureq::http::Method;
pub use url::{encode, resolve};
