//! Boxes behind text, as ASS drawings. Pure.

use std::fmt::Write as _;

/// A box in pixels.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Area {
    /// Left side.
    pub x: f64,
    /// Upper side.
    pub y: f64,
    /// Across.
    pub width: f64,
    /// Down.
    pub height: f64,
}

/// How far a quarter of a circle's curve reaches towards the corner.
const CURVE: f64 = 0.552;

/// The drawing of boxes that are filled as one shape, with corners of this radius.
pub fn drawing(areas: &[Area], radius: f64) -> String {
    let mut text = String::new();
    for area in areas {
        let round = radius.min(area.width / 2.0).min(area.height / 2.0);
        let (left, top) = (area.x, area.y);
        let (right, bottom) = (left + area.width, top + area.height);
        if round < 0.5 {
            let _ = write!(
                text,
                "m {left:.1} {top:.1} l {right:.1} {top:.1} {right:.1} {bottom:.1} {left:.1} {bottom:.1} "
            );
            continue;
        }
        let (near, far) = (round * (1.0 - CURVE), round);
        let corner = |x: f64, y: f64, across: f64, down: f64| {
            // From the point before the corner to the point after it, clockwise.
            let (from, to) =
                if across * down > 0.0 { ((0.0, down), (across, 0.0)) } else { ((across, 0.0), (0.0, down)) };
            let point =
                |part: f64, (dx, dy): (f64, f64)| format!("{:.1} {:.1}", x + dx * part, y + dy * part);
            format!("{} b {} {} {} ", point(far, from), point(near, from), point(near, to), point(far, to))
        };
        let corners = [
            corner(left, top, 1.0, 1.0),
            corner(right, top, -1.0, 1.0),
            corner(right, bottom, -1.0, -1.0),
            corner(left, bottom, 1.0, -1.0),
        ];
        let _ = write!(text, "m {}", corners.join("l "));
    }
    text.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::{Area, drawing};

    #[test]
    fn a_box_without_radius_has_four_corners() {
        let area = Area { x: 10.0, y: 20.0, width: 100.0, height: 40.0 };
        assert_eq!(drawing(&[area], 0.0), "m 10.0 20.0 l 110.0 20.0 110.0 60.0 10.0 60.0");
    }

    #[test]
    fn a_radius_never_exceeds_half_a_side() {
        let area = Area { x: 0.0, y: 0.0, width: 100.0, height: 40.0 };
        let text = drawing(&[area], 500.0);
        assert!(text.starts_with("m 0.0 20.0 b 0.0 9.0 9.0 0.0 20.0 0.0 l 80.0 0.0 b "), "{text}");
        assert_eq!(text.matches('b').count(), 4);
    }
}
