//! The connection of a consumer: made when it is needed, dropped at the first error, and never used on a thread of
//! the runtime.

use crate::stream::Stream;
use redis::{ErrorKind, RedisError, RedisResult};
use reelmill_store_redis::Address;

/// A connection that comes back.
pub struct Link {
    address: Address,
    consumer: String,
    // None: the next call connects.
    stream: Option<Stream>,
}

impl Link {
    /// Nothing is connected yet. An error is one of the URL.
    pub fn new(url: &str, consumer: String) -> RedisResult<Self> {
        let address = Address::parse(url)?;
        // Its keys lie on several nodes, and an envelope must leave one as it enters the other.
        if address.is_cluster() {
            let why = "the inbox is not kept on a Redis Cluster; give it a server of its own";
            return Err((ErrorKind::InvalidClientConfig, why).into());
        }
        Ok(Self { address, consumer, stream: None })
    }

    /// Does some work on the stream.
    pub async fn call<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Stream) -> RedisResult<T> + Send + 'static,
    ) -> RedisResult<T> {
        let held = self.stream.take();
        let (address, consumer) = (self.address.clone(), self.consumer.clone());
        let worked = tokio::task::spawn_blocking(move || -> RedisResult<(Stream, T)> {
            let mut stream = match held {
                Some(stream) => stream,
                None => Stream::open(&address, &consumer)?,
            };
            let result = work(&mut stream)?;
            Ok((stream, result))
        });
        let (stream, result) =
            worked.await.map_err(|error| RedisError::from(std::io::Error::other(error)))??;
        self.stream = Some(stream);
        Ok(result)
    }
}
