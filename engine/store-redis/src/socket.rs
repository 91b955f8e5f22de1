//! A connection that the runtime watches instead of a thread: who waits for an answer goes on by itself when it comes.
//! Only for what is waited for long; the library's own connections do everything else, and all that goes over TLS.

use crate::connect::CONNECT;
use crate::resp;
use redis::{Cmd, ConnectionAddr, ConnectionInfo, RedisError, RedisResult, Value, cmd};
use std::io::ErrorKind;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};

/// Bytes that there is room for when it is read: what a worker is handed is rarely more.
const READ: usize = 4 * 1024;

trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for T {}

/// A connection to one server, without TLS.
pub struct Socket {
    stream: Box<dyn Stream>,
    /// What came of the answer so far.
    read: Vec<u8>,
}

impl std::fmt::Debug for Socket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Socket").finish_non_exhaustive()
    }
}

impl Socket {
    /// Connects, and says who it is.
    pub async fn connect(info: &ConnectionInfo) -> RedisResult<Self> {
        let late = |_| RedisError::from(std::io::Error::from(ErrorKind::TimedOut));
        tokio::time::timeout(CONNECT, Self::greet(info)).await.map_err(late)?
    }

    async fn greet(info: &ConnectionInfo) -> RedisResult<Self> {
        let mut socket = Self { stream: open(info.addr()).await?, read: Vec::new() };
        let settings = info.redis_settings();
        if let Some(password) = settings.password() {
            let user = settings.username();
            socket.query(cmd("AUTH").arg(user).arg(password)).await?;
        }
        if settings.db() != 0 {
            socket.query(cmd("SELECT").arg(settings.db())).await?;
        }
        Ok(socket)
    }

    async fn query(&mut self, command: &Cmd) -> RedisResult<Value> {
        self.send(command).await?;
        self.answer().await
    }

    /// Sends a command; nothing else may be unanswered.
    pub async fn send(&mut self, command: &Cmd) -> RedisResult<()> {
        self.read.clear();
        Ok(self.stream.write_all(&command.get_packed_command()).await?)
    }

    /// What was sent comes to. Nothing is lost when this is dropped and called again.
    pub async fn answer(&mut self) -> RedisResult<Value> {
        loop {
            self.read.reserve(READ);
            if self.stream.read_buf(&mut self.read).await? == 0 {
                return Err(std::io::Error::from(ErrorKind::ConnectionReset).into());
            }
            if let Some(answer) = resp::read(&self.read)? {
                return answer.extract_error();
            }
        }
    }
}

async fn open(place: &ConnectionAddr) -> RedisResult<Box<dyn Stream>> {
    Ok(match place {
        ConnectionAddr::Tcp(host, port) => {
            let stream = TcpStream::connect((host.as_str(), *port)).await?;
            stream.set_nodelay(true)?;
            Box::new(stream)
        }
        ConnectionAddr::Unix(path) => Box::new(UnixStream::connect(path).await?),
        other => return Err(std::io::Error::other(format!("{other} is no plain address")).into()),
    })
}
