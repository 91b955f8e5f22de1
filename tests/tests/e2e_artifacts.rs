//! Artifacts in a shared store, seen from the command line: a real S3 server, and a mounted folder.

use reelmill_tests::engine::{files, pipeline};
use reelmill_tests::{Ended, Place};
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use serde_json::json;
use std::net::SocketAddr;
use std::path::Path;

/// Makes a file and reads it in another attempt.
const TIDE: &str = r#"
stages:
  make: { uses: probe.file@1, with: { name: a.txt, text: tide } }
  read: { uses: probe.read@1, cache: never, with: { file: "${{ stages.make.outputs.file }}" } }
outputs: { text: "${{ stages.read.outputs.text }}", file: "${{ stages.make.outputs.file }}" }
"#;

/// Serves a folder as S3 until the runtime is dropped.
fn serve(folder: &Path) -> (tokio::runtime::Runtime, SocketAddr) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let mut builder = S3ServiceBuilder::new(s3s_fs::FileSystem::new(folder).expect("a folder to serve"));
    builder.set_auth(SimpleAuth::from_single("mill", "grist"));
    let service = builder.build();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a free port");
    let address = listener.local_addr().expect("it has an address");
    runtime.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let stream = hyper_util::rt::TokioIo::new(stream);
            let server = hyper::server::conn::http1::Builder::new();
            tokio::spawn(server.serve_connection(stream, service.clone()));
        }
    });
    (runtime, address)
}

/// `reelmill` with its artifacts at an address, in an environment as one has it for S3.
fn ask(place: &Place, url: &str, server: SocketAddr, secret: &str, arguments: &[&str]) -> Ended {
    let mut command = place.engine(arguments);
    command
        .env("REELMILL_ARTIFACTS", url)
        .env("AWS_ACCESS_KEY_ID", "mill")
        .env("AWS_SECRET_ACCESS_KEY", secret)
        .env("AWS_ENDPOINT_URL", format!("http://{server}"));
    let output = command.output().expect("reelmill can be started");
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

fn forget_local(place: &Place) {
    for (name, _) in files(&place.path("home/artifacts/objects")) {
        std::fs::remove_file(place.path("home/artifacts/objects").join(name)).expect("it can be removed");
    }
}

#[test]
fn a_run_keeps_its_files_in_a_bucket_and_fetches_what_is_not_here() {
    let place = Place::new();
    std::fs::create_dir_all(place.path("server/reels")).expect("a bucket");
    let (_server, address) = serve(&place.path("server"));
    let asked = |secret: &str, arguments: &[&str]| ask(&place, "s3://reels/mill", address, secret, arguments);
    place.write("p.yaml", &pipeline(TIDE));

    let status = asked("grist", &["run", "p.yaml", "-o", "json"]).expect(0).json();
    assert_eq!(status["outputs"]["text"], "tide");
    let bucket = place.path("server/reels/mill/objects");
    assert_eq!(files(&bucket).len(), 1);

    forget_local(&place);
    let _ = asked("grist", &["status", "last", "--out", "out"]).expect(0);
    assert_eq!(place.read("out/a.txt"), "tide");
    forget_local(&place);
    let status = asked("grist", &["retry", "last", "--from", "read", "-o", "json"]).expect(0).json();
    assert_eq!(status["outputs"]["text"], "tide");

    forget_local(&place);
    let status = asked("wrong", &["retry", "last", "--from", "read", "-o", "json"]).expect(1).json();
    let failure = &status["failure"]["failure"];
    assert_eq!((&failure["class"], &failure["code"]), (&json!("dependency"), &json!("artifact_fetch")));
    assert!(
        failure["message"].as_str().is_some_and(|text| text.contains("AWS_SECRET_ACCESS_KEY")),
        "{failure}"
    );

    let stray = bucket.join("00").join("0".repeat(64));
    std::fs::create_dir_all(bucket.join("00")).expect("a folder");
    std::fs::write(&stray, "nothing names this").expect("written");
    let gc = ["cache", "gc", "--grace", "0s", "-o", "json"];
    assert_eq!(asked("grist", &gc).expect(0).json()["artifacts"], 0);
    let told = asked("grist", &[&gc[..], &["--shared"]].concat()).expect(0).json();
    assert_eq!((&told["artifacts"], &told["bytes"]), (&json!(1), &json!(18)));
    assert!(!stray.exists() && files(&bucket).len() == 1, "what the run names stays");
}

#[test]
fn two_machines_share_a_mounted_folder() {
    let (one, other) = (Place::new(), Place::new());
    let mount = one.path("mount");
    std::fs::create_dir(&mount).expect("a folder");
    let url = format!("file://{}", mount.display());
    let status = one.run(&pipeline(TIDE), &["--artifacts", &url]).expect(0).json();
    let reference = status["outputs"]["file"].to_string();
    let read = pipeline(
        r#"
inputs: { file: { type: file } }
stages: { read: { uses: probe.read@1, with: { file: "${{ inputs.file }}" } } }
outputs: { text: "${{ stages.read.outputs.text }}" }
"#,
    );
    let rows = format!("{{\"file\": {reference}}}\n");
    other.write("rows.jsonl", &rows);
    let _ = other.run(&read, &["--artifacts", &url, "--each", "rows.jsonl"]).expect(0);
    assert_eq!(other.status()["outputs"]["text"], "tide");

    let refused = other.ask(&["status", "--artifacts", "file:///there/is/none"]).expect(2);
    assert!(refused.stderr.contains("there is no folder /there/is/none; write `s3://"), "{refused:?}");
}
