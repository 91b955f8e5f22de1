//! Matching by meaning.

use super::{KEY, names, run};
use crate::Fetch;
use crate::media_for_tests::picture;
use reelmill_http::testing::{Case, Played, Reply, Seen, Server, matrix};
use reelmill_sdk::prelude::*;
use reelmill_sdk::testing::Bench;

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    picture(&folder.path().join("forest.bmp"), 40, 30);
    picture(&folder.path().join("ocean.bmp"), 40, 30);
    folder
}

#[test]
fn word_vectors_find_what_has_no_word_in_common() {
    let folder = folder();
    let vectors = folder.path().join("small.vec");
    std::fs::write(&vectors, "4 2\nsea 1 0.1\nocean 1 0\nforest 0 1\ntree 0.1 1\n").unwrap();
    let with = json!({ "folder": folder.path(), "query": "sea", "vectors": vectors, "unmatched": "fail" });
    let output = run::<Fetch>(with).result.unwrap();
    assert_eq!((names(&output["items"]), &output["matched_by"]), (vec!["ocean.bmp"], &json!("word_vectors")));
    let without = run::<Fetch>(json!({ "folder": folder.path(), "query": "sea", "unmatched": "fail" }));
    assert_eq!(without.result.unwrap_err().failure().code, "no_match", "keywords alone find nothing");
}

/// Texts with `o` point one way, others another.
fn embed(seen: &Seen) -> Reply {
    let input = seen.json()["input"].as_array().cloned().unwrap_or_default();
    let data: Vec<Value> = input
        .iter()
        .enumerate()
        .map(|(index, text)| {
            let is_water = ["sea", "ocean"].iter().any(|word| text.as_str().unwrap().contains(word));
            json!({ "index": index, "embedding": if is_water { [1.0, 0.0] } else { [0.0, 1.0] } })
        })
        .rev()
        .collect();
    Reply::json(200, json!({ "data": data, "model": "m" }))
}

fn with(folder: &std::path::Path, base: &str, timeout_seconds: u32) -> Value {
    json!({
        "folder": folder, "query": "sea", "unmatched": "fail",
        "embeddings": { "base_url": base, "model": "m", "api_key": KEY, "timeout_seconds": timeout_seconds }
    })
}

#[test]
fn an_endpoint_finds_what_has_no_word_in_common() {
    let (folder, server) = (folder(), Server::answering(embed));
    let output = run::<Fetch>(with(folder.path(), &server.base(), 20)).result.unwrap();
    assert_eq!((names(&output["items"]), &output["matched_by"]), (vec!["ocean.bmp"], &json!("embeddings")));
    let requests = server.requests();
    assert_eq!((requests.len(), requests[0].path()), (1, "/embeddings"));
}

#[test]
fn an_endpoint_that_fails_is_not_passed_over() {
    let folder = folder();
    let good = json!({ "data": [
        { "index": 0, "embedding": [1, 0] }, { "index": 1, "embedding": [0, 1] }, { "index": 2, "embedding": [1, 0] }
    ]});
    matrix(KEY, &Reply::json(200, &good), |case: &Case<'_>| {
        let scratch = tempfile::tempdir().unwrap();
        Played::stage::<Fetch>(
            &Bench::new(scratch.path()),
            with(folder.path(), case.base, case.timeout_seconds),
        )
    });
    let short = Server::always(Reply::json(200, json!({ "data": [{ "index": 0, "embedding": [1] }] })));
    let error = run::<Fetch>(with(folder.path(), &short.base(), 20)).result.unwrap_err();
    assert_eq!(error.failure().code, "malformed_answer");
}
