//! What is found, chosen, downloaded and credited.

use super::{KEY, file, names, photos, pictures, run, serve};
use crate::media_for_tests::mp4;
use crate::{Fetch, Plan};
use reelmill_http::testing::{Reply, Server};
use reelmill_sdk::prelude::*;

#[test]
fn a_clip_is_found_downloaded_and_credited() {
    let server = serve(|seen, base| match seen.path() {
        "/videos/search" => Reply::json(
            200,
            json!({ "videos": [{
                "id": 5, "width": 1920, "height": 1080, "duration": 9, "url": "https://www.pexels.com/video/big-wave-5/",
                "user": { "name": "A. B.", "url": "https://www.pexels.com/@ab" },
                "video_files": [{ "file_type": "video/mp4", "width": 64, "height": 48, "link": format!("{base}/5.mp4") }]
            }]}),
        ),
        "/5.mp4" => Reply::file("video/mp4", "\"5\"", mp4()),
        _ => Reply::status(404),
    });
    let mut with = pictures("pexels", &server.base());
    with["kinds"] = json!("clips");
    let run = run::<Fetch>(with);
    let output = run.result.unwrap();
    assert_eq!(names(&output["items"]), ["pexels:5"]);
    // What the file is, not what the service says of it.
    assert_eq!(
        (&output["items"][0]["height"], &output["items"][0]["duration_ms"]),
        (&json!(48), &json!(2000))
    );
    assert_eq!(output["matched_by"], "keywords");
    assert_eq!(
        output["credits"],
        json!([{
            "file": "pexels:5", "author": "A. B.", "author_url": "https://www.pexels.com/@ab",
            "licence": "Pexels License", "licence_url": "https://www.pexels.com/license/",
            "source": "https://www.pexels.com/video/big-wave-5/", "attribution": "by A. B. (pexels, Pexels License)"
        }])
    );
    let file = &output["files"][0];
    assert_eq!((&file["name"], &file["media_type"]), (&json!("pexels-5.mp4"), &json!("video/mp4")));
    assert_eq!(std::fs::read(run.scratch.path().join(file["$file"].as_str().unwrap())).unwrap(), mp4());
    let requests = server.requests();
    assert_eq!(requests[0].header("authorization"), Some(KEY));
    assert_eq!(requests[1].header("authorization"), None, "files are not asked for with the key");
    assert!(!output.to_string().contains(KEY) && !run.logs.contains(KEY));
}

#[test]
fn no_file_comes_twice_while_another_is_left_and_no_content_under_another_name() {
    let server = serve(|seen, base| match seen.path() {
        "/v1/search" => photos(base, &[1, 2, 3]),
        // The second is the first once more.
        "/file/2" => file(&reelmill_http::testing::Seen { target: "/file/1".into(), ..seen.clone() }),
        _ => file(seen),
    });
    let mut with = pictures("pexels", &server.base());
    with.as_object_mut().unwrap().remove("query");
    with["scenes"] = json!([{ "id": "a", "keywords": ["wave"] }, { "id": "b", "keywords": ["wave"] }]);
    let output = run::<Plan>(with).result.unwrap();
    let name = |scene: &str| output["scenes"][scene]["items"][0]["name"].as_str().unwrap().to_owned();
    assert_eq!((name("a"), name("b")), ("pexels:photo-1".into(), "pexels:photo-3".into()));
    assert_eq!(output["credits"].as_array().unwrap().len(), 2);
    let searches = server.requests().iter().filter(|seen| seen.path() == "/v1/search").count();
    assert_eq!(searches, 1, "the same question is asked once");
}

#[test]
fn broader_words_are_asked_for_when_nothing_is_found() {
    let server = serve(|seen, base| {
        if seen.target.contains("query=coast") {
            photos(base, &[4])
        } else if seen.path() == "/v1/search" {
            photos(base, &[])
        } else {
            file(seen)
        }
    });
    let mut with = pictures("pexels", &server.base());
    with["query"] = json!(["lighthouse", "abandoned"]);
    let output = run::<Fetch>(with).result.unwrap();
    assert_eq!(names(&output["items"]), ["pexels:photo-4"]);
    let asked: Vec<String> = server.requests().iter().map(|seen| seen.target.clone()).collect();
    assert!(asked[0].contains("query=lighthouse%20abandoned&"), "{asked:?}");
}

#[test]
fn licences_are_kept_to_unless_others_are_asked_for() {
    let server = serve(|seen, base| {
        if seen.path() != "/v1/images/" {
            return file(seen);
        }
        let image = |number: u32, licence: &str| {
            json!({
                "id": number.to_string(), "url": format!("{base}/file/{number}"), "license": licence,
                "license_version": "4.0", "width": 64, "height": 48, "title": "wave", "creator": "C"
            })
        };
        Reply::json(200, json!({ "results": [image(1, "by-nc"), image(2, "by-nd"), image(3, "by")] }))
    });
    let mut with = pictures("openverse", &server.base());
    with["count"] = json!(3);
    let output = run::<Fetch>(with.clone()).result.unwrap();
    assert_eq!(names(&output["items"]), ["openverse:3"]);
    assert_eq!(output["credits"][0]["licence"], "CC BY 4.0");
    with["licences"] = json!({ "non_commercial": true });
    assert_eq!(names(&run::<Fetch>(with).result.unwrap()["items"]), ["openverse:1", "openverse:3"]);
}

/// Names and contents of everything in a folder.
fn everything_in(folder: &std::path::Path) -> String {
    let mut all = String::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        all.push_str(&entry.path().to_string_lossy());
        if entry.path().is_dir() {
            all.push_str(&everything_in(&entry.path()));
        } else {
            all.push_str(&String::from_utf8_lossy(&std::fs::read(entry.path()).unwrap()));
        }
    }
    all
}

#[test]
fn a_folder_keeps_answers_and_files() {
    let server =
        serve(|seen, base| if seen.path() == "/v1/search" { photos(base, &[1]) } else { file(seen) });
    let folder = tempfile::tempdir().unwrap();
    let mut with = pictures("pexels", &server.base());
    with["cache"] = json!(folder.path());
    let first = run::<Fetch>(with.clone());
    let sent = server.requests().len();
    assert!(!everything_in(folder.path()).contains(KEY), "the key is not kept");
    let second = run::<Fetch>(with);
    assert_eq!(first.result.unwrap()["items"], second.result.unwrap()["items"]);
    assert_eq!(server.requests().len(), sent, "nothing is asked for again");
    // What went out is a copy: the kept file stays what it is, whatever becomes of the output.
    let out = second.scratch.path().join("1-pexels-photo-1.bmp");
    std::fs::write(out, "changed").unwrap();
    let kept = std::fs::read_dir(folder.path().join("files")).unwrap().next().unwrap().unwrap();
    assert!(std::fs::read(kept.path()).unwrap().starts_with(b"BM"));
}

#[test]
fn a_link_is_used_with_what_is_known_of_it() {
    let server = Server::answering(file);
    let host = server.base().replace("http://", "");
    let url = format!("{}/file/9?token=link-secret-77", server.base());
    let with = json!({
        "query": "wave", "allow_hosts": [host],
        "urls": [{ "url": url, "keywords": ["wave"], "author": "G. H.", "licence": "CC0" }]
    });
    let run = run::<Fetch>(with);
    let output = run.result.unwrap();
    assert_eq!(
        (&output["credits"][0]["author"], &output["credits"][0]["licence"]),
        (&json!("G. H."), &json!("CC0"))
    );
    assert_eq!(output["files"][0]["name"], "9.bmp");
    assert!(!output.to_string().contains("link-secret-77") && !run.logs.contains("link-secret-77"));
}

#[test]
fn chance_is_the_run_s_and_takes_only_what_fits() {
    let server =
        serve(
            |seen, base| {
                if seen.path() == "/v1/search" { photos(base, &[1, 2, 3, 4, 5, 6]) } else { file(seen) }
            },
        );
    let mut with = pictures("pexels", &server.base());
    with["order"] = json!("random");
    with["count"] = json!(6);
    let order = |with: &Value| names(&run::<Fetch>(with.clone()).result.unwrap()["items"]).join(" ");
    let drawn = order(&with);
    assert_eq!(drawn, order(&with));
    with["order"] = json!("best");
    assert_ne!(drawn, order(&with));
}

#[test]
fn what_is_not_as_wanted_when_it_is_there_is_said() {
    let server = Server::answering(file);
    let url = format!("{}/file/9", server.base());
    let host = server.base().replace("http://", "");
    let with = json!({ "query": "wave", "allow_hosts": [host], "urls": [url], "min_side": 100 });
    let output = run::<Fetch>(with).result.unwrap();
    assert_eq!(output["generated"], true);
    assert!(output["notes"][0].as_str().unwrap().contains("64x48 pixels"), "{output}");
}

#[test]
fn services_are_asked_for_search_terms_in_their_language() {
    let server =
        serve(
            |seen, base| {
                if seen.path() == "/v1/search" { photos(base, &[1, 2, 3, 4, 5, 6, 7, 8]) } else { file(seen) }
            },
        );
    let mut with = pictures("pexels", &server.base());
    with.as_object_mut().unwrap().remove("query");
    with["language"] = json!("no");
    with["terms_language"] = json!("en");
    with["scenes"] =
        json!([{ "id": "a", "keywords": ["fyr"], "search_terms": ["lighthouse at night", "sea"] }]);
    run::<Plan>(with).result.unwrap();
    let asked = &server.requests()[0].target;
    assert!(asked.contains("query=lighthouse%20at%20night&") && asked.contains("locale=en-US"), "{asked}");
}

#[test]
fn a_picture_in_the_place_of_a_clip_is_not_used() {
    let server = Server::answering(file);
    let host = server.base().replace("http://", "");
    let urls = json!([format!("{}/file/9", server.base())]);
    let with = json!({ "query": "wave", "allow_hosts": [host], "urls": urls, "kinds": "clips" });
    let output = run::<Fetch>(with).result.unwrap();
    assert!(output["notes"][0].as_str().unwrap().contains("not of the kind"), "{output}");
}
