//! The connection of a consumer: made when it is needed, dropped at the first error, and never used on a thread of
//! the runtime.

use crate::stream::Stream;
use redis::{RedisError, RedisResult};

/// A connection that comes back.
pub struct Link {
    client: redis::Client,
    consumer: String,
    // None: the next call connects.
    stream: Option<Stream>,
}

impl Link {
    /// Nothing is connected yet. An error is one of the URL.
    pub fn new(url: &str, consumer: String) -> RedisResult<Self> {
        Ok(Self { client: redis::Client::open(url)?, consumer, stream: None })
    }

    /// Does some work on the stream.
    pub async fn call<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Stream) -> RedisResult<T> + Send + 'static,
    ) -> RedisResult<T> {
        let held = self.stream.take();
        let (client, consumer) = (self.client.clone(), self.consumer.clone());
        let worked = tokio::task::spawn_blocking(move || -> RedisResult<(Stream, T)> {
            let mut stream = match held {
                Some(stream) => stream,
                None => Stream::open(&client, &consumer)?,
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
