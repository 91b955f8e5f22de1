//! Labelled clips out of nothing, for tests and benchmarks: texts of libav graphs, drawn by class and seed.
//!
//! Rules are tuned on some seeds and judged by others. Pictures are sums of smooth noise of several sizes, as the spectrum
//! of photographs is; what moves, how fast, how grainy it is, and what is written on pages follows from the seed.

use crate::classify::Class;
use std::fmt::Write;

/// Seeds that rules may be tuned on. All others are for judging.
pub const TUNING: std::ops::Range<u64> = 0..100;

/// Size, rate and length of a clip.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Shape {
    /// Pixels across; even.
    pub width: u32,
    /// Pixels down; even.
    pub height: u32,
    /// Frames a second.
    pub fps: u32,
    /// Length in seconds.
    pub seconds: f64,
}

/// The same numbers for the same seed.
struct Dice(u64);

impl Dice {
    fn new(class: Class, seed: u64) -> Self {
        let mut dice = Self((seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (class as u64) << 56 | 1);
        for _ in 0..8 {
            dice.next();
        }
        dice
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// One of a number of things.
    fn below(&mut self, count: u64) -> u64 {
        (self.next() >> 11) % count.max(1)
    }

    /// A figure between two.
    fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * (self.below(1 << 20) as f64 / f64::from(1 << 20))
    }

    fn seed(&mut self) -> u64 {
        self.below(1 << 30)
    }
}

/// The graph of a clip of a class; it has no inputs and ends in `format=yuv420p[out]`.
#[must_use]
pub fn clip(class: Class, seed: u64, shape: Shape) -> String {
    let mut dice = Dice::new(class, seed);
    let body = match class {
        Class::Static => format!("{},loop=-1:1", photo(&mut dice, shape.width, shape.height, "p")),
        Class::Slides => slides(&mut dice, shape),
        Class::LowMotion => low_motion(&mut dice, shape),
        Class::HighMotion => high_motion(&mut dice, shape),
        Class::TextHeavy => text_heavy(&mut dice, shape),
        Class::Mixed => mixed(&mut dice, shape),
    };
    let Shape { fps, seconds, .. } = shape;
    format!("{body},fps={fps},trim=duration={seconds},setpts=N/{fps}/TB,setsar=1,format=yuv420p[out]")
}

/// One picture with the spectrum of a photograph, and some hard edges. `name` keeps its labels apart from others'.
fn photo(dice: &mut Dice, width: u32, height: u32, name: &str) -> String {
    let mut text = String::new();
    let layers = [(64, 90), (24, 80), (8, 60), (2, 34)];
    for (index, (coarse, strength)) in layers.iter().enumerate() {
        let (w, h) = ((width / coarse).max(2), (height / coarse).max(2));
        let seed = dice.seed();
        let _ = write!(
            text,
            "color=c=gray:s={w}x{h}:r=1:d=1,format=yuv444p,noise=alls={strength}:all_seed={seed},\
             scale={width}:{height}:flags=bicubic[{name}{index}];"
        );
    }
    // Blobs with hard edges: a coarse layer cut at the middle.
    let (w, h, seed) = ((width / 48).max(2), (height / 48).max(2), dice.seed());
    let (dark, light) = (dice.between(80.0, 110.0), dice.between(140.0, 180.0));
    let _ = write!(
        text,
        "color=c=gray:s={w}x{h}:r=1:d=1,format=yuv444p,noise=c0s=100:c0_seed={seed},scale={width}:{height}:flags=bicubic,\
         lutyuv=y='if(gt(val,126),{light:.0},{dark:.0})'[{name}e];"
    );
    let _ = write!(
        text,
        "[{name}0][{name}1]blend=all_mode=average[{name}m];[{name}2][{name}3]blend=all_mode=average[{name}n];\
         [{name}m][{name}n]blend=all_mode=average[{name}o];[{name}o][{name}e]blend=all_mode=average,\
         eq=contrast={:.2}:saturation=1.8,setsar=1",
        dice.between(2.0, 3.0)
    );
    text
}

fn grain(strength: f64, seed: u64) -> String {
    if strength < 0.5 { String::new() } else { format!(",noise=c0s={strength:.0}:c0f=t:all_seed={seed}") }
}

/// A calm picture: a slow pan, a slow zoom, or one thing that sways before a background.
fn low_motion(dice: &mut Dice, shape: Shape) -> String {
    let Shape { width, height, fps, .. } = shape;
    let noise = grain(dice.between(0.0, 3.4), dice.seed());
    match dice.below(3) {
        0 => {
            let (speed, phase) = (dice.between(0.08, 0.35), dice.between(0.0, 6.0));
            let photo = photo(dice, width * 5 / 4, height * 5 / 4, "p");
            format!(
                "{photo},loop=-1:1,fps={fps},crop={width}:{height}:x='(iw-ow)/2*(1+sin(t*{speed:.3}+{phase:.2}))':y='(ih-oh)/2'{noise}"
            )
        }
        1 => {
            let rate = dice.between(0.000_3, 0.001);
            let photo = photo(dice, width * 2, height * 2, "p");
            format!(
                "{photo},zoompan=z='1+{rate:.5}*on':d=9000:x='iw/2-iw/zoom/2':y='ih/2-ih/zoom/2':s={width}x{height}:fps={fps}{noise}"
            )
        }
        _ => {
            let back = photo(dice, width, height, "p");
            let (w, h) = (width / 4 / 2 * 2, height / 2 / 2 * 2);
            let thing = photo(dice, w, h, "q");
            let (sway, rate) = (dice.between(4.0, 14.0), dice.between(0.8, 2.2));
            format!(
                "{back},gblur=sigma=3,loop=-1:1,fps={fps}[back];{thing},loop=-1:1,fps={fps}[thing];\
                 [back][thing]overlay=x='W*0.38+{sway:.1}*sin(t*{rate:.2})':y='H*0.3+{sway:.1}*0.4*sin(t*{rate:.2}*1.7)':format=yuv444{noise}"
            )
        }
    }
}

/// Much of the picture moves: fast pans, turns, or things that fly through each other.
fn high_motion(dice: &mut Dice, shape: Shape) -> String {
    let Shape { width, height, fps, .. } = shape;
    let noise = grain(dice.between(1.0, 5.0), dice.seed());
    match dice.below(3) {
        0 => {
            let (rate, other) = (dice.between(1.2, 2.4), dice.between(0.9, 1.9));
            let photo = photo(dice, width * 2, height * 2, "p");
            format!(
                "{photo},loop=-1:1,fps={fps},crop={width}:{height}:x='(iw-ow)/2*(1+sin(t*{rate:.2}))':y='(ih-oh)/2*(1+cos(t*{other:.2}))'{noise}"
            )
        }
        1 => {
            let (rate, side) = (dice.between(0.5, 1.2), (width * 3 / 2).next_multiple_of(2));
            let photo = photo(dice, side, side, "p");
            format!("{photo},loop=-1:1,fps={fps},rotate=a='{rate:.2}*t':c=gray,crop={width}:{height}{noise}")
        }
        _ => {
            let (rate, speed) = (dice.between(0.8, 1.6), dice.between(1.5, 3.0));
            let back = photo(dice, width * 2, height, "p");
            let thing = photo(dice, (width / 2).next_multiple_of(2), (height / 2).next_multiple_of(2), "q");
            format!(
                "{back},loop=-1:1,fps={fps},crop={width}:{height}:x='(iw-ow)/2*(1+sin(t*{rate:.2}))':y=0[back];\
                 {thing},loop=-1:1,fps={fps}[thing];\
                 [back][thing]overlay=x='(W-w)/2*(1+sin(t*{speed:.2}))':y='(H-h)/2*(1+cos(t*{speed:.2}*0.7))':format=yuv444{noise}"
            )
        }
    }
}

const FONT: &str = "/usr/share/fonts/truetype/dejavu/DejaVuSans";

/// Words that look like a language.
fn words(dice: &mut Dice, count: u64) -> String {
    const SYLLABLES: [&str; 16] = [
        "ka", "ren", "to", "mil", "es", "an", "dor", "sy", "ve", "lun", "pra", "ti", "go", "ster", "ma", "il",
    ];
    let word = |dice: &mut Dice| -> String {
        (0..=dice.below(3)).map(|_| SYLLABLES[usize::try_from(dice.below(16)).unwrap_or(0)]).collect()
    };
    (0..count).map(|_| word(dice)).collect::<Vec<_>>().join(" ")
}

fn lines(dice: &mut Dice, count: u64, words_each: u64) -> String {
    let mut all = Vec::new();
    for _ in 0..count {
        let count = words_each / 2 + dice.below(words_each);
        all.push(words(dice, count));
    }
    all.join("\n")
}

/// Pages with a title, some points and a chart, or a picture, that take turns.
fn slides(dice: &mut Dice, shape: Shape) -> String {
    let Shape { width, height, fps, seconds } = shape;
    let pages = 3 + dice.below(3);
    let each = seconds / pages as f64 + 0.1;
    let dark = dice.below(2) == 0;
    let (paper, ink) = if dark { ("0x16202c", "0xe8eef4") } else { ("0xf6f4ee", "0x20242c") };
    let mut text = String::new();
    let mut labels = String::new();
    for page in 0..pages {
        let _ = write!(labels, "[page{page}]");
        if dice.below(3) == 0 {
            let photo = photo(dice, width, height, &format!("p{page}x"));
            let _ = write!(
                text,
                "{photo},loop=-1:1,fps={fps},trim=duration={each:.3},setpts=PTS-STARTPTS,format=yuv420p[page{page}];"
            );
            continue;
        }
        let _ = write!(text, "color=c={paper}:s={width}x{height}:r={fps}:d={each:.3}");
        let (large, small) = (height / 12, height / 20);
        let title = words(dice, 3);
        let _ = write!(
            text,
            ",drawtext=fontfile={FONT}-Bold.ttf:text='{title}':fontsize={large}:fontcolor={ink}:x=w/14:y=h/10"
        );
        let count = 2 + dice.below(3);
        let points = lines(dice, count, 4);
        let _ = write!(
            text,
            ",drawtext=fontfile={FONT}.ttf:text='{points}':fontsize={small}:line_spacing={}:fontcolor={ink}:x=w/14:y=h*0.32",
            height / 30
        );
        for bar in 0..4 {
            let tall = dice.between(0.1, 0.45);
            let colour =
                ["0x3a78c2", "0xd06a3a", "0x58a05a", "0x9a62b0"][usize::try_from(dice.below(4)).unwrap_or(0)];
            let (x, top) = (0.62 + 0.08 * f64::from(bar), 0.85 - tall);
            let _ = write!(
                text,
                ",drawbox=x=iw*{x:.2}:y=ih*{top:.3}:w=iw*0.055:h=ih*{tall:.3}:c={colour}:t=fill"
            );
        }
        let _ = write!(text, ",format=yuv420p[page{page}];");
    }
    format!("{text}{labels}concat=n={pages}:v=1")
}

/// A page full of words, scrolling or standing, in one of several sizes.
fn text_heavy(dice: &mut Dice, shape: Shape) -> String {
    let Shape { width, height, fps, seconds } = shape;
    let size = f64::from(height) / dice.between(18.0, 26.0);
    let dark = dice.below(2) == 0;
    let (paper, ink) = if dark { ("0x10141a", "0xd8dee6") } else { ("0xfcfbf7", "0x181a20") };
    let speed = if dice.below(3) == 0 { 0.0 } else { dice.between(10.0, 60.0) * f64::from(height) / 360.0 };
    let family = ["", "-Bold", "Mono"][usize::try_from(dice.below(3)).unwrap_or(0)];
    let text = lines(dice, 60, 16);
    let seconds = seconds + 1.0;
    format!(
        "color=c={paper}:s={width}x{height}:r={fps}:d={seconds},\
         drawtext=fontfile={FONT}{family}.ttf:text='{text}':fontsize={size:.0}:line_spacing={:.0}:fontcolor={ink}:x=w/40:y='h/30-{speed:.1}*t'",
        size * 0.3
    )
}

/// Scenes of different classes, one after the other.
fn mixed(dice: &mut Dice, shape: Shape) -> String {
    let half = Shape { seconds: shape.seconds / 2.0, ..shape };
    let (one, two) = (dice.seed(), dice.seed());
    let other = if dice.below(2) == 0 { Class::TextHeavy } else { Class::Static };
    let relabel = |graph: String, name: &str| {
        let mut graph = graph.strip_suffix("[out]").unwrap_or(&graph).to_owned();
        // Labels of the two halves must differ.
        for label in [
            "p0", "p1", "p2", "p3", "pe", "pm", "pn", "po", "q0", "q1", "q2", "q3", "qe", "qm", "qn", "qo",
            "back", "thing",
        ] {
            graph = graph.replace(&format!("[{label}]"), &format!("[{name}{label}]"));
        }
        format!("{graph}[{name}]")
    };
    let (first, second) =
        (relabel(clip(Class::HighMotion, one, half), "a"), relabel(clip(other, two, half), "b"));
    format!("{first};{second};[a][b]concat=n=2:v=1")
}
