//! Plugins are found in folders, described in a sandbox, and described again only when they changed.

mod common;

use reelmill_host::{catalog, discover};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

fn native(dir: &Path, name: &str) -> PathBuf {
    let path = dir.join(format!("libreelmill_plugin_{name}.so"));
    std::fs::copy(common::faulty_library(), &path).unwrap();
    path
}

#[tokio::test]
async fn folders_are_searched_best_first_and_what_is_no_plugin_is_reported() {
    let root = tempfile::tempdir().unwrap();
    let (first, second, cache) =
        (root.path().join("first"), root.path().join("second"), root.path().join("cache"));
    for dir in [&first, &second] {
        std::fs::create_dir(dir).unwrap();
        native(dir, "faulty");
    }
    std::fs::write(second.join("libreelmill_plugin_text.so"), "no library").unwrap();
    std::fs::write(second.join("readme.txt"), "no plugin").unwrap();
    let program = second.join("program");
    std::fs::create_dir(&program).unwrap();
    for file in ["plugin.json", "main.py"] {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/plugins/faulty_exec").join(file);
        std::fs::copy(from, program.join(file)).unwrap();
    }
    let dirs = [first.clone(), root.path().join("missing"), second.clone()];
    let (plugins, problems) = discover(&dirs, &cache, &common::runner()).await;
    let names: Vec<&str> = plugins.iter().map(|plugin| plugin.located.manifest.name.as_str()).collect();
    assert_eq!(names, ["faulty", "faulty_exec"]);
    assert!(plugins[0].path.starts_with(first.canonicalize().unwrap()));
    assert!(plugins.iter().all(|plugin| !plugin.trusted), "folders outside the program's are not trusted");
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].to_string().contains("libreelmill_plugin_text.so"), "{}", problems[0]);
}

#[tokio::test]
async fn an_unchanged_plugin_is_not_asked_again_and_a_changed_one_is() {
    let root = tempfile::tempdir().unwrap();
    let cache = root.path().join("cache");
    let dir = root.path().join("plugins");
    std::fs::create_dir(&dir).unwrap();
    let library = native(&dir, "faulty");
    let dirs = [dir.clone()];
    let (plugins, problems) = discover(&dirs, &cache, &common::runner()).await;
    assert_eq!(problems, []);
    let digest = plugins[0].located.digest;

    // Without a runner nothing can be asked: what comes now was kept.
    let nobody = Path::new("/nowhere/runner");
    let (plugins, problems) = discover(&dirs, &cache, nobody).await;
    assert_eq!((plugins.len(), problems), (1, Vec::new()));
    assert_eq!(plugins[0].located.digest, digest);

    std::fs::File::open(&library).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
    let (plugins, problems) = discover(&dirs, &cache, nobody).await;
    assert!(plugins.is_empty());
    assert!(problems[0].message.contains("/nowhere/runner"), "{problems:?}");

    // A manifest beside the library, bound to its digest, needs no runner either.
    let manifest = catalog::open(&library, false, &cache, &common::runner()).await.unwrap().located.manifest;
    let sidecar = serde_json::json!({ "digest": digest, "manifest": manifest });
    std::fs::write(library.with_extension("manifest.json"), sidecar.to_string()).unwrap();
    let (plugins, _) = discover(&dirs, &root.path().join("other"), nobody).await;
    assert_eq!(plugins.len(), 1);
    std::fs::write(&library, [std::fs::read(&library).unwrap(), vec![0]].concat()).unwrap();
    let (plugins, problems) = discover(&dirs, &root.path().join("third"), nobody).await;
    assert_eq!((plugins.len(), problems.len()), (0, 1), "a sidecar of another build is not believed");
}
