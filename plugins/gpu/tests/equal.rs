//! A GPU gives the figures that the CPU gives, over random pictures of all sizes. Where there is no GPU this is said,
//! and nothing is compared; with `REELMILL_GPU=required` that is a failure.
#![expect(clippy::explicit_write, reason = "the harness keeps what `eprintln` writes to itself")]

use proptest::prelude::*;
use reelmill_gpu::{Cpu, Cuda, FrameOps, Frames, Layer, SSIM_TOLERANCE, Scaling};
use std::io::Write;
use std::sync::OnceLock;

fn gpu() -> Option<&'static Cuda> {
    static GPU: OnceLock<Option<Cuda>> = OnceLock::new();
    let open = || match Cuda::open(0) {
        Ok(gpu) => {
            writeln!(std::io::stderr(), "compared with {}", gpu.name()).unwrap();
            Some(gpu)
        }
        Err(error) => {
            writeln!(std::io::stderr(), "nothing was compared: {error}").unwrap();
            assert!(std::env::var_os("REELMILL_GPU").is_none_or(|v| v != "required"), "{error}");
            None
        }
    };
    GPU.get_or_init(open).as_ref()
}

/// Pictures that move a little, with noise: smooth, steep or random by their kind.
fn pictures(width: usize, height: usize, count: usize, kind: u32, seed: u64) -> Frames {
    let mut state = seed | 1;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    let mut pixels = Vec::with_capacity(width * height * count);
    for picture in 0..count {
        for y in 0..height {
            for x in 0..width {
                let (u, v) = (x + picture * 3, y + picture);
                let value = match kind {
                    0 => random(),
                    1 => u8::try_from((u * 3 + v * 2) % 256).unwrap() ^ (random() & 3),
                    2 if (u / 5 + v / 7) % 2 == 0 => 255,
                    2 => 0,
                    _ => 128,
                };
                pixels.push(value);
            }
        }
    }
    Frames::new(width, height, pixels).unwrap()
}

fn room(size: (usize, usize), count: usize) -> Frames {
    Frames::new(size.0, size.1, vec![0; size.0 * size.1 * count]).unwrap()
}

fn compare(gpu: &Cuda, a: &Frames, b: &Frames, to: (usize, usize)) {
    let size = (a.width(), a.height(), a.count());
    let (one, other) = (Cpu.likeness(a, b).unwrap(), gpu.likeness(a, b).unwrap());
    for (one, other) in one.iter().zip(&other) {
        assert!((one.ssim - other.ssim).abs() <= SSIM_TOLERANCE, "{one:?} {other:?} at {size:?}");
        assert!((one.textured - other.textured).abs() <= SSIM_TOLERANCE, "{one:?} {other:?} at {size:?}");
        assert_eq!((one.texture, one.mse), (other.texture, other.mse), "at {size:?}");
    }
    assert_eq!(one.len(), other.len());
    assert_eq!(Cpu.difference(a).unwrap(), gpu.difference(a).unwrap(), "difference at {size:?}");
    assert_eq!(Cpu.motion(a).unwrap(), gpu.motion(a).unwrap(), "motion at {size:?}");
    assert_eq!(Cpu.histogram(a).unwrap(), gpu.histogram(a).unwrap(), "histogram at {size:?}");
    assert_eq!(Cpu.detail(a).unwrap(), gpu.detail(a).unwrap(), "detail at {size:?}");
    for how in [Scaling::Box, Scaling::Bilinear] {
        let (mut one, mut other) = (room(to, a.count()), room(to, a.count()));
        Cpu.scale(a, &mut one, how).unwrap();
        gpu.scale(a, &mut other, how).unwrap();
        assert_eq!(one.pixels(), other.pixels(), "{how:?} of {size:?} to {to:?}");
    }
    let layer = Layer { luma: b.frame(0), opacity: b.frame(b.count() - 1) };
    let (mut one, mut other) = (room(a.size(), a.count()), room(a.size(), a.count()));
    Cpu.blend(a, layer, &mut one).unwrap();
    gpu.blend(a, layer, &mut other).unwrap();
    assert_eq!(one.pixels(), other.pixels(), "blend at {size:?}");
    there(gpu, a, b);
}

/// What is on the GPU already gives the same as what is copied for it.
fn there(gpu: &Cuda, a: &Frames, b: &Frames) {
    let (on_gpu, reference) = (gpu.upload(a).unwrap(), gpu.upload(b).unwrap());
    let mut back = room(a.size(), a.count());
    gpu.download(&on_gpu, &mut back).unwrap();
    assert_eq!(back.pixels(), a.pixels());
    assert_eq!(gpu.likeness_there(&on_gpu, &reference).unwrap(), gpu.likeness(a, b).unwrap());
    assert_eq!(gpu.motion_there(&on_gpu).unwrap(), gpu.motion(a).unwrap());
    assert_eq!(gpu.difference_there(&on_gpu).unwrap(), gpu.difference(a).unwrap());
    assert_eq!(gpu.histogram_there(&on_gpu).unwrap(), gpu.histogram(a).unwrap());
    assert_eq!(gpu.detail_there(&on_gpu).unwrap(), gpu.detail(a).unwrap());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(120) })]
    #[test]
    fn random_pictures_give_the_same_figures(
        (width, height, count) in (8_usize..150, 8_usize..90, 2_usize..6),
        (kind_a, kind_b) in (0_u32..4, 0_u32..4),
        to in (1_usize..200, 1_usize..120),
        seed in any::<u64>(),
    ) {
        if let Some(gpu) = gpu() {
            let a = pictures(width, height, count, kind_a, seed);
            let b = pictures(width, height, count, kind_b, seed.rotate_left(9));
            compare(gpu, &a, &b, to);
        }
    }
}

#[test]
fn large_batches_are_copied_in_pieces_and_give_the_same_figures() {
    let Some(gpu) = gpu() else { return };
    // 24 pictures of 2 MB: several pieces, and the pairs across their borders.
    let (a, b) = (pictures(1_920, 1_080, 24, 1, 7), pictures(1_920, 1_080, 24, 1, 8));
    compare(gpu, &a, &b, (320, 180));
    let mut pinned = Frames::new(1_920, 1_080, gpu.buffer(a.pixels().len()).unwrap()).unwrap();
    pinned.pixels_mut().copy_from_slice(a.pixels());
    assert_eq!(gpu.likeness(&pinned, &b).unwrap(), gpu.likeness(&a, &b).unwrap());
}

#[test]
fn what_does_not_fit_is_refused_by_both() {
    let (a, b) = (pictures(16, 16, 2, 0, 1), pictures(16, 8, 2, 0, 1));
    let tiny = pictures(4, 2, 1, 0, 1);
    let mut ways: Vec<&dyn FrameOps> = vec![&Cpu];
    ways.extend(gpu().map(|gpu| gpu as &dyn FrameOps));
    for ops in ways {
        assert!(ops.likeness(&a, &b).is_err());
        assert!(ops.likeness(&tiny, &tiny).is_err());
        assert!(ops.motion(&tiny).is_err() && ops.difference(&tiny).is_err() && ops.detail(&tiny).is_err());
        assert!(ops.scale(&a, &mut room((4, 4), 3), Scaling::Box).is_err());
        assert!(ops.blend(&a, Layer { luma: a.frame(0), opacity: &[1] }, &mut room((16, 16), 2)).is_err());
    }
}
