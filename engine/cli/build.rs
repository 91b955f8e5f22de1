//! Asks the linker to pack the addresses that the loader has to mend: some thirty kilobytes instead of two and a half
//! megabytes, all of which is read when the program starts and stays in the memory of every worker. Loaders know that
//! form since glibc 2.36.

use std::process::Command;

const FIRST_GLIBC: (u32, u32) = (2, 36);

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let is_for_this_system = std::env::var("TARGET") == std::env::var("HOST");
    if is_for_this_system && glibc().is_some_and(|version| version >= FIRST_GLIBC) {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}

/// The version of this system's glibc; none where it has another library.
fn glibc() -> Option<(u32, u32)> {
    let said = Command::new("getconf").arg("GNU_LIBC_VERSION").output().ok()?.stdout;
    let (major, minor) = std::str::from_utf8(&said).ok()?.trim().strip_prefix("glibc ")?.split_once('.')?;
    Some((major.parse().ok()?, minor.split('.').next()?.parse().ok()?))
}
