//! The store on a real disk.

use reelmill_artifacts::{ArtifactError, LocalArtifacts, PutMode};
use reelmill_model::Digest;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn temp_files(root: &Path) -> std::io::Result<usize> {
    Ok(fs::read_dir(root.join("tmp"))?.count())
}

#[test]
fn what_is_put_can_be_read_by_its_hash() -> Outcome {
    let folder = tempfile::tempdir()?;
    let store = LocalArtifacts::open(folder.path())?;
    let stored = store.put_bytes(b"hello", "greeting.txt", "text/plain")?;
    assert_eq!(stored.digest, Digest(*blake3::hash(b"hello").as_bytes()));
    assert_eq!(stored.size, 5);
    let path = store.path(&stored.digest).ok_or("the object has no path")?;
    assert_eq!(fs::read(&path)?, b"hello");
    assert_eq!(fs::metadata(&path)?.permissions().mode() & 0o777, 0o444);
    store.verify(&stored.digest)?;
    assert_eq!(temp_files(folder.path())?, 0);
    Ok(())
}

#[test]
fn a_copy_leaves_the_file_and_a_move_takes_it() -> Outcome {
    let folder = tempfile::tempdir()?;
    let store = LocalArtifacts::open(folder.path().join("store"))?;
    // Larger than one chunk, so that hashing and copying go round more than once.
    let content: Vec<u8> = (0..3_000_000_u32).map(|n| n.to_le_bytes()[1]).collect();
    let file = folder.path().join("clip.mp4");
    fs::write(&file, &content)?;
    let copied = store.put_file(&file, "clip.mp4", "video/mp4", PutMode::Copy)?;
    assert!(file.exists());
    let moved = store.put_file(&file, "clip.mp4", "video/mp4", PutMode::Move)?;
    assert!(!file.exists());
    assert_eq!(copied, moved);
    fs::write(&file, b"another")?;
    let another = store.put_file(&file, "a", "video/mp4", PutMode::Move)?;
    assert!(!file.exists());
    assert_eq!(store.usage()?.objects, 2);
    assert_eq!(store.usage()?.bytes, content.len() as u64 + 7);
    let path = store.path(&another.digest).ok_or("the moved object has no path")?;
    assert_eq!(fs::metadata(&path)?.permissions().mode() & 0o777, 0o444);
    assert_eq!(fs::read(&path)?, b"another");
    Ok(())
}

#[test]
fn an_object_that_exists_is_not_written_again_but_a_torn_one_is() -> Outcome {
    let folder = tempfile::tempdir()?;
    let store = LocalArtifacts::open(folder.path())?;
    let digest = store.put_bytes(b"content", "a", "b")?.digest;
    let path = store.path(&digest).ok_or("the object has no path")?;
    let inode = |path: &Path| fs::metadata(path).map(|meta| std::os::unix::fs::MetadataExt::ino(&meta));
    let before = inode(&path)?;
    store.put_bytes(b"content", "a", "b")?;
    assert_eq!(inode(&path)?, before);
    fs::remove_file(&path)?;
    fs::write(&path, b"con")?;
    store.put_bytes(b"content", "a", "b")?;
    assert_eq!(fs::read(&path)?, b"content");
    Ok(())
}

#[test]
fn damage_is_found() -> Outcome {
    let folder = tempfile::tempdir()?;
    let store = LocalArtifacts::open(folder.path())?;
    let digest = store.put_bytes(b"content", "a", "b")?.digest;
    let path = store.path(&digest).ok_or("the object has no path")?;
    fs::remove_file(&path)?;
    fs::write(&path, b"Content")?;
    assert!(matches!(store.verify(&digest), Err(ArtifactError::Damaged { .. })));
    assert!(store.remove(&digest)?);
    assert!(!store.remove(&digest)?);
    assert!(matches!(store.verify(&digest), Err(ArtifactError::Missing(_))));
    Ok(())
}

#[test]
fn only_files_are_stored() -> Outcome {
    let folder = tempfile::tempdir()?;
    let store = LocalArtifacts::open(folder.path().join("store"))?;
    fs::write(folder.path().join("real"), b"x")?;
    std::os::unix::fs::symlink(folder.path().join("real"), folder.path().join("link"))?;
    for name in ["link", "store"] {
        let put = store.put_file(&folder.path().join(name), name, "a/b", PutMode::Copy);
        assert!(matches!(put, Err(ArtifactError::NotAFile(_))), "{name}: {put:?}");
    }
    Ok(())
}

#[test]
fn opening_removes_what_dead_writers_left_and_nothing_of_living_ones() -> Outcome {
    let folder = tempfile::tempdir()?;
    LocalArtifacts::open(folder.path())?;
    let stat = fs::read_to_string("/proc/self/stat")?;
    let (_, rest) = stat.rsplit_once(')').ok_or("no bracket")?;
    let since = rest.split_ascii_whitespace().nth(19).ok_or("no start")?;
    let pid = std::process::id();
    let mine = folder.path().join(format!("tmp/{pid}-{since}-99"));
    let former = folder.path().join(format!("tmp/{pid}-1-0"));
    let stray = folder.path().join("tmp/what");
    for path in [&mine, &former, &stray] {
        File::create(path)?;
    }
    LocalArtifacts::open(folder.path())?;
    assert!(mine.exists() && !former.exists() && !stray.exists());
    Ok(())
}

#[test]
fn a_clean_up_keeps_what_is_named_and_what_is_young() -> Outcome {
    let folder = tempfile::tempdir()?;
    let store = LocalArtifacts::open(folder.path())?;
    let named = store.put_bytes(b"named", "a", "b")?.digest;
    let young = store.put_bytes(b"young", "a", "b")?.digest;
    let old = store.put_bytes(b"old", "a", "b")?.digest;
    let again = store.put_bytes(b"again", "a", "b")?.digest;
    let long_ago = SystemTime::now() - Duration::from_hours(2);
    for digest in [named, old, again] {
        let path = store.path(&digest).ok_or("the object has no path")?;
        File::open(path)?.set_modified(long_ago)?;
    }
    // Storing it again makes it young, because someone is about to name it.
    store.put_bytes(b"again", "a", "b")?;
    let collected = store.collect(|digest| *digest == named, Duration::from_hours(1))?;
    assert_eq!((collected.objects, collected.bytes), (1, 3));
    let left: Vec<Digest> = store.list()?.into_iter().map(|(digest, _)| digest).collect();
    let mut expected = vec![named, young, again];
    expected.sort_unstable();
    assert_eq!(left, expected);
    Ok(())
}
