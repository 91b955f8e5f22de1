//! How material of any shape and colour becomes a picture of the canvas: the text of a filter graph. Pure.

use crate::plan::Canvas;
use crate::timeline::{Fit, Shot};
use reelmill_media::VideoInfo;

/// What a graph is to make.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Frame<'a> {
    /// Pixels across; even.
    pub width: u32,
    /// Pixels down; even.
    pub height: u32,
    /// Frames a second; nothing for a single picture.
    pub fps: Option<u32>,
    /// How material of another shape fills it.
    pub fit: Fit,
    /// What is kept in the middle where it is cut off, as parts of its width and height.
    pub focus: (f64, f64),
    /// Colour of the bars.
    pub background: &'a str,
    /// Whether the last frame stays for ever.
    pub hold: bool,
}

impl<'a> Frame<'a> {
    /// What a shot asks for on a canvas.
    #[must_use]
    pub fn of(shot: &'a Shot, canvas: Canvas, focus: (f64, f64)) -> Self {
        let Canvas { width, height, fps } = canvas;
        Self {
            width,
            height,
            fps: Some(fps),
            fit: shot.fit,
            focus,
            background: &shot.background,
            hold: false,
        }
    }
}

/// The whole graph from `[in0]` to `[out]`.
#[must_use]
pub fn graph(info: &VideoInfo, frame: Frame<'_>) -> String {
    let mut chain: Vec<String> = info.rotation.filters().iter().map(ToString::to_string).collect();
    if info.interlaced && frame.fps.is_some() {
        chain.push("bwdif=mode=send_frame:deint=interlaced".into());
    }
    if let Some(fps) = frame.fps {
        chain.push(format!("fps=fps={fps}:start_time=0"));
    }
    if frame.hold {
        chain.push("tpad=stop=-1:stop_mode=clone".into());
    }
    if info.colour.is_hdr() {
        chain.push(
            "zscale=transfer=linear:npl=100,format=gbrpf32le,zscale=primaries=bt709,\
             tonemap=tonemap=hable:desat=0,zscale=transfer=bt709:matrix=bt709:range=tv,format=yuv420p"
                .into(),
        );
    }
    let shape = Shape::new(info, frame);
    let geometry = match frame.fit {
        Fit::Cover | Fit::Smart => shape.cover(frame.width, frame.height, "lanczos", frame.focus),
        Fit::Fit => shape.bars(frame.background),
        Fit::Blur => return format!("[in0]{}", shape.blurred(&chain)),
    };
    chain.push(geometry);
    chain.push("setsar=1".into());
    chain.push("format=yuv420p".into());
    format!("[in0]{}[out]", chain.join(","))
}

/// The part of the material, across and down and as it is seen, that `cover` keeps on a canvas.
#[must_use]
pub fn kept(info: &VideoInfo, frame: Frame<'_>) -> (f64, f64) {
    let shape = Shape::new(info, frame);
    let (cw, ch) = shape.window();
    (cw / shape.source.0, ch / shape.source.1)
}

/// The graph of a small grey picture of the material, upright: what [`crate::crop`] looks at.
#[must_use]
pub fn map_graph(info: &VideoInfo, width: usize, height: usize) -> String {
    let mut chain: Vec<String> = info.rotation.filters().iter().map(ToString::to_string).collect();
    chain.push(format!("scale={width}:{height}:flags=area,format=gray"));
    format!("[in0]{}[out]", chain.join(","))
}

/// Sizes of the material as the filters see it (turned upright) and of the picture to fill.
struct Shape {
    /// Stored pixels, upright.
    source: (f64, f64),
    /// Width over height of a stored pixel, upright.
    pixel_aspect: f64,
    target: (u32, u32),
    colours: String,
}

impl Shape {
    fn new(info: &VideoInfo, frame: Frame<'_>) -> Self {
        let (w, h) = (f64::from(info.width), f64::from(info.height));
        let sideways = info.rotation.is_sideways();
        Self {
            source: if sideways { (h, w) } else { (w, h) },
            pixel_aspect: if sideways { 1.0 / info.pixel_aspect } else { info.pixel_aspect },
            target: (frame.width, frame.height),
            colours: colours(info),
        }
    }

    /// Cuts the material to the target's shape first, so that less of it is scaled.
    fn cover(&self, width: u32, height: u32, flags: &str, focus: (f64, f64)) -> String {
        let ((w, h), (cw, ch)) = (self.source, self.window());
        let mut chain = Vec::new();
        if cw < w || ch < h {
            let place = |whole: f64, part: f64, middle: f64| {
                (whole * middle - part / 2.0).clamp(0.0, whole - part).floor()
            };
            chain.push(format!("crop={cw}:{ch}:{}:{}", place(w, cw, focus.0), place(h, ch, focus.1)));
        }
        chain.push(format!("scale={width}:{height}:flags={flags}:{}", self.colours));
        chain.join(",")
    }

    /// What of the material has the target's shape.
    fn window(&self) -> (f64, f64) {
        let wanted = f64::from(self.target.0) / f64::from(self.target.1) / self.pixel_aspect;
        let (w, h) = self.source;
        if w / h > wanted { (even_up(h * wanted).min(w), h) } else { (w, even_up(w / wanted).min(h)) }
    }

    /// The largest even size within the target that keeps the material's shape.
    fn inner(&self) -> (u32, u32) {
        let (w, h) = (self.source.0 * self.pixel_aspect, self.source.1);
        let scale = (f64::from(self.target.0) / w).min(f64::from(self.target.1) / h);
        (even_near(w * scale, self.target.0), even_near(h * scale, self.target.1))
    }

    fn bars(&self, background: &str) -> String {
        let ((w, h), (tw, th)) = (self.inner(), self.target);
        let colour = reelmill_media::escape(background);
        format!(
            "scale={w}:{h}:flags=lanczos:{},pad={tw}:{th}:(ow-iw)/2:(oh-ih)/2:color={colour}",
            self.colours
        )
    }

    fn blurred(&self, before: &[String]) -> String {
        let ((w, h), (tw, th)) = (self.inner(), self.target);
        let before = if before.is_empty() { String::new() } else { before.join(",") + "," };
        // The copy is blurred small, where it costs a sixty-fourth, and darkened to stay behind.
        let (sw, sh) = ((tw / 8).max(2) / 2 * 2, (th / 8).max(2) / 2 * 2);
        let small = self.cover(sw, sh, "bilinear", (0.5, 0.5));
        format!(
            "{before}split=2[back][front];\
             [back]{small},setsar=1,format=yuv420p,gblur=sigma=4,eq=brightness=-0.06:saturation=0.9,\
             scale={tw}:{th}:flags=bicubic[wide];\
             [front]scale={w}:{h}:flags=lanczos:{},setsar=1,format=yuv420p[whole];\
             [wide][whole]overlay=(W-w)/2:(H-h)/2:format=yuv420,setsar=1,format=yuv420p[out]",
            self.colours
        )
    }
}

fn even_up(value: f64) -> f64 {
    2.0 * (value / 2.0).ceil()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "sizes within the canvas")]
fn even_near(value: f64, most: u32) -> u32 {
    ((value / 2.0).round() as u32 * 2).clamp(2, most)
}

/// Tells the scaler what comes and what is wanted: BT.709, limited range. What a file does not say is guessed
/// as players do: small pictures are BT.601, and so are JPEG files, at full range.
fn colours(info: &VideoInfo) -> String {
    const WANTED: &str = "out_color_matrix=bt709:out_range=tv";
    if info.colour.is_hdr() {
        return format!("in_color_matrix=bt709:in_range=tv:{WANTED}");
    }
    if !["yuv", "nv", "p0"].iter().any(|start| info.pixel.starts_with(start)) {
        return WANTED.into();
    }
    let full = info.colour.range == "pc" || info.pixel.starts_with("yuvj");
    let small = info.width.min(info.height) < 720;
    let matrix = match info.colour.matrix.as_str() {
        "bt470bg" | "smpte170m" => "bt601",
        "bt2020nc" | "bt2020c" => "bt2020",
        "unknown" if full || small => "bt601",
        _ => "bt709",
    };
    format!("in_color_matrix={matrix}:in_range={}:{WANTED}", if full { "pc" } else { "tv" })
}

#[cfg(test)]
mod tests {
    use super::{Frame, graph};
    use crate::timeline::Fit;
    use reelmill_media::{ColourInfo, Rotation, VideoInfo};

    fn info(width: u32, height: u32) -> VideoInfo {
        let colour = ColourInfo {
            primaries: "bt709".into(),
            transfer: "bt709".into(),
            matrix: "bt709".into(),
            range: "tv".into(),
        };
        VideoInfo {
            codec: "h264".into(),
            width,
            height,
            pixel_aspect: 1.0,
            rotation: Rotation::default(),
            fps: 30.0,
            frames: None,
            pixel: "yuv420p".into(),
            colour,
            interlaced: false,
            duration_ms: 1_000,
        }
    }

    fn frame(fit: Fit) -> Frame<'static> {
        Frame {
            width: 1_080,
            height: 1_920,
            fps: Some(30),
            fit,
            focus: (0.5, 0.5),
            background: "black",
            hold: false,
        }
    }

    #[test]
    fn covering_cuts_before_it_scales() {
        let text = graph(&info(1_920, 1_080), frame(Fit::Cover));
        assert!(text.contains("crop=608:1080:656:0,scale=1080:1920:flags=lanczos"), "{text}");
        let left = graph(&info(1_920, 1_080), Frame { focus: (0.2, 0.5), ..frame(Fit::Smart) });
        assert!(left.contains("crop=608:1080:80:0,"), "{left}");
        let edge = graph(&info(1_920, 1_080), Frame { focus: (1.0, 0.5), ..frame(Fit::Cover) });
        assert!(edge.contains("crop=608:1080:1312:0,"), "{edge}");
        let same = graph(&info(540, 960), frame(Fit::Cover));
        assert!(!same.contains("crop"), "{same}");
    }

    #[test]
    fn a_turned_phone_video_is_cut_as_it_is_seen() {
        let mut phone = info(1_920, 1_080);
        phone.rotation = Rotation { quarter_turns: 1, mirrored: false };
        let text = graph(&phone, frame(Fit::Cover));
        assert!(text.starts_with("[in0]transpose=clock,") && !text.contains("crop"), "{text}");
    }

    #[test]
    fn wide_pixels_are_counted() {
        let mut anamorphic = info(720, 576);
        anamorphic.pixel_aspect = 64.0 / 45.0;
        let text = graph(&anamorphic, Frame { width: 1_920, height: 1_080, ..frame(Fit::Fit) });
        assert!(text.contains("scale=1920:1080"), "1024x576 as seen is 16:9: {text}");
    }

    #[test]
    fn bars_fill_what_is_left() {
        let text = graph(&info(1_920, 1_080), frame(Fit::Fit));
        assert!(text.contains("scale=1080:608") && text.contains("pad=1080:1920"), "{text}");
    }

    #[test]
    fn hdr_is_brought_to_ordinary_brightness() {
        let mut hdr = info(3_840, 2_160);
        hdr.colour.transfer = "smpte2084".into();
        assert!(graph(&hdr, frame(Fit::Cover)).contains("tonemap=tonemap=hable"));
    }
}
