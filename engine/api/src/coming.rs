//! A body that comes. Whoever refuses it answers at once, and what is on its way is read and forgotten meanwhile: a
//! connection that is closed with something unread takes the answer with it.

use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::header::{EXPECT, HeaderMap};
use std::time::Duration;

/// Bytes that are read and forgotten; of more the answer may be lost.
const FORGOTTEN_BYTES_MAX: usize = 16 << 20;
/// Time that this takes at most.
const FORGOTTEN: Duration = Duration::from_secs(5);

/// A body.
pub struct Coming {
    // Invariant: there until this is dropped.
    body: Option<Incoming>,
    /// Whether it is only sent when it is asked for.
    asks: bool,
}

impl Coming {
    /// The body of a request with these headers.
    pub fn new(body: Incoming, headers: &HeaderMap) -> Self {
        Self { body: Some(body), asks: headers.contains_key(EXPECT) }
    }

    /// To be read.
    pub fn read(&mut self) -> &mut Incoming {
        self.body.as_mut().expect("it is taken when this is dropped, and not before")
    }
}

impl Drop for Coming {
    fn drop(&mut self) {
        let Some(body) = self.body.take().filter(|body| !self.asks && !body.is_end_stream()) else { return };
        tokio::spawn(tokio::time::timeout(FORGOTTEN, forget(body)));
    }
}

async fn forget(mut body: Incoming) {
    let mut read = 0;
    while let Some(Ok(piece)) = body.frame().await {
        read += piece.data_ref().map_or(0, Bytes::len);
        if read > FORGOTTEN_BYTES_MAX {
            return;
        }
    }
}
