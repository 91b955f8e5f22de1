//! Starts the program of an `exec` plugin and stands by it: the program talks to the worker itself, over the
//! same socket; the runner ends it when the worker hangs up or asks by SIGTERM, and leaves nothing of it behind.

use crate::sys;
use crate::wire::Wire;
use reelmill_protocol::SandboxReport;
use std::fs::File;
use std::io::{Read, Result};
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

/// How long a program may take to exit once its worker has hung up.
const EXIT_LIMIT: Duration = Duration::from_secs(1);
/// Interpreters of interpreters are followed this far, as the kernel does.
const SHEBANGS_MAX: usize = 4;
/// Where dynamic loaders lie; the kernel executes them too.
const LOADERS: [&str; 4] = [
    "/lib64/ld-linux-x86-64.so.2",
    "/lib/ld-linux-aarch64.so.1",
    "/lib/ld-musl-x86_64.so.1",
    "/lib/ld-musl-aarch64.so.1",
];

/// Runs the program to its end and ends as it did.
pub fn supervise(
    wire: &Wire,
    path: &Path,
    args: &[String],
    dir: &Path,
    report: SandboxReport,
) -> Result<ExitCode> {
    sys::become_subreaper();
    let socket = wire.socket().try_clone_to_owned()?;
    let mut child = Command::new(path).args(args).current_dir(dir).stdin(Stdio::from(socket)).spawn()?;
    sys::forward_terminate_to(child.id());
    wire.say_line_ready(child.id(), report)?;
    watch(wire)?;
    sys::wait_until_ended(child.id());
    sys::stop_forwarding();
    let status = child.wait()?;
    kill_descendants();
    match status.signal() {
        Some(signal) => sys::end_by(signal),
        None => Ok(ExitCode::from(u8::try_from(status.code().unwrap_or(1)).unwrap_or(1))),
    }
}

/// Ends the program when the worker hangs up and the program does not take that as its end.
fn watch(wire: &Wire) -> Result<()> {
    let socket = wire.socket().try_clone_to_owned()?;
    std::thread::Builder::new().name("watch".into()).stack_size(64 * 1024).spawn(move || {
        sys::wait_for_hang_up(socket.as_fd());
        std::thread::sleep(EXIT_LIMIT);
        sys::terminate_forwarded();
    })?;
    Ok(())
}

/// Kills what the program left, generation by generation: this process adopts the children of the killed.
fn kill_descendants() {
    loop {
        let children = children();
        if children.is_empty() {
            return;
        }
        children.into_iter().for_each(sys::kill_and_reap);
    }
}

/// The processes this one would have to wait for.
fn children() -> Vec<u32> {
    let Ok(threads) = std::fs::read_dir("/proc/self/task") else { return Vec::new() };
    threads
        .flatten()
        .filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok())
        .flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>())
        .collect()
}

/// The files the kernel executes to start a program: itself, the interpreters its `#!` names, the dynamic
/// loaders. A program may start nothing else unless its manifest says so.
pub fn executables(program: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = LOADERS.iter().map(PathBuf::from).collect();
    let mut next = Some(program.to_owned());
    for _ in 0..=SHEBANGS_MAX {
        let Some(file) = next.take() else { break };
        let interpreter = interpreter(&file);
        files.push(file);
        let Some((interpreter, argument)) = interpreter else { continue };
        if interpreter.ends_with("env") {
            files.push(interpreter);
            next = argument.and_then(|name| find_in_path(&name));
        } else {
            next = Some(interpreter);
        }
    }
    files.iter().map(|file| file.canonicalize().unwrap_or_else(|_| file.clone())).collect()
}

/// What the first line of a script names: the interpreter and its first argument.
fn interpreter(script: &Path) -> Option<(PathBuf, Option<String>)> {
    let mut start = [0; 256];
    let length = File::open(script).ok()?.read(&mut start).ok()?;
    let line = start[..length].strip_prefix(b"#!")?.split(|b| *b == b'\n').next()?;
    let line = std::str::from_utf8(line).ok()?;
    let mut words = line.split_whitespace();
    let interpreter = words.next()?.into();
    // `env -S` splits what follows; the program is the first word that is no option.
    Some((interpreter, words.find(|word| !word.starts_with('-')).map(str::to_owned)))
}

fn find_in_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interpreter_behind_env_is_found() {
        let script = std::env::temp_dir().join(format!("reelmill-shebang-{}", std::process::id()));
        std::fs::write(&script, "#!/usr/bin/env -S sh -u\nexit 0\n").unwrap();
        let files = executables(&script);
        std::fs::remove_file(&script).unwrap();
        assert!(files.contains(&PathBuf::from("/usr/bin/env")), "{files:?}");
        let sh = find_in_path("sh").unwrap().canonicalize().unwrap();
        assert!(files.contains(&sh), "{files:?}");
    }

    #[test]
    fn a_binary_needs_itself_and_the_loaders_only() {
        assert_eq!(executables(Path::new("/bin/true")).len(), LOADERS.len() + 1);
    }
}
