//! A runner never outlives its worker, whatever its plugin is doing.

mod common;

use reelmill_protocol::frame::Message;
use reelmill_protocol::{Confinement, FrameReader, FromRunner, LineReader, Load, Program, ToRunner};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Starts a runner as a worker would, and sends it messages.
fn start(messages: &[ToRunner]) -> (Child, UnixStream) {
    use std::os::unix::process::CommandExt as _;
    let (ours, theirs) = UnixStream::pair().unwrap();
    let child = Command::new(common::runner())
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .process_group(0)
        .spawn()
        .unwrap();
    let mut bytes = Vec::new();
    for message in messages {
        message.write_to(&mut bytes).unwrap();
    }
    (&ours).write_all(&bytes).unwrap();
    (child, ours)
}

fn load(program: Program, stage: &str) -> ToRunner {
    let confinement = Confinement { write: vec![std::env::temp_dir()], ..Confinement::default() };
    ToRunner::Load(Box::new(Load { program, stage: Some(stage.into()), confinement }))
}

/// Reads until the stage says a line that starts with `start`; returns the rest of it.
fn wait_for_line(mut socket: &UnixStream, start: &str, frames: bool) -> String {
    let (mut of_frames, mut of_lines) = (FrameReader::default(), LineReader::default());
    let mut buffer = [0; 4096];
    loop {
        let message = if frames { of_frames.take() } else { of_lines.take() };
        match message.unwrap() {
            Some(FromRunner::Log { text, .. }) if text.starts_with(start) => {
                return text[start.len()..].to_owned();
            }
            Some(_) => {}
            None => {
                let length = socket.read(&mut buffer).unwrap();
                assert!(length > 0, "the runner hung up");
                of_frames.feed(&buffer[..length]);
                of_lines.feed(&buffer[..length]);
            }
        }
    }
}

#[test]
fn a_busy_native_plugin_dies_with_its_worker() {
    let input = br#"{"with": {}, "call": {"scratch": "/tmp"}}"#.to_vec();
    let run = ToRunner::Run { id: 1, only: None, input };
    let (mut runner, socket) = start(&[load(Program::Library(common::faulty_library()), "hang"), run]);
    wait_for_line(&socket, "hanging", true);
    drop(socket);
    assert!(!runner.wait().unwrap().success());
}

#[test]
fn an_idle_native_plugin_closes_and_exits() {
    let (mut runner, socket) = start(&[load(Program::Library(common::faulty_library()), "echo")]);
    drop(socket);
    runner.wait().unwrap();
}

#[test]
fn a_program_that_ignores_the_end_dies_with_its_worker() {
    let dir =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/plugins/faulty_exec").canonicalize().unwrap();
    let program =
        Program::Command { path: "/usr/bin/python3".into(), args: vec!["main.py".into()], dir: dir.clone() };
    let (mut runner, mut socket) = start(&[load(program, "hang")]);
    socket.write_all(b"{\"type\":\"run\",\"stage\":\"hang\",\"with\":{},\"call\":{}}\n").unwrap();
    let pid = wait_for_line(&socket, "hanging as ", false);
    drop(socket);
    runner.wait().unwrap();
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
}
