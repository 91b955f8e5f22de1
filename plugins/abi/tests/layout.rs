//! The Rust types and the C header describe the same bytes, and the header is clean C11 and C++.

use reelmill_plugin_abi as abi;
use std::fmt::Write as _;
use std::mem::{offset_of, size_of};
use std::path::{Path, PathBuf};
use std::process::Command;

fn header_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas")
}

/// (what C prints, what Rust says) for every size and offset.
fn facts() -> Vec<(String, usize)> {
    let mut facts = vec![
        ("sizeof(stage_bytes)".to_owned(), size_of::<abi::Bytes>()),
        ("sizeof(stage_host)".to_owned(), size_of::<abi::Host>()),
        ("sizeof(stage_plugin)".to_owned(), size_of::<abi::Plugin>()),
        ("sizeof(stage_rc)".to_owned(), size_of::<abi::Rc>()),
    ];
    macro_rules! offsets {
        ($c:literal, $rust:ty: $($field:ident)+) => {
            $(facts.push((format!("offsetof({}, {})", $c, stringify!($field)), offset_of!($rust, $field)));)+
        };
    }
    offsets!("stage_bytes", abi::Bytes: ptr len);
    offsets!("stage_host", abi::Host: size major minor extension log cancelled progress reply fail);
    offsets!("stage_plugin", abi::Plugin: magic size major minor describe init open run close extension);
    facts
}

#[test]
fn header_and_rust_agree_on_every_size_and_offset() {
    let dir = tempdir("layout");
    let mut source = String::from("#include \"reelmill_plugin.h\"\n#include <stdio.h>\nint main(void) {\n");
    for (expression, _) in facts() {
        writeln!(source, "  printf(\"{expression} %zu\\n\", (size_t)({expression}));").unwrap();
    }
    source.push_str("  printf(\"magic %llu\\n\", (unsigned long long)STAGE_MAGIC);\n");
    source.push_str("  printf(\"version %d.%d\\n\", STAGE_ABI_MAJOR, STAGE_ABI_MINOR);\n");
    source.push_str("  printf(\"rc %d %d\\n\", STAGE_OK, STAGE_FAILED);\n");
    source.push_str("  printf(\"log %d %d %d %d\\n\", STAGE_LOG_DEBUG, STAGE_LOG_INFO, STAGE_LOG_WARN, STAGE_LOG_ERROR);\n");
    source.push_str("  return 0;\n}\n");
    let file = dir.join("layout.c");
    std::fs::write(&file, source).unwrap();
    let program = dir.join("layout");
    compile("cc", &["-std=c11"], &file, &["-o", program.to_str().unwrap()]);
    let output = Command::new(&program).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();

    let mut expected: String = facts()
        .iter()
        .fold(String::new(), |text, (expression, value)| text + &format!("{expression} {value}\n"));
    writeln!(expected, "magic {}", abi::MAGIC).unwrap();
    writeln!(expected, "version {}.{}", abi::MAJOR, abi::MINOR).unwrap();
    writeln!(expected, "rc {} {}", abi::OK, abi::FAILED).unwrap();
    writeln!(expected, "log {} {} {} {}", abi::LOG_DEBUG, abi::LOG_INFO, abi::LOG_WARN, abi::LOG_ERROR)
        .unwrap();
    assert_eq!(printed, expected);
    std::fs::remove_dir_all(dir).unwrap();
}

#[test]
fn header_is_clean_c11_and_cpp() {
    let dir = tempdir("clean");
    let file = dir.join("clean.c");
    std::fs::write(&file, "#include \"reelmill_plugin.h\"\n#include \"reelmill_plugin.h\"\n").unwrap();
    for standard in [["-x", "c", "-std=c11"], ["-x", "c++", "-std=c++11"]] {
        compile("cc", &standard, &file, &["-c", "-o", dir.join("clean.o").to_str().unwrap()]);
    }
    std::fs::remove_dir_all(dir).unwrap();
}

fn compile(compiler: &str, standard: &[&str], file: &Path, rest: &[&str]) {
    let output = Command::new(compiler)
        .args(standard)
        .args(["-pedantic", "-Wall", "-Wextra", "-Werror", "-I"])
        .arg(header_dir())
        .args(rest)
        .arg(file)
        .output()
        .expect("the C compiler `cc` runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn tempdir(name: &str) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("reelmill-abi-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    dir
}
