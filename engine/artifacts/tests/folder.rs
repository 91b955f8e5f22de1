//! Artifacts of a fleet in a folder that all machines mount.

use reelmill_artifacts::{ArtifactError, Artifacts, PutMode, RemoteConfig, Scope};
use std::collections::HashSet;
use std::fs::{self, File};
use std::time::{Duration, SystemTime};

type Outcome = Result<(), Box<dyn std::error::Error>>;

#[tokio::test(flavor = "multi_thread")]
async fn a_mounted_folder_serves_a_fleet() -> Outcome {
    let root = tempfile::tempdir()?;
    let mount = root.path().join("mount");
    fs::create_dir(&mount)?;
    let mut config = RemoteConfig::new(format!("file://{}", mount.display()), []);
    config.cache_bytes = 12_000_000;
    let join = |name: &str| Artifacts::shared(root.path().join(name), &config);
    let (one, other) = (join("one")?, join("other")?);
    // Larger than a part, so that reading goes round more than once.
    let content: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_le_bytes).collect();
    let file = root.path().join("clip.mp4");
    fs::write(&file, &content[..10_000_000])?;
    let large = one.put_file(&file, "clip.mp4", "video/mp4", PutMode::Move).await?;
    let small = one.put_bytes(content[..5_000_000].to_vec(), "a", "b").await?;
    assert_eq!(one.folder().usage()?.objects, 1, "the first made room for the second");
    assert_eq!(fs::read(other.fetch(&large.digest).await?.path())?, content[..10_000_000]);
    assert_eq!(fs::read(one.fetch(&large.digest).await?.path())?, content[..10_000_000]);

    let object = mount.join("objects").join(&small.digest.hex()[..2]).join(small.digest.hex());
    File::open(&object)?.set_modified(SystemTime::now() - Duration::from_hours(2))?;
    let collected = other.collect(Scope::Shared, HashSet::new(), Duration::from_hours(1)).await?;
    assert_eq!((collected.objects, collected.bytes), (1, 5_000_000));
    let error = other.fetch(&small.digest).await.expect_err("it is gone");
    assert!(matches!(error, ArtifactError::Missing(_)), "{error}");
    Ok(())
}

#[tokio::test]
async fn what_another_machine_is_writing_is_left_alone_until_it_is_old() -> Outcome {
    let root = tempfile::tempdir()?;
    let mount = root.path().join("mount");
    let elsewhere = mount.join("tmp/another-boot");
    fs::create_dir_all(&elsewhere)?;
    let half = elsewhere.join("1-1-1");
    fs::write(&half, "half")?;
    let config = RemoteConfig::new(format!("file://{}", mount.display()), []);
    let one = Artifacts::shared(root.path().join("one"), &config)?;
    one.collect(Scope::Shared, HashSet::new(), Duration::from_hours(1)).await?;
    assert!(half.exists());
    one.collect(Scope::Shared, HashSet::new(), Duration::ZERO).await?;
    assert!(!half.exists());
    Ok(())
}
