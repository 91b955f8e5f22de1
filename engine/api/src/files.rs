//! Uploads.

use crate::answer::{self, Answer, json, ok};
use crate::asked::{Answered, Asked};
use crate::library::{SHELVES, is_name};
use crate::problem::{self, Problem};
use http_body_util::BodyExt as _;
use hyper::StatusCode;
use hyper::body::{Body as _, Incoming};
use reelmill_artifacts::media_type;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::fs::File;
use tokio::io::AsyncWriteExt as _;

/// Time that the next piece of an upload gets to come.
const PIECE: Duration = Duration::from_secs(30);

/// What is on the shelves.
pub fn list(asked: &Asked) -> Answer {
    let library = &asked.site.library;
    let shelf = |shelf: &&str| json!({ "shelf": shelf, "folder": library.folder(shelf), "files": library.list(shelf) });
    ok(&json!({ "shelves": SHELVES.iter().map(shelf).collect::<Vec<Value>>() }))
}

/// Takes a file, bit by bit.
pub async fn put(mut asked: Asked) -> Answered {
    let (shelf, name) = place(&asked)?;
    if media_type(&name) == "application/octet-stream" {
        let detail = format!(
            "nothing is known of files like {name:?}; its ending says what it is: .mp3, .mp4, .png, .txt"
        );
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "wrong_media_type", detail));
    }
    let site = asked.site.clone();
    let most = site.upload_bytes_max;
    if asked.body.read().size_hint().lower() > most {
        return Err(too_large(most));
    }
    let Ok(_permit) = site.uploads.try_acquire() else {
        let problem =
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_uploads", "too many are uploading");
        return Err(problem.later(10));
    };
    if !site.library.has_room(shelf, &name) {
        let detail = "the shelf is full; delete what is not needed any more";
        return Err(Problem::new(StatusCode::CONFLICT, "shelf_full", detail));
    }
    let coming = Coming(site.library.place());
    write(asked.body.read(), &coming.0, most).await?;
    let upload = site.library.put(&site.control.artifacts, shelf, &name, &coming.0).await?;
    Ok(json(StatusCode::CREATED, &upload))
}

/// A file that is removed if nothing becomes of it.
struct Coming(PathBuf);

impl Drop for Coming {
    fn drop(&mut self) {
        // It is gone when it was put on its shelf.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// The shelf and the name of the path.
fn place(asked: &Asked) -> Result<(&'static str, String), Problem> {
    let [shelf, name] = &asked.parts[..] else {
        return Err(Problem::missing("no_such_path", "it has no name"));
    };
    let shelf = SHELVES.into_iter().find(|known| known == shelf).ok_or_else(|| {
        Problem::missing(
            "no_such_shelf",
            format!("there is no shelf {shelf:?}; there are {}", SHELVES.join(", ")),
        )
    })?;
    if !is_name(name) {
        let detail =
            format!("{name:?} is no name of a file: at most 200 bytes, without slashes, no dot in front");
        return Err(Problem::bad("bad_name", detail));
    }
    Ok((shelf, name.clone()))
}

fn too_large(most: u64) -> Problem {
    Problem::too_large(format!(
        "the file is larger than {most} bytes; `reelmill serve --upload-max` allows more"
    ))
}

async fn write(body: &mut Incoming, path: &Path, most: u64) -> Result<(), Problem> {
    let io = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
            Problem::new(StatusCode::INSUFFICIENT_STORAGE, "disk_full", "there is no space for it").later(60)
        }
        _ => problem::internal(&format!("{}: {error}", path.display())),
    };
    let mut file = File::create_new(path).await.map_err(io)?;
    let mut written = 0_u64;
    loop {
        let piece = match tokio::time::timeout(PIECE, body.frame()).await {
            Ok(None) => break,
            Ok(Some(Ok(piece))) => piece,
            Ok(Some(Err(error))) => {
                return Err(Problem::bad("bad_body", format!("the upload was cut short: {error}")));
            }
            Err(_) => {
                return Err(Problem::new(
                    StatusCode::REQUEST_TIMEOUT,
                    "too_slow",
                    "nothing came for too long",
                ));
            }
        };
        let Ok(bytes) = piece.into_data() else { continue };
        written += bytes.len() as u64;
        if written > most {
            return Err(too_large(most));
        }
        file.write_all(&bytes).await.map_err(io)?;
    }
    file.flush().await.map_err(io)
}

/// Takes a file off its shelf.
pub fn remove(asked: &Asked) -> Result<Answer, Problem> {
    let (shelf, name) = place(asked)?;
    let removed =
        asked.site.library.remove(shelf, &name).map_err(|error| problem::internal(&error.to_string()))?;
    if removed {
        return Ok(answer::nothing());
    }
    Err(Problem::missing("no_such_file", format!("there is no {name:?} on the shelf {shelf}")))
}
