//! The reference is held to what the figures mean.

use super::Cpu;
use crate::frames::Frames;
use crate::ops::{FrameOps, Layer, Scaling};

fn noise(width: usize, height: usize, count: usize) -> Frames {
    let mut state = 88_172_645_463_325_252_u64;
    let value = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    Frames::new(width, height, (0..width * height * count).map(value).collect::<Vec<_>>()).unwrap()
}

fn flat(width: usize, height: usize, value: u8) -> Frames {
    Frames::new(width, height, vec![value; width * height]).unwrap()
}

#[test]
fn equal_pictures_are_alike_and_inverted_noise_is_not() {
    let a = noise(50, 37, 1);
    let same = Cpu.likeness(&a, &a).unwrap()[0];
    assert!((same.ssim - 1.0).abs() < 1e-6 && (same.textured - 1.0).abs() < 1e-6, "{same:?}");
    assert!((same.mse, same.texture) == (0.0, 1.0) && (same.psnr() - 100.0).abs() < 1e-9);
    let inverted: Vec<u8> = a.pixels().iter().map(|v| 255 - v).collect();
    let other = Cpu.likeness(&Frames::new(50, 37, inverted).unwrap(), &a).unwrap()[0];
    assert!(other.ssim < -0.7, "{other:?}");
}

#[test]
fn flat_windows_do_not_count_as_textured() {
    // Left half flat, right half noise, and only the noise is damaged.
    let (clean, dirt) = (noise(64, 64, 1), noise(64, 64, 2));
    let half = |from: &[u8]| -> Vec<u8> {
        from.iter().enumerate().map(|(i, v)| if i % 64 < 32 { 90 } else { *v }).collect()
    };
    let a = Frames::new(64, 64, half(dirt.frame(1))).unwrap();
    let b = Frames::new(64, 64, half(clean.frame(0))).unwrap();
    let likeness = Cpu.likeness(&a, &b).unwrap()[0];
    assert!(likeness.ssim > 0.4 && likeness.textured < 0.2, "{likeness:?}");
    // Of 15 columns of windows 7 lie in the flat half.
    assert!((likeness.texture - 8.0 / 15.0).abs() < 1e-9, "{likeness:?}");
}

#[test]
fn the_squared_error_counts_every_pixel() {
    // 13 x 9 has rims that are no whole blocks.
    let likeness = Cpu.likeness(&flat(13, 9, 100), &flat(13, 9, 103)).unwrap()[0];
    assert!((likeness.mse - 9.0).abs() < 1e-12, "{likeness:?}");
    assert!((likeness.psnr() - 38.588_3).abs() < 1e-3, "{}", likeness.psnr());
}

#[test]
fn a_picture_that_moves_is_found_where_it_went() {
    let wide = noise(80, 64, 1);
    let cut = |left: usize, top: usize| -> Vec<u8> {
        (top..top + 48).flat_map(|y| wide.pixels()[y * 80 + left..][..64].to_vec()).collect()
    };
    let frames = Frames::new(64, 48, [cut(3, 4), cut(7, 1)].concat()).unwrap();
    let motion = Cpu.motion(&frames).unwrap()[0];
    // Blocks came from 4 to the right and 3 up; only those at two rims came from outside.
    assert!(motion.moved > 0.9 && motion.residue < motion.in_place * 0.4, "{motion:?}");
    assert!((4.5..5.6).contains(&motion.length), "{motion:?}");
    let still = Frames::new(64, 48, [cut(3, 4), cut(3, 4)].concat()).unwrap();
    let still = Cpu.motion(&still).unwrap()[0];
    assert_eq!((still.moved, still.length, still.in_place), (0.0, 0.0, 0.0));
}

#[test]
fn a_change_of_light_is_a_difference_without_temporal_information() {
    let frames = Frames::new(8, 4, [vec![10; 32], vec![14; 32]].concat()).unwrap();
    let difference = Cpu.difference(&frames).unwrap()[0];
    assert!((difference.absolute - 4.0).abs() < 1e-12 && difference.ti < 1e-9, "{difference:?}");
}

#[test]
fn histograms_count_every_pixel_once() {
    let frames = noise(37, 71, 2);
    for (index, bins) in Cpu.histogram(&frames).unwrap().iter().enumerate() {
        assert_eq!(bins.iter().sum::<u32>(), 37 * 71);
        let black = frames.frame(index).iter().filter(|v| **v == 7).map(|_| 1_u32).sum::<u32>();
        assert_eq!(bins[7], black);
    }
}

#[test]
fn detail_sees_one_edge_and_no_flat_picture() {
    let step: Vec<u8> = (0..20 * 10).map(|i| if i % 20 < 10 { 0 } else { 100 }).collect();
    let detail = Cpu.detail(&Frames::new(20, 10, step).unwrap()).unwrap()[0];
    // Two of 18 columns have a gradient of 400.
    assert!(
        (detail.mean - 400.0 / 9.0).abs() < 1e-9 && (detail.edges - 1.0 / 9.0).abs() < 1e-9,
        "{detail:?}"
    );
    let nothing = Cpu.detail(&flat(20, 10, 77)).unwrap()[0];
    assert_eq!((nothing.si, nothing.mean, nothing.edges), (0.0, 0.0, 0.0));
}

fn scaled(frames: &Frames, width: usize, height: usize, how: Scaling) -> Frames {
    let mut into = flat(width, height, 0);
    Cpu.scale(frames, &mut into, how).unwrap();
    into
}

#[test]
fn scaling_keeps_the_mean_and_a_flat_picture() {
    for how in [Scaling::Box, Scaling::Bilinear] {
        let scaled = scaled(&flat(31, 17, 91), 12, 25, how);
        assert!(scaled.pixels().iter().all(|v| *v == 91), "{how:?}");
    }
    let halves = Frames::new(4, 2, vec![0, 100, 200, 50, 100, 200, 0, 50]).unwrap();
    assert_eq!(scaled(&halves, 2, 1, Scaling::Box).pixels(), [100, 75]);
    let line = Frames::new(2, 1, vec![0, 200]).unwrap();
    assert_eq!(scaled(&line, 4, 1, Scaling::Bilinear).pixels(), [0, 50, 150, 200]);
}

#[test]
fn a_layer_hides_what_is_below_by_its_opacity() {
    let layer = Layer { luma: &[200, 200, 200], opacity: &[0, 255, 51] };
    let mut out = flat(3, 1, 0);
    Cpu.blend(&flat(3, 1, 100), layer, &mut out).unwrap();
    assert_eq!(out.pixels(), [100, 200, 120]);
}
