//! A long video in chunks on a fleet, by the pipeline that is shipped: two workers, and the same video made at once.

use reelmill_tests::fleet::worker;
use reelmill_tests::{Place, RedisServer, repository};
use serde_json::json;

/// A film of pictures that change and a voice, rendered at once.
const FILM: &str = r#"
version: 1
name: film
stages:
  speech: { uses: tts.speak@1, with: { text: "The storm came from the north, and the lamp went out. Then the bell was heard." } }
  clip:
    uses: video.clip@1
    with:
      audio: "${{ stages.speech.outputs.audio }}"
      footage: [media/storm_ship.webp, media/coast_sunset.webp, media/fog_bell.webp]
      seconds: 9
  encode:
    uses: video.encode@1
    with: { source: "${{ stages.clip.outputs.video }}", aspect: "16:9", height: 90, fps: 12, speed: fastest, threads: 1 }
outputs: { video: "${{ stages.encode.outputs.video }}", frames: "${{ stages.encode.outputs.frames }}" }
"#;

fn copy(place: &Place, name: &str) {
    let text = std::fs::read_to_string(repository().join("pipelines").join(name)).expect("it is shipped");
    place.write(name, &text);
}

#[test]
fn two_workers_make_one_video_of_chunks_that_is_as_long_to_the_frame() {
    let server = RedisServer::start();
    let place = Place::of_fleet(&server);
    std::fs::create_dir_all(place.path("media")).expect("a folder");
    for name in ["storm_ship", "coast_sunset", "fog_bell"] {
        let from = repository().join(format!("pipelines/media/{name}.webp"));
        std::fs::copy(from, place.path(&format!("media/{name}.webp"))).expect("a picture");
    }
    place.write("film.yaml", FILM);
    copy(&place, "long_video.yaml");
    let (_one, _two) = (worker(&place, &["--slots", "1"]), worker(&place, &["--slots", "1"]));
    let film = place.ask(&["submit", "film.yaml", "--wait", "--out", "film", "-o", "json"]).expect(0).json();

    let mut flags = vec!["submit", "long_video.yaml", "--wait", "--out", "joined", "-o", "json"];
    for input in ["video=film/video_160x90.mp4", "preset=ultrafast", "min_seconds=1", "max_seconds=3"] {
        flags.extend(["--input", input]);
    }
    let status = place.ask(&flags).expect(0).json();
    assert_eq!(status["outputs"]["frames"], film["outputs"]["frames"], "{status:#}");
    assert!(status["outputs"]["chunks"].as_u64().is_some_and(|count| count >= 4), "{status:#}");
    let joined = std::fs::metadata(place.path("joined/video_160x90.mp4")).expect("it was put out").len();
    assert_eq!(status["outputs"]["video"]["size"], json!(joined));
}
