//! What the process of a plugin is given: its environment variables and its confinement.

use crate::config::HostConfig;
use reelmill_model::Needs;
use reelmill_protocol::{Confinement, Program};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Variables passed on to every plugin. Everything else, secrets above all, stays in the worker.
const PASSED: &[&str] = &["PATH", "TZ", "LD_LIBRARY_PATH", "RUST_BACKTRACE"];
/// Variables passed on to plugins that use the network.
const PASSED_FOR_NET: &[&str] = &[
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];
/// Variables passed on to plugins that use a GPU.
const PASSED_FOR_GPU: &[&str] = &[
    "CUDA_VISIBLE_DEVICES",
    "NVIDIA_VISIBLE_DEVICES",
    "NVIDIA_DRIVER_CAPABILITIES",
    "LIBVA_DRIVER_NAME",
    // Makes encoders fail, in tests of what comes after.
    "REELMILL_ENCODER_FAULTS",
];
/// Folders whose programs need no grant: every plugin may read them.
const SYSTEM: &[&str] = &["/usr", "/bin", "/sbin", "/lib"];

/// A library of linear algebra that comes with libav on some machines. It starts a thread a core when it is loaded, which
/// on a large machine is more than a plugin's memory has room for; so it starts one, unless the worker's environment
/// says otherwise.
const BLAS_THREADS: &str = "OPENBLAS_NUM_THREADS";

/// The environment of a process whose own folder is `home`.
pub fn variables(home: &Path, needs: &Needs) -> Vec<(OsString, OsString)> {
    let mut names: Vec<&str> = PASSED.to_vec();
    if needs.net {
        names.extend(PASSED_FOR_NET);
    }
    if needs.gpu {
        names.extend(PASSED_FOR_GPU);
    }
    let passed = names.iter().filter_map(|name| Some((OsString::from(name), std::env::var_os(name)?)));
    let own =
        ["HOME", "TMPDIR", "XDG_CACHE_HOME"].map(|name| (OsString::from(name), home.as_os_str().to_owned()));
    let fixed = [("LANG", "C.UTF-8"), ("PYTHONUNBUFFERED", "1"), ("PYTHONDONTWRITEBYTECODE", "1")];
    let threads = std::env::var_os(BLAS_THREADS).unwrap_or_else(|| "1".into());
    let fixed = fixed.map(|(name, value)| (name.into(), value.into()));
    passed.chain(own).chain(fixed).chain([(BLAS_THREADS.into(), threads)]).collect()
}

/// What a process may do.
pub fn confinement(
    config: &HostConfig,
    program: &Program,
    needs: &Needs,
    read_paths: &[PathBuf],
    write: Vec<PathBuf>,
    memory_bytes: u64,
) -> Confinement {
    let mut read = vec![config.artifact_root.clone()];
    read.extend(needs.read.iter().map(PathBuf::from));
    read.extend_from_slice(read_paths);
    if let Program::Command { path, .. } = program {
        read.extend(home_of_program(path));
    }
    if needs.net {
        read.extend(["SSL_CERT_FILE", "SSL_CERT_DIR"].iter().filter_map(std::env::var_os).map(PathBuf::from));
    }
    Confinement { read, write, net: needs.net, exec: needs.exec, gpu: needs.gpu, memory_bytes }
}

/// For a program outside the system's folders (an interpreter in a home folder): the folder it was installed
/// to, where its libraries are.
fn home_of_program(path: &Path) -> Option<PathBuf> {
    let path = path.canonicalize().ok()?;
    if SYSTEM.iter().any(|system| path.starts_with(system)) {
        return None;
    }
    let folder = path.parent()?;
    let installed = if folder.ends_with("bin") { folder.parent()? } else { return Some(path) };
    // Never the root of the disk.
    Some(if installed.parent().is_some() { installed.to_owned() } else { path })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_of_the_worker_stay_in_the_worker() {
        let names: Vec<OsString> =
            variables(Path::new("/h"), &Needs::default()).into_iter().map(|(name, _)| name).collect();
        assert!(names.iter().all(|name| {
            let name = name.to_str().unwrap();
            PASSED.contains(&name)
                || ["HOME", "TMPDIR", "XDG_CACHE_HOME", "LANG", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"]
                    .contains(&name)
                || name == BLAS_THREADS
        }));
    }

    #[test]
    fn a_program_of_the_system_needs_no_grant() {
        assert_eq!(home_of_program(Path::new("/bin/sh")), None);
    }
}
