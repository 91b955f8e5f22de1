//! How much of a small grey picture looks like text. Pure.

/// Side of a block.
const BLOCK: usize = 8;
/// Least distance of ink and paper.
const CONTRAST: u8 = 56;
/// Least part of a block's pixels that are ink or paper and not between.
const TWO_TONED: usize = 36;
/// Least crossings between ink and paper in a block: letters cross a row often, an outline once.
const CROSSINGS: usize = 13;
/// Blocks side by side that make a line.
const LINE: usize = 3;

/// The part of blocks of 8x8 pixels that look like text: two tones, with many strokes, in a row with others.
#[must_use]
pub fn text_density(picture: &[u8], width: usize, height: usize) -> f64 {
    let (columns, rows) = (width / BLOCK, height / BLOCK);
    if columns * rows == 0 {
        return 0.0;
    }
    let mut text = 0;
    for row in 0..rows {
        let mut run = 0;
        for column in 0..=columns {
            if column < columns && looks_like_text(picture, width, column * BLOCK, row * BLOCK) {
                run += 1;
                continue;
            }
            if run >= LINE {
                text += run;
            }
            run = 0;
        }
    }
    text as f64 / (columns * rows) as f64
}

fn looks_like_text(picture: &[u8], width: usize, x: usize, y: usize) -> bool {
    let row = |v: usize| &picture[(y + v) * width + x..][..BLOCK];
    let values = || (0..BLOCK).flat_map(|v| row(v).iter().copied());
    let (dark, light) = values().fold((255_u8, 0_u8), |(low, high), v| (low.min(v), high.max(v)));
    let contrast = light - dark;
    if contrast < CONTRAST {
        return false;
    }
    let toned = values().filter(|v| v - dark < contrast / 3 || light - v < contrast / 3).count();
    let middle = dark + contrast / 2;
    let crossings =
        |v: usize| row(v).windows(2).filter(|pair| (pair[0] < middle) != (pair[1] < middle)).count();
    toned >= TWO_TONED && (0..BLOCK).map(crossings).sum::<usize>() >= CROSSINGS
}

#[cfg(test)]
mod tests {
    use super::text_density;

    #[test]
    fn strokes_are_text_and_an_outline_or_a_slope_is_not() {
        let picture = |value: fn(usize, usize) -> u8| -> Vec<u8> {
            (0..64 * 32).map(|at| value(at % 64, at / 64)).collect()
        };
        // Strokes two pixels wide and apart on paper, in the upper half.
        let strokes = picture(|x, y| if y < 16 && x % 4 < 2 { 20 } else { 230 });
        assert!((text_density(&strokes, 64, 32) - 0.5).abs() < 1e-9);
        let outline = picture(|x, _| if x < 36 { 20 } else { 230 });
        assert!(text_density(&outline, 64, 32) < 1e-9);
        let slope = picture(|x, _| u8::try_from(x * 4).unwrap());
        assert!(text_density(&slope, 64, 32) < 1e-9);
        assert!(text_density(&[], 0, 0) < 1e-9);
    }
}
