//! REST, event streams and the web page: the same use cases as the command line's, over HTTP.
//!
//! `server` listens; `guard` and `keys` decide who is let in (pure); `routes` is the one table that requests are looked up
//! in and that `openapi` describes; each other file answers for one subject. Nothing here decides what the engine should.
//!
//! Must never: serve anything under another site's name, take a path of this machine for a file, or hold a whole file or
//! listing in memory.

mod act;
mod answer;
mod artifacts;
mod asked;
mod coming;
mod dispatch;
mod events;
mod files;
mod fleet;
mod guard;
mod keys;
mod library;
mod logs;
mod openapi;
mod pipelines;
mod problem;
mod range;
mod routes;
mod runs;
mod server;
mod session;
mod site;
mod source;
mod submit;

pub use keys::{Keys, KeysError, Role};
pub use openapi::document as openapi;
pub use server::{Config, ServeError, Serving, serve};
