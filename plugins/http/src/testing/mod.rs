//! For tests of clients: a server on loopback that answers as it is told, and the ways of failing that every client
//! has to tell apart.
//!
//! ```
//! use reelmill_http::testing::{Reply, Server};
//!
//! let server = Server::in_turn([Reply::status(503), Reply::json(200, r#"{"ok":true}"#)]);
//! // … let the client speak to `server.base()` twice, and then:
//! assert!(server.requests().is_empty());
//! ```

mod matrix;
mod reply;
mod server;

pub use matrix::{Case, Played, matrix};
pub use reply::Reply;
pub use server::{Seen, Server};
