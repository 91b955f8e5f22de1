//! Answers as the services' documentation shows them, cut down to what counts.

use super::*;

const QUESTION: Question<'_> = Question {
    text: "big waves",
    orientation: Orientation::Portrait,
    kinds: Kinds::Any,
    language: "no",
    min_side: 1100,
};

fn urls(provider: Provider, question: &Question<'_>) -> Vec<String> {
    provider.asks("https://x/", question).into_iter().map(|ask| ask.url).collect()
}

#[test]
fn questions_are_put_in_each_service_s_words() {
    assert_eq!(
        urls(Provider::Pexels, &QUESTION),
        [
            "https://x/videos/search?query=big%20waves&per_page=40&orientation=portrait&size=large&locale=nb-NO",
            "https://x/v1/search?query=big%20waves&per_page=40&orientation=portrait&locale=nb-NO"
        ]
    );
    assert_eq!(
        urls(Provider::Pixabay, &QUESTION),
        [
            "https://x/api/videos/?q=big%20waves&per_page=50&safesearch=true&lang=no",
            "https://x/api/?q=big%20waves&per_page=50&safesearch=true&lang=no&orientation=vertical&image_type=photo"
        ]
    );
    assert_eq!(
        urls(Provider::Openverse, &QUESTION),
        ["https://x/v1/images/?q=big%20waves&page_size=20&mature=false&aspect_ratio=tall"]
    );
    assert_eq!(
        urls(Provider::Coverr, &QUESTION),
        ["https://x/videos?query=big%20waves&page_size=30&urls=true"]
    );
    let commons = urls(Provider::Commons, &QUESTION);
    assert!(commons[0].contains("gsrsearch=filetype%3Avideo%20big%20waves&gsrnamespace=6"), "{commons:?}");
    assert!(commons[1].contains("gsrsearch=filetype%3Abitmap%20"), "{commons:?}");
}

#[test]
fn only_the_wanted_kinds_are_asked_for() {
    let clips = Question { kinds: Kinds::Clips, ..QUESTION };
    let pictures = Question { kinds: Kinds::Pictures, language: "xx", ..QUESTION };
    assert_eq!(urls(Provider::Openverse, &clips), Vec::<String>::new());
    assert_eq!(urls(Provider::Coverr, &pictures), Vec::<String>::new());
    let pexels = urls(Provider::Pexels, &pictures);
    assert!(
        pexels.len() == 1 && pexels[0].starts_with("https://x/v1/search?") && !pexels[0].contains("locale")
    );
}

fn read(provider: Provider, kind: Kind, answer: &Value) -> Candidate {
    let mut found = provider.read(kind, &answer.to_string()).unwrap();
    assert_eq!(found.len(), 1, "{found:#?}");
    found.remove(0)
}

#[test]
fn pexels_clips_and_photos_are_read() {
    let clip = read(
        Provider::Pexels,
        Kind::Clip,
        &json!({ "page": 1, "videos": [
            { "id": 1, "video_files": [] },
            {
                "id": 857_251, "width": 1080, "height": 1920, "duration": 12, "image": "https://i/1.jpg",
                "url": "https://www.pexels.com/video/waves-hitting-a-lighthouse-857251/",
                "user": { "id": 2, "name": "A. B.", "url": "https://www.pexels.com/@ab" },
                "video_files": [
                    { "id": 1, "quality": "hd", "file_type": "video/mp4", "width": 540, "height": 960, "link": "https://f/1" },
                    { "id": 2, "quality": "hls", "file_type": "application/x-mpegURL", "width": null, "height": null,
                      "link": "https://f/2" }
                ]
            }
        ]}),
    );
    assert_eq!((clip.name.as_str(), clip.duration_ms, clip.files.len()), ("pexels:857251", 12_000, 1));
    assert_eq!(clip.words, "waves hitting a lighthouse");
    let credit = clip.credit();
    assert_eq!(credit.author_url.as_deref(), Some("https://www.pexels.com/@ab"));
    assert_eq!(credit.attribution.as_deref(), Some("by A. B. (pexels, Pexels License)"));

    let photo = read(
        Provider::Pexels,
        Kind::Picture,
        &json!({ "photos": [{
            "id": 9, "width": 6000, "height": 4000, "url": "https://www.pexels.com/photo/sea-9/", "photographer": "C",
            "photographer_url": "https://www.pexels.com/@c", "alt": "A calm sea", "src": { "original": "https://i/9.jpeg" }
        }]}),
    );
    assert_eq!((photo.name.as_str(), photo.title.as_deref()), ("pexels:photo-9", Some("A calm sea")));
    assert_eq!((photo.files[1].width, photo.files[1].height), (2160, 1440));
}

#[test]
fn pixabay_clips_and_photos_are_read() {
    let clip = read(
        Provider::Pixabay,
        Kind::Clip,
        &json!({ "total": 1, "totalHits": 1, "hits": [{
            "id": 125, "pageURL": "https://pixabay.com/videos/id-125/", "type": "film", "tags": "flowers, yellow",
            "duration": 12, "user": "Coverr-Free-Footage", "user_id": 1_281_706,
            "videos": {
                "large": { "url": "", "width": 0, "height": 0, "size": 0 },
                "medium": { "url": "https://f/m.mp4", "width": 1280, "height": 720, "size": 3_562_083 }
            }
        }]}),
    );
    assert_eq!(
        (clip.name.as_str(), clip.files.len(), clip.files[0].bytes),
        ("pixabay:125", 1, Some(3_562_083))
    );
    assert_eq!((clip.width, clip.height, clip.words.as_str()), (1280, 720, "flowers, yellow"));
    assert_eq!(clip.author_url.as_deref(), Some("https://pixabay.com/users/Coverr-Free-Footage-1281706/"));
    let photo = read(
        Provider::Pixabay,
        Kind::Picture,
        &json!({ "hits": [{
            "id": 7, "pageURL": "https://p/7", "tags": "sea", "largeImageURL": "https://f/7_1280.jpg",
            "imageWidth": 4000, "imageHeight": 2250, "user": "D"
        }]}),
    );
    assert_eq!((photo.files[0].width, photo.files[0].height), (1280, 720));
}

#[test]
fn openverse_and_commons_say_the_licence() {
    let image = read(
        Provider::Openverse,
        Kind::Picture,
        &json!({ "result_count": 1, "results": [{
            "id": "ab-1", "title": "Sea", "url": "https://f/1.jpg", "foreign_landing_url": "https://flickr/1",
            "creator": "E", "creator_url": null, "license": "by-nc-sa", "license_version": "2.0",
            "license_url": "https://creativecommons.org/licenses/by-nc-sa/2.0/", "height": 768, "width": 1024,
            "attribution": "\"Sea\" by E is licensed under CC BY-NC-SA 2.0.", "tags": [{ "name": "waves" }], "filesize": null
        }]}),
    );
    assert_eq!((image.licence.name.as_str(), image.words.as_str()), ("CC BY-NC-SA 2.0", "Sea waves"));
    assert_eq!(
        image.credit().attribution.as_deref(),
        Some("\"Sea\" by E is licensed under CC BY-NC-SA 2.0.")
    );

    let page = |index: u64, id: u64, mime: &str| {
        json!({
            "pageid": id, "ns": 6, "title": "File:Storm Sea 1.webm", "index": index,
            "imageinfo": [{
                "url": "https://f/a.webm", "descriptionurl": "https://commons/File:A", "mime": mime, "size": 5_000_000,
                "width": 1920, "height": 1080, "duration": 8.5, "sha1": "00",
                "extmetadata": {
                    "LicenseShortName": { "value": "CC BY-SA 4.0" }, "LicenseUrl": { "value": "https://l" },
                    "Artist": { "value": "<a href=\"//c/User:F\">F &amp; G</a>" }, "Categories": { "value": "Storms|Sea" }
                }
            }]
        })
    };
    let answer = json!({ "query": { "pages": [
        page(2, 20, "video/webm"), page(1, 10, "video/webm"), page(3, 30, "application/pdf")
    ]}});
    let found = Provider::Commons.read(Kind::Clip, &answer.to_string()).unwrap();
    assert_eq!(
        found.iter().map(|found| found.name.as_str()).collect::<Vec<_>>(),
        ["commons:10", "commons:20"]
    );
    let credit = found[0].credit();
    assert_eq!(credit.author.as_deref(), Some("F & G"));
    assert_eq!(credit.licence_url.as_deref(), Some("https://l"));
    assert_eq!((found[0].duration_ms, found[0].title.as_deref()), (8_500, Some("Storm Sea 1")));
    assert_eq!(Provider::Commons.read(Kind::Clip, r#"{"batchcomplete":true}"#).unwrap(), []);
}

#[test]
fn coverr_numbers_may_be_texts() {
    for duration in [json!(11.625), json!("11.625")] {
        let clip = read(
            Provider::Coverr,
            Kind::Clip,
            &json!({ "page": 0, "hits": [{
                "id": "S1Y", "title": "Cutting Wood", "description": "A saw", "tags": ["saw"], "duration": duration,
                "max_height": 1152, "max_width": 2048,
                "urls": { "mp4": "https://f/1", "mp4_download": "https://f/1/download?token=t&filename=Cutting Wood" }
            }]}),
        );
        assert_eq!((clip.duration_ms, clip.height), (11_625, 1152));
        assert_eq!(clip.files[0].url, "https://f/1/download?token=t&filename=Cutting%20Wood");
    }
}

#[test]
fn what_is_not_as_documented_is_an_error() {
    for provider in
        [Provider::Pexels, Provider::Pixabay, Provider::Openverse, Provider::Commons, Provider::Coverr]
    {
        for body in ["<html>", "[]", r#"{"hits":{}}"#, r#"{"error":{"code":"ratelimited","info":"x"}}"#, ""] {
            let read = provider.read(Kind::Clip, body);
            let is_empty_query = provider == Provider::Commons && body.contains("hits");
            assert_eq!(read.is_err(), !is_empty_query, "{provider:?} {body}: {read:?}");
        }
    }
}
