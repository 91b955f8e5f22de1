//! From the shared store to this machine: in parts, into a file beside the objects, and under its name only when its
//! hash is right.
//!
//! What came before a cut line or a killed process is kept, and the next download goes on behind it.

use crate::block::block;
use crate::claim::Claim;
use crate::error::ArtifactError;
use crate::put;
use crate::remote::Remote;
use crate::store::LocalArtifacts;
use crate::transfers;
use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};
use reelmill_model::{Digest, limits};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::ops::Range;

/// Downloads an object that is not here. Says how many bytes came to this machine, which is none when another process
/// was faster.
pub async fn download(
    local: &LocalArtifacts,
    remote: &dyn Remote,
    digest: &Digest,
) -> Result<u64, ArtifactError> {
    let path = transfers::file(&local.transfers(), digest, transfers::DOWN);
    let claim = block(move || Claim::wait(&path)).await?;
    if local.path(digest).is_some() {
        claim.remove()?;
        return Ok(0);
    }
    let Some(held) = remote.look(digest).await? else {
        claim.remove()?;
        return Err(remote.explain_missing(digest).await);
    };
    let download = Download { local, remote, digest, bytes: held.bytes };
    let (claim, found) = download.pour(claim).await?;
    let claim = if found == *digest {
        claim
    } else {
        // A line may have turned a bit; the store is asked once more before it is blamed.
        claim.clear()?;
        let (claim, found) = download.pour(claim).await?;
        if found != *digest {
            claim.remove()?;
            let remote = remote.name().to_owned();
            return Err(ArtifactError::RemoteDamaged { digest: *digest, found, remote });
        }
        claim
    };
    let (local, digest) = (local.clone(), *digest);
    block(move || put::adopt(&local, &claim.file, &claim.path, &digest)).await?;
    Ok(held.bytes)
}

struct Download<'a> {
    local: &'a LocalArtifacts,
    remote: &'a dyn Remote,
    digest: &'a Digest,
    bytes: u64,
}

impl Download<'_> {
    /// Pours what is missing behind what is there; says the hash of the whole.
    async fn pour(&self, claim: Claim) -> Result<(Claim, Digest), ArtifactError> {
        let mut partial = Partial::open(claim, self.bytes).await?;
        let mut parts = stream::iter(parts(partial.bytes, self.bytes))
            .map(|range| self.remote.read(self.digest, range))
            .buffered(limits::ARTIFACT_PARTS_AT_ONCE_MAX);
        while let Some(part) = parts.next().await {
            partial = partial.append(part?, self.local.clone()).await?;
        }
        drop(parts);
        Ok((partial.claim, Digest(*partial.hasher.finalize().as_bytes())))
    }
}

/// The parts of the bytes that are missing.
fn parts(from: u64, to: u64) -> impl Iterator<Item = Range<u64>> {
    let step = limits::ARTIFACT_PART_BYTES;
    let next = move |at: &u64| Some(at.saturating_add(step)).filter(|next| *next < to);
    std::iter::successors((from < to).then_some(from), next).map(move |at| at..to.min(at + step))
}

/// A file that is on its way, and the hash of what is in it.
struct Partial {
    claim: Claim,
    hasher: blake3::Hasher,
    bytes: u64,
}

impl Partial {
    async fn open(mut claim: Claim, most: u64) -> Result<Self, ArtifactError> {
        block(move || {
            let mut hasher = blake3::Hasher::new();
            let read = |claim: &mut Claim, hasher: &mut blake3::Hasher| -> io::Result<u64> {
                if claim.file.metadata()?.len() > most {
                    claim.file.set_len(0)?;
                }
                claim.file.rewind()?;
                let (mut chunk, mut bytes) = (vec![0; 1 << 20], 0);
                loop {
                    match claim.file.read(&mut chunk)? {
                        0 => return Ok(bytes),
                        read => {
                            hasher.update(&chunk[..read]);
                            bytes += read as u64;
                        }
                    }
                }
            };
            let bytes = read(&mut claim, &mut hasher).map_err(ArtifactError::io("read", &claim.path))?;
            Ok(Self { claim, hasher, bytes })
        })
        .await
    }

    async fn append(mut self, part: Bytes, local: LocalArtifacts) -> Result<Self, ArtifactError> {
        block(move || {
            let length = part.len() as u64;
            let written = self.claim.file.write_all(&part);
            written.map_err(put::failed(&local, "write", &self.claim.path, length))?;
            self.hasher.update(&part);
            self.bytes += length;
            Ok(self)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_what_is_missing_and_nothing_else() {
        let step = limits::ARTIFACT_PART_BYTES;
        let of = |from, to| parts(from, to).map(|part| (part.start, part.end)).collect::<Vec<_>>();
        assert!(of(0, 0).is_empty());
        assert!(of(7, 7).is_empty());
        assert_eq!(of(0, 1), [(0, 1)]);
        assert_eq!(of(0, step), [(0, step)]);
        assert_eq!(of(3, step + 4), [(3, step + 3), (step + 3, step + 4)]);
    }
}
