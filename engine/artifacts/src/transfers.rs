//! The files of transfers: one for each object that is on its way down or up, named by it and by which way it goes.

use crate::claim::Claim;
use crate::collect::is_old;
use crate::error::ArtifactError;
use crate::store::digest_of;
use reelmill_model::Digest;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The way of downloads. Whichever store they come from, the content is the same.
pub const DOWN: &str = "down";

/// The file of a transfer.
pub fn file(folder: &Path, digest: &Digest, way: &str) -> PathBuf {
    folder.join(format!("{}.{way}", digest.hex()))
}

/// Transfers that nobody is busy with and that were last written to that long ago.
pub fn abandoned(folder: &Path, way: &str, grace: Duration) -> Result<Vec<(Digest, Claim)>, ArtifactError> {
    let now = SystemTime::now();
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(ArtifactError::io("list", folder))? {
        let path = entry.map_err(ArtifactError::io("list", folder))?.path();
        let written = path.metadata().and_then(|meta| meta.modified());
        if written.is_ok_and(|written| is_old(written, now, grace))
            && let Some(digest) = object_of(&path, way)
            && let Some(claim) = Claim::try_now(&path)?
        {
            found.push((digest, claim));
        }
    }
    Ok(found)
}

/// The object whose transfer a file is about, if it goes this way.
fn object_of(path: &Path, way: &str) -> Option<Digest> {
    let (hex, its_way) = path.file_name()?.to_str()?.split_once('.')?;
    digest_of(hex).filter(|_| its_way == way)
}
