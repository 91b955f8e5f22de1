//! Titles and the progress bar as events of an ASS file. Pure.

use super::ass::{Letters, Sheet, colour, shape};
use super::boxes::{Area, drawing};
use super::cues::{line_text, line_width, wrap};
use super::faces::Faces;
use crate::overlay::{ProgressBar, Title, TitlePlace};
use crate::plan::Canvas;
use crate::style::{CaptionStyle, Platform};

/// How long a title takes to come and to go.
const FADE_MS: u64 = 250;
/// Height of the second line over that of the first.
const SMALLER: f64 = 0.62;
/// What surrounds a title in its box, in heights of its line.
const PAD: f64 = 0.35;
/// Where lower thirds end, as a part of the height: above two lines of captions.
const LOWER: (f64, f64) = (0.74, 0.78);

/// The caption style that stands for a title's letters.
pub fn letters_of(title: &Title) -> CaptionStyle {
    CaptionStyle {
        font: title.style.font.clone(),
        font_file: title.style.font_file.clone(),
        bold: true,
        ..CaptionStyle::default()
    }
}

/// What a title says, as it is drawn.
pub fn says(title: &Title) -> (String, String) {
    let cased = |text: &str| if title.style.uppercase { text.to_uppercase() } else { text.to_owned() };
    (cased(&title.text), cased(title.subtitle.as_deref().unwrap_or_default()))
}

/// A title set in lines.
struct Setting {
    size: f64,
    /// Its lines, each with its height and its width in pixels.
    lines: Vec<(String, f64, f64)>,
    /// How many of them are large.
    large: usize,
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

/// Adds a title to a sheet; `name` is that of its style.
///
/// # Errors
/// In words: a colour that is none.
pub fn paint(
    sheet: &mut Sheet,
    name: &str,
    title: &Title,
    canvas: Canvas,
    faces: &Faces,
    width: &dyn Fn(&str) -> f64,
) -> Result<(), String> {
    let style = &title.style;
    let set = set(title, canvas, width);
    sheet.style(
        name,
        &Letters {
            family: faces.family.clone(),
            size: set.size,
            bold: true,
            colour: style.colour.clone(),
            stroke_colour: style.stroke_colour.clone(),
            stroke: f64::from(canvas.short_side()) * style.stroke_percent / 100.0,
        },
    )?;
    let (start, end) = (title.at_ms, title.at_ms + title.duration_ms);
    let fade = FADE_MS.min(title.duration_ms / 4);
    let fade = format!("{{\\fad({fade},{fade})}}");
    if let Some(background) = &style.background {
        let pad = PAD * set.size;
        let area = Area {
            x: set.x - pad,
            y: set.y - pad * 0.6,
            width: set.width + 2.0 * pad,
            height: set.height + 1.2 * pad,
        };
        let drawn = shape(&drawing(&[area], pad * 0.6), &colour(background)?, style.background_opacity);
        sheet.event(3, name, start, end, &format!("{fade}{drawn}"));
    }
    if let Some(accent) = &style.accent {
        let drawn = shape(&drawing(&[accent_area(style.place, &set)], 0.0), &colour(accent)?, 1.0);
        sheet.event(4, name, start, end, &format!("{fade}{drawn}"));
    }
    let mut y = set.y;
    for (number, (text, size, _)) in set.lines.iter().enumerate() {
        if number == set.large {
            y += gap(style.place, set.size);
        }
        let (anchor, x) = match style.place {
            TitlePlace::LowerThird => (7, set.x + 0.45 * set.size),
            _ => (8, set.x + set.width / 2.0),
        };
        let placed = format!("{{\\an{anchor}\\pos({x:.1},{y:.1})\\fs{size:.1}}}{fade}{}", faces.ass(text));
        sheet.event(5, name, start, end, &placed);
        y += size;
    }
    Ok(())
}

/// What is free between the large and the small lines.
fn gap(place: TitlePlace, size: f64) -> f64 {
    if place == TitlePlace::LowerThird { 0.0 } else { 0.5 * size }
}

/// A line beside a lower third, and under the large lines of the others.
fn accent_area(place: TitlePlace, set: &Setting) -> Area {
    if place == TitlePlace::LowerThird {
        return Area { x: set.x, y: set.y, width: 0.14 * set.size, height: set.height };
    }
    let width = (1.6 * set.size).min(set.width);
    let y = set.y + set.large as f64 * set.size + 0.2 * set.size;
    Area { x: set.x + (set.width - width) / 2.0, y, width, height: 0.09 * set.size }
}

fn set(title: &Title, canvas: Canvas, width: &dyn Fn(&str) -> f64) -> Setting {
    let place = title.style.place;
    let (across, down) = (f64::from(canvas.width), f64::from(canvas.height));
    let usual = if place == TitlePlace::LowerThird { 5.0 } else { 10.0 };
    let wanted = f64::from(canvas.short_side()) * title.style.size_percent.unwrap_or(usual) / 100.0;
    let safe = Platform::Any.safe(canvas.width, canvas.height);
    let free = across * (1.0 - safe.left - safe.right) - PAD * wanted;
    let (text, small) = says(title);
    let wrapped = |text: &str, size: f64| wrap(text, (free / size).max(1.0), width);
    let large = wrapped(&text, wanted);
    let widest = large.iter().map(|line| line_width(line, width)).fold(0.0, f64::max) * wanted;
    // A word that is wider than the picture makes the title smaller.
    let size = if widest > free { wanted * free / widest } else { wanted };
    let mut lines: Vec<(String, f64, f64)> = Vec::new();
    for (lines_of, size) in [(&large, size), (&wrapped(&small, size * SMALLER), size * SMALLER)] {
        lines.extend(lines_of.iter().map(|line| (line_text(line), size, line_width(line, width) * size)));
    }
    let between =
        if title.style.accent.is_some() || lines.len() > large.len() { gap(place, size) } else { 0.0 };
    let height = lines.iter().map(|(_, size, _)| size).sum::<f64>() + between;
    let wide = lines.iter().map(|(_, _, wide)| *wide).fold(0.0, f64::max);
    let (x, y, wide) = match place {
        TitlePlace::LowerThird => {
            let lower = if canvas.height > canvas.width { LOWER.0 } else { LOWER.1 };
            (across * safe.left, down * lower - height, wide + 0.45 * size)
        }
        TitlePlace::Centre => ((across - wide) / 2.0, (down - height) / 2.0, wide),
        TitlePlace::Top => ((across - wide) / 2.0, down * safe.top, wide),
    };
    Setting { size, lines, large: large.len(), x, y, width: wide, height }
}

/// Adds the bar to a sheet; it uses the style of this name.
///
/// # Errors
/// In words: a colour that is none.
pub fn progress(
    sheet: &mut Sheet,
    name: &str,
    bar: &ProgressBar,
    canvas: Canvas,
    duration_ms: u64,
) -> Result<(), String> {
    let (width, height) = (f64::from(canvas.width), f64::from(canvas.height));
    let thick = (f64::from(canvas.short_side()) * bar.height_percent / 100.0).round().max(2.0);
    let y = if bar.top { 0.0 } else { height - thick };
    let whole = drawing(&[Area { x: 0.0, y, width, height: thick }], 0.0);
    if let Some(background) = &bar.background {
        sheet.event(6, name, 0, duration_ms, &shape(&whole, &colour(background)?, 0.45));
    }
    // What is seen of the whole bar grows from nothing to all of it.
    let end = y + thick;
    let grows = format!("{{\\clip(0,{y},0,{end})\\t(0,{duration_ms},\\clip(0,{y},{width},{end}))}}");
    sheet.event(7, name, 0, duration_ms, &format!("{grows}{}", shape(&whole, &colour(&bar.colour)?, 1.0)));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::cues::tests::width;
    use super::{Faces, Sheet, paint, set};
    use crate::overlay::{Title, TitlePlace, TitleStyle};
    use crate::plan::Canvas;

    const CANVAS: Canvas = Canvas { width: 1_080, height: 1_920, fps: 30 };

    fn title(text: &str, place: TitlePlace) -> Title {
        let style = TitleStyle { place, background: Some("#000000".into()), ..TitleStyle::default() };
        Title { text: text.into(), subtitle: Some("Keeper".into()), at_ms: 1_000, duration_ms: 2_000, style }
    }

    #[test]
    fn a_title_has_a_box_a_line_and_its_texts() {
        let mut sheet = Sheet::new(CANVAS);
        let faces = Faces::all_in("X");
        paint(&mut sheet, "T0", &title("Ann Lee", TitlePlace::LowerThird), CANVAS, &faces, &width).unwrap();
        let text = sheet.finish("");
        let events: Vec<&str> = text.lines().filter_map(|l| l.strip_prefix("Dialogue: ")).collect();
        assert_eq!(events.iter().map(|e| &e[..1]).collect::<String>(), "3455");
        assert!(events[2].ends_with("Ann Lee") && events[3].ends_with("Keeper"), "{events:?}");
        assert!(events.iter().all(|e| e.contains("0:00:01.00,0:00:03.00") && e.contains("\\fad(250,250)")));
    }

    #[test]
    fn titles_stay_within_the_picture() {
        for place in [TitlePlace::LowerThird, TitlePlace::Centre, TitlePlace::Top] {
            for text in ["Sea", "Why the sea rises twice a day and falls twice", &"W".repeat(80)] {
                let set = set(&title(text, place), CANVAS, &width);
                assert!(
                    set.x >= 30.0 && set.x + set.width <= 1_060.0,
                    "{place:?} {text}: {} {}",
                    set.x,
                    set.width
                );
                assert!(set.y > 100.0 && set.y + set.height < 1_500.0, "{place:?} {text}");
            }
        }
    }
}
