//! What the end-to-end tests share: where the real binaries are, and how one asks cargo about the workspace.

/// What `cargo metadata` is asked with: the lock file as it is, and only what is built here, so that nothing has to
/// be downloaded for other systems.
pub const METADATA_OPTIONS: [&str; 3] = ["--locked", "--filter-platform", HOST];

#[cfg(target_arch = "x86_64")]
const HOST: &str = "x86_64-unknown-linux-gnu";
#[cfg(target_arch = "aarch64")]
const HOST: &str = "aarch64-unknown-linux-gnu";
