//! The PTX that is shipped is what clang makes of the kernels beside it.

use std::io::Write;
use std::path::Path;
use std::process::Command;

/// The version that made what is checked in; another one writes other, equally good, PTX.
const CLANG: &str = "clang version 14.";

#[test]
fn the_ptx_is_made_of_the_kernels_beside_it() {
    let version = Command::new("clang")
        .arg("--version")
        .output()
        .map(|o| String::from_utf8_lossy(&o.stdout).into_owned());
    let version = version.unwrap_or_default();
    if !version.contains(CLANG) {
        let text = "there is no clang 14 here: whether the PTX is made of the kernels was not looked at";
        writeln!(std::io::stderr(), "{text}").unwrap();
        return;
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let scratch = tempfile::tempdir().unwrap();
    let made = scratch.path().join("frames.ptx");
    let mut clang = Command::new("clang");
    clang
        .args(reelmill_gpu::COMPILE)
        .arg("-S")
        .arg(reelmill_gpu::SOURCE)
        .arg("-o")
        .arg(&made)
        .current_dir(folder);
    let output = clang.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let made = std::fs::read_to_string(made).unwrap();
    if std::env::var_os("REELMILL_WRITE_PTX").is_some() {
        std::fs::write(folder.join("kernels/frames.ptx"), &made).unwrap();
        return;
    }
    assert!(
        made == reelmill_gpu::PTX,
        "kernels/frames.ptx is not made of kernels/frames.cu: run REELMILL_WRITE_PTX=1 cargo test -p reelmill-gpu \
         --test ptx, and commit it"
    );
}
