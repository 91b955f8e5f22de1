//! Random mutations of the shipped pipelines: parsing and compiling never panic and never hang.
//!
//! `REELMILL_FUZZ_SEED` and `REELMILL_FUZZ_CASES` choose others; a failure prints the seed of its one case.

mod support;

use reelmill_graph::compile::{Catalog, load};
use reelmill_graph::graph_check::check;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// Cases in a debug build are fewer: the point of the full count is the release build that CI tests.
const CASES: u64 = if cfg!(debug_assertions) { 500 } else { 100_000 };

#[test]
fn fuzz_mutations() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let first = number("REELMILL_FUZZ_SEED").unwrap_or(1);
    let cases = number("REELMILL_FUZZ_CASES").unwrap_or(CASES);
    let corpus = corpus();
    let catalog = support::catalog();
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        let (corpus, catalog) = (&corpus, &catalog);
        for thread in 0..threads {
            scope.spawn(move || {
                for seed in (first..first + cases).skip(thread).step_by(threads) {
                    case(seed, corpus, catalog);
                }
            });
        }
    });
}

fn case(seed: u64, corpus: &[String], catalog: &Catalog) {
    let mut random = Random(seed);
    let text = mutate(corpus, &mut random);
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let (graph, diagnostics) = load(&text, catalog);
        if let Some(graph) = &graph {
            assert_eq!(check(graph), Ok(()));
        }
        // Rendering walks every place; one of many is enough to keep the test short.
        if seed.is_multiple_of(16) {
            let shown = reelmill_spec::render(&diagnostics, &text, "p.yaml", false);
            assert_eq!(shown.is_empty(), diagnostics.is_empty());
        }
    }));
    assert!(outcome.is_ok(), "REELMILL_FUZZ_SEED={seed} REELMILL_FUZZ_CASES=1 fails on:\n{text}");
}

fn corpus() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folders = [root.join("pipelines"), root.join("engine/spec/tests/pipelines")];
    let files = folders.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten().flatten();
    let mut paths: Vec<_> = files.map(|file| file.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    paths.sort();
    assert!(!paths.is_empty());
    paths.iter().map(|path| std::fs::read_to_string(path).expect("read")).collect()
}

/// The numbers of a seed (`SplitMix64`).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit.max(1) as u64).unwrap_or(0)
    }
}

fn mutate(corpus: &[String], random: &mut Random) -> String {
    let mut text = corpus[random.below(corpus.len())].clone();
    for _ in 0..=random.below(6) {
        text = match random.below(5) {
            0 => bytes(text, random),
            1 => lines(&text, random),
            2 => tokens(&text, random),
            3 => splice(&text, &corpus[random.below(corpus.len())], random),
            _ => insert(text, random),
        };
    }
    text
}

/// One byte changed, removed or doubled.
fn bytes(text: String, random: &mut Random) -> String {
    let mut bytes = text.into_bytes();
    if bytes.is_empty() {
        return String::new();
    }
    let at = random.below(bytes.len());
    match random.below(3) {
        0 => bytes[at] = u8::try_from(random.below(256)).unwrap_or(0),
        1 => drop(bytes.remove(at)),
        _ => bytes.insert(at, bytes[at]),
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// One line removed, doubled, moved or indented otherwise.
fn lines(text: &str, random: &mut Random) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    if lines.is_empty() {
        return String::new();
    }
    let (at, other) = (random.below(lines.len()), random.below(lines.len()));
    match random.below(4) {
        0 => drop(lines.remove(at)),
        1 => lines.insert(other, lines[at].clone()),
        2 => lines.swap(at, other),
        _ => lines[at] = format!("  {}", lines[at]),
    }
    lines.join("\n") + "\n"
}

/// Two words swapped, or one put in the place of another.
fn tokens(text: &str, random: &mut Random) -> String {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut words: Vec<&str> = text.split_inclusive(|c| !is_word(c)).collect();
    if words.len() < 2 {
        return text.to_owned();
    }
    let (at, other) = (random.below(words.len()), random.below(words.len()));
    if random.below(2) == 0 {
        words.swap(at, other);
    } else {
        words[at] = words[other];
    }
    words.concat()
}

/// The start of one file and the end of another.
fn splice(text: &str, other: &str, random: &mut Random) -> String {
    let start = text.floor_char_boundary(random.below(text.len() + 1));
    let end = other.floor_char_boundary(random.below(other.len() + 1));
    format!("{}{}", &text[..start], &other[end..])
}

/// Something that means much in YAML or in expressions.
fn insert(mut text: String, random: &mut Random) -> String {
    const PIECES: [&str; 28] = [
        "${{",
        "}}",
        "${{ item }}",
        "*a",
        "&a ",
        "<<: ",
        "- ",
        ": ",
        "[",
        "]",
        "{",
        "}",
        "|",
        ">-\n",
        "'",
        "\"",
        "#",
        "!!str ",
        "---\n",
        "\u{feff}",
        "\t",
        "\u{1F600}",
        "99999999999999999999",
        "-1",
        "~",
        "\0",
        "${{ stages.scene.outputs }}",
        "1e999",
    ];
    let at = text.floor_char_boundary(random.below(text.len() + 1));
    let times = if random.below(8) == 0 { 200 } else { 1 };
    text.insert_str(at, &PIECES[random.below(PIECES.len())].repeat(times));
    text
}
