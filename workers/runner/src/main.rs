//! `reelmill-runner`: the process of one plugin. A worker starts it, talks to it over file descriptor 0, and
//! expects it to die at any moment.
//!
//! The order in `main` is the point: it reads what it may do, gives up everything else, and only then starts a
//! thread, loads a library or starts a program. It never outlives its worker.

mod native;
mod program;
mod sandbox;
mod sys;
mod syscalls;
mod wire;

use reelmill_model::{Failure, FailureClass};
use reelmill_protocol::{Program, ToRunner};
use std::process::ExitCode;
use wire::Wire;

fn main() -> ExitCode {
    match serve() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("reelmill-runner: {error} (it is started by `reelmill`, not by hand)");
            ExitCode::from(64)
        }
    }
}

fn serve() -> std::io::Result<ExitCode> {
    let wire = Wire::from_stdin()?;
    let Some(ToRunner::Load(load)) = wire.wait_for_orders()? else {
        return Err(std::io::Error::other("no plugin was named"));
    };
    // The worker does without large pages; a plugin works on large pictures. A kernel without the call has no such thing.
    let _ = rustix::thread::disable_transparent_huge_pages(false);
    sys::limit_resources(load.confinement.memory_bytes);
    match &load.program {
        Program::Library(library) => {
            let report = sandbox::enter(&load.confinement, std::slice::from_ref(library), None);
            sys::close_stdin()?;
            native::serve(wire, &load, library, report)
        }
        Program::Command { path, args, dir } => {
            let executables = program::executables(path);
            let report = sandbox::enter(&load.confinement, std::slice::from_ref(dir), Some(&executables));
            program::supervise(&wire, path, args, dir, report).or_else(|error| {
                let message = format!("the program {} cannot be started: {error}", path.display());
                wire.say_line_fail(&Failure::new(FailureClass::InvalidConfig, message))?;
                Ok(ExitCode::FAILURE)
            })
        }
    }
}
