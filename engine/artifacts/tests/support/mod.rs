//! A real S3 server in this process, on a port of its own, and a line to it that can be cut.

mod line;

pub use line::Line;

use hyper_util::rt::TokioIo;
use reelmill_artifacts::{Artifacts, RemoteConfig, Retry};
use reelmill_model::Digest;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s_fs::FileSystem;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use tempfile::TempDir;
use tokio::net::TcpListener;

pub type Outcome = Result<(), Box<dyn std::error::Error>>;

const KEY: &str = "mill";
const SECRET: &str = "grist";
const BUCKET: &str = "reels";

/// Try again at once, so that tests need not wait.
const RETRY: Retry = Retry { times: 3, first: Duration::from_millis(1), longest: Duration::from_millis(2) };
/// Do not try again.
pub const NEVER: Retry = Retry { times: 0, ..RETRY };

/// A server with one bucket, and room for the folders of machines.
pub struct Server {
    root: TempDir,
    address: SocketAddr,
}

impl Server {
    pub async fn start() -> Result<Self, Box<dyn std::error::Error>> {
        let root = tempfile::tempdir()?;
        fs::create_dir_all(root.path().join("server").join(BUCKET))?;
        let files = FileSystem::new(root.path().join("server")).map_err(|error| format!("{error:?}"))?;
        let mut builder = S3ServiceBuilder::new(files);
        builder.set_auth(SimpleAuth::from_single(KEY, SECRET));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        tokio::spawn(serve(listener, builder.build()));
        Ok(Self { root, address })
    }

    /// A line to it that can be cut.
    pub async fn line(&self) -> std::io::Result<Line> {
        Line::to(self.address).await
    }

    /// How its bucket is reached.
    pub fn config(&self) -> RemoteConfig {
        Self::config_at(self.address)
    }

    /// How its bucket is reached over a line.
    pub fn config_at(address: SocketAddr) -> RemoteConfig {
        let variables = [
            ("AWS_ACCESS_KEY_ID", KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET.to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ENDPOINT_URL", format!("http://{address}")),
            ("HOME", "/nowhere".to_owned()),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value));
        let mut config = RemoteConfig::new(format!("s3://{BUCKET}/farm"), variables);
        config.retry = RETRY;
        config
    }

    /// The folder of a machine.
    pub fn machine(&self, name: &str) -> PathBuf {
        self.root.path().join("machines").join(name)
    }

    /// A machine that uses the bucket.
    pub fn join(&self, name: &str) -> Result<Artifacts, Box<dyn std::error::Error>> {
        Ok(Artifacts::shared(self.machine(name), &self.config())?)
    }

    /// A file that a stage has made.
    pub fn file(&self, name: &str, content: &[u8]) -> std::io::Result<PathBuf> {
        let path = self.root.path().join(name);
        fs::write(&path, content)?;
        Ok(path)
    }

    /// Where the server keeps an object.
    pub fn object(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        let bucket = self.root.path().join("server").join(BUCKET);
        bucket.join("farm/objects").join(&hex[..2]).join(hex)
    }

    /// Parts that the server keeps of uploads that are not finished.
    pub fn orphans(&self) -> std::io::Result<usize> {
        let entries = fs::read_dir(self.root.path().join("server"))?.collect::<Result<Vec<_>, _>>()?;
        let is_part = |name: &str| name.starts_with(".upload_id-") || name.starts_with(".upload-");
        Ok(entries.iter().filter(|entry| entry.file_name().to_str().is_some_and(is_part)).count())
    }
}

async fn serve(listener: TcpListener, service: S3Service) {
    while let Ok((stream, _)) = listener.accept().await {
        let connection = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service.clone());
        // A client that goes away in the middle is what some tests are about.
        tokio::spawn(connection);
    }
}

/// Bytes that look like a video: no part of them is like another.
pub fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut bytes = vec![0; length];
    let mut noise = blake3::Hasher::new();
    noise.update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

/// Makes a file look as if it had been written and read that long ago.
pub fn age(path: &Path, by: Duration) -> std::io::Result<()> {
    let then = SystemTime::now() - by;
    File::open(path)?.set_times(fs::FileTimes::new().set_modified(then).set_accessed(then))
}
