//! Stages that misbehave, one way each.

use crate::good::{Anything, Served};
use reelmill_sdk::prelude::*;
use reelmill_sdk::schemars::{Schema, SchemaGenerator};
use std::borrow::Cow;
use std::time::Duration;

/// A stage whose whole behaviour is one expression.
macro_rules! wrong {
    ($(#[$doc:meta])* $name:ident, $id:literal, $summary:literal, $output:ty,
     $([$($traits:tt)*],)? |$input:ident, $cx:ident| $body:expr) => {
        $(#[$doc])*
        pub struct $name;

        impl Stage for $name {
            const ID: &'static str = $id;
            const VERSION: &'static str = "1.0.0";
            const SUMMARY: &'static str = $summary;
            type Input = Anything;
            type Output = $output;

            $(fn traits() -> StageTraits {
                StageTraits { $($traits)*, ..StageTraits::default() }
            })?

            fn open() -> Result<Self, StageError> {
                Ok(Self)
            }

            fn run(&mut self, $input: Anything, $cx: &Cx<'_>) -> Result<$output, StageError> {
                $body
            }
        }
    };
}

wrong!(
    /// Panics.
    Panic, "panic", "Panics", Anything, |input, _cx| {
        panic!("the reel is on fire: {}", input.len())
    }
);

wrong!(
    /// Reads address 8.
    Segfault, "segfault", "Reads memory that is not there", Anything, |input, _cx| {
        eprintln!("about to read address 8");
        let nowhere = std::ptr::without_provenance::<u8>(std::hint::black_box(8));
        // SAFETY: none; the fault is the point.
        let byte = unsafe { nowhere.read_volatile() };
        Ok(if byte == 0 { input } else { Anything::new() })
    }
);

wrong!(
    /// Aborts.
    Abort, "abort", "Aborts its process", Anything, |_input, _cx| {
        eprintln!("giving up");
        std::process::abort()
    }
);

wrong!(
    /// Takes memory until there is none.
    Oom, "oom", "Takes memory until there is none", Anything, |input, _cx| {
        let mut held = Vec::new();
        while held.len() < 100_000 {
            held.push(vec![1_u8; 1 << 20]);
            std::hint::black_box(&held);
        }
        Ok(input)
    }
);

wrong!(
    /// Never ends and never looks up.
    Hang, "hang", "Never ends and never looks whether it should", Anything, |_input, cx| {
        cx.info("hanging");
        loop {
            std::thread::sleep(Duration::from_hours(1));
        }
    }
);

wrong!(
    /// Never stops talking.
    Flood, "flood", "Logs without end and without a pause", Anything, |_input, cx| {
        loop {
            cx.debug("again");
        }
    }
);

wrong!(
    /// Prints what looks like replies to standard output.
    Noise, "noise", "Prints to standard output", Anything, |input, _cx| {
        println!("{{\"type\":\"reply\",\"outputs\":{{}}}}");
        println!("\u{1}\u{2}\u{3} noise {}", "x".repeat(20_000));
        Ok(input)
    }
);

/// Says one thing in its schema and another in its JSON.
#[derive(Serialize)]
pub struct Lie {
    pid: &'static str,
}

impl JsonSchema for Lie {
    fn schema_name() -> Cow<'static, str> {
        "Lie".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Served::json_schema(generator)
    }
}

wrong!(
    /// Puts out what its own schema refuses.
    Garbage, "garbage", "Puts out what its own schema refuses", Lie, |_input, _cx| {
        Ok(Lie { pid: "not a number" })
    }
);

wrong!(
    /// Ends its process without a reply.
    Exit, "exit", "Ends its process without a reply", Anything, |_input, _cx| {
        std::process::exit(3)
    }
);

wrong!(
    /// Asks the kernel for what no stage may have.
    Forbidden, "forbidden", "Asks the kernel for what no stage may have", Anything, |input, _cx| {
        // SAFETY: the call has no pointers; the sandbox answers before the kernel does.
        let refused = unsafe { libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) } == -1;
        Ok(if refused { Anything::new() } else { input })
    }
);

/// Cannot be opened.
pub struct OpenFails;

impl Stage for OpenFails {
    const ID: &'static str = "open_fails";
    const VERSION: &'static str = "1.0.0";
    const SUMMARY: &'static str = "Cannot be opened";
    type Input = Anything;
    type Output = Anything;

    fn open() -> Result<Self, StageError> {
        Err(StageError::invalid_config("libvoice.so.3 is not installed").code("no_library"))
    }

    fn run(&mut self, input: Anything, _: &Cx<'_>) -> Result<Anything, StageError> {
        Ok(input)
    }
}

wrong!(
    /// Leaves files, descriptors and a thread behind.
    Leak, "leak", "Leaves files, descriptors and a thread behind", Anything,
    [reuse: Reuse::Pool],
    |input, cx| {
        for n in 0..16 {
            let file = std::fs::File::create(cx.output(&format!("left-{n}"))).context("leak a file")?;
            std::mem::forget(file);
        }
        std::thread::spawn(|| std::thread::sleep(Duration::from_hours(1)));
        Ok(input)
    }
);

wrong!(
    /// Leaves a program running.
    LeaveProcess, "leave_process", "Leaves a program running", Anything,
    [needs: Needs { exec: true, ..Needs::default() }],
    |input, cx| {
        let child = std::process::Command::new("sleep").arg("3600").spawn().context("start sleep")?;
        cx.info(format!("left {}", child.id()));
        Ok(input)
    }
);
