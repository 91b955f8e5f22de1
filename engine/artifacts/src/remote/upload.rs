//! A file in parts. The store shows the object when the last step, completing, is done, and not before.
//!
//! What was sent is noted in a journal on this machine: an upload that a cut line or a killed process ends is gone on
//! with by the next put of the same content, and given up by the next collection when there is none. So no part is
//! left in the bucket, unless this machine's disk is lost meanwhile: for that, a bucket has the lifecycle rule
//! `AbortIncompleteMultipartUpload`.

use super::Remote as _;
use super::bucket::Bucket;
use super::fault::is_stale;
use super::journal::{Header, Journal};
use crate::block::block;
use crate::claim::Claim;
use crate::error::ArtifactError;
use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};
use object_store::multipart::{MultipartStore as _, PartId};
use object_store::{Error, Result};
use reelmill_model::{Digest, limits};
use std::fs::File;
use std::future;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

pub struct Upload<'a> {
    pub bucket: &'a Bucket,
    pub digest: &'a Digest,
    pub file: &'a Path,
    pub bytes: u64,
}

/// Why an upload did not come to its end.
enum Stopped {
    /// The store does not know it, or not as it is noted here.
    Stale(Error),
    /// Anything else: it can go on later.
    Failed(ArtifactError),
}

impl Upload<'_> {
    /// Goes on with an upload that was cut short, or begins one; to the end.
    pub async fn run(&self, claim: Claim) -> Result<(), ArtifactError> {
        let claim = match Journal::resume(claim) {
            Err(claim) => claim,
            Ok(mut journal) => match self.send(&mut journal).await {
                Ok(()) => return journal.end(),
                Err(Stopped::Failed(error)) => return Err(error),
                Err(Stopped::Stale(error)) => {
                    // The answer to its last step may have been all that was lost.
                    if self.bucket.look(self.digest).await?.is_some_and(|held| held.bytes == self.bytes) {
                        return journal.end();
                    }
                    tracing::info!(digest = %self.digest, %error, "an upload that was cut short begins anew");
                    self.bucket.give_up(self.digest, &journal.header.upload).await?;
                    journal.drop_upload()
                }
            },
        };
        let mut journal = self.begin(claim).await?;
        match self.send(&mut journal).await {
            Ok(()) => journal.end(),
            Err(Stopped::Failed(error)) => Err(error),
            Err(Stopped::Stale(error)) => Err(self.bucket.fault("store an artifact in parts")(error)),
        }
    }

    async fn begin(&self, claim: Claim) -> Result<Journal, ArtifactError> {
        let began = self.bucket.s3.create_multipart(&self.bucket.key(self.digest)).await;
        let upload = began.map_err(self.bucket.fault("begin to store an artifact"))?;
        Journal::begin(claim, Header { upload, part_bytes: part_bytes(self.bytes) })
    }

    /// Sends what is missing, several parts at once, and completes. When a part fails no other is begun, but those on
    /// their way are waited for: they need not be sent again.
    async fn send(&self, journal: &mut Journal) -> Result<(), Stopped> {
        let Header { upload, part_bytes } = journal.header.clone();
        let parts = usize::try_from(self.bytes.div_ceil(part_bytes)).unwrap_or(usize::MAX);
        let missing: Vec<usize> = (0..parts).filter(|index| !journal.parts.contains_key(index)).collect();
        let has_failed = AtomicBool::new(false);
        let mut sent = stream::iter(missing)
            .take_while(|_| future::ready(!has_failed.load(Ordering::Relaxed)))
            .map(|index| self.send_part(&upload, index, part_bytes))
            .buffer_unordered(limits::ARTIFACT_PARTS_AT_ONCE_MAX);
        let mut failure = None;
        while let Some(part) = sent.next().await {
            let noted =
                part.and_then(|(index, content)| journal.note(index, content).map_err(Stopped::Failed));
            if let Err(stopped) = noted {
                has_failed.store(true, Ordering::Relaxed);
                failure.get_or_insert(stopped);
            }
        }
        drop(sent);
        if let Some(stopped) = failure {
            return Err(stopped);
        }
        let parts = journal.parts.values().map(|content| PartId { content_id: content.clone() }).collect();
        let completed =
            self.bucket.s3.complete_multipart(&self.bucket.key(self.digest), &upload, parts).await;
        completed.map(drop).map_err(|error| self.stopped(error))
    }

    /// One part; what fails on the way is tried again by the client, with backoff.
    async fn send_part(
        &self,
        upload: &String,
        index: usize,
        part_bytes: u64,
    ) -> Result<(usize, String), Stopped> {
        let _permit = self.bucket.parts.acquire().await;
        let from = index as u64 * part_bytes;
        let to = self.bytes.min(from + part_bytes);
        let content = read(self.file.to_owned(), from..to).await.map_err(Stopped::Failed)?;
        let key = self.bucket.key(self.digest);
        let sent = self.bucket.s3.put_part(&key, upload, index, content.into()).await;
        sent.map(|part| (index, part.content_id)).map_err(|error| self.stopped(error))
    }

    fn stopped(&self, error: Error) -> Stopped {
        if is_stale(&error) {
            Stopped::Stale(error)
        } else {
            Stopped::Failed(self.bucket.fault("store an artifact in parts")(error))
        }
    }
}

/// Bytes of a part: the usual, or as many whole MiB as keep a large file within the number of parts.
fn part_bytes(bytes: u64) -> u64 {
    const MIB: u64 = 1 << 20;
    let least = bytes.div_ceil(limits::ARTIFACT_PARTS_MAX).next_multiple_of(MIB);
    least.max(limits::ARTIFACT_PART_BYTES)
}

/// Bytes of a file.
pub async fn read(path: PathBuf, range: Range<u64>) -> Result<Bytes, ArtifactError> {
    block(move || {
        let mut bytes = vec![0; usize::try_from(range.end - range.start).unwrap_or(usize::MAX)];
        File::open(&path)
            .and_then(|file| file.read_exact_at(&mut bytes, range.start))
            .map_err(ArtifactError::io("read", &path))?;
        Ok(bytes.into())
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_file_has_larger_parts_and_never_too_many() {
        for (bytes, part) in
            [(9 << 20, 8 << 20), (80_000 << 20, 8 << 20), ((80_000 << 20) + 1, 9 << 20), (5 << 40, 525 << 20)]
        {
            assert_eq!(part_bytes(bytes), part, "{bytes}");
            assert!(bytes.div_ceil(part) <= limits::ARTIFACT_PARTS_MAX);
        }
    }
}
