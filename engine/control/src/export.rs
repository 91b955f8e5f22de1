//! Export: the files a run put out, copied to a folder under names that people can read.

use crate::{Control, ControlError};
use reelmill_artifacts::ArtifactError;
use reelmill_model::ArtifactRef;
use reelmill_model::artifact::ARTIFACT_KEY;
use serde_json::Value;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// One exported file.
#[derive(Debug, serde::Serialize)]
pub struct Exported {
    /// Where in the run's outputs it stands: `videos.0.video`.
    pub place: String,
    /// Where it is now.
    pub path: PathBuf,
    /// Its artifact.
    pub artifact: ArtifactRef,
}

impl Control {
    /// Copies every artifact that `outputs` names into `folder`, which is made when missing. A file of that name
    /// is replaced.
    pub async fn export(&self, outputs: &Value, folder: &Path) -> Result<Vec<Exported>, ControlError> {
        let mut found = Vec::new();
        find(outputs, &mut Vec::new(), &mut found);
        let io =
            |error: std::io::Error, path: &Path| ControlError::Io { path: path.to_owned(), source: error };
        std::fs::create_dir_all(folder).map_err(|error| io(error, folder))?;
        let names = file_names(&found);
        let mut exported = Vec::with_capacity(found.len());
        for ((place, artifact), name) in found.into_iter().zip(names) {
            let from = self.artifacts.fetch(&artifact.digest).await.map_err(|error| match error {
                ArtifactError::Missing(digest) => ControlError::NoArtifact(digest),
                error => error.into(),
            })?;
            let path = folder.join(name);
            let partial = path.with_extension("part");
            std::fs::copy(from.path(), &partial).map_err(|error| io(error, &partial))?;
            // Artifacts are read-only; a copy is the user's own.
            make_writable(&partial).map_err(|error| io(error, &partial))?;
            std::fs::rename(&partial, &path).map_err(|error| io(error, &path))?;
            exported.push(Exported { place: place.join("."), path, artifact });
        }
        Ok(exported)
    }
}

/// Every artifact that outputs name, with its place in them: `videos.0.video`.
#[must_use]
pub fn artifacts_in(outputs: &Value) -> Vec<(String, ArtifactRef)> {
    let mut found = Vec::new();
    find(outputs, &mut Vec::new(), &mut found);
    found.into_iter().map(|(place, artifact)| (place.join("."), artifact)).collect()
}

fn make_writable(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644))
}

fn find(value: &Value, place: &mut Vec<String>, found: &mut Vec<(Vec<String>, ArtifactRef)>) {
    let mut inner = |name: String, value: &Value| {
        place.push(name);
        find(value, place, found);
        place.pop();
    };
    match value {
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| inner(index.to_string(), item));
        }
        Value::Object(map) if map.contains_key(ARTIFACT_KEY) => {
            if let Ok(artifact) = serde_json::from_value(value.clone()) {
                found.push((place.clone(), artifact));
            }
        }
        Value::Object(map) => map.iter().for_each(|(name, item)| inner(name.clone(), item)),
        _ => {}
    }
}

/// A file name for each: the artifact's own where it is the only one of that name, else with its place before it.
fn file_names(found: &[(Vec<String>, ArtifactRef)]) -> Vec<String> {
    let plain = |artifact: &ArtifactRef| {
        let name: String =
            artifact.name.chars().map(|c| if c == '/' || c.is_control() { '_' } else { c }).collect();
        if name.is_empty() || name.starts_with('.') { format!("file{name}") } else { name }
    };
    let mut seen = HashSet::new();
    let mut twice = HashSet::new();
    for (_, artifact) in found {
        if !seen.insert(plain(artifact)) {
            twice.insert(plain(artifact));
        }
    }
    found
        .iter()
        .map(|(place, artifact)| {
            let name = plain(artifact);
            if !twice.contains(&name) {
                return name;
            }
            let place: Vec<String> = place.iter().map(|part| part.replace(['/', '.'], "_")).collect();
            format!("{}-{name}", place.join("-"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use reelmill_model::Digest;

    fn artifact(name: &str) -> ArtifactRef {
        ArtifactRef { digest: Digest([0; 32]), name: name.into(), size: 0, media_type: "video/mp4".into() }
    }

    #[test]
    fn names_stay_short_until_two_are_the_same() {
        let place = |text: &str| text.split('.').map(str::to_owned).collect();
        let found = vec![
            (place("videos.0"), artifact("video.mp4")),
            (place("videos.1"), artifact("video.mp4")),
            (place("report"), artifact("../report.txt")),
        ];
        assert_eq!(file_names(&found), ["videos-0-video.mp4", "videos-1-video.mp4", "file.._report.txt"]);
    }
}
