//! Where in a picture there is most to see: edges and movement over a small brightness map. Pure.

/// A small grey picture.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Map {
    /// Across.
    pub width: usize,
    /// Down.
    pub height: usize,
    /// Brightness, row by row.
    pub luma: Vec<u8>,
}

/// How much more movement counts than edges.
const MOVEMENT: f64 = 3.0;
/// How much less a point at the edge counts than one in the middle: when there is little to see, the middle is kept.
const CENTRE: f64 = 0.35;

impl Map {
    fn at(&self, x: usize, y: usize) -> f64 {
        f64::from(self.luma[y * self.width + x])
    }
}

/// The middle of the window of `part` (0 to 1, across and down) of the picture that holds most, as parts of its size.
/// `pairs` are pictures of the shot, each with the one a moment later.
#[must_use]
pub fn focus(pairs: &[(Map, Map)], part: (f64, f64)) -> (f64, f64) {
    let Some((first, _)) = pairs.first() else { return (0.5, 0.5) };
    let (width, height) = (first.width, first.height);
    let mut columns = vec![0.0; width];
    let mut rows = vec![0.0; height];
    for (now, next) in
        pairs.iter().filter(|(a, b)| (a.width, a.height, b.luma.len()) == (width, height, a.luma.len()))
    {
        for (y, row) in rows.iter_mut().enumerate() {
            for (x, column) in columns.iter_mut().enumerate() {
                let interest = interest(now, next, x, y);
                *column += interest;
                *row += interest;
            }
        }
    }
    (best(&columns, part.0), best(&rows, part.1))
}

fn interest(now: &Map, next: &Map, x: usize, y: usize) -> f64 {
    let right = now.at((x + 1).min(now.width - 1), y);
    let below = now.at(x, (y + 1).min(now.height - 1));
    let here = now.at(x, y);
    (right - here).abs() + (below - here).abs() + MOVEMENT * (next.at(x, y) - here).abs()
}

/// The middle of the window over a line of values that holds the most, as a part of its length.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of columns")]
fn best(values: &[f64], part: f64) -> f64 {
    let count = values.len();
    let window = ((count as f64 * part).round() as usize).clamp(1, count);
    // What is everywhere (grain, a pattern) says nothing of where to look.
    let usual = values.iter().sum::<f64>() / count as f64;
    let middle = |start: usize| (start as f64 + window as f64 / 2.0) / count as f64;
    let score = |start: usize| {
        let sum: f64 = values[start..start + window].iter().sum();
        let away = (2.0 * middle(start) - 1.0).abs();
        sum - CENTRE * away * usual * window as f64
    };
    let scores: Vec<f64> = (0..=count - window).map(score).collect();
    let most = scores.iter().copied().fold(f64::MIN, f64::max);
    let enough = most - 1e-9 * most.abs();
    // Of windows that hold as much, the one nearest to the middle.
    let nearest = (0..scores.len())
        .filter(|start| scores[*start] >= enough)
        .min_by(|a, b| (middle(*a) - 0.5).abs().total_cmp(&(middle(*b) - 0.5).abs()));
    nearest.map_or(0.5, middle)
}

#[cfg(test)]
mod tests {
    use super::{Map, focus};

    const SIZE: (usize, usize) = (64, 36);

    fn map(paint: impl Fn(usize, usize) -> u8) -> Map {
        let luma =
            (0..SIZE.1).flat_map(|y| (0..SIZE.0).map(move |x| (x, y))).map(|(x, y)| paint(x, y)).collect();
        Map { width: SIZE.0, height: SIZE.1, luma }
    }

    /// A checked square at a place.
    fn square(at: usize) -> Map {
        map(
            |x, y| {
                if (at..at + 10).contains(&x) && (10..20).contains(&y) && (x + y) % 2 == 0 { 220 } else { 90 }
            },
        )
    }

    #[test]
    fn the_window_goes_to_what_there_is_to_see() {
        let upright = (0.32, 1.0);
        let (x, y) = focus(&[(square(2), square(2))], upright);
        assert!(x < 0.25 && (y - 0.5).abs() < 0.02, "{x} {y}");
        let (x, _) = focus(&[(square(52), square(52))], upright);
        assert!(x > 0.75, "{x}");
    }

    #[test]
    fn an_even_picture_is_kept_in_its_middle() {
        for paint in
            [|_, _| 90, |x, y| if (x + y) % 2 == 0 { 60 } else { 190 }] as [fn(usize, usize) -> u8; 2]
        {
            let (x, _) = focus(&[(map(paint), map(paint))], (0.32, 1.0));
            assert!((x - 0.5).abs() < 0.03, "{x}");
        }
        assert_eq!(focus(&[], (0.3, 1.0)), (0.5, 0.5));
    }

    #[test]
    fn movement_counts_more_than_what_stands_still() {
        let still =
            |x: usize, y: usize| (4..14).contains(&x) && (10..20).contains(&y) && (x + y).is_multiple_of(2);
        let now = map(|x, y| if still(x, y) { 200 } else { 90 });
        let next =
            map(|x, y| if still(x, y) || ((48..60).contains(&x) && (8..24).contains(&y)) { 200 } else { 90 });
        let (x, _) = focus(&[(now, next)], (0.32, 1.0));
        assert!(x > 0.6, "{x}");
    }
}
