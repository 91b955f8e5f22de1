//! Artifacts of a fleet on a real S3 server.

mod support;

use reelmill_artifacts::{ArtifactError, Artifacts, PutMode, Scope};
use reelmill_model::{Digest, limits};
use std::collections::HashSet;
use std::fs;
use std::time::Duration;
use support::{NEVER, Outcome, Server, age, noise};

/// Two whole parts and a piece.
const LARGE: usize = (16 << 20) + 12_345;
const _: () = assert!(LARGE as u64 / limits::ARTIFACT_PART_BYTES == 2);

#[tokio::test(flavor = "multi_thread")]
async fn what_one_machine_puts_another_gets() -> Outcome {
    let server = Server::start().await?;
    let (one, other) = (server.join("one")?, server.join("other")?);
    for content in [Vec::new(), b"tide".to_vec(), noise(LARGE, 1)] {
        let file = server.file("made.mp4", &content)?;
        let put = one.put_file(&file, "made.mp4", "video/mp4", PutMode::Move).await?;
        assert_eq!(fs::read(server.object(&put.digest))?, content);
        let pin = other.fetch(&put.digest).await?;
        assert!(pin.path().starts_with(other.root()), "plugins may read below the root only");
        assert_eq!(fs::read(pin.path())?, content);
        other.folder().verify(&put.digest)?;
    }
    assert_eq!(server.orphans()?, 0);
    assert_eq!(fs::read_dir(server.machine("one").join("transfers"))?.count(), 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_is_not_uploaded_again_unless_it_is_about_to_be_collected() -> Outcome {
    let server = Server::start().await?;
    let line = server.line().await?;
    let config = Server::config_at(line.address);
    let content = noise(LARGE, 2);
    let first = Artifacts::shared(server.machine("first"), &config)?;
    let digest = first.put_bytes(content.clone(), "a", "video/mp4").await?.digest;
    let (sent, _) = line.passed();
    let second = Artifacts::shared(server.machine("second"), &config)?;
    second.put_bytes(content.clone(), "a", "video/mp4").await?;
    assert!(line.passed().0 - sent < 10_000, "a question, not the content");

    age(&server.object(&digest), Duration::from_millis(limits::ARTIFACT_GRACE_MS))?;
    second.put_bytes(content, "a", "video/mp4").await?;
    let again = second.collect(Scope::Shared, HashSet::new(), Duration::from_hours(1)).await?;
    assert_eq!(again.objects, 0, "it is as young as what was just stored");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_that_is_cut_goes_on_at_once() -> Outcome {
    let server = Server::start().await?;
    let content = noise(LARGE, 3);
    let digest = server.join("one")?.put_bytes(content.clone(), "a", "b").await?.digest;
    let line = server.line().await?;
    let other = Artifacts::shared(server.machine("other"), &Server::config_at(line.address))?;
    line.cut_down_after(3_000_000);
    assert_eq!(fs::read(other.fetch(&digest).await?.path())?, content);
    assert!(!line.is_waiting(), "the line was cut");
    // What lay in buffers when it was cut is lost, and no more.
    let (_, came) = line.passed();
    assert!(came < LARGE as u64 + (8 << 20), "{came} bytes came");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_that_failed_goes_on_where_it_was() -> Outcome {
    let server = Server::start().await?;
    let content = noise(LARGE, 4);
    let digest = server.join("one")?.put_bytes(content.clone(), "a", "b").await?.digest;
    let line = server.line().await?;
    let mut config = Server::config_at(line.address);
    config.retry = NEVER;
    let other = Artifacts::shared(server.machine("other"), &config)?;
    let partial = server.machine("other").join("transfers").join(format!("{}.down", digest.hex()));
    // A killed process leaves as much of the file as it has written, wherever a part ends.
    fs::write(&partial, &content[..LARGE - 1_000])?;
    line.set_dead(true);
    let error = other.fetch(&digest).await.expect_err("nobody gets through");
    assert!(matches!(error, ArtifactError::Unreachable { .. }), "{error}");
    assert_eq!(fs::metadata(&partial)?.len(), LARGE as u64 - 1_000);
    line.set_dead(false);
    assert_eq!(fs::read(other.fetch(&digest).await?.path())?, content);
    assert!(line.passed().1 < 10_000, "only the end came");
    assert!(!partial.exists());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_whose_upload_is_cut_is_sent_again() -> Outcome {
    let server = Server::start().await?;
    let content = noise(LARGE, 5);
    let line = server.line().await?;
    let one = Artifacts::shared(server.machine("one"), &Server::config_at(line.address))?;
    line.cut_up_after(4_000_000);
    let put = one.put_bytes(content.clone(), "a", "b").await?;
    assert!(!line.is_waiting(), "the line was cut");
    assert_eq!(fs::read(server.object(&put.digest))?, content);
    assert_eq!(server.orphans()?, 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_failed_goes_on_or_is_given_up() -> Outcome {
    let server = Server::start().await?;
    let line = server.line().await?;
    let mut config = Server::config_at(line.address);
    config.retry = NEVER;
    let one = Artifacts::shared(server.machine("one"), &config)?;
    let content = noise(LARGE, 6);
    let digest = Digest(*blake3::hash(&content).as_bytes());
    line.cut_up_after(LARGE as u64 - 1_000_000);
    one.put_bytes(content.clone(), "a", "b").await.expect_err("the line was cut and nothing is tried again");
    let begun = server.orphans()?;
    assert!(begun > 0 && !server.object(&digest).exists());

    // Another process of the same machine: nothing is remembered but what is on its disk.
    let again = Artifacts::shared(server.machine("one"), &config)?;
    let (before, _) = line.passed();
    again.put_bytes(content.clone(), "a", "b").await?;
    let sent = line.passed().0 - before;
    assert_eq!(fs::read(server.object(&digest))?, content);
    assert!(sent < LARGE as u64, "what was there was not sent again, {sent} bytes were");
    assert_eq!(server.orphans()?, 0);

    line.cut_up_after(LARGE as u64 - 1_000_000);
    one.put_bytes(noise(LARGE, 7), "a", "b").await.expect_err("the line was cut");
    assert!(server.orphans()? > 0);
    one.collect(Scope::Shared, HashSet::from([digest]), Duration::from_hours(1)).await?;
    assert!(server.orphans()? > 0, "it may go on yet");
    one.collect(Scope::Shared, HashSet::from([digest]), Duration::ZERO).await?;
    assert_eq!(server.orphans()?, 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_the_server_forgot_begins_anew() -> Outcome {
    let server = Server::start().await?;
    let one = server.join("one")?;
    let content = noise(LARGE, 8);
    let digest = Digest(*blake3::hash(&content).as_bytes());
    // It is named by the object and by the store.
    let store = &blake3::hash(b"s3://reels/farm").to_hex()[..8];
    let journal = server.machine("one").join("transfers").join(format!("{}.{store}.up", digest.hex()));
    let header = format!(
        r#"{{"upload":"0190163d-8694-739b-aea5-966c26f8ad91","part_bytes":{}}}"#,
        limits::ARTIFACT_PART_BYTES
    );
    fs::write(&journal, header + "\n{\"index\":0,\"content\":\"gone\"}\n")?;
    one.put_bytes(content.clone(), "a", "b").await?;
    assert_eq!(fs::read(server.object(&digest))?, content);
    assert!(!journal.exists());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_is_damaged_in_the_store_is_named() -> Outcome {
    let server = Server::start().await?;
    let digest = server.join("one")?.put_bytes(b"content".to_vec(), "a", "b").await?.digest;
    fs::write(server.object(&digest), b"Content")?;
    let line = server.line().await?;
    let other = Artifacts::shared(server.machine("other"), &Server::config_at(line.address))?;
    let error = other.fetch(&digest).await.expect_err("it is damaged");
    assert!(matches!(error, ArtifactError::RemoteDamaged { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains(&digest.hex()) && text.contains("s3://reels/farm"), "{text}");
    assert!(other.folder().path(&digest).is_none(), "it did not get its name");
    fs::write(server.object(&digest), b"content")?;
    assert_eq!(fs::read(other.fetch(&digest).await?.path())?, b"content");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_was_damaged_on_its_way_is_fetched_again() -> Outcome {
    let server = Server::start().await?;
    let content = noise(100_000, 9);
    let digest = server.join("one")?.put_bytes(content.clone(), "a", "b").await?.digest;
    let other = server.join("other")?;
    let partial = server.machine("other").join("transfers").join(format!("{}.down", digest.hex()));
    fs::write(&partial, vec![0; 50_000])?;
    assert_eq!(fs::read(other.fetch(&digest).await?.path())?, content);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn many_who_want_the_same_object_download_it_once() -> Outcome {
    let server = Server::start().await?;
    let content = noise(LARGE, 10);
    let digest = server.join("one")?.put_bytes(content, "a", "b").await?.digest;
    let line = server.line().await?;
    let config = Server::config_at(line.address);
    // Two processes on one machine, each with four attempts.
    let handles = [
        Artifacts::shared(server.machine("other"), &config)?,
        Artifacts::shared(server.machine("other"), &config)?,
    ];
    let wanted = handles.iter().flat_map(|handle| (0..4).map(|_| handle.fetch(&digest)));
    let pins = futures_util::future::try_join_all(wanted).await?;
    let (_, came) = line.passed();
    assert!(came < LARGE as u64 + 20_000, "{came} bytes came");
    let paths: HashSet<_> = pins.iter().map(|pin| pin.path().to_owned()).collect();
    assert_eq!(paths.len(), 8);
    drop(pins);
    assert!(paths.iter().all(|path| !path.exists()), "pins go when they are dropped");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_used_longest_ago_makes_room() -> Outcome {
    let server = Server::start().await?;
    let one = server.join("one")?;
    let mut digests = Vec::new();
    for seed in 0..4 {
        digests.push(one.put_bytes(noise(1_000, seed), "a", "b").await?.digest);
    }
    let mut config = server.config();
    config.cache_bytes = 2_500;
    let machine = server.machine("small");
    // An object that the shared store does not have, longest unused of all.
    let private = Artifacts::local(&machine)?.put_bytes(noise(1_000, 99), "a", "b").await?.digest;
    let small = Artifacts::shared(&machine, &config)?;
    let lies = |digest: &Digest| small.folder().path(digest);
    age(&lies(&private).ok_or("it was just stored")?, Duration::from_hours(9))?;
    let pin = small.fetch(&digests[0]).await?;
    age(pin.path(), Duration::from_hours(8))?;
    drop(small.fetch(&digests[1]).await?);
    age(&lies(&digests[1]).ok_or("it was just fetched")?, Duration::from_hours(1))?;

    drop(small.fetch(&digests[2]).await?);
    let here = |numbers: &[usize]| {
        (0..4).all(|number| lies(&digests[number]).is_some() == numbers.contains(&number))
    };
    assert!(here(&[0, 2]), "pinned and newest stay");
    assert!(lies(&private).is_some(), "what is nowhere else stays");
    drop(pin);
    drop(small.fetch(&digests[3]).await?);
    assert!(!here(&[0]) && lies(&digests[0]).is_none(), "the pin is gone");
    assert_eq!(fs::read(small.fetch(&digests[0]).await?.path())?, noise(1_000, 0), "it comes again");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_stays_good_while_it_is_pinned_even_if_the_object_is_removed() -> Outcome {
    let server = Server::start().await?;
    let one = server.join("one")?;
    let digest = one.put_bytes(b"tide".to_vec(), "a", "b").await?.digest;
    let pin = one.fetch(&digest).await?;
    assert!(one.discard(&digest)?);
    assert_eq!(fs::read(pin.path())?, b"tide");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nothing_names_is_collected_on_the_machine_and_in_the_store_when_it_is_old() -> Outcome {
    let server = Server::start().await?;
    let one = server.join("one")?;
    let mut put = Vec::new();
    for text in ["named", "young", "old"] {
        put.push(one.put_bytes(text.as_bytes().to_vec(), "a", "b").await?.digest);
    }
    for digest in [&put[0], &put[2]] {
        age(&server.object(digest), Duration::from_hours(2))?;
        age(&one.folder().path(digest).ok_or("it was just stored")?, Duration::from_hours(2))?;
    }
    let named = HashSet::from([put[0]]);
    let grace = Duration::from_hours(1);
    let collected = one.collect(Scope::Machine, named.clone(), grace).await?;
    assert_eq!((collected.objects, collected.bytes), (1, 3));
    assert!(server.object(&put[2]).exists(), "others may name it");
    let collected = one.collect(Scope::Shared, named, grace).await?;
    assert_eq!((collected.objects, collected.bytes), (1, 3));
    let there: Vec<bool> = put.iter().map(|digest| server.object(digest).exists()).collect();
    assert_eq!(there, [true, true, false]);
    let error = one.fetch(&put[2]).await.expect_err("it is gone");
    assert!(matches!(error, ArtifactError::Missing(digest) if digest == put[2]), "{error}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collection_goes_through_all_pages() -> Outcome {
    let server = Server::start().await?;
    let one = server.join("one")?;
    for number in 0..1_100_u32 {
        let path = server.object(&Digest(*blake3::hash(&number.to_le_bytes()).as_bytes()));
        fs::create_dir_all(path.parent().ok_or("an object lies in a folder")?)?;
        fs::write(&path, number.to_le_bytes())?;
    }
    // What is not named by a digest was put there by somebody else.
    let stranger = server.object(&Digest([7; 32])).with_file_name("notes.txt");
    fs::create_dir_all(stranger.parent().ok_or("it lies in a folder")?)?;
    fs::write(&stranger, "mine")?;
    let collected = one.collect(Scope::Shared, HashSet::new(), Duration::ZERO).await?;
    assert_eq!((collected.objects, collected.bytes), (1_100, 4_400));
    assert!(stranger.exists());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_only_on_one_machine_is_shared_before_it_is_promised() -> Outcome {
    let server = Server::start().await?;
    let before = Artifacts::local(server.machine("one"))?;
    let digest = before.put_bytes(b"older than the bucket".to_vec(), "a", "b").await?.digest;
    let (one, other) = (server.join("one")?, server.join("other")?);
    assert!(!other.ensure(&digest).await?);
    assert!(one.ensure(&digest).await?);
    assert!(other.ensure(&digest).await?);
    assert_eq!(fs::read(other.fetch(&digest).await?.path())?, b"older than the bucket");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_say_what_is_wrong_and_what_to_do() -> Outcome {
    let server = Server::start().await?;
    let digest = Digest([1; 32]);
    let told = async |change: &dyn Fn(&mut reelmill_artifacts::RemoteConfig)| {
        let mut config = server.config();
        change(&mut config);
        let artifacts = Artifacts::shared(server.machine("one"), &config)?;
        let fetched = artifacts.fetch(&digest).await.map(drop);
        let put = artifacts.put_bytes(b"x".to_vec(), "a", "b").await.map(drop);
        let text = |outcome: Result<(), ArtifactError>| match outcome {
            Ok(()) => "it worked".to_owned(),
            Err(error) => error.to_string(),
        };
        Ok::<_, ArtifactError>([text(fetched), text(put)])
    };
    let set = |config: &mut reelmill_artifacts::RemoteConfig, name: &str, value: &str| {
        config.variables.retain(|(known, _)| known != name);
        config.variables.push((name.to_owned(), value.to_owned()));
    };
    let nobody = "http://127.0.0.1:1";
    // This server takes a put into a bucket that is not there for a wish to have it, so only reading tells.
    let [text, _] = told(&|config| config.url = "s3://nowhere/x".to_owned()).await?;
    assert!(text.contains("no bucket for s3://nowhere/x") && text.contains("make it"), "{text}");
    for (name, value) in [("AWS_SECRET_ACCESS_KEY", "wrong"), ("AWS_ACCESS_KEY_ID", "stranger")] {
        for text in told(&|config| set(config, name, value)).await? {
            assert!(text.contains("refused the credentials; check AWS_ACCESS_KEY_ID"), "{text}");
        }
    }
    for text in told(&|config| set(config, "AWS_ENDPOINT_URL", nobody)).await? {
        assert!(text.contains(&format!("cannot be reached at {nobody}; check AWS_ENDPOINT_URL")), "{text}");
    }
    let keyless = |config: &mut reelmill_artifacts::RemoteConfig| {
        config.variables.retain(|(name, _)| name.starts_with("AWS_ENDPOINT"));
        set(config, "AWS_METADATA_ENDPOINT", nobody);
    };
    for text in told(&keyless).await? {
        assert!(text.contains("no credentials for s3://reels/farm; set AWS_ACCESS_KEY_ID"), "{text}");
    }
    for url in ["s3://", "ftp://host/x", "reels", "file://relative", "file:///there/is/none"] {
        let error = told(&|config| config.url = url.to_owned()).await.expect_err("it is no address");
        assert!(error.to_string().contains(&format!("`{url}` is no artifact store")), "{error}");
    }
    let config = format!("{:?}", server.config());
    assert!(!config.contains("grist") && config.contains("AWS_SECRET_ACCESS_KEY"), "{config}");
    Ok(())
}
